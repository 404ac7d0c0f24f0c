//! The pixels of a chunk, in a warp or a block.

use lossc_dialect::ValueId;
use lossc_dialect::sum_shape::{CHUNK, CHUNK_ACCUMULATORS};

use super::kernel::{Pass, Work};
use super::resident::Slots;
use super::team::Team;
use super::thread::thread_of_warp;
use super::totals::Totals;
use super::{AHEAD, PIXELS, WARP};
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{BIT, Emitter, I32, I64, Scalar, Value, ValueType};
use crate::lower::group::GroupValues;
use crate::lower::pixel::{PixelCode, Tensor, Values};
use crate::lower::random::Philox;
use crate::lower::{LowerError, leaf};

/// In a step, a warp covers each chunk accumulator once.
const _: () = assert!(WARP * PIXELS == CHUNK_ACCUMULATORS);

/// The widest load.
const VECTOR_BYTES: usize = 16;

/// Computes this warp's steps of a chunk of a plane: their pixel outputs and, with those of the
/// rest of its team, the chunk's partials.
pub(super) fn chunk(
    emitter: &mut Emitter,
    pass: &Pass<'_>,
    [plane, chunk]: [Value; 2],
) -> Result<(), LowerError> {
    let place = Chunk::new(emitter, pass.call, plane, chunk);
    let steps = |emitter: &mut Emitter, kernel, part| {
        let code = PixelCode::new(pass.schedule, kernel, PIXELS);
        let pixels = ChunkPixels::new(emitter, pass, &place, &code, part)?;
        let totals = pixels.run(emitter)?;
        pixels.totals.finish(emitter, pass.call, [plane, chunk], totals);
        Ok(())
    };
    match pass.work {
        Work::Compute => steps(emitter, pass.kernel, Part::All),
        Work::Save(slots) => steps(emitter, pass.kernel, Part::Saving(slots)),
        Work::Load(reading, slots) => {
            steps(emitter, reading, Part::Resident(slots))?;
            steps(emitter, pass.kernel, Part::Rest(slots))
        }
    }
}

/// The steps of a warp that are computed.
#[derive(Clone, Copy)]
enum Part<'a> {
    All,
    /// All, keeping the steps resident that have a slot.
    Saving(&'a Slots<'a>),
    /// The resident steps.
    Resident(&'a Slots<'a>),
    /// The steps that are not resident.
    Rest(&'a Slots<'a>),
}

/// The values that the steps of a chunk share.
struct ChunkPixels<'a> {
    call: &'a Call,
    chunk: &'a Chunk,
    code: &'a PixelCode<'a>,
    inputs: Vec<Tensor>,
    hoisted: Values,
    random: Option<(ValueId, Philox)>,
    thread: Value,
    team: Team,
    part: Part<'a>,
    totals: Totals<'a>,
}

impl<'a> ChunkPixels<'a> {
    fn new(
        emitter: &mut Emitter,
        pass: &Pass<'a>,
        chunk: &'a Chunk,
        code: &'a PixelCode<'a>,
        part: Part<'a>,
    ) -> Result<Self, LowerError> {
        let Pass { schedule, call, team, .. } = *pass;
        let group = chunk.group(emitter, call);
        let hoisted = code.hoisted(emitter, &mut GroupValues::new(schedule, call, Some(group)))?;
        let philox = |uniform| (uniform, Philox::for_thread(emitter, call.seed, call.stream));
        let random = code.uniform().map(philox);
        let (thread, inputs) = (thread_of_warp(emitter), code.inputs());
        let totals = Totals { team, reductions: &code.reductions };
        Ok(Self { call, chunk, code, inputs, hoisted, random, thread, team, part, totals })
    }

    /// Runs the steps of the part; returns the thread's totals. A chunk without gaps in aligned
    /// tensors is read in vectors and without masks.
    fn run(&self, emitter: &mut Emitter) -> Result<Vec<Value>, LowerError> {
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

    /// Runs the steps of the part up to position `end`, `unrolled` at a time.
    fn steps(
        &self,
        emitter: &mut Emitter,
        end: Value,
        unrolled: usize,
        is_masked: bool,
    ) -> Result<Vec<Value>, LowerError> {
        let [begin, end] = self.span(emitter, end);
        let step = emitter.index(unrolled * CHUNK_ACCUMULATORS);
        let zeros = self.totals.zeros(emitter);
        emitter.repeat([begin, end, step], &zeros, |emitter, first, totals| {
            let steps: Vec<_> =
                (0..unrolled).map(|number| self.begin(emitter, first, number, is_masked)).collect();
            let loaded: Vec<_> = steps.iter().map(|step| self.load(emitter, step)).collect();
            let mut totals = totals.to_vec();
            for (step, loaded) in steps.iter().zip(loaded) {
                totals = self.compute(emitter, step, loaded, &totals)?;
            }
            Ok(totals)
        })
    }

    /// The first position of the part, and the one after its last.
    fn span(&self, emitter: &mut Emitter, end: Value) -> [Value; 2] {
        let [begin, end] = self.team.span(emitter, end);
        let resident_end = |emitter: &mut Emitter, slots: &Slots<'_>| {
            let lanes = emitter.index(CHUNK_ACCUMULATORS);
            let resident = emitter.mul(slots.resident, lanes);
            emitter.add(begin, resident)
        };
        match self.part {
            Part::All | Part::Saving(_) => [begin, end],
            Part::Resident(slots) => {
                let resident_end = resident_end(emitter, slots);
                [begin, emitter.apply("arith.minsi", &[resident_end, end])]
            }
            Part::Rest(slots) => [resident_end(emitter, slots), end],
        }
    }

