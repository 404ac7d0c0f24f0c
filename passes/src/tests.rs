//! Tests of the compiler passes that need no target.

mod bounds;
mod complex;
mod complex_step;
mod constants;
mod limits;
mod proofs;
mod random_gradients;
mod random_programs;
mod reference;

use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::{Program, library, text};

use crate::differentiate::differentiate;
use crate::saturate::costs::CostModel;
use crate::schedule::passes;
use crate::{saturate, stabilise};

fn programs() -> Vec<Program> {
    library::all().expect("the library parses").into_iter().flat_map(|file| file.programs).collect()
}

fn optimised(program: &Program) -> (Program, Program) {
    let stable = stabilise::stabilise(program, false).expect("stabilises").program;
    let gradient = differentiate(&stable).expect("differentiates");
    let result = saturate::saturate(&gradient, CostModel::Host, false).expect("saturates");
    assert_eq!(result.limit, None, "the rules come to an end");
    (gradient, result.program)
}

#[test]
fn every_library_loss_needs_one_pass_forward_and_one_backward() {
    for program in programs() {
        let (source, result) = optimised(&program);
        println!("{:?}\n{}", passes(&source), text::print(&result));
        assert_eq!(passes(&result).0, 1, "{}", program.name());
    }
}

#[test]
fn optimised_and_source_are_the_same_in_real_numbers() {
    let logits: Vec<f64> = (-60..60).map(|x| f64::from(x) * 0.3).collect();
    let labels: Vec<f64> = (0..120).map(|x| f64::from(u8::from(x % 7 == 0))).collect();
    let pixels = [logits, labels];
    let uniform = |index: u64| (index * 37 % 101) as f32 / 101.0;
    let inputs = |scalars| Inputs {
        plane_group: &[0, 1],
        groups: 2,
        plane_length: 60,
        pixels: &pixels,
        scalars,
        uniform: &uniform,
    };
    for program in programs() {
        let (_, result) = optimised(&program);
        let expected = interpret(&program, &inputs(&[]), Precision::Real);
        let found = interpret(&result, &inputs(&[1.0]), Precision::Real);
        for (expected, found) in expected.iter().zip(&found) {
            for (expected, found) in expected.iter().zip(found) {
                assert!(
                    (expected - found).abs() <= 1e-9 * expected.abs(),
                    "{}: {found} for {expected}",
                    program.name()
                );
            }
        }
    }
}
