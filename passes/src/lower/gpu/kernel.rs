//! `kernel_K`: the pixels.

use lossc_dialect::ValueId;
use lossc_dialect::numbers::LANES;

use super::thread::{thread_of_warp, warp, warp_sum};
use super::{BLOCK, PIXELS, WARP, entry, kernel_arrays};
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{BIT, Emitter, F32, I32, I64, Scalar, Value, ValueType};
use crate::lower::group::GroupValues;
use crate::lower::pixel::{PixelCode, Tensor, Values};
use crate::lower::random::Philox;
use crate::lower::{LowerError, leaf, reduction};
use crate::schedule::{Kernel, Schedule};

/// A warp covers each lane once a step.
const _: () = assert!(WARP * PIXELS == LANES);

/// The widest load.
const VECTOR_BYTES: usize = 16;

pub(super) fn function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    entry("kernel", index, BLOCK, kernel_arrays(schedule), |emitter, call| {
        let warp = warp(emitter);
        let chunks = call.chunks(emitter);
        let has_chunk = emitter.compare("ult", warp, chunks);
        emitter.when(has_chunk, |emitter| {
            let row = emitter.apply("arith.divui", &[warp, call.chunks_per_row]);
            let chunk = emitter.apply("arith.remui", &[warp, call.chunks_per_row]);
            let chunk = Chunk::new(emitter, call, row, chunk);
            let code = PixelCode::new(schedule, kernel, PIXELS);
            GpuKernel::new(emitter, schedule, call, &chunk, &code)?.emit(emitter)
        })
    })
}

/// What the steps of a chunk share.
struct GpuKernel<'a> {
    call: &'a Call,
    chunk: &'a Chunk,
    code: &'a PixelCode<'a>,
    inputs: Vec<Tensor>,
    hoisted: Values,
    random: Option<(ValueId, Philox)>,
    thread: Value,
    /// Whether four pixels may be loaded and stored at once.
    is_aligned: Value,
}

impl<'a> GpuKernel<'a> {
    fn new(
        emitter: &mut Emitter,
        schedule: &'a Schedule,
        call: &'a Call,
        chunk: &'a Chunk,
        code: &'a PixelCode<'a>,
    ) -> Result<Self, LowerError> {
        let group = chunk.group(emitter, call);
        let hoisted = code.hoisted(emitter, &mut GroupValues::new(schedule, call, Some(group)))?;
        let philox = |uniform| (uniform, Philox::for_thread(emitter, call.seed, call.stream));
        let random = code.uniform().map(philox);
        let thread = thread_of_warp(emitter);
        let inputs = code.inputs();
        let is_aligned = is_aligned(emitter, call, inputs.iter().chain(&code.outputs));
        Ok(Self { call, chunk, code, inputs, hoisted, random, thread, is_aligned })
    }

    /// All steps, then the partials.
    fn emit(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        let mut zero = |is_count: bool| match is_count {
            true => emitter.integer(I32, 0),
            false => emitter.float(F32.times(PIXELS), 0.0),
        };
        let initial: Vec<_> = self.code.reductions.iter().map(|reduction| zero(reduction.is_count)).collect();
        let bounds = [emitter.index(0), self.chunk.end, emitter.index(LANES)];
        let totals = emitter.repeat(bounds, &initial, |emitter, step, totals| {
            let width = emitter.index(PIXELS);
            let offset = emitter.mul(self.thread, width);
            let position = emitter.add(step, offset);
            self.step(emitter, position, totals)
        })?;
        let totals: Vec<_> = totals.into_iter().map(|total| warp_total(emitter, total)).collect();
        let zero = emitter.index(0);
        let is_first = emitter.compare("eq", self.thread, zero);
        emitter.when(is_first, |emitter| {
            for (index, &total) in totals.iter().enumerate() {
                self.chunk.store_partial(emitter, self.call, index, total);
            }
            Ok(())
        })
    }

