//! LLVM's NVVM intrinsics as the simulator treats them.

use crate::approximate::Approximation;

/// An intrinsic that the simulator implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intrinsic {
    Thread,
    Block,
    Threads,
    Blocks,
    Barrier,
    Shuffle,
    MaskedLoad,
    MaskedStore,
    Approximate(Approximation),
}

const TABLE: [(&str, Intrinsic); 8] = [
    ("llvm.nvvm.read.ptx.sreg.tid.x", Intrinsic::Thread),
    ("llvm.nvvm.read.ptx.sreg.ctaid.x", Intrinsic::Block),
    ("llvm.nvvm.read.ptx.sreg.ntid.x", Intrinsic::Threads),
    ("llvm.nvvm.read.ptx.sreg.nctaid.x", Intrinsic::Blocks),
    ("llvm.nvvm.barrier.cta.sync.aligned.all", Intrinsic::Barrier),
    ("llvm.nvvm.shfl.sync.bfly.", Intrinsic::Shuffle),
    ("llvm.masked.load.", Intrinsic::MaskedLoad),
    ("llvm.masked.store.", Intrinsic::MaskedStore),
];

/// Whole names, since variants begin with the same name.
const APPROXIMATIONS: [(&str, Approximation); 3] = [
    ("llvm.nvvm.ex2.approx.ftz.f32", Approximation::Exp2),
    ("llvm.nvvm.lg2.approx.f", Approximation::Log2),
    ("llvm.nvvm.rcp.approx.ftz.f", Approximation::Reciprocal),
];

/// Intrinsics that touch no memory and mean the same on every processor.
const PURE: [&str; 21] = [
    "abs", "assume", "bswap", "copysign", "ctlz", "ctpop", "cttz", "fabs", "fma", "fshl", "fshr", "is",
    "maximum", "minimum", "sadd", "smax", "smin", "uadd", "umax", "umin", "vector",
];

/// The intrinsic called `name`.
pub(super) fn find(name: &str) -> Option<Intrinsic> {
    let approximation = APPROXIMATIONS.iter().find(|(known, _)| name == *known);
    if let Some(&(_, approximation)) = approximation {
        return Some(Intrinsic::Approximate(approximation));
    }
    TABLE.iter().find(|(known, _)| name.starts_with(known)).map(|&(_, intrinsic)| intrinsic)
}

/// Returns whether the function `name` may stay as it is.
pub(super) fn is_pure(name: &str) -> bool {
    let stem = name.strip_prefix("llvm.").and_then(|rest| rest.split('.').next());
    stem.is_some_and(|stem| PURE.contains(&stem))
}
