//! What a call allocates once its loss has run.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use lossc::{Balance, TensorView, TensorViewMut};
use ndarray::Array2;

use crate::data::{compiled, options};

/// The system's allocator, which counts the bytes each thread asks for.
struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's own, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter left.
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The bytes that the third of three equal calls allocates.
fn bytes_of_a_call(side: usize) -> usize {
    let compiled = compiled("random-drop", &[]);
    let logits = Array2::from_shape_fn((side, side), |(y, x)| (y as f32 - x as f32) * 0.01 - 2.0);
    let labels = Array2::from_shape_fn((side, side), |(y, x)| u8::from((y + x) % 97 == 0));
    let mut gradient = Array2::<f32>::zeros((side, side));
    let mut last = 0;
    for _ in 0..3 {
        let options = options(3, Balance::Image);
        let inputs = [TensorView::from_array(logits.view()), TensorView::from_array(labels.view())];
        let inputs = inputs.map(|input| input.expect("contiguous"));
        let output = TensorViewMut::from_array(gradient.view_mut()).expect("contiguous");
        let before = BYTES.get();
        let step = compiled.forward_backward_into(&inputs, &options, output);
        last = BYTES.get() - before;
        assert!(step.expect("the call runs").loss > 0.0);
    }
    last
}

#[test]
fn do_not_grow_with_the_image() {
    let small = bytes_of_a_call(32);
    assert!(small > 0, "the allocator counts");
    assert!(small < 4096, "{small} bytes for 32 x 32 pixels");
    for side in [90, 700] {
        let large = bytes_of_a_call(side);
        // Work for other threads is queued now and then in a block of the queue's own.
        assert!(large < small + 4096, "{large} bytes for {side} x {side} pixels, {small} for 32 x 32");
    }
}
