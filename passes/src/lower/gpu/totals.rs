//! The partials of a chunk: the sums and counts of its pixels.
//!
//! The terms of a chunk accumulator are added in the order of the steps, then the accumulators
//! by the tree of `sum_shape::chunk_tree`. A warp that has all steps adds each term as it comes.
//! The warps of a block leave theirs in shared memory, where one warp per reduction adds them
//! up.

use lossc_dialect::sum_shape::{CHUNK, CHUNK_ACCUMULATORS};

use super::pixels::Step;
use super::team::Team;
use super::thread::{SHARED_POINTER, barrier, thread_of_warp, warp_of_block, warp_sum};
use super::workspace::Workspace;
use super::{PIXELS, WARPS};
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, F32, I32, Value};
use crate::lower::pixel::{PixelReduction, Values};
use crate::lower::reduction;
use crate::schedule::{Kernel, Schedule};

/// Steps whose terms are loaded before those of the first are added: with more, threads
/// run out of registers.
const UNROLLED_TERMS: usize = 4;

/// Bytes of shared memory that a kernel may declare, according to the PTX ISA.
const MOST_SHARED: usize = 48 << 10;

/// The block's memory for terms: for each sum one float per pixel of the chunk, for each count
/// one number per warp.
pub(super) fn shared_memory(schedule: &Schedule) -> String {
    let length = schedule.kernels.iter().map(|kernel| words(schedule, kernel)).max().unwrap_or(0);
    format!(
        "  llvm.mlir.global internal @terms() {{addr_space = 3 : i32, alignment = 16 : i64}} : \
         !llvm.array<{length} x i32>\n"
    )
}

/// Returns whether the terms of all kernels fit in shared memory next to `other` bytes.
pub(super) fn fit(schedule: &Schedule, other: usize) -> bool {
    let most = schedule.kernels.iter().map(|kernel| words(schedule, kernel)).max().unwrap_or(0);
    other + most * size_of::<u32>() <= MOST_SHARED
}

fn words(schedule: &Schedule, kernel: &Kernel) -> usize {
    let counts =
        kernel.reductions.iter().filter(|&&group_total| schedule.group_totals[group_total].is_count).count();
    (kernel.reductions.len() - counts) * CHUNK + counts * WARPS
}

/// The reductions of a chunk.
pub(super) struct Totals<'a> {
    pub(super) team: Team,
    pub(super) reductions: &'a [PixelReduction],
}