    /// The thread's four pixels from `position` on; gives the totals with theirs.
    /// What they give is masked, not branched around, so that the code stands once.
    fn step(
        &self,
        emitter: &mut Emitter,
        position: Value,
        totals: &[Value],
    ) -> Result<Vec<Value>, LowerError> {
        let valid = self.chunk.valid(emitter, position, PIXELS);
        let is_whole = self.chunk.is_whole(emitter, position, PIXELS);
        let is_vector = emitter.apply("arith.andi", &[is_whole, self.is_aligned]);
        let linear = self.chunk.linear(emitter, position);
        let mut values = self.hoisted.clone();
        self.load(emitter, linear, is_vector, valid, &mut values)?;
        if let Some((id, philox)) = &self.random {
            self.code.comment(emitter, *id);
            let block = self.chunk.random_block(emitter, position);
            values.insert(*id, philox.thread(emitter, block));
        }
        self.code.compute(emitter, &mut values)?;
        self.store(emitter, linear, is_vector, valid, &values)?;
        let with_valid = |(reduction, &total): (&crate::lower::pixel::PixelReduction, &Value)| {
            let value = reduction::of_valid(emitter, values[&reduction.operand], Some(valid));
            if reduction.is_count {
                add_count(emitter, total, value)
            } else {
                emitter.apply("arith.addf", &[total, value])
            }
        };
        Ok(self.code.reductions.iter().zip(totals).map(with_valid).collect())
    }

    /// Reads the inputs at a linear index, in one branch for all.
    fn load(
        &self,
        emitter: &mut Emitter,
        linear: Value,
        is_vector: Value,
        valid: Value,
        values: &mut Values,
    ) -> Result<(), LowerError> {
        let at = self.addresses(emitter, &self.inputs, linear);
        let vectors = |emitter: &mut Emitter| -> Result<Vec<Value>, LowerError> {
            Ok(at.iter().map(|&(at, ty)| emitter.load_vector(at, ty, alignment(ty))).collect())
        };
        let single = |emitter: &mut Emitter| -> Result<Vec<Value>, LowerError> {
            Ok(at.iter().map(|&(at, ty)| emitter.load_masked(at, valid, ty)).collect())
        };
        if !at.is_empty() {
            let loaded = emitter.choose(is_vector, vectors, single)?;
            for (&input, stored) in self.inputs.iter().zip(loaded) {
                self.code.comment(emitter, input.value);
                self.code.read(emitter, values, input, stored);
            }
        }
        Ok(())
    }

    /// Writes the outputs at a linear index.
    fn store(
        &self,
        emitter: &mut Emitter,
        linear: Value,
        is_vector: Value,
        valid: Value,
        values: &Values,
    ) -> Result<(), LowerError> {
        let outputs = &self.code.outputs;
        let at = self.addresses(emitter, outputs, linear);
        let stored: Vec<_> =
            outputs.iter().map(|output| leaf::to_stored(emitter, values[&output.value])).collect();
        let pairs = || stored.iter().copied().zip(&at);
        if at.is_empty() {
            return Ok(());
        }
        let vectors = |emitter: &mut Emitter| {
            pairs().for_each(|(value, &(at, ty))| emitter.store_vector(value, at, alignment(ty)));
            Ok(vec![])
        };
        let single = |emitter: &mut Emitter| {
            pairs().for_each(|(value, &(at, _))| emitter.store_masked(value, at, valid));
            Ok(vec![])
        };
        emitter.choose(is_vector, vectors, single)?;
        Ok(())
    }

    /// Where four pixels of each tensor stand, and as what.
    fn addresses(&self, emitter: &mut Emitter, tensors: &[Tensor], linear: Value) -> Vec<(Value, ValueType)> {
        let address = |tensor: &Tensor| {
            let ty = ValueType { scalar: Scalar::of(tensor.element).stored(), lanes: PIXELS };
            (emitter.element(self.call.pixels[tensor.index], linear, ty.scalar), ty)
        };
        tensors.iter().map(address).collect()
    }
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
        let ty = ValueType { scalar: Scalar::of(tensor.element), lanes: PIXELS };
        let address =
            emitter.pure("address", I64, format!("llvm.ptrtoint {pointer} : {} to i64", pointer.ty));
        let mask = emitter.index(alignment(ty) - 1);
        let offset = emitter.apply("arith.andi", &[address, mask]);
        let zero = emitter.index(0);
        let is_aligned = emitter.compare("eq", offset, zero);
        emitter.apply("arith.andi", &[so_far, is_aligned])
    })
}

/// Adds the lanes that hold to a count.
fn add_count(emitter: &mut Emitter, count: Value, mask: Value) -> Value {
    let ones = emitter.convert("arith.extui", mask, I32.scalar);
    let held = emitter.pure("held", I32, format!("vector.reduction <add>, {ones} : {} into i32", ones.ty));
    emitter.add(count, held)
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
