//! Executors of a case. All promise the bits of the exact interpreter.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lossc::{
    Bundle, Cache, Compiled, Compiler, ElementType, Error, Forward, Optimisation, Options, Program,
    Reduction, Seed, Target, Tensor, TensorView, pipeline,
};
use lossc_runtime::rayon::ThreadPoolBuilder;
use tempfile::TempDir;

use super::case::Case;
use super::input::Input;
use super::outcome::{self, Outcome};
use super::simulated;
use crate::data::host;

/// An executor and the entry points it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executor {
    /// `forward_backward`.
    Joint,
    /// `forward`, then `backward`.
    Separate,
    /// The calls that overwrite the results of an earlier, different call.
    Reusing,
    /// Partial sums first, then the results from them.
    Partials,
    /// A pool of this number of threads.
    Threads(usize),
    /// Vectors of this number of lanes.
    Lanes(usize),
    /// A level of x86-64.
    Level(&'static str),
    /// A limited optimisation: one kernel per op, fused, without compaction.
    Optimised(Optimisation),
    /// Written to a file as a bundle and read back.
    Bundle,
    /// Found in a cache by a second compiler, next to the entry of other options.
    Cache,
    /// A GPU's kernels on the simulator.
    Simulator,
}

impl Executor {
    /// Its name in counts and findings.
    pub fn name(self) -> String {
        match self {
            Self::Threads(_) => "threads".into(),
            Self::Lanes(lanes) => format!("{lanes} lanes"),
            Self::Level(level) => level.into(),
            Self::Optimised(level) => format!("{level:?}").to_lowercase(),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    /// All executors of this machine.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Joint, Self::Separate, Self::Reusing, Self::Partials, Self::Threads(3)];
        let widest = host().vector_lanes();
        all.extend([4, 8, 16].into_iter().filter(|&lanes| lanes < widest).map(Self::Lanes));
        let levels = ["cpu:x86-64", "cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4"];
        let runs = |level: &&str| level.parse().is_ok_and(|target: Target| target.runs_on_host_processor());
        all.extend(levels.into_iter().filter(runs).map(Self::Level));
        let levels = [Optimisation::None, Optimisation::Fusion, Optimisation::Algebra];
        all.extend(levels.map(Self::Optimised));
        all.extend([Self::Bundle, Self::Cache, Self::Simulator]);
        all
    }

    /// Returns whether it can run the input: the simulator is slow, and its 16-bit NaN are not
    /// compared.
    pub fn takes(self, input: &Input) -> bool {
        let is_small = (1..3000).contains(&input.len());
        self != Self::Simulator || input.logit_type == ElementType::F32 && is_small
    }

    fn optimisation(self) -> Optimisation {
        match self {
            Self::Optimised(optimisation) => optimisation,
            _ => Optimisation::Compaction,
        }
    }

    fn target(self) -> Target {
        match self {
            Self::Lanes(lanes) => host().with_vector_lanes(lanes).expect("a narrower width"),
            Self::Level(level) => level.parse().expect("a level"),
            _ => host(),
        }
    }
}

/// A case with the state that its executors share.
pub struct Bench<'a> {
    case: &'a Case,
    host: OnceCell<Result<Compiled, String>>,
    /// The lowered program and its exact results, by whether rules are applied.
    expected: HashMap<bool, (Program, Outcome)>,
}

impl<'a> Bench<'a> {
    pub fn new(case: &'a Case) -> Self {
        Self { case, host: OnceCell::new(), expected: HashMap::new() }
    }

    /// The lowered program, and its exact results.
    pub fn expected(&mut self, optimisation: Optimisation) -> Result<&(Program, Outcome), String> {
        let algebra = matches!(optimisation, Optimisation::Algebra | Optimisation::Compaction);
        if !self.expected.contains_key(&algebra) {
            let Case { subject, choices, input, .. } = self.case;
            let options = pipeline::Options { optimisation, ..choices.options(input).into() };
            let stages = pipeline::optimise(&subject.program, &options, &host(), false);
            let program = stages.map_err(|error| error.to_string())?.program;
            let outcome = outcome::exact(&program, &input.sample(&program));
            self.expected.insert(algebra, (program, outcome));
        }
        Ok(&self.expected[&algebra])
    }

    /// Runs `executor`, and reports where it differs from the bits that it promises.
    pub fn check(&mut self, executor: Executor) -> Result<(), String> {
        if executor == Executor::Simulator {
            return simulated::check(self.case);
        }
        let found = self.run(executor)?;
        let (_, expected) = self.expected(executor.optimisation())?;
        found.into_iter().try_for_each(|found| match found.difference(expected) {
            Some(difference) => Err(difference),
            None => Ok(()),
        })
    }

    fn compiler(&self, executor: Executor) -> Compiler {
        let Case { choices, input, .. } = self.case;
        choices.compiler(executor.target(), input, executor.optimisation())
    }

    fn compile(&self, compiler: &Compiler) -> Result<Compiled, String> {
        compiler.compile(&self.case.subject.loss()).map_err(|error| error.to_string())
    }

    fn host(&self) -> Result<&Compiled, String> {
        let compiled = self.host.get_or_init(|| self.compile(&self.compiler(Executor::Joint)));
        compiled.as_ref().map_err(Clone::clone)
    }

