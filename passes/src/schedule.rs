//! From a program to kernels: which values are computed in which pass over the
//! data.
//!
//! A reduction is known only after a pass, so a value's *stage* is the number of
//! passes that must come before it: a pixel value that needs a sum of pixels has
//! stage 1. All reductions over values of stage `k` share pass `k`. Between
//! passes nothing of the size of the image is stored: pixel values that two
//! passes need are computed in both, which is always legal since programs are
//! pure.

mod print;
mod stage;

pub use stage::{Stages, passes};

use lossc_dialect::{Level, Op, Program, ValueId};

/// A reduction over pixels: one number a group, kept from the pass that computes
/// it for whoever needs it. The cells are the residuals between forward and
/// backward, and what several workers add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The `sum` or `count`.
    pub value: ValueId,
    /// Whether it is a count.
    pub is_count: bool,
}

/// One pass over the data and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// The reductions it computes, as indices of [`Schedule::cells`].
    pub reductions: Vec<usize>,
    /// The pixel values it writes, in the order of the program's pixel results.
    pub outputs: Vec<ValueId>,
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
    /// What is computed.
    pub program: Program,
    /// The reductions over pixels, in the order of the program.
    pub cells: Vec<Cell>,
    /// The reductions over groups, in the order of the program. Their values take
    /// the scalar slots after those of the program's numbers.
    pub group_reductions: Vec<ValueId>,
    /// The distinct kernels.
    pub kernels: Vec<Kernel>,
    /// The kernels of `forward`: the loss and the group results.
    pub forward: Vec<usize>,
    /// The kernels of `backward`: the gradient, given the cells of `forward`.
    pub backward: Vec<usize>,
    /// The kernels of `forward_backward`.
    pub forward_backward: Vec<usize>,
}

/// Schedules `program`.
pub fn schedule(program: &Program) -> Schedule {
    let results = program.results();
    let is_pixel = |value: &ValueId| program.ty(*value).level == Level::Pixel;
    let roots: Vec<_> = results.iter().map(|result| result.value).collect();
    let (pixel_roots, group_roots): (Vec<_>, Vec<_>) = roots.iter().copied().partition(is_pixel);

    let live = program.needed(roots.iter().copied());
    let of_op = |matches: fn(Op) -> bool| {
        let live = &live;
        program
            .values()
            .filter(move |(value, node)| live[value.index()] && matches(node.op))
            .map(|(value, _)| value)
    };
    let cells = of_op(is_cell).map(|value| Cell { value, is_count: program.node(value).op == Op::Count });
    let mut schedule = Schedule {
        program: program.clone(),
        cells: cells.collect(),
        group_reductions: of_op(is_group_reduction).collect(),
        kernels: vec![],
        forward: vec![],
        backward: vec![],
        forward_backward: vec![],
    };
    schedule.forward = schedule.plan(&group_roots, &[]);
    schedule.backward = schedule.plan(&pixel_roots, &group_roots);
    schedule.forward_backward = schedule.plan(&roots, &[]);
    schedule
}

fn is_cell(op: Op) -> bool {
    matches!(op, Op::Sum | Op::Count)
}

fn is_group_reduction(op: Op) -> bool {
    matches!(op, Op::SumGroups | Op::MeanGroups)
}

fn is_reduction(op: Op) -> bool {
    is_cell(op) || is_group_reduction(op)
}

impl Schedule {
    /// The kernels that compute `roots`, where the reductions that `given` needs
    /// are known; new kernels are added to the list.
    fn plan(&mut self, roots: &[ValueId], given: &[ValueId]) -> Vec<usize> {
        let program = &self.program;
        let stages = Stages::of(program, given);
        let needed = stages.needed(roots);
        let count = roots.iter().map(|&root| stages.passes(program, root)).max().unwrap_or(0);
        let mut kernels = vec![Kernel::default(); count];
        for (index, cell) in self.cells.iter().enumerate().filter(|(_, cell)| needed[cell.value.index()]) {
            if let Some(pass) = stages.pass_of_reduction(cell.value) {
                kernels[pass].reductions.push(index);
            }
        }
        for (index, value) in
            self.group_reductions.iter().enumerate().filter(|(_, value)| needed[value.index()])
        {
            if let Some(pass) = stages.pass_of_reduction(*value) {
                kernels[pass].group_reductions.push(index);
            }
        }
        for (index, result) in
            program.results().iter().enumerate().filter(|(_, it)| roots.contains(&it.value))
        {
            let pass = stages.passes(program, result.value) - 1;
            match program.ty(result.value).level {
                Level::Pixel => kernels[pass].outputs.push(result.value),
                _ => kernels[pass].results.push(index),
            }
        }
        kernels.into_iter().map(|kernel| self.kernel(kernel)).collect()
    }

    /// The index of `kernel`, added if it is new.
    fn kernel(&mut self, kernel: Kernel) -> usize {
        self.kernels.iter().position(|known| *known == kernel).unwrap_or_else(|| {
            self.kernels.push(kernel);
            self.kernels.len() - 1
        })
    }

    /// The scalar slot of the number or group reduction `value`.
    pub fn scalar_slot(&self, value: ValueId) -> Option<usize> {
        let numbers = self.program.scalar_arguments().count();
        if let Op::Argument(index) = self.program.node(value).op {
            return self.program.scalar_arguments().position(|(number, _)| number == index as usize);
        }
        let reduction = self.group_reductions.iter().position(|&known| known == value)?;
        Some(numbers + reduction)
    }

    /// The number of scalar slots: numbers, then reductions over groups.
    pub fn scalar_slots(&self) -> usize {
        self.program.scalar_arguments().count() + self.group_reductions.len()
    }

    /// The pixel values a kernel computes, operands first: what its reductions and
    /// outputs need, up to the values of groups.
    pub fn pixel_values(&self, kernel: &Kernel) -> Vec<ValueId> {
        let program = &self.program;
        let mut needed = vec![false; program.len()];
        let operands = kernel.reductions.iter().map(|&cell| program.node(self.cells[cell].value).operands[0]);
        operands.chain(kernel.outputs.iter().copied()).for_each(|value| needed[value.index()] = true);
        for (value, node) in program.values().collect::<Vec<_>>().into_iter().rev() {
            if needed[value.index()] {
                let pixels = node.operands.iter().filter(|it| program.ty(**it).level == Level::Pixel);
                pixels.for_each(|operand| needed[operand.index()] = true);
            }
        }
        program.values().map(|(value, _)| value).filter(|value| needed[value.index()]).collect()
    }

    /// The cell of the reduction `value`.
    pub fn cell(&self, value: ValueId) -> Option<usize> {
        self.cells.iter().position(|cell| cell.value == value)
    }
}
