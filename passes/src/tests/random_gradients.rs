//! The gradients of random programs: compared with central differences where the loss is smooth,
//! and put through the same checks as any program.

use std::cell::Cell;

use lossc_dialect::Program;
use lossc_dialect::interpret::{Precision, interpret};
use lossc_programs::bounds::Bounds;
use lossc_programs::evaluate::{Sample, evaluate};
use lossc_programs::slope::{Traces, slope};

use super::random_programs::{check_saturation, for_random_programs, samples};
use super::reference::Tally;
use crate::differentiate::{DifferentiateError, differentiate};

/// Compares the gradient with the slopes: it must be a number wherever there is a slope and the
/// chain rule holds, and equal to the slope unless it is itself ill-conditioned. The promise of
/// guards and selects is checked: an infinity or a NaN that they exclude leaves the gradient a
/// number.
fn check_gradient(
    program: &Program,
    gradient: &Program,
    sample: &Sample,
    checked: &Cell<usize>,
) -> Result<(), String> {
    let with_upstream = Sample { scalars: vec![sample.scalars[0], 1.0], ..sample.clone() };
    let arguments = with_upstream.arguments(&Bounds::F64);
    let bounds = evaluate(&Bounds::F64, gradient, &with_upstream, &arguments).pop().unwrap_or_default();
    let values = interpret(gradient, &with_upstream.inputs(), Precision::Real).pop().unwrap_or_default();
    let loss = Traces.loss(program, sample);
    if loss.kink {
        return Ok(());
    }
    for (index, (bound, found)) in bounds.into_iter().zip(values).enumerate() {
        let Some(slope) = slope(program, sample, index).filter(|_| bound.is_known()) else { continue };
        if found.is_nan() && loss.infinite {
            continue;
        }
        let error = (found - slope.value).abs();
        // Written so that a NaN fails.
        if error.is_nan() || error > 4.0 * (slope.error + bound.error) {
            return Err(format!("{found} for {slope:?} by logit {index} on {sample:?}"));
        }
        checked.set(checked.get() + 1);
    }
    Ok(())
}

#[test]
fn random_gradients_are_the_slopes_also_when_optimised() {
    let (samples, tally, checked) = (samples(), Tally::default(), Cell::new(0));
    let with_upstream = samples.iter().map(|it| Sample { scalars: vec![it.scalars[0], 1.0], ..it.clone() });
    let with_upstream: Vec<_> = with_upstream.collect();
    for_random_programs(300, |plan, shapes| {
        let program = plan.program(shapes, false);
        let gradient = match differentiate(&program) {
            Ok(gradient) => gradient,
            Err(DifferentiateError::NoPath(_)) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        for sample in &samples {
            check_gradient(&program, &gradient, sample, &checked)?;
        }
        check_saturation(&gradient, &with_upstream, &tally)
    });
    println!("{checked:?} slopes, {tally:?}");
    assert!(checked.get() > 500, "only {checked:?} slopes");
}
