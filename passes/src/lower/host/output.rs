//! Copying a chunk's elements of an output to its tensor.

use std::convert::Infallible;

use super::POINTER;
use super::library::function;
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, I64, Scalar, Value, ValueType};

/// A tensor of more chunks is larger than the caches that a core has to itself: 512 chunks of
/// f32 are 4 MiB.
const MANY_CHUNKS: usize = 512;

/// The function that copies a chunk's elements from position `begin` up to `end` from `buffer`
/// to a tensor, given by its element at position 0.
///
/// A tensor of many chunks does not stay in the caches until it is read, so it is written past
/// them: a cache would first read each line, although the line is then overwritten whole.
pub(super) fn write(scalar: Scalar, lanes: usize) -> String {
    let types = [POINTER, POINTER, I64, I64, I64];
    function(&write_name(scalar), &types, None, |emitter, arguments| {
        let &[tensor, buffer, begin, end, chunks] = arguments else { unreachable!("as many as types") };
        let [first, last] = whole_vectors(emitter, tensor, [begin, end], scalar, lanes);
        let [one, whole] = [1, lanes].map(|lanes| ValueType { scalar: scalar.stored(), lanes });
        let many = emitter.index(MANY_CHUNKS);
        let is_large = emitter.compare("sgt", chunks, many);
        copy(emitter, [tensor, buffer], [begin, first], one, false);
        let ways = emitter.choose(
            is_large,
            |emitter| Ok::<_, Infallible>(copy(emitter, [tensor, buffer], [first, last], whole, true)),
            |emitter| Ok(copy(emitter, [tensor, buffer], [first, last], whole, false)),
        );
        match ways {
            Ok(_) => copy(emitter, [tensor, buffer], [last, end], one, false),
            Err(never) => match never {},
        };
        None
    })
}

fn write_name(scalar: Scalar) -> String {
    format!("@write_{}", scalar.stored())
}

/// The begin and the end of the whole aligned vectors of the tensor between `begin` and `end`.
fn whole_vectors(
    emitter: &mut Emitter,
    tensor: Value,
    [begin, end]: [Value; 2],
    scalar: Scalar,
    lanes: usize,
) -> [Value; 2] {
    let start = emitter.element(tensor, begin, scalar);
    let address = emitter.pure("address", I64, format!("llvm.ptrtoint {start} : {POINTER} to {I64}"));
    let [zero, below] = [0, lanes * scalar.bytes() - 1].map(|it| emitter.index(it));
    let missing = emitter.apply("arith.subi", &[zero, address]);
    let missing = emitter.apply("arith.andi", &[missing, below]);
    let size = emitter.index(scalar.bytes().ilog2() as usize);
    let missing = emitter.apply("arith.shrui", &[missing, size]);
    let first = emitter.add(begin, missing);
    let first = emitter.apply("arith.minsi", &[first, end]);
    let mask = emitter.integer(I64, -(lanes as i64));
    let length = emitter.apply("arith.subi", &[end, first]);
    let length = emitter.apply("arith.andi", &[length, mask]);
    [first, emitter.add(first, length)]
}

/// Copies elements between two positions, `ty` by `ty`.
fn copy(
    emitter: &mut Emitter,
    [tensor, buffer]: [Value; 2],
    [from, to]: [Value; 2],
    ty: ValueType,
    past_caches: bool,
) -> Vec<Value> {
    let step = emitter.index(ty.lanes);
    emitter.each([from, to, step], |emitter, position| {
        let [to, from] = [tensor, buffer].map(|array| emitter.element(array, position, ty.scalar));
        let value = emitter.load_vector(from, ty, ty.scalar.bytes());
        if past_caches {
            emitter.store_past_caches(value, to);
        } else {
            emitter.store_vector(value, to, ty.scalar.bytes());
        }
    });
    vec![]
}

/// Copies a chunk's elements from `buffer` to a tensor, given by its element at
/// position 0.
pub(super) fn call_write(
    emitter: &mut Emitter,
    (call, chunk): (&Call, &Chunk),
    tensor: Value,
    buffer: Value,
    scalar: Scalar,
) {
    let chunks = call.chunks(emitter);
    let (name, Chunk { begin, end, .. }) = (write_name(scalar), chunk);
    let types = format!("({POINTER}, {POINTER}, {I64}, {I64}, {I64}) -> ()");
    emitter
        .statement(format_args!("llvm.call {name}({tensor}, {buffer}, {begin}, {end}, {chunks}) : {types}"));
}
