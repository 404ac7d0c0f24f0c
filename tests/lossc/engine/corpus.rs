//! The losses and calls that are tried, all from a seed.

mod calls;
mod texts;

use lossc::Program;
use lossc_passes::egraph::{Condition, Rule};
use lossc_passes::{saturate, stabilise};
use lossc_programs::generate::{Constraint, Form, Plan, Shape, Step, plain_shapes};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::case::{Case, Choices, Subject};
use super::executors::Executor;
use super::input::Input;
use crate::data::program;
use crate::targets::library_losses;

/// Formulas that stabilising promises to mend, each with its stable form.
const TWINS: [(&str, &str); 7] = [
    ("(log (sigmoid ?x))", "(neg (softplus (neg ?x)))"),
    ("(log (sub 1.0 (sigmoid ?x)))", "(neg (softplus ?x))"),
    ("(log1p (neg (sigmoid ?x)))", "(neg (softplus ?x))"),
    ("(neg (log (sub 1.0 (sigmoid ?x))))", "(softplus ?x)"),
    ("(log (div 1.0 (add 1.0 (exp (neg ?x)))))", "(neg (softplus (neg ?x)))"),
    ("(log1p (exp ?x))", "(softplus ?x)"),
    ("(log (add 1.0 (exp ?x)))", "(softplus ?x)"),
];

/// All shapes of generated losses. Twins are a fifth as frequent as all others.
pub fn shapes() -> Vec<Shape> {
    let rules = stabilise::RULES.iter().copied().chain(saturate::rules::all()).map(left);
    let mut shapes: Vec<_> = plain_shapes().chain(rules).collect();
    let twins = TWINS.iter().cycle().take(shapes.len() / 5);
    shapes.extend(twins.map(|(text, twin)| Shape::with_twin(text, twin)));
    shapes
}

fn left(rule: Rule) -> Shape {
    let constraint = |condition: &Condition| match *condition {
        Condition::Finite(name) => Some(Constraint::Finite(name)),
        Condition::NonNegative(name) => Some(Constraint::NonNegative(name)),
        Condition::PerGroup(name) => Some(Constraint::PerGroup(name)),
        Condition::PerCall(name) => Some(Constraint::PerCall(name)),
        _ => None,
    };
    Shape::new(rule.left, rule.conditions.iter().filter_map(constraint))
}

/// The losses written by hand: the library, with all choices, and the texts of tests.
pub fn written() -> Vec<Subject> {
    let library = library_losses().into_iter().map(|loss| program(&loss).clone());
    let library = library.map(|program| {
        let name = program.name().to_owned();
        Subject::new(&name, program)
    });
    library.chain(texts::all()).collect()
}

/// Cases from a seed.
pub struct Corpus {
    random: SmallRng,
    shapes: Vec<Shape>,
    written: Vec<Subject>,
    executors: Vec<Executor>,
}

impl Corpus {
    pub fn new(seed: u64) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
            shapes: shapes(),
            written: written(),
            executors: Executor::all(),
        }
    }

    /// The next case: sometimes of a written loss, otherwise of a generated one.
    pub fn next(&mut self) -> Case {
        let subject = if self.random.random_ratio(1, 4) {
            self.written.choose(&mut self.random).expect("some losses").clone()
        } else {
            let steps = *[2, 3, 4, 6, 9, 14, 40].choose(&mut self.random).expect("some sizes");
            self.generated(steps)
        };
        self.call(subject, 4)
    }

    /// Calls of `subject` at edges. The effects of rules and options show in the lowered program,
    /// which is compared; only means are run.
    pub fn edges(&self, subject: &Subject) -> Vec<Case> {
        let case = |(choices, input): (Choices, Input)| {
            let is_run = choices.mean && choices.ignore_index.is_none();
            let executors = if is_run { vec![Executor::Joint] } else { vec![] };
            Case { subject: subject.clone(), choices, input, executors }
        };
        calls::edges().map(case).into()
    }

    /// A call of `subject` on ordinary long planes.
    pub fn ordinary(&mut self, subject: Subject, number: usize) -> Case {
        let (choices, input) = calls::ordinary(&mut self.random, number);
        Case { subject, choices, input, executors: vec![] }
    }

    /// Each written loss once.
    pub fn written(&self) -> Vec<Subject> {
        self.written.clone()
    }

    /// A generated loss of `steps` shapes.
    pub fn generated(&mut self, steps: usize) -> Subject {
        let step = |random: &mut SmallRng| Step { shape: random.random(), picks: random.random() };
        let plan = Plan((0..steps).map(|_| step(&mut self.random)).collect());
        grown(&self.shapes, plan)
    }

    /// A call of `subject` by `executors` of the executors.
    pub fn call(&mut self, subject: Subject, executors: usize) -> Case {
        let (choices, input) = calls::call(&mut self.random, &subject.program);
        let mut chosen = vec![];
        while chosen.len() < executors.min(self.executors.len()) {
            let executor = *self.executors.choose(&mut self.random).expect("some executors");
            if executor.takes(&input) && !chosen.contains(&executor) {
                chosen.push(executor);
            }
        }
        Case { subject, choices, input, executors: chosen }
    }
}

/// The loss grown from a plan.
pub fn grown(shapes: &[Shape], plan: Plan) -> Subject {
    let grow = |form| -> Program { plan.loss(shapes, form) };
    Subject { name: "generated".into(), program: grow(Form::Plain), twin: grow(Form::Twin), plan: Some(plan) }
}
