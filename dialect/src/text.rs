//! The text form of a loss: MLIR in the `loss` dialect.
//!
//! [`parse`] goes through MLIR's own parser and verifier with the dialect
//! loaded from IRDL, so a file means here what it means to `mlir-opt`.
//! This is the only module of the crate that knows melior.

mod attributes;
pub mod guard;
pub mod irdl;
mod mistake;
mod module;
mod parse;
mod print;
mod tokens;

pub use mistake::ParseError;
pub use parse::{parse, parse_reserving, parse_up_to, utf8};
pub use print::print;

use crate::ops::Op;
use crate::program::Program;

/// A parsed file: one loss, or a family of losses of which a choice selects one.
#[derive(Clone, Debug, PartialEq)]
pub struct LossFile {
    /// The loss's name, e.g. `random-drop`.
    pub name: String,
    /// Its description, for `lossc list`.
    pub summary: Option<String>,
    /// The option that selects a program, if there is more than one.
    pub choice: Option<Choice>,
    /// The programs, in the order of the file.
    pub programs: Vec<Program>,
}

/// An option whose values name the functions of a file: `@random_drop.log` is
/// the value `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The option's name, e.g. `schedule`.
    pub name: String,
    /// The value used if the caller passes none.
    pub default: String,
}

/// The value of a file's choice that selects the function `name`.
fn choice_value(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, value)| value)
}

impl LossFile {
    /// Function and name of each argument that no result depends on. The logits are not among
    /// them, for without them there is no gradient.
    pub fn unused_arguments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.programs.iter().flat_map(|program| {
            let needed = program.needed(program.results().iter().map(|result| result.value));
            let unused = program.values().filter(move |(value, _)| !needed[value.index()]);
            let arguments = unused.filter_map(|(_, node)| match node.op {
                Op::Argument(index @ 1..) => program.arguments().get(index as usize),
                _ => None,
            });
            arguments.map(|argument| (program.name(), argument.name.as_str()))
        })
    }

    /// The values of the choice, in the order of the file.
    pub fn choice_values(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|program| choice_value(program.name()))
    }

    /// The program that `value` selects, or the default.
    pub fn program(&self, value: Option<&str>) -> Option<&Program> {
        let Some(choice) = &self.choice else { return self.programs.first().filter(|_| value.is_none()) };
        let value = value.unwrap_or(&choice.default);
        self.programs.iter().find(|program| choice_value(program.name()) == value)
    }
}

#[cfg(test)]
mod tests;
