//! Ops that convert or spread values.

use lossc_dialect::{Element, Level, Node};

use super::emit::{Emitter, Scalar, Value};

/// `loss.cast`: from a storage type or a count to f32, or from f32 to a float that stores it.
/// All round to nearest even. In wide computation f64 takes the part of f32.
pub(super) fn cast(emitter: &mut Emitter, operand: Value, node: &Node) -> Value {
    let to = node.ty.element;
    let wide = |scalar| if scalar == Scalar::F32 { Scalar::F64 } else { scalar };
    let target = if node.ty.level == Level::Pixel { Scalar::of(to) } else { wide(Scalar::of(to)) };
    let operand = if target == Scalar::F64 { operand } else { narrow(emitter, operand) };
    let operation = match (operand.ty.scalar, to) {
        // A byte and an i1 are unsigned; wider integers are signed.
        (Scalar::Int(1 | 8), _) => "arith.uitofp",
        (Scalar::Int(_), _) => "arith.sitofp",
        (_, Element::F16 | Element::Bf16) => "arith.truncf",
        _ => "arith.extf",
    };
    emitter.convert(operation, operand, target)
}

/// `loss.is`: true where an integer is `value`; never if its type cannot hold `value`.
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

/// `loss.broadcast`: a value of a group or the call in every lane.
pub(super) fn broadcast(emitter: &mut Emitter, operand: Value, lanes: usize) -> Value {
    let operand = narrow(emitter, operand);
    emitter.splat(operand, lanes)
}

/// An f64 rounded to f32; other types are unchanged.
pub(super) fn narrow(emitter: &mut Emitter, value: Value) -> Value {
    match value.ty.scalar {
        Scalar::F64 => emitter.convert("arith.truncf", value, Scalar::F32),
        _ => value,
    }
}

/// An f32 as f64; other types are unchanged.
pub(super) fn widen(emitter: &mut Emitter, value: Value) -> Value {
    match value.ty.scalar {
        Scalar::F32 => emitter.convert("arith.extf", value, Scalar::F64),
        _ => value,
    }
}
