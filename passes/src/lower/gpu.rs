//! The code for GPUs: a warp a chunk, four pixels a thread.

mod combine;
mod kernel;
mod thread;

use super::call::Call;
use super::emit::Emitter;
use super::pixel::arrays;
use super::{LowerError, finish};
use crate::schedule::{Kernel, Schedule};

/// Threads in a block of `kernel_K` and `combine_K`.
const BLOCK: usize = 256;

/// Threads that run in step.
const WARP: usize = 32;

/// Pixels of a thread: a Philox block, and a load of 16 bytes of f32.
const PIXELS: usize = 4;

/// The module, whose kernels are LLVM functions marked as such.
pub(super) fn module(schedule: &Schedule) -> Result<String, LowerError> {
    let name = schedule.program.name();
    let mut text = format!("// {name}, a warp a chunk\nmodule {{\n  {}\n", combine::shared_memory());
    for (index, kernel) in schedule.kernels.iter().enumerate() {
        text += &kernel::function(schedule, kernel, index)?;
        text += &combine::function(schedule, kernel, index)?;
        text += &finish_function(schedule, kernel, index)?;
    }
    Ok(text + "}\n")
}

/// `finish_K`: one thread.
fn finish_function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    entry("finish", index, 1, 0, |emitter, call| finish::body(emitter, schedule, kernel, call))
}

/// An entry point for blocks of so many threads, with a call's parameters and so
/// many tensors of pixels.
fn entry(
    name: &str,
    index: usize,
    threads: usize,
    tensors: usize,
    body: impl FnOnce(&mut Emitter, &Call) -> Result<(), LowerError>,
) -> Result<String, LowerError> {
    let mut emitter = Emitter::new(1);
    let call = Call::from_parameters(&mut emitter, tensors);
    body(&mut emitter, &call)?;
    let parameters: Vec<_> = call.values().iter().map(|value| format!("{value}: {}", value.ty)).collect();
    let parameters = parameters.join(", ");
    let header = format!(
        "llvm.func @{name}_{index}({parameters}) attributes {{nvvm.kernel, nvvm.maxntid = array<i32: {threads}>}}"
    );
    Ok(emitter.finish(&header, "llvm.return"))
}

/// The parameters of `kernel_K`: all tensors of the program, also those that
/// this kernel does not touch.
fn kernel_arrays(schedule: &Schedule) -> usize {
    arrays(schedule)
}
