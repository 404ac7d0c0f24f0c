//! The totals of a plane from the partials of its chunks, in the order of
//! `numbers::combine_chunks`: each thread of the block is an accumulator.

use lossc_dialect::sum_shape::PLANE_ACCUMULATORS;

use super::thread::{SHARED_POINTER, barrier, thread_of_block, thread_of_warp, warp_of_block, warp_sum};
use super::workspace::Workspace;
use super::{BLOCK, WARP, WARPS};
use crate::lower::LowerError;
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, F32, F64, I32, I64, Value, ValueType};
use crate::schedule::{Kernel, Schedule};

const _: () = assert!(PLANE_ACCUMULATORS == BLOCK);

/// Chunks whose partials a thread loads before it adds the first. Each load takes about a
/// third of a microsecond, and the rest of the device waits for them.
const CHUNKS_AHEAD: usize = 4;

/// The types and operations by which the partials of a reduction are added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) partial: ValueType,
    pub(super) total: ValueType,
    widen: &'static str,
    pub(super) addition: &'static str,
    zero: &'static str,
}

const SUM: Kind = Kind { partial: F32, total: F64, widen: "arith.extf", addition: "arith.addf", zero: "0.0" };
const COUNT: Kind =
    Kind { partial: I32, total: I64, widen: "arith.extui", addition: "arith.addi", zero: "0" };

impl Kind {
    pub(super) fn zero(self, emitter: &mut Emitter) -> Value {
        emitter.constant(self.total, self.zero)
    }
}

/// The block's shared memory: an accumulator for each reduction and thread.
pub(super) fn shared_memory(schedule: &Schedule) -> String {
    let length = shared_bytes(schedule) / size_of::<u64>();
    format!(
        "  llvm.mlir.global internal @accumulators() {{addr_space = 3 : i32}} : !llvm.array<{length} x i64>\n"
    )
}

/// The size of the accumulators.
pub(super) fn shared_bytes(schedule: &Schedule) -> usize {
    let most = schedule.kernels.iter().map(|kernel| kernel.reductions.len()).max().unwrap_or(0);
    most.max(1) * BLOCK * size_of::<u64>()
}

/// The address of the accumulators.
pub(super) fn accumulators(emitter: &mut Emitter) -> Value {
    let address = format!("llvm.mlir.addressof @accumulators : {SHARED_POINTER}");
    emitter.pure("accumulators", SHARED_POINTER, address)
}

/// The reductions of a pass.
pub(super) struct Combine<'a> {
    pub(super) call: &'a Call,
    pub(super) workspace: Workspace<'a>,
    /// The kind of each reduction.
    pub(super) kinds: Vec<Kind>,
    /// The index of each reduction's group total.
    pub(super) group_totals: &'a [usize],
}

impl<'a> Combine<'a> {
    pub(super) fn new(schedule: &Schedule, kernel: &'a Kernel, call: &'a Call) -> Self {
        let kind =
            |&group_total: &usize| if schedule.group_totals[group_total].is_count { COUNT } else { SUM };
        let kinds = kernel.reductions.iter().map(kind).collect();
        let workspace = Workspace::new(call, kernel.reductions.len());
        Self { call, workspace, kinds, group_totals: &kernel.reductions }
    }

    /// Zeros, one for each reduction.
    pub(super) fn zeros(&self, emitter: &mut Emitter) -> Vec<Value> {
        self.kinds.iter().map(|kind| kind.zero(emitter)).collect()
    }

