//! One kernel per op.

use lossc_dialect::{Level, Op, ValueId};

use super::{Kernel, Schedule};

/// Splits the kernels of an entry point: each op becomes a kernel of its own, which saves its
/// value for those that need it.
pub(super) fn split(schedule: &mut Schedule, kernels: &[Kernel]) -> Vec<Kernel> {
    let mut ops = vec![];
    for kernel in kernels {
        let before = ops.len();
        for value in schedule.pixel_values(kernel) {
            // A leaf that is a result must still be written.
            let is_work = !is_leaf(schedule, value) || kernel.outputs.contains(&value);
            if is_work && !is_computed(schedule, &ops, value) {
                ops.push(op_kernel(schedule, kernel, value));
            }
        }
        for &group_total in &kernel.reductions {
            let operand = schedule.program.node(schedule.group_totals[group_total].value).operands[0];
            let loads = loads(schedule, [operand]);
            ops.push(Kernel { loads, reductions: vec![group_total], ..Kernel::default() });
        }
        if ops.len() == before {
            ops.push(Kernel::default());
        }
        if let Some(last) = ops.last_mut() {
            last.group_reductions.clone_from(&kernel.group_reductions);
            last.results.clone_from(&kernel.results);
        }
    }
    ops
}

/// Returns whether each kernel has the value without reading it from memory, or reads it from a
/// tensor of the caller.
fn is_leaf(schedule: &Schedule, value: ValueId) -> bool {
    matches!(schedule.program.node(value).op, Op::Argument(_) | Op::Constant(_) | Op::Broadcast)
}

fn is_computed(schedule: &Schedule, kernels: &[Kernel], value: ValueId) -> bool {
    kernels
        .iter()
        .any(|kernel| schedule.targets(kernel).any(|target| target == value) && kernel.reductions.is_empty())
}

fn op_kernel(schedule: &mut Schedule, pass: &Kernel, value: ValueId) -> Kernel {
    let operands = schedule.program.node(value).operands.clone();
    let is_output = pass.outputs.contains(&value);
    let is_used = !is_output || schedule.program.values().any(|(_, node)| node.operands.contains(&value));
    let saves = if is_used && !is_leaf(schedule, value) { vec![schedule.save(value)] } else { vec![] };
    let outputs = if is_output { vec![value] } else { vec![] };
    Kernel { loads: loads(schedule, operands), outputs, saves, ..Kernel::default() }
}

fn loads(schedule: &mut Schedule, values: impl IntoIterator<Item = ValueId>) -> Vec<usize> {
    let mut loads = vec![];
    for value in values {
        let is_pixel = schedule.program.ty(value).level == Level::Pixel;
        if is_pixel && !is_leaf(schedule, value) {
            loads.push(schedule.save(value));
        }
    }
    loads.sort_unstable();
    loads.dedup();
    loads
}
