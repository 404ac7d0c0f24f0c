//! What a kernel is called with.

use super::emit::{Emitter, I64, Scalar, Value, ValueType};

/// The arguments of a call, from a host's frame or a GPU kernel's parameters.
pub(super) struct Call {
    pub(super) row_length: Value,
    pub(super) rows: Value,
    pub(super) groups: Value,
    pub(super) chunks_per_row: Value,
    pub(super) seed: Value,
    pub(super) stream: Value,
    /// The group of each row.
    pub(super) row_group: Value,
    /// 8 bytes each: numbers, an f32 in the low ones; then f64, sizes and reductions over
    /// groups.
    pub(super) scalars: Value,
    /// By cell and group, 8 bytes each.
    pub(super) cells: Value,
    /// By reduction of the kernel, row and chunk, 4 bytes each.
    pub(super) partials: Value,
    /// 8 bytes each: the loss, then by result and group.
    pub(super) results: Value,
    /// The tensors of pixels: inputs, then outputs.
    pub(super) pixels: Vec<Value>,
}

const POINTER: ValueType = ValueType::one(Scalar::Pointer(0));

/// Memory that all threads of a GPU see.
const GLOBAL_POINTER: ValueType = ValueType::one(Scalar::Pointer(1));

/// The 64-bit numbers of a call in order of the frame and of the parameters.
const NUMBERS: [&str; 6] = ["row_length", "rows", "groups", "chunks_per_row", "seed", "stream"];

/// The arrays, likewise. A frame has its list of pixel tensors before them.
const ARRAYS: [&str; 5] = ["row_group", "scalars", "cells", "partials", "results"];

/// A tensor of pixels.
const PIXELS: &str = "pixels";

impl Call {
    /// The fields of a host's frame and its first `tensors` tensors of pixels.
    pub(super) fn from_frame(emitter: &mut Emitter, frame: Value, tensors: usize) -> Self {
        let mut offset = 0;
        let mut field = |emitter: &mut Emitter, name, ty| {
            let types = format!("({POINTER}) -> {POINTER}");
            let operation = format!("llvm.getelementptr inbounds {frame}[{offset}] : {types}, i8");
            let at = emitter.pure("at", POINTER, operation);
            offset += 8;
            emitter.load(name, at, ty)
        };
        let numbers = NUMBERS.map(|name| field(emitter, name, I64));
        let list = field(emitter, PIXELS, POINTER);
        let arrays = ARRAYS.map(|name| field(emitter, name, POINTER));
        let tensor = |tensor| {
            let tensor = emitter.index(tensor);
            emitter.load_element(PIXELS, list, tensor, POINTER)
        };
        let pixels = (0..tensors).map(tensor).collect();
        Self::new(numbers, arrays, pixels)
    }

    /// The parameters of a GPU kernel with so many tensors of pixels.
    pub(super) fn from_parameters(emitter: &mut Emitter, tensors: usize) -> Self {
        let numbers = NUMBERS.map(|name| emitter.name(name, I64));
        let arrays = ARRAYS.map(|name| emitter.name(name, GLOBAL_POINTER));
        let pixels = (0..tensors).map(|_| emitter.name(PIXELS, GLOBAL_POINTER)).collect();
        Self::new(numbers, arrays, pixels)
    }

    fn new(numbers: [Value; 6], arrays: [Value; 5], pixels: Vec<Value>) -> Self {
        let [row_length, rows, groups, chunks_per_row, seed, stream] = numbers;
        let [row_group, scalars, cells, partials, results] = arrays;
        Self {
            row_length,
            rows,
            groups,
            chunks_per_row,
            seed,
            stream,
            row_group,
            scalars,
            cells,
            partials,
            results,
            pixels,
        }
    }

    /// All arguments, in order of the parameters.
    pub(super) fn values(&self) -> Vec<Value> {
        let Self { row_length, rows, groups, chunks_per_row, seed, stream, .. } = *self;
        let Self { row_group, scalars, cells, partials, results, .. } = *self;
        let numbers = [row_length, rows, groups, chunks_per_row, seed, stream];
        let arrays = [row_group, scalars, cells, partials, results];
        numbers.into_iter().chain(arrays).chain(self.pixels.iter().copied()).collect()
    }

    /// Chunks of all rows, which is how many partials a reduction has.
    pub(super) fn chunks(&self, emitter: &mut Emitter) -> Value {
        emitter.mul(self.rows, self.chunks_per_row)
    }
}
