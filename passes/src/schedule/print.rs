//! The schedule as text: what each kernel reads, computes and leaves behind.

use std::collections::BTreeMap;
use std::fmt;

use lossc_dialect::ValueId;
use lossc_dialect::ops::{Op, OpDefinition};

use super::{AtOnce, Kernel, Schedule, Temporary};

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
        if let Some(sieve) = &self.sieve {
            let mask = |&(mask, holds): &(ValueId, bool)| {
                format!("{} {}", self.value_name(mask), if holds { "holds" } else { "does not" })
            };
            let masks: Vec<_> = sieve.masks.iter().map(mask).collect();
            let survivors = format!("a pixel survives, %{}", sieve.survivors.0);
            writeln!(
                formatter,
                "sieve: {survivors}, unless it is cheaply seen that {}",
                masks.join(" and ")
            )?;
        }
        if let Some(at_once) = &self.at_once {
            self.write_at_once(at_once, formatter)?;
        }
        for (index, kernel) in self.kernels.iter().enumerate() {
            writeln!(formatter, "\nkernel {index}")?;
            self.write_kernel(kernel, formatter)?;
        }
        Ok(())
    }
}

impl Schedule {
    fn write_at_once(&self, at_once: &AtOnce, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AtOnce { first, keeping, reading, second } = at_once;
        let kept = keeping.stores.iter().map(|&stored| self.stored_name(keeping, stored));
        writeln!(formatter, "in one launch, for pixels that find room on the chip")?;
        writeln!(formatter, "  keeps      {}, in kernel {first}", list(kept))?;
        writeln!(formatter, "  computes   {}, in kernel {second}", self.computed(reading, "pixel"))
    }

    fn write_kernel(&self, kernel: &Kernel, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs = self.inputs(kernel).into_iter().map(str::to_owned);
        let loads = kernel.loads.iter().map(|&stored| self.stored_name(kernel, stored));
        writeln!(formatter, "  reads      {}", list(inputs.chain(loads)))?;
        match self.parts(kernel) {
            None => writeln!(formatter, "  computes   {}", self.computed(kernel, "pixel"))?,
            Some([of_all, of_survivors]) => {
                let sieve = match of_all.loads.first() {
                    Some(&stored) => format!("%{}, kept", self.stored[stored].value.0),
                    None => self.computed(&of_all, "pixel"),
                };
                writeln!(formatter, "  sifts by   {sieve}")?;
                writeln!(formatter, "  computes   {}", self.computed(&of_survivors, "survivor"))?;
            }
        }
        let cells = kernel.reductions.iter().map(|&cell| {
            let kind = if self.cells[cell].is_count { "count" } else { "sum" };
            format!("{kind} in cell {cell}")
        });
        writeln!(formatter, "  reduces    {}", list(cells))?;
        let outputs = kernel.outputs.iter().map(|&value| self.result_name(value));
        writeln!(formatter, "  writes     {}", list(outputs))?;
        if !kernel.stores.is_empty() {
            let stores = kernel.stores.iter().map(|&stored| self.stored_name(kernel, stored));
            writeln!(formatter, "  keeps      {}", list(stores))?;
        }
        let results = kernel.results.iter().map(|&index| self.program.results()[index].name.clone());
        writeln!(formatter, "  then gives {}", list(results))
    }

    /// How many values a kernel computes, and which of them are worth a word.
    fn computed(&self, kernel: &Kernel, of: &str) -> String {
        let loaded = |value: &ValueId| kernel.loads.iter().any(|&stored| self.stored[stored].value == *value);
        let values: Vec<_> = self.pixel_values(kernel).into_iter().filter(|value| !loaded(value)).collect();
        let mut counts = BTreeMap::from([("div", 0)]);
        for op in values.iter().map(|&value| self.program.node(value).op).filter(|&op| is_costly(op)) {
            *counts.entry(op.mnemonic()).or_default() += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(mnemonic, count)| format!("{count} {mnemonic}")).collect();
        format!("{} values a {of}, among them {}", values.len(), counts.join(", "))
    }

    /// A value kept, with the room it takes.
    fn stored_name(&self, kernel: &Kernel, stored: usize) -> String {
        let value = self.stored[stored].value;
        let of = if kernel.sieve.is_none_or(|survivors| survivors == value) { "pixel" } else { "survivor" };
        let size = match self.temporary_of(stored) {
            Temporary::Float => "4 bytes",
            Temporary::Mask => "1 bit",
        };
        format!("{} ({size} a {of})", self.value_name(value))
    }

    fn value_name(&self, value: ValueId) -> String {
        if let Op::Argument(index) = self.program.node(value).op {
            return self.program.arguments()[index as usize].name.clone();
        }
        format!("%{} = loss.{}", value.0, self.program.node(value).op.mnemonic())
    }

    /// The tensors of pixels a kernel reads.
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

/// Whether an op takes more than a few operations.
fn is_costly(op: Op) -> bool {
    let taken = op.definition().and_then(OpDefinition::operations);
    op == Op::Uniform || taken.is_some_and(|taken| taken.division > 0 || taken.arithmetic > 4)
}
