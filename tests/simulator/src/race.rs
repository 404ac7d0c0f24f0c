//! Order of accesses.
//!
//! Of two accesses of one location by different threads, one of them a write, one must *happen
//! before* the other:
//!
//! - in a block, a barrier must lie between them;
//! - between blocks, the first access must be followed by a barrier of its block, or in the same
//!   thread, by a fence and then an atomic operation. An atomic operation of the second block must
//!   see its result, and must be followed by a fence and then by a barrier, or in the same thread,
//!   by the second access.
//!
//! This is PTX's causality order without the parts that lossc's kernels do not use. Shuffles order
//! nothing. Atomic operations never race with each other. Launches follow each other.

use std::collections::BTreeMap;

use crate::fault::ThreadId;

/// Time of an access: its thread, the barriers that the block had passed, and the fences that the
/// thread had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    launch: u32,
    thread: ThreadId,
    epoch: u32,
    fences: u32,
}

/// Kind of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Atomic,
}

impl Kind {
    /// Name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "a read",
            Self::Write => "a write",
            Self::Atomic => "an atomic operation",
        }
    }
}

/// The last accesses of a location: the last write, and the reads since.
#[derive(Debug, Clone, Copy, Default)]
struct Record {
    write: Option<Moment>,
    atomic: Option<Moment>,
    read: Option<Moment>,
    /// A second reader, of another thread than `read`.
    other_read: Option<Moment>,
}

/// The records of a buffer, one for each element.
#[derive(Debug)]
pub(crate) struct Shadow {
    element: usize,
    records: Vec<Record>,
}

/// An earlier access that conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) before: &'static str,
    pub(crate) thread: ThreadId,
    /// Bytes from the start of the access.
    pub(crate) offset: usize,
}

impl Shadow {
    pub(crate) fn new(bytes: usize, element: usize) -> Self {
        Self { element, records: vec![Record::default(); bytes.div_ceil(element)] }
    }

    /// Records an access, and returns an earlier one that it races with.
    pub(crate) fn access(
        &mut self,
        offset: usize,
        bytes: usize,
        kind: Kind,
        order: &Order,
        thread: ThreadId,
    ) -> Option<Conflict> {
        let last = (offset + bytes - 1) / self.element;
        for index in offset / self.element..=last {
            let record = &mut self.records[index];
            let unordered = |(before, moment): (Kind, Option<Moment>)| {
                let moment = moment.filter(|&moment| !order.is_before(moment, thread))?;
                let offset = (index * self.element).saturating_sub(offset);
                Some(Conflict { before: before.name(), thread: moment.thread, offset })
            };
            if let Some(conflict) = record.conflicting(kind).into_iter().find_map(unordered) {
                return Some(conflict);
            }
            record.note(order.now(thread), kind);
        }
        None
    }
}

impl Record {
    /// The earlier accesses that must come before one of this kind.
    fn conflicting(&self, kind: Kind) -> [(Kind, Option<Moment>); 4] {
        let after = |conflicts: bool, moment: Option<Moment>| moment.filter(|_| conflicts);
        [
            (Kind::Write, self.write),
            (Kind::Atomic, after(kind != Kind::Atomic, self.atomic)),
            (Kind::Read, after(kind != Kind::Read, self.read)),
            (Kind::Read, after(kind != Kind::Read, self.other_read)),
        ]
    }

    fn note(&mut self, now: Moment, kind: Kind) {
        match kind {
            Kind::Write => *self = Self { write: Some(now), ..Self::default() },
            Kind::Atomic => self.atomic = Some(now),
            Kind::Read
                if self.read.is_none_or(|read| read.thread == now.thread || read.launch != now.launch) =>
            {
                self.read = Some(now);
            }
            Kind::Read => self.other_read = Some(now),
        }
    }
}

/// Known past of the other blocks: all accesses of a block before its barrier `epoch`, and those of
/// `thread` before its fence number `fences`.
type View = BTreeMap<u32, Moment>;

