//! Reductions, from pixels to groups and from groups to the call. The order of
//! their additions is fixed in [`crate::sum_shape`].

use super::{Derivative, Domain, Meaning, Op, OpDefinition, Signature};

/// A reduction of one operand.
macro_rules! reduction {
    ($op:ident, $mnemonic:literal, $signature:ident, $derivative:ident, $summary:literal) => {
        OpDefinition {
            op: Op::$op,
            mnemonic: $mnemonic,
            summary: $summary,
            operands: &["operand"],
            signature: Signature::$signature,
            meaning: Meaning::Structural,
            derivative: Derivative::$derivative,
            domain: Domain::Reals,
        }
    };
}

pub(super) static OPS: [OpDefinition; 4] = [
    reduction!(Count, "count", Count, Zero, "the number of the group's pixels where the mask holds"),
    reduction!(Sum, "sum", Sum, Structural, "the sum over the group's pixels"),
    reduction!(SumGroups, "sum_groups", OverGroups, Structural, "the sum over the groups"),
    reduction!(
        MeanGroups,
        "mean_groups",
        OverGroups,
        Structural,
        "the mean over the groups, 0 if there is none"
    ),
];
