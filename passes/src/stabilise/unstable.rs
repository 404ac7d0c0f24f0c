//! The logarithms, quotients and powers that stay unstable, by name and location.
//!
//! A value that may be 0 in a loss's own formula is the author's business, and reported only on
//! request. A value that is not 0 in the formula but may be rounded to 0 deserves a warning: a
//! difference that cancels, or a probability or exponential that has run out of bits.

mod vanishing;

use std::fmt;

use lossc_dialect::program::SourceLocation;
use lossc_dialect::{Op, Program, ValueId};

use vanishing::Analysis;

/// An operation whose result may be infinite or NaN although its formula's is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstable {
    /// The operation's name: `log`.
    pub mnemonic: &'static str,
    /// The location where it was written; `None` if the program has no text.
    pub location: Option<SourceLocation>,
    /// The problem that may occur.
    pub hazard: Hazard,
    /// True if rounding may cause it in an ordinary call.
    pub by_rounding: bool,
}

/// A problem that an operation may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hazard {
    /// The logarithm of 0 or less.
    Logarithm,
    /// The logarithm of 1 plus a value that may be -1 or less.
    LogarithmOfRest,
    /// A divisor that may be 0.
    Divisor,
    /// A base that may be 0 or less with an exponent that may be below 1.
    Base,
}

impl fmt::Display for Hazard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Logarithm => "its operand may be 0 or less",
            Self::LogarithmOfRest => "its operand may be -1 or less",
            Self::Divisor => "its divisor may be 0",
            Self::Base => "its base may be 0 or less, and its exponent below 1",
        })
    }
}

/// `loss.log at 12:8: its operand may be 0 or less, by rounding`
impl fmt::Display for Unstable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "loss.{}", self.mnemonic)?;
        if let Some(location) = self.location {
            write!(formatter, " at {location}")?;
        }
        write!(formatter, ": {}", self.hazard)?;
        if self.by_rounding { formatter.write_str(", by rounding") } else { Ok(()) }
    }
}

/// The unstable operations of `program`, a loss without its gradient, in the order of
/// computation.
pub fn unstable(program: &Program) -> Vec<Unstable> {
    let analysis = Analysis::of(program);
    let needed = program.needed(program.results().iter().map(|result| result.value));
    let values = program.values().filter(|(value, _)| needed[value.index()]);
    values.filter_map(|(value, node)| look(program, &analysis, value, (node.op, &node.operands))).collect()
}

fn look(
    program: &Program,
    analysis: &Analysis<'_>,
    value: ValueId,
    (op, operands): (Op, &[ValueId]),
) -> Option<Unstable> {
    let low = |operand: ValueId| analysis.range(operand).low;
    let (hazard, critical, by_rounding) = match (op, operands) {
        (Op::Log, &[x]) if low(x) <= 0.0 => (Hazard::Logarithm, x, analysis.vanishes(x)),
        (Op::Log1p, &[x]) if low(x) <= -1.0 => {
            // A bound of exactly -1 is that of a negated probability.
            (Hazard::LogarithmOfRest, x, low(x) == -1.0 && !analysis.is_given(x))
        }
        (Op::Div, &[_, d]) if analysis.may_be_zero(d) => (Hazard::Divisor, d, analysis.vanishes(d)),
        (Op::Pow, &[base, exponent]) if low(base) <= 0.0 && low(exponent) < 1.0 => {
            let is_below_one = analysis.default(exponent).is_none_or(|exponent| exponent < 1.0);
            (Hazard::Base, base, is_below_one && analysis.vanishes(base))
        }
        _ => return None,
    };
    if analysis.is_guarded(value, critical) {
        return None;
    }
    Some(Unstable { mnemonic: op.mnemonic(), location: program.location(value), hazard, by_rounding })
}

#[cfg(test)]
mod tests;
