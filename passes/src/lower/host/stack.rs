//! Arrays on a kernel's stack.

use super::POINTER;
use crate::lower::emit::{Emitter, Scalar, Value, ValueType};

/// The alignment of all arrays: a cache line, which the widest vector fills.
pub(super) const ALIGNMENT: usize = 64;

/// An array of `count` elements, uninitialised.
pub(super) fn array(emitter: &mut Emitter, stem: &'static str, scalar: Scalar, count: usize) -> Value {
    let one = emitter.index(1);
    let ty = format!("!llvm.array<{count} x {}>", scalar.stored());
    let operation =
        format!("llvm.alloca {one} x {ty} {{alignment = {ALIGNMENT} : i64}} : (i64) -> {POINTER}");
    emitter.define(stem, POINTER, operation)
}

/// Writes 0 over `count` elements of an array, in vectors of `lanes`.
pub(super) fn clear(emitter: &mut Emitter, array: Value, scalar: Scalar, count: usize, lanes: usize) {
    let ty = ValueType { scalar: scalar.stored(), lanes };
    let zero = emitter.zero(ty);
    for first in (0..count).step_by(lanes) {
        let first = emitter.index(first);
        let at = emitter.element(array, first, scalar);
        emitter.store_vector(zero, at, ALIGNMENT.min(lanes * scalar.bytes()));
    }
}