    fn run(&self, executor: Executor) -> Result<Vec<Outcome>, String> {
        let tensors = self.case.input.tensors();
        let call = Call { pixels: &tensors.views(), options: self.options() };
        match executor {
            Executor::Joint => call.joint(self.host()?),
            Executor::Separate => call.separate(self.host()?, self.case.input.upstream),
            Executor::Reusing => call.reusing(self.host()?, self.case.input.upstream),
            Executor::Partials => call.partials(self.host()?),
            Executor::Threads(threads) => {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build();
                let pool = Arc::new(pool.map_err(|error| error.to_string())?);
                call.joint(&self.compile(&self.compiler(executor).threads(pool))?)
            }
            Executor::Bundle => call.joint(&self.bundled()?),
            Executor::Cache => call.joint(&self.cached(&call)?),
            _ => call.both(&self.compile(&self.compiler(executor))?, self.case.input.upstream),
        }
    }

    fn options(&self) -> Options {
        let input = &self.case.input;
        let mut scalars = input.scalars.clone();
        scalars.push(("upstream".into(), input.upstream));
        Options { seed: Seed(input.seed), stream: input.stream, balance: input.balance, scalars }
    }

    fn bundled(&self) -> Result<Compiled, String> {
        let bundle = self.compiler(Executor::Bundle).bundle(&self.case.subject.loss());
        let bundle = bundle.map_err(|error| error.to_string())?;
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let path = directory.path().join("loss.lossc");
        bundle.write(&path).map_err(|error| error.to_string())?;
        let bundle = Bundle::read(&path).map_err(|error| error.to_string())?;
        // SAFETY: this process wrote it.
        unsafe { Compiled::from_bundle(&bundle, None) }.map_err(|error| error.to_string())
    }

    /// Compiled, called and found again, in a cache that also has the same loss with another
    /// reduction, and in which another entry overwrites its own.
    fn cached(&self, call: &Call<'_>) -> Result<Compiled, String> {
        let [own, other] = [(); 2].map(|()| TempDir::new().expect("a directory"));
        let compiler = |at: &TempDir| self.compiler(Executor::Cache).cache(Cache::at(at.path()));
        let reduction = if self.case.choices.mean { Reduction::Sum } else { Reduction::Mean };
        for directory in [&own, &other] {
            // Not every loss has every reduction.
            let others = self.compile(&compiler(directory).reduction(reduction));
            let _ = others.and_then(|compiled| call.joint(&compiled));
        }
        let before = files(own.path());
        call.joint(&self.compile(&compiler(&own))?)?;
        let entry = files(own.path()).into_iter().find(|path| !before.contains(path));
        if let (Some(entry), Some(other)) = (entry, files(other.path()).first()) {
            fs::copy(other, entry).map_err(|error| error.to_string())?;
        }
        self.compile(&compiler(&own))
    }
}

/// All files below `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

/// The tensors and options of a call.
struct Call<'a> {
    pixels: &'a [TensorView<'a>],
    options: Options,
}

impl Call<'_> {
    fn joint(&self, compiled: &Compiled) -> Result<Vec<Outcome>, String> {
        Ok(vec![outcome::of_step(compiled.forward_backward_of(self.pixels, &self.options))?])
    }

    fn separate(&self, compiled: &Compiled, upstream: f32) -> Result<Vec<Outcome>, String> {
        let forward = compiled.forward_of(self.pixels, &self.options);
        let gradient = match &forward {
            Ok(forward) => Some(self.backward(compiled, forward, upstream)?),
            Err(_) => None,
        };
        Ok(vec![outcome::of_forward(forward, gradient.as_ref())?])
    }

    fn backward(&self, compiled: &Compiled, forward: &Forward, upstream: f32) -> Result<Tensor, String> {
        compiled
            .backward_of(self.pixels, &forward.residuals, upstream)
            .map_err(|error: Error| error.to_string())
    }

    fn both(&self, compiled: &Compiled, upstream: f32) -> Result<Vec<Outcome>, String> {
        let mut outcomes = self.joint(compiled)?;
        outcomes.extend(self.separate(compiled, upstream)?);
        Ok(outcomes)
    }

    /// Calls twice with the same outcome and gradient, the first time with other numbers in both.
    fn reusing(&self, compiled: &Compiled, upstream: f32) -> Result<Vec<Outcome>, String> {
        let shape = self.pixels[0].shape();
        let new = || Tensor::zeros(self.pixels[0].element_type(), shape).map_err(|error| error.to_string());
        let (mut gradient, mut outcome) = (new()?, Forward::default());
        let other = Options { seed: Seed(self.options.seed.0 ^ 1), ..self.options.clone() };
        let mut outcomes = vec![];
        for options in [&other, &self.options] {
            let place = gradient.view_mut();
            let ran = compiled.forward_backward_reusing(self.pixels, options, place, &mut outcome);
            outcomes = vec![outcome::of_forward(ran.map(|()| outcome.clone()), Some(&gradient))?];
        }
        let ran = compiled.forward_reusing(self.pixels, &self.options, &mut outcome);
        if ran.is_ok() {
            let place = gradient.view_mut();
            let ran = compiled.backward_into(self.pixels, &outcome.residuals, upstream, place);
            ran.map_err(|error| error.to_string())?;
        }
        outcomes.push(outcome::of_forward(ran.map(|()| outcome.clone()), Some(&gradient))?);
        Ok(outcomes)
    }

    fn partials(&self, compiled: &Compiled) -> Result<Vec<Outcome>, String> {
        match compiled.forward_partials(self.pixels, &self.options) {
            Ok(sums) => Ok(vec![outcome::of_forward(compiled.finish(self.pixels, sums), None)?]),
            // A loss of several passes has no sums before all else.
            Err(Error::Runtime(lossc_runtime::RuntimeError::SeveralPasses { .. })) => Ok(vec![]),
            Err(error) => Err(error.to_string()),
        }
    }
}
