//! The cost of each op on a target.
//!
//! An element-wise op needs no cost of its own: its cost is that of the operations in its exact
//! meaning, since these are what every target runs. The tables have the costs of single
//! operations and of the other ops.

use lossc_dialect::machine::Operations;
use lossc_dialect::ops::{Numerics, Op};
use lossc_dialect::{Element, Level};

/// The cost model of a target, in tenths of the time of one fused multiply-add per pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostModel {
    /// A CPU with AVX2 or AVX-512.
    Host,
    /// An NVIDIA GPU from sm_80 on.
    Nvidia,
    /// The same GPU with the ops' fast meanings.
    NvidiaFast,
}

/// The costs of finding active pixels and computing them alone, in addition to those of the
/// values.
#[derive(Clone, Copy, Debug)]
pub struct CompactionCost {
    /// Per pixel: listing the positions of the active pixels.
    pub pixel: u64,
    /// Per active pixel: gathering the values that it reads, and moving its terms and outputs to
    /// their positions.
    pub active_pixel: u64,
    /// Per active pixel: an input that nothing else reads, which is most of a cache line for one
    /// pixel.
    pub input: u64,
}

/// The costs of single operations, and of the ops that are not element-wise.
struct Table {
    operations: Operations,
    /// A random number: its part of a Philox block, and the conversion.
    uniform: u64,
    /// A stored label or logit as f32.
    cast: u64,
    /// A group's value at its pixels: a register filled before the loop.
    broadcast: u64,
    /// An f32 saved in one pass and read in another.
    saved_float: u64,
    /// A bit saved in one pass and read in another, and making a mask of it.
    saved_mask: u64,
    /// A byte of an input that is read from memory although it could be resident.
    input_byte: u64,
    /// The costs of compaction; `None` if it never pays.
    compaction_cost: Option<CompactionCost>,
    /// A pixel's part of a sum.
    sum: u64,
    /// A pixel's part of a count.
    count: u64,
    /// An operation on values of a group or the call, done once for thousands of pixels.
    group: u64,
}

/// Reciprocal throughputs for vectors of 32-bit lanes relative to `vfmadd`, from the middle of
/// the range of LLVM 22's scheduling models for skylake, icelake-server, znver3 and znver4
/// (`llvm-mca -mcpu=…`), which follow Fog's "Instruction tables" and uops.info. The costs of
/// compaction were measured with AVX-512, where an fma takes 0.012 ns per pixel.
const HOST: Table = Table {
    operations: Operations {
        // As long as an fma, which is the unit.
        arithmetic: 10,
        // 6 (AMD) to 10 (Intel) times an fma.
        division: 90,
        // A quotient.
        reciprocal: 90,
        // A bitwise operation: 0.5 to 0.7 of an fma.
        sign: 6,
        // As long as an fma.
        comparison: 10,
        // As long as an fma.
        selection: 10,
        // A bitwise operation.
        logic: 6,
        // 0.5 to 0.7 of an fma.
        integer: 6,
        // As long as an fma.
        shift: 10,
        // As long as an fma.
        conversion: 10,
        approximation: NEVER,
    },
    // For two vectors of pixels, each of ten rounds has two products and two shifts of 64-bit
    // lanes, and four exclusive ors. Then a shift, an exclusive or, a conversion and a product.
    uniform: 10 * (2 * 10 + 2 * 10 + 4 * 6) / 2 + 40,
    // An extension to 32 bits and a conversion.
    cast: 20,
    // The least, so that fewer are cheaper: a register filled before the loop.
    broadcast: 1,
    // 8 bytes, written and read, at about the time of five fmas per byte.
    saved_float: 400,
    // A 32nd of the memory traffic of an f32, and making a mask of the bit.
    saved_mask: 20,
    // A pass that needs an input at all streams it in any case.
    input_byte: 0,
    // 0.08 ns per pixel, 2.2 ns per active pixel, and most of a cache line.
    compaction_cost: Some(CompactionCost { pixel: 70, active_pixel: 1900, input: 1000 }),
    // An addition.
    sum: 10,
    // As a sum.
    count: 10,
    // The least, so that fewer are cheaper: thousands of pixels share it.
    group: 1,
};

/// The cost of an operation for which a processor has no code.
const NEVER: u64 = 1 << 20;

