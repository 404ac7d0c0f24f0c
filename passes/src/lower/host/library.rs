//! What every kernel does once a chunk, as functions that stand once a module.

use std::convert::Infallible;

use lossc_dialect::numbers::LANES;

use super::POINTER;
use super::kernel::chunk_bytes;
use super::stack::ALIGNMENT;
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, F32, I32, I64, Scalar, Value, ValueType};
use crate::lower::random::{Philox, WORDS};
use crate::lower::reduction;
use crate::schedule::Temporary;

const ADD_LANES: &str = "@add_lanes";
const COUNT_BITS: &str = "@count_bits";
const DRAW: &str = "@draw";

/// What keeps the bits of a mask of so many lanes.
pub(super) fn mask_scalar(lanes: usize) -> Scalar {
    Scalar::Int(lanes.max(8) as u32)
}

/// The functions, for vectors of `lanes`; LLVM drops what no kernel calls.
pub(super) fn functions(lanes: usize) -> String {
    add_lanes(lanes) + &count_bits(chunk_bytes(Temporary::Mask, lanes)) + &draw(lanes)
}

/// A chunk's sum from its accumulators.
fn add_lanes(lanes: usize) -> String {
    function(ADD_LANES, &[POINTER], Some(F32), |emitter, arguments| {
        let accumulators = arguments[0];
        let vectors: Vec<_> = (0..LANES)
            .step_by(lanes)
            .map(|first| {
                let first = emitter.index(first);
                let at = emitter.element(accumulators, first, Scalar::F32);
                emitter.load_vector(at, F32.times(lanes), ALIGNMENT.min(lanes * Scalar::F32.bytes()))
            })
            .collect();
        Some(reduction::chunk_tree(emitter, &vectors))
    })
}

/// How many bits are set in so many bytes.
fn count_bits(bytes: usize) -> String {
    function(COUNT_BITS, &[POINTER], Some(I32), |emitter, arguments| {
        Some(reduction::count_bits(emitter, arguments[0], bytes))
    })
}

/// The random numbers of the pixels from the Philox block `first` on, as far as
/// position `end`, two vectors at a time.
fn draw(lanes: usize) -> String {
    function(DRAW, &[POINTER, I64, I64, I64, I64], None, |emitter, arguments| {
        let &[uniforms, first, end, seed, stream] = arguments else { unreachable!("as many as types") };
        let philox = Philox::for_vectors(emitter, seed, stream, lanes);
        let bounds = [emitter.index(0), end, emitter.index(2 * lanes)];
        let drawn = emitter.repeat(bounds, &[], |emitter, position, _| {
            let words = emitter.index(WORDS.ilog2() as usize);
            let offset = emitter.apply("arith.shrui", &[position, words]);
            let block = emitter.add(first, offset);
            for (half, numbers) in philox.vectors(emitter, block).into_iter().enumerate() {
                let offset = emitter.index(half * lanes);
                let position = emitter.add(position, offset);
                let at = emitter.element(uniforms, position, Scalar::F32);
                emitter.store_vector(numbers, at, lanes * Scalar::F32.bytes());
            }
            Ok::<_, Infallible>(vec![])
        });
        match drawn {
            Ok(_) => None,
            Err(never) => match never {},
        }
    })
}

fn function(
    name: &str,
    types: &[ValueType],
    result: Option<ValueType>,
    body: impl FnOnce(&mut Emitter, &[Value]) -> Option<Value>,
) -> String {
    let mut emitter = Emitter::new(1);
    let arguments: Vec<_> = types.iter().map(|&ty| emitter.name("argument", ty)).collect();
    let parameters: Vec<_> =
        arguments.iter().map(|argument| format!("{argument}: {}", argument.ty)).collect();
    let value = body(&mut emitter, &arguments);
    let arrow = result.map(|ty| format!(" -> {ty}")).unwrap_or_default();
    let header = format!("llvm.func internal {name}({}){arrow}", parameters.join(", "));
    let operand = value.map(|value| format!(" {value} : {}", value.ty)).unwrap_or_default();
    emitter.finish(&header, &format!("llvm.return{operand}"))
}

/// The partial of a chunk's accumulators or masks.
pub(super) fn partial(emitter: &mut Emitter, memory: Value, is_count: bool) -> Value {
    let (name, ty) = if is_count { (COUNT_BITS, I32) } else { (ADD_LANES, F32) };
    emitter.define("partial", ty, format_args!("llvm.call {name}({memory}) : ({POINTER}) -> {ty}"))
}

/// Writes the random numbers of a chunk's positions.
pub(super) fn call_draw(emitter: &mut Emitter, call: &Call, chunk: &Chunk, uniforms: Value) {
    let zero = emitter.index(0);
    let first = chunk.random_block(emitter, zero);
    let (end, seed, stream) = (chunk.end, call.seed, call.stream);
    let types = format!("({POINTER}, {I64}, {I64}, {I64}, {I64}) -> ()");
    emitter
        .statement(format_args!("llvm.call {DRAW}({uniforms}, {first}, {end}, {seed}, {stream}) : {types}"));
}
