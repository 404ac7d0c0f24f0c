//! Values of a group and of the call.

use std::collections::HashMap;

use lossc_dialect::{Op, ValueId};

use super::call::Call;
use super::emit::{Emitter, Value};
use super::{LowerError, compute, leaf, reduction};
use crate::schedule::Schedule;

/// Values of one group and of the call, each computed when it is first requested.
pub(super) struct GroupValues<'a> {
    schedule: &'a Schedule,
    call: &'a Call,
    /// The group, if there is one.
    group: Option<Value>,
    known: HashMap<ValueId, Value>,
}

impl<'a> GroupValues<'a> {
    /// The values of `group`, or those of the call alone.
    pub(super) fn new(schedule: &'a Schedule, call: &'a Call, group: Option<Value>) -> Self {
        Self { schedule, call, group, known: HashMap::new() }
    }

    /// The value `id`, emitted at the current position if it is new.
    pub(super) fn value(&mut self, emitter: &mut Emitter, id: ValueId) -> Result<Value, LowerError> {
        if let Some(&value) = self.known.get(&id) {
            return Ok(value);
        }
        let value = match self.read(emitter, id)? {
            Some(value) => value,
            None => self.compute(emitter, id)?,
        };
        self.known.insert(id, value);
        Ok(value)
    }

    /// The value `id` if earlier kernels or the caller left it in memory.
    fn read(&mut self, emitter: &mut Emitter, id: ValueId) -> Result<Option<Value>, LowerError> {
        if let Some(slot) = self.schedule.scalar_slot(id) {
            emitter.comment(describe(self.schedule, id));
            let is_number = matches!(self.schedule.program.node(id).op, Op::Argument(_));
            return Ok(Some(leaf::scalar(emitter, self.call, slot, is_number)));
        }
        let Some(group_total) = self.schedule.group_total(id) else { return Ok(None) };
        let node = self.schedule.program.node(id);
        let group = self.group.ok_or_else(|| LowerError::new(node))?;
        emitter.comment(describe(self.schedule, id));
        let is_count = self.schedule.group_totals[group_total].is_count;
        Ok(Some(reduction::read_group_total(emitter, self.call, group_total, group, is_count)))
    }

    fn compute(&mut self, emitter: &mut Emitter, id: ValueId) -> Result<Value, LowerError> {
        let node = self.schedule.program.node(id);
        let operands: Result<Vec<_>, _> =
            node.operands.iter().map(|&operand| self.value(emitter, operand)).collect();
        emitter.comment(describe(self.schedule, id));
        compute(emitter, node, &operands?, 1)
    }
}

/// The text of a program value in a comment.
pub(super) fn describe(schedule: &Schedule, id: ValueId) -> String {
    let node = schedule.program.node(id);
    match node.op {
        Op::Argument(index) => format!("%{} = {}", id.0, schedule.program.arguments()[index as usize].name),
        op => format!("%{} = loss.{}", id.0, op.mnemonic()),
    }
}
