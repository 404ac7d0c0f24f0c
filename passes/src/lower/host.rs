//! The code for processors: one chunk per call, pixels in vectors.
//!
//! A chunk goes through two loops, so that neither needs more registers than there are: the
//! first draws its random numbers into memory that stays in the nearest cache, the second
//! computes the pixels. The code of a pixel is written once; [`stream`] runs it over whole
//! vectors and edges alike. A kernel that compacts has two such loops over pixels, and
//! [`active`] in place of the second if active pixels are few.

mod active;
mod kernel;
mod library;
mod memory;
mod output;
mod part;
mod stack;
mod stream;

use lossc_dialect::ValueId;

use super::LowerError;
use super::call::Call;
use super::chunk::Chunk;
use super::emit::{Emitter, I64, Scalar, ValueType};
use super::epilogue;
use super::pixel::arrays;
use crate::schedule::{Kernel, Schedule};
use kernel::HostKernel;
pub(super) use memory::chunk_bytes;

const POINTER: ValueType = ValueType::one(Scalar::Pointer(0));

/// The module for a processor with vectors of `lanes` f32.
pub(super) fn module(schedule: &Schedule, lanes: usize) -> Result<String, LowerError> {
    let mut text = format!("// {}, {lanes} pixels a vector\nmodule {{\n", schedule.program.name());
    let stored = |value: &ValueId| Scalar::of(schedule.program.ty(*value).element).stored();
    let outputs = schedule.kernels.iter().flat_map(|kernel| &kernel.outputs).map(stored).collect();
    text += &library::functions(lanes, &outputs);
    for (index, kernel) in schedule.kernels.iter().enumerate() {
        text += &kernel_function(schedule, kernel, index, lanes)?;
        text += &epilogue_function(schedule, kernel, index)?;
    }
    Ok(text + "}\n")
}

/// `epilogue_K(arguments)`
fn epilogue_function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    let mut emitter = Emitter::new(1);
    let arguments = emitter.name("arguments", POINTER);
    let call = Call::from_block(&mut emitter, arguments, 0);
    epilogue::body(&mut emitter, schedule, kernel, &call, &epilogue::Alone)?;
    Ok(emitter.finish(&format!("func.func @epilogue_{index}({arguments}: {POINTER})"), "return"))
}

/// `kernel_K(arguments, plane, chunk)`
fn kernel_function(
    schedule: &Schedule,
    kernel: &Kernel,
    index: usize,
    lanes: usize,
) -> Result<String, LowerError> {
    let mut emitter = Emitter::new(1);
    let arguments = emitter.name("arguments", POINTER);
    let [plane, chunk] = ["plane", "chunk"].map(|name| emitter.name(name, I64));
    let call = Call::from_block(&mut emitter, arguments, arrays(schedule));
    let place = Chunk::new(&mut emitter, &call, plane, chunk);
    HostKernel { schedule, kernel, call: &call, chunk: &place, lanes }.emit(&mut emitter)?;
    let header = format!("func.func @kernel_{index}({arguments}: {POINTER}, {plane}: {I64}, {chunk}: {I64})");
    Ok(emitter.finish(&header, "return"))
}
