//! Counts of input that a caller should hear about, in the same pass as the loss.

use lossc_dialect::{Builder, Element, Level, Program};

use super::labels::{is_label, labels};
use super::{SpecialiseError, WEIGHT_MAP};

/// The result that counts labels that are neither 0, 1 nor the ignored one.
pub const INVALID_LABELS: &str = "invalid_labels";

/// The result that counts logits that are NaN.
pub const NAN_LOGITS: &str = "nan_logits";

/// The result that counts weights of pixels that are negative, infinite or NaN.
pub const INVALID_WEIGHTS: &str = "invalid_weights";

/// Adds the counts as results. They see every pixel: an ignored pixel's label is valid, and its
/// logit is not examined.
pub(super) fn count_invalid(
    program: &Program,
    ignore_index: Option<i64>,
) -> Result<Program, SpecialiseError> {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let mut results = builder.import(program, &arguments);
    let mut count = |name: &str, mask, builder: &mut Builder| {
        let value = builder.count(mask);
        results.push(lossc_dialect::ProgramResult { name: name.into(), value });
    };
    let logits = builder.cast(arguments[0], Element::F32);
    let a_number = builder.equal(logits, logits);
    let nan = builder.not(a_number);
    count(NAN_LOGITS, nan, &mut builder);

    if program.pixel_arguments().count() > 1 {
        let label = labels(program, &arguments, "check_labels")?;
        let mut valid = None;
        for value in [Some(0), Some(1), ignore_index].into_iter().flatten() {
            let equal = is_label(&mut builder, label, value);
            valid = Some(valid.map_or(equal, |before| builder.or(before, equal)));
        }
        if let Some(valid) = valid {
            let invalid = builder.not(valid);
            count(INVALID_LABELS, invalid, &mut builder);
        }
    }
    Ok(builder.finish(results)?)
}

/// Adds the count of invalid weights, in the pass that reads the weights anyway.
pub(super) fn count_invalid_weights(program: &Program) -> Result<Program, SpecialiseError> {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let mut results = builder.import(program, &arguments);
    let weights = program.arguments().iter().position(|argument| argument.name == WEIGHT_MAP);
    if let Some(index) = weights {
        let [zero, infinity] = [0.0, f32::INFINITY].map(|it| builder.constant(it, Level::Pixel));
        let is_positive = builder.less_equal(zero, arguments[index]);
        let is_finite = builder.less(arguments[index], infinity);
        let valid = builder.and(is_positive, is_finite);
        let invalid = builder.not(valid);
        let value = builder.count(invalid);
        results.push(lossc_dialect::ProgramResult { name: INVALID_WEIGHTS.into(), value });
    }
    Ok(builder.finish(results)?)
}
