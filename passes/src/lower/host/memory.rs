//! The memory of one kernel's chunk.

use lossc_dialect::sum_shape::{CHUNK, CHUNK_ACCUMULATORS};

use super::library::mask_scalar;
use super::stack::{self, ALIGNMENT};
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, Scalar, Value};
use crate::lower::pixel::{PixelCode, SavedValue, Tensor};
use crate::schedule::Buffer;

/// The arrays that a kernel has on its stack.
pub(super) struct Memory {
    /// The random numbers of the chunk's positions, if the kernel needs any.
    pub(super) uniforms: Option<Value>,
    /// By group total: a sum's accumulators, [`CHUNK_ACCUMULATORS`] floats, or a count's masks,
    /// one bit per position.
    reductions: Vec<(usize, Value)>,
    /// The chunk's elements of each output, which are copied to their tensor all together: see
    /// [`super::output`].
    pub(super) outputs: Vec<(Tensor, Value)>,
}

impl Memory {
    /// The initial memory of the kernel whose whole code is `code`.
    pub(super) fn new(emitter: &mut Emitter, code: &PixelCode<'_>, draws: bool, lanes: usize) -> Self {
        let uniforms = draws.then(|| stack::array(emitter, "uniforms", Scalar::F32, CHUNK));
        let reductions = code.reductions.iter();
        let reductions =
            reductions.map(|it| (it.group_total, empty_reduction(emitter, it.is_count, lanes))).collect();
        let array = |emitter: &mut Emitter, tensor: &Tensor| {
            stack::array(emitter, "output", Scalar::of(tensor.element), CHUNK)
        };
        let outputs = code.outputs.iter().map(|tensor| (*tensor, array(emitter, tensor))).collect();
        Self { uniforms, reductions, outputs }
    }

    /// The chunk's elements of an output.
    pub(super) fn of_output(&self, output: Tensor) -> Value {
        let (_, memory) =
            self.outputs.iter().find(|(it, _)| it.index == output.index).expect("the kernel's output");
        *memory
    }

    /// The accumulators or masks of a group total.
    pub(super) fn of_reduction(&self, group_total: usize) -> Value {
        let (_, memory) = self
            .reductions
            .iter()
            .find(|(known, _)| *known == group_total)
            .expect("the kernel's group total");
        *memory
    }
}

/// Accumulators, all +0, or masks, all false.
fn empty_reduction(emitter: &mut Emitter, is_count: bool, lanes: usize) -> Value {
    if is_count {
        return empty_masks(emitter, lanes);
    }
    let sum = stack::array(emitter, "sum", Scalar::F32, CHUNK_ACCUMULATORS);
    stack::clear(emitter, sum, Scalar::F32, CHUNK_ACCUMULATORS, lanes);
    sum
}

/// Masks of a chunk, all false.
pub(super) fn empty_masks(emitter: &mut Emitter, lanes: usize) -> Value {
    let masks = stack::array(emitter, "masks", mask_scalar(lanes), CHUNK / lanes);
    clear_masks(emitter, masks, lanes);
    masks
}

/// Makes all masks of a chunk false.
pub(super) fn clear_masks(emitter: &mut Emitter, masks: Value, lanes: usize) {
    let scalar = mask_scalar(lanes);
    stack::clear(emitter, masks, scalar, CHUNK / lanes, ALIGNMENT / scalar.bytes());
}

/// The number of bytes of a chunk in a buffer.
pub(in crate::lower) fn chunk_bytes(holds: Buffer, lanes: usize) -> usize {
    match holds {
        Buffer::Float => CHUNK * Scalar::F32.bytes(),
        Buffer::Mask => CHUNK / lanes * mask_scalar(lanes).bytes(),
    }
}

/// A chunk's part of a buffer.
pub(super) fn chunk_of_buffer(
    emitter: &mut Emitter,
    call: &Call,
    chunk: &Chunk,
    saved: SavedValue,
    lanes: usize,
) -> Value {
    let bytes = emitter.index(chunk_bytes(saved.holds, lanes));
    let number = chunk.number(emitter, call);
    let offset = emitter.mul(number, bytes);
    emitter.element(call.pixels[saved.index], offset, Scalar::Int(8))
}

/// Accumulators, and chunks drawn four vectors at a time, must divide evenly into vectors.
const _: () = assert!(CHUNK.is_multiple_of(CHUNK_ACCUMULATORS) && CHUNK_ACCUMULATORS.is_multiple_of(4 * 16));
