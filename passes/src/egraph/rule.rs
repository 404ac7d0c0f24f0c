//! Rewrite rules as table lines.

use std::fmt;

use egg::{ConditionalApplier, Id, Pattern, Rewrite, Subst, Var};
use lossc_dialect::Level;
use lossc_faults::{Fault, is_seeded};

use super::{Facts, FactsAnalysis, LossGraph, LossNode};

/// The degree of equality of a rule's two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same f32, except for the payload of a NaN.
    Exact,
    /// The same, except also for the sign of a zero: for programs that cannot distinguish zeros.
    ExactButZero,
    /// Within this many units in the last place for each op on the right.
    Ulps(u32),
    /// The same real number, wherever the conditions hold.
    Real,
}

/// A side condition of a rule. The string names a variable of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Every value is finite.
    Finite(&'static str),
    /// No value is below zero.
    NonNegative(&'static str),
    /// No value is above zero.
    NonPositive(&'static str),
    /// Every value lies between zero and one, or is NaN.
    Unit(&'static str),
    /// Every value lies between one and two, or is NaN.
    OneToTwo(&'static str),
    /// No value is larger than [`SMALL`](super::facts::SMALL): the sum of a chunk is finite.
    Small(&'static str),
    /// A sum of it is NaN only if a term is: no term is negative, or all are small.
    Summable(&'static str),
    /// It is not the constant 0.
    NotZero(&'static str),
    /// It has one value per group.
    PerGroup(&'static str),
    /// It has one value per call.
    PerCall(&'static str),
    /// It has one value per pixel, so arithmetic on it is f32: that of groups is f64.
    PerPixel(&'static str),
}

impl Condition {
    /// The condition's variable.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Finite(name)
            | Self::NonNegative(name)
            | Self::NonPositive(name)
            | Self::Unit(name)
            | Self::OneToTwo(name)
            | Self::Small(name)
            | Self::Summable(name)
            | Self::NotZero(name)
            | Self::PerGroup(name)
            | Self::PerCall(name)
            | Self::PerPixel(name) => name,
        }
    }

    /// Returns whether the condition holds of a value with these facts.
    pub(super) fn holds(self, facts: &Facts) -> bool {
        match self {
            Self::Finite(_) => facts.range.is_finite(),
            Self::NonNegative(_) => facts.range.is_nonnegative(),
            Self::NonPositive(_) => facts.range.is_nonpositive(),
            Self::Unit(_) => facts.range.is_unit() || is_seeded(Fault::RangesAreNotAsked),
            Self::OneToTwo(_) => facts.range.is_one_to_two(),
            Self::Small(_) => facts.range.is_small() || is_seeded(Fault::SumsMayOverflow),
            Self::Summable(_) => facts.range.is_small() || facts.range.is_nonnegative(),
            Self::NotZero(_) => facts.constant != Some(0.0),
            // A value that fits any level fits these, so a condition that held once continues to
            // hold.
            Self::PerGroup(_) => facts.level.is_none_or(|level| level == Level::Group),
            Self::PerCall(_) => facts.level.is_none_or(|level| level == Level::Scalar),
            Self::PerPixel(_) => facts.level.is_none_or(|level| level == Level::Pixel),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.variable();
        match self {
            Self::Finite(_) => write!(formatter, "{name} is finite"),
            Self::NonNegative(_) => write!(formatter, "{name} is not negative"),
            Self::NonPositive(_) => write!(formatter, "{name} is not positive"),
            Self::Unit(_) => write!(formatter, "{name} lies between 0 and 1"),
            Self::OneToTwo(_) => write!(formatter, "{name} lies between 1 and 2"),
            Self::Small(_) => write!(formatter, "a chunk's sum of {name} is finite"),
            Self::Summable(_) => {
                write!(formatter, "a chunk's sum of {name} is finite or {name} not negative")
            }
            Self::NotZero(_) => write!(formatter, "{name} is not the constant 0"),
            Self::PerGroup(_) => write!(formatter, "{name} has one value a group"),
            Self::PerCall(_) => write!(formatter, "{name} has one value in all"),
            Self::PerPixel(_) => write!(formatter, "{name} has one value a pixel"),
        }
    }
}

/// A directed rewrite rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The name of the law, in kebab case.
    pub name: &'static str,
    /// The pattern that is matched.
    pub left: &'static str,
    /// The pattern that it may become.
    pub right: &'static str,
    /// The degree of equality of the sides.
    pub class: Class,
    /// The side conditions.
    pub conditions: &'static [Condition],
}

/// A rule whose sides are the same f32.
pub const fn exact(name: &'static str, left: &'static str, right: &'static str) -> Rule {
    Rule { name, left, right, class: Class::Exact, conditions: &[] }
}

/// A rule whose sides are the same f32, except for the sign of a zero.
pub const fn but_zero(name: &'static str, left: &'static str, right: &'static str) -> Rule {
    Rule { name, left, right, class: Class::ExactButZero, conditions: &[] }
}

/// A rule whose sides round differently, by at most `count` units per op.
pub const fn ulps(count: u32, name: &'static str, left: &'static str, right: &'static str) -> Rule {
    Rule { name, left, right, class: Class::Ulps(count), conditions: &[] }
}

/// A rule whose sides are the same real number.
pub const fn real(name: &'static str, left: &'static str, right: &'static str) -> Rule {
    Rule { name, left, right, class: Class::Real, conditions: &[] }
}

impl Rule {
    /// The rule with these conditions.
    pub const fn when(self, conditions: &'static [Condition]) -> Self {
        Self { conditions, ..self }
    }

    /// The left and the right side.
    ///
    /// # Panics
    ///
    /// If a side is not a pattern; a test parses every rule of every table.
    pub(super) fn sides(&self) -> [Pattern<LossNode>; 2] {
        let pattern = |text: &str| -> Pattern<LossNode> {
            text.parse().unwrap_or_else(|error| panic!("rule {}: {text}: {error}", self.name))
        };
        [pattern(self.left), pattern(self.right)]
    }

    /// The conditions, each with its variable.
    ///
    /// # Panics
    ///
    /// If a side is not a pattern, see [`Rule::sides`].
    pub(super) fn side_conditions(&self) -> Vec<(Condition, Var)> {
        let variable = |condition: &Condition| -> Var {
            let name = condition.variable();
            name.parse().unwrap_or_else(|_| panic!("rule {}: {name} is no variable", self.name))
        };
        self.conditions.iter().map(|it| (*it, variable(it))).collect()
    }

    /// The rule in egg's form.
    ///
    /// # Panics
    ///
    /// If a side is not a pattern, see `Rule::sides`.
    pub fn to_egg(&self) -> Rewrite<LossNode, FactsAnalysis> {
        let ([left, right], side_conditions) = (self.sides(), self.side_conditions());
        let condition = move |egraph: &mut LossGraph, _: Id, subst: &Subst| {
            side_conditions
                .iter()
                .all(|(condition, variable)| condition.holds(&egraph[subst[*variable]].data))
        };
        let applier = ConditionalApplier { condition, applier: right };
        Rewrite::new(self.name, left, applier).unwrap_or_else(|error| panic!("rule {}: {error}", self.name))
    }
}
