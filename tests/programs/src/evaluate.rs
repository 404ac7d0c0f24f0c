//! Evaluation of programs over other numbers than the interpreters': with error bounds, and over
//! the complex numbers.

use std::fmt;
use std::sync::Arc;

use lossc_dialect::interpret::Inputs;
use lossc_dialect::{Level, Node, Op, Program, Type};

/// Numbers a program can be evaluated over. Masks are numbers too: 0 and 1.
pub trait Arithmetic {
    /// A number.
    type Value: Clone;

    /// The number for `value`.
    fn number(&self, value: f64) -> Self::Value;

    /// An element-wise op or a cast, on operands of these types.
    fn element(&self, op: Op, operands: &[Self::Value], types: &[Type]) -> Self::Value;

    /// The sum over a plane of pixels; over plane totals or groups if `plane` is `None`.
    fn sum(&self, plane: Option<usize>, terms: &[Self::Value]) -> Self::Value;
}

/// The uniform number of each pixel.
#[derive(Clone)]
pub struct Draws(pub Arc<dyn Fn(u64) -> f32 + Send + Sync>);

impl Default for Draws {
    /// None of these is near another value of a test.
    fn default() -> Self {
        Self(Arc::new(|index| (index * 37 % 101) as f32 / 101.0))
    }
}

impl fmt::Debug for Draws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("draws")
    }
}

/// The effect of a call's options on sums and counts, without a program. Empty lists leave all
/// pixels and weights as they are.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Mask of the ignored pixels.
    pub ignored: Vec<bool>,
    /// The weight of each pixel's share in a sum.
    pub weights: Vec<f64>,
    /// True if the loss is divided by the number of pixels that are not ignored.
    pub mean: bool,
}

/// Pixels and scalars to try a program on.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The group of each plane.
    pub plane_group: Vec<usize>,
    /// The number of groups.
    pub groups: usize,
    /// Pixels per plane.
    pub plane_length: usize,
    /// The tensors of pixels in argument order.
    pub pixels: Vec<Vec<f64>>,
    /// The scalars in argument order.
    pub scalars: Vec<f64>,
    /// The uniform numbers.
    pub draws: Draws,
    /// The options of the call. Interpreters do not use them.
    pub seen: Seen,
}

impl Sample {
    /// The sample in the form that the interpreters take.
    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            plane_group: &self.plane_group,
            groups: self.groups,
            plane_length: self.plane_length,
            pixels: &self.pixels,
            scalars: &self.scalars,
            uniform: &*self.draws.0,
        }
    }

    /// The arguments of a program, the pixels first and then the scalars.
    pub fn arguments<A: Arithmetic>(&self, arithmetic: &A) -> Vec<Vec<A::Value>> {
        let numbers = self.scalars.iter().map(|&number| vec![number]);
        let all = self.pixels.iter().cloned().chain(numbers);
        all.map(|values| values.into_iter().map(|value| arithmetic.number(value)).collect()).collect()
    }

    fn is_ignored(&self, pixel: usize) -> bool {
        self.seen.ignored.get(pixel).is_some_and(|&ignored| ignored)
    }

    /// The number of pixels that are not ignored.
    fn seen_count(&self) -> usize {
        (0..self.pixel_count()).filter(|&pixel| !self.is_ignored(pixel)).count()
    }

    fn pixel_count(&self) -> usize {
        self.plane_group.len() * self.plane_length
    }

    fn count_at(&self, level: Level) -> usize {
        match level {
            Level::Scalar => 1,
            Level::Group => self.groups,
            Level::Pixel => self.pixel_count(),
        }
    }
}

/// The results of `program`, each with all its values.
pub fn evaluate<A: Arithmetic>(
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
            Op::Argument(index) => arguments[place_of(program, index as usize)].clone(),
            _ => place.evaluate(),
        };
    }
    let mut results: Vec<_> =
        program.results().iter().map(|result| values[result.value.index()].clone()).collect();
    if sample.seen.mean {
        results[0][0] = mean_over_pixels(arithmetic, sample, &results[0][0]);
    }
    results
}

/// Position of an argument when the pixels come first: a weight map follows the scalars.
fn place_of(program: &Program, index: usize) -> usize {
    let is_pixel = program.arguments()[index].is_pixel();
    let before = program.arguments()[..index].iter().filter(|it| it.is_pixel() == is_pixel).count();
    if is_pixel { before } else { program.pixel_arguments().count() + before }
}

fn mean_over_pixels<A: Arithmetic>(arithmetic: &A, sample: &Sample, loss: &A::Value) -> A::Value {
    let pixels = (0..sample.pixel_count()).filter(|&pixel| !sample.is_ignored(pixel)).count();
    let pixels = arithmetic.number(pixels as f64);
    arithmetic.element(Op::RatioOrZero, &[loss.clone(), pixels], &[Type::SCALAR; 2])
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
                let draw = |index| self.arithmetic.number(f64::from((self.sample.draws.0)(index)));
                (0..count as u64).map(draw).collect()
            }
            Op::Groups => vec![self.arithmetic.number(self.sample.groups as f64)],
            Op::Pixels => vec![self.arithmetic.number(self.sample.seen_count() as f64)],
            Op::Is(value) => {
                let value = self.arithmetic.number(value as f64);
                let is = |found: &A::Value| [found.clone(), value.clone()];
                let equal = |pair: [_; 2]| self.arithmetic.element(Op::Equal, &pair, &[Type::PIXEL; 2]);
                self.operands[0].iter().map(is).map(equal).collect()
            }
            // A pixel has the value that a storage type can hold, as after a cast.
            Op::Broadcast => (0..count)
                .map(|pixel| self.arithmetic.element(Op::Cast, &[self.of_pixel(pixel).clone()], self.types))
                .collect(),
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
        let group = self.sample.plane_group[pixel / self.sample.plane_length];
        &self.operands[0][if self.types[0].level == Level::Group { group } else { 0 }]
    }

    fn sum_group(&self, group: usize) -> A::Value {
        let planes =
            (0..self.sample.plane_group.len()).filter(|&plane| self.sample.plane_group[plane] == group);
        let totals: Vec<_> =
            planes.map(|plane| self.arithmetic.sum(Some(plane), &self.terms(plane))).collect();
        self.arithmetic.sum(None, &totals)
    }

    /// The terms that a plane adds to a sum or count.
    fn terms(&self, plane: usize) -> Vec<A::Value> {
        let length = self.sample.plane_length;
        (plane * length..(plane + 1) * length).map(|pixel| self.term(pixel)).collect()
    }

    fn term(&self, pixel: usize) -> A::Value {
        if self.sample.is_ignored(pixel) {
            return self.arithmetic.number(0.0);
        }
        let term = &self.operands[0][pixel];
        match self.sample.seen.weights.get(pixel) {
            Some(&weight) if self.node.op == Op::Sum => {
                let weight = self.arithmetic.number(weight);
                self.arithmetic.element(Op::AbsorbingMul, &[weight, term.clone()], &[Type::PIXEL; 2])
            }
            _ => term.clone(),
        }
    }

    fn mean(&self) -> A::Value {
        let sum = self.arithmetic.sum(None, self.operands[0]);
        // The mean over no groups is 0.
        let groups = self.arithmetic.number(self.sample.groups.max(1) as f64);
        self.arithmetic.element(Op::Div, &[sum, groups], &[Type::SCALAR; 2])
    }
}
