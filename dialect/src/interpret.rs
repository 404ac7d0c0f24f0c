//! Direct evaluation of a program: in real numbers, to the precision of f64
//! ([`Precision::Real`]), the reference for everything else, and in the exact f32 operations
//! that every target runs ([`Precision::Exact`]).

use half::{bf16, f16};

use crate::machine::{Evaluate, Word};
use crate::ops::{self, Op};
use crate::program::{Node, Program, ValueId};
use crate::sum_shape;
use crate::types::{Element, Level, Type};

/// Precision of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Real numbers, to the precision of f64.
    Real,
    /// The exact operations, those of pixels in f32 (see [`Op::wide`]), and the exact order of
    /// sums.
    Exact,
}

/// Inputs of an evaluation. All values are f64, which holds every storage type exactly, except
/// i64 beyond 2^53; masks are 0 and 1.
pub struct Inputs<'a> {
    /// The group of each plane.
    pub plane_group: &'a [usize],
    /// The number of groups.
    pub groups: usize,
    /// Pixels in a plane.
    pub plane_length: usize,
    /// The tensors of pixels in argument order, plane after plane.
    pub pixels: &'a [Vec<f64>],
    /// The scalars in argument order.
    pub scalars: &'a [f64],
    /// The uniform number of the pixel with this linear index. The caller provides it, so a
    /// test may choose any.
    pub uniform: &'a dyn Fn(u64) -> f32,
}

/// Evaluates `program`. Returns one vector per result: one value per group or pixel, and a
/// single value for the loss.
///
/// # Panics
///
/// If `inputs` do not fit the program's arguments.
pub fn interpret(program: &Program, inputs: &Inputs<'_>, precision: Precision) -> Vec<Vec<f64>> {
    let roots: Vec<_> = program.results().iter().map(|result| result.value).collect();
    Interpreter { program, inputs, precision }.run(&roots)
}

struct Interpreter<'a> {
    program: &'a Program,
    inputs: &'a Inputs<'a>,
    precision: Precision,
}

