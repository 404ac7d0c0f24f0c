//! A GPU's kernels on the simulator, against the same schedule on this processor and
//! the exact interpreter.

use std::sync::Arc;

use lossc_runtime::manifest::Direction;
use lossc_runtime::{Call, Random, Residuals};
use lossc_simulator::{Device, Order, Tensors};

use super::case::Case;
use super::outcome::{self, Outcome};
use crate::simulator::{Both, machines, on_processor, words};

/// Runs the case on one of the machines, in one of the orders.
pub fn check(case: &Case) -> Result<(), String> {
    let Case { subject, choices, input, .. } = case;
    let mut both = Both::new(&subject.loss(), &choices.options(input));
    let tensors = input.tensors();
    let pixels = tensors.views();
    let known: Vec<_> = both.manifest.scalars.iter().map(|scalar| scalar.name.clone()).collect();
    let mut scalars: Vec<_> = input.scalars.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    scalars.push(("upstream", input.upstream));
    scalars.retain(|(name, _)| known.iter().any(|it| it == name));
    let random = Random { seed: input.seed, stream: input.stream };
    let call = Call { pixels: &pixels, balance: input.balance, random, scalars: &scalars };
    let (_, expected) = on_processor(&mut both.cpu, &call);
    check_interpreted(case, &both, f64::from(f32::from_bits(expected.results[0] as u32)))?;

    let choice = input.seed as usize;
    let machine = machines().nth(choice % machines().count()).expect("one of them");
    let order = Order::ALL[choice % Order::ALL.len()];
    let zeros = Residuals::new(&Arc::new(both.manifest.clone()), &call).map_err(|error| error.to_string())?;
    let code = both.code();
    let loss = lossc_simulator::Loss { code: &code, manifest: &both.manifest };
    let misalignment = usize::from(input.is_misaligned);
    let tensors = Tensors { pixels: &pixels, misalignment, residuals: &zeros, upstream: None };
    let mut device = Device::new(order).with_errors(input.seed);
    let step = loss.run(&mut device, &tensors, Direction::ForwardBackward, &machine);
    let step = step.map_err(|fault| format!("{machine:?} {order:?}: {fault}"))?;
    if words(&step) == words(&expected) {
        return Ok(());
    }
    Err(format!("other bits than the processor's by {machine:?} {order:?}: {step:?} for {expected:?}"))
}

fn check_interpreted(case: &Case, both: &Both, found: f64) -> Result<(), String> {
    let expected = outcome::exact(&both.program, &case.input.sample(&both.program));
    match expected {
        Outcome::Values(values) if !outcome::same(values.loss, found) => {
            Err(format!("loss {found:e} for {:e} as scheduled for a GPU", values.loss))
        }
        _ => Ok(()),
    }
}
