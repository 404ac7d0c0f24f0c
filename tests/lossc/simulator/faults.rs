//! Kernels with a seeded fault, each of which the simulator must find.

use std::sync::Arc;

use lossc::{Balance, Loss};
use lossc_runtime::cuda::plan::{LaunchOverrides, Team};
use lossc_runtime::manifest::Direction;
use lossc_runtime::{Call, Random, Residuals, TensorView};
use lossc_simulator::{Code, Device, Fault, Machine, Order, Problem, Step, Tensors};

use super::{Both, SEED, SHARED_BYTES, on_processor};
use crate::data::{Sample, sample};

/// The way in which a fault was noticed.
#[derive(Debug)]
enum Caught {
    Fault(Fault),
    Bits(#[expect(dead_code, reason = "for the message of a failing test")] Order),
}

/// A loss whose kernels have barriers, shuffles and tails.
struct Subject {
    both: Both,
    sample: Sample,
    balance: Balance,
}

impl Subject {
    fn new(shape: &[usize], balance: Balance) -> Self {
        let loss = Loss::library("random-drop").expect("a library loss");
        Self { both: Both::new(&loss, &Default::default()), sample: sample(shape, 0.3, 17), balance }
    }

    /// Runs the forward pass of `ir` instead of the loss's own; returns how the fault was noticed.
    fn run(&mut self, ir: &str) -> Option<Caught> {
        self.run_function(ir, FORWARD)
    }

