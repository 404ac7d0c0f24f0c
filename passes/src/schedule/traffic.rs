//! What kernels move between the processor and its memory.

use lossc_dialect::{Op, ValueId};

use super::compaction::PIXELS_PER_ACTIVE;
use super::{Buffer, Kernel, Schedule};

impl Schedule {
    /// The bits a kernel reads and writes for each pixel; sums and counts are
    /// nothing beside them. Of what is kept of active pixels it counts what is expected.
    pub fn bits_per_pixel(&self, kernel: &Kernel) -> usize {
        let values = self.pixel_values(kernel);
        let is_input = |value: &&ValueId| matches!(self.program.node(**value).op, Op::Argument(_));
        let tensors = values.iter().filter(is_input).chain(&kernel.outputs);
        let of_tensors: usize = tensors.map(|&value| 8 * self.program.ty(value).element.bytes()).sum();
        let kept = kernel.loads.iter().chain(&kernel.saves);
        let is_rare = |saved: &usize| kernel.compaction.is_some_and(|it| it != self.saved[*saved].value);
        let (rare, common): (Vec<usize>, Vec<usize>) = kept.copied().partition(is_rare);
        let bits = |kept: Vec<usize>| kept.iter().map(|&it| buffer_bits(self.buffer_of(it))).sum::<usize>();
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
