//! Programs evaluated over other numbers than the interpreters': with error
//! bounds, and over the complex numbers.

use lossc_dialect::interpret::Inputs;
use lossc_dialect::{Level, Node, Op, Program, Type};

/// Numbers a program can be evaluated over. Masks are numbers too: 0 and 1.
pub(super) trait Arithmetic {
    type Value: Clone;

    fn number(&self, value: f64) -> Self::Value;

    /// An element-wise op or a cast, on operands of these types.
    fn element(&self, op: Op, operands: &[Self::Value], types: &[Type]) -> Self::Value;

    /// The sum of a row of pixels, or of whatever else if there is no row.
    fn sum(&self, row: Option<usize>, terms: &[Self::Value]) -> Self::Value;
}

/// Pixels and numbers to try a program on.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub row_group: Vec<usize>,
    pub groups: usize,
    pub row_length: usize,
    pub pixels: Vec<Vec<f64>>,
    pub scalars: Vec<f64>,
}

/// The uniform number of a pixel; none is near another value of a test.
pub(super) fn uniform(index: u64) -> f32 {
    (index * 37 % 101) as f32 / 101.0
}

impl Sample {
    /// The sample as the interpreters take it.
    pub(super) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            row_group: &self.row_group,
            groups: self.groups,
            row_length: self.row_length,
            pixels: &self.pixels,
            scalars: &self.scalars,
            uniform: &uniform,
        }
    }

    /// The arguments of a program, the pixels first.
    pub(super) fn arguments<A: Arithmetic>(&self, arithmetic: &A) -> Vec<Vec<A::Value>> {
        let numbers = self.scalars.iter().map(|&number| vec![number]);
        let all = self.pixels.iter().cloned().chain(numbers);
        all.map(|values| values.into_iter().map(|value| arithmetic.number(value)).collect()).collect()
    }

    fn count_at(&self, level: Level) -> usize {
        match level {
            Level::Scalar => 1,
            Level::Group => self.groups,
            Level::Pixel => self.row_group.len() * self.row_length,
        }
    }
}

/// The results of `program`, each with one value for each of its places.
pub(super) fn evaluate<A: Arithmetic>(
    arithmetic: &A,
    program: &Program,
    sample: &Sample,
    arguments: &[Vec<A::Value>],
) -> Vec<Vec<A::Value>> {
    let needed = program.needed(program.results().iter().map(|result| result.value));
    let mut values: Vec<Vec<A::Value>> = vec![vec![]; program.len()];
    for (value, node) in program.values().filter(|(value, _)| needed[value.index()]) {
        let operands: Vec<_> = node.operands.iter().map(|it| values[it.index()].as_slice()).collect();
        let types: Vec<_> = node.operands.iter().map(|&it| program.ty(it)).collect();
        let place = Place { arithmetic, sample, node, operands: &operands, types: &types };
        values[value.index()] = match node.op {
            Op::Argument(index) => arguments[index as usize].clone(),
            _ => place.evaluate(),
        };
    }
    program.results().iter().map(|result| values[result.value.index()].clone()).collect()
}

struct Place<'a, A: Arithmetic> {
    arithmetic: &'a A,
    sample: &'a Sample,
    node: &'a Node,
    operands: &'a [&'a [A::Value]],
    types: &'a [Type],
}

impl<A: Arithmetic> Place<'_, A> {
    fn evaluate(&self) -> Vec<A::Value> {
        let count = self.sample.count_at(self.node.ty.level);
        match self.node.op {
            Op::Constant(bits) => vec![self.arithmetic.number(f64::from(f32::from_bits(bits))); count],
            Op::Uniform => {
                (0..count as u64).map(|index| self.arithmetic.number(f64::from(uniform(index)))).collect()
            }
            Op::Broadcast => (0..count).map(|pixel| self.of_pixel(pixel).clone()).collect(),
            Op::BroadcastGroups => vec![self.operands[0][0].clone(); count],
            Op::Count | Op::Sum => (0..count).map(|group| self.sum_group(group)).collect(),
            Op::SumGroups => vec![self.arithmetic.sum(None, self.operands[0])],
            Op::MeanGroups => vec![self.mean()],
            op => (0..count).map(|index| self.element(op, index)).collect(),
        }
    }

    fn element(&self, op: Op, index: usize) -> A::Value {
        let at: Vec<_> = self.operands.iter().map(|operand| operand[index].clone()).collect();
        self.arithmetic.element(op, &at, self.types)
    }

    fn of_pixel(&self, pixel: usize) -> &A::Value {
        let group = self.sample.row_group[pixel / self.sample.row_length];
        &self.operands[0][if self.types[0].level == Level::Group { group } else { 0 }]
    }

    fn sum_group(&self, group: usize) -> A::Value {
        let rows = self.operands[0].chunks(self.sample.row_length).enumerate();
        let rows = rows.filter(|(row, _)| self.sample.row_group[*row] == group);
        let totals: Vec<_> = rows.map(|(row, terms)| self.arithmetic.sum(Some(row), terms)).collect();
        self.arithmetic.sum(None, &totals)
    }

    fn mean(&self) -> A::Value {
        let sum = self.arithmetic.sum(None, self.operands[0]);
        let groups = self.arithmetic.number(self.sample.groups as f64);
        self.arithmetic.element(Op::Div, &[sum, groups], &[Type::SCALAR; 2])
    }
}
