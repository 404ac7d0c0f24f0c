//! Sets of kernels in which a value is computed.

use lossc_dialect::{Level, Op};

use crate::egraph::NodeOp;

/// A set of kernels. The reductions of a pass are one kernel, and the pixel results that are
/// known after a number of passes are another. `forward` runs the kernels of reductions,
/// `backward` those of results, and `forward_backward` both, where a pass's reductions and
/// results are one kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kernels(u64);

/// The bits of reductions: one of the two bits per pass.
const REDUCTIONS: u64 = 0x1555_5555_5555_5555;

/// The last pass with kernels of its own: there are two bits per pass, and one for
/// [`Kernels::OF_THE_USER`]. Later passes share the last kernels, but no loss has so many.
const LAST_PASS: usize = 30;

impl Kernels {
    /// No kernel.
    pub(super) const NONE: Self = Self(0);

    /// A placeholder for the kernels in which a user is computed.
    pub(super) const OF_THE_USER: Self = Self(1 << 63);

    /// All kernels and the placeholder.
    pub(super) const ALL: Self = Self(u64::MAX);

    /// The kernel for values that are computed once per group or call: they count as if computed
    /// with the first reductions.
    pub(super) const ONCE: Self = Self(1);

    fn reductions(pass: usize) -> Self {
        Self(1 << (2 * pass.min(LAST_PASS)))
    }

    fn results(pass: usize) -> Self {
        Self(2 << (2 * pass.min(LAST_PASS)))
    }

    /// The kernels in which a node `op`, which is known after `depth` passes, needs an operand
    /// of this level and depth.
    pub(super) fn of_operand(op: NodeOp, depth: usize, operand: (Option<Level>, usize)) -> Self {
        match (op, operand) {
            (NodeOp::Roots, (Some(Level::Pixel), pass)) => Self::results(pass),
            (NodeOp::Op(Op::Sum | Op::Count), (Some(Level::Pixel), _)) => Self::reductions(depth - 1),
            (_, (Some(Level::Pixel), _)) => Self::OF_THE_USER,
            _ => Self::ONCE,
        }
    }

    /// The set with the placeholder replaced by `kernels`, in which the user is computed.
    pub(super) fn for_user(self, kernels: Self) -> Self {
        let Self(own) = Self::OF_THE_USER;
        if self.0 & own == 0 { self } else { Self(self.0 & !own | kernels.0) }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The number of times that a value in these kernels is computed by one call of each entry
    /// point.
    pub(super) fn runs(self) -> u64 {
        let fused = (self.0 | self.0 >> 1) & REDUCTIONS;
        u64::from(self.0.count_ones() + fused.count_ones())
    }
}
