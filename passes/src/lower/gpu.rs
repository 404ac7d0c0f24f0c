//! The code for GPUs: a warp a chunk, four pixels a thread.
//!
//! `kernel_K` is all of a pass: a block sums up to eight chunks of a row; the last
//! block of a row to arrive adds the row's chunks, the last row's block the rows
//! of each group, and its first thread goes on to what `finish_K` computes, which
//! is an entry point of its own for workers that add their totals in between.
//! Who is last differs from run to run, what it adds in which order does not.
//! `both_K` is forward and backward in one launch, for images that fit on the chip.

mod arrival;
mod both;
mod combine;
mod groups;
mod kernel;
mod pixels;
mod thread;
mod workspace;

use lossc_dialect::ops::Numerics;

use super::call::Call;
use super::emit::Emitter;
use super::{LowerError, finish};
use crate::schedule::{Kernel, Schedule};

/// Threads in a block of `kernel_K`.
const BLOCK: usize = 256;

/// Blocks of `kernel_K` that an SM must have room for: with them in mind `ptxas` gives a
/// thread at most 80 of an SM's 65,536 registers, which is enough for a pass.
const BLOCKS_PER_SM: usize = 3;

/// Blocks of `both_K`: with f32 logits the pixels of more do not fit into an SM.
const KEEPING_BLOCKS_PER_SM: usize = 2;

/// Threads that run in step.
const WARP: usize = 32;

/// Warps of a block, each of which sums a chunk.
const WARPS: usize = BLOCK / WARP;

/// Pixels of a thread: a Philox block, and a load of 16 bytes of f32.
const PIXELS: usize = 4;

/// The bytes of shared memory that a block of `both_K` takes for each eight chunks of a
/// row; none if the schedule has no such kernel.
pub(super) fn tile_bytes(schedule: &Schedule) -> Option<usize> {
    both::tile_bytes(schedule)
}

/// The module, whose kernels are LLVM functions marked as such.
pub(super) fn module(schedule: &Schedule, numerics: Numerics) -> Result<String, LowerError> {
    let name = schedule.program.name();
    let mut text = format!("// {name}, a warp a chunk\nmodule {{\n");
    text += &arrival::shared_memory();
    text += &combine::shared_memory(schedule);
    text += &both::shared_memory();
    for (index, kernel) in schedule.kernels.iter().enumerate() {
        text += &kernel::function(schedule, kernel, index, numerics)?;
        text += &finish_function(schedule, kernel, index)?;
    }
    text += &both::function(schedule, numerics)?;
    Ok(text + "}\n")
}

/// `finish_K`: one thread.
fn finish_function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    let entry = Entry { name: "finish", index, threads: 1, tensors: 0, numerics: Numerics::Reproducible };
    entry.function(|emitter, call| finish::body(emitter, schedule, kernel, call))
}

/// An entry point.
struct Entry {
    name: &'static str,
    /// Which of those of its name.
    index: usize,
    /// Threads of a block.
    threads: usize,
    /// Tensors of pixels among its parameters.
    tensors: usize,
    /// What its pixels are computed by.
    numerics: Numerics,
}

impl Entry {
    /// The function with a call's parameters.
    fn function(
        &self,
        body: impl FnOnce(&mut Emitter, &Call) -> Result<(), LowerError>,
    ) -> Result<String, LowerError> {
        let Self { name, index, threads, tensors, numerics } = *self;
        let mut emitter = Emitter::new(1).for_gpu(numerics);
        let call = Call::from_parameters(&mut emitter, tensors);
        body(&mut emitter, &call)?;
        let parameters: Vec<_> = call.values().iter().map(|value| format!("{value}: {}", value.ty)).collect();
        let parameters = parameters.join(", ");
        let occupancy = match name {
            "kernel" => format!(", nvvm.minctasm = {BLOCKS_PER_SM} : i32"),
            "both" => format!(", nvvm.minctasm = {KEEPING_BLOCKS_PER_SM} : i32"),
            _ => String::new(),
        };
        let header = format!(
            "llvm.func @{name}_{index}({parameters}) attributes \
             {{nvvm.kernel, nvvm.maxntid = array<i32: {threads}>{occupancy}}}"
        );
        Ok(emitter.finish(&header, "llvm.return"))
    }
}
