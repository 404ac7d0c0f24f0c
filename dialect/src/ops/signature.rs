//! The type rules: the types that an op takes and returns.

use std::fmt;

use thiserror::Error;

use crate::types::{Element, Level, Type};

/// A rule for the type of an op's result, given those of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// No operands; a float of any level, as the text says.
    Constant,
    /// No operands; one float per pixel.
    Random,
    /// No operands; one float per call.
    Size,
    /// Floats of one level to a float of that level.
    Floats,
    /// Two floats of one level to a mask of that level.
    Compare,
    /// An i32 or i64 to a mask of its level.
    Integer,
    /// Masks of one level to a mask of that level.
    Logic,
    /// A mask, then two values of one type, all of one level.
    Select,
    /// Any element type to another, one of them f32.
    Cast,
    /// A group or scalar value to one per pixel.
    ToPixel,
    /// A scalar to one value per group.
    ToGroup,
    /// One mask value per pixel to one count per group.
    Count,
    /// One float per pixel to one float per group.
    Sum,
    /// One float per group to a scalar.
    OverGroups,
}

/// Mismatch between an op and its operands.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The wrong number of operands.
    #[error("takes {expected} operands, not {found}")]
    Arity {
        /// The number that the op takes.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// An operand of a type that the op does not take.
    #[error("operand {index} must be {expected}, not {found}")]
    Operand {
        /// Index of the operand, from 0.
        index: usize,
        /// The type that it must have.
        expected: String,
        /// The type that it has.
        found: Type,
    },
    /// The result's type does not follow from the operands.
    #[error("gives {expected}, not {found}")]
    Result {
        /// The type that the op returns.
        expected: String,
        /// The type in the text.
        found: Type,
    },
}

impl Signature {
    /// Checks `operands` and returns the result's type. `asked` is the type that the text or
    /// the builder wants. It decides only where the operands leave a choice: constants and
    /// casts.
    pub fn result(self, operands: &[Type], asked: Type) -> Result<Type, SignatureError> {
        match self {
            Self::Constant => self.float_like(asked),
            Self::Random => Ok(Type::PIXEL),
            Self::Size => Ok(Type::SCALAR),
            Self::Floats => all_of(operands, Element::F32).map(|level| Type::new(level, Element::F32)),
            Self::Compare => all_of(operands, Element::F32).map(|level| Type::new(level, Element::Mask)),
            Self::Integer => integer(operands[0]),
            Self::Logic => all_of(operands, Element::Mask).map(|level| Type::new(level, Element::Mask)),
            Self::Select => select(operands),
            Self::Cast => cast(operands[0], asked),
            Self::ToPixel => below(operands[0], Level::Pixel),
            Self::ToGroup => below(operands[0], Level::Group),
            Self::Count => one(
                operands[0],
                Type::new(Level::Pixel, Element::Mask),
                Type::new(Level::Group, Element::I64),
            ),
            Self::Sum => one(operands[0], Type::PIXEL, Type::new(Level::Group, Element::F32)),
            Self::OverGroups => one(operands[0], Type::new(Level::Group, Element::F32), Type::SCALAR),
        }
    }

    fn float_like(self, asked: Type) -> Result<Type, SignatureError> {
        if asked.element == Element::F32 {
            return Ok(asked);
        }
        Err(SignatureError::Result { expected: "an f32 of any level".into(), found: asked })
    }
}

fn operand(index: usize, expected: &dyn fmt::Display, found: Type) -> SignatureError {
    SignatureError::Operand { index, expected: expected.to_string(), found }
}

/// Checks that all operands have `element` and the level of the first, which is returned.
fn all_of(operands: &[Type], element: Element) -> Result<Level, SignatureError> {
    let level = operands[0].level;
    let expected = Type::new(level, element);
    match operands.iter().position(|&ty| ty != expected) {
        None => Ok(level),
        Some(index) => Err(operand(index, &expected, operands[index])),
    }
}

fn integer(from: Type) -> Result<Type, SignatureError> {
    match from.element {
        Element::I32 | Element::I64 => Ok(Type::new(from.level, Element::Mask)),
        _ => Err(operand(0, &"i32 or i64", from)),
    }
}

fn select(operands: &[Type]) -> Result<Type, SignatureError> {
    let (mask, value) = (operands[0], operands[1]);
    one(mask, Type::new(value.level, Element::Mask), value)?;
    if operands[2] == value { Ok(value) } else { Err(operand(2, &value, operands[2])) }
}

fn cast(from: Type, to: Type) -> Result<Type, SignatureError> {
    let expected = Type::new(from.level, to.element);
    if to.level != from.level {
        return Err(SignatureError::Result { expected: expected.to_string(), found: to });
    }
    // One side is f32, the type of all arithmetic; a count is never made from a float.
    let stores = from.element == Element::F32 && to.element.is_float();
    if to.element == Element::F32 || stores { Ok(expected) } else { Err(operand(0, &"f32", from)) }
}

/// Type of a broadcast to `level`, from any level below it.
fn below(from: Type, level: Level) -> Result<Type, SignatureError> {
    if from.level < level {
        return Ok(Type::new(level, from.element));
    }
    let expected = format!("of a level below {level}");
    Err(operand(0, &expected, from))
}

fn one(found: Type, expected: Type, result: Type) -> Result<Type, SignatureError> {
    if found == expected { Ok(result) } else { Err(operand(0, &expected, found)) }
}
