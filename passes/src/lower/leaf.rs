//! Constants and the program's arguments.

use lossc_dialect::{Element, Level};

use super::call::Call;
use super::emit::{Emitter, F32, F64, Scalar, Value};

/// `loss.constant`
pub(super) fn constant(emitter: &mut Emitter, value: f32, level: Level, lanes: usize) -> Value {
    let ty = if level == Level::Pixel { F32 } else { F64 };
    emitter.float(ty.times(lanes), value)
}

/// The content of a scalar slot: a scalar argument in its low bytes, or a size or a reduction
/// over groups in all of it.
pub(super) fn scalar(emitter: &mut Emitter, call: &Call, slot: usize, is_number: bool) -> Value {
    let slot = emitter.index(slot);
    let at = emitter.element(call.scalars, slot, F64.scalar);
    if is_number {
        let number = emitter.load("scalar", at, F32);
        return emitter.convert("arith.extf", number, Scalar::F64);
    }
    emitter.load("scalar", at, F64)
}

/// A vector of stored pixels, converted to the type of computation.
pub(super) fn from_stored(emitter: &mut Emitter, stored: Value, element: Element) -> Value {
    match Scalar::of(element) {
        Scalar::Int(1) => {
            let zero = emitter.integer(stored.ty, 0);
            emitter.compare("ne", stored, zero)
        }
        scalar => emitter.convert("arith.bitcast", stored, scalar),
    }
}

/// A vector of pixels, converted to its stored type.
pub(super) fn to_stored(emitter: &mut Emitter, value: Value) -> Value {
    let stored = value.ty.scalar.stored();
    match value.ty.scalar {
        Scalar::Int(1) => emitter.convert("arith.extui", value, stored),
        _ => emitter.convert("arith.bitcast", value, stored),
    }
}
