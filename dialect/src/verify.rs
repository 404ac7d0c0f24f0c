//! Checks that a program is a loss.

use thiserror::Error;

use crate::ops::{Op, SignatureError};
use crate::program::{Argument, GRADIENT, Program};
use crate::text::guard;
use crate::types::{Element, Level, Type};

/// Reason why a program is not a loss.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// No scalar to minimise.
    #[error("the first result must be the loss, a {}", Type::SCALAR)]
    NoLoss,
    /// A further result that is not one value per group.
    #[error("result `{name}` must be one f32 or i64 per group, not {ty}")]
    Result {
        /// The result's name.
        name: String,
        /// Its type.
        ty: Type,
    },
    /// An argument that is neither a tensor of pixels nor a scalar.
    #[error("argument `{name}` must be a tensor of pixels or a {}, not {ty}", Type::SCALAR)]
    Argument {
        /// The argument's name.
        name: String,
        /// Its type.
        ty: Type,
    },
    /// A scalar without a default.
    #[error("scalar `{0}` needs a default (loss.default)")]
    NoDefault(String),
    /// No logits: the loss is differentiated with respect to the first argument.
    #[error("the first argument must be the logits, one float per pixel")]
    NoLogits,
    /// A name that cannot stand in a text or a path.
    #[error(
        "`{0}` is not a name: a name begins with a letter or `_`, and has letters, digits and any of `_.-`"
    )]
    Name(String),
    /// Two arguments or two results of one name.
    #[error("the name `{0}` is used twice")]
    Duplicate(String),
}

/// The result type of `op` on operands of these types.
pub fn result_type(op: Op, operands: &[Type], asked: Type) -> Result<Type, SignatureError> {
    let Some(definition) = op.definition() else { return Ok(asked) };
    if operands.len() != definition.operands.len() {
        let (expected, found) = (definition.operands.len(), operands.len());
        return Err(SignatureError::Arity { expected, found });
    }
    definition.signature.result(operands, asked)
}

/// Checks that `name` can stand in a text and in a path.
///
/// # Errors
/// If it cannot.
pub fn check_name(name: &str) -> Result<(), VerifyError> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let belongs = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    if begins && name.len() <= guard::MAX_NAME && name.chars().all(belongs) {
        return Ok(());
    }
    Err(VerifyError::Name(name.escape_debug().take(guard::MAX_NAME).collect()))
}

/// Checks what no single operation shows: names, arguments and results.
///
/// # Errors
/// The first mistake found.
pub fn verify(program: &Program) -> Result<(), VerifyError> {
    let arguments = program.arguments().iter().map(|argument| argument.name.as_str());
    let results = program.results().iter().map(|result| result.name.as_str());
    arguments.chain(results).chain([program.name()]).try_for_each(check_name)?;
    program.arguments().iter().try_for_each(verify_argument)?;
    let first = program.arguments().first();
    if !first.is_some_and(|logits| logits.is_pixel() && logits.ty.element.is_float()) {
        return Err(VerifyError::NoLogits);
    }
    no_duplicates(program.arguments().iter().map(|argument| argument.name.as_str()))?;
    no_duplicates(program.results().iter().map(|result| result.name.as_str()))?;
    verify_results(program)
}

fn verify_argument(argument: &Argument) -> Result<(), VerifyError> {
    let name = argument.name.clone();
    match argument.ty {
        Type { level: Level::Pixel, .. } => Ok(()),
        Type::SCALAR if argument.default.is_some() => Ok(()),
        Type::SCALAR => Err(VerifyError::NoDefault(name)),
        ty => Err(VerifyError::Argument { name, ty }),
    }
}

fn verify_results(program: &Program) -> Result<(), VerifyError> {
    let Some((loss, others)) = program.results().split_first() else { return Err(VerifyError::NoLoss) };
    if program.ty(loss.value) != Type::SCALAR {
        return Err(VerifyError::NoLoss);
    }
    for result in others {
        let ty = program.ty(result.value);
        let group = ty.level == Level::Group && matches!(ty.element, Element::F32 | Element::I64);
        let gradient = result.name == GRADIENT && ty.level == Level::Pixel;
        if !group && !gradient {
            return Err(VerifyError::Result { name: result.name.clone(), ty });
        }
    }
    Ok(())
}

fn no_duplicates<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), VerifyError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(VerifyError::Duplicate(name.into()));
        }
    }
    Ok(())
}
