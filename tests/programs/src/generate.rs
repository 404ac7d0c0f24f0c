//! Random well-typed losses, from the op table and from shapes that a test supplies, such as the
//! left sides of rules: every rule then meets programs it applies to.

use std::collections::HashMap;

use lossc_dialect::ops::{Derivative, Domain, Op, Signature, table};
use lossc_dialect::{Builder, Element, Level, Program, Type, ValueId};
use proptest::prelude::*;

use crate::pattern::Tree;

/// An addition to a program: a shape, its level and the values it takes. Any numbers are valid, so
/// it shrinks freely.
#[derive(Clone, Debug)]
pub struct Step {
    /// Number of the shape.
    pub shape: u16,
    /// Numbers of the values.
    pub picks: [u8; 8],
}

/// A random program.
#[derive(Clone, Debug)]
pub struct Plan(pub Vec<Step>);

impl Plan {
    /// Programs of up to `steps` ops and shapes.
    pub fn any(steps: usize) -> impl Strategy<Value = Self> {
        let step = (any::<u16>(), any::<[u8; 8]>()).prop_map(|(shape, picks)| Step { shape, picks });
        prop::collection::vec(step, 1..=steps).prop_map(Self)
    }

    /// The program, with the last pixel, group and count as further results. A program to be
    /// differentiated has no other pixel result.
    pub fn program(&self, shapes: &[Shape], pixel_result: bool) -> Program {
        let mut growing = Growing::new(true);
        growing.follow(self, shapes, Form::Plain);
        growing.finish(pixel_result)
    }

    /// A loss of logits and labels alone that has a gradient, with up to five results. In its
    /// [`Form::Twin`] each shape that has a twin is grown as its twin.
    pub fn loss(&self, shapes: &[Shape], form: Form) -> Program {
        let mut growing = Growing::new(false);
        growing.follow(self, shapes, form);
        growing.finish_loss()
    }
}

/// Form in which shapes are grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The shape's own tree.
    Plain,
    /// The shape's twin, if it has one: the same real numbers, computed stably.
    Twin,
}

