//! The code for processors: a chunk a call, pixels in vectors.

use lossc_dialect::ValueId;
use lossc_dialect::numbers::{CHUNK, LANES};

use super::LowerError;
use super::call::Call;
use super::chunk::Chunk;
use super::emit::{Emitter, F32, I32, I64, Scalar, Value, ValueType};
use super::group::GroupValues;
use super::pixel::{PixelCode, Tensor, Values, tensors};
use super::random::Philox;
use super::{finish, leaf, reduction};
use crate::schedule::{Kernel, Schedule};

const POINTER: ValueType = ValueType::one(Scalar::Pointer(0));

/// Vectors in a block. Two, since Philox gives the numbers of two at once.
const VECTORS: usize = 2;

/// The module for a processor with vectors of so many f32.
pub(super) fn module(schedule: &Schedule, lanes: usize) -> Result<String, LowerError> {
    let mut text = format!("// {}, {lanes} pixels a vector\nmodule {{\n", schedule.program.name());
    for (index, kernel) in schedule.kernels.iter().enumerate() {
        text += &kernel_function(schedule, kernel, index, lanes)?;
        text += &finish_function(schedule, kernel, index)?;
    }
    Ok(text + "}\n")
}

/// `finish_K(frame)`
fn finish_function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    let mut emitter = Emitter::new(1);
    let frame = emitter.name("frame", POINTER);
    let call = Call::from_frame(&mut emitter, frame, 0);
    finish::body(&mut emitter, schedule, kernel, &call)?;
    Ok(emitter.finish(&format!("func.func @finish_{index}({frame}: {POINTER})"), "return"))
}

/// `kernel_K(frame, row, chunk)`
fn kernel_function(
    schedule: &Schedule,
    kernel: &Kernel,
    index: usize,
    lanes: usize,
) -> Result<String, LowerError> {
    let mut emitter = Emitter::new(1);
    let frame = emitter.name("frame", POINTER);
    let [row, chunk] = ["row", "chunk"].map(|name| emitter.name(name, I64));
    let call = Call::from_frame(&mut emitter, frame, tensors(&schedule.program));
    let chunk_values = Chunk::new(&mut emitter, &call, row, chunk);
    let code = PixelCode::new(schedule, kernel, lanes);
    HostKernel::new(&mut emitter, schedule, &call, &chunk_values, &code, lanes)?.emit(&mut emitter)?;
    let header = format!("func.func @kernel_{index}({frame}: {POINTER}, {row}: {I64}, {chunk}: {I64})");
    Ok(emitter.finish(&header, "return"))
}

/// What the blocks of a chunk share.
struct HostKernel<'a> {
    call: &'a Call,
    chunk: &'a Chunk,
    code: &'a PixelCode<'a>,
    lanes: usize,
    hoisted: Values,
    random: Option<(ValueId, Philox)>,
    /// The accumulators of each sum: [`LANES`] floats in memory, of which a block
    /// uses each [`LANES`] pixels the same.
    sums: Vec<Option<Value>>,
}

impl<'a> HostKernel<'a> {
    fn new(
        emitter: &mut Emitter,
        schedule: &'a Schedule,
        call: &'a Call,
        chunk: &'a Chunk,
        code: &'a PixelCode<'a>,
        lanes: usize,
    ) -> Result<Self, LowerError> {
        let group = chunk.group(emitter, call);
        let hoisted = code.hoisted(emitter, &mut GroupValues::new(schedule, call, Some(group)))?;
        let philox = |uniform| (uniform, Philox::for_vectors(emitter, call.seed, call.stream, lanes));
        let random = code.uniform().map(philox);
        let mut sum = |is_count: bool| (!is_count).then(|| accumulators(emitter, lanes));
        let sums = code.reductions.iter().map(|reduction| sum(reduction.is_count)).collect();
        Ok(Self { call, chunk, code, lanes, hoisted, random, sums })
    }

    /// All blocks, then the partials.
    fn emit(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        let zero = emitter.integer(I32, 0);
        let initial = vec![zero; self.counts()];
        let block = VECTORS * self.lanes;
        let bounds = [emitter.index(0), self.chunk.end, emitter.index(block)];
        let counts = emitter.repeat(bounds, &initial, |emitter, position, counts| {
            let whole = self.chunk.is_whole(emitter, position, block);
            emitter.choose(
                whole,
                |emitter| self.block(emitter, position, counts, false),
                |emitter| self.block(emitter, position, counts, true),
            )
        })?;
        let mut counts = counts.into_iter();
        for (index, sum) in self.sums.iter().enumerate() {
            let partial = match sum {
                Some(sum) => {
                    let lanes = emitter.load_vector(*sum, F32.times(LANES), ALIGNMENT);
                    Some(reduction::chunk_tree(emitter, lanes))
                }
                None => counts.next(),
            };
            if let Some(partial) = partial {
                self.chunk.store_partial(emitter, self.call, index, partial);
            }
        }
        Ok(())
    }

