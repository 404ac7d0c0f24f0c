//! Constants that are NaN, infinite, or a signed zero, as operands of every op and in every
//! rule: rewriting terminates, with a proof.

use lossc_dialect::{Builder, Element, Level, Program};

use super::proofs::check;
use super::random_programs::{for_random_programs_of, shapes};
use crate::differentiate::differentiate;
use crate::saturate::{costs::CostModel, rules, saturate};
use crate::stabilise::{self, stabilise};

const NANS: &[f32] = &[f32::NAN, -f32::NAN];
const INFINITIES: &[f32] = &[f32::INFINITY, f32::NEG_INFINITY];
const ZEROS: &[f32] = &[0.0, -0.0];
const ALL: &[f32] =
    &[f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX, f32::MIN_POSITIVE];

/// All phases, each with its proof checked.
fn rewrite(program: &Program) -> Result<(), String> {
    let stable = stabilise(program, true).map_err(|error| error.to_string())?;
    check(program, &stable, stabilise::RULES)?;
    // The gradient of a random program need not exist.
    let source = differentiate(&stable.program).unwrap_or(stable.program);
    let cheap = saturate(&source, CostModel::Host, true).map_err(|error| error.to_string())?;
    check(&source, &cheap, &rules::all())
}

#[test]
fn programs_of_odd_constants_come_to_an_end() {
    for edges in [NANS, INFINITIES, ZEROS, ALL] {
        let shapes: Vec<_> = shapes().into_iter().map(|shape| shape.with_edges(edges)).collect();
        for_random_programs_of(&shapes, 150, |plan, shapes| rewrite(&plan.program(shapes, false)));
    }
}

/// A regression test for a hang: a select that is NaN either way, which a rule unites with NaN.
#[test]
fn a_nan_that_a_rule_unites_with_another_value_comes_to_an_end() {
    for bits in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001] {
        let mut builder = Builder::new("nan");
        let logits = builder.pixel_argument("logit", Element::F32);
        let (nan, zero) =
            (builder.constant(f32::from_bits(bits), Level::Pixel), builder.constant(0.0, Level::Pixel));
        let mask = builder.less(logits, zero);
        let either = builder.select(mask, nan, nan);
        let sum = builder.add(either, zero);
        let product = builder.mul(sum, logits);
        let sum = builder.sum(product);
        let loss = builder.sum_groups(sum);
        rewrite(&builder.finish_named([("loss", loss)]).expect("a loss")).expect("comes to an end");
    }
}
