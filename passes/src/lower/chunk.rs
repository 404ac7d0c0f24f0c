//! The location of a chunk in a plane: the layout of `lossc_dialect::sum_shape`.

use lossc_dialect::sum_shape::CHUNK;
use lossc_faults::{Fault, is_seeded};

use super::call::Call;
use super::emit::{Emitter, I32, I64, Scalar, Value};

/// The bits of the phase: a Philox block has four pixels.
const PHASE_MASK: usize = 3;

/// A chunk. Positions in it count from its first padded position.
pub(super) struct Chunk {
    /// The chunk's plane.
    pub(super) plane: Value,
    /// The chunk's number in the plane.
    chunk: Value,
    /// The linear index of the chunk's first position, a multiple of four. In a plane's first
    /// chunk it may be that of a pixel of the plane before.
    origin: Value,
    /// The chunk's first position that is a pixel of the plane.
    pub(super) begin: Value,
    /// The position after the chunk's last pixel; 0 or less if it has none.
    pub(super) end: Value,
}

impl Chunk {
    /// The chunk with number `chunk` of plane `plane`.
    pub(super) fn new(emitter: &mut Emitter, call: &Call, plane: Value, chunk: Value) -> Self {
        let (zero, size, mask) = (emitter.index(0), emitter.index(CHUNK), emitter.index(PHASE_MASK));
        let start = emitter.mul(plane, call.plane_length);
        let phase = emitter.apply("arith.andi", &[start, mask]);
        let padded = emitter.apply("arith.subi", &[start, phase]);
        let first = emitter.mul(chunk, size);
        let before = emitter.apply("arith.subi", &[phase, first]);
        let after = emitter.add(before, call.plane_length);
        let (end, one) = (emitter.apply("arith.minsi", &[after, size]), emitter.index(1));
        Self {
            plane,
            chunk,
            origin: emitter.add(padded, first),
            begin: emitter.apply("arith.maxsi", &[before, zero]),
            end: match is_seeded(Fault::LastPixelIsLeftOut) {
                true => emitter.apply("arith.subi", &[end, one]),
                false => end,
            },
        }
    }

    /// The linear index of a position.
    pub(super) fn linear(&self, emitter: &mut Emitter, position: Value) -> Value {
        emitter.add(self.origin, position)
    }

    /// The element at position 0 of a tensor of pixels.
    pub(super) fn elements(&self, emitter: &mut Emitter, tensor: Value, scalar: Scalar) -> Value {
        emitter.element(tensor, self.origin, scalar)
    }

    /// The number of the Philox block at a position that is a multiple of four.
    pub(super) fn random_block(&self, emitter: &mut Emitter, position: Value) -> Value {
        let linear = self.linear(emitter, position);
        let two = emitter.index(2);
        emitter.apply("arith.shrui", &[linear, two])
    }

    /// The mask of those of the `lanes` positions from `position` on that are pixels of the
    /// plane.
    pub(super) fn valid(&self, emitter: &mut Emitter, position: Value, lanes: usize) -> Value {
        let numbers: Vec<_> = (0..lanes).collect();
        let numbers = emitter.constant(I32.times(lanes), &format!("{numbers:?}"));
        let [position, begin, end] = [position, self.begin, self.end].map(|bound| {
            let bound = emitter.convert("arith.trunci", bound, I32.scalar);
            emitter.splat(bound, lanes)
        });
        let position = emitter.add(position, numbers);
        let begun = emitter.compare("sge", position, begin);
        let before_end = emitter.compare("slt", position, end);
        emitter.apply("arith.andi", &[begun, before_end])
    }

    /// The chunk's number among the chunks of all planes.
    pub(super) fn number(&self, emitter: &mut Emitter, call: &Call) -> Value {
        let planes = emitter.mul(self.plane, call.chunks_per_plane);
        emitter.add(planes, self.chunk)
    }

    /// Writes the chunk's partial of the kernel's reduction number `reduction`.
    pub(super) fn store_partial(&self, emitter: &mut Emitter, call: &Call, reduction: usize, partial: Value) {
        let chunks = call.chunks(emitter);
        let reduction = emitter.index(reduction);
        let reductions = emitter.mul(reduction, chunks);
        let number = self.number(emitter, call);
        let index = emitter.add(reductions, number);
        emitter.store_element(partial, call.partials, index);
    }

    /// The group of the chunk's plane.
    pub(super) fn group(&self, emitter: &mut Emitter, call: &Call) -> Value {
        emitter.load_element("group", call.plane_group, self.plane, I64)
    }
}
