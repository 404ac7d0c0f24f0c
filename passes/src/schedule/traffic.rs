//! The data that kernels move between the processor and its memory.

use lossc_dialect::{Op, ValueId};

use super::compaction::PIXELS_PER_ACTIVE;
use super::{Buffer, Kernel, Schedule};

impl Schedule {
    /// The bits that a kernel reads and writes per pixel; sums and counts are negligible. Values
    /// saved of active pixels alone count by the expected number of these.
    pub fn bits_per_pixel(&self, kernel: &Kernel) -> usize {
        let values = self.pixel_values(kernel);
        let is_input = |value: &&ValueId| matches!(self.program.node(**value).op, Op::Argument(_));
        let tensors = values.iter().filter(is_input).chain(&kernel.outputs);
        let of_tensors: usize = tensors.map(|&value| 8 * self.program.ty(value).element.bytes()).sum();
        let saved = kernel.loads.iter().chain(&kernel.saves);
        let is_rare = |saved: &usize| kernel.compaction.is_some_and(|it| it != self.saved[*saved].value);
        let (rare, common): (Vec<usize>, Vec<usize>) = saved.copied().partition(is_rare);
        let bits = |saved: Vec<usize>| saved.iter().map(|&it| buffer_bits(self.buffer_of(it))).sum::<usize>();
        let of_kept = bits(common) + bits(rare).div_ceil(PIXELS_PER_ACTIVE as usize);
        of_tensors + of_kept
    }
}

fn buffer_bits(buffer: Buffer) -> usize {
    match buffer {
        Buffer::Float => 32,
        Buffer::Mask => 1,
    }
}
