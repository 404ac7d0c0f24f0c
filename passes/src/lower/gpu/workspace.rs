//! The memory in which the blocks of a pass leave data for each other.
//!
//! The array `plane_group` holds i64: the group of each plane; for each group the number of
//! planes before it, and the number of all; the planes by group, ascending; a ticket for each
//! plane and one for all; and a flag that counts half-done cooperative launches. The array
//! `partials` holds the totals of planes, 8 bytes by reduction and plane, then the partials of
//! chunks, 4 bytes by plane, chunk and reduction.

use super::combine::Kind;
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, I32, I64, Value};

/// The arrays of a pass with `reductions` reductions.
#[derive(Clone, Copy)]
pub(super) struct Workspace<'a> {
    call: &'a Call,
    reductions: usize,
}

impl<'a> Workspace<'a> {
    pub(super) fn new(call: &'a Call, reductions: usize) -> Self {
        Self { call, reductions }
    }

    /// The number of planes in groups before `group`.
    pub(super) fn planes_before(self, emitter: &mut Emitter, group: Value) -> Value {
        let index = emitter.add(self.call.planes, group);
        emitter.load_element("planes", self.call.plane_group, index, I64)
    }

    /// The plane with this number in the order by group.
    pub(super) fn member(self, emitter: &mut Emitter, number: Value) -> Value {
        let (groups, one) = (emitter.add(self.call.planes, self.call.groups), emitter.index(1));
        let first = emitter.add(groups, one);
        let index = emitter.add(first, number);
        emitter.load_element("plane", self.call.plane_group, index, I64)
    }

    /// The address of the ticket with this number: a plane's, or that of all planes.
    pub(super) fn ticket(self, emitter: &mut Emitter, number: Value) -> Value {
        let lists = emitter.add(self.call.planes, self.call.planes);
        let groups = emitter.add(lists, self.call.groups);
        let one = emitter.index(1);
        let first = emitter.add(groups, one);
        let index = emitter.add(first, number);
        emitter.element(self.call.plane_group, index, I64.scalar)
    }

    /// The address of the flag.
    pub(super) fn flag(self, emitter: &mut Emitter) -> Value {
        let one = emitter.index(1);
        let number = emitter.add(self.call.planes, one);
        self.ticket(emitter, number)
    }

    /// The address of a plane's total of a reduction.
    pub(super) fn total(self, emitter: &mut Emitter, reduction: Value, plane: Value) -> Value {
        let first = emitter.mul(reduction, self.call.planes);
        let index = emitter.add(first, plane);
        emitter.element(self.call.partials, index, I64.scalar)
    }

    /// The index of a chunk's first partial among words of four bytes.
    fn first_partial(self, emitter: &mut Emitter, plane: Value, chunk: Value) -> Value {
        // A total takes as many bytes as two partials.
        let (words, reductions) = (emitter.index(2 * self.reductions), emitter.index(self.reductions));
        let totals = emitter.mul(words, self.call.planes);
        let chunks = emitter.mul(plane, self.call.chunks_per_plane);
        let chunk = emitter.add(chunks, chunk);
        let partials = emitter.mul(chunk, reductions);
        emitter.add(totals, partials)
    }

    /// Writes a chunk's partial of a reduction.
    pub(super) fn store_partial(
        self,
        emitter: &mut Emitter,
        plane: Value,
        chunk: Value,
        reduction: usize,
        partial: Value,
    ) {
        let first = self.first_partial(emitter, plane, chunk);
        let reduction = emitter.index(reduction);
        let index = emitter.add(first, reduction);
        emitter.store_element(partial, self.call.partials, index);
    }

    /// A chunk's partials, in the order in which they were written.
    pub(super) fn load_partials(
        self,
        emitter: &mut Emitter,
        plane: Value,
        chunk: Value,
        kinds: &[Kind],
    ) -> Vec<Value> {
        debug_assert_eq!(kinds.len(), self.reductions);
        let first = self.first_partial(emitter, plane, chunk);
        let load = |(reduction, kind): (usize, &Kind)| {
            let reduction = emitter.index(reduction);
            let index = emitter.add(first, reduction);
            emitter.load_element("partial", self.call.partials, index, kind.partial)
        };
        kinds.iter().enumerate().map(load).collect()
    }
}

/// The number of blocks or planes less one, at which a ticket wraps.
pub(super) fn last_of(emitter: &mut Emitter, count: Value) -> Value {
    let one = emitter.index(1);
    let last = emitter.apply("arith.subi", &[count, one]);
    emitter.convert("arith.trunci", last, I32.scalar)
}
