//! What follows from a kernel's totals: reductions over groups, and results.

use lossc_dialect::{Level, Program};

use super::LowerError;
use super::call::Call;
use super::emit::{Emitter, I64, Scalar, Value};
use super::group::{GroupValues, describe};
use super::reduction;
use crate::schedule::{Kernel, Schedule};

/// The body of `finish_K`, for every target.
pub(super) fn body(
    emitter: &mut Emitter,
    schedule: &Schedule,
    kernel: &Kernel,
    call: &Call,
) -> Result<(), LowerError> {
    for &index in &kernel.group_reductions {
        group_reduction(emitter, schedule, call, index)?;
    }
    let level = |&&result: &&usize| {
        let value = schedule.program.results()[result].value;
        schedule.program.ty(value).level
    };
    let (loss, groups): (Vec<_>, Vec<_>) =
        kernel.results.iter().partition(|result| level(result) == Level::Scalar);
    if !loss.is_empty() {
        store_loss(emitter, schedule, call)?;
    }
    if !groups.is_empty() {
        store_group_results(emitter, schedule, call, &groups)?;
    }
    Ok(())
}

fn group_reduction(
    emitter: &mut Emitter,
    schedule: &Schedule,
    call: &Call,
    index: usize,
) -> Result<(), LowerError> {
    let id = schedule.group_reductions[index];
    emitter.comment(describe(schedule, id));
    let value = reduction::over_groups(emitter, schedule, call, id)?;
    if let Some(slot) = schedule.scalar_slot(id) {
        let slot = emitter.index(slot);
        emitter.store_element(value, call.scalars, slot);
    }
    Ok(())
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
) -> Result<(), LowerError> {
    let bounds = [emitter.index(0), call.groups, emitter.index(1)];
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

/// The place of a result among those that have one value a group.
fn place(program: &Program, result: usize) -> usize {
    let before = &program.results()[..result];
    before.iter().filter(|before| program.ty(before.value).level == Level::Group).count()
}

/// A count as it is, a float's bits with zeros above.
fn store_result(emitter: &mut Emitter, call: &Call, slot: Value, value: Value) {
    let bits = if value.ty == I64 {
        value
    } else {
        let bits = emitter.convert("arith.bitcast", value, Scalar::Int(32));
        emitter.convert("arith.extui", bits, I64.scalar)
    };
    emitter.store_element(bits, call.results, slot);
}
