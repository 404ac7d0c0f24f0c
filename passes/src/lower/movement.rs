//! Ops that convert or spread values.

use lossc_dialect::Element;

use super::emit::{Emitter, Scalar, Value};

/// `loss.cast`: from a storage type or a count to f32, or from f32 to a float
/// that stores it. All round to nearest even.
pub(super) fn cast(emitter: &mut Emitter, operand: Value, to: Element) -> Value {
    let operation = match (operand.ty.scalar, to) {
        // A byte and a truth value have no sign; wider integers have one.
        (Scalar::Int(1 | 8), _) => "arith.uitofp",
        (Scalar::Int(_), _) => "arith.sitofp",
        (_, Element::F16 | Element::Bf16) => "arith.truncf",
        _ => "arith.extf",
    };
    emitter.convert(operation, operand, Scalar::of(to))
}

/// `loss.is`: whether each integer is `value`; none is one that its type does not have.
pub(super) fn is(emitter: &mut Emitter, operand: Value, value: i64) -> Value {
    let value = match operand.ty.scalar {
        Scalar::Int(32) if i32::try_from(value).is_err() => {
            let never = emitter.zero(operand.ty);
            return emitter.compare("ne", never, never);
        }
        _ => emitter.integer(operand.ty, value),
    };
    emitter.compare("eq", operand, value)
}

/// `loss.broadcast`: a group's or the call's value in every lane.
pub(super) fn broadcast(emitter: &mut Emitter, operand: Value, lanes: usize) -> Value {
    emitter.splat(operand, lanes)
}
