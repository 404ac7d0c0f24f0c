//! Computing the active pixels of a chunk alone.
//!
//! Their positions are written into a list, and the code of a vector of pixels runs along the
//! list: inputs are gathered, and saved values are stored at an active pixel's index in the
//! list. Last, terms and outputs are moved to their positions, one active pixel at a time and in
//! order, so that sums have the same bits as over all pixels.

use lossc_dialect::sum_shape::CHUNK;

use super::kernel::FEW;
use super::library;
use super::part::{Access, Part};
use super::stack;
use super::stream::Stream;
use crate::lower::LowerError;
use crate::lower::emit::{Emitter, F32, I32, I64, Scalar, Value, ValueType};

/// A vector whose lanes are consecutive entries of the list.
struct Listed<'a> {
    place: Value,
    /// The position of each lane; lanes past the list's end have that of the last active pixel.
    positions: Value,
    /// The mask of the lanes that are active pixels.
    are_active: Value,
    streams: &'a [Stream],
    /// The results in the order of the list: by output, and by stream if it is accumulated.
    results: &'a Results,
}

/// The computed values of the active pixels in the list.
struct Results {
    outputs: Vec<Value>,
    sums: Vec<Option<Value>>,
}

impl Listed<'_> {
    fn store(&self, emitter: &mut Emitter, results: Value, value: Value) {
        let at = emitter.element(results, self.place, value.ty.scalar);
        emitter.store_vector(value, at, value.ty.lanes * value.ty.scalar.bytes());
    }
}

impl Access for Listed<'_> {
    fn place(&self) -> Value {
        self.place
    }

    fn read(&self, emitter: &mut Emitter, stream: usize, ty: ValueType) -> Value {
        emitter.gather(self.streams[stream].origin(), self.positions, ty.scalar)
    }

    fn uniforms(&self, emitter: &mut Emitter, uniforms: Value) -> Value {
        emitter.gather(uniforms, self.positions, Scalar::F32)
    }

    fn write(&self, emitter: &mut Emitter, _: Value, output: usize, value: Value) {
        self.store(emitter, self.results.outputs[output], value);
    }

    fn accumulate(&self, emitter: &mut Emitter, stream: usize, value: Value) {
        self.store(emitter, self.results.sums[stream].expect("a sum has results"), value);
    }

    fn of_pixels(&self, emitter: &mut Emitter, mask: Value) -> Value {
        emitter.apply("arith.andi", &[mask, self.are_active])
    }
}

/// Computes the `count` active pixels that `masks` mark, at most [`FEW`].
pub(super) fn compute(
    emitter: &mut Emitter,
    part: &Part<'_>,
    masks: Value,
    count: Value,
    lanes: usize,
) -> Result<(), LowerError> {
    let list = stack::array(emitter, "active", I32.scalar, FEW + library::LIST_SLACK);
    library::call_positions(emitter, masks, list);
    let count = emitter.convert("arith.extsi", count, I64.scalar);
    repeat_last(emitter, list, count, lanes);
    let results = Results::new(emitter, part, lanes);
    let bounds = [emitter.index(0), count, emitter.index(lanes)];
    emitter.repeat(bounds, &[], |emitter, place, _| {
        let at = emitter.element(list, place, I32.scalar);
        let positions = emitter.load_vector(at, I32.times(lanes), lanes * I32.scalar.bytes());
        let are_active = lanes_below(emitter, place, count, lanes);
        let listed = Listed { place, positions, are_active, streams: &part.streams, results: &results };
        part.vector(emitter, &listed).map(|()| vec![])
    })?;
    for (output, buffer) in &part.outputs {
        clear(emitter, *buffer, Scalar::of(output.element), lanes);
    }
    let bounds = [emitter.index(0), count, emitter.index(1)];
    emitter.each(bounds, |emitter, place| {
        let position = emitter.load_element("position", list, place, I32);
        let position = emitter.convert("arith.extui", position, I64.scalar);
        results.put(emitter, part, place, position);
    });
    Ok(())
}

impl Results {
    fn new(emitter: &mut Emitter, part: &Part<'_>, lanes: usize) -> Self {
        let mut array = |scalar| stack::array(emitter, "results", scalar, FEW + lanes);
        let outputs = part.outputs.iter().map(|(tensor, _)| array(Scalar::of(tensor.element))).collect();
        let sums = part.streams.iter().map(|it| it.is_accumulated().then(|| array(Scalar::F32))).collect();
        Self { outputs, sums }
    }

    /// Writes or adds the results of a list entry at its position.
    fn put(&self, emitter: &mut Emitter, part: &Part<'_>, place: Value, position: Value) {
        for ((output, buffer), results) in part.outputs.iter().zip(&self.outputs) {
            let ty = ValueType::one(Scalar::of(output.element).stored());
            let result = emitter.load_element("result", *results, place, ty);
            emitter.store_element(result, *buffer, position);
        }
        for (stream, results) in part.streams.iter().zip(&self.sums) {
            let Some(results) = *results else { continue };
            let result = emitter.load_element("result", results, place, F32);
            let at = stream.at(emitter, stream.origin(), position);
            let before = emitter.load("before", at, F32);
            let after = emitter.apply("arith.addf", &[before, result]);
            emitter.store(after, at);
        }
    }
}

/// Writes 0 over a chunk's elements of an output.
fn clear(emitter: &mut Emitter, buffer: Value, scalar: Scalar, lanes: usize) {
    let zero = emitter.zero(ValueType { scalar: scalar.stored(), lanes });
    let bounds = [0, CHUNK, lanes].map(|bound| emitter.index(bound));
    emitter.each(bounds, |emitter, position| {
        let at = emitter.element(buffer, position, scalar);
        emitter.store_vector(zero, at, lanes * scalar.bytes());
    });
}

/// Pads the list with its last position, so that a vector past its end reads valid memory.
fn repeat_last(emitter: &mut Emitter, list: Value, count: Value, lanes: usize) {
    let [zero, one] = [0, 1].map(|index| emitter.index(index));
    let last = emitter.apply("arith.subi", &[count, one]);
    let last = emitter.apply("arith.maxsi", &[last, zero]);
    let last = emitter.load_element("last", list, last, I32);
    let last = emitter.splat(last, lanes);
    let end = emitter.element(list, count, I32.scalar);
    emitter.store_vector(last, end, I32.scalar.bytes());
}

/// The mask of those of the `lanes` list indices from `place` on that are below `end`.
fn lanes_below(emitter: &mut Emitter, place: Value, end: Value, lanes: usize) -> Value {
    let left = emitter.apply("arith.subi", &[end, place]);
    let left = emitter.convert("arith.trunci", left, I32.scalar);
    let left = emitter.splat(left, lanes);
    let numbers: Vec<_> = (0..lanes).collect();
    let numbers = emitter.constant(I32.times(lanes), &format!("{numbers:?}"));
    emitter.compare("slt", numbers, left)
}
