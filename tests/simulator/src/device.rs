//! A device that runs grids.

use std::cell::RefCell;
use std::rc::Rc;

use corosensei::stack::DefaultStack;

use crate::block::{Block, Turn};
use crate::code::Code;
use crate::fault::{Fault, Problem, ThreadId};
use crate::fibre::{Atomic, Fibre, STACK_BYTES};
use crate::memory::{Memory, POISON, Place};
use crate::order::{Order as TurnOrder, Turns};
use crate::race::{Kind, Order, Shadow};

/// Blocks that a device without a grid barrier holds at the same time: more than one, so that they
/// interleave, and few, so that most wait for others to end.
const RESIDENT_BLOCKS: usize = 3;

/// Number of turns with only atomic operations after which a grid counts as hung.
const PATIENCE: u32 = 10_000;

/// Granularity in bytes of the records of accesses to shared memory: neighbouring threads write
/// words of one byte.
const SHARED_ELEMENT: usize = 1;

/// The size of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Blocks.
    pub blocks: u32,
    /// Threads in a block.
    pub threads: u32,
    /// Bytes of shared memory beyond those that the module declares.
    pub dynamic_shared_bytes: usize,
    /// True if all blocks are on the device at the same time.
    pub cooperative: bool,
}

/// State that accesses are checked against.
#[derive(Default)]
pub(crate) struct Checker {
    pub(crate) memory: Memory,
    /// The shared memory of each block.
    shared: Vec<Shared>,
    shared_address: usize,
    pub(crate) order: Order,
    /// Seed of the errors of approximate instructions; without it they are rounded.
    pub(crate) errors: Option<u64>,
}

/// State of a block's shared memory.
struct Shared {
    written: Vec<bool>,
    shadow: Shadow,
}

/// The target of an access.
#[derive(Clone, Copy)]
enum Location {
    /// Bytes of a block's shared memory.
    Shared {
        block: usize,
        offset: usize,
        bytes: usize,
    },
    Buffer(Place),
}

impl Location {
    fn offset(self) -> usize {
        match self {
            Self::Shared { offset, .. } => offset,
            Self::Buffer(place) => place.offset,
        }
    }
}

impl Checker {
    pub(crate) fn access(
        &mut self,
        thread: ThreadId,
        address: usize,
        bytes: usize,
        alignment: usize,
        is_write: bool,
    ) -> Result<(), Problem> {
        let location = self.locate(thread, address, bytes)?;
        let offset = location.offset();
        self.touch(location, is_write)?;
        if !address.is_multiple_of(alignment) {
            return Err(Problem::Misaligned { buffer: self.name(location).to_owned(), offset, alignment });
        }
        self.note(thread, location, bytes, if is_write { Kind::Write } else { Kind::Read })
    }

    /// Records an access, which must not race with an earlier one.
    fn note(
        &mut self,
        thread: ThreadId,
        location: Location,
        bytes: usize,
        kind: Kind,
    ) -> Result<(), Problem> {
        let offset = location.offset();
        let shadow = match location {
            Location::Shared { block, .. } => Some(&mut self.shared[block].shadow),
            Location::Buffer(place) => self.memory.shadow(place),
        };
        let order = &self.order;
        let conflict = shadow.and_then(|shadow| shadow.access(offset, bytes, kind, order, thread));
        conflict.map_or(Ok(()), |conflict| {
            let (what, buffer) = (kind.name(), self.name(location).to_owned());
            let offset = offset + conflict.offset;
            Err(Problem::Race { what, buffer, offset, before: conflict.before, other: conflict.thread })
        })
    }

    pub(crate) fn atomic(
        &mut self,
        thread: ThreadId,
        address: usize,
        bytes: usize,
        access: u64,
    ) -> Result<(), Problem> {
        let has = |flag| access & flag != 0;
        let location = self.locate(thread, address, bytes)?;
        if has(Atomic::LOAD) {
            self.touch(location, false)?;
        }
        if has(Atomic::STORE) {
            self.touch(location, true)?;
        }
        self.note(thread, location, bytes, Kind::Atomic)?;
        if has(Atomic::FENCE_BEFORE) {
            self.order.fence(thread);
        }
        let owner = matches!(location, Location::Shared { .. }).then_some(thread.block);
        self.order.atomic(thread, (owner, address), has(Atomic::LOAD), has(Atomic::STORE));
        if has(Atomic::FENCE_AFTER) {
            self.order.fence(thread);
        }
        Ok(())
    }

    /// Locates the bytes at an address, if they are in a buffer or in shared memory.
    fn locate(&self, thread: ThreadId, address: usize, bytes: usize) -> Result<Location, Problem> {
        let block = thread.block as usize;
        let length = self.shared[block].written.len();
        match address.checked_sub(self.shared_address) {
            Some(offset) if offset + bytes <= length => Ok(Location::Shared { block, offset, bytes }),
            _ => self.memory.find(address, bytes).map(Location::Buffer),
        }
    }

    fn name(&self, location: Location) -> &str {
        match location {
            Location::Shared { .. } => SHARED_MEMORY,
            Location::Buffer(place) => self.memory.name(place),
        }
    }

    /// Checks that the bytes may be read or written, and records that they were.
    fn touch(&mut self, location: Location, is_write: bool) -> Result<(), Problem> {
        let (block, offset, bytes) = match location {
            Location::Shared { block, offset, bytes } => (block, offset, bytes),
            Location::Buffer(place) => return self.memory.touch(place, is_write),
        };
        let written = &mut self.shared[block].written[offset..offset + bytes];
        if is_write {
            written.fill(true);
        } else if written.contains(&false) {
            return Err(Problem::Uninitialised { buffer: SHARED_MEMORY.to_owned(), offset });
        }
        Ok(())
    }
}

