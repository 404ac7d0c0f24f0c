//! The schedule as text: what each kernel reads, computes and leaves behind.

use std::fmt;

use lossc_dialect::ValueId;

use super::{Kernel, Schedule, Temporary};

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
        for (index, kernel) in self.kernels.iter().enumerate() {
            writeln!(formatter, "\nkernel {index}")?;
            self.write_kernel(kernel, formatter)?;
        }
        Ok(())
    }
}

impl Schedule {
    fn write_kernel(&self, kernel: &Kernel, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: Vec<String>| if values.is_empty() { "nothing".into() } else { values.join(", ") };
        let inputs = self.inputs(kernel).into_iter().map(str::to_owned);
        let loads = kernel.loads.iter().map(|&stored| self.stored_name(stored));
        writeln!(formatter, "  reads      {}", list(inputs.chain(loads).collect()))?;
        let computed = self.pixel_values(kernel).len() - kernel.loads.len();
        writeln!(formatter, "  computes   {computed} values a pixel")?;
        let cells = kernel.reductions.iter().map(|&cell| {
            let kind = if self.cells[cell].is_count { "count" } else { "sum" };
            format!("{kind} in cell {cell}")
        });
        writeln!(formatter, "  reduces    {}", list(cells.collect()))?;
        let outputs = kernel.outputs.iter().map(|&value| self.result_name(value));
        writeln!(formatter, "  writes     {}", list(outputs.collect()))?;
        if !kernel.stores.is_empty() {
            let stores = kernel.stores.iter().map(|&stored| self.stored_name(stored));
            writeln!(formatter, "  keeps      {}", list(stores.collect()))?;
        }
        let results = kernel.results.iter().map(|&index| self.program.results()[index].name.clone());
        writeln!(formatter, "  then gives {}", list(results.collect()))
    }

    /// A value kept in memory, with the room it takes.
    fn stored_name(&self, stored: usize) -> String {
        let value = self.stored[stored].value;
        let size = match self.temporary_of(stored) {
            Temporary::Float => "4 bytes",
            Temporary::Mask => "1 bit",
        };
        format!("%{} = loss.{} ({size} a pixel)", value.0, self.program.node(value).op.mnemonic())
    }

    /// The tensors of pixels a kernel reads.
    fn inputs(&self, kernel: &Kernel) -> Vec<&str> {
        let values = self.pixel_values(kernel);
        let argument = |value: &ValueId| match self.program.node(*value).op {
            lossc_dialect::Op::Argument(index) => {
                Some(self.program.arguments()[index as usize].name.as_str())
            }
            _ => None,
        };
        values.iter().filter_map(argument).collect()
    }

    fn result_name(&self, value: ValueId) -> String {
        let result = self.program.results().iter().find(|result| result.value == value);
        result.map_or_else(String::new, |result| result.name.clone())
    }
}
