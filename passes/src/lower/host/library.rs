//! What every kernel does once a chunk, as functions that stand once a module.

use lossc_dialect::numbers::{CHUNK, LANES};

use super::POINTER;
use super::stack::ALIGNMENT;
use crate::lower::emit::{Emitter, F32, I32, Scalar, Value, ValueType};
use crate::lower::reduction;

const ADD_LANES: &str = "@add_lanes";
const COUNT_BITS: &str = "@count_bits";

/// What keeps the bits of a mask of so many lanes.
pub(super) fn mask_scalar(lanes: usize) -> Scalar {
    Scalar::Int(lanes.max(8) as u32)
}

/// The functions, for vectors of `lanes`.
pub(super) fn functions(lanes: usize) -> String {
    add_lanes(lanes) + &count_bits(CHUNK / lanes * mask_scalar(lanes).bytes())
}

/// A chunk's sum from its accumulators.
fn add_lanes(lanes: usize) -> String {
    function(ADD_LANES, F32, |emitter, accumulators| {
        let vectors: Vec<_> = (0..LANES)
            .step_by(lanes)
            .map(|first| {
                let first = emitter.index(first);
                let at = emitter.element(accumulators, first, Scalar::F32);
                emitter.load_vector(at, F32.times(lanes), ALIGNMENT.min(lanes * Scalar::F32.bytes()))
            })
            .collect();
        reduction::chunk_tree(emitter, &vectors)
    })
}

/// How many bits are set in so many bytes.
fn count_bits(bytes: usize) -> String {
    function(COUNT_BITS, I32, |emitter, masks| reduction::count_bits(emitter, masks, bytes))
}

fn function(name: &str, ty: ValueType, body: impl FnOnce(&mut Emitter, Value) -> Value) -> String {
    let mut emitter = Emitter::new(1);
    let memory = emitter.name("memory", POINTER);
    let result = body(&mut emitter, memory);
    let header = format!("llvm.func internal {name}({memory}: {POINTER}) -> {ty}");
    emitter.finish(&header, &format!("llvm.return {result} : {ty}"))
}

/// The partial of a chunk's accumulators or masks.
pub(super) fn partial(emitter: &mut Emitter, memory: Value, is_count: bool) -> Value {
    let (name, ty) = if is_count { (COUNT_BITS, I32) } else { (ADD_LANES, F32) };
    emitter.define("partial", ty, format_args!("llvm.call {name}({memory}) : ({POINTER}) -> {ty}"))
}
