//! Restrictions of the pixels that reductions see: only valid pixels, or pixels by weight.

use lossc_dialect::program::BuildError;
use lossc_dialect::{Builder, Element, Op, Program, ValueId};
use lossc_faults::{Fault, is_seeded};

use super::labels::{check_index, is_label, labels};
use super::{INVALID_LABELS, SpecialiseError};

/// The argument that holds the map of pixel weights.
pub const WEIGHT_MAP: &str = "weight_map";

/// Treats pixels whose label is `index` as absent: no reduction sees them, and their gradient is
/// 0.
pub(super) fn ignore(program: &Program, index: i64) -> Result<Program, SpecialiseError> {
    check_index(program, index)?;
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let ignored = is_label(&mut builder, labels(program, &arguments, "ignore_index")?, index);
    let valid = builder.not(ignored);
    // The count of invalid labels handles the ignored one itself.
    let exempt = program.result(INVALID_LABELS);
    let restrict = |builder: &mut Builder, reduction: ValueId, op: Op, operand: ValueId| match op {
        Op::Count if Some(reduction) != exempt => builder.and(valid, operand),
        Op::Sum => {
            let zero = builder.constant_like(0.0, operand);
            builder.select(valid, operand, zero)
        }
        _ => operand,
    };
    let pixels = |builder: &mut Builder| {
        if is_seeded(Fault::MeanCountsIgnoredPixels) {
            return builder.pixels();
        }
        let count = builder.count(valid);
        let count = builder.cast(count, Element::F32);
        builder.sum_groups(count)
    };
    Ok(rebuild(program, builder, &arguments, pixels, restrict)?)
}

/// Multiplies each pixel's term in a sum by its weight. Counts count pixels.
pub(super) fn weight(program: &Program) -> Result<Program, SpecialiseError> {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let weights = builder.pixel_argument(WEIGHT_MAP, Element::F32);
    let restrict = |builder: &mut Builder, _, op: Op, operand: ValueId| match op {
        Op::Sum => builder.absorbing_mul(weights, operand),
        _ => operand,
    };
    Ok(rebuild(program, builder, &arguments, Builder::pixels, restrict)?)
}

/// A copy of the program with `pixels` for the number of pixels, and `restrict` applied to the
/// operand of each reduction.
fn rebuild(
    program: &Program,
    mut builder: Builder,
    arguments: &[ValueId],
    pixels: impl Fn(&mut Builder) -> ValueId,
    restrict: impl Fn(&mut Builder, ValueId, Op, ValueId) -> ValueId,
) -> Result<Program, BuildError> {
    let results = program.rebuild(&mut builder, arguments, |builder, value, operands| {
        let node = program.node(value);
        let mut operands = operands.to_vec();
        if node.op == Op::Pixels {
            return pixels(builder);
        }
        if matches!(node.op, Op::Sum | Op::Count) {
            operands[0] = restrict(builder, value, node.op, operands[0]);
        }
        builder.copy(node, &operands)
    });
    builder.finish(results)
}
