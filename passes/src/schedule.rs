//! From a program to kernels: the pass over the data that computes each value, and the values
//! that are saved in memory in between.
//!
//! A reduction is known only after a pass, so a value's *depth* is the number of passes that
//! must come before it: a pixel value that needs a sum of pixels has depth 1. All reductions
//! over values of depth `k` share pass `k`. A pixel value that two passes need is computed in
//! both, which is always legal since programs are pure, unless it is cheaper to save it: `remat`
//! decides that, and only within one call, never between `forward` and `backward`. Where most
//! pixels are expected to contribute nothing, a kernel first finds those that may: see
//! `compaction`.

mod bounds;
mod buffers;
mod compaction;
mod cooperative;
mod depth;
mod fold;
mod fusion;
mod plan;
mod print;
mod remat;
mod traffic;

pub use buffers::Buffer;
pub use compaction::Compaction;
pub use cooperative::Cooperative;
pub use depth::{Depths, passes};

use std::collections::HashSet;

use lossc_dialect::{Level, Op, Program, ValueId};

use crate::saturate::costs::CostModel;
use crate::stack::deep;

/// A reduction over pixels: one number per group, kept from the pass that computes it for all
/// that need it. The group totals are the residuals between forward and backward, and the values
/// that several workers add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTotal {
    /// The `sum` or `count`.
    pub value: ValueId,
    /// True if it is a count.
    pub is_count: bool,
}

/// One pass over the data and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// The mask of the pixels with which it continues; `None` if it continues with all.
    pub compaction: Option<ValueId>,
    /// The pixel values it reads that an earlier kernel saved, as indices of
    /// [`Schedule::saved`].
    pub loads: Vec<usize>,
    /// The reductions it computes, as indices of [`Schedule::group_totals`].
    pub reductions: Vec<usize>,
    /// The pixel values it writes, in the order of the program's pixel results.
    pub outputs: Vec<ValueId>,
    /// The pixel values it saves for later kernels, as indices of [`Schedule::saved`].
    pub saves: Vec<usize>,
    /// The reductions over groups that are computed after it, as indices of
    /// [`Schedule::group_reductions`], operands first.
    pub group_reductions: Vec<usize>,
    /// The program's loss and group results that are known after it, as indices
    /// of [`Program::results`].
    pub results: Vec<usize>,
}

/// The kernels of a program and the order in which each entry point runs them.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The program that is computed.
    pub program: Program,
    /// The reductions over pixels, in the order of the program.
    pub group_totals: Vec<GroupTotal>,
    /// The reductions over groups, in the order of the program. Their values take the scalar
    /// slots after those of the program's scalars and of the sizes.
    pub group_reductions: Vec<ValueId>,
    /// The pixel values that some kernel saves for another.
    pub saved: Vec<Saved>,
    /// The compaction of pixels, if some kernel does one.
    pub compaction: Option<Compaction>,
    /// The distinct kernels.
    pub kernels: Vec<Kernel>,
    /// The kernels of `forward`: the loss and the group results.
    pub forward: Vec<usize>,
    /// The kernels of `backward`: the gradient, given the group totals of `forward`.
    pub backward: Vec<usize>,
    /// The kernels of `forward_backward`.
    pub forward_backward: Vec<usize>,
    /// The passes of `forward_backward` in one launch, where a target can do them so.
    pub cooperative: Option<Cooperative>,
}

/// A pixel value saved between kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The value.
    pub value: ValueId,
    /// The buffer that holds it. Values that are not needed at the same time may share one.
    pub buffer: usize,
}

/// The extent to which ops are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fusion {
    /// All that one pass over the data can compute is one kernel.
    #[default]
    Pass,
    /// Each op is a kernel that reads its operands from memory and leaves its value there, as in
    /// a framework that runs ops one by one.
    Op,
}

/// Options of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The extent to which ops are put together.
    pub fusion: Fusion,
    /// The memory in which values are saved instead of being computed again.
    pub saved_in: SavedIn,
    /// The cost model that decides on compaction; without one there is none.
    pub compaction: Option<CostModel>,
    /// The entry points that are wanted.
    pub entry_points: EntryPoints,
}

