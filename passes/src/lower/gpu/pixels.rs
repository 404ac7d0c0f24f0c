//! The pixels of a chunk, in one warp.

use lossc_dialect::ValueId;
use lossc_dialect::numbers::{CHUNK, LANES};

use super::thread::{thread_of_warp, warp_sum};
use super::workspace::Workspace;
use super::{PIXELS, WARP};
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{BIT, Emitter, F32, I32, I64, Scalar, Value, ValueType};
use crate::lower::group::GroupValues;
use crate::lower::pixel::{PixelCode, PixelReduction, Tensor, Values};
use crate::lower::random::Philox;
use crate::lower::{LowerError, leaf, reduction};
use crate::schedule::{Kernel, Schedule};

/// A warp covers each lane once a step.
const _: () = assert!(WARP * PIXELS == LANES);

/// Steps whose pixels are loaded before those of the first are computed. With the 768
/// threads that an SM has, 2 × 20 bytes of f32 and u8 each are 30 KB in flight; an SM's
/// share of 3.35 TB/s over 132 SMs times a latency of 0.7 µs is 18 KB (computed from an
/// H100's data sheet, not measured).
const AHEAD: usize = 2;

/// The widest load.
const VECTOR_BYTES: usize = 16;

/// Where a warp keeps the pixels of a chunk from one pass to another.
pub(super) struct Kept<'a> {
    /// The tensors, one after the other.
    pub(super) inputs: &'a [Tensor],
    /// The block's shared memory.
    pub(super) memory: Value,
    /// Bytes before the warp's part of it.
    pub(super) start: Value,
    /// Whether the pixels are there: else they are put there when they are read.
    pub(super) is_filled: bool,
}

impl Kept<'_> {
    /// Where the pixel of `tensor` at a position of the chunk is kept, if it is.
    fn place(&self, emitter: &mut Emitter, tensor: Tensor, position: Value) -> Option<Value> {
        let index = self.inputs.iter().position(|input| input.index == tensor.index)?;
        let bytes = |input: Tensor| stored(input).bytes();
        let before = CHUNK * self.inputs[..index].iter().map(|&input| bytes(input)).sum::<usize>();
        let (before, size) = (emitter.index(before), emitter.index(bytes(tensor)));
        let section = emitter.add(self.start, before);
        let offset = emitter.mul(position, size);
        let offset = emitter.add(section, offset);
        Some(emitter.element(self.memory, offset, Scalar::Int(8)))
    }
}

/// How a tensor's pixels are stored.
pub(super) fn stored(tensor: Tensor) -> Scalar {
    Scalar::of(tensor.element).stored()
}

/// Computes a chunk of a row: its pixel outputs and its partials.
pub(super) fn chunk(
    emitter: &mut Emitter,
    schedule: &Schedule,
    kernel: &Kernel,
    call: &Call,
    [row, chunk]: [Value; 2],
    kept: Option<&Kept<'_>>,
) -> Result<(), LowerError> {
    let place = Chunk::new(emitter, call, row, chunk);
    let code = PixelCode::new(schedule, kernel, PIXELS);
    let pixels = ChunkPixels::new(emitter, schedule, call, &place, &code, kept)?;
    let totals = pixels.totals(emitter)?;
    let partials: Vec<_> = totals.into_iter().map(|total| warp_total(emitter, total)).collect();
    if partials.is_empty() {
        return Ok(());
    }
    let zero = emitter.index(0);
    let is_first = emitter.compare("eq", pixels.thread, zero);
    emitter.when(is_first, |emitter| {
        Workspace::new(call, partials.len()).store_partials(emitter, row, chunk, &partials);
        Ok(())
    })
}

/// What the steps of a chunk share.
struct ChunkPixels<'a> {
    call: &'a Call,
    chunk: &'a Chunk,
    code: &'a PixelCode<'a>,
    inputs: Vec<Tensor>,
    hoisted: Values,
    random: Option<(ValueId, Philox)>,
    thread: Value,
    kept: Option<&'a Kept<'a>>,
}

