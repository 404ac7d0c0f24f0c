//! The code for GPUs: one warp or block per chunk, four pixels per thread.
//!
//! `kernel_K` is a whole pass: a block sums its tile, which is chunks of a plane. The last block
//! of a plane to arrive adds the plane's chunks. The last plane's block adds the planes of each
//! group, and continues with the computations of `epilogue_K`, which is an entry point of its
//! own for workers that add their totals in between. The block that arrives last differs from
//! run to run, but the order of additions does not. `cooperative_K` is forward and backward in
//! one launch. Both have a version for small images, `kernel_block_K` and `cooperative_block_K`,
//! in which a block sums a chunk.

mod arrival;
mod combine;
mod cooperative;
mod epilogue;
mod groups;
mod kernel;
mod pixels;
mod resident;
mod team;
mod thread;
mod totals;
mod workspace;

use lossc_dialect::ops::Numerics;

use team::Team;

use super::LowerError;
use super::call::Call;
use super::emit::{Emitter, I64, Value};
use super::pixel::tensors;
use crate::schedule::Schedule;

/// Threads per block.
const BLOCK: usize = 256;

/// Blocks that must fit an SM at once, of a pass in which warps sum chunks: for this number
/// `ptxas` allows a thread at most 80 of an SM's 65,536 registers, which is enough.
const BLOCKS_PER_SM: usize = 3;

/// The same for other kernels, whose threads may then have 128 registers. Those for small images
/// need not fill an SM, and two passes in one kernel keep as many pixels resident with fewer
/// threads.
const FEWER_BLOCKS_PER_SM: usize = 2;

/// Threads that run in lockstep.
const WARP: usize = 32;

/// Warps per block.
const WARPS: usize = BLOCK / WARP;

/// Pixels per thread: a Philox block, and a load of 16 bytes of f32.
const PIXELS: usize = 4;

/// Steps whose pixels are loaded before those of the first are computed. With 768 threads per
/// SM, 2 × 20 bytes of f32 and u8 each are 30 KB in flight; an SM's share of 3.35 TB/s over 132
/// SMs times a latency of 0.7 µs is 18 KB (computed from an H100's data sheet, not measured).
const AHEAD: usize = 2;

/// The bytes of shared memory that a warp of `cooperative_K` takes for a step of resident
/// pixels; `None` if the schedule has no such kernel.
pub(super) fn step_bytes(schedule: &Schedule) -> Option<usize> {
    cooperative::step_bytes(schedule)
}

/// Returns whether there are kernels in which a block sums a chunk.
pub(super) fn has_block_teams(schedule: &Schedule) -> bool {
    totals::fit(schedule, combine::shared_bytes(schedule))
}

/// The module, whose kernels are LLVM functions with the attribute of kernels.
pub(super) fn module(schedule: &Schedule, numerics: Numerics) -> Result<String, LowerError> {
    let name = schedule.program.name();
    let mut text = format!("// {name}, a warp or a block a chunk\nmodule {{\n");
    text += &arrival::shared_memory();
    text += &combine::shared_memory(schedule);
    text += &totals::shared_memory(schedule);
    text += &resident::shared_memory();
    for index in 0..schedule.kernels.len() {
        text += &epilogue_function(schedule, index, numerics)?;
    }
    let teams = Team::ALL.into_iter().filter(|&team| team == Team::Warp || has_block_teams(schedule));
    for team in teams {
        for index in 0..schedule.kernels.len() {
            text += &kernel::function(schedule, index, numerics, team)?;
        }
        text += &cooperative::function(schedule, numerics, team)?;
    }
    Ok(text + "}\n")
}

/// `epilogue_K`, run by one block.
fn epilogue_function(schedule: &Schedule, index: usize, numerics: Numerics) -> Result<String, LowerError> {
    Entry::Epilogue.function(schedule, index, numerics, |emitter, call, _| {
        super::epilogue::body(emitter, schedule, &schedule.kernels[index], call, &epilogue::Block)
    })
}

/// An entry point of a pass.
#[derive(Clone, Copy)]
enum Entry {
    Pass(Team),
    Epilogue,
    Cooperative(Team),
}

impl Entry {
    /// The function's name up to the pass's number.
    fn stem(self) -> &'static str {
        match self {
            Self::Pass(Team::Warp) => "kernel",
            Self::Pass(Team::Block) => "kernel_block",
            Self::Epilogue => "epilogue",
            Self::Cooperative(Team::Warp) => "cooperative",
            Self::Cooperative(Team::Block) => "cooperative_block",
        }
    }

    /// The attribute with the number of blocks that must fit an SM, if it matters.
    fn occupancy(self) -> String {
        let blocks = match self {
            Self::Epilogue => return String::new(),
            Self::Pass(Team::Warp) => BLOCKS_PER_SM,
            Self::Pass(Team::Block) | Self::Cooperative(_) => FEWER_BLOCKS_PER_SM,
        };
        format!(", nvvm.minctasm = {blocks} : i32")
    }

    /// The function with a call's parameters. Where pixels are resident, a last parameter is the
    /// number of steps for which a warp has capacity.
    fn function(
        self,
        schedule: &Schedule,
        index: usize,
        numerics: Numerics,
        body: impl FnOnce(&mut Emitter, &Call, Option<Value>) -> Result<(), LowerError>,
    ) -> Result<String, LowerError> {
        let tensors = if matches!(self, Self::Epilogue) { 0 } else { tensors(&schedule.program) };
        let mut emitter = Emitter::new(1).for_gpu(numerics);
        let call = Call::from_parameters(&mut emitter, tensors);
        let capacity = matches!(self, Self::Cooperative(_)).then(|| emitter.name("capacity", I64));
        body(&mut emitter, &call, capacity)?;
        let parameters = call.values().into_iter().chain(capacity);
        let parameters: Vec<_> = parameters.map(|value| format!("{value}: {}", value.ty)).collect();
        let header = format!(
            "llvm.func @{}_{index}({}) attributes {{nvvm.kernel, nvvm.maxntid = array<i32: {BLOCK}>{}}}",
            self.stem(),
            parameters.join(", "),
            self.occupancy()
        );
        Ok(emitter.finish(&header, "llvm.return"))
    }
}
