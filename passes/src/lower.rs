//! From a scheduled program to MLIR in standard dialects, as text.
//!
//! One scheduled program gives the code of every target. What a program's values
//! mean is written once: element-wise ops come from their table entry's exact
//! meaning, run on a `machine::MlirMachine`; each other op has a function in
//! the file of its theme, `leaf`, `random`, `movement` or `reduction`.
//! Only how pixels are dealt to vectors and threads differs, in `host` and
//! `gpu`.
//!
//! The module's functions, for each kernel K of the schedule:
//!
//! | host | GPU | what |
//! |---|---|---|
//! | `kernel_K(arguments, plane, chunk)` | `kernel_K`, a warp a chunk | the partials and the pixel outputs of a chunk |
//! | (the runtime) | `kernel_K`, its last blocks | the group totals from the partials |
//! | `epilogue_K(arguments)` | `epilogue_K` and `kernel_K`, one block | the reductions over groups, and the results |
//! | (the runtime) | `cooperative_K` | forward and backward in one launch |
//!
//! A GPU also has `kernel_block_K` and `cooperative_block_K`, a block a chunk.

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

/// What has no code on a target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LowerError {
    /// An op where it stands.
    #[error("loss.{mnemonic} has no lowering at {place} level")]
    Op {
        /// The op.
        mnemonic: &'static str,
        /// The level it was met at.
        place: String,
    },
    /// A pixel value kept from kernel to kernel on a GPU.
    #[error("a GPU's kernels cannot keep loss.{mnemonic} for one another: fuse them")]
    Kept {
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
    /// A processor has no fast meanings.
    #[error("{0} has no fast numerics: only GPUs do, and reproducible ones are the default everywhere")]
    Fast(String),
}

impl LowerError {
    fn new(node: &Node) -> Self {
        Self::Op { mnemonic: node.op.mnemonic(), place: node.ty.level.to_string() }
    }

    fn kept(node: &Node) -> Self {
        Self::Kept { mnemonic: node.op.mnemonic() }
    }
}

/// The module that computes all kernels of `schedule` on `target`, pixels by the ops'
/// meanings of `numerics`.
///
/// # Errors
///
/// When the program has an op that has no lowering, a kernel reads what no earlier one has
/// written, or fast numerics are asked for on a processor.
pub fn lower(schedule: &Schedule, target: &Target, numerics: Numerics) -> Result<String, LowerError> {
    if !is_seeded(Fault::NumbersAreReducedLate) {
        written::check(schedule)?;
    }
    // The values of groups come by recursion.
    deep(|| module(schedule, target, numerics))
}

fn module(schedule: &Schedule, target: &Target, numerics: Numerics) -> Result<String, LowerError> {
    match target {
        Target::Cpu(_) if numerics == Numerics::Fast => Err(LowerError::Fast(target.to_string())),
        Target::Cpu(_) => host::module(schedule, target.vector_lanes()),
        Target::Nvidia(_) => match schedule.kernels.iter().find_map(|kernel| kernel.saves.first()) {
            // A GPU's kernels compute again; keeping in memory has no code there.
            Some(&kept) => Err(LowerError::kept(schedule.program.node(schedule.saved[kept].value))),
            None => gpu::module(schedule, numerics),
        },
    }
}

/// The bytes that a chunk has in each of the arrays in memory that the schedule's kernels
/// keep values in.
pub fn buffer_bytes(schedule: &Schedule, target: &Target) -> Vec<usize> {
    let bytes = |holds| host::chunk_bytes(holds, target.vector_lanes());
    match target {
        Target::Cpu(_) => schedule.buffers().into_iter().map(bytes).collect(),
        Target::Nvidia(_) => vec![],
    }
}

/// The bytes of shared memory that a warp takes for a step of kept pixels in the kernel
/// that is forward and backward at once; none if `target` has no such kernel for the
/// schedule.
pub fn step_bytes(schedule: &Schedule, target: &Target) -> Option<usize> {
    match target {
        Target::Cpu(_) => None,
        Target::Nvidia(_) => gpu::step_bytes(schedule),
    }
}

/// Whether `target` also has kernels in which a chunk is summed by a block.
pub fn has_block_teams(schedule: &Schedule, target: &Target) -> bool {
    matches!(target, Target::Nvidia(_)) && gpu::has_block_teams(schedule)
}

/// The value of `node` from those of its operands, if it reads nothing else.
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

/// The value of an element-wise op: its exact meaning, or at pixels the one that the
/// function is written for. A value of a group or the call is f64, also where it is
/// computed in f32: see [`Op::wide`].
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
