//! Sifting pixels before what is costly is computed of them.
//!
//! A loss that drops pixels at random computes of each what it then throws away.
//! Where masks that are cheap, or that cheap bounds decide, make all that a kernel is
//! there for 0 or false, nothing else need be known of a pixel. So a kernel may first
//! find the *survivors*, a superset of the pixels that count, and compute the rest of
//! them alone.

use std::collections::HashMap;

use lossc_dialect::program::Builder;
use lossc_dialect::{Level, Op, Program, ValueId};

use super::bounds::{Bounds, cheap};
use super::fold::fold;
use super::{is_cell, is_reduction};
use crate::saturate::prices::{PriceList, Sifting};

/// What decides which pixels are gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sieve {
    /// Whether a pixel survives. Of one that does not, all that kernels are there for
    /// is 0 or false, but for the reductions `everywhere`.
    pub survivors: ValueId,
    /// The masks that tell, as far as is cheaply seen, which pixels do not: those where
    /// each is as said here.
    pub masks: Vec<(ValueId, bool)>,
    /// The cheap reductions that are computed of all pixels.
    pub everywhere: Vec<ValueId>,
}

/// One survivor in so many pixels is what a random drop is expected to leave.
pub(super) const PIXELS_A_SURVIVOR: u64 = 16;

/// Masks that, where they are as said, leave a pixel nothing to do.
struct Assumption {
    masks: Vec<(ValueId, bool)>,
    everywhere: Vec<ValueId>,
}

/// A copy of `program` that has a sieve's mask too; none if no sieve is known or
/// worth its price.
pub(super) fn sieve(program: &Program, prices: PriceList) -> Option<(Program, Sieve)> {
    let sifting = prices.sifting()?;
    let is_cheap = cheap(program, prices);
    assumptions(program, &is_cheap).into_iter().find_map(|assumption| {
        build(program, &assumption, &is_cheap).filter(|it| is_worthwhile(it, prices, sifting))
    })
}

/// The assumptions under which nothing costly is left, those with the least to do
/// everywhere first.
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

/// The comparisons of pixels that a random number decides before any pass: they are
/// there to drop, so most pixels are expected to be dropped.
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

/// The reductions that `masks` leave something of; none if something costly or a
/// pixel result is left.
fn left_to_do(program: &Program, masks: &[(ValueId, bool)], is_cheap: &[bool]) -> Option<Vec<ValueId>> {
    let known = fold(program, &HashMap::from_iter(masks.iter().copied()));
    let is_nothing = |value: ValueId| known[value.index()].is_some_and(|word| word.0 == 0);
    let mut outputs = program.results().iter().map(|it| it.value);
    if outputs.any(|value| program.ty(value).level == Level::Pixel && !is_nothing(value)) {
        return None;
    }
    let cells = program.values().filter(|(_, node)| is_cell(node.op));
    let left: Vec<_> = cells.filter(|(_, node)| !is_nothing(node.operands[0])).collect();
    let all_cheap = left.iter().all(|(_, node)| is_cheap[node.operands[0].index()]);
    all_cheap.then(|| left.into_iter().map(|(value, _)| value).collect())
}

/// Adds the mask to a copy of the program.
fn build(program: &Program, assumption: &Assumption, is_cheap: &[bool]) -> Option<(Program, Sieve)> {
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
    let survivors = builder.not(dropped);
    let everywhere = assumption.everywhere.iter().map(|cell| copies[cell.index()]).collect();
    let masks = assumption.masks.iter().map(|&(mask, holds)| (copies[mask.index()], holds)).collect();
    let program = builder.finish(results).expect("a loss and a mask are a loss");
    Some((program, Sieve { survivors, masks, everywhere }))
}

/// Whether finding survivors and computing them alone is cheaper than to compute all.
fn is_worthwhile((program, sieve): &(Program, Sieve), prices: PriceList, sifting: Sifting) -> bool {
    let price = |roots: Vec<ValueId>| -> u64 {
        let needed = program.needed(roots);
        let computed = pixel_values(program).filter(|it| needed[it.index()]).map(|it| program.node(it).op);
        // Random numbers are drawn for all pixels either way.
        computed.filter(|&op| op != Op::Uniform).map(|op| prices.price(op, Level::Pixel)).sum()
    };
    let cells =
        program.values().filter(|(value, node)| is_cell(node.op) && !sieve.everywhere.contains(value));
    let costly = price(cells.map(|(value, _)| value).collect());
    let sieve = price(vec![sieve.survivors]);
    sieve + sifting.pixel + (costly + sifting.survivor) / PIXELS_A_SURVIVOR < costly
}

#[cfg(test)]
mod tests;
