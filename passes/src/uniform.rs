//! Replacing reductions of uniform values by arithmetic.
//!
//! The sum over pixels of one value is the value times their number, and the mean over groups of
//! one value is the value. Both numbers are known when a call begins, so such a reduction needs
//! no pass over the data; and a value that only a pass computes could not be given to a pass.
//! Without a pixel or a group a reduction is 0, whatever its operand.

use lossc_dialect::{Builder, Level, Node, Op, Program, Type, ValueId};
use lossc_faults::{Fault, is_seeded};

#[cfg(test)]
mod tests;

/// `program` without reductions of values that are uniform over the reduction's range. A count
/// that is a result stays a count.
///
/// # Panics
///
/// Never for a verified program.
pub fn fold(program: &Program) -> Program {
    let lowest = lowest_levels(program);
    let folded = folded(program, &lowest);
    if !folded.contains(&true) || is_seeded(Fault::ScalarsAreReducedLate) {
        return program.clone();
    }
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let is_wanted = wanted_low(program, &lowest, &folded);
    let mut low = Low { program, lowest: &lowest, values: vec![None; program.len()] };
    for (value, node) in program.values() {
        if let (Op::Argument(index), Level::Scalar) = (node.op, lowest[value.index()]) {
            low.values[value.index()] = Some(arguments[index as usize]);
        }
    }
    let results = program.rebuild(&mut builder, &arguments, |builder, value, operands| {
        let node = program.node(value);
        if is_wanted[value.index()] && is_lowered(program, value, &lowest, &folded) {
            low.values[value.index()] = Some(low.build(builder, value));
        }
        let copy = match low.values[value.index()].filter(|_| folded[value.index()]) {
            Some(known) => builder.broadcast_to(known, node.ty.level),
            None => builder.copy(node, operands),
        };
        low.values[value.index()].get_or_insert(copy);
        copy
    });
    without_dead_values(&builder.finish(results).expect("a loss stays one"))
}

/// The lowest level at which each value could be computed: the highest one of the values that it
/// is made of.
fn lowest_levels(program: &Program) -> Vec<Level> {
    let mut lowest = vec![Level::Scalar; program.len()];
    for (value, node) in program.values() {
        let of_operands = node.operands.iter().map(|operand| lowest[operand.index()]).max();
        lowest[value.index()] = match node.op {
            Op::Sum | Op::Count => of_operands.unwrap_or(Level::Scalar).min(Level::Group),
            Op::Constant(_) | Op::SumGroups | Op::MeanGroups => Level::Scalar,
            _ => of_operands.unwrap_or(node.ty.level),
        };
    }
    lowest
}

/// Marks the values that are reductions of a uniform value. For a count, its cast to a float is
/// marked.
fn folded(program: &Program, lowest: &[Level]) -> Vec<bool> {
    let is_folded = |node: &Node| {
        let lowest_of = |operand: &ValueId| lowest[operand.index()];
        match (node.op, node.operands.first()) {
            (Op::Sum, Some(operand)) => lowest_of(operand) < Level::Pixel,
            (Op::SumGroups | Op::MeanGroups, Some(operand)) => lowest_of(operand) == Level::Scalar,
            (Op::Cast, Some(count)) => {
                let count = program.node(*count);
                count.op == Op::Count && lowest_of(&count.operands[0]) < Level::Pixel
            }
            _ => false,
        }
    };
    program.values().map(|(_, node)| is_folded(node)).collect()
}

/// Marks the values that the `folded` ones need at their lowest level.
fn wanted_low(program: &Program, lowest: &[Level], folded: &[bool]) -> Vec<bool> {
    let mut wanted = folded.to_vec();
    let values: Vec<_> = program.values().collect();
    for (value, node) in values.into_iter().rev() {
        if wanted[value.index()] && is_lowered(program, value, lowest, folded) {
            node.operands.iter().for_each(|operand| wanted[operand.index()] = true);
        }
    }
    wanted
}

/// Returns whether a value is replaced by another one at its lowest level.
fn is_lowered(program: &Program, value: ValueId, lowest: &[Level], folded: &[bool]) -> bool {
    let node = program.node(value);
    let is_uniform_count = node.op == Op::Count && lowest[node.operands[0].index()] < Level::Pixel;
    is_uniform_count || folded[value.index()] || lowest[value.index()] < node.ty.level
}

/// Values at their lowest levels.
struct Low<'a> {
    program: &'a Program,
    lowest: &'a [Level],
    values: Vec<Option<ValueId>>,
}

impl Low<'_> {
    /// `value` at its lowest level, if its operands are known at theirs.
    fn build(&self, builder: &mut Builder, value: ValueId) -> ValueId {
        let node = self.program.node(value);
        let level = self.lowest[value.index()];
        let operands: Vec<_> =
            node.operands.iter().map(|&operand| self.operand(builder, operand, level)).collect();
        match (node.op, operands.as_slice()) {
            (Op::Broadcast | Op::BroadcastGroups, &[operand]) => operand,
            // At its lowest level a count is a float.
            (Op::Cast, &[operand]) => builder.cast(operand, node.ty.element),
            (Op::Count, &[mask]) => {
                let [pixels, nothing] = [pixels_of_group(builder, level), builder.constant(0.0, level)];
                builder.select(mask, pixels, nothing)
            }
            (Op::Sum, &[term]) => {
                let pixels = pixels_of_group(builder, level);
                times(builder, term, pixels)
            }
            (Op::SumGroups, &[term]) => {
                let groups = builder.groups();
                times(builder, term, groups)
            }
            (Op::MeanGroups, &[term]) => {
                let groups = builder.groups();
                where_any(builder, groups, term)
            }
            _ => builder.op(node.op, &operands, Type::new(level, node.ty.element)),
        }
    }

    fn operand(&self, builder: &mut Builder, operand: ValueId, level: Level) -> ValueId {
        match self.program.node(operand).op.constant_value() {
            Some(value) => builder.constant(value, level),
            None => {
                let known = self.values[operand.index()].expect("operands come first");
                builder.broadcast_to(known, level)
            }
        }
    }
}

/// The number of pixels of a group; all groups have the same number.
fn pixels_of_group(builder: &mut Builder, level: Level) -> ValueId {
    let (pixels, groups) = (builder.pixels(), builder.groups());
    let share = builder.ratio_or_zero(pixels, groups);
    builder.broadcast_to(share, level)
}

/// `term` added to 0 `count` times. Without the addition a negative zero would stay negative.
fn times(builder: &mut Builder, term: ValueId, count: ValueId) -> ValueId {
    let product = builder.mul(term, count);
    let zero = builder.constant_like(0.0, term);
    let total = builder.add(product, zero);
    where_any(builder, count, total)
}

/// `value`, or 0 if `count` is 0.
fn where_any(builder: &mut Builder, count: ValueId, value: ValueId) -> ValueId {
    let zero = builder.constant_like(0.0, value);
    let is_any = builder.less(zero, count);
    builder.select(is_any, value, zero)
}

fn without_dead_values(program: &Program) -> Program {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let results = builder.import(program, &arguments);
    builder.finish(results).expect("a loss stays one")
}