    /// Like [`Subject::run`], for the forward pass or the cooperative launch.
    fn run_function(&mut self, ir: &str, function: &str) -> Option<Caught> {
        let pixels = [
            TensorView::from_array(self.sample.logits.view()).expect("standard layout"),
            TensorView::from_array(self.sample.labels.view()).expect("standard layout"),
        ];
        let random = Random { seed: SEED, stream: 0 };
        let call = Call { pixels: &pixels, balance: self.balance, random, scalars: &[] };
        let (forward, both) = on_processor(&mut self.both.cpu, &call);
        let is_forward = [FORWARD, FORWARD_BY_BLOCK].contains(&function);
        let expected = if is_forward { forward } else { both };
        let manifest = Arc::new(self.both.manifest.clone());
        let zeros = Residuals::new(&manifest, &call).expect("the arguments fit");
        let code = Code::new(&alone(ir, function)).unwrap_or_else(|error| panic!("{error}\n{ir}"));
        let loss = lossc_simulator::Loss { code: &code, manifest: &manifest };
        let tensors = Tensors { pixels: &pixels, misalignment: 0, residuals: &zeros, upstream: None };
        let direction = if is_forward { Direction::Forward } else { Direction::ForwardBackward };
        let team = if function.contains("_block_") { Team::Block } else { Team::Warp };
        let overrides = LaunchOverrides { team: Some(team), cooperative: Some(!is_forward) };
        let cases = BLOCKS.into_iter().flat_map(|blocks| Order::ALL.map(|order| (blocks, order)));
        cases.into_iter().find_map(|(blocks, order)| {
            let machine = Machine { overrides, blocks, shared_bytes: SHARED_BYTES };
            let result: Result<Step, Fault> =
                loss.run(&mut Device::new(order), &tensors, direction, &machine);
            match result {
                Err(fault) => Some(Caught::Fault(fault)),
                Ok(step) if step != expected => Some(Caught::Bits(order)),
                Ok(_) => None,
            }
        })
    }
}

/// The kernel of the forward pass.
const FORWARD: &str = "kernel_0";

/// The same if a block sums a chunk.
const FORWARD_BY_BLOCK: &str = "kernel_block_0";

/// The kernel of the cooperative launch.
const COOPERATIVE: &str = "cooperative_0";

/// The same if a block sums a chunk.
const COOPERATIVE_BY_BLOCK: &str = "cooperative_block_0";

/// Blocks that a device holds: fewer than there are tiles, and enough that planes end in different
/// blocks.
const BLOCKS: [usize; 2] = [3, 20];

/// The text without the bodies of all functions except one, which nobody calls.
fn alone(ir: &str, function: &str) -> String {
    let head = format!("@{function}(");
    let mut is_kept = true;
    let mut lines = vec![];
    for line in ir.lines() {
        is_kept = if line.starts_with("define") { line.contains(&head) } else { is_kept };
        if is_kept {
            lines.push(line);
        }
        is_kept |= line == "}";
    }
    lines.join("\n")
}

/// The numbers of the lines of a function that contain `text`.
fn lines_with(ir: &str, function: &str, text: &str) -> Vec<usize> {
    let mut lines = ir.lines().enumerate();
    let head = format!("@{function}(");
    lines.find(|(_, line)| line.starts_with("define") && line.contains(&head)).expect("the function");
    let body = lines.take_while(|(_, line)| *line != "}");
    body.filter(|(_, line)| line.contains(text)).map(|(number, _)| number).collect()
}

/// The text with line `number` changed.
fn with_line(ir: &str, number: usize, change: impl Fn(&str) -> String) -> String {
    let lines = ir.lines().enumerate();
    let lines = lines.map(|(index, line)| if index == number { change(line) } else { line.to_owned() });
    let changed = lines.collect::<Vec<_>>().join("\n");
    assert_ne!(changed.trim_end(), ir.trim_end(), "nothing was changed in line {number}");
    changed
}

const FENCE: &str = "fence syncscope(\"device\")";

const BARRIER: &str = "@llvm.nvvm.barrier.cta.sync.aligned.all(";

#[test]
fn nothing_is_caught_without_a_fault() {
    let mut subject = Subject::new(&[3, 1, 2051], Balance::Batch);
    let ir = subject.both.ir.clone();
    assert!(subject.run(&ir).is_none());
}

/// Checks that each line with `text` is needed: without it there is a race, or a read of unwritten
/// memory.
fn each_is_missed(function: &str, text: &str, least: usize) {
    // Two planes of ten chunks: two blocks per plane, several warps per block. And more groups than
    // a block has threads.
    let mut subjects = [&[2, 1, 18_500][..], &[300, 1, 5]].map(|shape| Subject::new(shape, Balance::Image));
    let ir = subjects[0].both.ir.clone();
    let lines = lines_with(&ir, function, text);
    assert!(lines.len() >= least, "{ir}");
    for line in lines {
        let without = with_line(&ir, line, |_| String::new());
        let caught = subjects.iter_mut().find_map(|subject| subject.run_function(&without, function));
        let Some(Caught::Fault(Fault { problem, .. })) = &caught else {
            panic!("line {line} of {function}: {caught:?}")
        };
        let is_about_order = matches!(problem, Problem::Race { .. } | Problem::Uninitialised { .. });
        assert!(is_about_order, "without line {line}: {caught:?}");
    }
}

#[test]
fn every_barrier_is_missed_when_it_is_removed() {
    each_is_missed(FORWARD, BARRIER, 6);
    each_is_missed(COOPERATIVE, BARRIER, 7);
    each_is_missed(FORWARD_BY_BLOCK, BARRIER, 7);
    each_is_missed(COOPERATIVE_BY_BLOCK, BARRIER, 8);
}

#[test]
fn every_fence_is_missed_when_it_is_removed() {
    each_is_missed(FORWARD, FENCE, 4);
    each_is_missed(COOPERATIVE, FENCE, 6);
    each_is_missed(FORWARD_BY_BLOCK, FENCE, 4);
    each_is_missed(COOPERATIVE_BY_BLOCK, FENCE, 6);
}

/// Only some of the threads reach one of the barriers.
#[test]
fn a_barrier_in_a_divergent_branch_is_caught() {
    let mut subject = Subject::new(&[1, 31], Balance::Image);
    let ir = subject.both.ir.clone();
    // After the last one there is nothing that a thread could read too early.
    let barrier = *lines_with(&ir, FORWARD, BARRIER).last().expect("a barrier");
    let before: Vec<_> = ir.lines().take(barrier).collect();
    let label =
        before.iter().rev().find_map(|line| line.split_once(':').filter(|(name, _)| !name.contains(' ')));
    let (label, _) = label.expect("the barrier's block has a label");
    let diverged = with_line(&ir, barrier, |line| {
        format!(
            "  %own = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n  %is_some = icmp ult i32 %own, 100\n  \
             br i1 %is_some, label %some, label %all\nsome:\n{line}\n  br label %all\nall:"
        )
    });
    // The successors of the block now follow its second half.
    let put_in = diverged.find("\nall:").expect("put in above");
    let start = diverged[..put_in].rfind("\ndefine").expect("a function begins");
    let end = put_in + diverged[put_in..].find("\n}").expect("a function ends");
    let function = diverged[start..end].replace(&format!(", %{label} ]"), ", %all ]");
    let caught = subject.run(&format!("{}{function}{}", &diverged[..start], &diverged[end..]));
    let Some(Caught::Fault(Fault { problem: Problem::Deadlock(who), .. })) = caught else {
        panic!("{caught:?}")
    };
    assert!(who.contains("100 threads from 0 wait at barrier"), "{who}");
    assert!(who.contains("156 threads from 100 wait no more"), "{who}");
}

#[test]
fn every_shuffle_distance_matters() {
    // 32 chunks, so that each thread of a warp has something to add for the plane.
    let mut subject = Subject::new(&[1, 65_500], Balance::Image);
    let ir = subject.both.ir.clone();
    let shuffles = lines_with(&ir, FORWARD, "@llvm.nvvm.shfl.sync.bfly.");
    assert!(shuffles.len() >= 10, "{ir}");
    // Every third one: all distances, each at least three times.
    let unnoticed = shuffles.iter().step_by(3).filter(|&&shuffle| {
        let wrong = with_line(&ir, shuffle, |line| {
            let (call, rest) = line.rsplit_once(", i32 ").expect("the clamp");
            let (call, distance) = call.rsplit_once(", i32 ").expect("the distance");
            let distance: u32 = distance.parse().expect("a number");
            format!("{call}, i32 {}, i32 {rest}", if distance == 1 { 2 } else { distance / 2 })
        });
        subject.run(&wrong).is_none()
    });
    // Every third one of ten: the upper halves of two counts are 0 in every thread.
    assert!((3..=4).contains(&unnoticed.count()));
}

#[test]
fn a_tail_that_is_off_by_one_is_caught() {
    for pixels in [1, 31, 33] {
        let mut subject = Subject::new(&[1, pixels], Balance::Image);
        let ir = subject.both.ir.clone();
        let tail = lines_with(&ir, FORWARD, "icmp slt <4 x i32>")[0];
        let caught = subject.run(&with_line(&ir, tail, |line| line.replace("icmp slt", "icmp sle")));
        let Some(Caught::Fault(Fault { problem: Problem::OutOfBounds { nearest, .. }, .. })) = &caught else {
            panic!("{pixels} pixels: {caught:?}")
        };
        let expected = ("logit".to_owned(), 4 * pixels as i64);
        assert_eq!(nearest.as_ref(), Some(&expected), "{pixels} pixels");
    }
}

#[test]
fn a_missing_guard_on_the_last_plane_is_caught() {
    let mut subject = Subject::new(&[2, 1, 5], Balance::Image);
    let ir = subject.both.ir.clone();
    let guard = lines_with(&ir, FORWARD, "icmp ult i64")[0];
    let unguarded = with_line(&ir, guard, |line| {
        let (result, _) = line.split_once(" = ").expect("a comparison");
        format!("{result} = icmp eq i64 0, 0")
    });
    let caught = subject.run(&unguarded);
    let Some(Caught::Fault(Fault { problem: Problem::OutOfBounds { .. }, place, .. })) = &caught else {
        panic!("{caught:?}")
    };
    assert!(place.starts_with("kernel_0: "), "{place}");
}

/// Steps that are resident must not overlap, nor be read from elsewhere.
#[test]
fn every_wrong_place_on_the_chip_is_caught() {
    let mut subject = Subject::new(&[2, 1, 18_500], Balance::Image);
    let ir = subject.both.ir.clone();
    let bytes = subject.both.manifest.step_bytes.expect("pixels are kept");
    let (right, wrong) = (format!(", {bytes}"), format!(", {}", bytes - 64));
    for function in [COOPERATIVE, COOPERATIVE_BY_BLOCK] {
        let lines = lines_with(&ir, function, "= mul i32 ");
        let ends_so = |&line: &usize| ir.lines().nth(line).is_some_and(|line| line.ends_with(&right));
        let places: Vec<_> = lines.into_iter().filter(ends_so).collect();
        assert!(places.len() >= 4, "{ir}");
        for place in places {
            let ir = with_line(&ir, place, |line| line.replace(&right, &wrong));
            assert!(subject.run_function(&ir, function).is_some(), "line {place} of {function}");
        }
    }
}
