//! The way from source to result, step by step, in a form that can be checked without an
//! e-graph.
//!
//! A proof is a table of terms, children first, and steps. Each step names a rule and two nodes
//! of the table that are an instance of its sides, and so equal. Nodes with the same op and
//! equal operands are equal too; the source must thereby turn out equal to the result. Terms
//! share common parts, so a step states once a fact that holds in many places, and a proof is no
//! longer than the program and its steps.

mod check;
mod closure;
mod equalities;
mod record;

use std::fmt;

use egg::Explanation;
use lossc_dialect::Program;
use lossc_dialect::program::BuildError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{LossNode, Rule};

/// A proof that one program may become another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// All nodes of all terms, children first: an op, then the indices of its children. `$0` is
    /// the first argument; a constant is written as its value.
    pub nodes: Vec<String>,
    /// The index of the source's node.
    pub source: usize,
    /// The index of the result's node.
    pub result: usize,
    /// The steps, each with the equality it shows and the reason.
    pub steps: Vec<Step>,
}

/// One application of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The rule's name.
    pub rule: String,
    /// The side of the rule from which the step starts.
    pub direction: Direction,
    /// The node that is rewritten.
    pub from: usize,
    /// The node that it becomes.
    pub to: usize,
}

/// The direction in which a rule is read. A rule's sides are equal either way; only the
/// extraction ensures that a program gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The left side becomes the right.
    Forward,
    /// The right side becomes the left.
    Backward,
}

/// The reason why a proof proves nothing. Steps count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// A line of the table that is not a node.
    #[error("node {index}, `{text}`, is no operation on nodes before it")]
    Node {
        /// The line's index, from 0.
        index: usize,
        /// The line's text.
        text: String,
    },
    /// A reference to a node that the table does not have.
    #[error("{place} names a node that does not exist")]
    Missing {
        /// The part of the proof that refers to it.
        place: Place,
    },
    /// A first term that is another program.
    #[error("the proof does not start at its source")]
    Source,
    /// A rule that the tables do not have.
    #[error("step {step}: there is no rule `{rule}`")]
    UnknownRule {
        /// The step.
        step: usize,
        /// The name in it.
        rule: String,
    },
    /// Two nodes that are not an instance of the rule's sides.
    #[error("step {step} is no instance of `{rule}`")]
    Instance {
        /// The step.
        step: usize,
        /// The step's rule.
        rule: String,
    },
    /// A side condition that does not follow.
    #[error("step {step}: nothing shows that {condition}, as `{rule}` requires")]
    Condition {
        /// The step.
        step: usize,
        /// The step's rule.
        rule: String,
        /// The condition.
        condition: String,
    },
    /// Steps that do not lead to the result.
    #[error("the steps do not lead from the source to the result")]
    Apart,
    /// A result that is not a program.
    #[error("the proof does not end at a program: {0}")]
    Build(#[from] BuildError),
}

/// A part of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The proof's source.
    Source,
    /// The proof's result.
    Result,
    /// The step with this number, from 1.
    Step(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => formatter.write_str("the source"),
            Self::Result => formatter.write_str("the result"),
            Self::Step(step) => write!(formatter, "step {step}"),
        }
    }
}

impl Proof {
    /// The steps of egg's explanation.
    pub(super) fn record(explanation: &Explanation<LossNode>) -> Self {
        record::record(explanation)
    }

    /// The rules of the steps, each once, in the order of the proof.
    pub(super) fn rules(&self, rules: &[Rule]) -> Vec<&'static str> {
        let mut names = vec![];
        for step in &self.steps {
            let rule = rules.iter().find(|rule| rule.name == step.rule).map(|rule| rule.name);
            names.extend(rule.filter(|name| !names.contains(name)));
        }
        names
    }

    /// Checks that the proof leads from `source` by `rules`, and returns the program to which it
    /// leads.
    pub fn check(&self, source: &Program, rules: &[Rule]) -> Result<Program, ProofError> {
        check::check(self, source, rules)
    }
}

#[cfg(test)]
mod tests;
