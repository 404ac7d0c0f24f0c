//! The code of a vector of pixels, and the memory it works on.

use lossc_dialect::ValueId;

use super::library::mask_scalar;
use super::memory::{Memory, chunk_of_buffer};
use super::stream::{Path, Stream};
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, F32, Scalar, Value, ValueType};
use crate::lower::group::GroupValues;
use crate::lower::pixel::{PixelCode, SavedValue, Tensor, Values};
use crate::lower::{LowerError, leaf, reduction};
use crate::schedule::{Buffer, Kernel, Schedule};

/// Access to the data of a vector of pixels.
pub(super) trait Access {
    /// The index of the vector's first lane in a chunk's saved values.
    fn place(&self) -> Value;
    /// The elements of a stream that is read.
    fn read(&self, emitter: &mut Emitter, stream: usize, ty: ValueType) -> Value;
    /// The chunk's random numbers at the lanes.
    fn uniforms(&self, emitter: &mut Emitter, uniforms: Value) -> Value;
    /// Writes elements of the kernel's output number `output`, which is collected in `buffer`.
    fn write(&self, emitter: &mut Emitter, buffer: Value, output: usize, value: Value);
    /// Adds to the accumulators of a stream.
    fn accumulate(&self, emitter: &mut Emitter, stream: usize, value: Value);
    /// A mask without the lanes that are known not to be pixels.
    fn of_pixels(&self, emitter: &mut Emitter, mask: Value) -> Value;
}

/// The work of a kernel, or of a part of one, on a vector of pixels.
pub(super) struct Part<'a> {
    chunk: &'a Chunk,
    code: PixelCode<'a>,
    lanes: usize,
    memory: &'a Memory,
    hoisted: Values,
    inputs: Vec<Tensor>,
    /// The outputs, with the chunk's elements of each.
    pub(super) outputs: Vec<(Tensor, Value)>,
    /// The inputs, then the sums.
    pub(super) streams: Vec<Stream>,
    /// The chunk's part of each buffer, loaded ones before saved ones.
    saved: [Vec<Value>; 2],
    /// The masks that are computed, with their memory.
    masks: Vec<(ValueId, Value)>,
}

