//! Reading of a module as a file of losses.

use melior::ir::attribute::{Attribute, StringAttribute};
use melior::ir::operation::{OperationLike, OperationRef};
use melior::ir::{BlockLike as _, BlockRef, Module};

use super::attributes::{CHOICE, DEFAULT, NAME, SUMMARY};
use super::mistake::Mistake;
use super::parse::Reader;
use super::{Choice, LossFile, choice_value};
use crate::program::Program;
use crate::verify::check_name;

/// Reads `module`, of programs of up to `ops` operations. No argument and no result, except the
/// loss itself, may have one of the names in `reserved`.
pub(super) fn read(
    module: &Module<'_>,
    file: &str,
    reserved: &[&str],
    ops: usize,
) -> Result<LossFile, Mistake> {
    let operation = module.as_operation();
    let text = |name| string(operation, name);
    let mut programs = Vec::new();
    for function in operations(module.body()) {
        let program = Reader::read(function, ops)?;
        not_reserved(&program, reserved)?;
        programs.push(program);
    }
    let choice = choice(operation, text(CHOICE)?, text(DEFAULT)?, &programs)?;
    let named = text(NAME)?;
    if let Some(name) = &named {
        check_name(name).map_err(|error| Mistake::named(name, error.to_string()))?;
    }
    let of_function = || programs.first().map(|program| program.name().replace('_', "-"));
    let name = named.or_else(of_function).unwrap_or_else(|| file.into());
    Ok(LossFile { name, summary: text(SUMMARY)?, choice, programs })
}

/// The operations of a block.
pub(super) fn operations<'c: 'a, 'a>(block: BlockRef<'c, 'a>) -> impl Iterator<Item = OperationRef<'c, 'a>> {
    std::iter::successors(block.first_operation(), OperationLike::next_in_block)
}

/// The value of `attribute` if it is a string.
pub(super) fn to_string(attribute: Attribute<'_>) -> Option<String> {
    StringAttribute::try_from(attribute).ok().map(|text| text.value().to_owned())
}

/// The string attribute `name`, if it is present.
fn string(operation: OperationRef<'_, '_>, name: &str) -> Result<Option<String>, Mistake> {
    let Ok(attribute) = operation.attribute(name) else { return Ok(None) };
    let wrong = || Mistake::new(operation.location(), format!("{name} on a module is a string"));
    to_string(attribute).map(Some).ok_or_else(wrong)
}

fn not_reserved(program: &Program, reserved: &[&str]) -> Result<(), Mistake> {
    let arguments = program.arguments().iter().map(|argument| &argument.name);
    let results = program.results().iter().skip(1).map(|result| &result.name);
    match arguments.chain(results).find(|name| reserved.contains(&name.as_str())) {
        Some(name) => Err(Mistake::named(name, format!("`{name}` is a name that lossc gives itself"))),
        None => Ok(()),
    }
}

/// The choice among the functions, if there is one.
fn choice(
    module: OperationRef<'_, '_>,
    name: Option<String>,
    default: Option<String>,
    programs: &[Program],
) -> Result<Option<Choice>, Mistake> {
    let wrong = |message: &str| Err(Mistake::new(module.location(), message));
    let (name, default) = match (name, default, programs.len()) {
        (_, _, 0) => return wrong("there is no function, so no loss"),
        (None, _, 2..) => return wrong("several functions, but no loss.choice on the module to select one"),
        (None, Some(_), _) => return wrong("loss.default on the module needs loss.choice"),
        (Some(_), None, _) => return wrong("loss.choice needs loss.default, one of its values"),
        (None, None, _) => return Ok(None),
        (Some(name), Some(default), _) => (name, default),
    };
    check_name(&name).map_err(|error| Mistake::named(&name, error.to_string()))?;
    let mut seen = std::collections::HashSet::new();
    for value in programs.iter().map(|program| choice_value(program.name())) {
        if !seen.insert(value) {
            return wrong(&format!("two functions are the value `{value}` of {name}"));
        }
    }
    if !seen.contains(default.as_str()) {
        return wrong("loss.default names none of the functions");
    }
    Ok(Some(Choice { name, default }))
}
