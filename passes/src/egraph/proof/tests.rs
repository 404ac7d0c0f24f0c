//! Proofs also hold by egg's own check; a condition that is not met is detected.

use egg::FromOp as _;
use lossc_dialect::{Builder, Element, Level, Op, Program, library};

use super::ProofError;
use crate::egraph::{Limits, LossNode, Rule, extract, graph, real, rewrite, saturation, to_expression};
use crate::saturate::{self, costs::CostModel};

fn cost(op: Op, level: Level) -> u64 {
    CostModel::Host.cost(op, level)
}

#[test]
fn egg_agrees_with_the_explanations_of_the_library() {
    let tables = saturate::rules::all();
    let rules: Vec<_> = tables.iter().map(Rule::to_egg).collect();
    for program in library::all().expect("the library parses").iter().flat_map(|file| &file.programs) {
        let source = to_expression(program);
        let mut egraph = graph(program, true);
        let root = egraph.add_expr(&source);
        saturation::saturate(&mut egraph, &tables, Limits::default());
        let result = extract(&egraph, root, &cost).expression;
        egraph.explain_equivalence(&source, &result).check_proof(&rules);
    }
}

/// A sum of logits with a weight that is infinite for a group without negatives.
fn infinite_weight() -> Program {
    let mut builder = Builder::new("infinite");
    let logits = builder.pixel_argument("logit", Element::F32);
    let zero = builder.constant(0.0, Level::Pixel);
    let negative = builder.less(logits, zero);
    let count = builder.count(negative);
    let count = builder.cast(count, Element::F32);
    let weight = builder.log(count);
    let weight = builder.broadcast(weight);
    let product = builder.mul(weight, logits);
    let sum = builder.sum(product);
    let loss = builder.sum_groups(sum);
    builder.finish_named([("loss", loss)]).expect("a program")
}

#[test]
fn a_step_whose_condition_is_not_met_is_refused() {
    let program = infinite_weight();
    let tables = saturate::rules::all();
    let known = tables.iter().find(|rule| rule.name == "sum-scale-everywhere").expect("a rule");
    let unguarded = [real(known.name, known.left, known.right)];
    let rewriting = rewrite(&program, &unguarded, Limits::default(), &cost, true).expect("rewrites");
    let proof = rewriting.proof.expect("a proof");
    assert_eq!(proof.check(&program, &unguarded), Ok(rewriting.program));
    let error = proof.check(&program, &tables).expect_err("the weight is not finite");
    assert!(matches!(error, ProofError::Condition { step: 1, .. }), "{error}");
    assert!(error.to_string().contains("?w is finite"), "{error}");
}

#[test]
fn every_constant_comes_back_from_its_text() {
    let edges = [0.0, -0.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, 0.1];
    let payloads = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff];
    let many = (0..50_000u32).map(|index| index.wrapping_mul(0x9e37_79b9));
    for bits in edges.into_iter().map(f32::to_bits).chain(payloads).chain(many) {
        let node = LossNode { op: crate::egraph::NodeOp::Op(Op::Constant(bits)), children: vec![] };
        assert_eq!(LossNode::from_op(&node.to_string(), vec![]).ok(), Some(node), "{bits:08x}");
    }
}
