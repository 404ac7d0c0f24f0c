//! The cells from the totals of rows: each group's rows in ascending order, a
//! thread a group.

use super::BLOCK;
use super::combine::{Combine, Kind, within};
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

/// Rows whose totals a thread loads before it adds the first.
const ROWS_AHEAD: usize = 4;

fn group_totals(
    emitter: &mut Emitter,
    combine: &Combine<'_>,
    group: Value,
) -> Result<Vec<Value>, LowerError> {
    let one = emitter.index(1);
    let next = emitter.add(group, one);
    let [begin, end] = [group, next].map(|group| combine.workspace.rows_before(emitter, group));
    let zeros = combine.zeros(emitter);
    let step = emitter.index(ROWS_AHEAD);
    emitter.repeat([begin, end, step], &zeros, |emitter, first, totals| {
        let of_rows: Vec<_> =
            (0..ROWS_AHEAD).map(|number| row_totals(emitter, combine, first, number, end)).collect();
        let add = |totals: Vec<Value>, of_row: &Vec<Value>| {
            let terms = totals.iter().zip(of_row).zip(&combine.kinds);
            terms.map(|((&total, &term), kind)| emitter.apply(kind.addition, &[total, term])).collect()
        };
        Ok(of_rows.iter().fold(totals.to_vec(), add))
    })
}

/// The totals of a row, so many after row `first` by group; zeros from row `end` on.
fn row_totals(
    emitter: &mut Emitter,
    combine: &Combine<'_>,
    first: Value,
    number: usize,
    end: Value,
) -> Vec<Value> {
    let offset = emitter.index(number);
    let number = emitter.add(first, offset);
    let (exists, place) = within(emitter, number, end);
    let row = combine.workspace.member(emitter, place);
    let total = |(reduction, kind): (usize, &Kind)| {
        let reduction = emitter.index(reduction);
        let at = combine.workspace.total(emitter, reduction, row);
        let (total, zero) = (emitter.load("row_total", at, kind.total), kind.zero(emitter));
        emitter.select(exists, total, zero)
    };
    combine.kinds.iter().enumerate().map(total).collect()
}
