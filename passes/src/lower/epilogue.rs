//! The steps after a kernel's totals: reductions over groups, and results.

use lossc_dialect::{Level, Program, ValueId};

use super::LowerError;
use super::call::Call;
use super::emit::{Emitter, F64, I64, Scalar, Value};
use super::group::{GroupValues, describe};
use super::reduction;
use crate::schedule::{Kernel, Schedule};

/// The threads that compute an epilogue: one, or those of a block.
pub(super) trait Workers {
    /// The caller's first group, the end of all groups, and the step to the caller's next group.
    fn own_groups(&self, emitter: &mut Emitter, groups: Value) -> [Value; 3];

    /// Adds f64 of the groups, in ascending order. The thread that runs `once` has the total.
    fn add_groups(
        &self,
        emitter: &mut Emitter,
        groups: Value,
        value: impl FnOnce(&mut Emitter, Value) -> Result<Value, LowerError>,
    ) -> Result<Value, LowerError>;

    /// Runs `body` on one thread.
    fn once(
        &self,
        emitter: &mut Emitter,
        body: impl FnOnce(&mut Emitter) -> Result<(), LowerError>,
    ) -> Result<(), LowerError>;

    /// Makes every thread see what the others have written.
    fn meet(&self, emitter: &mut Emitter);
}

/// A single thread.
pub(super) struct Alone;

impl Workers for Alone {
    fn own_groups(&self, emitter: &mut Emitter, groups: Value) -> [Value; 3] {
        [emitter.index(0), groups, emitter.index(1)]
    }

    fn add_groups(
        &self,
        emitter: &mut Emitter,
        groups: Value,
        value: impl FnOnce(&mut Emitter, Value) -> Result<Value, LowerError>,
    ) -> Result<Value, LowerError> {
        let zero = emitter.constant(F64, "0.0");
        let bounds = self.own_groups(emitter, groups);
        let total = emitter.repeat(bounds, &[zero], |emitter, group, total| {
            let value = value(emitter, group)?;
            Ok(vec![emitter.apply("arith.addf", &[total[0], value])])
        })?;
        Ok(total[0])
    }

    fn once(
        &self,
        emitter: &mut Emitter,
        body: impl FnOnce(&mut Emitter) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        body(emitter)
    }

    fn meet(&self, _: &mut Emitter) {}
}

/// The body of `epilogue_K`, for every target.
pub(super) fn body(
    emitter: &mut Emitter,
    schedule: &Schedule,
    kernel: &Kernel,
    call: &Call,
    workers: &impl Workers,
) -> Result<(), LowerError> {
    for (number, &index) in kernel.group_reductions.iter().enumerate() {
        let value = schedule.group_reductions[index];
        meet_before(emitter, schedule, &kernel.group_reductions[..number], &[value], workers);
        group_reduction(emitter, schedule, call, index, workers)?;
    }
    let level = |&&result: &&usize| {
        let value = schedule.program.results()[result].value;
        schedule.program.ty(value).level
    };
    let (loss, groups): (Vec<usize>, Vec<usize>) =
        kernel.results.iter().partition(|result| level(result) == Level::Scalar);
    if !groups.is_empty() {
        let values: Vec<ValueId> = groups.iter().map(|&it| schedule.program.results()[it].value).collect();
        meet_before(emitter, schedule, &kernel.group_reductions, &values, workers);
        store_group_results(emitter, schedule, call, &groups, workers)?;
    }
    if !loss.is_empty() {
        workers.once(emitter, |emitter| store_loss(emitter, schedule, call))?;
    }
    Ok(())
}

/// Makes every thread see the reductions over groups that one of them computed, if `values` need
/// any.
fn meet_before(
    emitter: &mut Emitter,
    schedule: &Schedule,
    made: &[usize],
    values: &[ValueId],
    workers: &impl Workers,
) {
    let needed = schedule.program.needed(values.iter().copied());
    if made.iter().any(|&index| needed[schedule.group_reductions[index].index()]) {
        workers.meet(emitter);
    }
}

fn group_reduction(
    emitter: &mut Emitter,
    schedule: &Schedule,
    call: &Call,
    index: usize,
    workers: &impl Workers,
) -> Result<(), LowerError> {
    let id = schedule.group_reductions[index];
    emitter.comment(describe(schedule, id));
    let operand = schedule.program.node(id).operands[0];
    let total = workers.add_groups(emitter, call.groups, |emitter, group| {
        GroupValues::new(schedule, call, Some(group)).value(emitter, operand)
    })?;
    let Some(slot) = schedule.scalar_slot(id) else { return Ok(()) };
    workers.once(emitter, |emitter| {
        let value = reduction::of_groups(emitter, schedule.program.node(id).op, total, call.groups);
        let slot = emitter.index(slot);
        emitter.store_element(value, call.scalars, slot);
        Ok(())
    })
}

fn store_loss(emitter: &mut Emitter, schedule: &Schedule, call: &Call) -> Result<(), LowerError> {
    let loss = schedule.program.results()[0].value;
    let loss = GroupValues::new(schedule, call, None).value(emitter, loss)?;
    let slot = emitter.index(0);
    store_result(emitter, call, slot, loss);
    Ok(())
}

fn store_group_results(
    emitter: &mut Emitter,
    schedule: &Schedule,
    call: &Call,
    results: &[usize],
    workers: &impl Workers,
) -> Result<(), LowerError> {
    let bounds = workers.own_groups(emitter, call.groups);
    emitter.repeat(bounds, &[], |emitter, group, _| {
        let mut values = GroupValues::new(schedule, call, Some(group));
        for &result in results {
            let value = values.value(emitter, schedule.program.results()[result].value)?;
            let place = emitter.index(place(&schedule.program, result));
            let first = emitter.mul(place, call.groups);
            let slot = emitter.add(first, group);
            let loss_slot = emitter.index(1);
            let slot = emitter.add(loss_slot, slot);
            store_result(emitter, call, slot, value);
        }
        Ok(vec![])
    })?;
    Ok(())
}

/// The index of a result among those with one value per group.
fn place(program: &Program, result: usize) -> usize {
    let before = &program.results()[..result];
    before.iter().filter(|before| program.ty(before.value).level == Level::Group).count()
}

/// Writes a count as it is, and a float rounded to f32, with zeros above its bits.
fn store_result(emitter: &mut Emitter, call: &Call, slot: Value, value: Value) {
    let bits = if value.ty == I64 {
        value
    } else {
        let value = emitter.convert("arith.truncf", value, Scalar::F32);
        let bits = emitter.convert("arith.bitcast", value, Scalar::Int(32));
        emitter.convert("arith.extui", bits, I64.scalar)
    };
    emitter.store_element(bits, call.results, slot);
}
