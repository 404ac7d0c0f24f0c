//! Faults that a test puts into lossc, to see that its engine finds them.
//!
//! Each stands where it would, as one expression. In a release build there is none: the
//! switch is `false` when it is compiled.

use std::sync::OnceLock;

/// The environment variable that names the fault.
pub const VARIABLE: &str = "LOSSC_FAULT";

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident,)*) => {
        /// A fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $fault,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];
        }
    };
}

faults! {
    /// Schedule: a reduction of nothing but numbers is read before a pass has written it.
    NumbersAreReducedLate,
    /// Schedule: memory of a kept value is used again while the value is needed.
    KeptValuesAreOverwritten,
    /// Schedule: the sieve takes the wrong bound of what a random number is compared with.
    CompactionTakesTheWrongBound,
    /// Rules: those that ask for small terms take any, so that a sum may overflow.
    SumsMayOverflow,
    /// Rules: those that ask for a value from 0 to 1 take any.
    RangesAreNotAsked,
    /// Rules: stabilising leaves every loss as it is written.
    StabilisingGivesUp,
    /// Differentiation: the branch that is not taken has the gradient of the one that is.
    BranchesAreMixedUp,
    /// Differentiation: of two uses of a value, only the last counts.
    UsesAreForgotten,
    /// Differentiation: the gradient of a mean is that of a sum.
    MeanIsNotDivided,
    /// Options: the reduction `mean` counts ignored pixels.
    MeanCountsIgnoredPixels,
    /// Options: an ignored label takes its neighbour with it, where f32 does not tell them.
    IgnoredLabelsAreRounded,
    /// Lowering: the last pixel of a row is none of it.
    LastPixelIsLeftOut,
    /// Lowering: half of the key of random numbers stays as it is from round to round.
    KeysStayAsTheyAre,
    /// Lowering: the lanes of a chunk are added in another order.
    AccumulatorsAreAddedOtherwise,
    /// Lowering: a fused multiply-add rounds twice.
    ProductsAreRounded,
    /// Lowering: the total of all groups is rounded before its mean is taken.
    TotalsAreRounded,
    /// Lowering: threads of a GPU do not wait for the values of the others.
    ThreadsDoNotWait,
    /// Cache: whatever lies under an entry's name is that entry.
    EntriesAreNotChecked,
    /// Cache: an entry's name does not depend on the options.
    OptionsAreNotInTheKey,
    /// Runtime: the last row of a group is all of it.
    PlanesReplaceOneAnother,
    /// Runtime: every reduction of a pass gets the sums of the first.
    PartialsAreMixedUp,
    /// Runtime: the gradient is not scaled by the upstream one.
    UpstreamIsForgotten,
}

/// Whether `fault` was put in.
///
/// # Panics
///
/// If the variable names no fault.
pub fn is_seeded(fault: Fault) -> bool {
    cfg!(debug_assertions) && seeded() == Some(fault)
}

fn seeded() -> Option<Fault> {
    static SEEDED: OnceLock<Option<Fault>> = OnceLock::new();
    let named = |name: &str| Fault::ALL.iter().copied().find(|fault| format!("{fault:?}") == name);
    *SEEDED.get_or_init(|| {
        let name = std::env::var(VARIABLE).ok()?;
        Some(named(&name).unwrap_or_else(|| panic!("{VARIABLE}={name} names no fault")))
    })
}
