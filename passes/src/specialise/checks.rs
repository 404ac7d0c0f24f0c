//! Counts of what a caller should hear about, in the same pass as the loss.

use lossc_dialect::{Builder, Element, Level, Program};

use super::{SpecialiseError, labels};

/// The result that counts labels that are neither 0, 1 nor the ignored one.
pub const INVALID_LABELS: &str = "invalid_labels";

/// The result that counts logits that are NaN.
pub const NAN_LOGITS: &str = "nan_logits";

/// Adds the counts as results. They see every pixel: an ignored pixel's label is
/// valid, and its logit is not looked at.
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
        let label = labels(program, &mut builder, &arguments, "check_labels")?;
        let mut valid = None;
        for value in [Some(0), Some(1), ignore_index].into_iter().flatten() {
            let constant = builder.constant(value as f32, Level::Pixel);
            let equal = builder.equal(label, constant);
            valid = Some(valid.map_or(equal, |before| builder.or(before, equal)));
        }
        if let Some(valid) = valid {
            let invalid = builder.not(valid);
            count(INVALID_LABELS, invalid, &mut builder);
        }
    }
    Ok(builder.finish(results)?)
}
