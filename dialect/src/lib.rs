//! Definition of a loss.
//!
//! A loss is a small pure program over pixels, held as a hash-consed DAG ([`Program`]). This
//! crate defines its ops ([`ops`]), its text form, which is MLIR in the `loss` dialect
//! ([`text`]), the conditions for it to be well formed ([`verify`]), its meaning
//! ([`interpret`]) and the losses that come with lossc ([`library`]). It knows no rewrite rule,
//! no target and no device.

pub mod elementary;
pub mod interpret;
pub mod library;
pub mod machine;
pub mod near;
pub mod ops;
pub mod program;
pub mod sum_shape;
pub mod text;
pub mod types;
pub mod verify;

pub use ops::Op;
pub use program::{Argument, Builder, MAX_OPS, Node, Program, ProgramResult, SourceLocation, ValueId};
pub use types::{Element, Level, Type};

#[cfg(test)]
mod tests;
