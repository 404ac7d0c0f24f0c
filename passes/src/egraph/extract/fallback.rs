//! Extraction without a search, for graphs too large for one.

use super::choices::{Candidate, Choices};

/// For each class the candidate whose tree, without sharing, is cheapest.
pub(super) fn cheapest_trees(choices: &Choices) -> Vec<usize> {
    let mut trees: Vec<Option<(u64, usize)>> = vec![None; choices.classes.len()];
    let order = choices.operands_first();
    let mut changed = true;
    while changed {
        changed = false;
        for &class in &order {
            let candidates = choices.classes[class].iter().enumerate();
            let best = candidates.filter_map(|(index, it)| Some((tree(it, &trees)?, index))).min();
            // Only a lower cost replaces a choice, so the choices have no cycle.
            if best.is_some_and(|best| trees[class].is_none_or(|known| best.0 < known.0)) {
                trees[class] = best;
                changed = true;
            }
        }
    }
    trees.into_iter().map(|tree| tree.map_or(0, |(_, index)| index)).collect()
}

/// The cost of a candidate's tree, which is above that of each operand's tree.
fn tree(candidate: &Candidate, trees: &[Option<(u64, usize)>]) -> Option<u64> {
    let operands = candidate.operands.iter().map(|operand| trees[operand.class].map(|(cost, _)| cost));
    let operands: Option<Vec<_>> = operands.collect();
    Some(operands?.into_iter().fold(candidate.cost.saturating_add(1), u64::saturating_add))
}
