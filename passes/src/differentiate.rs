//! Reverse-mode differentiation as a program transformation.
//!
//! The result is the same program with one more scalar argument, the upstream
//! gradient, and one more result, the gradient by the logits. Partial derivatives
//! come from the op table; this module moves adjoints through selects, casts,
//! reductions and broadcasts.
//!
//! An adjoint is a value under a guard: it contributes only where the guard holds. Selects set
//! guards instead of multiplying by zero, so a NaN in the branch that was not taken, or at an
//! ignored pixel, never reaches the gradient.

use lossc_dialect::ops::{Derivative, Op};
use lossc_dialect::program::{BuildError, GRADIENT, UPSTREAM};
use lossc_dialect::{Builder, Element, Level, Node, Program, ProgramResult, ValueId};
use lossc_faults::{Fault, is_seeded};
use thiserror::Error;

use crate::uniform::fold;

/// The reason why a program has no gradient.
#[derive(Debug, Error)]
pub enum DifferentiateError {
    /// The loss depends on the logits only through counts and comparisons, if at all.
    #[error("the loss has no gradient: it depends on the logits {0}")]
    NoPath(String),
    /// The program cannot be built; an error of lossc.
    #[error("the gradient is ill-formed: {0}")]
    Build(#[from] BuildError),
}

/// Adds the gradient of the loss by the first argument. It is an f32; a user that stores it in a
/// narrower type casts it.
pub fn differentiate(program: &Program) -> Result<Program, DifferentiateError> {
    let mut builder = Builder::new(program.name());
    let mut arguments = builder.declare_arguments(program);
    arguments.push(builder.scalar_argument(UPSTREAM, 1.0));
    // The copies of all values are kept because the partial derivatives are built from them.
    let mut copies = vec![ValueId(0); program.len()];
    for (value, node) in program.values() {
        if let Op::Argument(index) = node.op {
            copies[value.index()] = arguments[index as usize];
        }
    }
    let mut results = program.rebuild(&mut builder, &arguments, |builder, value, operands| {
        copies[value.index()] = builder.copy(program.node(value), operands);
        copies[value.index()]
    });

    let loss = program.results()[0].value;
    let active = active(program);
    if !active[loss.index()] {
        return Err(DifferentiateError::NoPath(steps(program)));
    }
    let mut reverse =
        Reverse { program, copies: &copies, builder, adjoints: vec![None; program.len()], active };
    reverse.adjoints[loss.index()] = arguments.last().map(|&value| Adjoint { guard: None, value });
    let gradient = reverse.run();

    results.push(ProgramResult { name: GRADIENT.into(), value: gradient });
    Ok(fold(&reverse.builder.finish(results)?))
}

/// Marks the values that change with small changes of the logits.
fn active(program: &Program) -> Vec<bool> {
    let mut active = vec![false; program.len()];
    for (value, node) in program.values() {
        let flows = |definition: &lossc_dialect::ops::OpDefinition| {
            !matches!(definition.derivative, Derivative::Zero)
        };
        active[value.index()] = match node.op {
            Op::Argument(index) => index == 0,
            op => op.definition().is_some_and(flows) && node.operands.iter().any(|it| active[it.index()]),
        };
    }
    active
}

/// The ops between the logits and the loss through which no adjoint flows, for the error.
fn steps(program: &Program) -> String {
    let needed = program.needed([program.results()[0].value]);
    let mut depends = vec![false; program.len()];
    for (value, node) in program.values().filter(|(value, _)| needed[value.index()]) {
        depends[value.index()] =
            node.op == Op::Argument(0) || node.operands.iter().any(|operand| depends[operand.index()]);
    }
    let on_the_way = program.values().filter(|(value, _)| depends[value.index()]);
    let mut names: Vec<_> = on_the_way.map(|(_, node)| node.op).collect();
    names.retain(|op| op.definition().is_some_and(|it| matches!(it.derivative, Derivative::Zero)));
    names.retain(|op| op.constant_value().is_none());
    let mut names: Vec<_> = names.into_iter().map(|op| format!("loss.{}", op.mnemonic())).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { "in no way".into() } else { format!("only through {}", names.join(", ")) }
}

/// A derivative of the loss by a value, where the guard holds; 0 elsewhere.
#[derive(Clone, Copy)]
struct Adjoint {
    guard: Option<ValueId>,
    value: ValueId,
}

struct Reverse<'a> {
    program: &'a Program,
    /// By value of the program, its copy in the new program.
    copies: &'a [ValueId],
    builder: Builder,
    adjoints: Vec<Option<Adjoint>>,
    active: Vec<bool>,
}

