//! The way from source to result, step by step, in a form that is checked
//! without an e-graph.
//!
//! A proof is a table of terms, children first, and steps. Each step names a rule and
//! two nodes of the table that are an instance of its sides, and so equal. What is made
//! of equal operands by the same op is equal too; by that the source must come out
//! equal to the result. Terms share what they have in common, so a step says once what
//! holds in many places, and a proof is no longer than the program and its steps.

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
    /// All nodes of all terms, children first: an op, then the indices of its
    /// children. `$0` is the first argument; a constant stands for itself.
    pub nodes: Vec<String>,
    /// The node that is the source.
    pub source: usize,
    /// The node that is the result.
    pub result: usize,
    /// What is equal, and why.
    pub steps: Vec<Step>,
}

/// One application of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The rule's name.
    pub rule: String,
    /// Which of its sides is the one before.
    pub direction: Direction,
    /// The node that is rewritten.
    pub from: usize,
    /// What it becomes.
    pub to: usize,
}

/// Which way a rule is read. What a rule equates is equal both ways; that a
/// program only gets better is the extraction's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The left side becomes the right.
    Forward,
    /// The right side becomes the left.
    Backward,
}

/// Why a proof proves nothing. Steps count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// A line of the table is no node.
    #[error("node {index}, `{text}`, is no operation on nodes before it")]
    Node {
        /// Which line, from 0.
        index: usize,
        /// What it says.
        text: String,
    },
    /// A node that the table does not have.
    #[error("{place} names a node that there is not")]
    Missing {
        /// Who names it.
        place: Place,
    },
    /// The first term is another program.
    #[error("the proof does not start at its source")]
    Source,
    /// The tables have no such rule.
    #[error("step {step}: there is no rule `{rule}`")]
    UnknownRule {
        /// Which step.
        step: usize,
        /// What it names.
        rule: String,
    },
    /// The two nodes are not what the rule's sides say.
    #[error("step {step} is no instance of `{rule}`")]
    Instance {
        /// Which step.
        step: usize,
        /// Its rule.
        rule: String,
    },
    /// A side condition does not follow.
    #[error("step {step}: nothing shows that {condition}, as `{rule}` requires")]
    Condition {
        /// Which step.
        step: usize,
        /// Its rule.
        rule: String,
        /// What does not follow.
        condition: String,
    },
    /// The steps do not lead there.
    #[error("the steps do not lead from the source to the result")]
    Apart,
    /// The result is no program.
    #[error("the proof ends at no program: {0}")]
    Build(#[from] BuildError),
}

/// A part of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its source.
    Source,
    /// Its result.
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

    /// Checks that the proof leads from `source` by `rules`, and gives the program
    /// that it leads to.
    pub fn check(&self, source: &Program, rules: &[Rule]) -> Result<Program, ProofError> {
        check::check(self, source, rules)
    }
}

#[cfg(test)]
mod tests;