/// A condition on a variable of a shape, met if possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Finite, and at group level a share of pixels.
    Finite(&'static str),
    /// Zero or above.
    NonNegative(&'static str),
    /// One value per group.
    PerGroup(&'static str),
    /// One value per call.
    PerCall(&'static str),
}

/// A tree to add to a program, with conditions on its variables.
#[derive(Clone, Debug)]
pub struct Shape {
    tree: Tree,
    twin: Option<Tree>,
    constraints: Vec<Constraint>,
    /// Constants for every other float variable; none if empty.
    edges: &'static [f32],
}

impl Shape {
    /// The tree in `text`, as [`Tree::parse`] reads it.
    pub fn new(text: &str, constraints: impl IntoIterator<Item = Constraint>) -> Self {
        Self {
            tree: Tree::parse(text),
            twin: None,
            constraints: constraints.into_iter().collect(),
            edges: &[],
        }
    }

    /// A tree with a twin that means the same and names its variables in the same order.
    pub fn with_twin(text: &str, twin: &str) -> Self {
        Self { twin: Some(Tree::parse(twin)), ..Self::new(text, []) }
    }

    /// The shape with these constants for every other float variable.
    pub fn with_edges(self, edges: &'static [f32]) -> Self {
        Self { edges, ..self }
    }

    fn tree(&self, form: Form) -> &Tree {
        match form {
            Form::Plain => &self.tree,
            Form::Twin => self.twin.as_ref().unwrap_or(&self.tree),
        }
    }
}

/// A few constants and one shape per op.
pub fn plain_shapes() -> impl Iterator<Item = Shape> {
    let constants = ["0.0", "1.0", "-1.0", "0.5", "2.0", "0.4342945"].map(String::from);
    let ops = table().filter(|it| !matches!(it.signature, Signature::Constant | Signature::Integer));
    // On other operands these are not functions.
    let ops = ops.filter(|definition| {
        !matches!(definition.domain, Domain::NonPositive | Domain::Unit | Domain::OneToTwo)
    });
    let ops = ops.map(|definition| {
        let operands: String = (0..definition.operands.len()).map(|index| format!(" ?{index}")).collect();
        format!("({}{operands})", definition.mnemonic)
    });
    constants.into_iter().chain(ops).map(|text| Shape::new(&text, []))
}

struct Growing {
    builder: Builder,
    values: HashMap<Type, Vec<ValueId>>,
    last: ValueId,
}

const FLOAT: Element = Element::F32;
const LABELS: Type = Type::new(Level::Pixel, Element::U8);

impl Growing {
    /// The arguments: logits, labels, perhaps a map, and a scalar; and the two classes.
    fn new(has_map: bool) -> Self {
        let mut builder = Builder::new("random");
        let logits = builder.pixel_argument("logit", FLOAT);
        let labels = builder.pixel_argument("label", Element::U8);
        let map = if has_map { builder.pixel_argument("map", FLOAT) } else { logits };
        let number = builder.scalar_argument("gamma", 2.0);
        let label = builder.cast(labels, FLOAT);
        let one = builder.constant(1.0, Level::Pixel);
        let positive = builder.equal(label, one);
        let negative = builder.not(positive);
        let mut growing = Self { builder, values: HashMap::new(), last: logits };
        [label, map, labels, number, negative, positive, logits]
            .into_iter()
            .for_each(|value| growing.keep(value));
        growing
    }

    fn keep(&mut self, value: ValueId) {
        self.values.entry(self.builder.ty(value)).or_default().push(value);
        self.last = value;
    }

    fn follow(&mut self, plan: &Plan, shapes: &[Shape], form: Form) {
        for step in &plan.0 {
            self.grow(&shapes[usize::from(step.shape) % shapes.len()], form, &step.picks);
        }
    }

    fn grow(&mut self, shape: &Shape, form: Form, picks: &[u8]) {
        let mut picks = Picks { picks, next: 0 };
        let own = shape.tree(form);
        let level = own.level().unwrap_or_else(|| Level::ALL[[2, 2, 1, 0][picks.below(4)]]);
        let element = if own.is_mask() { Element::Mask } else { FLOAT };
        let wanted = match own {
            Tree::Node(Op::Count, _) => Type::new(level, Element::I64),
            _ => Type::new(level, element),
        };
        let mut tree = Growth { growing: self, shape, bound: HashMap::new(), picks };
        let value = tree.build(own, wanted);
        self.keep(value);
    }

    /// A value of type `ty`, more often a late one.
    fn pick(&mut self, ty: Type, pick: usize) -> ValueId {
        if !self.values.contains_key(&ty) {
            let value = self.first(ty);
            self.values.insert(ty, vec![value]);
        }
        let values = &self.values[&ty];
        values[values.len() - 1 - pick * pick * values.len() / 65536]
    }

    /// A value of a type that no value has yet.
    fn first(&mut self, ty: Type) -> ValueId {
        match (ty.level, ty.element) {
            (Level::Group, Element::I64) => {
                let mask = self.pick(Type::new(Level::Pixel, Element::Mask), 0);
                self.builder.count(mask)
            }
            (level, Element::Mask) => {
                let value = self.pick(Type::new(level, FLOAT), 0);
                let one = self.builder.constant(1.0, level);
                self.builder.less(value, one)
            }
            _ => {
                let value = self.pick(Type::PIXEL, 0);
                self.builder.sum(value)
            }
        }
    }

    fn finish(mut self, pixel_result: bool) -> Program {
        let loss = self.loss();
        let mut results = vec![("loss", loss)];
        let mut add = |name, ty| {
            results.extend(self.values.get(&ty).and_then(|values| values.last()).map(|&value| (name, value)));
        };
        add("group", Type::new(Level::Group, FLOAT));
        add("count", Type::new(Level::Group, Element::I64));
        if pixel_result {
            add("gradient", Type::PIXEL);
        }
        self.builder.finish_named(results).expect("the generator makes well-typed programs")
    }

    /// The last value, plus one per pixel that depends on the logits, since a loss needs a
    /// gradient; and the last of each group type as results.
    fn finish_loss(mut self) -> Program {
        let own = self.loss();
        let varying = self.varying();
        let last = self.values[&Type::PIXEL].iter().rev().find(|value| varying[value.index()]);
        let term = self.builder.sum(*last.expect("the logits vary with themselves"));
        let term = self.over_groups(term);
        let loss = self.builder.add(own, term);
        let mut results = vec![("loss".to_owned(), loss)];
        for (name, element) in [("float", FLOAT), ("count", Element::I64)] {
            let values = self.values.get(&Type::new(Level::Group, element)).into_iter().flatten();
            // Equal ones stay too, since a twin's values may be equal where these are not.
            let named = values.rev().take(2).enumerate();
            results.extend(named.map(|(index, &value)| (format!("{name}{index}"), value)));
        }
        let results = results.iter().map(|(name, value)| (name.as_str(), *value));
        self.builder.finish_named(results).expect("the generator makes well-typed programs")
    }

    /// Marks the values that change with small changes of the logits.
    fn varying(&self) -> Vec<bool> {
        let mut varying: Vec<bool> = vec![];
        for index in 0..self.builder.len() {
            let node = self.builder.node(ValueId(index as u32));
            let flows = node.op.definition().is_some_and(|it| !matches!(it.derivative, Derivative::Zero));
            let moved = flows && node.operands.iter().any(|it| varying[it.index()]);
            varying.push(node.op == Op::Argument(0) || moved);
        }
        varying
    }

    /// Reduces the last value to one float.
    fn loss(&mut self) -> ValueId {
        let mut value = self.builder.cast(self.last, FLOAT);
        if self.builder.ty(value).level == Level::Pixel {
            value = self.builder.sum(value);
        }
        match self.builder.ty(value).level {
            Level::Group => self.over_groups(value),
            _ => value,
        }
    }

    /// The sum or mean of a value over the groups.
    fn over_groups(&mut self, value: ValueId) -> ValueId {
        match self.values.len().is_multiple_of(2) {
            true => self.builder.mean_groups(value),
            false => self.builder.sum_groups(value),
        }
    }
}

/// A source of small numbers.
struct Picks<'a> {
    picks: &'a [u8],
    next: usize,
}

impl Picks<'_> {
    fn next(&mut self) -> usize {
        self.next += 1;
        usize::from(self.picks[(self.next - 1) % self.picks.len()])
    }

    fn below(&mut self, count: usize) -> usize {
        self.next() % count
    }
}

/// One shape on its way into a program.
struct Growth<'a> {
    growing: &'a mut Growing,
    shape: &'a Shape,
    bound: HashMap<String, ValueId>,
    picks: Picks<'a>,
}