impl Interpreter<'_> {
    fn run(&self, roots: &[ValueId]) -> Vec<Vec<f64>> {
        let needed = self.program.needed(roots.iter().copied());
        let mut uses = self.count_uses(roots, &needed);
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); self.program.len()];
        for (value, node) in self.program.values().filter(|(value, _)| needed[value.index()]) {
            let operands: Vec<&[f64]> =
                node.operands.iter().map(|id| values[id.index()].as_slice()).collect();
            let result = self.evaluate(node, &operands);
            values[value.index()] = result;
            // An image-sized value is dropped after its last use.
            for operand in &node.operands {
                uses[operand.index()] -= 1;
                if uses[operand.index()] == 0 {
                    values[operand.index()] = Vec::new();
                }
            }
        }
        let result = |root: &ValueId| {
            let values = &values[root.index()];
            values.iter().map(|&value| self.round(value, self.program.ty(*root).element)).collect()
        };
        roots.iter().map(result).collect()
    }

    fn count_uses(&self, roots: &[ValueId], needed: &[bool]) -> Vec<usize> {
        let mut uses = vec![0; self.program.len()];
        let nodes = self.program.values().filter(|(value, _)| needed[value.index()]);
        let operands = nodes.flat_map(|(_, node)| &node.operands);
        operands.chain(roots).for_each(|value| uses[value.index()] += 1);
        uses
    }

    fn count_at(&self, level: Level) -> usize {
        match level {
            Level::Scalar => 1,
            Level::Group => self.inputs.groups,
            Level::Pixel => self.inputs.plane_group.len() * self.inputs.plane_length,
        }
    }

    fn evaluate(&self, node: &Node, operands: &[&[f64]]) -> Vec<f64> {
        let count = self.count_at(node.ty.level);
        match node.op {
            Op::Argument(index) => self.argument(index as usize),
            Op::Constant(bits) => vec![f64::from(f32::from_bits(bits)); count],
            Op::Uniform => (0..count as u64).map(|index| f64::from((self.inputs.uniform)(index))).collect(),
            Op::Groups => vec![self.inputs.groups as f64],
            Op::Pixels => vec![self.count_at(Level::Pixel) as f64],
            Op::Is(value) => {
                let is = |&found: &f64| f64::from(u8::from(found as i128 == i128::from(value)));
                operands[0].iter().map(is).collect()
            }
            // A count is not rounded.
            Op::Cast if node.ty.level < Level::Pixel && node.ty.element == Element::F32 => {
                operands[0].to_vec()
            }
            Op::Cast => operands[0].iter().map(|&value| self.round(value, node.ty.element)).collect(),
            Op::Broadcast => self.broadcast(operands[0], self.program.ty(node.operands[0])),
            Op::BroadcastGroups => vec![operands[0][0]; count],
            Op::Count => self.by_group(operands[0], |_, plane| plane.iter().sum()),
            Op::Sum => self.by_group(operands[0], |index, plane| self.sum_plane(index, plane)),
            Op::SumGroups => vec![total(operands[0])],
            Op::MeanGroups => vec![total(operands[0]) / operands[0].len().max(1) as f64],
            op => self.element(op, node, operands, count),
        }
    }

    fn argument(&self, index: usize) -> Vec<f64> {
        let before = &self.program.arguments()[..index];
        let pixels = before.iter().filter(|argument| argument.is_pixel()).count();
        if self.program.arguments()[index].is_pixel() {
            self.inputs.pixels[pixels].clone()
        } else {
            vec![self.inputs.scalars[index - pixels]]
        }
    }

    fn broadcast(&self, values: &[f64], from: Type) -> Vec<f64> {
        let of_plane = |&group: &usize| {
            self.round(if from.level == Level::Group { values[group] } else { values[0] }, from.element)
        };
        let planes = self.inputs.plane_group.iter().map(of_plane);
        planes.flat_map(|value| std::iter::repeat_n(value, self.inputs.plane_length)).collect()
    }

    fn by_group(&self, values: &[f64], plane_total: impl Fn(usize, &[f64]) -> f64) -> Vec<f64> {
        let mut totals = vec![0.0; self.inputs.groups];
        if self.inputs.plane_length > 0 {
            for (index, plane) in values.chunks(self.inputs.plane_length).enumerate() {
                totals[self.inputs.plane_group[index]] += plane_total(index, plane);
            }
        }
        totals
    }

    fn sum_plane(&self, index: usize, plane: &[f64]) -> f64 {
        match self.precision {
            Precision::Real => plane.iter().sum(),
            Precision::Exact => {
                let plane: Vec<f32> = plane.iter().map(|&value| value as f32).collect();
                sum_shape::sum_plane(index, &plane)
            }
        }
    }

    fn element(&self, op: Op, node: &Node, operands: &[&[f64]], count: usize) -> Vec<f64> {
        let Some(ops::Meaning::Element { real, exact, .. }) = op.definition().map(|it| &it.meaning) else {
            unreachable!("{op:?} has a meaning of its own above");
        };
        let types: Vec<_> = node.operands.iter().map(|&operand| self.program.ty(operand)).collect();
        let mut at = vec![0.0; operands.len()];
        let mut words = vec![Word(0); operands.len()];
        let in_f64 = match self.precision {
            Precision::Real => Some(*real),
            Precision::Exact => op.wide(node.ty.level),
        };
        let compute = |index: usize| match in_f64 {
            Some(in_f64) => {
                at.iter_mut().zip(operands).for_each(|(slot, operand)| *slot = operand[index]);
                in_f64(&at)
            }
            None => {
                for (operand, (slot, ty)) in operands.iter().zip(words.iter_mut().zip(&types)) {
                    *slot = to_word(operand[index], *ty);
                }
                from_word(exact(&mut Evaluate, &words), node.ty)
            }
        };
        (0..count).map(compute).collect()
    }

    /// Returns `value` rounded to `element`; real numbers are not rounded.
    fn round(&self, value: f64, element: Element) -> f64 {
        match (self.precision, element) {
            (Precision::Exact, Element::F32) => f64::from(value as f32),
            (Precision::Exact, Element::F16) => f64::from(f16::from_f32(value as f32)),
            (Precision::Exact, Element::Bf16) => f64::from(bf16::from_f32(value as f32)),
            _ => value,
        }
    }
}

/// The sum in order, starting from +0 as kernels do; `Iterator::sum` starts from -0.
fn total(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, value| sum + value)
}

fn to_word(value: f64, ty: Type) -> Word {
    match ty.element {
        Element::Mask => Word(u32::from(value != 0.0)),
        _ => Word((value as f32).to_bits()),
    }
}

fn from_word(word: Word, ty: Type) -> f64 {
    match ty.element {
        Element::Mask => f64::from(word.0),
        _ => f64::from(f32::from_bits(word.0)),
    }
}
