//! Ops without operands.

use super::{Derivative, Domain, Meaning, Op, OpDefinition, Signature};

/// A number that follows from the shapes of a call's tensors.
macro_rules! size {
    ($op:ident, $mnemonic:literal, $summary:literal) => {
        OpDefinition {
            op: Op::$op,
            mnemonic: $mnemonic,
            summary: $summary,
            operands: &[],
            signature: Signature::Size,
            meaning: Meaning::Structural,
            derivative: Derivative::Zero,
            domain: Domain::Reals,
        }
    };
}

pub(super) static OPS: [OpDefinition; 4] = [
    OpDefinition {
        op: Op::Constant(0),
        mnemonic: "constant",
        summary: "the f32 attribute `value`, at the level of the result type",
        operands: &[],
        signature: Signature::Constant,
        meaning: Meaning::Structural,
        derivative: Derivative::Zero,
        domain: Domain::Reals,
    },
    OpDefinition {
        op: Op::Uniform,
        mnemonic: "uniform",
        summary: "the pixel's uniform number in [0,1): a pure function of seed, stream and pixel index",
        operands: &[],
        signature: Signature::Random,
        meaning: Meaning::Structural,
        derivative: Derivative::Zero,
        domain: Domain::Reals,
    },
    size!(Groups, "groups", "the number of balancing groups of the call"),
    size!(Pixels, "pixels", "the number of pixels of the call; all groups have equally many"),
];
