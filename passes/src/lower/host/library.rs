//! The work that every kernel does once per chunk, as functions that a module has once.

use std::collections::BTreeSet;
use std::convert::Infallible;

use lossc_dialect::sum_shape::CHUNK_ACCUMULATORS;

use super::memory::chunk_bytes;
use super::stack::ALIGNMENT;
use super::{POINTER, output};
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, F32, I32, I64, Scalar, Value, ValueType};
use crate::lower::random::{Philox, WORDS};
use crate::lower::reduction;
use crate::schedule::Buffer;

const ADD_LANES: &str = "@add_lanes";
const COUNT_BITS: &str = "@count_bits";
const DRAW: &str = "@draw";
const POSITIONS: &str = "@positions";

/// The number of inputs that are prefetched while random numbers are drawn.
const FETCHED: usize = 2;

/// The number of positions that are listed at once.
const LISTED: usize = 8;

/// The number of elements that a list must have beyond its entries.
pub(super) const LIST_SLACK: usize = 16;

/// The integer that holds the bits of a mask of `lanes` lanes.
pub(super) fn mask_scalar(lanes: usize) -> Scalar {
    Scalar::Int(lanes.max(8) as u32)
}

/// The functions for vectors of `lanes` and outputs of these types; LLVM drops those that no
/// kernel calls.
pub(super) fn functions(lanes: usize, outputs: &BTreeSet<Scalar>) -> String {
    let writes: String = outputs.iter().map(|&scalar| output::write(scalar, lanes)).collect();
    let counting = count_bits(chunk_bytes(Buffer::Mask, lanes));
    add_lanes(lanes) + &counting + &draw(lanes) + &positions(lanes) + &writes
}

