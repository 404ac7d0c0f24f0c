//! The pixel values of a kernel.

use std::collections::HashMap;

use lossc_dialect::{Element, Level, Op, Program, ValueId};

use super::emit::{Emitter, Value};
use super::group::{GroupValues, describe};
use super::{LowerError, compute, leaf};
use crate::schedule::{Buffer, Kernel, Saved, Schedule};

/// Values by the program's names.
pub(super) type Values = HashMap<ValueId, Value>;

/// The work of a kernel at each pixel, for vectors of `lanes` lanes.
pub(super) struct PixelCode<'a> {
    schedule: &'a Schedule,
    lanes: usize,
    /// The pixel values needed, operands first.
    values: Vec<ValueId>,
    /// The kernel's reductions.
    pub(super) reductions: Vec<PixelReduction>,
    /// The kernel's outputs.
    pub(super) outputs: Vec<Tensor>,
    /// The values that the kernel loads, saved by an earlier one.
    pub(super) loads: Vec<SavedValue>,
    /// The values that the kernel saves.
    pub(super) saves: Vec<SavedValue>,
}

/// A program value in a buffer.
#[derive(Clone, Copy)]
pub(super) struct SavedValue {
    pub(super) value: ValueId,
    /// The buffer's index in the call's list: after inputs and outputs.
    pub(super) index: usize,
    pub(super) holds: Buffer,
}

/// A reduction over pixels.
pub(super) struct PixelReduction {
    /// The index of its group total in the schedule.
    pub(super) group_total: usize,
    /// The value that is counted or added up.
    pub(super) operand: ValueId,
    /// True if it is a count.
    pub(super) is_count: bool,
}

/// A tensor of pixels and the program value in it.
#[derive(Clone, Copy)]
pub(super) struct Tensor {
    pub(super) value: ValueId,
    /// The tensor's index in the call's list: inputs, outputs, then buffers.
    pub(super) index: usize,
    pub(super) element: Element,
}

/// The number of tensors of pixels in a call, without the buffers.
pub(super) fn tensors(program: &Program) -> usize {
    program.pixel_arguments().count() + pixel_results(program).count()
}

/// The number of arrays with one value per pixel in a call, including those that a kernel does
/// not touch.
pub(super) fn arrays(schedule: &Schedule) -> usize {
    tensors(&schedule.program) + schedule.buffers().len()
}

fn pixel_results(program: &Program) -> impl Iterator<Item = ValueId> {
    let results = program.results().iter().map(|result| result.value);
    results.filter(|&value| program.ty(value).level == Level::Pixel)
}

impl<'a> PixelCode<'a> {
    /// The pixel code of `kernel`.
    pub(super) fn new(schedule: &'a Schedule, kernel: &Kernel, lanes: usize) -> Self {
        let program = &schedule.program;
        let reductions = kernel.reductions.iter().map(|&index| {
            let group_total = schedule.group_totals[index];
            PixelReduction {
                group_total: index,
                operand: program.node(group_total.value).operands[0],
                is_count: group_total.is_count,
            }
        });
        let reductions: Vec<_> = reductions.collect();
        let values = schedule.pixel_values(kernel);
        let inputs = program.pixel_arguments().count();
        let output =
            |(index, value)| Tensor { value, index: inputs + index, element: program.ty(value).element };
        let all = pixel_results(program).enumerate();
        let outputs = all.filter(|(_, value)| kernel.outputs.contains(value)).map(output).collect();
        let value = |&saved: &usize| {
            let Saved { value, buffer } = schedule.saved[saved];
            SavedValue { value, index: tensors(program) + buffer, holds: schedule.buffer_of(saved) }
        };
        let [loads, saves] = [&kernel.loads, &kernel.saves].map(|list| list.iter().map(value).collect());
        Self { schedule, lanes, values, reductions, outputs, loads, saves }
    }

    /// The tensors that the kernel reads.
    pub(super) fn inputs(&self) -> Vec<Tensor> {
        let program = &self.schedule.program;
        let input = |&value: &ValueId| {
            if self.is_loaded(value) {
                return None;
            }
            let Op::Argument(argument) = program.node(value).op else { return None };
            let index = program.pixel_arguments().position(|(index, _)| index == argument as usize)?;
            Some(Tensor { value, index, element: program.ty(value).element })
        };
        self.values.iter().filter_map(input).collect()
    }

    /// The `loss.uniform`, if the kernel draws random numbers.
    pub(super) fn uniform(&self) -> Option<ValueId> {
        let is_drawn =
            |value: &ValueId| self.schedule.program.node(*value).op == Op::Uniform && !self.is_loaded(*value);
        self.values.iter().copied().find(is_drawn)
    }

    /// Returns whether the kernel loads `value`, which an earlier one saved.
    fn is_loaded(&self, value: ValueId) -> bool {
        self.loads.iter().any(|saved| saved.value == value)
    }

    /// The values that are the same for all pixels of a group.
    pub(super) fn hoisted(
        &self,
        emitter: &mut Emitter,
        group: &mut GroupValues<'_>,
    ) -> Result<Values, LowerError> {
        let mut values = Values::new();
        for &id in &self.values {
            let node = self.schedule.program.node(id);
            if node.op == Op::Broadcast {
                let operand = group.value(emitter, node.operands[0])?;
                self.comment(emitter, id);
                values.insert(id, compute(emitter, node, &[operand], self.lanes)?);
            }
        }
        Ok(values)
    }

    /// Writes a comment that names the value which the following code computes.
    pub(super) fn comment(&self, emitter: &mut Emitter, value: ValueId) {
        emitter.comment(describe(self.schedule, value));
    }

    /// Adds the stored pixels of an input to `values`.
    pub(super) fn read(&self, emitter: &mut Emitter, values: &mut Values, input: Tensor, stored: Value) {
        values.insert(input.value, leaf::from_stored(emitter, stored, input.element));
    }

    /// Adds all further values to those in `values`: broadcasts, arguments and random numbers.
    pub(super) fn compute(&self, emitter: &mut Emitter, values: &mut Values) -> Result<(), LowerError> {
        for &id in &self.values {
            if values.contains_key(&id) {
                continue;
            }
            let node = self.schedule.program.node(id);
            let operands = node.operands.iter().map(|operand| values.get(operand).copied());
            let operands: Option<Vec<_>> = operands.collect();
            let operands = operands.ok_or_else(|| LowerError::new(node))?;
            self.comment(emitter, id);
            values.insert(id, compute(emitter, node, &operands, self.lanes)?);
        }
        Ok(())
    }
}
