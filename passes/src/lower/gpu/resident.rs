//! Values of pixels that a launch keeps resident, in the shared memory of the multiprocessors.
//!
//! Each warp has capacity for a number of *steps*, of four pixels per thread. A step's slot
//! holds its floats, each 16 bytes per thread, then its masks, four bits per thread each, up to
//! eight of them in a word. So neighbouring threads write neighbouring words, and no two
//! conflict in a bank.

use lossc_dialect::ValueId;
use lossc_dialect::sum_shape::CHUNK_ACCUMULATORS;

use super::team::Team;
use super::thread::{SHARED_POINTER, thread_of_warp, warp_of_block};
use super::{PIXELS, WARP};
use crate::lower::emit::{BIT, Emitter, F32, I32, I64, Scalar, Value, ValueType};
use crate::lower::pixel::Values;
use crate::schedule::{Buffer, Kernel, Schedule};

/// The most masks of four pixels that a word has bits for.
const MASKS: usize = 32 / PIXELS;

/// The resident values of a step.
pub(super) struct ResidentStep {
    floats: Vec<ValueId>,
    /// By word.
    masks: Vec<Vec<ValueId>>,
}

impl ResidentStep {
    /// The values that `kernel` keeps resident.
    pub(super) fn of(schedule: &Schedule, kernel: &Kernel) -> Self {
        let is_float = |saved: &usize| schedule.buffer_of(*saved) == Buffer::Float;
        let (floats, masks): (Vec<usize>, Vec<usize>) = kernel.saves.iter().partition(|it| is_float(it));
        let values = |saved: &[usize]| saved.iter().map(|&it| schedule.saved[it].value).collect();
        Self { floats: values(&floats), masks: masks.chunks(MASKS).map(values).collect() }
    }

    /// The size of a step in bytes, a multiple of the widest access.
    pub(super) fn bytes(&self) -> usize {
        let words: usize = self.masks.iter().map(|masks| word(masks).bytes()).sum();
        self.floats.len() * CHUNK_ACCUMULATORS * F32.scalar.bytes() + words * WARP
    }

    /// The addresses of this thread's parts of the step at `place`: of each float, then of each
    /// word.
    fn parts(&self, emitter: &mut Emitter, place: Value) -> Vec<Value> {
        let floats = self.floats.iter().map(|_| PIXELS * F32.scalar.bytes());
        let sizes = floats.chain(self.masks.iter().map(|masks| word(masks).bytes()));
        let mut before = 0;
        let part = |bytes| {
            let (start, size) = (emitter.index(before), emitter.index(bytes));
            before += WARP * bytes;
            let thread = thread_of_warp(emitter);
            let own = emitter.mul(thread, size);
            let offset = emitter.add(start, own);
            emitter.element(place, offset, Scalar::Int(8))
        };
        sizes.map(part).collect()
    }

    /// Writes the values of this thread's four pixels.
    pub(super) fn store(&self, emitter: &mut Emitter, place: Value, values: &Values) {
        let parts = self.parts(emitter, place);
        let (floats, words) = parts.split_at(self.floats.len());
        for (value, &at) in self.floats.iter().zip(floats) {
            emitter.store_vector(values[value], at, PIXELS * F32.scalar.bytes());
        }
        for (masks, &at) in self.masks.iter().zip(words) {
            let bits = pack(emitter, masks.iter().map(|mask| values[mask]));
            let bits = emitter.convert("arith.trunci", bits, word(masks));
            emitter.store(bits, at);
        }
    }

    /// Reads the values of this thread's four pixels.
    pub(super) fn load(&self, emitter: &mut Emitter, place: Value) -> Values {
        let parts = self.parts(emitter, place);
        let (floats, words) = parts.split_at(self.floats.len());
        let mut values = Values::new();
        for (&value, &at) in self.floats.iter().zip(floats) {
            let ty = F32.times(PIXELS);
            values.insert(value, emitter.load_vector(at, ty, PIXELS * F32.scalar.bytes()));
        }
        for (masks, &at) in self.masks.iter().zip(words) {
            let bits = emitter.load("resident", at, ValueType::one(word(masks)));
            let bits = emitter.convert("arith.extui", bits, I32.scalar);
            values.extend(
                masks.iter().enumerate().map(|(number, &mask)| (mask, unpack(emitter, bits, number))),
            );
        }
        values
    }
}

