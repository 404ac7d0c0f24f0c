//! Results of a forward call.

use crate::executor::Residuals;
use crate::manifest::{ResultDescription, ResultKind};

/// The loss, the named group results, and the residuals.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The scalar loss.
    pub loss: f32,
    /// The named results, one value per group each, in the manifest's order.
    pub groups: Vec<GroupResult>,
    /// The residuals that the backward direction needs.
    pub residuals: Residuals,
}

/// A named result with one value per group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupResult {
    /// Its name in the loss.
    pub name: String,
    /// Its values, one per group.
    pub values: GroupValues,
}

/// The values of a group result.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupValues {
    /// Numbers.
    Float(Vec<f32>),
    /// Counts of pixels.
    Count(Vec<i64>),
}

impl Outcome {
    /// Reads loss and results out of the residuals' result slots.
    pub(crate) fn new(residuals: Residuals) -> Self {
        let mut groups = vec![];
        GroupResult::write_over(&mut groups, residuals.group_results());
        Self { loss: residuals.loss(), groups, residuals }
    }

    /// The values of the result called `name`.
    pub fn group(&self, name: &str) -> Option<&GroupValues> {
        let result = self.groups.iter().find(|result| result.name == name)?;
        Some(&result.values)
    }
}

impl GroupResult {
    /// Writes these [`Residuals::group_results`] over `groups`. If number, kinds and sizes are
    /// the same as before, nothing is allocated.
    pub fn write_over<'a>(
        groups: &mut Vec<Self>,
        results: impl Iterator<Item = (&'a ResultDescription, &'a [u64])> + Clone,
    ) {
        let empty = || Self { name: String::new(), values: GroupValues::Float(vec![]) };
        groups.resize_with(results.clone().count(), empty);
        for (group, (description, slots)) in groups.iter_mut().zip(results) {
            group.name.clone_from(&description.name);
            group.values.set(description.kind, slots);
        }
    }
}

impl GroupValues {
    fn set(&mut self, kind: ResultKind, slots: &[u64]) {
        let floats = slots.iter().copied().map(low_float);
        let counts = slots.iter().map(|&slot| slot as i64);
        match (kind, self) {
            (ResultKind::Float, Self::Float(values)) => refill(values, floats),
            (ResultKind::Count, Self::Count(values)) => refill(values, counts),
            (ResultKind::Float, values) => *values = Self::Float(floats.collect()),
            (ResultKind::Count, values) => *values = Self::Count(counts.collect()),
        }
    }
}

fn refill<T>(values: &mut Vec<T>, with: impl Iterator<Item = T>) {
    values.clear();
    values.extend(with);
}

/// A float in the low four bytes of a slot.
pub(super) fn low_float(slot: u64) -> f32 {
    f32::from_bits(slot as u32)
}
