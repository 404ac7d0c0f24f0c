//! What kernels move between the processor and its memory.

use lossc_dialect::{Op, ValueId};

use super::sieve::PIXELS_A_SURVIVOR;
use super::{Kernel, Schedule, Temporary};

impl Schedule {
    /// The bits a kernel reads and writes for each pixel; sums and counts are
    /// nothing beside them. Of what is kept of survivors it counts what is expected.
    pub fn bits_per_pixel(&self, kernel: &Kernel) -> usize {
        let values = self.pixel_values(kernel);
        let is_input = |value: &&ValueId| matches!(self.program.node(**value).op, Op::Argument(_));
        let tensors = values.iter().filter(is_input).chain(&kernel.outputs);
        let of_tensors: usize = tensors.map(|&value| 8 * self.program.ty(value).element.bytes()).sum();
        let kept = kernel.loads.iter().chain(&kernel.stores);
        let is_rare = |stored: &usize| kernel.sieve.is_some_and(|it| it != self.stored[*stored].value);
        let (rare, common): (Vec<usize>, Vec<usize>) = kept.copied().partition(is_rare);
        let bits =
            |kept: Vec<usize>| kept.iter().map(|&it| temporary_bits(self.temporary_of(it))).sum::<usize>();
        let of_kept = bits(common) + bits(rare).div_ceil(PIXELS_A_SURVIVOR as usize);
        of_tensors + of_kept
    }
}

fn temporary_bits(temporary: Temporary) -> usize {
    match temporary {
        Temporary::Float => 32,
        Temporary::Mask => 1,
    }
}