impl<'a> ChunkPixels<'a> {
    fn new(
        emitter: &mut Emitter,
        schedule: &'a Schedule,
        call: &'a Call,
        chunk: &'a Chunk,
        code: &'a PixelCode<'a>,
        kept: Option<&'a Kept<'a>>,
    ) -> Result<Self, LowerError> {
        let group = chunk.group(emitter, call);
        let hoisted = code.hoisted(emitter, &mut GroupValues::new(schedule, call, Some(group)))?;
        let philox = |uniform| (uniform, Philox::for_thread(emitter, call.seed, call.stream));
        let random = code.uniform().map(philox);
        let thread = thread_of_warp(emitter);
        Ok(Self { call, chunk, code, inputs: code.inputs(), hoisted, random, thread, kept })
    }

    /// Runs all steps; gives the thread's totals. A chunk without gaps in tensors
    /// that are aligned is read in vectors and without masks.
    fn totals(&self, emitter: &mut Emitter) -> Result<Vec<Value>, LowerError> {
        let (zero, size) = (emitter.index(0), emitter.index(CHUNK));
        let begins = emitter.compare("eq", self.chunk.begin, zero);
        let ends = emitter.compare("eq", self.chunk.end, size);
        let is_whole = emitter.apply("arith.andi", &[begins, ends]);
        let is_aligned = is_aligned(emitter, self.call, self.inputs.iter().chain(&self.code.outputs));
        let is_vector = emitter.apply("arith.andi", &[is_whole, is_aligned]);
        emitter.choose(
            is_vector,
            |emitter| self.steps(emitter, size, AHEAD, false),
            |emitter| self.steps(emitter, self.chunk.end, 1, true),
        )
    }

    /// The steps up to position `end`, so many at once.
    fn steps(
        &self,
        emitter: &mut Emitter,
        end: Value,
        at_once: usize,
        is_masked: bool,
    ) -> Result<Vec<Value>, LowerError> {
        let zero = |reduction: &PixelReduction| match reduction.is_count {
            true => emitter.integer(I32, 0),
            false => emitter.float(F32.times(PIXELS), 0.0),
        };
        let zeros: Vec<_> = self.code.reductions.iter().map(zero).collect();
        let bounds = [emitter.index(0), end, emitter.index(at_once * LANES)];
        emitter.repeat(bounds, &zeros, |emitter, first, totals| {
            let steps: Vec<_> =
                (0..at_once).map(|number| self.begin(emitter, first, number, is_masked)).collect();
            let loaded: Vec<_> = steps.iter().map(|step| self.load(emitter, step)).collect();
            let mut totals = totals.to_vec();
            for (step, stored) in steps.iter().zip(&loaded) {
                totals = self.compute(emitter, step, stored, &totals)?;
            }
            Ok(totals)
        })
    }

    fn begin(&self, emitter: &mut Emitter, first: Value, number: usize, is_masked: bool) -> Step {
        let width = emitter.index(PIXELS);
        let offset = emitter.mul(self.thread, width);
        let step = emitter.index(number * LANES);
        let start = emitter.add(first, step);
        let position = emitter.add(start, offset);
        let valid = is_masked.then(|| self.chunk.valid(emitter, position, PIXELS));
        // In this order, the thread's own part is the same in all steps.
        let own = self.chunk.linear(emitter, offset);
        Step { position, linear: emitter.add(own, start), valid }
    }

    /// Reads the step's inputs.
    fn load(&self, emitter: &mut Emitter, step: &Step) -> Vec<Value> {
        let load = |&input: &Tensor| {
            let kept =
                self.kept.and_then(|kept| Some((kept.place(emitter, input, step.position)?, kept.is_filled)));
            let (at, ty) = self.address(emitter, input, step);
            if let Some((place, true)) = kept {
                return emitter.load_vector(place, ty, alignment(ty));
            }
            let loaded = match step.valid {
                Some(valid) => emitter.load_masked(at, valid, ty),
                None => emitter.load_vector(at, ty, alignment(ty)),
            };
            if let Some((place, _)) = kept {
                emitter.store_vector(loaded, place, alignment(ty));
            }
            loaded
        };
        self.inputs.iter().map(load).collect()
    }

