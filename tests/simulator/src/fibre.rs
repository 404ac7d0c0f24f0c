//! A GPU thread as a fibre, and the functions that its machine code calls.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::approximate::Approximation;
use crate::device::{Checker, Grid};
use crate::fault::{Problem, ThreadId};
use crate::warp::Shuffle;

/// Bytes of a fibre's stack: a kernel saves there what its registers cannot hold.
pub(crate) const STACK_BYTES: usize = 64 << 10;

/// Reason why a thread stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// It waits for all threads of its block.
    Barrier { number: u32, site: u32 },
    /// It exchanges values with the threads of its warp that `mask` names.
    Shuffle { mask: u32, shuffle: Shuffle, site: u32 },
    /// It lets others take their turns before an atomic operation.
    Turn { site: u32 },
    /// It had a fault and never continues.
    Fault { problem: Problem, site: u32 },
}

type Link = Yielder<u32, Request>;

/// State of the running thread for callbacks.
pub(crate) struct Running {
    pub(crate) thread: ThreadId,
    pub(crate) grid: Grid,
    pub(crate) checker: Rc<RefCell<Checker>>,
    link: Cell<*const Link>,
}

thread_local! {
    static RUNNING: Cell<*const Running> = const { Cell::new(std::ptr::null()) };
}

/// A simulated thread.
pub(crate) struct Fibre {
    coroutine: Coroutine<u32, Request, ()>,
    running: Box<Running>,
}

impl Fibre {
    /// A thread that will call `kernel` with the parameters.
    pub(crate) fn new(
        stack: DefaultStack,
        thread: ThreadId,
        grid: Grid,
        checker: Rc<RefCell<Checker>>,
        kernel: extern "C" fn(*const u64),
        parameters: Rc<[u64]>,
    ) -> Self {
        let running = Box::new(Running { thread, grid, checker, link: Cell::new(std::ptr::null()) });
        let coroutine = Coroutine::with_stack(stack, move |link: &Link, _| {
            with_running(|running| running.link.set(link));
            kernel(parameters.as_ptr());
        });
        Self { coroutine, running }
    }

    /// Runs until it stops; `None` when it has ended.
    pub(crate) fn resume(&mut self, reply: u32) -> Option<Request> {
        RUNNING.set(&raw const *self.running);
        match self.coroutine.resume(reply) {
            CoroutineResult::Yield(request) => Some(request),
            CoroutineResult::Return(()) => None,
        }
    }

    /// Its stack, for another fibre.
    pub(crate) fn into_stack(mut self) -> DefaultStack {
        if !self.coroutine.done() {
            // SAFETY: a fibre stops in machine code that owns nothing, called by
            // the closure of `new`, whose parameters are then leaked.
            unsafe { self.coroutine.force_reset() };
        }
        self.coroutine.into_stack()
    }
}

fn with_running<T>(use_it: impl FnOnce(&Running) -> T) -> T {
    // SAFETY: `resume` has set it to the fibre that runs, which outlives the call.
    use_it(unsafe { &*RUNNING.get() })
}

/// Stops the running fibre; returns the value it is resumed with.
fn stop(request: Request) -> u32 {
    let link = with_running(|running| running.link.get());
    // SAFETY: the fibre's own yielder lives as long as the fibre runs.
    unsafe { &*link }.suspend(request)
}

/// Stops for good if there is a problem.
fn unless(checked: Result<(), Problem>, site: u64) {
    if let Err(problem) = checked {
        stop(Request::Fault { problem, site: site as u32 });
    }
}

/// Encoding of accesses in instrumented code.
pub(crate) struct Atomic;

impl Atomic {
    pub(crate) const LOAD: u64 = 1;
    pub(crate) const STORE: u64 = 2;
    pub(crate) const FENCE_BEFORE: u64 = 4;
    pub(crate) const FENCE_AFTER: u64 = 8;
}

/// A function that machine code calls, by its address. All take words of 64 bits and return one.
#[derive(Clone, Copy)]
pub(crate) struct Callback {
    pub(crate) parameters: usize,
    function: *const (),
}

impl Callback {
    pub(crate) fn address(self) -> usize {
        self.function.expose_provenance()
    }
}

macro_rules! callbacks {
    ($($(#[$doc:meta])* $constant:ident = $function:ident($($parameter:ident),*) $body:block)*) => {$(
        $(#[$doc])*
        pub(crate) const $constant: Callback = Callback {
            parameters: <[&str]>::len(&[$(stringify!($parameter)),*]),
            function: $function as extern "C" fn($(callbacks!(@word $parameter)),*) -> u64 as *const (),
        };
        extern "C" fn $function($($parameter: u64),*) -> u64 $body
    )*};
    (@word $parameter:ident) => { u64 };
}

callbacks! {
    THREAD = thread() {
        with_running(|running| running.thread.thread.into())
    }
    BLOCK = block() {
        with_running(|running| running.thread.block.into())
    }
    THREADS = threads() {
        with_running(|running| running.grid.threads.into())
    }
    BLOCKS = blocks() {
        with_running(|running| running.grid.blocks.into())
    }
    BARRIER = barrier(number, site) {
        stop(Request::Barrier { number: number as u32, site: site as u32 }).into()
    }
    SHUFFLE = shuffle(mask, value, distance, clamp, site) {
        let [mask, value, distance, clamp, site] = [mask, value, distance, clamp, site].map(|word| word as u32);
        stop(Request::Shuffle { mask, shuffle: Shuffle { value, distance, clamp }, site }).into()
    }
    ACCESS = access(address, bytes, alignment, access, site) {
        unless(check(address, bytes, alignment, access), site);
        0
    }
    MASKED_ACCESS = masked_access(address, lanes, bytes, alignment, access, site) {
        for lane in (0..64).filter(|lane| lanes >> lane & 1 == 1) {
            unless(check(address + lane * bytes, bytes, alignment.min(bytes), access), site);
        }
        0
    }
    ATOMIC = atomic(address, bytes, access, site) {
        stop(Request::Turn { site: site as u32 });
        let checked = with_running(|running| {
            let (address, bytes) = (address as usize, bytes as usize);
            running.checker.borrow_mut().atomic(running.thread, address, bytes, access)
        });
        unless(checked, site);
        0
    }
    APPROXIMATE = approximate(instruction, operand) {
        let errors = with_running(|running| running.checker.borrow().errors);
        Approximation::ALL[instruction as usize].apply(operand as u32, errors).into()
    }
    FENCE = fence() {
        with_running(|running| running.checker.borrow_mut().order.fence(running.thread));
        0
    }
}

fn check(address: u64, bytes: u64, alignment: u64, access: u64) -> Result<(), Problem> {
    with_running(|running| {
        let is_write = access == Atomic::STORE;
        let (address, bytes, alignment) = (address as usize, bytes as usize, alignment as usize);
        running.checker.borrow_mut().access(running.thread, address, bytes, alignment, is_write)
    })
}