    fn begin(&self, emitter: &mut Emitter, first: Value, number: usize, is_masked: bool) -> Step {
        let width = emitter.index(PIXELS);
        let offset = emitter.mul(self.thread, width);
        let step = emitter.index(number * CHUNK_ACCUMULATORS);
        let start = emitter.add(first, step);
        let position = emitter.add(start, offset);
        let valid = is_masked.then(|| self.chunk.valid(emitter, position, PIXELS));
        // In this order, the thread's own part is the same in all steps.
        let own = self.chunk.linear(emitter, offset);
        Step { start, position, linear: emitter.add(own, start), valid }
    }

    /// Reads the step's values from memory or shared memory.
    fn load(&self, emitter: &mut Emitter, step: &Step) -> Values {
        let mut values = match self.part {
            Part::Resident(slots) => {
                let number = self.number(emitter, step);
                let at = slots.to_read(emitter, number);
                slots.step.load(emitter, at)
            }
            _ => Values::new(),
        };
        for &input in &self.inputs {
            let (at, ty) = self.address(emitter, input, step);
            let stored = match step.valid {
                Some(valid) => emitter.load_masked(at, valid, ty),
                None => emitter.load_invariant(at, ty, alignment(ty)),
            };
            values.insert(input.value, stored);
        }
        values
    }

    /// The number of a step among the warp's steps of the chunk, in 32 bits.
    fn number(&self, emitter: &mut Emitter, step: &Step) -> Value {
        let [begin, _] = self.team.span(emitter, self.chunk.end);
        let [start, begin] = [step.start, begin].map(|it| emitter.convert("arith.trunci", it, I32.scalar));
        let offset = emitter.apply("arith.subi", &[start, begin]);
        let bits = emitter.integer(I32, i64::from(CHUNK_ACCUMULATORS.ilog2()));
        emitter.apply("arith.shrui", &[offset, bits])
    }

    /// Computes the thread's four pixels; returns the totals with their terms added.
    fn compute(
        &self,
        emitter: &mut Emitter,
        step: &Step,
        loaded: Values,
        totals: &[Value],
    ) -> Result<Vec<Value>, LowerError> {
        let mut values = self.hoisted.clone();
        values.extend(loaded);
        for &input in &self.inputs {
            self.code.comment(emitter, input.value);
            let stored = values[&input.value];
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
        if let Part::Saving(slots) = self.part {
            let number = self.number(emitter, step);
            let at = slots.to_write(emitter, number);
            slots.step.store(emitter, at, &values);
        }
        Ok(self.totals.add(emitter, &values, step, totals))
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

    /// The address of the step's pixels in a tensor, and their type.
    fn address(&self, emitter: &mut Emitter, tensor: Tensor, step: &Step) -> (Value, ValueType) {
        let ty = ValueType { scalar: stored(tensor), lanes: PIXELS };
        (emitter.element(self.call.pixels[tensor.index], step.linear, ty.scalar), ty)
    }
}

/// Four pixels of a thread.
pub(super) struct Step {
    /// The position of the warp's first pixel.
    start: Value,
    /// The position of the thread's first pixel.
    pub(super) position: Value,
    linear: Value,
    /// The mask of the pixels that are the plane's; `None` if all are.
    pub(super) valid: Option<Value>,
}

/// The type of a tensor's pixels in memory.
fn stored(tensor: Tensor) -> Scalar {
    Scalar::of(tensor.element).stored()
}

/// The alignment that loading four pixels at once needs.
fn alignment(ty: ValueType) -> usize {
    (ty.lanes * ty.scalar.bytes()).min(VECTOR_BYTES)
}

/// Returns whether all tensors start at an address from which four pixels can be loaded at once.
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