const SHARED_MEMORY: &str = "shared memory";

/// Runs grids one after the other.
pub struct Device {
    checker: Rc<RefCell<Checker>>,
    stacks: Vec<DefaultStack>,
    turns: Turns,
}

impl Device {
    /// A device whose threads take turns in this order.
    pub fn new(order: TurnOrder) -> Self {
        Self { checker: Rc::default(), stacks: vec![], turns: order.turns() }
    }

    /// The same with errors in approximate instructions: for each operand a part of the largest
    /// error, which depends on `seed`.
    pub fn with_errors(self, seed: u64) -> Self {
        self.checker.borrow_mut().errors = Some(seed);
        self
    }

    /// Runs a kernel to its end, on these buffers.
    ///
    /// # Errors
    /// The first fault of a thread.
    ///
    /// # Panics
    /// If the code has no such kernel, or it takes other parameters.
    pub fn launch(
        &mut self,
        code: &Code,
        kernel: &str,
        grid: Grid,
        parameters: &[u64],
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        assert_eq!(code.parameters(kernel), Some(parameters.len()), "parameters of {kernel}");
        let function = code.caller(kernel).expect("the code has the kernel");
        {
            let mut checker = self.checker.borrow_mut();
            checker.memory = std::mem::take(memory);
            checker.shared_address = code.shared_address();
            checker.order.begin(grid.blocks);
            let bytes = code.shared_bytes() + grid.dynamic_shared_bytes;
            let shared =
                || Shared { written: vec![false; bytes], shadow: Shadow::new(bytes, SHARED_ELEMENT) };
            checker.shared = (0..grid.blocks).map(|_| shared()).collect();
        }
        let launch = Launch { code, grid, function, parameters: parameters.into() };
        let result = self.run(&launch);
        *memory = std::mem::take(&mut self.checker.borrow_mut().memory);
        result
    }

    fn run(&mut self, launch: &Launch<'_>) -> Result<(), Fault> {
        let mut queue: Vec<_> = (0..launch.grid.blocks).collect();
        self.turns.arrange(&mut queue);
        queue.reverse();
        let most = if launch.grid.cooperative { queue.len() } else { RESIDENT_BLOCKS };
        let mut resident: Vec<Block> = vec![];
        let (mut idle, mut result) = (0, Ok(()));
        while result.is_ok() {
            while resident.len() < most
                && let Some(number) = queue.pop()
            {
                resident.push(self.start(launch, number));
            }
            if resident.is_empty() {
                break;
            }
            let turned = self.turn(launch, &mut resident);
            idle = if turned == Ok(false) { idle + 1 } else { 0 };
            result = turned.map(|_| ());
            if idle > PATIENCE {
                let thread = ThreadId { block: resident[0].number, thread: 0 };
                result = Err(Fault { problem: Problem::Livelock(idle), thread, place: "?".to_owned() });
            }
        }
        resident.into_iter().for_each(|block| self.stacks.extend(block.into_fibres().map(Fibre::into_stack)));
        result
    }

    /// Runs a turn of all resident blocks. Returns whether anything except atomic operations was
    /// done.
    fn turn(&mut self, launch: &Launch<'_>, resident: &mut Vec<Block>) -> Result<bool, Fault> {
        let mut order: Vec<_> = (0..resident.len()).collect();
        self.turns.arrange(&mut order);
        let (mut is_busy, mut ended) = (false, vec![]);
        for index in order {
            let block = &mut resident[index];
            let number = block.number;
            launch.code.swap_shared(&mut block.shared);
            let turn = block.turn(&mut self.turns);
            launch.code.swap_shared(&mut block.shared);
            match turn {
                Turn::Progress { passed_barrier, only_atomics } => {
                    is_busy |= !only_atomics;
                    if passed_barrier {
                        self.checker.borrow_mut().order.barrier(number);
                    }
                }
                Turn::Ended => ended.push(index),
                Turn::Fault { thread, site, problem } => {
                    let place = launch.code.site(site).to_owned();
                    return Err(Fault { problem, thread: ThreadId { block: number, thread }, place });
                }
            }
        }
        ended.sort_unstable();
        for index in ended.into_iter().rev() {
            is_busy = true;
            self.stacks.extend(resident.remove(index).into_fibres().map(Fibre::into_stack));
        }
        Ok(is_busy)
    }

    fn start(&mut self, launch: &Launch<'_>, number: u32) -> Block {
        let fibres = (0..launch.grid.threads).map(|thread| {
            let stack = self
                .stacks
                .pop()
                .unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("memory for a stack"));
            let (thread, checker) = (ThreadId { block: number, thread }, Rc::clone(&self.checker));
            let parameters = Rc::clone(&launch.parameters);
            Fibre::new(stack, thread, launch.grid, checker, launch.function, parameters)
        });
        let fibres: Vec<_> = fibres.collect();
        let bytes = launch.code.shared_bytes() + launch.grid.dynamic_shared_bytes;
        Block::new(number, fibres.into_iter(), vec![POISON; bytes])
    }
}

/// State that all blocks of a launch share.
struct Launch<'a> {
    code: &'a Code,
    grid: Grid,
    function: extern "C" fn(*const u64),
    parameters: Rc<[u64]>,
}
