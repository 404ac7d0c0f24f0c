//! Running the code of a pixel along a chunk in whole vectors.
//!
//! At a plane's ends a vector has positions that are not pixels. The code must not read there,
//! nor add the values it computes. So the data that the code reads or adds to at a position is a
//! [`Stream`], and a chunk is walked in three segments: the first vector if it is incomplete,
//! the whole ones, and the last if it is incomplete. At the edges, streams go through a vector
//! on the stack; only the plane's pixels are copied to and from it.

use super::part::Access;
use super::stack;
use crate::lower::LowerError;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, F32, Scalar, Value, ValueType};
use lossc_dialect::sum_shape::CHUNK_ACCUMULATORS;

/// An array of which the code of a pixel accesses the element at the pixel's position.
pub(super) struct Stream {
    /// The element of position 0.
    origin: Value,
    scalar: Scalar,
    /// True if it is added to, and positions [`CHUNK_ACCUMULATORS`] apart share an element.
    is_accumulated: bool,
    /// A vector on the stack that replaces it at an edge.
    edge: Value,
}

impl Stream {
    /// A tensor that is read.
    pub(super) fn input(emitter: &mut Emitter, origin: Value, scalar: Scalar, lanes: usize) -> Self {
        let edge = stack::array(emitter, "edge", scalar, lanes);
        Self { origin, scalar, is_accumulated: false, edge }
    }

    /// The accumulators of a sum.
    pub(super) fn accumulators(emitter: &mut Emitter, origin: Value, lanes: usize) -> Self {
        Self { is_accumulated: true, ..Self::input(emitter, origin, Scalar::F32, lanes) }
    }

    /// The element of position 0.
    pub(super) fn origin(&self) -> Value {
        self.origin
    }

    /// Returns whether the code adds to it.
    pub(super) fn is_accumulated(&self) -> bool {
        self.is_accumulated
    }

    fn index(&self, emitter: &mut Emitter, position: Value) -> Value {
        if !self.is_accumulated {
            return position;
        }
        let mask = emitter.index(CHUNK_ACCUMULATORS - 1);
        emitter.apply("arith.andi", &[position, mask])
    }

    /// The element at a position, if `origin` is that of position 0.
    pub(super) fn at(&self, emitter: &mut Emitter, origin: Value, position: Value) -> Value {
        let index = self.index(emitter, position);
        emitter.element(origin, index, self.scalar)
    }

    /// The address of position 0 if the edge begins at position `start`.
    fn edge_origin(&self, emitter: &mut Emitter, start: Value) -> Value {
        let index = self.index(emitter, start);
        let zero = emitter.index(0);
        let back = emitter.apply("arith.subi", &[zero, index]);
        emitter.element(self.edge, back, self.scalar)
    }

    fn copy(&self, emitter: &mut Emitter, from: Value, to: Value, position: Value) {
        let [from, to] = [from, to].map(|origin| self.at(emitter, origin, position));
        let element = emitter.load("element", from, ValueType::one(self.scalar.stored()));
        emitter.store(element, to);
    }
}

/// A vector whose lanes are consecutive positions.
pub(super) struct Along<'a> {
    position: Value,
    streams: &'a [Stream],
    origins: &'a [Value],
    lanes: usize,
}

impl Along<'_> {
    fn at(&self, emitter: &mut Emitter, stream: usize) -> Value {
        self.streams[stream].at(emitter, self.origins[stream], self.position)
    }

    /// The alignment of a whole vector in the kernel's own memory.
    fn alignment(&self) -> usize {
        self.lanes * Scalar::F32.bytes()
    }
}

impl Access for Along<'_> {
    fn place(&self) -> Value {
        self.position
    }

    fn read(&self, emitter: &mut Emitter, stream: usize, ty: ValueType) -> Value {
        let at = self.at(emitter, stream);
        emitter.load_vector(at, ty, ty.scalar.bytes())
    }

    fn uniforms(&self, emitter: &mut Emitter, uniforms: Value) -> Value {
        let at = emitter.element(uniforms, self.position, Scalar::F32);
        emitter.load_vector(at, F32.times(self.lanes), self.alignment())
    }

    fn write(&self, emitter: &mut Emitter, buffer: Value, _: usize, value: Value) {
        let at = emitter.element(buffer, self.position, value.ty.scalar);
        emitter.store_vector(value, at, self.lanes * value.ty.scalar.bytes());
    }

    fn accumulate(&self, emitter: &mut Emitter, stream: usize, value: Value) {
        let at = self.at(emitter, stream);
        let before = emitter.load_vector(at, value.ty, self.alignment());
        let after = emitter.apply("arith.addf", &[before, value]);
        emitter.store_vector(after, at, self.alignment());
    }

    fn of_pixels(&self, _: &mut Emitter, mask: Value) -> Value {
        // Only vectors at edges have other lanes, and `Path::walk` clears those afterwards.
        mask
    }
}

/// A part of a chunk that is walked with one set of origins.
struct Segment {
    is_edge: Value,
    start: Value,
    stop: Value,
    /// The positions of the segment that are pixels of the plane.
    pixels: [Value; 2],
}

