//! The code for processors: a chunk a call, pixels in vectors.
//!
//! A chunk goes through two loops, so that neither needs more registers than
//! there are: the first draws its random numbers into memory that stays in the
//! nearest cache, the second computes the pixels. The code of a pixel stands
//! once; [`stream`] leads it over whole vectors and edges alike.

mod kernel;
mod library;
mod stack;
mod stream;

use super::LowerError;
use super::call::Call;
use super::chunk::Chunk;
use super::emit::{Emitter, I64, Scalar, ValueType};
use super::finish;
use super::pixel::{PixelCode, arrays};
use crate::schedule::{Kernel, Schedule};
use kernel::HostKernel;
pub(super) use kernel::chunk_bytes;

const POINTER: ValueType = ValueType::one(Scalar::Pointer(0));

/// The module for a processor with vectors of so many f32.
pub(super) fn module(schedule: &Schedule, lanes: usize) -> Result<String, LowerError> {
    let mut text = format!("// {}, {lanes} pixels a vector\nmodule {{\n", schedule.program.name());
    text += &library::functions(lanes);
    for (index, kernel) in schedule.kernels.iter().enumerate() {
        text += &kernel_function(schedule, kernel, index, lanes)?;
        text += &finish_function(schedule, kernel, index)?;
    }
    Ok(text + "}\n")
}

/// `finish_K(frame)`
fn finish_function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    let mut emitter = Emitter::new(1);
    let frame = emitter.name("frame", POINTER);
    let call = Call::from_frame(&mut emitter, frame, 0);
    finish::body(&mut emitter, schedule, kernel, &call)?;
    Ok(emitter.finish(&format!("func.func @finish_{index}({frame}: {POINTER})"), "return"))
}

/// `kernel_K(frame, row, chunk)`
fn kernel_function(
    schedule: &Schedule,
    kernel: &Kernel,
    index: usize,
    lanes: usize,
) -> Result<String, LowerError> {
    let mut emitter = Emitter::new(1);
    let frame = emitter.name("frame", POINTER);
    let [row, chunk] = ["row", "chunk"].map(|name| emitter.name(name, I64));
    let call = Call::from_frame(&mut emitter, frame, arrays(schedule));
    let chunk_values = Chunk::new(&mut emitter, &call, row, chunk);
    let code = PixelCode::new(schedule, kernel, lanes);
    HostKernel::new(&mut emitter, schedule, &call, &chunk_values, &code, lanes)?.emit(&mut emitter)?;
    let header = format!("func.func @kernel_{index}({frame}: {POINTER}, {row}: {I64}, {chunk}: {I64})");
    Ok(emitter.finish(&header, "return"))
}
