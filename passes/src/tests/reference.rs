//! The check that a rewritten program means the same as its source.

use std::cell::Cell;

use lossc_dialect::Program;
use lossc_dialect::interpret::{Precision, interpret};
use lossc_programs::bounds::{Bounded, Bounds};
use lossc_programs::evaluate::{Sample, evaluate};

/// The numbers of values that were compared, and of those that were skipped for lack of a
/// certain value.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub compared: Cell<usize>,
    pub skipped: Cell<usize>,
    pub exactly: Cell<usize>,
}

/// Two programs of the same arguments.
pub(super) struct Pair<'a> {
    pub source: &'a Program,
    pub result: &'a Program,
    /// True if they should have the same bits.
    pub exact: bool,
    pub tally: &'a Tally,
}

/// A value of the source and of the result, each with its bound.
struct Values {
    source: Bounded,
    result: Bounded,
}

impl Pair<'_> {
    /// Compares the programs on `sample`; an error says where they differ.
    pub(super) fn check(&self, sample: &Sample) -> Result<(), String> {
        self.check_within(sample, &Bounds::F64, Precision::Real)?;
        self.check_within(sample, &Bounds::F32, Precision::Exact)?;
        if self.exact { self.check_bits(sample) } else { Ok(()) }
    }

    /// Compares both as computed in `precision`, against each other's bounds.
    fn check_within(&self, sample: &Sample, bounds: &Bounds, precision: Precision) -> Result<(), String> {
        let arguments = sample.arguments(bounds);
        let known = |program: &Program| {
            let bounded = evaluate(bounds, program, sample, &arguments);
            let values = interpret(program, &sample.inputs(), precision);
            let pairs = bounded.into_iter().flatten().zip(values.into_iter().flatten());
            pairs.map(|(bounded, value)| bounded.computed_as(value)).collect::<Vec<_>>()
        };
        let pairs = known(self.source).into_iter().zip(known(self.result));
        for (index, (source, result)) in pairs.enumerate() {
            let values = Values { source, result };
            if !values.are_equal() {
                return Err(format!("value {index}, {precision:?}: {result:?} for {source:?} on {sample:?}"));
            }
            let known = source.is_known() && result.is_known();
            let count = if known { &self.tally.compared } else { &self.tally.skipped };
            count.set(count.get() + 1);
        }
        Ok(())
    }

    /// Compares both in exact f32, bit for bit, except for signs of zeros and of NaN.
    fn check_bits(&self, sample: &Sample) -> Result<(), String> {
        let arguments = sample.arguments(&Bounds::EXACT);
        let known = evaluate(&Bounds::EXACT, self.source, sample, &arguments).into_iter().flatten();
        let run =
            |program: &Program| interpret(program, &sample.inputs(), Precision::Exact).into_iter().flatten();
        for ((bounded, source), result) in known.zip(run(self.source)).zip(run(self.result)) {
            let same = source == result || source.is_nan() && result.is_nan();
            if bounded.error == 0.0 && !same {
                return Err(format!("{result:e} does not have the bits of {source:e} on {sample:?}"));
            }
            self.tally.exactly.set(self.tally.exactly.get() + usize::from(bounded.error == 0.0));
        }
        Ok(())
    }
}

impl Values {
    fn are_equal(&self) -> bool {
        let (source, result) = (self.source.value, self.result.value);
        if source.is_nan() || !self.source.is_known() {
            return true;
        }
        // The result is never less defined, however ill-conditioned it is.
        if result.is_nan() {
            return false;
        }
        let error = (source - result).abs();
        source == result || !self.result.is_known() || error <= 4.0 * (self.source.error + self.result.error)
    }
}
