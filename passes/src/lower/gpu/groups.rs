//! The cells from the totals of rows: each group's rows in ascending order, a
//! thread a group.

use super::BLOCK;
use super::combine::Combine;
use super::thread::thread_of_block;
use crate::lower::LowerError;
use crate::lower::emit::{Emitter, Value};
use crate::lower::reduction::cell_at;

/// Writes all cells of the pass, by one block.
pub(super) fn cells(emitter: &mut Emitter, combine: &Combine<'_>) -> Result<(), LowerError> {
    let bounds = [thread_of_block(emitter), combine.call.groups, emitter.index(BLOCK)];
    emitter.repeat(bounds, &[], |emitter, group, _| {
        let totals = group_totals(emitter, combine, group)?;
        for (&total, &cell) in totals.iter().zip(combine.cells) {
            let cell = emitter.index(cell);
            let at = cell_at(emitter, combine.call, cell, group);
            emitter.store(total, at);
        }
        Ok(vec![])
    })?;
    Ok(())
}

fn group_totals(
    emitter: &mut Emitter,
    combine: &Combine<'_>,
    group: Value,
) -> Result<Vec<Value>, LowerError> {
    let one = emitter.index(1);
    let next = emitter.add(group, one);
    let [begin, end] = [group, next].map(|group| combine.workspace.rows_before(emitter, group));
    let zeros = combine.zeros(emitter);
    emitter.repeat([begin, end, one], &zeros, |emitter, number, totals| {
        let row = combine.workspace.member(emitter, number);
        let add = |((reduction, kind), &total): ((usize, &super::combine::Kind), &Value)| {
            let reduction = emitter.index(reduction);
            let at = combine.workspace.total(emitter, reduction, row);
            let of_row = emitter.load("row_total", at, kind.total);
            emitter.apply(kind.addition, &[total, of_row])
        };
        Ok(combine.kinds.iter().enumerate().zip(totals).map(add).collect())
    })
}