    /// Computes the thread's four pixels; gives the totals with theirs.
    fn compute(
        &self,
        emitter: &mut Emitter,
        step: &Step,
        loaded: &[Value],
        totals: &[Value],
    ) -> Result<Vec<Value>, LowerError> {
        let mut values = self.hoisted.clone();
        for (&input, &stored) in self.inputs.iter().zip(loaded) {
            self.code.comment(emitter, input.value);
            self.code.read(emitter, &mut values, input, stored);
        }
        if let Some((id, philox)) = &self.random {
            self.code.comment(emitter, *id);
            let two = emitter.index(2);
            let block = emitter.apply("arith.shrui", &[step.linear, two]);
            values.insert(*id, philox.thread(emitter, block));
        }
        self.code.compute(emitter, &mut values)?;
        self.store(emitter, step, &values);
        let add = |(reduction, &total): (&PixelReduction, &Value)| {
            let value = reduction::of_valid(emitter, values[&reduction.operand], step.valid);
            if reduction.is_count {
                add_count(emitter, total, value)
            } else {
                emitter.apply("arith.addf", &[total, value])
            }
        };
        Ok(self.code.reductions.iter().zip(totals).map(add).collect())
    }

    /// Writes the step's outputs.
    fn store(&self, emitter: &mut Emitter, step: &Step, values: &Values) {
        for &output in &self.code.outputs {
            let (at, ty) = self.address(emitter, output, step);
            let stored = leaf::to_stored(emitter, values[&output.value]);
            match step.valid {
                Some(valid) => emitter.store_masked(stored, at, valid),
                None => emitter.store_vector(stored, at, alignment(ty)),
            }
        }
    }

    /// Where the step's pixels of a tensor stand, and as what.
    fn address(&self, emitter: &mut Emitter, tensor: Tensor, step: &Step) -> (Value, ValueType) {
        let ty = ValueType { scalar: stored(tensor), lanes: PIXELS };
        (emitter.element(self.call.pixels[tensor.index], step.linear, ty.scalar), ty)
    }
}

/// Four pixels of a thread.
struct Step {
    position: Value,
    linear: Value,
    /// Which of them are the row's, where not all are.
    valid: Option<Value>,
}

/// How four pixels must be aligned to be loaded at once.
fn alignment(ty: ValueType) -> usize {
    (ty.lanes * ty.scalar.bytes()).min(VECTOR_BYTES)
}

/// Whether all tensors start where four pixels can be loaded at once.
fn is_aligned<'t>(emitter: &mut Emitter, call: &Call, tensors: impl Iterator<Item = &'t Tensor>) -> Value {
    let start = emitter.integer(BIT, 1);
    tensors.fold(start, |so_far, tensor| {
        let pointer = call.pixels[tensor.index];
        let ty = ValueType { scalar: stored(*tensor), lanes: PIXELS };
        let address =
            emitter.pure("address", I64, format!("llvm.ptrtoint {pointer} : {} to i64", pointer.ty));
        let mask = emitter.index(alignment(ty) - 1);
        let offset = emitter.apply("arith.andi", &[address, mask]);
        let zero = emitter.index(0);
        let is_aligned = emitter.compare("eq", offset, zero);
        emitter.apply("arith.andi", &[so_far, is_aligned])
    })
}

/// Adds the lanes that hold to a count, one by one: of their sum LLVM makes a mask of
/// bits first, which takes twice the instructions.
fn add_count(emitter: &mut Emitter, count: Value, mask: Value) -> Value {
    (0..mask.ty.lanes).fold(count, |count, lane| {
        let lane = emitter.extract(mask, lane);
        let one = emitter.convert("arith.extui", lane, I32.scalar);
        emitter.add(count, one)
    })
}

/// A chunk's partial, in the warp's first thread.
fn warp_total(emitter: &mut Emitter, total: Value) -> Value {
    if total.ty == I32 {
        return warp_sum(emitter, "arith.addi", total);
    }
    let lanes = [0, 1, 2, 3].map(|lane| emitter.extract(total, lane));
    let lower = emitter.apply("arith.addf", &lanes[..2]);
    let upper = emitter.apply("arith.addf", &lanes[2..]);
    let sum = emitter.apply("arith.addf", &[lower, upper]);
    warp_sum(emitter, "arith.addf", sum)
}
