//! Faults that a test seeds in lossc, to see that its engine finds them.
//!
//! Each is one expression at the spot where it would be made. A release build has none: the switch
//! is `false` at compile time.

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
            /// All faults.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];
        }
    };
}

faults! {
    /// Schedule: a reduction of uniform values only is read before a pass has written it.
    ScalarsAreReducedLate,
    /// Schedule: memory of a saved value is used again while the value is needed.
    SavedValuesAreOverwritten,
    /// Schedule: compaction takes the wrong bound of the value that a random number is compared
    /// with.
    CompactionTakesTheWrongBound,
    /// Rules: those that require small terms take any, so that a sum may overflow.
    SumsMayOverflow,
    /// Rules: those that require a value from 0 to 1 take any.
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
    /// Options: an ignored label ignores its neighbour too, if f32 cannot tell them apart.
    IgnoredLabelsAreRounded,
    /// Lowering: the last pixel of a plane is left out.
    LastPixelIsLeftOut,
    /// Lowering: half of the key of random numbers is the same in all rounds.
    KeysStayAsTheyAre,
    /// Lowering: the accumulators of a chunk are added in another order.
    AccumulatorsAreAddedOtherwise,
    /// Lowering: a fused multiply-add rounds twice.
    ProductsAreRounded,
    /// Lowering: the total of all groups is rounded before its mean is taken.
    TotalsAreRounded,
    /// Lowering: threads of a GPU do not wait for the values of the others.
    ThreadsDoNotWait,
    /// Cache: anything under an entry's name passes for that entry.
    EntriesAreNotChecked,
    /// Cache: an entry's name does not depend on the options.
    OptionsAreNotInTheKey,
    /// Runtime: the last plane of a group is taken for all of it.
    PlanesReplaceOneAnother,
    /// Runtime: every reduction of a pass gets the sums of the first.
    PartialsAreMixedUp,
    /// Runtime: the gradient is not scaled by the upstream one.
    UpstreamIsForgotten,
}

/// Returns whether `fault` is seeded.
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
