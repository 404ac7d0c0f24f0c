//! What each op costs on a target.
//!
//! An element-wise op needs no cost of its own: it is that of the operations its
//! exact meaning takes, since these are what every target runs. The tables say
//! what one operation costs, and what the other ops do.

use lossc_dialect::machine::Operations;
use lossc_dialect::ops::{Numerics, Op};
use lossc_dialect::{Element, Level};

/// The costs of a target, in tenths of the time of one fused multiply-add a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostModel {
    /// A CPU with AVX2 or AVX-512.
    Host,
    /// An NVIDIA GPU from sm_80 on.
    Nvidia,
    /// The same for the ops' fast meanings.
    NvidiaFast,
}

/// What it costs to find active pixels and to compute them alone, beside the values.
#[derive(Clone, Copy, Debug)]
pub struct CompactionCost {
    /// Of each pixel: the active pixels' places.
    pub pixel: u64,
    /// Of each active pixel: gathering what is read of it, and what is added up or written
    /// where it stands.
    pub active_pixel: u64,
    /// Of each active pixel: an input of its own that nothing else reads, most of a cache
    /// line for one pixel.
    pub input: u64,
}

/// What one operation costs, and what ops that are not element-wise do.
struct Table {
    operations: Operations,
    /// A random number: its part of a Philox block, and the conversion.
    uniform: u64,
    /// A stored label or logit as f32.
    cast: u64,
    /// A group's value at its pixels: a register filled before the loop.
    broadcast: u64,
    /// An f32 kept in one pass and read in another.
    kept_float: u64,
    /// The same for a bit, and making a mask of it.
    kept_mask: u64,
    /// A byte of an input that is read in memory though something could be kept.
    input_byte: u64,
    /// What compaction costs; none where it saves nothing.
    compaction_cost: Option<CompactionCost>,
    /// A pixel's part of a sum.
    sum: u64,
    /// A pixel's part of a count.
    count: u64,
    /// An operation on a group's or the call's values, done once for thousands of
    /// pixels.
    group: u64,
}

/// Reciprocal throughputs for vectors of 32-bit lanes over that of `vfmadd`, in the
/// middle of what LLVM 22's scheduling models have for skylake, icelake-server,
/// znver3 and znver4 (`llvm-mca -mcpu=…`), which follow Fog's "Instruction tables"
/// and uops.info: a quotient takes 6 (AMD) to 10 (Intel) times an fma, bitwise and
/// integer operations 0.5 to 0.7 of one, all others one.
///
/// Philox, for two vectors of pixels: in each of ten rounds two products and two
/// shifts of 64-bit lanes, and four exclusive ors.
///
/// What is kept is eight bytes a pixel to a memory that moves about a byte in the
/// time of five fmas. A pass that needs an input at all streams it in any case. What compaction costs was measured with AVX-512: 0.08 ns a pixel and
/// 2.2 ns an active pixel where an fma takes 0.012.
const HOST: Table = Table {
    operations: Operations {
        arithmetic: 10,
        division: 90,
        reciprocal: 90,
        sign: 6,
        comparison: 10,
        selection: 10,
        logic: 6,
        integer: 6,
        shift: 10,
        conversion: 10,
        approximation: NEVER,
    },
    uniform: 10 * (2 * 10 + 2 * 10 + 4 * 6) / 2 + 40,
    cast: 20,
    broadcast: 1,
    kept_float: 400,
    kept_mask: 20,
    input_byte: 0,
    compaction_cost: Some(CompactionCost { pixel: 70, active_pixel: 1900, input: 1000 }),
    sum: 10,
    count: 10,
    group: 1,
};

/// What no code for a processor has.
const NEVER: u64 = 1 << 20;

/// Results a clock and multiprocessor in NVIDIA's "CUDA C++ Programming Guide",
/// section "Arithmetic instructions", for compute capability 9.0: 128 of an fma, 64
/// of a comparison, an integer operation or a shift, 16 of a reciprocal. A
/// conversion counts as an integer operation. A change of a sign is part of the
/// instruction after it. A correctly rounded quotient is a reciprocal, six fmas and
/// a branch on a check; of a number from 1 to 2 the reciprocal needs neither check nor
/// branch. An approximation too is made at 16 a clock, but by a unit of its
/// own, beside all others: where fewer than one instruction of eight is one, it takes no
/// more than its issue. Its cost is between the two.
///
/// Philox, for four pixels: in each of ten rounds two wide products and two
/// three-way exclusive ors.
///
/// Memory moves a byte in the time of ten fmas (H100: 3 TB/s, and 29 T fmas a second).
/// What is kept is kept on the chip: an f32 takes half an instruction a pixel, a bit
/// about two and a half to be put among others and found again, and both take room that
/// other pixels then miss. A warp takes as long as its last active pixel, and nearly every
/// warp has one.
const NVIDIA: Table = Table {
    operations: Operations {
        arithmetic: 10,
        division: 80 + 6 * 10 + 2 * 20,
        reciprocal: 40 + 4 * 10 + 2 * 20,
        sign: 1,
        comparison: 20,
        selection: 20,
        logic: 20,
        integer: 20,
        shift: 20,
        conversion: 20,
        approximation: 40,
    },
    uniform: 10 * (2 * 40 + 2 * 20) / 4 + 70,
    cast: 20,
    broadcast: 1,
    kept_float: 100,
    kept_mask: 50,
    input_byte: 100,
    compaction_cost: None,
    sum: 10,
    count: 20,
    group: 1,
};

impl CostModel {
    fn table(self) -> &'static Table {
        match self {
            Self::Host => &HOST,
            Self::Nvidia | Self::NvidiaFast => &NVIDIA,
        }
    }

    /// The meanings that are paid for.
    pub fn numerics(self) -> Numerics {
        match self {
            Self::Host | Self::Nvidia => Numerics::Reproducible,
            Self::NvidiaFast => Numerics::Fast,
        }
    }

    /// The cost of keeping a pixel's f32 in one pass and reading it in another.
    pub fn keeping_float(self) -> u64 {
        self.table().kept_float
    }

    /// The same for a bit, and for making a mask of it.
    pub fn keeping_mask(self) -> u64 {
        self.table().kept_mask
    }

    /// The cost of reading an input of this type in memory, where something of it could
    /// be kept.
    pub fn reading(self, element: Element) -> u64 {
        self.table().input_byte * element.bytes() as u64
    }

    /// What compaction costs; none where it saves nothing.
    pub fn compaction_cost(self) -> Option<CompactionCost> {
        self.table().compaction_cost
    }

    /// The cost of one `op`.
    pub fn cost(self, op: Op, level: Level) -> u64 {
        let table = self.table();
        match (op, level) {
            (Op::Argument(_) | Op::Constant(_) | Op::Groups | Op::Pixels, _) => 0,
            // What a reduction costs, it costs at each pixel.
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
