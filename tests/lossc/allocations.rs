//! Allocations of a call once its loss has run.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use std::sync::Arc;

use lossc::{Balance, Compiled, Compiler, Error, Forward, Options, Seed, TensorView, TensorViewMut};
use lossc_runtime::rayon::{ThreadPool, ThreadPoolBuilder};

use crate::data::{compile, compiled, host};

/// The system's allocator, which counts the bytes that each thread allocates.
struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static BLOCKS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's own, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter left.
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        let _ = BLOCKS.try_with(|blocks| blocks.set(blocks.get() + 1));
        // SAFETY: the caller fulfils the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller fulfils the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// State of a training step: tensors, and memory for the outputs.
struct Loop {
    shape: [usize; 2],
    logits: Vec<f32>,
    labels: Vec<u8>,
    gradient: Vec<f32>,
    outcome: Forward,
    options: Options,
}

/// One turn of a loop.
type Turn = fn(&mut Loop, &Compiled) -> Result<(), Error>;

impl Loop {
    fn new(side: usize) -> Self {
        let position = |index: usize| (index / side, index % side);
        let logit = |(y, x): (usize, usize)| (y as f32 - x as f32) * 0.01 - 2.0;
        let label = |(y, x): (usize, usize)| u8::from((y + x).is_multiple_of(97));
        let scalars = vec![("upstream".into(), 0.5)];
        Self {
            shape: [side, side],
            logits: (0..side * side).map(|index| logit(position(index))).collect(),
            labels: (0..side * side).map(|index| label(position(index))).collect(),
            gradient: vec![0.0; side * side],
            outcome: Forward::default(),
            options: Options { seed: Seed(3), balance: Balance::Image, stream: 0, scalars },
        }
    }

    fn arguments(
        &mut self,
    ) -> Result<([TensorView<'_>; 2], &Options, TensorViewMut<'_>, &mut Forward), Error> {
        let Self { shape, logits, labels, gradient, outcome, options } = self;
        let inputs = [TensorView::from_slice(shape, logits)?, TensorView::from_slice(shape, labels)?];
        Ok((inputs, options, TensorViewMut::from_slice(shape, gradient)?, outcome))
    }

    fn in_one_call(&mut self, compiled: &Compiled) -> Result<(), Error> {
        let (inputs, options, gradient, outcome) = self.arguments()?;
        compiled.forward_backward_reusing(&inputs, options, gradient, outcome)
    }

    fn in_two_calls(&mut self, compiled: &Compiled) -> Result<(), Error> {
        let (inputs, options, gradient, outcome) = self.arguments()?;
        compiled.forward_reusing(&inputs, options, outcome)?;
        compiled.backward_into(&inputs, &outcome.residuals, 1.5, gradient)
    }

    /// Takes a turn with a new outcome.
    fn with_an_outcome(&mut self, compiled: &Compiled) -> Result<(), Error> {
        let (inputs, options, gradient, outcome) = self.arguments()?;
        *outcome = compiled.forward_backward_into(&inputs, options, gradient)?;
        Ok(())
    }

    /// Takes `count` turns, none of which may fail.
    fn turn(&mut self, count: usize, turn: Turn, compiled: &Compiled) {
        for _ in 0..count {
            turn(self, compiled).expect("the calls run");
            assert!(self.outcome.loss >= 0.0, "it was computed");
        }
    }

    /// Returns the bytes that the third of three equal turns allocates on this thread.
    fn third(&mut self, turn: Turn, compiled: &Compiled) -> usize {
        self.turn(2, turn, compiled);
        let before = BYTES.get();
        self.turn(1, turn, compiled);
        BYTES.get() - before
    }
}

const REUSING: [(&str, Turn); 2] = [("one call", Loop::in_one_call), ("two calls", Loop::in_two_calls)];

fn pool(threads: usize) -> Arc<ThreadPool> {
    Arc::new(ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start"))
}

/// The library's losses, with labels checked and unchecked.
fn losses() -> impl Iterator<Item = (String, Compiled)> {
    let variants =
        ["random-drop", "bce", "balanced-bce"].into_iter().flat_map(|name| [(name, true), (name, false)]);
    variants.map(|(name, check)| {
        let compiled = compile(name, &[], Compiler::new(host()).check_labels(check));
        (format!("{name}, checked: {check}"), compiled)
    })
}

#[test]
fn there_are_none_below_the_size_for_threads() {
    for (name, compiled) in losses() {
        for side in [1, 32, 127] {
            for (calls, turn) in REUSING {
                let bytes = Loop::new(side).third(turn, &compiled);
                assert_eq!(bytes, 0, "{name}, {calls}, {side} x {side} pixels");
            }
        }
    }
}

/// Neither a thread of the pool nor those that it shares its work with allocate.
#[test]
fn there_are_none_on_a_pools_own_threads() {
    let pool = pool(2);
    let compiled = compile("random-drop", &[], Compiler::new(host()).threads(Arc::clone(&pool)));
    let bytes = || pool.broadcast(|_| BYTES.get());
    for side in [128, 700] {
        for (calls, turn) in REUSING {
            let mut turns = Loop::new(side);
            pool.install(|| turns.turn(3, turn, &compiled));
            let before = bytes();
            pool.install(|| turns.turn(20, turn, &compiled));
            assert_eq!(bytes(), before, "{calls}, {side} x {side} pixels");
        }
    }
}

/// A thread outside the pool hands each pass to the pool's queue, which allocates one block of
/// memory for dozens of them.
#[test]
fn there_are_none_but_the_queues_outside_the_pool() {
    const TURNS: usize = 300;
    let compiled = compile("random-drop", &[], Compiler::new(host()).threads(pool(1)));
    let mut turns = Loop::new(128);
    for (calls, turn) in REUSING {
        turns.turn(3, turn, &compiled);
        let before = BLOCKS.get();
        turns.turn(TURNS, turn, &compiled);
        let (blocks, passes) = (BLOCKS.get() - before, 2 * TURNS);
        assert!(blocks > 0, "the queue is used");
        assert!(blocks <= passes.div_ceil(32), "{blocks} blocks for {passes} passes in {calls}");
    }
}

#[test]
fn those_of_an_outcome_do_not_grow_with_the_image() {
    let compiled = compiled("random-drop", &[]);
    let small = Loop::new(32).third(Loop::with_an_outcome, &compiled);
    assert!(0 < small && small < 4096, "{small} bytes");
    assert_eq!(Loop::new(127).third(Loop::with_an_outcome, &compiled), small);
}