impl Growth<'_> {
    fn build(&mut self, tree: &Tree, wanted: Type) -> ValueId {
        match tree {
            Tree::Variable(name) => self.variable(name, wanted),
            Tree::Node(op, children) => {
                let operands: Vec<_> = children
                    .iter()
                    .enumerate()
                    .map(|(index, child)| {
                        let ty = self.operand_type(*op, index, child, wanted);
                        self.build(child, ty)
                    })
                    .collect();
                self.growing.builder.op(*op, &operands, wanted)
            }
        }
    }

    /// The type of operand `index` of `op` if the result is to be `wanted`.
    fn operand_type(&mut self, op: Op, index: usize, child: &Tree, wanted: Type) -> Type {
        let signature = op.definition().map_or(Signature::Constant, |definition| definition.signature);
        match signature {
            Signature::Select if index == 0 => Type::new(wanted.level, Element::Mask),
            Signature::Constant
            | Signature::Random
            | Signature::Size
            | Signature::Select
            | Signature::Logic => wanted,
            Signature::Floats | Signature::Compare => Type::new(wanted.level, FLOAT),
            Signature::Integer => Type::new(wanted.level, Element::I64),
            Signature::Cast => self.storage(wanted.level),
            Signature::ToPixel => Type::new(self.level_below(child), wanted.element),
            Signature::ToGroup => Type::new(Level::Scalar, wanted.element),
            Signature::Count => Type::new(Level::Pixel, Element::Mask),
            Signature::Sum => Type::PIXEL,
            Signature::OverGroups => Type::new(Level::Group, FLOAT),
        }
    }

    fn storage(&mut self, level: Level) -> Type {
        match (level, self.picks.below(2)) {
            (Level::Pixel, 0) => LABELS,
            (Level::Group, 0) => Type::new(level, Element::I64),
            _ => Type::new(level, Element::Mask),
        }
    }

    fn level_below(&mut self, child: &Tree) -> Level {
        let per_call = |it: &Constraint| matches!(it, Constraint::PerCall(name) if child.is_variable(name));
        let per_group = |it: &Constraint| matches!(it, Constraint::PerGroup(name) if child.is_variable(name));
        match child.level() {
            Some(level) => level,
            None if self.shape.constraints.iter().any(per_call) => Level::Scalar,
            None if self.shape.constraints.iter().any(per_group) => Level::Group,
            None => [Level::Group, Level::Scalar][self.picks.below(2)],
        }
    }

    /// The value of a variable, mostly one that meets the rule's conditions.
    fn variable(&mut self, name: &str, ty: Type) -> ValueId {
        if let Some(&value) = self.bound.get(name) {
            return value;
        }
        let constraints = &self.shape.constraints;
        let finite = constraints.iter().any(|it| matches!(it, Constraint::Finite(it) if *it == name));
        let nonnegative =
            constraints.iter().any(|it| matches!(it, Constraint::NonNegative(it) if *it == name));
        let pick = self.picks.next();
        let edges = self.shape.edges;
        if ty.element == FLOAT && !edges.is_empty() && pick.is_multiple_of(2) {
            let value = self.growing.builder.constant(edges[pick / 2 % edges.len()], ty.level);
            self.bound.insert(name.into(), value);
            return value;
        }
        let mut value = self.growing.pick(ty, pick);
        if finite && !pick.is_multiple_of(4) && ty.level == Level::Group {
            value = self.share();
        } else if nonnegative && !pick.is_multiple_of(4) {
            value = self.growing.builder.softplus(value);
        }
        self.bound.insert(name.into(), value);
        value
    }

    /// The ratio of the pixel counts of two masks: 0 for empty groups.
    fn share(&mut self) -> ValueId {
        let masks = Type::new(Level::Pixel, Element::Mask);
        let counts = [(); 2].map(|()| {
            let pick = self.picks.next();
            let mask = self.growing.pick(masks, pick);
            let count = self.growing.builder.count(mask);
            self.growing.builder.cast(count, FLOAT)
        });
        self.growing.builder.ratio_or_zero(counts[0], counts[1])
    }
}