/// A chunk and the streams along it.
pub(super) struct Path<'a> {
    pub(super) chunk: &'a Chunk,
    pub(super) lanes: usize,
    pub(super) streams: &'a [Stream],
}

impl Path<'_> {
    /// Runs `body` for each vector of the chunk. After `body`, runs `at_edge` for each
    /// incomplete vector, with its position and the range of its lanes that are pixels.
    pub(super) fn walk(
        &self,
        emitter: &mut Emitter,
        body: impl FnOnce(&mut Emitter, &Along<'_>) -> Result<(), LowerError>,
        at_edge: impl FnOnce(&mut Emitter, Value, [Value; 2]),
    ) -> Result<(), LowerError> {
        let bounds = [0, 3, 1].map(|bound| emitter.index(bound));
        emitter.repeat(bounds, &[], |emitter, number, _| {
            let segment = self.segment(emitter, number);
            let origins = self.origins(emitter, &segment);
            emitter.when(segment.is_edge, |emitter| {
                self.enter_edge(emitter, &segment, &origins);
                Ok::<_, LowerError>(())
            })?;
            let step = emitter.index(self.lanes);
            emitter.repeat([segment.start, segment.stop, step], &[], |emitter, position, _| {
                let (streams, lanes) = (self.streams, self.lanes);
                body(emitter, &Along { position, streams, origins: &origins, lanes }).map(|()| vec![])
            })?;
            emitter.when(segment.is_edge, |emitter| {
                self.leave_edge(emitter, &segment, &origins, at_edge);
                Ok::<_, LowerError>(())
            })?;
            Ok(vec![])
        })?;
        Ok(())
    }

    /// Segment 0, 1 or 2; it may be empty.
    fn segment(&self, emitter: &mut Emitter, number: Value) -> Segment {
        let [zero, one] = [0, 1].map(|index| emitter.index(index));
        let Chunk { begin, end, .. } = *self.chunk;
        let first_whole = self.round_up(emitter, begin);
        let last_whole = self.round_down(emitter, end);
        let after_whole = emitter.apply("arith.maxsi", &[first_whole, last_whole]);
        let rounded_end = self.round_up(emitter, end);
        let is_first = emitter.compare("eq", number, zero);
        let is_middle = emitter.compare("eq", number, one);
        let start = emitter.select(is_middle, first_whole, after_whole);
        let start = emitter.select(is_first, zero, start);
        let stop = emitter.select(is_middle, after_whole, rounded_end);
        let stop = emitter.select(is_first, first_whole, stop);
        let is_some = emitter.compare("slt", start, stop);
        let is_other = emitter.compare("ne", number, one);
        let is_edge = emitter.apply("arith.andi", &[is_some, is_other]);
        let from = emitter.apply("arith.maxsi", &[begin, start]);
        let to = emitter.apply("arith.minsi", &[end, stop]);
        Segment { is_edge, start, stop, pixels: [from, to] }
    }

    fn round_down(&self, emitter: &mut Emitter, position: Value) -> Value {
        let mask = emitter.integer(position.ty, -(self.lanes as i64));
        emitter.apply("arith.andi", &[position, mask])
    }

    fn round_up(&self, emitter: &mut Emitter, position: Value) -> Value {
        let rest = emitter.index(self.lanes - 1);
        let position = emitter.add(position, rest);
        self.round_down(emitter, position)
    }

    /// The origins of the streams in a segment.
    fn origins(&self, emitter: &mut Emitter, segment: &Segment) -> Vec<Value> {
        let origin = |stream: &Stream| {
            let edge = stream.edge_origin(emitter, segment.start);
            emitter.choose_pointer(segment.is_edge, edge, stream.origin)
        };
        self.streams.iter().map(origin).collect()
    }

    fn enter_edge(&self, emitter: &mut Emitter, segment: &Segment, origins: &[Value]) {
        for stream in self.streams {
            stack::clear(emitter, stream.edge, stream.scalar, self.lanes, self.lanes);
        }
        self.for_pixels(emitter, segment, |emitter, position| {
            for (stream, &origin) in self.streams.iter().zip(origins) {
                stream.copy(emitter, stream.origin, origin, position);
            }
        });
    }

    fn leave_edge(
        &self,
        emitter: &mut Emitter,
        segment: &Segment,
        origins: &[Value],
        at_edge: impl FnOnce(&mut Emitter, Value, [Value; 2]),
    ) {
        let lanes = segment.pixels.map(|bound| emitter.apply("arith.subi", &[bound, segment.start]));
        at_edge(emitter, segment.start, lanes);
        self.for_pixels(emitter, segment, |emitter, position| {
            let accumulators = self.streams.iter().zip(origins).filter(|(stream, _)| stream.is_accumulated);
            for (stream, &origin) in accumulators {
                stream.copy(emitter, origin, stream.origin, position);
            }
        });
    }

    fn for_pixels(&self, emitter: &mut Emitter, segment: &Segment, body: impl FnOnce(&mut Emitter, Value)) {
        let [from, to] = segment.pixels;
        let one = emitter.index(1);
        emitter.each([from, to, one], body);
    }
}