impl Totals<'_> {
    /// The reductions whose totals a thread carries from step to step.
    fn carried(&self) -> impl Iterator<Item = &PixelReduction> {
        self.reductions.iter().filter(|it| it.is_count || self.team == Team::Warp)
    }

    /// The totals with which a thread starts.
    pub(super) fn zeros(&self, emitter: &mut Emitter) -> Vec<Value> {
        let zero = |reduction: &PixelReduction| match reduction.is_count {
            true => emitter.integer(I32, 0),
            false => emitter.float(F32.times(PIXELS), 0.0),
        };
        self.carried().map(zero).collect()
    }

    /// Adds a step's terms.
    pub(super) fn add(
        &self,
        emitter: &mut Emitter,
        values: &Values,
        step: &Step,
        totals: &[Value],
    ) -> Vec<Value> {
        let mut totals = totals.iter();
        let mut sums = vec![];
        for (number, reduction) in self.reductions.iter().enumerate() {
            let term = reduction::of_valid(emitter, values[&reduction.operand], step.valid);
            match (reduction.is_count, self.team) {
                (false, Team::Block) => {
                    let at = self.term(emitter, number, step.position);
                    emitter.store_vector(term, at, PIXELS * F32.scalar.bytes());
                }
                (true, _) => sums.push(add_count(emitter, *totals.next().expect("a total"), term)),
                (false, Team::Warp) => {
                    let total = *totals.next().expect("a total");
                    sums.push(emitter.apply("arith.addf", &[total, term]));
                }
            }
        }
        sums
    }

    /// The address of the term of sum `number` at a position of the chunk.
    fn term(&self, emitter: &mut Emitter, number: usize, position: Value) -> Value {
        let before = emitter.index(self.sums_before(number) * CHUNK);
        let index = emitter.add(before, position);
        let terms = terms(emitter);
        emitter.element(terms, index, F32.scalar)
    }

    /// The index of the first warp's number of count `number`.
    fn first_count(&self, emitter: &mut Emitter, number: usize) -> Value {
        let counts_before = number - self.sums_before(number);
        emitter.index(self.sums_before(self.reductions.len()) * CHUNK + counts_before * WARPS)
    }

    fn sums_before(&self, number: usize) -> usize {
        self.reductions[..number].iter().filter(|it| !it.is_count).count()
    }

    /// Writes the chunk's partials from the threads' totals.
    pub(super) fn finish(
        &self,
        emitter: &mut Emitter,
        call: &Call,
        [plane, chunk]: [Value; 2],
        totals: Vec<Value>,
    ) {
        if self.reductions.is_empty() {
            return;
        }
        let workspace = Workspace::new(call, self.reductions.len());
        let partials: Vec<_> = totals.into_iter().map(|total| warp_total(emitter, total)).collect();
        match self.team {
            Team::Warp => on_first_thread(emitter, |emitter| {
                for (number, &partial) in partials.iter().enumerate() {
                    workspace.store_partial(emitter, plane, chunk, number, partial);
                }
            }),
            Team::Block => {
                self.leave_counts(emitter, &partials);
                barrier(emitter);
                for number in 0..self.reductions.len() {
                    let (warp, this) = (warp_of_block(emitter), emitter.index(number % WARPS));
                    let is_mine = emitter.compare("eq", warp, this);
                    emitter.when_true(is_mine, |emitter| {
                        let partial = self.of_block(emitter, number);
                        on_first_thread(emitter, |emitter| {
                            workspace.store_partial(emitter, plane, chunk, number, partial);
                        });
                    });
                }
            }
        }
    }

    /// Leaves the warp's counts for the warp that adds them.
    fn leave_counts(&self, emitter: &mut Emitter, counts: &[Value]) {
        let warp = warp_of_block(emitter);
        on_first_thread(emitter, |emitter| {
            let numbers = (0..self.reductions.len()).filter(|&number| self.reductions[number].is_count);
            for (number, &count) in numbers.zip(counts) {
                let first = self.first_count(emitter, number);
                let (terms, index) = (terms(emitter), emitter.add(first, warp));
                emitter.store_element(count, terms, index);
            }
        });
    }

    /// The partial of a reduction from the terms and counts that the block's warps have left.
    fn of_block(&self, emitter: &mut Emitter, number: usize) -> Value {
        if self.reductions[number].is_count {
            let first = self.first_count(emitter, number);
            let (terms, ty) = (terms(emitter), I32.times(WARPS));
            let at = emitter.element(terms, first, I32.scalar);
            let counts = emitter.load_vector(at, ty, I32.scalar.bytes());
            return emitter.pure("count", I32, format!("vector.reduction <add>, {counts} : {ty} into i32"));
        }
        let zero = emitter.float(F32.times(PIXELS), 0.0);
        let bounds =
            [emitter.index(0), emitter.index(CHUNK), emitter.index(UNROLLED_TERMS * CHUNK_ACCUMULATORS)];
        let total = emitter.sum_up(bounds, zero, |emitter, first, total| {
            let terms: Vec<_> =
                (0..UNROLLED_TERMS).map(|step| self.own_terms(emitter, number, first, step)).collect();
            terms.iter().fold(total, |total, &term| emitter.apply("arith.addf", &[total, term]))
        });
        warp_total(emitter, total)
    }

    /// The terms of this thread's lanes, `step` steps after the one that starts at position
    /// `first`.
    fn own_terms(&self, emitter: &mut Emitter, number: usize, first: Value, step: usize) -> Value {
        let (thread, width) = (thread_of_warp(emitter), emitter.index(PIXELS));
        let own = emitter.mul(thread, width);
        let start = emitter.add(first, own);
        let offset = emitter.index(step * CHUNK_ACCUMULATORS);
        let position = emitter.add(start, offset);
        let at = self.term(emitter, number, position);
        emitter.load_vector(at, F32.times(PIXELS), PIXELS * F32.scalar.bytes())
    }
}

fn terms(emitter: &mut Emitter) -> Value {
    emitter.pure("terms", SHARED_POINTER, format!("llvm.mlir.addressof @terms : {SHARED_POINTER}"))
}

fn on_first_thread(emitter: &mut Emitter, body: impl FnOnce(&mut Emitter)) {
    let (thread, zero) = (thread_of_warp(emitter), emitter.index(0));
    let is_first = emitter.compare("eq", thread, zero);
    emitter.when_true(is_first, body);
}

/// Adds the lanes that hold to a count, one by one: for their sum LLVM first makes a mask of
/// bits, which takes twice the instructions.
fn add_count(emitter: &mut Emitter, count: Value, mask: Value) -> Value {
    (0..mask.ty.lanes).fold(count, |count, lane| {
        let lane = emitter.extract(mask, lane);
        let one = emitter.convert("arith.extui", lane, I32.scalar);
        emitter.add(count, one)
    })
}

/// A warp's total, in its first thread.
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
