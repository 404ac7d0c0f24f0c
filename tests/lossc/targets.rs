//! Every loss compiles for every target.

use lossc::pipeline::{Stage, emit};
use lossc::{Loss, Target};
use lossc_dialect::library;

use crate::data::{host, program};

/// Every library program, as a loss with its choice set.
pub fn library_losses() -> Vec<Loss> {
    let mut losses = vec![];
    for name in library::names() {
        let loss = Loss::library(&name).expect("the library parses");
        let file = loss.file().expect("the library parses");
        match &file.choice {
            None => losses.push(loss),
            Some(choice) => losses.extend(
                file.choice_values().map(|value| loss.clone().with(&choice.name, value).expect("its value")),
            ),
        }
    }
    losses
}

/// The PTX of a loss.
pub fn ptx(loss: &Loss, target: &str) -> String {
    let target: Target = target.parse().expect("a known target");
    emit(program(loss), &Default::default(), &target, Stage::Ptx).expect("the loss compiles")
}

#[test]
fn compiling_twice_gives_the_same_text() {
    for loss in library_losses() {
        for target in ["cpu:avx2", "sm_90"] {
            let target: Target = target.parse().expect("a known target");
            for stage in [Stage::Optimised, Stage::Mlir, Stage::Assembly] {
                let text =
                    || emit(program(&loss), &Default::default(), &target, stage).expect("the loss compiles");
                assert!(text() == text(), "{} {target} {stage}", program(&loss).name());
            }
        }
    }
}

#[test]
fn one_exponential_and_one_logarithm_serve_loss_and_gradient() {
    for loss in library_losses() {
        let text = emit(program(&loss), &Default::default(), &host(), Stage::Optimised);
        let text = text.expect("the loss compiles");
        assert_eq!(text.matches("\"loss.exp\"").count(), 1, "{text}");
        assert_eq!(text.matches("\"loss.log1p\"").count(), 1, "{text}");
        assert!(!text.contains("\"loss.log\""), "{text}");
    }
}
