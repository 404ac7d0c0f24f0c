//! One kernel's chunk.

use lossc_dialect::ValueId;
use lossc_dialect::numbers::{CHUNK, LANES};

use super::library::{self, mask_scalar};
use super::stack::{self, ALIGNMENT};
use super::stream::{Path, Stream};
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, F32, Scalar, Value, ValueType};
use crate::lower::group::GroupValues;
use crate::lower::pixel::{Kept, PixelCode, Tensor, Values};
use crate::lower::{LowerError, leaf, reduction};
use crate::schedule::{Schedule, Temporary};

/// The code that computes a chunk.
pub(super) struct HostKernel<'a> {
    call: &'a Call,
    chunk: &'a Chunk,
    code: &'a PixelCode<'a>,
    lanes: usize,
    hoisted: Values,
    /// The random numbers of the chunk's positions, if the kernel needs any.
    uniforms: Option<(ValueId, Value)>,
    inputs: Vec<Tensor>,
    /// By reduction: a sum's accumulators, [`LANES`] floats, or a count's masks, a
    /// bit a position.
    reductions: Vec<Value>,
    /// Inputs, outputs, sums.
    streams: Vec<Stream>,
    /// The chunk's part of each temporary, loaded ones before stored ones.
    kept: [Vec<Value>; 2],
}

impl<'a> HostKernel<'a> {
    pub(super) fn new(
        emitter: &mut Emitter,
        schedule: &'a Schedule,
        call: &'a Call,
        chunk: &'a Chunk,
        code: &'a PixelCode<'a>,
        lanes: usize,
    ) -> Result<Self, LowerError> {
        let group = chunk.group(emitter, call);
        let hoisted = code.hoisted(emitter, &mut GroupValues::new(schedule, call, Some(group)))?;
        let uniforms = code.uniform().map(|id| (id, stack::array(emitter, "uniforms", Scalar::F32, CHUNK)));
        let inputs = code.inputs();
        let reductions: Vec<_> =
            code.reductions.iter().map(|it| empty_reduction(emitter, it.is_count, lanes)).collect();
        let kept = [&code.loads, &code.stores].map(|list| {
            list.iter().map(|&kept| chunk_of_temporary(emitter, call, chunk, kept, lanes)).collect()
        });
        let mut kernel =
            Self { call, chunk, code, lanes, hoisted, uniforms, inputs, reductions, streams: vec![], kept };
        kernel.streams = kernel.make_streams(emitter);
        Ok(kernel)
    }

    fn make_streams(&self, emitter: &mut Emitter) -> Vec<Stream> {
        let mut streams = vec![];
        for (tensors, is_output) in [(&self.inputs, false), (&self.code.outputs, true)] {
            for tensor in tensors {
                let scalar = Scalar::of(tensor.element);
                let zero = emitter.index(0);
                let first = self.chunk.linear(emitter, zero);
                let origin = emitter.element(self.call.pixels[tensor.index], first, scalar);
                let make = if is_output { Stream::output } else { Stream::input };
                streams.push(make(emitter, origin, scalar, self.lanes));
            }
        }
        for (reduction, &accumulators) in self.code.reductions.iter().zip(&self.reductions) {
            if !reduction.is_count {
                streams.push(Stream::accumulators(emitter, accumulators, self.lanes));
            }
        }
        streams
    }

    /// The random numbers, the pixels, the partials.
    pub(super) fn emit(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        if let Some((_, uniforms)) = self.uniforms {
            library::call_draw(emitter, self.call, self.chunk, uniforms);
        }
        let path = Path { chunk: self.chunk, lanes: self.lanes, streams: &self.streams };
        path.walk(
            emitter,
            |emitter, position, origins| self.vector(emitter, position, origins),
            |emitter, position, pixels| self.clear_masks(emitter, position, pixels),
        )?;
        for (index, (reduction, &memory)) in self.code.reductions.iter().zip(&self.reductions).enumerate() {
            let partial = library::partial(emitter, memory, reduction.is_count);
            self.chunk.store_partial(emitter, self.call, index, partial);
        }
        Ok(())
    }

    /// One vector of pixels.
    fn vector(&self, emitter: &mut Emitter, position: Value, origins: &[Value]) -> Result<(), LowerError> {
        let mut values = self.hoisted.clone();
        let mut streams = self.streams.iter().zip(origins);
        let mut next = |emitter: &mut Emitter| {
            streams
                .next()
                .map(|(stream, &origin)| stream.at(emitter, origin, position))
                .expect("a stream each")
        };
        for &input in &self.inputs {
            self.code.comment(emitter, input.value);
            let at = next(emitter);
            let ty = Scalar::of(input.element).stored();
            let stored = emitter.load_vector(at, ValueType { scalar: ty, lanes: self.lanes }, ty.bytes());
            self.code.read(emitter, &mut values, input, stored);
        }
        if let Some((id, uniforms)) = self.uniforms {
            self.code.comment(emitter, id);
            values.insert(id, self.load_floats(emitter, uniforms, position));
        }
        for (kept, &memory) in self.code.loads.iter().zip(&self.kept[0]) {
            self.code.comment(emitter, kept.value);
            values.insert(kept.value, self.load_kept(emitter, *kept, memory, position));
        }
        self.code.compute(emitter, &mut values)?;
        for (kept, &memory) in self.code.stores.iter().zip(&self.kept[1]) {
            self.store_kept(emitter, *kept, memory, position, values[&kept.value]);
        }
        for &output in &self.code.outputs {
            let at = next(emitter);
            let stored = leaf::to_stored(emitter, values[&output.value]);
            emitter.store_vector(stored, at, stored.ty.scalar.bytes());
        }
        for (reduction, &masks) in self.code.reductions.iter().zip(&self.reductions) {
            let value = values[&reduction.operand];
            if reduction.is_count {
                self.store_mask(emitter, masks, position, value);
            } else {
                let at = next(emitter);
                self.accumulate(emitter, at, value);
            }
        }
        Ok(())
    }