    /// Adds the chunks of a plane and leaves its totals in the workspace. All threads
    /// of the block take part.
    pub(super) fn plane(&self, emitter: &mut Emitter, plane: Value) -> Result<(), LowerError> {
        let own = self.own_chunks(emitter, plane)?;
        let accumulators = accumulators(emitter);
        let thread = thread_of_block(emitter);
        for (reduction, &total) in own.iter().enumerate() {
            let first = emitter.index(reduction * BLOCK);
            let index = emitter.add(first, thread);
            emitter.store_element(total, accumulators, index);
        }
        barrier(emitter);
        for (reduction, &kind) in self.kinds.iter().enumerate() {
            let (warp, this) = (warp_of_block(emitter), emitter.index(reduction % WARPS));
            let is_mine = emitter.compare("eq", warp, this);
            emitter.when(is_mine, |emitter| self.halve(emitter, kind, reduction, plane, accumulators))?;
        }
        Ok(())
    }

    /// The thread's accumulators: those of the chunks whose number modulo the block size is the
    /// thread's.
    fn own_chunks(&self, emitter: &mut Emitter, plane: Value) -> Result<Vec<Value>, LowerError> {
        let zeros = self.zeros(emitter);
        let thread = thread_of_block(emitter);
        let bounds = [thread, self.call.chunks_per_plane, emitter.index(CHUNKS_AHEAD * BLOCK)];
        emitter.repeat(bounds, &zeros, |emitter, first, totals| {
            let mut totals = totals.to_vec();
            let mut loaded = vec![];
            for number in 0..CHUNKS_AHEAD {
                let offset = emitter.index(number * BLOCK);
                let chunk = emitter.add(first, offset);
                loaded.push(self.partials(emitter, plane, chunk));
            }
            for partials in loaded {
                for ((total, partial), kind) in totals.iter_mut().zip(partials).zip(&self.kinds) {
                    let partial = emitter.convert(kind.widen, partial, kind.total.scalar);
                    *total = emitter.apply(kind.addition, &[*total, partial]);
                }
            }
            Ok(totals)
        })
    }

    /// The partials of a chunk, or zeros, which change no sum, after the plane's last chunk.
    /// There is no branch, so no load waits for another.
    fn partials(&self, emitter: &mut Emitter, plane: Value, chunk: Value) -> Vec<Value> {
        let chunks = self.call.chunks_per_plane;
        let (exists, place) = within(emitter, chunk, chunks);
        let partials = self.workspace.load_partials(emitter, plane, place, &self.kinds);
        let or_zero = |(partial, kind): (Value, &Kind)| {
            let zero = emitter.constant(kind.partial, kind.zero);
            emitter.select(exists, partial, zero)
        };
        partials.into_iter().zip(&self.kinds).map(or_zero).collect()
    }

    /// Adds the accumulators of a reduction by halving, in one warp.
    fn halve(
        &self,
        emitter: &mut Emitter,
        kind: Kind,
        reduction: usize,
        plane: Value,
        accumulators: Value,
    ) -> Result<(), LowerError> {
        let thread = thread_of_warp(emitter);
        let load = |part: usize| {
            let first = emitter.index(reduction * BLOCK + part * WARP);
            let index = emitter.add(first, thread);
            emitter.load_element("half", accumulators, index, kind.total)
        };
        let mut parts: Vec<_> = (0..WARPS).map(load).collect();
        while parts.len() > 1 {
            let upper = parts.split_off(parts.len() / 2);
            let pairs = parts.iter().zip(upper);
            parts = pairs.map(|(&low, high)| emitter.apply(kind.addition, &[low, high])).collect();
        }
        let total = warp_sum(emitter, kind.addition, parts[0]);
        let zero = emitter.index(0);
        let is_first = emitter.compare("eq", thread, zero);
        emitter.when(is_first, |emitter| {
            let reduction = emitter.index(reduction);
            let at = self.workspace.total(emitter, reduction, plane);
            emitter.store(total, at);
            Ok(())
        })
    }
}

/// Returns whether `number` is below `count`, and the smaller of `number` and `count - 1`.
pub(super) fn within(emitter: &mut Emitter, number: Value, count: Value) -> (Value, Value) {
    let one = emitter.index(1);
    let last = emitter.apply("arith.subi", &[count, one]);
    (emitter.compare("ult", number, count), emitter.apply("arith.minsi", &[number, last]))
}
