//! Measurements of compiled losses, shared by `lossc bench`, the benches and the examples.
//!
//! Times are medians of calls that take turns with whatever they are compared with. Gradients and
//! outcomes overwrite those of the call before, to keep the cost of fresh memory out of the times.

mod bandwidth;
mod pixels;
mod subject;

use std::time::{Duration, Instant};

pub use bandwidth::Bandwidth;
pub use pixels::Pixels;
pub use subject::{Phase, Subject};

/// Returns the median time of each of `count` calls, where `call(index)` makes one.
///
/// In every round each call is made twice in a row, and the second time counts: by then its threads
/// are awake and its data is in the nearest cache, whatever ran before it. `after_round` is called
/// at the end of each round.
///
/// # Errors
/// The first error of a call.
pub fn medians<E>(
    count: usize,
    rounds: usize,
    mut call: impl FnMut(usize) -> Result<(), E>,
    mut after_round: impl FnMut(),
) -> Result<Vec<Duration>, E> {
    let mut times = vec![Vec::with_capacity(rounds); count];
    for _ in 0..rounds {
        for (index, times) in times.iter_mut().enumerate() {
            call(index)?;
            let start = Instant::now();
            call(index)?;
            times.push(start.elapsed());
        }
        after_round();
    }
    Ok(times.iter_mut().map(|times| median(times)).collect())
}

/// The middle one; the later of the middle two if their number is even.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