    /// Adds a vector to the accumulators of its positions.
    fn accumulate(&self, emitter: &mut Emitter, at: Value, value: Value) {
        let alignment = self.lanes * Scalar::F32.bytes();
        let before = emitter.load_vector(at, value.ty, alignment);
        let after = emitter.apply("arith.addf", &[before, value]);
        emitter.store_vector(after, at, alignment);
    }

    fn load_floats(&self, emitter: &mut Emitter, memory: Value, position: Value) -> Value {
        let at = emitter.element(memory, position, Scalar::F32);
        emitter.load_vector(at, F32.times(self.lanes), self.lanes * Scalar::F32.bytes())
    }

    fn load_kept(&self, emitter: &mut Emitter, kept: Kept, memory: Value, position: Value) -> Value {
        match kept.holds {
            Temporary::Float => self.load_floats(emitter, memory, position),
            Temporary::Mask => {
                let at = self.mask_at(emitter, memory, position);
                let bits = emitter.load("bits", at, ValueType::one(mask_scalar(self.lanes)));
                reduction::mask_of_bits(emitter, bits, self.lanes)
            }
        }
    }

    fn store_kept(&self, emitter: &mut Emitter, kept: Kept, memory: Value, position: Value, value: Value) {
        match kept.holds {
            Temporary::Float => {
                let at = emitter.element(memory, position, Scalar::F32);
                emitter.store_vector(value, at, self.lanes * Scalar::F32.bytes());
            }
            Temporary::Mask => self.store_mask(emitter, memory, position, value),
        }
    }

    /// Writes the bits of a mask.
    fn store_mask(&self, emitter: &mut Emitter, masks: Value, position: Value, mask: Value) {
        let bits = reduction::mask_bits(emitter, mask);
        let bits = emitter.convert("arith.extui", bits, mask_scalar(self.lanes));
        let at = self.mask_at(emitter, masks, position);
        emitter.store(bits, at);
    }

    fn mask_at(&self, emitter: &mut Emitter, masks: Value, position: Value) -> Value {
        let shift = emitter.index(self.lanes.ilog2() as usize);
        let vector = emitter.apply("arith.shrui", &[position, shift]);
        emitter.element(masks, vector, mask_scalar(self.lanes))
    }

    /// Forgets what the masks of the vector at `position` say of lanes that are no
    /// pixels.
    fn clear_masks(&self, emitter: &mut Emitter, position: Value, [from, to]: [Value; 2]) {
        let scalar = mask_scalar(self.lanes);
        let one = emitter.index(1);
        let [below_from, below_to] = [from, to].map(|lane| {
            let bit = emitter.apply("arith.shli", &[one, lane]);
            emitter.apply("arith.subi", &[bit, one])
        });
        let pixels = emitter.apply("arith.xori", &[below_from, below_to]);
        let pixels = emitter.convert("arith.trunci", pixels, scalar);
        let counts = self.code.reductions.iter().zip(&self.reductions).filter(|(it, _)| it.is_count);
        for (_, &masks) in counts {
            let at = self.mask_at(emitter, masks, position);
            let mask = emitter.load("mask", at, ValueType::one(scalar));
            let mask = emitter.apply("arith.andi", &[mask, pixels]);
            emitter.store(mask, at);
        }
    }
}

/// The bytes that a chunk has in a temporary.
pub(in crate::lower) fn chunk_bytes(holds: Temporary, lanes: usize) -> usize {
    match holds {
        Temporary::Float => CHUNK * Scalar::F32.bytes(),
        Temporary::Mask => CHUNK / lanes * mask_scalar(lanes).bytes(),
    }
}

fn chunk_of_temporary(emitter: &mut Emitter, call: &Call, chunk: &Chunk, kept: Kept, lanes: usize) -> Value {
    let bytes = emitter.index(chunk_bytes(kept.holds, lanes));
    let number = chunk.number(emitter, call);
    let offset = emitter.mul(number, bytes);
    emitter.element(call.pixels[kept.index], offset, Scalar::Int(8))
}

/// Accumulators, all +0, or masks, all false.
fn empty_reduction(emitter: &mut Emitter, is_count: bool, lanes: usize) -> Value {
    let (stem, scalar, count, width) = match is_count {
        true => ("masks", mask_scalar(lanes), CHUNK / lanes, ALIGNMENT / mask_scalar(lanes).bytes()),
        false => ("sum", Scalar::F32, LANES, lanes),
    };
    let memory = stack::array(emitter, stem, scalar, count);
    stack::clear(emitter, memory, scalar, count, width);
    memory
}

/// Accumulators, and chunks drawn two vectors at a time, are vectors without rest.
const _: () = assert!(CHUNK.is_multiple_of(LANES) && LANES.is_multiple_of(2 * 16));