    /// The reductions that are counts, which the loop carries.
    fn counts(&self) -> usize {
        self.sums.iter().filter(|sum| sum.is_none()).count()
    }

    /// The pixels from `position` on; gives the counts with theirs. At an edge
    /// of the row only those that are pixels of the row.
    fn block(
        &self,
        emitter: &mut Emitter,
        position: Value,
        counts: &[Value],
        at_edge: bool,
    ) -> Result<Vec<Value>, LowerError> {
        let uniforms = self.random.as_ref().map(|(id, philox)| {
            self.code.comment(emitter, *id);
            let block = self.chunk.random_block(emitter, position);
            (*id, philox.vectors(emitter, block))
        });
        let mut counts = counts.to_vec();
        for half in 0..VECTORS {
            let offset = emitter.index(half * self.lanes);
            let position = emitter.add(position, offset);
            let valid = at_edge.then(|| self.chunk.valid(emitter, position, self.lanes));
            let mut values = self.hoisted.clone();
            values.extend(uniforms.map(|(id, vectors)| (id, vectors[half])));
            self.vector(emitter, position, valid, values, &mut counts)?;
        }
        Ok(counts)
    }

    /// One vector of pixels.
    fn vector(
        &self,
        emitter: &mut Emitter,
        position: Value,
        valid: Option<Value>,
        mut values: Values,
        counts: &mut [Value],
    ) -> Result<(), LowerError> {
        let linear = self.chunk.linear(emitter, position);
        for input in self.code.inputs() {
            self.code.comment(emitter, input.value);
            let stored = self.load(emitter, input, linear, valid);
            self.code.read(emitter, &mut values, input, stored);
        }
        self.code.compute(emitter, &mut values)?;
        let mut counts = counts.iter_mut();
        for (reduction, sum) in self.code.reductions.iter().zip(&self.sums) {
            let value = reduction::of_valid(emitter, values[&reduction.operand], valid);
            match sum {
                Some(sum) => self.accumulate(emitter, *sum, position, value),
                None => counts.by_ref().take(1).for_each(|count| {
                    let bits = reduction::count_bits(emitter, value);
                    *count = emitter.add(*count, bits);
                }),
            }
        }
        for &output in &self.code.outputs {
            let stored = leaf::to_stored(emitter, values[&output.value]);
            self.store(emitter, output, linear, stored, valid);
        }
        Ok(())
    }

    fn load(&self, emitter: &mut Emitter, input: Tensor, linear: Value, valid: Option<Value>) -> Value {
        let ty = ValueType { scalar: Scalar::of(input.element).stored(), lanes: self.lanes };
        let at = emitter.element(self.call.pixels[input.index], linear, ty.scalar);
        match valid {
            None => emitter.load_vector(at, ty, ty.scalar.bytes()),
            Some(valid) => emitter.load_masked(at, valid, ty),
        }
    }

    fn store(
        &self,
        emitter: &mut Emitter,
        output: Tensor,
        linear: Value,
        stored: Value,
        valid: Option<Value>,
    ) {
        let at = emitter.element(self.call.pixels[output.index], linear, stored.ty.scalar);
        match valid {
            None => emitter.store_vector(stored, at, stored.ty.scalar.bytes()),
            Some(valid) => emitter.store_masked(stored, at, valid),
        }
    }

    /// Adds a vector to the accumulators of its positions.
    fn accumulate(&self, emitter: &mut Emitter, sum: Value, position: Value, value: Value) {
        let mask = emitter.index(LANES - 1);
        let lane = emitter.apply("arith.andi", &[position, mask]);
        let at = emitter.element(sum, lane, Scalar::F32);
        let alignment = self.lanes * Scalar::F32.bytes();
        let before = emitter.load_vector(at, value.ty, alignment);
        let after = emitter.apply("arith.addf", &[before, value]);
        emitter.store_vector(after, at, alignment);
    }
}

/// Of the accumulators, for the widest vectors.
const ALIGNMENT: usize = 64;

/// Accumulators, all +0.
fn accumulators(emitter: &mut Emitter, lanes: usize) -> Value {
    let one = emitter.index(1);
    let ty = format!("!llvm.array<{LANES} x f32>");
    let allocation =
        format!("llvm.alloca {one} x {ty} {{alignment = {ALIGNMENT} : i64}} : (i64) -> {POINTER}");
    let sum = emitter.define("sum", POINTER, allocation);
    let zero = emitter.float(F32.times(lanes), 0.0);
    for lane in (0..LANES).step_by(lanes) {
        let lane = emitter.index(lane);
        let at = emitter.element(sum, lane, Scalar::F32);
        emitter.store_vector(zero, at, ALIGNMENT.min(lanes * Scalar::F32.bytes()));
    }
    sum
}

/// A chunk is cut into blocks, and the accumulators into vectors, without rest.
const _: () = assert!(CHUNK.is_multiple_of(LANES) && LANES.is_multiple_of(VECTORS * 16));
