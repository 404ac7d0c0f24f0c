//! The rules terminate, with the same result in a loss of any size.

use std::collections::BTreeMap;

use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::{Builder, Element, Level, Op, Program, ValueId};

use super::{RULES, stabilise};
use crate::differentiate::differentiate;
use crate::egraph::{ENodeOrVar, LossNode, NodeOp, Pattern, Var};

/// The term that an op adds to a measure, and the factor of its operands' measures.
fn weight(op: Op) -> (u64, u64) {
    match op {
        Op::Log => (10, 1),
        Op::Mul => (1, 2),
        _ => (1, 1),
    }
}

/// The measure of a pattern: a number, and the factor of each variable's measure.
fn measure(pattern: &str) -> (u64, BTreeMap<Var, u64>) {
    let pattern: Pattern<LossNode> = pattern.parse().expect("a pattern");
    let mut known: Vec<(u64, BTreeMap<Var, u64>)> = vec![];
    for part in &pattern.ast {
        known.push(match part {
            ENodeOrVar::Var(variable) => (0, BTreeMap::from([(*variable, 1)])),
            ENodeOrVar::ENode(LossNode { op: NodeOp::Op(op), children }) => {
                let (mut own, factor) = weight(*op);
                let mut variables = BTreeMap::new();
                for child in children {
                    let (number, below) = &known[usize::from(*child)];
                    own += factor * number;
                    below.iter().for_each(|(&it, count)| *variables.entry(it).or_insert(0) += factor * count);
                }
                (own, variables)
            }
            ENodeOrVar::ENode(_) => unreachable!("no rule rewrites a program's roots"),
        });
    }
    known.pop().expect("a pattern has a root")
}

#[test]
fn every_rule_makes_the_measure_smaller() {
    for rule in RULES {
        let ((before, left), (after, right)) = (measure(rule.left), measure(rule.right));
        let grows = right.iter().any(|(variable, count)| left.get(variable).is_none_or(|it| count > it));
        // A variable's measure is at least 1.
        let total = |own: u64, variables: &BTreeMap<Var, u64>| own + variables.values().sum::<u64>();
        assert!(!grows && total(after, &right) < total(before, &left), "{}", rule.name);
    }
}

/// A loss that adds up pixel terms.
fn loss(terms: impl FnOnce(&mut Builder, ValueId) -> ValueId) -> Program {
    let mut builder = Builder::new("large");
    let logits = builder.pixel_argument("logit", Element::F32);
    let terms = terms(&mut builder, logits);
    let sum = builder.sum(terms);
    let loss = builder.sum_groups(sum);
    builder.finish_named([("loss", loss)]).expect("a loss")
}

/// `-log(1 - sigmoid(w x))`
fn naive_term(builder: &mut Builder, logits: ValueId, weight: f32) -> ValueId {
    let one = builder.constant(1.0, Level::Pixel);
    let weight = builder.constant(weight, Level::Pixel);
    let product = builder.mul(weight, logits);
    let probability = builder.sigmoid(product);
    let rest = builder.sub(one, probability);
    let log = builder.log(rest);
    builder.neg(log)
}

/// Loss and gradient of one pixel with this logit.
fn value_and_gradient(program: &Program, logit: f64) -> (f64, f64) {
    let stable = stabilise(program, false).expect("stabilises").program;
    let gradient = differentiate(&stable).expect("differentiates");
    let inputs = Inputs {
        plane_group: &[0],
        groups: 1,
        plane_length: 1,
        pixels: &[vec![logit]],
        scalars: &[1.0],
        uniform: &|_| 0.5,
    };
    let results = interpret(&gradient, &inputs, Precision::Exact);
    (results[0][0], results[1][0])
}

#[test]
fn a_sum_of_32_naive_terms_is_stable() {
    let program = loss(|builder, logits| {
        let first = naive_term(builder, logits, 1.0);
        (1..32).fold(first, |sum, index| {
            let term = naive_term(builder, logits, (index % 5 + 1) as f32);
            builder.add(sum, term)
        })
    });
    let weights: f64 = 1.0 + (1..32).map(|index| f64::from(index % 5 + 1)).sum::<f64>();
    assert_eq!(value_and_gradient(&program, 100.0), (weights * 100.0, weights));
}

/// One naive term next to `count` other ops.
fn beside(count: usize) -> Program {
    loss(|builder, logits| {
        let mut sum = naive_term(builder, logits, 1.0);
        for index in 0..count {
            let shift = builder.constant(index as f32, Level::Pixel);
            sum = builder.max(sum, shift);
        }
        sum
    })
}

#[test]
fn a_naive_term_is_stable_beside_however_many_ops() {
    for count in [0, 90, 600, 1_900] {
        assert_eq!(value_and_gradient(&beside(count / 2), 5_000.0), (5_000.0, 1.0), "{count} ops");
    }
}

#[test]
fn what_becomes_of_a_term_does_not_depend_on_its_company() {
    let ops = |program: &Program| {
        let mut ops: Vec<_> = program.values().map(|(_, node)| node.op).collect();
        ops.retain(|op| !matches!(op, Op::Constant(_) | Op::Max));
        ops
    };
    let alone = ops(&stabilise(&beside(0), false).expect("stabilises").program);
    for count in [1, 50, 900] {
        assert_eq!(ops(&stabilise(&beside(count), false).expect("stabilises").program), alone);
    }
}

/// All ways to write the same term.
#[test]
fn commuted_and_nested_forms_are_stable() {
    type Form = fn(&mut Builder, ValueId) -> ValueId;
    let forms: [Form; 5] = [
        |builder, x| {
            let (one, e) = (builder.constant(1.0, Level::Pixel), builder.exp(x));
            let sum = builder.add(e, one);
            builder.log(sum)
        },
        |builder, x| {
            let (one, e) = (builder.constant(1.0, Level::Pixel), builder.exp(x));
            let sum = builder.add(one, e);
            let quotient = builder.div(one, sum);
            let log = builder.log(quotient);
            builder.neg(log)
        },
        |builder, x| {
            let (one, negative) = (builder.constant(1.0, Level::Pixel), builder.neg(x));
            let e = builder.exp(negative);
            let sum = builder.add(e, one);
            let probability = builder.div(one, sum);
            let rest = builder.sub(one, probability);
            let (log, zero) = (builder.log(rest), builder.constant(0.0, Level::Pixel));
            builder.sub(zero, log)
        },
        |builder, x| {
            let (probability, minus) = (builder.sigmoid(x), builder.constant(-1.0, Level::Pixel));
            let negative = builder.mul(probability, minus);
            let log = builder.log1p(negative);
            builder.mul(minus, log)
        },
        |builder, x| {
            let (probability, one) = (builder.sigmoid(x), builder.constant(1.0, Level::Pixel));
            let (negative, zero) = (builder.neg(probability), builder.constant(0.0, Level::Pixel));
            let rest = builder.add(negative, one);
            let log = builder.log(rest);
            builder.sub(zero, log)
        },
    ];
    for (index, form) in forms.into_iter().enumerate() {
        assert_eq!(value_and_gradient(&loss(form), 200.0), (200.0, 1.0), "form {index}");
    }
}
