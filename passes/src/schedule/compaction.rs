//! Compaction: finding the pixels that need costly values before these are computed.
//!
//! A loss that drops pixels at random computes values of each pixel that it then throws away.
//! Where masks that are cheap, or that cheap bounds decide, make all targets of a kernel 0 or
//! false, nothing else need be known of a pixel. So a kernel may first find the *active pixels*,
//! a superset of the pixels that contribute, and compute the rest for them alone.

use std::collections::HashMap;

use lossc_dialect::program::Builder;
use lossc_dialect::{Level, Op, Program, ValueId};

use super::bounds::{Bounds, cheap};
use super::fold::fold;
use super::{is_group_total, is_reduction};
use crate::saturate::costs::{CompactionCost, CostModel};

/// The test that selects the active pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The mask of the active pixels. At every other pixel the targets of all kernels are 0 or
    /// false, except those of the reductions `everywhere`.
    pub active: ValueId,
    /// The masks that show, where this is cheap to see, that a pixel is not active: it is not if
    /// each mask has the value given here.
    pub masks: Vec<(ValueId, bool)>,
    /// The cheap reductions that are computed over all pixels.
    pub everywhere: Vec<ValueId>,
}

/// A random drop is expected to leave one active pixel in this many.
pub(super) const PIXELS_PER_ACTIVE: u64 = 16;

/// Masks that leave nothing to do at a pixel where they have the given values.
struct Assumption {
    masks: Vec<(ValueId, bool)>,
    everywhere: Vec<ValueId>,
}

/// A copy of `program` with the mask of a compaction added; `None` if no compaction is known or
/// none is worth its cost.
pub(super) fn compaction(program: &Program, costs: CostModel) -> Option<(Program, Compaction)> {
    let compaction_cost = costs.compaction_cost()?;
    let is_cheap = cheap(program, costs);
    assumptions(program, &is_cheap).into_iter().find_map(|assumption| {
        build(program, &assumption, &is_cheap).filter(|it| is_worthwhile(it, costs, compaction_cost))
    })
}

/// The assumptions under which nothing costly is left to do; the first are those with the fewest
/// reductions left everywhere.
fn assumptions(program: &Program, is_cheap: &[bool]) -> Vec<Assumption> {
    let both = |mask: ValueId| [(mask, true), (mask, false)];
    let draws: Vec<_> = random_masks(program).into_iter().flat_map(both).collect();
    let is_condition = |value: &ValueId| is_comparison(program, *value) && is_cheap[value.index()];
    let conditions: Vec<_> = pixel_values(program).filter(is_condition).flat_map(both).collect();
    let alone = draws.iter().map(|&draw| vec![draw]);
    let pairs = draws.iter().flat_map(|&draw| conditions.iter().map(move |&condition| vec![draw, condition]));
    let everywhere = |masks: Vec<_>| {
        let everywhere = left_to_do(program, &masks, is_cheap)?;
        Some(Assumption { masks, everywhere })
    };
    let mut assumptions: Vec<_> = alone.chain(pairs).filter_map(everywhere).collect();
    assumptions.sort_by_key(|assumption| assumption.everywhere.len());
    assumptions
}

fn pixel_values(program: &Program) -> impl Iterator<Item = ValueId> {
    program.values().filter(|(_, node)| node.ty.level == Level::Pixel).map(|(value, _)| value)
}

fn is_comparison(program: &Program, value: ValueId) -> bool {
    matches!(program.node(value).op, Op::Less | Op::LessEqual | Op::Equal)
}

/// The comparisons of pixels that a random number decides before any pass: their purpose is to
/// drop pixels, so most pixels are expected to be dropped.
fn random_masks(program: &Program) -> Vec<ValueId> {
    let mut is_random = vec![false; program.len()];
    let mut is_late = vec![false; program.len()];
    for (value, node) in program.values() {
        let any = |known: &[bool]| node.operands.iter().any(|operand| known[operand.index()]);
        is_random[value.index()] = node.op == Op::Uniform || any(&is_random);
        is_late[value.index()] = is_reduction(node.op) || any(&is_late);
    }
    let is_draw = |value: &ValueId| is_random[value.index()] && !is_late[value.index()];
    pixel_values(program).filter(|&value| is_comparison(program, value)).filter(is_draw).collect()
}

/// The reductions that still have something to add under `masks`; `None` if something costly or
/// a pixel result is left.
fn left_to_do(program: &Program, masks: &[(ValueId, bool)], is_cheap: &[bool]) -> Option<Vec<ValueId>> {
    let known = fold(program, &HashMap::from_iter(masks.iter().copied()));
    let is_nothing = |value: ValueId| known[value.index()].is_some_and(|word| word.0 == 0);
    let mut outputs = program.results().iter().map(|it| it.value);
    if outputs.any(|value| program.ty(value).level == Level::Pixel && !is_nothing(value)) {
        return None;
    }
    let group_totals = program.values().filter(|(_, node)| is_group_total(node.op));
    let left: Vec<_> = group_totals.filter(|(_, node)| !is_nothing(node.operands[0])).collect();
    let all_cheap = left.iter().all(|(_, node)| is_cheap[node.operands[0].index()]);
    all_cheap.then(|| left.into_iter().map(|(value, _)| value).collect())
}

/// Adds the mask of the active pixels to a copy of the program.
fn build(program: &Program, assumption: &Assumption, is_cheap: &[bool]) -> Option<(Program, Compaction)> {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let mut copies = vec![ValueId(0); program.len()];
    let results = program.rebuild(&mut builder, &arguments, |builder, value, operands| {
        let copy = builder.copy(program.node(value), operands);
        copies[value.index()] = copy;
        copy
    });
    for (value, node) in program.values() {
        if let Op::Argument(index) = node.op {
            copies[value.index()] = arguments[index as usize];
        }
    }
    let mut bounds = Bounds::new(program, &mut builder, &copies, is_cheap);
    let sure = assumption.masks.iter().map(|&(mask, holds)| bounds.surely(mask, holds));
    let sure: Vec<_> = sure.collect::<Option<_>>()?;
    let dropped = sure.into_iter().reduce(|a, b| builder.and(a, b))?;
    let active = builder.not(dropped);
    let everywhere = assumption.everywhere.iter().map(|group_total| copies[group_total.index()]).collect();
    let masks = assumption.masks.iter().map(|&(mask, holds)| (copies[mask.index()], holds)).collect();
    let program = builder.finish(results).expect("a loss and a mask are a loss");
    Some((program, Compaction { active, masks, everywhere }))
}

/// Returns whether finding the active pixels and computing them alone costs less than computing
/// all pixels.
fn is_worthwhile(
    (program, compaction): &(Program, Compaction),
    costs: CostModel,
    compaction_cost: CompactionCost,
) -> bool {
    let cost = |roots: Vec<ValueId>| -> u64 {
        let needed = program.needed(roots);
        let computed = pixel_values(program).filter(|it| needed[it.index()]).map(|it| program.node(it).op);
        // Random numbers are drawn for all pixels either way.
        computed.filter(|&op| op != Op::Uniform).map(|op| costs.cost(op, Level::Pixel)).sum()
    };
    let group_totals = program
        .values()
        .filter(|(value, node)| is_group_total(node.op) && !compaction.everywhere.contains(value));
    let costly = cost(group_totals.map(|(value, _)| value).collect());
    let compaction = cost(vec![compaction.active]);
    compaction + compaction_cost.pixel + (costly + compaction_cost.active_pixel) / PIXELS_PER_ACTIVE < costly
}

#[cfg(test)]
mod tests;