impl Reverse<'_> {
    fn run(&mut self) -> ValueId {
        let mut logits = None;
        for (value, node) in self.program.values().collect::<Vec<_>>().into_iter().rev() {
            let Some(adjoint) = self.adjoints[value.index()] else { continue };
            match node.op {
                Op::Argument(_) => logits = Some(adjoint),
                _ => self.flow(value, node, adjoint),
            }
        }
        match logits {
            Some(adjoint) => self.unguarded(adjoint),
            // The value is active, yet every path was cut by a select of constants.
            None => self.builder.constant(0.0, Level::Pixel),
        }
    }

    /// Passes the adjoint of `value` to its operands.
    fn flow(&mut self, value: ValueId, node: &Node, adjoint: Adjoint) {
        let operands: Vec<_> = node.operands.iter().map(|operand| self.copies[operand.index()]).collect();
        match node.op {
            Op::Select => self.flow_select(node, operands[0], adjoint),
            Op::Cast => self.contribute(node.operands[0], adjoint),
            Op::Sum => self.spread(node.operands[0], adjoint, Level::Pixel),
            Op::SumGroups => self.spread(node.operands[0], adjoint, Level::Group),
            Op::MeanGroups => self.flow_mean(node.operands[0], adjoint),
            Op::Broadcast | Op::BroadcastGroups => self.gather(node.operands[0], node.op, adjoint),
            op => {
                let Some(Derivative::Partials(partials)) = op.definition().map(|it| &it.derivative) else {
                    return;
                };
                let adjoint = self.where_it_varies(op, &operands, adjoint);
                let partials = partials(&mut self.builder, &operands, self.copies[value.index()]);
                for (&operand, partial) in node.operands.iter().zip(partials) {
                    if let Some(partial) = partial.filter(|_| self.active[operand.index()]) {
                        let value = self.product(adjoint.value, partial);
                        self.contribute(operand, Adjoint { value, ..adjoint });
                    }
                }
            }
        }
    }

    /// The adjoint of a select is a select: it goes to the branch that the value came from.
    fn flow_select(&mut self, node: &Node, mask: ValueId, adjoint: Adjoint) {
        let not_mask = if is_seeded(Fault::BranchesAreMixedUp) { mask } else { self.builder.not(mask) };
        for (&operand, taken) in node.operands[1..].iter().zip([mask, not_mask]) {
            let adjoint = self.guarded(adjoint, taken);
            self.contribute(operand, adjoint);
        }
    }

    /// The adjoint of an op that selects by itself: a ratio is the constant 0 if its denominator
    /// is 0.
    fn where_it_varies(&mut self, op: Op, operands: &[ValueId], adjoint: Adjoint) -> Adjoint {
        if op != Op::RatioOrZero {
            return adjoint;
        }
        let zero = self.builder.constant_like(0.0, operands[1]);
        let is_zero = self.builder.equal(operands[1], zero);
        let varies = self.builder.not(is_zero);
        self.guarded(adjoint, varies)
    }

    fn guarded(&mut self, adjoint: Adjoint, taken: ValueId) -> Adjoint {
        let guard = match adjoint.guard {
            Some(guard) => self.builder.and(guard, taken),
            None => taken,
        };
        Adjoint { guard: Some(guard), ..adjoint }
    }

    /// The adjoint of a sum goes to each of its terms.
    fn spread(&mut self, operand: ValueId, adjoint: Adjoint, level: Level) {
        let value = self.builder.broadcast_to(adjoint.value, level);
        let guard = adjoint.guard.map(|guard| self.builder.broadcast_to(guard, level));
        self.contribute(operand, Adjoint { guard, value });
    }

    /// The adjoint of a mean is that of a sum over the groups, divided by their number.
    fn flow_mean(&mut self, operand: ValueId, adjoint: Adjoint) {
        let groups = match is_seeded(Fault::ScalarsAreReducedLate) {
            true => {
                let one = self.builder.constant(1.0, Level::Group);
                self.builder.sum_groups(one)
            }
            false => self.builder.groups(),
        };
        let share = match is_seeded(Fault::MeanIsNotDivided) {
            true => adjoint.value,
            false => self.builder.ratio_or_zero(adjoint.value, groups),
        };
        self.spread(operand, Adjoint { value: share, ..adjoint }, Level::Group);
    }

    /// The adjoint of a broadcast is the sum over the broadcast's range. Its guard holds if the
    /// adjoint's guard holds anywhere there.
    fn gather(&mut self, operand: ValueId, op: Op, adjoint: Adjoint) {
        if !self.active[operand.index()] {
            return;
        }
        let level = self.program.ty(operand).level;
        let guard = adjoint.guard.map(|guard| self.any(guard, op, level));
        let mut value = self.unguarded(adjoint);
        if op == Op::Broadcast {
            value = self.builder.sum(value);
        }
        if level == Level::Scalar {
            value = self.builder.sum_groups(value);
        }
        self.contribute(operand, Adjoint { guard, value });
    }

    /// Returns whether `guard` holds anywhere in the range of the broadcast `op` from `level`.
    fn any(&mut self, guard: ValueId, op: Op, level: Level) -> ValueId {
        let mut places = match op {
            Op::Broadcast => self.builder.count(guard),
            _ => guard,
        };
        places = self.builder.cast(places, Element::F32);
        if level == Level::Scalar {
            places = self.builder.sum_groups(places);
        }
        let zero = self.builder.constant(0.0, level);
        self.builder.less(zero, places)
    }

    fn contribute(&mut self, operand: ValueId, adjoint: Adjoint) {
        if !self.active[operand.index()] {
            return;
        }
        let total = match self.adjoints[operand.index()] {
            None => adjoint,
            _ if is_seeded(Fault::UsesAreForgotten) => adjoint,
            Some(known) => self.total(known, adjoint),
        };
        self.adjoints[operand.index()] = Some(total);
    }

    fn total(&mut self, first: Adjoint, second: Adjoint) -> Adjoint {
        if first.guard == second.guard {
            return Adjoint { value: self.builder.add(first.value, second.value), ..first };
        }
        let guard = first.guard.zip(second.guard).map(|(first, second)| self.builder.or(first, second));
        let (first, second) = (self.unguarded(first), self.unguarded(second));
        Adjoint { guard, value: self.builder.add(first, second) }
    }

    /// The adjoint as a plain value: 0 where the guard does not hold.
    fn unguarded(&mut self, adjoint: Adjoint) -> ValueId {
        let Some(guard) = adjoint.guard else { return adjoint.value };
        let zero = self.builder.constant_like(0.0, adjoint.value);
        self.builder.select(guard, adjoint.value, zero)
    }

    /// `adjoint * partial`, without the products by 1 and -1 that linear ops cause.
    fn product(&mut self, adjoint: ValueId, partial: ValueId) -> ValueId {
        match self.builder.node(partial).op.constant_value() {
            Some(1.0) => adjoint,
            Some(-1.0) => self.builder.neg(adjoint),
            _ => self.builder.mul(adjoint, partial),
        }
    }
}

/// The gradient rounded once to `element`, the type of the logits.
pub fn store_gradient_as(program: &Program, element: Element) -> Result<Program, BuildError> {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let mut results = builder.import(program, &arguments);
    for result in results.iter_mut().filter(|result| result.name == GRADIENT) {
        result.value = builder.cast(result.value, element);
    }
    builder.finish(results)
}

#[cfg(test)]
mod tests;
