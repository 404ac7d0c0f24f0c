//! Ops without operands.

use super::{Derivative, Domain, Meaning, Op, OpDefinition, Signature};

pub(super) static OPS: [OpDefinition; 2] = [
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
];
