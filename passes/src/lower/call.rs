//! The arguments of a kernel's call.

use super::emit::{Emitter, I64, Scalar, Value, ValueType};

/// The arguments of a call, from a host's arguments or a GPU kernel's parameters.
pub(super) struct Call {
    pub(super) plane_length: Value,
    pub(super) planes: Value,
    pub(super) groups: Value,
    pub(super) chunks_per_plane: Value,
    pub(super) seed: Value,
    pub(super) stream: Value,
    /// The group of each plane.
    pub(super) plane_group: Value,
    /// 8 bytes each: scalars, with an f32 in the low ones; then f64, sizes and reductions over
    /// groups.
    pub(super) scalars: Value,
    /// 8 bytes each, by group total and group.
    pub(super) group_totals: Value,
    /// 4 bytes each, by reduction of the kernel, plane and chunk.
    pub(super) partials: Value,
    /// 8 bytes each: the loss, then by result and group.
    pub(super) results: Value,
    /// The tensors of pixels: inputs, then outputs.
    pub(super) pixels: Vec<Value>,
}

const POINTER: ValueType = ValueType::one(Scalar::Pointer(0));

/// Memory that all threads of a GPU see.
const GLOBAL_POINTER: ValueType = ValueType::one(Scalar::Pointer(1));

/// The 64-bit numbers of a call in the order of the arguments and of the parameters.
const NUMBERS: [&str; 6] = ["plane_length", "planes", "groups", "chunks_per_plane", "seed", "stream"];

/// The arrays, likewise. A host's arguments have the list of pixel tensors before them.
const ARRAYS: [&str; 5] = ["plane_group", "scalars", "group_totals", "partials", "results"];

/// A tensor of pixels.
const PIXELS: &str = "pixels";

impl Call {
    /// The call from a host's arguments, with its first `tensors` tensors of pixels.
    pub(super) fn from_block(emitter: &mut Emitter, arguments: Value, tensors: usize) -> Self {
        let mut offset = 0;
        let mut field = |emitter: &mut Emitter, name, ty| {
            let types = format!("({POINTER}) -> {POINTER}");
            let operation = format!("llvm.getelementptr inbounds {arguments}[{offset}] : {types}, i8");
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

    /// The call from the parameters of a GPU kernel with `tensors` tensors of pixels.
    pub(super) fn from_parameters(emitter: &mut Emitter, tensors: usize) -> Self {
        let numbers = NUMBERS.map(|name| emitter.name(name, I64));
        let arrays = ARRAYS.map(|name| emitter.name(name, GLOBAL_POINTER));
        let pixels = (0..tensors).map(|_| emitter.name(PIXELS, GLOBAL_POINTER)).collect();
        Self::new(numbers, arrays, pixels)
    }

    fn new(numbers: [Value; 6], arrays: [Value; 5], pixels: Vec<Value>) -> Self {
        let [plane_length, planes, groups, chunks_per_plane, seed, stream] = numbers;
        let [plane_group, scalars, group_totals, partials, results] = arrays;
        Self {
            plane_length,
            planes,
            groups,
            chunks_per_plane,
            seed,
            stream,
            plane_group,
            scalars,
            group_totals,
            partials,
            results,
            pixels,
        }
    }

    /// All arguments, in the order of the parameters.
    pub(super) fn values(&self) -> Vec<Value> {
        let Self { plane_length, planes, groups, chunks_per_plane, seed, stream, .. } = *self;
        let Self { plane_group, scalars, group_totals, partials, results, .. } = *self;
        let numbers = [plane_length, planes, groups, chunks_per_plane, seed, stream];
        let arrays = [plane_group, scalars, group_totals, partials, results];
        numbers.into_iter().chain(arrays).chain(self.pixels.iter().copied()).collect()
    }

    /// The number of chunks of all planes, which is the number of partials of a reduction.
    pub(super) fn chunks(&self, emitter: &mut Emitter) -> Value {
        emitter.mul(self.planes, self.chunks_per_plane)
    }
}
