//! One comparison: a loss, its options, a call, and its executors.

use lossc::{Compiler, ElementType, Loss, Optimisation, Program, Reduction, Target};
use lossc_passes::specialise;
use lossc_programs::generate::Plan;

use super::input::Input;

/// A loss.
#[derive(Clone, Debug)]
pub struct Subject {
    pub name: String,
    pub program: Program,
    /// The same real numbers, computed stably: the program for the reference.
    pub twin: Program,
    /// The plan it was grown from.
    pub plan: Option<Plan>,
}

impl Subject {
    /// A loss that is its own twin.
    pub fn new(name: &str, program: Program) -> Self {
        Self { name: name.into(), twin: program.clone(), program, plan: None }
    }

    pub fn loss(&self) -> Loss {
        Loss::from_program(self.program.clone())
    }
}

/// Options besides the loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    pub ignore_index: Option<i64>,
    pub mean: bool,
    pub checks: bool,
}

impl Choices {
    fn reduction(&self) -> Reduction {
        if self.mean { Reduction::Mean } else { Reduction::Sum }
    }

    /// A compiler with these choices for tensors of the input's types.
    pub fn compiler(&self, target: Target, input: &Input, optimisation: Optimisation) -> Compiler {
        let compiler = Compiler::new(target)
            .cache(lossc::Cache::off())
            .reduction(self.reduction())
            .check_labels(self.checks)
            .weight_map(!input.weights.is_empty())
            .element_types(input.types())
            .optimisation(optimisation);
        match self.ignore_index {
            Some(index) => compiler.ignore_index(index),
            None => compiler,
        }
    }

    /// The same as options of the compiler pass.
    pub fn options(&self, input: &Input) -> specialise::Options {
        let storage = |it: ElementType| lossc::manifest::element(it);
        specialise::Options {
            storage: input.types().into_iter().map(storage).collect(),
            ignore_index: self.ignore_index,
            weight_map: !input.weights.is_empty(),
            reduction: self.reduction(),
            checks: self.checks,
        }
    }
}

/// A loss, a call of it, and its executors.
#[derive(Clone, Debug)]
pub struct Case {
    pub subject: Subject,
    pub choices: Choices,
    pub input: Input,
    pub executors: Vec<super::executors::Executor>,
}