fn join(view: &mut View, other: &View) {
    for (&block, &moment) in other {
        let known = view.entry(block).or_insert(moment);
        if (known.epoch, known.fences) < (moment.epoch, moment.fences) {
            *known = moment;
        }
    }
}

/// Knowledge of a thread beyond its block's.
#[derive(Debug, Clone, Default)]
struct ThreadOrder {
    fences: u32,
    view: View,
    /// Published by its next atomic operation.
    released: Option<View>,
    /// Seen by atomic operations, not yet by a fence.
    pending: View,
}

#[derive(Debug, Clone, Default)]
struct BlockOrder {
    epoch: u32,
    view: View,
    threads: BTreeMap<u32, ThreadOrder>,
}

/// The block, if the location is in its shared memory, and an address.
pub(crate) type AtomicPlace = (Option<u32>, usize);

/// The order of a launch so far.
#[derive(Debug, Default)]
pub(crate) struct Order {
    launch: u32,
    blocks: Vec<BlockOrder>,
    /// View published by each atomic location.
    places: BTreeMap<AtomicPlace, View>,
}

impl Order {
    pub(crate) fn begin(&mut self, blocks: u32) {
        let launch = self.launch + 1;
        *self = Self { launch, blocks: vec![BlockOrder::default(); blocks as usize], ..Self::default() };
    }

    fn block(&mut self, thread: ThreadId) -> &mut BlockOrder {
        &mut self.blocks[thread.block as usize]
    }

    fn thread(&mut self, thread: ThreadId) -> &mut ThreadOrder {
        self.block(thread).threads.entry(thread.thread).or_default()
    }

    fn now(&self, thread: ThreadId) -> Moment {
        let block = &self.blocks[thread.block as usize];
        let fences = block.threads.get(&thread.thread).map_or(0, |thread| thread.fences);
        Moment { launch: self.launch, thread, epoch: block.epoch, fences }
    }

    fn is_before(&self, earlier: Moment, thread: ThreadId) -> bool {
        if earlier.launch != self.launch || earlier.thread == thread {
            return true;
        }
        let block = &self.blocks[thread.block as usize];
        if earlier.thread.block == thread.block {
            return earlier.epoch < block.epoch;
        }
        let own = block.threads.get(&thread.thread).map(|thread| &thread.view);
        [Some(&block.view), own].into_iter().flatten().any(|view| {
            view.get(&earlier.thread.block).is_some_and(|known| {
                earlier.epoch < known.epoch
                    || earlier.thread == known.thread
                        && (earlier.epoch, earlier.fences) < (known.epoch, known.fences)
            })
        })
    }

    /// Records that all threads of a block have met.
    pub(crate) fn barrier(&mut self, block: u32) {
        let block = &mut self.blocks[block as usize];
        for thread in block.threads.values_mut() {
            join(&mut block.view, &std::mem::take(&mut thread.view));
        }
        block.epoch += 1;
    }

    /// Records a fence that orders the thread's accesses for the whole device.
    pub(crate) fn fence(&mut self, thread: ThreadId) {
        let state = self.thread(thread);
        state.fences += 1;
        let pending = std::mem::take(&mut state.pending);
        join(&mut state.view, &pending);
        let mut released = state.view.clone();
        join(&mut released, &self.blocks[thread.block as usize].view.clone());
        released.insert(thread.block, self.now(thread));
        self.thread(thread).released = Some(released);
    }

    /// Records an atomic operation.
    pub(crate) fn atomic(&mut self, thread: ThreadId, place: AtomicPlace, reads: bool, writes: bool) {
        let published = self.places.entry(place).or_default();
        let seen = if reads { published.clone() } else { View::new() };
        let state = self.blocks[thread.block as usize].threads.entry(thread.thread).or_default();
        join(&mut state.pending, &seen);
        if writes {
            if !reads {
                published.clear();
            }
            join(published, &state.released.clone().unwrap_or_default());
        }
    }
}
