//! The reduction of the loss over the pixels.

use lossc_dialect::{Builder, Element, Level, Program};

use super::SpecialiseError;

/// The loss divided by the number of pixels; 0 where there is none.
pub(super) fn mean(program: &Program) -> Result<Program, SpecialiseError> {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let mut results = builder.import(program, &arguments);
    let pixels = count_all(&mut builder);
    results[0].value = builder.ratio_or_zero(results[0].value, pixels);
    Ok(builder.finish(results)?)
}

/// The number of pixels of the call.
fn count_all(builder: &mut Builder) -> lossc_dialect::ValueId {
    let zero = builder.constant(0.0, Level::Pixel);
    let everywhere = builder.equal(zero, zero);
    let count = builder.count(everywhere);
    let count = builder.cast(count, Element::F32);
    builder.sum_groups(count)
}
