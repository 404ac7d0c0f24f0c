//! The needs of a class whatever is chosen: the dominators of the graph of choices.

use super::choices::{Candidate, Choices};
use super::kernels::Kernels;

/// For each class, the kernels in which it needs each class to be computed, at least, in every
/// program without a cycle.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    rows: Vec<Vec<Kernels>>,
}

impl Needs {
    /// The needs of all classes of `choices`: the greatest fixed point at which each class needs
    /// the intersection of its candidates' needs. A class whose candidates all need it keeps the
    /// full set.
    pub(super) fn of(choices: &Choices) -> Self {
        let count = choices.classes.len();
        let mut needs = Self { rows: vec![vec![Kernels::ALL; count]; count] };
        let order = choices.operands_first();
        let mut changed = true;
        while changed {
            changed = false;
            for &class in &order {
                let mut row = vec![Kernels::ALL; count];
                for candidate in &choices.classes[class] {
                    let needed = needs.of_candidate(candidate);
                    row.iter_mut().zip(needed).for_each(|(all, one)| *all = all.intersection(one));
                }
                row[class] = row[class].union(Kernels::OF_THE_USER);
                changed |= row != needs.rows[class];
                needs.rows[class] = row;
            }
        }
        needs
    }

    /// The needs of `class`, including itself.
    pub(super) fn of_class(&self, class: usize) -> &[Kernels] {
        &self.rows[class]
    }

    /// The needs of a candidate.
    pub(super) fn of_candidate(&self, candidate: &Candidate) -> Vec<Kernels> {
        let mut row = vec![Kernels::NONE; self.rows.len()];
        for operand in &candidate.operands {
            add(&mut row, &self.rows[operand.class], operand.kernels);
        }
        row
    }
}

/// Adds the needs `row` of a user in `kernels` to `demands`.
pub(super) fn add(demands: &mut [Kernels], row: &[Kernels], kernels: Kernels) {
    for (demand, need) in demands.iter_mut().zip(row) {
        *demand = demand.union(need.for_user(kernels));
    }
}
