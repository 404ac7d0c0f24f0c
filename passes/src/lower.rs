//! From a scheduled program to MLIR in standard dialects, as text.
//!
//! One scheduled program yields the code for every target. The meaning of a program's values is
//! written once: element-wise ops come from their table entry's exact meaning, run on a
//! `machine::MlirMachine`; each other op has a function in the file of its theme, `leaf`,
//! `random`, `movement` or `reduction`. Only the distribution of pixels over vectors and threads
//! differs, in `host` and `gpu`.
//!
//! The module's functions, for each kernel K of the schedule:
//!
//! | host | GPU | computes |
//! |---|---|---|
//! | `kernel_K(arguments, plane, chunk)` | `kernel_K`, one warp per chunk | the partials and the pixel outputs of a chunk |
//! | (the runtime) | `kernel_K`, its last blocks | the group totals from the partials |
//! | `epilogue_K(arguments)` | `epilogue_K` and `kernel_K`, one block | the reductions over groups, and the results |
//! | (the runtime) | `cooperative_K` | forward and backward in one launch |
//!
//! A GPU also has `kernel_block_K` and `cooperative_block_K`, with one block per chunk.

mod call;
mod chunk;
mod emit;
mod epilogue;
mod gpu;
mod group;
mod host;
mod leaf;
mod machine;
mod movement;
mod pixel;
mod random;
mod reduction;
mod written;

#[cfg(test)]
mod tests;

use lossc_dialect::machine::Word;
use lossc_dialect::ops::{Numerics, Op};
use lossc_dialect::{Level, Node};
use lossc_faults::{Fault, is_seeded};
use thiserror::Error;

use crate::codegen::Target;
use crate::schedule::Schedule;
use crate::stack::deep;
use emit::{Emitter, Value};
use machine::MlirMachine;

/// A program for which a target has no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LowerError {
    /// An op without a lowering at its level.
    #[error("loss.{mnemonic} has no lowering at {place} level")]
    Op {
        /// The op.
        mnemonic: &'static str,
        /// The level of its value.
        place: String,
    },
    /// A pixel value saved by one kernel for another on a GPU.
    #[error("a GPU's kernels cannot save loss.{mnemonic} for one another: fuse them")]
    Saved {
        /// The op whose value it is.
        mnemonic: &'static str,
    },
    /// A value that is read from memory before any kernel has written it.
    #[error("{entry} reads loss.{mnemonic} before any pass has computed it; this is an error of lossc")]
    Unwritten {
        /// The op whose value it is.
        mnemonic: &'static str,
        /// The entry point.
        entry: &'static str,
    },
    /// Fast meanings on a processor, which has none.
    #[error("{0} has no fast numerics: only GPUs do, and reproducible ones are the default everywhere")]
    Fast(String),
}

impl LowerError {
    fn new(node: &Node) -> Self {
        Self::Op { mnemonic: node.op.mnemonic(), place: node.ty.level.to_string() }
    }

    fn saved(node: &Node) -> Self {
        Self::Saved { mnemonic: node.op.mnemonic() }
    }
}

/// The module that computes all kernels of `schedule` on `target`, with pixels computed by the
/// ops' meanings of `numerics`.
///
/// # Errors
///
/// If the program has an op that has no lowering, a kernel reads what no earlier one has
/// written, or fast numerics are requested for a processor.
pub fn lower(schedule: &Schedule, target: &Target, numerics: Numerics) -> Result<String, LowerError> {
    if !is_seeded(Fault::ScalarsAreReducedLate) {
        written::check(schedule)?;
    }
    // The values of groups are lowered by recursion.
    deep(|| module(schedule, target, numerics))
}

fn module(schedule: &Schedule, target: &Target, numerics: Numerics) -> Result<String, LowerError> {
    match target {
        Target::Cpu(_) if numerics == Numerics::Fast => Err(LowerError::Fast(target.to_string())),
        Target::Cpu(_) => host::module(schedule, target.vector_lanes()),
        Target::Nvidia(_) => match schedule.kernels.iter().find_map(|kernel| kernel.saves.first()) {
            // A GPU's kernels rematerialise; saving in memory has no code there.
            Some(&saved) => Err(LowerError::saved(schedule.program.node(schedule.saved[saved].value))),
            None => gpu::module(schedule, numerics),
        },
    }
}

/// The bytes per chunk of each buffer in which the schedule's kernels save values.
pub fn buffer_bytes(schedule: &Schedule, target: &Target) -> Vec<usize> {
    let bytes = |holds| host::chunk_bytes(holds, target.vector_lanes());
    match target {
        Target::Cpu(_) => schedule.buffers().into_iter().map(bytes).collect(),
        Target::Nvidia(_) => vec![],
    }
}

/// The bytes of shared memory that a warp takes for a step of resident pixels in the cooperative
/// kernel; `None` if `target` has no such kernel for the schedule.
pub fn step_bytes(schedule: &Schedule, target: &Target) -> Option<usize> {
    match target {
        Target::Cpu(_) => None,
        Target::Nvidia(_) => gpu::step_bytes(schedule),
    }
}

/// Returns whether `target` also has kernels in which a block sums a chunk.
pub fn has_block_teams(schedule: &Schedule, target: &Target) -> bool {
    matches!(target, Target::Nvidia(_)) && gpu::has_block_teams(schedule)
}

/// The value of `node` from those of its operands, for ops that read nothing else.
fn compute(
    emitter: &mut Emitter,
    node: &Node,
    operands: &[Value],
    lanes: usize,
) -> Result<Value, LowerError> {
    match (node.op, operands) {
        (Op::Constant(bits), _) => Ok(leaf::constant(emitter, f32::from_bits(bits), node.ty.level, lanes)),
        (Op::Cast, &[operand]) => Ok(movement::cast(emitter, operand, node)),
        (Op::Is(value), &[operand]) => Ok(movement::is(emitter, operand, value)),
        (Op::Broadcast, &[operand]) => Ok(movement::broadcast(emitter, operand, lanes)),
        (Op::BroadcastGroups, &[operand]) => Ok(operand),
        _ => element(emitter, node, operands, lanes),
    }
}

/// The value of an element-wise op: its exact meaning, or for pixels the one of the function's
/// numerics. A value of a group or the call is f64, even where it is computed in f32:
/// see [`Op::wide`].
fn element(
    emitter: &mut Emitter,
    node: &Node,
    operands: &[Value],
    lanes: usize,
) -> Result<Value, LowerError> {
    let is_pixel = node.ty.level == Level::Pixel;
    let is_wide = node.op.wide(node.ty.level).is_some();
    let numerics = if is_pixel { emitter.numerics() } else { Numerics::Reproducible };
    let mut word =
        |&operand: &Value| Word(if is_wide { operand } else { movement::narrow(emitter, operand) }.id);
    let words: Vec<_> = operands.iter().map(&mut word).collect();
    let definition = node.op.definition().ok_or_else(|| LowerError::new(node))?;
    let mut machine = MlirMachine::new(emitter, lanes);
    if is_wide {
        machine = machine.in_f64();
    }
    let word = definition.run(numerics, &mut machine, &words).ok_or_else(|| LowerError::new(node))?;
    let value = emitter.value(word.0);
    Ok(if is_pixel { value } else { movement::widen(emitter, value) })
}
