//! Ops that choose, convert or spread values.

use super::{Derivative, Domain, Meaning, Op, OpDefinition, Signature};

pub(super) static OPS: [OpDefinition; 4] = [
    OpDefinition {
        op: Op::Select,
        mnemonic: "select",
        summary: "one value where the mask holds, the other elsewhere; what is not chosen has no influence",
        operands: &["mask", "then", "otherwise"],
        signature: Signature::Select,
        meaning: Meaning::Element {
            real: |x| if x[0] != 0.0 { x[1] } else { x[2] },
            exact: |m, x| m.select(x[0], x[1], x[2]),
            fast: None,
        },
        derivative: Derivative::Structural,
        domain: Domain::Reals,
    },
    OpDefinition {
        op: Op::Cast,
        mnemonic: "cast",
        summary: "the same number in another element type, rounded to nearest even",
        operands: &["operand"],
        signature: Signature::Cast,
        meaning: Meaning::Structural,
        derivative: Derivative::Structural,
        domain: Domain::Reals,
    },
    OpDefinition {
        op: Op::Broadcast,
        mnemonic: "broadcast",
        summary: "a group's or the call's value at each of its pixels",
        operands: &["operand"],
        signature: Signature::ToPixel,
        meaning: Meaning::Structural,
        derivative: Derivative::Structural,
        domain: Domain::Reals,
    },
    OpDefinition {
        op: Op::BroadcastGroups,
        mnemonic: "broadcast_groups",
        summary: "the call's value at each group",
        operands: &["operand"],
        signature: Signature::ToGroup,
        meaning: Meaning::Structural,
        derivative: Derivative::Structural,
        domain: Domain::Reals,
    },
];
