//! The number of passes over the data that come before a value.

use lossc_dialect::{Level, Program, ValueId};
use lossc_faults::{Fault, is_seeded};

use super::{is_group_total, is_reduction};

/// The depth of every value of a program.
#[derive(Clone, Debug)]
pub struct Depths<'a> {
    program: &'a Program,
    depths: Vec<usize>,
    given: Vec<bool>,
}

impl<'a> Depths<'a> {
    /// The depths in `program` if the reductions that `given` needs are known before the first
    /// pass.
    pub fn of(program: &'a Program, given: &[ValueId]) -> Self {
        let known = program.needed(given.iter().copied());
        let mut depths = vec![0; program.len()];
        let mut is_given = vec![false; program.len()];
        for (value, node) in program.values() {
            is_given[value.index()] = known[value.index()] && is_reduction(node.op);
            if !is_given[value.index()] {
                let before = node.operands.iter().map(|operand| depths[operand.index()]).max().unwrap_or(0);
                depths[value.index()] = match node.op {
                    op if is_group_total(op) => before + 1,
                    // It is computed after some pass, even if it needs none.
                    op if is_reduction(op) => {
                        before.max(usize::from(!is_seeded(Fault::ScalarsAreReducedLate)))
                    }
                    _ => before,
                };
            }
        }
        Self { program, depths, given: is_given }
    }

    /// The depth of `value`.
    pub fn depth(&self, value: ValueId) -> usize {
        self.depths[value.index()]
    }

    /// The pass after which the reduction `value` is known; `None` if it is given.
    pub fn pass_of_reduction(&self, value: ValueId) -> Option<usize> {
        let given = self.given[value.index()];
        (!given).then(|| self.depth(value).saturating_sub(1))
    }

    /// The number of passes until `value` is known.
    pub fn passes(&self, program: &Program, value: ValueId) -> usize {
        match program.ty(value).level {
            Level::Pixel => self.depth(value) + 1,
            // A loss that no pixel enters must still be computed after some pass.
            _ => self.depth(value).max(1),
        }
    }

    /// Marks the values that `roots` need; a given value needs no others.
    pub fn needed(&self, roots: &[ValueId]) -> Vec<bool> {
        let mut needed = vec![false; self.program.len()];
        roots.iter().for_each(|root| needed[root.index()] = true);
        let values: Vec<_> = self.program.values().collect();
        for (value, node) in values.into_iter().rev() {
            if needed[value.index()] && !self.given[value.index()] {
                node.operands.iter().for_each(|operand| needed[operand.index()] = true);
            }
        }
        needed
    }
}

/// The numbers of passes over the data for a program's loss, and of those that its gradient
/// adds.
pub fn passes(program: &Program) -> (usize, usize) {
    let depths = Depths::of(program, &[]);
    let is_pixel = |value: ValueId| program.ty(value).level == Level::Pixel;
    let most = |pixel: bool| {
        let results = program.results().iter().map(|result| result.value);
        results.filter(|&value| is_pixel(value) == pixel).map(|value| depths.passes(program, value)).max()
    };
    let forward = most(false).unwrap_or(0);
    (forward, most(true).map_or(0, |all| all.saturating_sub(forward).max(1)))
}
