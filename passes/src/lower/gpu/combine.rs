//! `combine_K`: the cells from the partials, a block a reduction and group, in
//! the order of `numbers::combine_chunks`.

use lossc_dialect::numbers::COMBINE_LANES;

use super::thread::{ballot, barrier, block, thread_of_block, thread_of_warp};
use super::{BLOCK, WARP, entry};
use crate::lower::LowerError;
use crate::lower::call::Call;
use crate::lower::emit::{BIT, Emitter, F32, F64, I32, I64, Scalar, Value, ValueType};
use crate::lower::reduction::cell_at;
use crate::schedule::{Kernel, Schedule};

/// A thread is an accumulator.
const _: () = assert!(COMBINE_LANES == BLOCK);

const SHARED_POINTER: ValueType = ValueType::one(Scalar::Pointer(3));

/// The block's memory: one accumulator a thread.
pub(super) fn shared_memory() -> String {
    format!("llvm.mlir.global internal @accumulators() {{addr_space = 3 : i32}} : !llvm.array<{BLOCK} x i64>")
}

pub(super) fn function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    entry("combine", index, BLOCK, 0, |emitter, call| {
        let block = block(emitter);
        let reduction = emitter.apply("arith.divui", &[block, call.groups]);
        let group = emitter.apply("arith.remui", &[block, call.groups]);
        for (kind, is_count) in [(SUM, false), (COUNT, true)] {
            let of_kind = kernel.reductions.iter().copied().enumerate();
            let of_kind: Vec<_> =
                of_kind.filter(|&(_, cell)| schedule.cells[cell].is_count == is_count).collect();
            if !of_kind.is_empty() {
                let (is_this, cell) = find(emitter, reduction, &of_kind);
                // The same for all threads of the block, which may wait in it.
                emitter
                    .when(is_this, |emitter| Combine { call, kind, group, reduction }.emit(emitter, cell))?;
            }
        }
        Ok(())
    })
}

/// Whether `reduction` is one of those listed, and its cell.
fn find(emitter: &mut Emitter, reduction: Value, listed: &[(usize, usize)]) -> (Value, Value) {
    let start = (emitter.integer(BIT, 0), emitter.index(0));
    listed.iter().fold(start, |(is_listed, cell), &(index, this_cell)| {
        let (index, this_cell) = (emitter.index(index), emitter.index(this_cell));
        let is_this = emitter.compare("eq", reduction, index);
        (emitter.apply("arith.ori", &[is_listed, is_this]), emitter.select(is_this, this_cell, cell))
    })
}

/// How the partials of a reduction are added.
#[derive(Clone, Copy)]
struct Kind {
    partial: ValueType,
    total: ValueType,
    widen: &'static str,
    addition: &'static str,
    zero: &'static str,
}

const SUM: Kind = Kind { partial: F32, total: F64, widen: "arith.extf", addition: "arith.addf", zero: "0.0" };
const COUNT: Kind =
    Kind { partial: I32, total: I64, widen: "arith.extui", addition: "arith.addi", zero: "0" };

/// The total of one reduction over one group.
struct Combine<'a> {
    call: &'a Call,
    kind: Kind,
    group: Value,
    reduction: Value,
}

