//! Every loss compiles for every target.

use lossc::pipeline::{Stage, emit};
use lossc::{Loss, Target};
use lossc_dialect::library;

/// Every library program, as a loss with its choice set.
pub fn library_losses() -> Vec<Loss> {
    let mut losses = vec![];
    for name in library::names() {
        let loss = Loss::library(&name).expect("the library parses");
        let choice = loss.file().choice.clone();
        match choice {
            None => losses.push(loss),
            Some(choice) => {
                let values: Vec<_> = loss.file().choice_values().map(str::to_owned).collect();
                losses.extend(
                    values.iter().map(|value| loss.clone().with(&choice.name, value).expect("its value")),
                );
            }
        }
    }
    losses
}

/// The PTX of a loss.
pub fn ptx(loss: &Loss, target: &str) -> String {
    let target: Target = target.parse().expect("a known target");
    emit(loss.program(), &Default::default(), &target, Stage::Ptx).expect("the loss compiles")
}

#[test]
fn compiling_twice_gives_the_same_text() {
    for loss in library_losses() {
        for target in ["cpu:avx2", "sm_90"] {
            let target: Target = target.parse().expect("a known target");
            for stage in [Stage::Optimised, Stage::Mlir, Stage::Assembly] {
                let text =
                    || emit(loss.program(), &Default::default(), &target, stage).expect("the loss compiles");
                assert!(text() == text(), "{} {target} {stage}", loss.program().name());
            }
        }
    }
}

#[test]
fn one_exponential_and_one_logarithm_serve_loss_and_gradient() {
    for loss in library_losses() {
        let text = emit(loss.program(), &Default::default(), &crate::data::host(), Stage::Optimised);
        let text = text.expect("the loss compiles");
        assert_eq!(text.matches("\"loss.exp\"").count(), 1, "{text}");
        assert_eq!(text.matches("\"loss.log1p\"").count(), 1, "{text}");
        assert!(!text.contains("\"loss.log\""), "{text}");
    }
}
