//! The reduction of the loss over the pixels.

use lossc_dialect::{Builder, Program};

use super::SpecialiseError;

/// The loss divided by the number of pixels; 0 if there are none.
pub(super) fn mean(program: &Program) -> Result<Program, SpecialiseError> {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let mut results = builder.import(program, &arguments);
    let pixels = builder.pixels();
    results[0].value = builder.ratio_or_zero(results[0].value, pixels);
    Ok(builder.finish(results)?)
}