/// A chunk's sum from its accumulators.
fn add_lanes(lanes: usize) -> String {
    function(ADD_LANES, &[POINTER], Some(F32), |emitter, arguments| {
        let accumulators = arguments[0];
        let vectors: Vec<_> = (0..CHUNK_ACCUMULATORS)
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

/// The number of bits set in `bytes` bytes.
fn count_bits(bytes: usize) -> String {
    function(COUNT_BITS, &[POINTER], Some(I32), |emitter, arguments| {
        Some(reduction::count_bits(emitter, arguments[0], bytes))
    })
}

/// The random numbers of the pixels from the Philox block `first` on, up to position `end`, four
/// vectors at a time.
///
/// The memory is idle meanwhile, so the pixels that will be read next are prefetched: two
/// inputs, each given by its address and the bytes of an element.
fn draw(lanes: usize) -> String {
    function(DRAW, &[POINTER, I64, I64, I64, I64, POINTER, I64, POINTER, I64], None, |emitter, arguments| {
        let &[uniforms, first, end, seed, stream, ref fetched @ ..] = arguments else {
            unreachable!("as many as types")
        };
        let philox = Philox::for_vectors(emitter, seed, stream, lanes);
        let bounds = [emitter.index(0), end, emitter.index(4 * lanes)];
        emitter.each(bounds, |emitter, position| {
            for half in [0, 2 * lanes] {
                let half = emitter.index(half);
                let position = emitter.add(position, half);
                for input in fetched.chunks_exact(2) {
                    let offset = emitter.mul(position, input[1]);
                    let at = emitter.element(input[0], offset, Scalar::Int(8));
                    emitter.prefetch(at);
                }
            }
            let words = emitter.index(WORDS.ilog2() as usize);
            let offset = emitter.apply("arith.shrui", &[position, words]);
            let block = emitter.add(first, offset);
            for (vector, numbers) in philox.vectors(emitter, block).into_iter().enumerate() {
                let offset = emitter.index(vector * lanes);
                let position = emitter.add(position, offset);
                let at = emitter.element(uniforms, position, Scalar::F32);
                emitter.store_vector(numbers, at, lanes * Scalar::F32.bytes());
            }
        });
        None
    })
}

/// Lists the positions of the bits that are set in a chunk's masks, in ascending order.
///
/// It takes a word at a time, and [`LISTED`] of its bits without testing whether there are that
/// many: surplus entries are overwritten (D. Lemire: "Really fast bitset decoding for “average”
/// densities", 2019).
fn positions(lanes: usize) -> String {
    function(POSITIONS, &[POINTER, POINTER], None, |emitter, arguments| {
        let &[masks, list] = arguments else { unreachable!("as many as types") };
        let words = chunk_bytes(Buffer::Mask, lanes) / I64.scalar.bytes();
        let [zero, one, words, listed] = [0, 1, words, LISTED].map(|it| emitter.index(it));
        let listed_all = emitter.repeat([zero, words, one], &[zero], |emitter, index, count| {
            let word = emitter.load_element("word", masks, index, I64);
            let before = emitter.apply("math.ctpop", &[word]);
            let after = emitter.add(count[0], before);
            let rest = list_bits(emitter, (list, count[0]), index, word, lanes);
            emitter.repeat([listed, before, listed], &[rest], |emitter, done, rest| {
                let place = emitter.add(count[0], done);
                Ok::<_, Infallible>(vec![list_bits(emitter, (list, place), index, rest[0], lanes)])
            })?;
            Ok::<_, Infallible>(vec![after])
        });
        match listed_all {
            Ok(_) => None,
            Err(never) => match never {},
        }
    })
}

/// Lists the positions of the [`LISTED`] lowest bits of a word; returns the remaining bits.
fn list_bits(
    emitter: &mut Emitter,
    (list, place): (Value, Value),
    index: Value,
    word: Value,
    lanes: usize,
) -> Value {
    let one = emitter.index(1);
    let width = emitter.index(8 * I64.scalar.bytes());
    let first = emitter.mul(index, width);
    (0..LISTED).fold(word, |word, listed| {
        let bit = emitter.apply("math.cttz", &[word]);
        let bit = emitter.add(first, bit);
        // A mask of fewer than eight lanes takes a byte.
        let position = if lanes < 8 {
            let bits_of_byte = emitter.index(3);
            let mask = emitter.apply("arith.shrui", &[bit, bits_of_byte]);
            let unused = emitter.index(8 - lanes);
            let unused = emitter.mul(mask, unused);
            emitter.apply("arith.subi", &[bit, unused])
        } else {
            bit
        };
        let position = emitter.convert("arith.trunci", position, I32.scalar);
        let offset = emitter.index(listed);
        let place = emitter.add(place, offset);
        emitter.store_element(position, list, place);
        let below = emitter.apply("arith.subi", &[word, one]);
        emitter.apply("arith.andi", &[word, below])
    })
}

/// A function that is internal to a module.
pub(super) fn function(
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

/// Lists the positions of the bits that are set in a chunk's masks.
pub(super) fn call_positions(emitter: &mut Emitter, masks: Value, list: Value) {
    emitter.statement(format_args!("llvm.call {POSITIONS}({masks}, {list}) : ({POINTER}, {POINTER}) -> ()"));
}

/// Writes the random numbers of a chunk's positions and prefetches inputs, each given with its
/// type.
pub(super) fn call_draw(
    emitter: &mut Emitter,
    (call, chunk): (&Call, &Chunk),
    uniforms: Value,
    inputs: &[(Value, Scalar)],
) {
    let zero = emitter.index(0);
    let first = chunk.random_block(emitter, zero);
    let mut arguments = vec![uniforms, first, chunk.end, call.seed, call.stream];
    for fetched in 0..FETCHED {
        let (origin, bytes) = inputs.get(fetched).map_or((uniforms, 0), |(it, scalar)| (*it, scalar.bytes()));
        arguments.extend([origin, emitter.index(bytes)]);
    }
    let list = |text: fn(&Value) -> String| arguments.iter().map(text).collect::<Vec<_>>().join(", ");
    let (names, types) = (list(Value::to_string), list(|it| it.ty.to_string()));
    emitter.statement(format_args!("llvm.call {DRAW}({names}) : ({types}) -> ()"));
}
