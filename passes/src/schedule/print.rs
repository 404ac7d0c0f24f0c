//! The schedule as text: the values that each kernel reads, computes and leaves behind.

use std::collections::BTreeMap;
use std::fmt;

use lossc_dialect::ValueId;
use lossc_dialect::ops::{Op, OpDefinition};

use super::{Buffer, Cooperative, Kernel, Schedule};

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "loss {}", self.program.name())?;
        for (name, kernels) in [
            ("forward", &self.forward),
            ("backward", &self.backward),
            ("forward_backward", &self.forward_backward),
        ] {
            if kernels.is_empty() {
                continue;
            }
            let kernels: Vec<_> = kernels.iter().map(|kernel| format!("kernel {kernel}")).collect();
            let passes = if kernels.len() == 1 { "pass" } else { "passes" };
            writeln!(formatter, "{name}: {} {passes}: {}", kernels.len(), kernels.join(", "))?;
        }
        if let Some(compaction) = &self.compaction {
            let mask = |&(mask, holds): &(ValueId, bool)| {
                format!("{} {}", self.value_name(mask), if holds { "holds" } else { "does not" })
            };
            let masks: Vec<_> = compaction.masks.iter().map(mask).collect();
            let active = format!("a pixel is active (%{})", compaction.active.0);
            writeln!(formatter, "compaction: {active} unless bounds show that {}", masks.join(" and "))?;
        }
        if let Some(cooperative) = &self.cooperative {
            self.write_cooperative(cooperative, formatter)?;
        }
        for (index, kernel) in self.kernels.iter().enumerate() {
            writeln!(formatter, "\nkernel {index}")?;
            self.write_kernel(kernel, formatter)?;
        }
        Ok(())
    }
}

impl Schedule {
    fn write_cooperative(
        &self,
        cooperative: &Cooperative,
        formatter: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let Cooperative { first, saving, reading, second } = cooperative;
        let saved = saving.saves.iter().map(|&saved| self.saved_name(saving, saved));
        writeln!(formatter, "in one cooperative launch, for pixels that fit in shared memory")?;
        writeln!(formatter, "  saves      {}, in kernel {first}", list(saved))?;
        writeln!(formatter, "  computes   {}, in kernel {second}", self.computed(reading, "pixel"))
    }

    fn write_kernel(&self, kernel: &Kernel, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs = self.inputs(kernel).into_iter().map(str::to_owned);
        let loads = kernel.loads.iter().map(|&saved| self.saved_name(kernel, saved));
        writeln!(formatter, "  reads      {}", list(inputs.chain(loads)))?;
        match self.parts(kernel) {
            None => writeln!(formatter, "  computes   {}", self.computed(kernel, "pixel"))?,
            Some([of_all, of_active]) => {
                let compaction = match of_all.loads.first() {
                    Some(&saved) => format!("%{}, loaded", self.saved[saved].value.0),
                    None => self.computed(&of_all, "pixel"),
                };
                writeln!(formatter, "  compacts   by {compaction}")?;
                writeln!(formatter, "  computes   {}", self.computed(&of_active, "active pixel"))?;
            }
        }
        let group_totals = kernel.reductions.iter().map(|&group_total| {
            let kind = if self.group_totals[group_total].is_count { "count" } else { "sum" };
            format!("{kind} in group total {group_total}")
        });
        writeln!(formatter, "  reduces    {}", list(group_totals))?;
        let outputs = kernel.outputs.iter().map(|&value| self.result_name(value));
        writeln!(formatter, "  writes     {}", list(outputs))?;
        if !kernel.saves.is_empty() {
            let saves = kernel.saves.iter().map(|&saved| self.saved_name(kernel, saved));
            writeln!(formatter, "  saves      {}", list(saves))?;
        }
        let results = kernel.results.iter().map(|&index| self.program.results()[index].name.clone());
        writeln!(formatter, "  returns    {}", list(results))
    }

    /// The number of values that a kernel computes, and counts of the costly ones.
    fn computed(&self, kernel: &Kernel, of: &str) -> String {
        let loaded = |value: &ValueId| kernel.loads.iter().any(|&saved| self.saved[saved].value == *value);
        let values: Vec<_> = self.pixel_values(kernel).into_iter().filter(|value| !loaded(value)).collect();
        let mut counts = BTreeMap::from([("div", 0)]);
        for op in values.iter().map(|&value| self.program.node(value).op).filter(|&op| is_costly(op)) {
            *counts.entry(op.mnemonic()).or_default() += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(mnemonic, count)| format!("{count} {mnemonic}")).collect();
        format!("{} values per {of}, of them {}", values.len(), counts.join(", "))
    }

    /// A saved value and its size.
    fn saved_name(&self, kernel: &Kernel, saved: usize) -> String {
        let value = self.saved[saved].value;
        let of =
            if kernel.compaction.is_none_or(|active| active == value) { "pixel" } else { "active pixel" };
        let size = match self.buffer_of(saved) {
            Buffer::Float => "4 bytes",
            Buffer::Mask => "1 bit",
        };
        format!("{} ({size} per {of})", self.value_name(value))
    }

    fn value_name(&self, value: ValueId) -> String {
        if let Op::Argument(index) = self.program.node(value).op {
            return self.program.arguments()[index as usize].name.clone();
        }
        format!("%{} = loss.{}", value.0, self.program.node(value).op.mnemonic())
    }

    /// The tensors of pixels that a kernel reads.
    fn inputs(&self, kernel: &Kernel) -> Vec<&str> {
        let values = self.pixel_values(kernel);
        let argument = |value: &ValueId| match self.program.node(*value).op {
            Op::Argument(index) => Some(self.program.arguments()[index as usize].name.as_str()),
            _ => None,
        };
        values.iter().filter_map(argument).collect()
    }

    fn result_name(&self, value: ValueId) -> String {
        let result = self.program.results().iter().find(|result| result.value == value);
        result.map_or_else(String::new, |result| result.name.clone())
    }
}

fn list(values: impl Iterator<Item = String>) -> String {
    let values: Vec<_> = values.collect();
    if values.is_empty() { "nothing".into() } else { values.join(", ") }
}

/// Returns whether an op takes more than a few operations.
fn is_costly(op: Op) -> bool {
    let taken = op.definition().and_then(OpDefinition::operations);
    op == Op::Uniform || taken.is_some_and(|taken| taken.division > 0 || taken.arithmetic > 4)
}