impl<'a> Part<'a> {
    pub(super) fn new(
        emitter: &mut Emitter,
        (schedule, kernel): (&'a Schedule, &Kernel),
        (call, chunk): (&'a Call, &'a Chunk),
        memory: &'a Memory,
        lanes: usize,
    ) -> Result<Self, LowerError> {
        let code = PixelCode::new(schedule, kernel, lanes);
        let group = chunk.group(emitter, call);
        let hoisted = code.hoisted(emitter, &mut GroupValues::new(schedule, call, Some(group)))?;
        let saved = [&code.loads, &code.saves].map(|list| {
            list.iter().map(|&saved| chunk_of_buffer(emitter, call, chunk, saved, lanes)).collect()
        });
        let counts = code.reductions.iter().filter(|it| it.is_count);
        let masks = counts.map(|it| (it.operand, memory.of_reduction(it.group_total))).collect();
        let inputs = code.inputs();
        let outputs = code.outputs.iter().map(|&tensor| (tensor, memory.of_output(tensor))).collect();
        let streams = vec![];
        let mut part = Self { chunk, code, lanes, memory, hoisted, inputs, outputs, streams, saved, masks };
        part.streams = part.make_streams(emitter, call);
        Ok(part)
    }

    /// The same part, which also writes the bits of the mask `value` to `masks`.
    pub(super) fn filling(mut self, value: ValueId, masks: Value) -> Self {
        self.masks.push((value, masks));
        self
    }

    fn make_streams(&self, emitter: &mut Emitter, call: &Call) -> Vec<Stream> {
        let mut streams = vec![];
        for tensor in &self.inputs {
            let scalar = Scalar::of(tensor.element);
            let origin = self.chunk.elements(emitter, call.pixels[tensor.index], scalar);
            streams.push(Stream::input(emitter, origin, scalar, self.lanes));
        }
        for reduction in self.code.reductions.iter().filter(|reduction| !reduction.is_count) {
            let accumulators = self.memory.of_reduction(reduction.group_total);
            streams.push(Stream::accumulators(emitter, accumulators, self.lanes));
        }
        streams
    }

    /// Runs over all pixels of the chunk.
    pub(super) fn walk(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        let path = Path { chunk: self.chunk, lanes: self.lanes, streams: &self.streams };
        path.walk(
            emitter,
            |emitter, along| self.vector(emitter, along),
            |emitter, position, pixels| self.clear_masks(emitter, position, pixels),
        )
    }

    /// Computes one vector of pixels.
    pub(super) fn vector(&self, emitter: &mut Emitter, access: &dyn Access) -> Result<(), LowerError> {
        let mut values = self.hoisted.clone();
        self.read(emitter, access, &mut values);
        self.code.compute(emitter, &mut values)?;
        self.write(emitter, access, &values);
        Ok(())
    }

    fn read(&self, emitter: &mut Emitter, access: &dyn Access, values: &mut Values) {
        for (stream, &input) in self.inputs.iter().enumerate() {
            self.code.comment(emitter, input.value);
            let scalar = Scalar::of(input.element).stored();
            let stored = access.read(emitter, stream, ValueType { scalar, lanes: self.lanes });
            self.code.read(emitter, values, input, stored);
        }
        if let (Some(id), Some(uniforms)) = (self.code.uniform(), self.memory.uniforms) {
            self.code.comment(emitter, id);
            values.insert(id, access.uniforms(emitter, uniforms));
        }
        for (saved, &memory) in self.code.loads.iter().zip(&self.saved[0]) {
            self.code.comment(emitter, saved.value);
            values.insert(saved.value, self.load_saved(emitter, *saved, memory, access.place()));
        }
    }

    fn write(&self, emitter: &mut Emitter, access: &dyn Access, values: &Values) {
        for (saved, &memory) in self.code.saves.iter().zip(&self.saved[1]) {
            // A mask that is computed in its own buffer is written below.
            if !self.masks.contains(&(saved.value, memory)) {
                self.store_saved(emitter, *saved, memory, access.place(), values[&saved.value]);
            }
        }
        for (index, (output, buffer)) in self.outputs.iter().enumerate() {
            let stored = leaf::to_stored(emitter, values[&output.value]);
            access.write(emitter, *buffer, index, stored);
        }
        let sums = self.code.reductions.iter().filter(|it| !it.is_count);
        for (index, sum) in sums.enumerate() {
            access.accumulate(emitter, self.inputs.len() + index, values[&sum.operand]);
        }
        for (value, memory) in &self.masks {
            let mask = access.of_pixels(emitter, values[value]);
            self.store_mask(emitter, *memory, access.place(), mask);
        }
    }

    fn load_saved(&self, emitter: &mut Emitter, saved: SavedValue, memory: Value, place: Value) -> Value {
        match saved.holds {
            Buffer::Float => {
                let at = emitter.element(memory, place, Scalar::F32);
                emitter.load_vector(at, F32.times(self.lanes), self.lanes * Scalar::F32.bytes())
            }
            Buffer::Mask => {
                let at = self.mask_at(emitter, memory, place);
                let bits = emitter.load("bits", at, ValueType::one(mask_scalar(self.lanes)));
                reduction::mask_of_bits(emitter, bits, self.lanes)
            }
        }
    }

    fn store_saved(
        &self,
        emitter: &mut Emitter,
        saved: SavedValue,
        memory: Value,
        place: Value,
        value: Value,
    ) {
        match saved.holds {
            Buffer::Float => {
                let at = emitter.element(memory, place, Scalar::F32);
                emitter.store_vector(value, at, self.lanes * Scalar::F32.bytes());
            }
            Buffer::Mask => self.store_mask(emitter, memory, place, value),
        }
    }

    /// Writes the bits of a mask.
    fn store_mask(&self, emitter: &mut Emitter, masks: Value, place: Value, mask: Value) {
        let bits = reduction::mask_bits(emitter, mask);
        let bits = emitter.convert("arith.extui", bits, mask_scalar(self.lanes));
        let at = self.mask_at(emitter, masks, place);
        emitter.store(bits, at);
    }

    fn mask_at(&self, emitter: &mut Emitter, masks: Value, place: Value) -> Value {
        let shift = emitter.index(self.lanes.ilog2() as usize);
        let vector = emitter.apply("arith.shrui", &[place, shift]);
        emitter.element(masks, vector, mask_scalar(self.lanes))
    }

    /// Clears the bits of lanes that are not pixels in the masks of the vector at `position`.
    fn clear_masks(&self, emitter: &mut Emitter, position: Value, [from, to]: [Value; 2]) {
        let scalar = mask_scalar(self.lanes);
        let one = emitter.index(1);
        let [below_from, below_to] = [from, to].map(|lane| {
            let bit = emitter.apply("arith.shli", &[one, lane]);
            emitter.apply("arith.subi", &[bit, one])
        });
        let pixels = emitter.apply("arith.xori", &[below_from, below_to]);
        let pixels = emitter.convert("arith.trunci", pixels, scalar);
        for (_, masks) in &self.masks {
            let at = self.mask_at(emitter, *masks, position);
            let mask = emitter.load("mask", at, ValueType::one(scalar));
            let mask = emitter.apply("arith.andi", &[mask, pixels]);
            emitter.store(mask, at);
        }
    }
}