/// The memory in which pixel values are saved from one pass of a call to the next, and the cost
/// model that chooses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SavedIn {
    /// None: all values are computed again.
    #[default]
    Nowhere,
    /// Main memory.
    Memory(CostModel),
    /// A GPU's shared memory, up to its capacity; see [`Cooperative`].
    SharedMemory(CostModel),
}

/// The entry points of a compiled loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EntryPoints {
    /// `forward`, `backward` and `forward_backward`.
    #[default]
    All,
    /// `forward`, and `backward` in a call of its own.
    Separate,
    /// `forward_backward`.
    Joint,
}

impl EntryPoints {
    fn has_separate(self) -> bool {
        self != Self::Joint
    }

    fn has_joint(self) -> bool {
        self != Self::Separate
    }
}

/// Schedules `program`.
pub fn schedule(program: &Program, options: Options) -> Schedule {
    // A kernel of a single op has nothing to gain from compaction.
    let costs = options.compaction.filter(|_| options.fusion == Fusion::Pass);
    // A compaction's bounds are built by recursion.
    match costs.and_then(|costs| deep(|| compaction::compaction(program, costs))) {
        Some((program, compaction)) => schedule_kernels(&program, Some(compaction), options),
        None => schedule_kernels(program, None, options),
    }
}

fn schedule_kernels(program: &Program, compaction: Option<Compaction>, options: Options) -> Schedule {
    let results = program.results();
    let is_pixel = |value: &ValueId| program.ty(*value).level == Level::Pixel;
    let roots: Vec<_> = results.iter().map(|result| result.value).collect();
    let (pixel_roots, group_roots): (Vec<_>, Vec<_>) = roots.iter().copied().partition(is_pixel);
    let mut schedule = Schedule { compaction, ..Schedule::empty(program, &roots) };
    if options.entry_points.has_separate() {
        // A call that does not know another call's memory saves nothing for it.
        let options = Options { saved_in: SavedIn::Nowhere, ..options };
        schedule.forward = schedule.plan(&group_roots, &[], options);
        schedule.backward = schedule.plan(&pixel_roots, &group_roots, options);
    }
    if options.entry_points.has_joint() {
        schedule.forward_backward = schedule.plan(&roots, &[], options);
        if let SavedIn::SharedMemory(costs) = options.saved_in {
            schedule.cooperative = cooperative::plan(&mut schedule, costs);
        }
    }
    schedule.share_buffers();
    schedule
}

/// The sizes of a call, which come with its arguments, in the order of their scalar slots.
const SIZES: [Op; 2] = [Op::Groups, Op::Pixels];

fn is_group_total(op: Op) -> bool {
    matches!(op, Op::Sum | Op::Count)
}

fn is_group_reduction(op: Op) -> bool {
    matches!(op, Op::SumGroups | Op::MeanGroups)
}

fn is_reduction(op: Op) -> bool {
    is_group_total(op) || is_group_reduction(op)
}

impl Schedule {
    fn empty(program: &Program, roots: &[ValueId]) -> Self {
        let live = program.needed(roots.iter().copied());
        let of_op = |matches: fn(Op) -> bool| {
            let live = &live;
            program
                .values()
                .filter(move |(value, node)| live[value.index()] && matches(node.op))
                .map(|(value, _)| value)
        };
        let group_totals = of_op(is_group_total)
            .map(|value| GroupTotal { value, is_count: program.node(value).op == Op::Count });
        Self {
            program: program.clone(),
            group_totals: group_totals.collect(),
            group_reductions: of_op(is_group_reduction).collect(),
            saved: vec![],
            compaction: None,
            kernels: vec![],
            forward: vec![],
            backward: vec![],
            forward_backward: vec![],
            cooperative: None,
        }
    }

    /// Returns the index of `kernel`, which is added if it is new.
    fn kernel(&mut self, kernel: Kernel) -> usize {
        self.kernels.iter().position(|known| *known == kernel).unwrap_or_else(|| {
            self.kernels.push(kernel);
            self.kernels.len() - 1
        })
    }

    /// Returns the index of the saved `value`, which is added if it is new.
    fn save(&mut self, value: ValueId) -> usize {
        self.saved.iter().position(|known| known.value == value).unwrap_or_else(|| {
            let buffer = self.saved.len();
            self.saved.push(Saved { value, buffer });
            buffer
        })
    }

