//! What a forward call gives.

use crate::executor::Residuals;
use crate::manifest::ResultKind;

/// The loss, the named group results, and the residuals.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The scalar loss.
    pub loss: f32,
    /// The named results, one value a group each, in the manifest's order.
    pub groups: Vec<GroupResult>,
    /// What the backward direction needs.
    pub residuals: Residuals,
}

/// A named result with one value a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupResult {
    /// Its name in the loss.
    pub name: String,
    /// Its values, one a group.
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
        let slots = residuals.results();
        let groups = residuals.layout().groups();
        let described = residuals.manifest().results.iter().enumerate();
        let groups = described
            .map(|(index, result)| GroupResult {
                name: result.name.clone(),
                values: values(result.kind, &slots[1 + index * groups..][..groups]),
            })
            .collect();
        Self { loss: low_float(slots[0]), groups, residuals }
    }

    /// The values of the result called `name`.
    pub fn group(&self, name: &str) -> Option<&GroupValues> {
        let result = self.groups.iter().find(|result| result.name == name)?;
        Some(&result.values)
    }
}

fn values(kind: ResultKind, slots: &[u64]) -> GroupValues {
    match kind {
        ResultKind::Float => GroupValues::Float(slots.iter().copied().map(low_float).collect()),
        ResultKind::Count => GroupValues::Count(slots.iter().map(|&slot| slot as i64).collect()),
    }
}

/// A float in the low four bytes of a slot.
fn low_float(slot: u64) -> f32 {
    f32::from_bits(slot as u32)
}