impl Combine<'_> {
    /// Writes the total to the group's part of a cell.
    fn emit(&self, emitter: &mut Emitter, cell: Value) -> Result<(), LowerError> {
        let total = self.rows(emitter)?;
        let (thread, zero) = (thread_of_block(emitter), emitter.index(0));
        let is_first = emitter.compare("eq", thread, zero);
        emitter.when(is_first, |emitter| {
            let at = cell_at(emitter, self.call, cell, self.group);
            emitter.store(total, at);
            Ok(())
        })
    }

    /// Adds the group's rows in ascending order. The threads of each warp look at
    /// a row each whether it is the group's.
    fn rows(&self, emitter: &mut Emitter) -> Result<Value, LowerError> {
        let zero = self.zero(emitter);
        let bounds = [emitter.index(0), self.call.rows, emitter.index(WARP)];
        let totals = emitter.repeat(bounds, &[zero], |emitter, first, total| {
            let members = self.members(emitter, first)?;
            let count = emitter.apply("math.ctpop", &[members]);
            let count = emitter.convert("arith.extui", count, I64.scalar);
            let bounds = [emitter.index(0), count, emitter.index(1)];
            let next = emitter.repeat(bounds, &[total[0], members], |emitter, _, carried| {
                let (row, rest) = next_member(emitter, first, carried[1]);
                let row = self.row(emitter, row)?;
                Ok(vec![emitter.apply(self.kind.addition, &[carried[0], row]), rest])
            })?;
            Ok::<_, LowerError>(vec![next[0]])
        })?;
        Ok(totals[0])
    }

    /// A bit for each of the rows from `first` on: whether it is of the group.
    fn members(&self, emitter: &mut Emitter, first: Value) -> Result<Value, LowerError> {
        let thread = thread_of_warp(emitter);
        let row = emitter.add(first, thread);
        let exists = emitter.compare("ult", row, self.call.rows);
        let group = emitter.choose(
            exists,
            |emitter| Ok::<_, LowerError>(vec![emitter.load_element("group", self.call.row_group, row, I64)]),
            |emitter| Ok(vec![emitter.integer(I64, -1)]),
        )?;
        let is_member = emitter.compare("eq", group[0], self.group);
        Ok(ballot(emitter, is_member))
    }

    /// Adds the chunks of a row.
    fn row(&self, emitter: &mut Emitter, row: Value) -> Result<Value, LowerError> {
        let chunks = self.call.chunks(emitter);
        let reductions = emitter.mul(self.reduction, chunks);
        let rows = emitter.mul(row, self.call.chunks_per_row);
        let first = emitter.add(reductions, rows);
        let thread = thread_of_block(emitter);
        let bounds = [thread, self.call.chunks_per_row, emitter.index(BLOCK)];
        let zero = self.zero(emitter);
        let own = emitter.repeat(bounds, &[zero], |emitter, chunk, total| {
            let index = emitter.add(first, chunk);
            let partial = emitter.load_element("partial", self.call.partials, index, self.kind.partial);
            let partial = emitter.convert(self.kind.widen, partial, self.kind.total.scalar);
            Ok::<_, LowerError>(vec![emitter.apply(self.kind.addition, &[total[0], partial])])
        })?;
        self.block_sum(emitter, own[0])
    }

    /// Adds the values of the block's threads by halves.
    fn block_sum(&self, emitter: &mut Emitter, own: Value) -> Result<Value, LowerError> {
        let shared = emitter.pure(
            "shared",
            SHARED_POINTER,
            format!("llvm.mlir.addressof @accumulators : {SHARED_POINTER}"),
        );
        let thread = thread_of_block(emitter);
        emitter.store_element(own, shared, thread);
        barrier(emitter);
        let mut width = BLOCK / 2;
        while width > 0 {
            let half = emitter.index(width);
            let is_lower = emitter.compare("ult", thread, half);
            emitter.when(is_lower, |emitter| {
                let other = emitter.add(thread, half);
                let [lower, upper] =
                    [thread, other].map(|lane| emitter.load_element("half", shared, lane, self.kind.total));
                let sum = emitter.apply(self.kind.addition, &[lower, upper]);
                emitter.store_element(sum, shared, thread);
                Ok::<_, LowerError>(())
            })?;
            barrier(emitter);
            width /= 2;
        }
        let zero = emitter.index(0);
        let total = emitter.load_element("row_total", shared, zero, self.kind.total);
        // The next row must not overwrite what a slower thread still reads.
        barrier(emitter);
        Ok(total)
    }

    fn zero(&self, emitter: &mut Emitter) -> Value {
        emitter.constant(self.kind.total, self.kind.zero)
    }
}

/// The first row whose bit is set, and the bits without it.
fn next_member(emitter: &mut Emitter, first: Value, members: Value) -> (Value, Value) {
    let number = emitter.apply("math.cttz", &[members]);
    let number = emitter.convert("arith.extui", number, I64.scalar);
    let one = emitter.integer(I32, 1);
    let below = emitter.apply("arith.subi", &[members, one]);
    (emitter.add(first, number), emitter.apply("arith.andi", &[members, below]))
}