    /// The slot of `value`, which is a scalar, a size or a group reduction.
    pub fn scalar_slot(&self, value: ValueId) -> Option<usize> {
        let op = self.program.node(value).op;
        if let Op::Argument(index) = op {
            return self.program.scalar_arguments().position(|(number, _)| number == index as usize);
        }
        let of = |place: usize| self.program.scalar_arguments().count() + place;
        if let Some(size) = SIZES.iter().position(|&size| size == op) {
            return Some(of(size));
        }
        let reduction = self.group_reductions.iter().position(|&known| known == value)?;
        Some(of(SIZES.len() + reduction))
    }

    /// The number of scalar slots: scalars, sizes, then reductions over groups.
    pub fn scalar_slots(&self) -> usize {
        self.program.scalar_arguments().count() + SIZES.len() + self.group_reductions.len()
    }

    /// The pixel values of a kernel, operands first: those that it loads, and those that its
    /// reductions, outputs and saves need, down to the values of groups.
    pub fn pixel_values(&self, kernel: &Kernel) -> Vec<ValueId> {
        let program = &self.program;
        let loaded: HashSet<_> = kernel.loads.iter().map(|&saved| self.saved[saved].value).collect();
        let mut needed = vec![false; program.len()];
        self.targets(kernel).for_each(|value| needed[value.index()] = true);
        for (value, node) in program.values().collect::<Vec<_>>().into_iter().rev() {
            if needed[value.index()] && !loaded.contains(&value) {
                let pixels = node.operands.iter().filter(|it| program.ty(**it).level == Level::Pixel);
                pixels.for_each(|operand| needed[operand.index()] = true);
            }
        }
        program.values().map(|(value, _)| value).filter(|value| needed[value.index()]).collect()
    }

    /// The pixel values that a kernel exists to compute.
    fn targets(&self, kernel: &Kernel) -> impl Iterator<Item = ValueId> {
        let operands = kernel
            .reductions
            .iter()
            .map(|&group_total| self.program.node(self.group_totals[group_total].value).operands[0]);
        let saves = kernel.saves.iter().map(|&saved| self.saved[saved].value);
        operands.chain(kernel.outputs.iter().copied()).chain(saves).chain(kernel.compaction)
    }

    /// The two parts of a kernel that compacts: the work on all pixels that finds the active
    /// pixels, and the work on those. A saved value of an active pixel is stored at the pixel's
    /// index among the active pixels of its chunk.
    pub fn parts(&self, kernel: &Kernel) -> Option<[Kernel; 2]> {
        let compaction = self.compaction.as_ref().filter(|_| kernel.compaction.is_some())?;
        let mut of_all = Kernel { compaction: kernel.compaction, ..Kernel::default() };
        let mut of_active = Kernel { compaction: None, ..kernel.clone() };
        let is_mask = |saved: &usize| self.saved[*saved].value == compaction.active;
        let is_everywhere =
            |group_total: &usize| compaction.everywhere.contains(&self.group_totals[*group_total].value);
        (of_all.loads, of_active.loads) = kernel.loads.iter().partition(|it| is_mask(it));
        (of_all.saves, of_active.saves) = kernel.saves.iter().partition(|it| is_mask(it));
        (of_all.reductions, of_active.reductions) =
            kernel.reductions.iter().partition(|it| is_everywhere(it));
        Some([of_all, of_active])
    }

    /// Returns whether a pixel value that `kernel` computes depends on the number of all pixels
    /// other than through earlier passes.
    pub fn needs_pixels_counted(&self, kernel: &Kernel) -> bool {
        let program = &self.program;
        let mut counted = vec![false; program.len()];
        for (value, node) in program.values() {
            let through_operands = node.operands.iter().any(|operand| counted[operand.index()]);
            counted[value.index()] = node.op == Op::Pixels || !is_reduction(node.op) && through_operands;
        }
        self.pixel_values(kernel).iter().any(|value| counted[value.index()])
    }

    /// The group total of the reduction `value`.
    pub fn group_total(&self, value: ValueId) -> Option<usize> {
        self.group_totals.iter().position(|group_total| group_total.value == value)
    }
}