/// The word that holds these masks.
fn word(masks: &[ValueId]) -> Scalar {
    Scalar::Int((masks.len() * PIXELS).next_power_of_two().max(8) as u32)
}

/// The word with the masks of a thread's pixels.
fn pack(emitter: &mut Emitter, masks: impl Iterator<Item = Value>) -> Value {
    let mut bits = emitter.integer(I32, 0);
    for (number, mask) in masks.enumerate() {
        for lane in 0..PIXELS {
            let (lane_bit, place) = (emitter.extract(mask, lane), emitter.integer(I32, bit(number, lane)));
            let zero = emitter.integer(I32, 0);
            let own = emitter.select(lane_bit, place, zero);
            bits = emitter.apply("arith.ori", &[bits, own]);
        }
    }
    bits
}

/// The mask number `number` of a word.
fn unpack(emitter: &mut Emitter, bits: Value, number: usize) -> Value {
    let lanes = [0, 1, 2, 3].map(|lane| {
        let place = emitter.integer(I32, bit(number, lane));
        let own = emitter.apply("arith.andi", &[bits, place]);
        let zero = emitter.integer(I32, 0);
        emitter.compare("ne", own, zero)
    });
    let [a, b, c, d] = lanes;
    let ty = BIT.times(PIXELS);
    emitter.pure("mask", ty, format!("vector.from_elements {a}, {b}, {c}, {d} : {ty}"))
}

/// The bit of a pixel in a word.
fn bit(mask: usize, lane: usize) -> i64 {
    1 << (mask * PIXELS + lane)
}

/// The memory that a launch gives each block.
pub(super) fn shared_memory() -> String {
    "  llvm.mlir.global external @resident() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i8>\n"
        .to_owned()
}

/// A warp's share of the shared memory: slots for steps, and one more that takes the steps
/// without a slot, so no branch is needed.
pub(super) struct Capacity<'a> {
    pub(super) step: &'a ResidentStep,
    pub(super) team: Team,
    /// The number of slots, in 32 bits like all counts in shared memory.
    pub(super) steps: Value,
}

impl Capacity<'_> {
    /// The slots of the warp's steps of its block's tile number `tile`.
    pub(super) fn slots(&self, emitter: &mut Emitter, tile: Value) -> Slots<'_> {
        let share = emitter.index(self.team.steps_per_warp());
        let before = emitter.mul(tile, share);
        let steps = emitter.convert("arith.extui", self.steps, I64.scalar);
        let before = emitter.apply("arith.minsi", &[before, steps]);
        let left = emitter.apply("arith.subi", &[steps, before]);
        let resident = emitter.apply("arith.minsi", &[left, share]);
        let before = emitter.convert("arith.trunci", before, I32.scalar);
        let (warp, one) = (warp_of_block(emitter), emitter.integer(I32, 1));
        let warp = emitter.convert("arith.trunci", warp, I32.scalar);
        let slots = emitter.add(self.steps, one);
        let of_warps = emitter.mul(warp, slots);
        let first = emitter.add(of_warps, before);
        Slots { step: self.step, first, resident }
    }
}

/// The slots of a warp's steps of a tile.
pub(super) struct Slots<'a> {
    pub(super) step: &'a ResidentStep,
    /// The number of the first slot among those of the block.
    first: Value,
    /// The number of steps that have slots. If not all have, the slots are followed by the one
    /// that takes any step.
    pub(super) resident: Value,
}

impl Slots<'_> {
    /// The slot of step `number` of the tile, or the one that takes any step.
    pub(super) fn to_write(&self, emitter: &mut Emitter, number: Value) -> Value {
        let resident = emitter.convert("arith.trunci", self.resident, I32.scalar);
        let place = emitter.apply("arith.minsi", &[number, resident]);
        self.to_read(emitter, place)
    }

    /// The slot of the resident step `number` of the tile.
    pub(super) fn to_read(&self, emitter: &mut Emitter, number: Value) -> Value {
        let place = emitter.add(self.first, number);
        let bytes = emitter.integer(I32, self.step.bytes() as i64);
        let offset = emitter.mul(place, bytes);
        let offset = emitter.convert("arith.extui", offset, I64.scalar);
        let memory = format!("llvm.mlir.addressof @resident : {SHARED_POINTER}");
        let memory = emitter.pure("resident", SHARED_POINTER, memory);
        emitter.element(memory, offset, Scalar::Int(8))
    }
}
