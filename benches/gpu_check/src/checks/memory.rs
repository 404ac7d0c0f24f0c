//! Calls on a full device.

use cudarc::driver::{DriverError, sys::CUresult};
use lossc_runtime::{Call, CudaDevice, Executor};

use super::{RANDOM, passed, skipped};
use crate::Failure;
use crate::bundles::Subject;
use crate::device::{Memory, free_bytes};
use crate::pixels::Kind;
use crate::report::Verdict;

/// 64 MB of logits: more than a memory pool may hold.
const SHAPE: [usize; 3] = [16, 1024, 1024];

/// Blocks smaller than this are left free.
const SMALLEST: usize = 1 << 20;

/// Checks that a call that runs out of memory fails with that error, and that the next one that
/// fits works as if nothing had happened.
pub fn out_of_memory(device: &CudaDevice, subject: &Subject) -> Result<Verdict, Failure> {
    let pixels = subject.pixels(&SHAPE, Kind::Bell)?;
    let views = pixels.views();
    let call = Call { random: RANDOM, ..Call::new(&views) };
    let (before, expected) = subject.cuda_executor(device)?.forward_backward(&call)?;
    // Another executor, which holds no memory from an earlier call.
    let mut executor = subject.cuda_executor(device)?;
    let blocks = take_all()?;
    let taken: usize = blocks.iter().map(Memory::length).sum();
    let refused = executor.forward_backward(&call);
    drop(blocks);
    match refused {
        Ok(_) => return Ok(skipped(format!("a call still found memory after {taken} bytes were taken"))),
        Err(error) if error.to_string().contains("OUT_OF_MEMORY") => {}
        Err(error) => return Err(format!("a full device is reported as: {error}").into()),
    }
    let (after, gradients) = executor.forward_backward(&call)?;
    let (before, after) = (before.loss, after.loss);
    if after.to_bits() != before.to_bits() {
        return Err(format!("the loss was {before} and is {after} after memory had run out").into());
    }
    if gradients != expected {
        return Err("the gradient is another one after memory had run out".into());
    }
    Ok(passed("an error that says so, and the next call is right"))
}

/// Allocates until the device refuses even a small block.
fn take_all() -> Result<Vec<Memory>, Failure> {
    let mut blocks = vec![];
    let mut length = free_bytes()?;
    while length >= SMALLEST {
        match Memory::new(length) {
            Ok(block) => blocks.push(block),
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => length /= 2,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(blocks)
}
