//! The group totals from the totals of planes: each group's planes in ascending order, one
//! thread per group.

use super::BLOCK;
use super::combine::{Combine, Kind, within};
use super::thread::thread_of_block;
use crate::lower::LowerError;
use crate::lower::emit::{Emitter, Value};
use crate::lower::reduction::group_total_at;

/// Writes all group totals of the pass, using one block.
pub(super) fn write(emitter: &mut Emitter, combine: &Combine<'_>) -> Result<(), LowerError> {
    let bounds = [thread_of_block(emitter), combine.call.groups, emitter.index(BLOCK)];
    emitter.repeat(bounds, &[], |emitter, group, _| {
        let totals = group_totals(emitter, combine, group)?;
        for (&total, &group_total) in totals.iter().zip(combine.group_totals) {
            let group_total = emitter.index(group_total);
            let at = group_total_at(emitter, combine.call, group_total, group);
            emitter.store(total, at);
        }
        Ok(vec![])
    })?;
    Ok(())
}

/// Planes whose totals a thread loads before it adds the first.
const PLANES_AHEAD: usize = 4;

fn group_totals(
    emitter: &mut Emitter,
    combine: &Combine<'_>,
    group: Value,
) -> Result<Vec<Value>, LowerError> {
    let one = emitter.index(1);
    let next = emitter.add(group, one);
    let [begin, end] = [group, next].map(|group| combine.workspace.planes_before(emitter, group));
    let zeros = combine.zeros(emitter);
    let step = emitter.index(PLANES_AHEAD);
    emitter.repeat([begin, end, step], &zeros, |emitter, first, totals| {
        let of_planes: Vec<_> =
            (0..PLANES_AHEAD).map(|number| plane_totals(emitter, combine, first, number, end)).collect();
        let add = |totals: Vec<Value>, of_plane: &Vec<Value>| {
            let terms = totals.iter().zip(of_plane).zip(&combine.kinds);
            terms.map(|((&total, &term), kind)| emitter.apply(kind.addition, &[total, term])).collect()
        };
        Ok(of_planes.iter().fold(totals.to_vec(), add))
    })
}

/// The totals of the plane `number` places after plane `first` in the order by group; zeros from
/// `end` on.
fn plane_totals(
    emitter: &mut Emitter,
    combine: &Combine<'_>,
    first: Value,
    number: usize,
    end: Value,
) -> Vec<Value> {
    let offset = emitter.index(number);
    let number = emitter.add(first, offset);
    let (exists, place) = within(emitter, number, end);
    let plane = combine.workspace.member(emitter, place);
    let total = |(reduction, kind): (usize, &Kind)| {
        let reduction = emitter.index(reduction);
        let at = combine.workspace.total(emitter, reduction, plane);
        let (total, zero) = (emitter.load("plane_total", at, kind.total), kind.zero(emitter));
        emitter.select(exists, total, zero)
    };
    combine.kinds.iter().enumerate().map(total).collect()
}
