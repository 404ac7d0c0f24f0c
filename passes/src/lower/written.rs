//! A check that no kernel reads memory that none has written.
//!
//! Kernels leave totals, reductions over groups and pixels in memory for later ones. The
//! construction of a schedule implies that each is there when it is read. It is checked all the
//! same, since a missing one would read as 0, or as the value of an earlier call.

use lossc_dialect::{Level, Op, ValueId};

use super::LowerError;
use crate::schedule::{Kernel, Schedule};

/// Checks each entry point of `schedule`.
pub(super) fn check(schedule: &Schedule) -> Result<(), LowerError> {
    let nothing = Written::nothing(schedule);
    let kernels = |list: &[usize]| -> Vec<_> { list.iter().map(|&it| &schedule.kernels[it]).collect() };
    let given = nothing.clone().after("forward", kernels(&schedule.forward))?.between_calls();
    given.after("backward", kernels(&schedule.backward))?;
    nothing.clone().after("forward_backward", kernels(&schedule.forward_backward))?;
    if let Some(cooperative) = &schedule.cooperative {
        let resident = nothing.after("forward_backward", vec![&cooperative.saving])?;
        resident.clone().after("forward_backward", vec![&cooperative.reading])?;
        resident.after("forward_backward", kernels(&[cooperative.second]))?;
    }
    Ok(())
}

/// The values that are in memory.
#[derive(Clone)]
struct Written<'a> {
    schedule: &'a Schedule,
    /// By value, true if it is a reduction that was written.
    reductions: Vec<bool>,
    /// By value, true if it is a pixel value that was saved.
    saved: Vec<bool>,
}

impl<'a> Written<'a> {
    fn nothing(schedule: &'a Schedule) -> Self {
        let nothing = vec![false; schedule.program.len()];
        Self { schedule, reductions: nothing.clone(), saved: nothing }
    }

    /// The values that one call leaves for another.
    fn between_calls(self) -> Self {
        Self { saved: vec![false; self.saved.len()], ..self }
    }

    /// The values after `kernels` of `entry` have run one after the other.
    fn after(mut self, entry: &'static str, kernels: Vec<&Kernel>) -> Result<Self, LowerError> {
        for kernel in kernels {
            let unwritten = self.run(kernel).err();
            if let Some(value) = unwritten {
                let mnemonic = self.schedule.program.node(value).op.mnemonic();
                return Err(LowerError::Unwritten { mnemonic, entry });
            }
        }
        Ok(self)
    }

    /// Runs `kernel`; fails with a value that it reads and no kernel has written.
    fn run(&mut self, kernel: &Kernel) -> Result<(), ValueId> {
        let schedule = self.schedule;
        let values = |list: &[usize]| -> Vec<_> { list.iter().map(|&it| schedule.saved[it].value).collect() };
        let loaded = values(&kernel.loads);
        if let Some(&missing) = loaded.iter().find(|value| !self.saved[value.index()]) {
            return Err(missing);
        }
        for value in schedule.pixel_values(kernel).into_iter().filter(|value| !loaded.contains(value)) {
            let node = schedule.program.node(value);
            if node.op == Op::Broadcast {
                self.read(node.operands[0])?;
            }
        }
        values(&kernel.saves).iter().for_each(|value| self.saved[value.index()] = true);
        kernel
            .reductions
            .iter()
            .for_each(|&it| self.reductions[schedule.group_totals[it].value.index()] = true);
        for &reduction in &kernel.group_reductions {
            let value = schedule.group_reductions[reduction];
            self.read(schedule.program.node(value).operands[0])?;
            self.reductions[value.index()] = true;
        }
        let mut results = kernel.results.iter().map(|&it| schedule.program.results()[it].value);
        results.try_for_each(|value| self.read(value))
    }

    /// Checks that the value of a group or of the call can be computed from the values in
    /// memory.
    fn read(&self, value: ValueId) -> Result<(), ValueId> {
        let program = &self.schedule.program;
        let mut seen = vec![false; program.len()];
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            if std::mem::replace(&mut seen[value.index()], true) {
                continue;
            }
            let is_reduction =
                self.schedule.group_total(value).is_some() || self.schedule.group_reductions.contains(&value);
            match is_reduction {
                true if self.reductions[value.index()] => {}
                true => return Err(value),
                false => open.extend(&program.node(value).operands),
            }
            debug_assert!(program.ty(value).level < Level::Pixel, "a group needs pixels by reductions alone");
        }
        Ok(())
    }
}