/// Throughputs relative to the 128 fmas per clock and multiprocessor in NVIDIA's "CUDA C++
/// Programming Guide", section "Arithmetic instructions", for compute capability 9.0.
const NVIDIA: Table = Table {
    operations: Operations {
        // 128 per clock, as an fma.
        arithmetic: 10,
        // A correctly rounded quotient: a reciprocal at 16 per clock, six fmas, and a branch on
        // a check.
        division: 80 + 6 * 10 + 2 * 20,
        // An approximation, four fmas, a comparison and a select; from 1 to 2 it needs neither
        // check nor branch.
        reciprocal: 40 + 4 * 10 + 2 * 20,
        // Part of the instruction after it.
        sign: 1,
        // 64 per clock.
        comparison: 20,
        // As a comparison.
        selection: 20,
        // As an integer operation.
        logic: 20,
        // 64 per clock.
        integer: 20,
        // 64 per clock.
        shift: 20,
        // As an integer operation.
        conversion: 20,
        // 16 per clock, which would be 80, but in parallel by a unit of its own: if fewer than
        // one instruction in eight is one, it takes no more than its issue. Between the two.
        approximation: 40,
    },
    // For four pixels, each of ten rounds has two wide products and two three-way exclusive
    // ors. Then a shift, an exclusive or, a conversion and a product.
    uniform: 10 * (2 * 40 + 2 * 20) / 4 + 70,
    // A conversion.
    cast: 20,
    // The least, so that fewer are cheaper: a register filled before the loop.
    broadcast: 1,
    // Half an instruction, and capacity of the shared memory that other pixels then lack.
    saved_float: 100,
    // About two and a half instructions to pack and unpack the bit, and the capacity.
    saved_mask: 50,
    // The time of ten fmas (H100: 3 TB/s, and 29 T fmas per second).
    input_byte: 100,
    // A warp takes as long as its last active pixel, and nearly every warp has one.
    compaction_cost: None,
    // An addition.
    sum: 10,
    // An addition of integers.
    count: 20,
    // The least, so that fewer are cheaper: thousands of pixels share it.
    group: 1,
};

impl CostModel {
    fn table(self) -> &'static Table {
        match self {
            Self::Host => &HOST,
            Self::Nvidia | Self::NvidiaFast => &NVIDIA,
        }
    }

    /// The meanings whose operations the costs count.
    pub fn numerics(self) -> Numerics {
        match self {
            Self::Host | Self::Nvidia => Numerics::Reproducible,
            Self::NvidiaFast => Numerics::Fast,
        }
    }

    /// The cost of saving a pixel's f32 in one pass and reading it in another.
    pub fn saving_float(self) -> u64 {
        self.table().saved_float
    }

    /// The same for a bit, including making a mask of it.
    pub fn saving_mask(self) -> u64 {
        self.table().saved_mask
    }

    /// The cost of reading an input of this type from memory although it could be resident.
    pub fn reading(self, element: Element) -> u64 {
        self.table().input_byte * element.bytes() as u64
    }

    /// The costs of compaction; `None` if it never pays.
    pub fn compaction_cost(self) -> Option<CompactionCost> {
        self.table().compaction_cost
    }

    /// The cost of one `op`.
    pub fn cost(self, op: Op, level: Level) -> u64 {
        let table = self.table();
        match (op, level) {
            (Op::Argument(_) | Op::Constant(_) | Op::Groups | Op::Pixels, _) => 0,
            // A reduction is paid for at each pixel, although its own level is higher.
            (Op::Sum, _) => table.sum,
            (Op::Count, _) => table.count,
            (_, Level::Group | Level::Scalar) => table.group,
            (Op::Uniform, _) => table.uniform,
            (Op::Cast | Op::Is(_), _) => table.cast,
            (Op::Broadcast, _) => table.broadcast,
            _ => table.operations_of(op, self.numerics()),
        }
    }
}

impl Table {
    fn operations_of(&self, op: Op, numerics: Numerics) -> u64 {
        let taken = op.definition().and_then(|definition| definition.operations_by(numerics));
        let Some(taken) = taken else { return self.group };
        let costs = &self.operations;
        taken.arithmetic * costs.arithmetic
            + taken.division * costs.division
            + taken.reciprocal * costs.reciprocal
            + taken.sign * costs.sign
            + taken.comparison * costs.comparison
            + taken.selection * costs.selection
            + taken.logic * costs.logic
            + taken.integer * costs.integer
            + taken.shift * costs.shift
            + taken.conversion * costs.conversion
            + taken.approximation * costs.approximation
    }
}

#[cfg(test)]
mod tests;
