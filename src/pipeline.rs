//! The pipeline: the one place that lists all compiler passes in their order.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use lossc_dialect::ops::Numerics;
use lossc_dialect::program::BuildError;
use lossc_dialect::{Program, near, text};
use lossc_passes::codegen::{self, Artifact, Output, Target};
use lossc_passes::differentiate::{differentiate, store_gradient_as};
use lossc_passes::egraph::Rewriting;
use lossc_passes::lower::{LowerError, lower};
use lossc_passes::saturate::costs::CostModel;
use lossc_passes::saturate::{rules, saturate_by};
use lossc_passes::schedule::{self, EntryPoints, SavedIn, Schedule, schedule};
use lossc_passes::specialise::{self, Reduction, is_sum, specialise};
use lossc_passes::stabilise::{stabilise, unstable};
use lossc_passes::uniform::fold;
use tracing::{debug, warn};

use crate::dump::Dump;
use crate::error::Error;

/// A stage of compilation whose text can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The loss, specialised to storage types and options.
    Loss,
    /// After the rules that make it numerically stable.
    Stable,
    /// With its gradient.
    Gradient,
    /// After equality saturation.
    Optimised,
    /// The kernels and what each computes.
    Schedule,
    /// MLIR in standard dialects, before its conversions.
    Mlir,
    /// LLVM IR after optimisation.
    Llvm,
    /// The processor's assembly.
    Assembly,
    /// PTX.
    Ptx,
}

/// The stages by name, in the order of the pipeline.
pub const STAGES: [(&str, Stage); 9] = [
    ("loss", Stage::Loss),
    ("stable", Stage::Stable),
    ("gradient", Stage::Gradient),
    ("optimised", Stage::Optimised),
    ("schedule", Stage::Schedule),
    ("mlir", Stage::Mlir),
    ("llvm", Stage::Llvm),
    ("asm", Stage::Assembly),
    ("ptx", Stage::Ptx),
];

impl FromStr for Stage {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names: Vec<_> = STAGES.iter().map(|(name, _)| *name).collect();
        let found = STAGES.iter().find(|(known, _)| *known == name).map(|&(_, stage)| stage);
        let hint = near::hint(name, names.iter().copied());
        found.ok_or_else(|| format!("there is no stage `{name}`{hint}; there are {}", names.join(", ")))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(STAGES.iter().find(|(_, stage)| stage == self).map_or("", |(name, _)| *name))
    }
}

/// Results of the compiler passes before the target's.
#[derive(Clone, Debug)]
pub struct Optimised {
    /// The loss with its storage types and options.
    pub source: Program,
    /// Its stable form.
    pub stable: Rewriting,
    /// With the gradient with respect to the logits.
    pub gradient: Program,
    /// The cheapest equal program for the target.
    pub optimised: Rewriting,
    /// The same with the gradient stored in the type of the logits.
    pub program: Program,
}

/// Extent of the optimisation. Less than all of it shows what the rest is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Optimisation {
    /// Each op is a kernel that reads its operands from memory and writes its value there, as in a
    /// framework that runs ops one by one.
    None,
    /// All that one pass over the data can compute is one kernel.
    Fusion,
    /// Before fusion, the loss and its gradient are rewritten to the cheapest equal program.
    Algebra,
    /// In addition, pixels that a cheap test finds not to contribute are left out of costly
    /// computations.
    #[default]
    Compaction,
}

/// Options of a compilation.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Storage types, ignored pixels, weight maps, reductions and checks.
    pub specialise: specialise::Options,
    /// Extent of the optimisation.
    pub optimisation: Optimisation,
    /// Numerics of pixels.
    pub numerics: Numerics,
    /// Entry points to make code for.
    pub entry_points: EntryPoints,
}

impl From<specialise::Options> for Options {
    fn from(specialise: specialise::Options) -> Self {
        Self { specialise, ..Self::default() }
    }
}

/// Runs the compiler passes that work on programs. `explain` records the rules that fired.
pub fn optimise(
    program: &Program,
    options: &Options,
    target: &Target,
    explain: bool,
) -> Result<Optimised, Error> {
    program.check_size().map_err(|error| Error::Size { loss: program.name().into(), error })?;
    let costs = costs(target, options.numerics)?;
    let source = timed("specialise", || specialise(program, &options.specialise))?;
    if options.specialise.reduction == Reduction::Mean && !is_sum(program) {
        warn!(loss = program.name(), "a loss that is a mean or a ratio already is divided by the pixels");
    }
    let stable = timed("stabilise", || stabilise(&source, explain)).map_err(in_pass("stabilise"))?;
    warn_of_unstable(program, &stable.program);
    let gradient = timed("differentiate", || differentiate(&stable.program))?;
    let rules = match options.optimisation {
        Optimisation::Algebra | Optimisation::Compaction => rules::of(options.numerics),
        Optimisation::None | Optimisation::Fusion => vec![],
    };
    let optimised = timed("saturate", || saturate_by(&rules, &gradient, costs, explain));
    let optimised = optimised.map_err(in_pass("saturate"))?;
    let logits = source.arguments()[0].ty.element;
    let program = store_gradient_as(&optimised.program, logits).map_err(in_pass("store"))?;
    // Rewriting may have made a reduction of a uniform value.
    let program = timed("fold", || fold(&program));
    // A limit costs speed, never correctness.
    let limit = optimised.limit.as_deref();
    debug!(nodes = optimised.nodes, iterations = optimised.iterations, limit, "saturated");
    Ok(Optimised { source, stable, gradient, optimised, program })
}

/// Warns of the operations that rounding may make infinite or NaN, in one line.
fn warn_of_unstable(program: &Program, stable: &Program) {
    let unstable: Vec<_> = unstable(stable).into_iter().filter(|it| it.by_rounding).collect();
    if unstable.is_empty() {
        return;
    }
    let rest =
        if unstable.len() > NAMED { format!("; and {} more", unstable.len() - NAMED) } else { String::new() };
    let named: Vec<_> = unstable.iter().take(NAMED).map(ToString::to_string).collect();
    warn!("{} may become infinite or NaN: {}{rest}", program.name(), named.join("; "));
}

/// Unstable operations that a warning names; `lossc explain` names them all.
const NAMED: usize = 4;

fn costs(target: &Target, numerics: Numerics) -> Result<CostModel, Error> {
    match (target, numerics) {
        (Target::Cpu(_), Numerics::Reproducible) => Ok(CostModel::Host),
        (Target::Nvidia(_), Numerics::Reproducible) => Ok(CostModel::Nvidia),
        (Target::Nvidia(_), Numerics::Fast) => Ok(CostModel::NvidiaFast),
        (Target::Cpu(_), Numerics::Fast) => Err(LowerError::Fast(target.to_string()).into()),
    }
}

impl Options {
    /// Options of the schedule for a target. A GPU saves nothing in its device memory, since to
    /// compute again is faster. It does not compact either: a warp takes as long as its last active
    /// pixel.
    pub(crate) fn schedule(&self, target: &Target) -> schedule::Options {
        let fusion = match self.optimisation {
            Optimisation::None => schedule::Fusion::Op,
            Optimisation::Fusion | Optimisation::Algebra | Optimisation::Compaction => schedule::Fusion::Pass,
        };
        let (saved_in, compaction) = match (target, self.numerics) {
            (Target::Cpu(_), _) => (SavedIn::Memory(CostModel::Host), Some(CostModel::Host)),
            (Target::Nvidia(_), Numerics::Reproducible) => (SavedIn::SharedMemory(CostModel::Nvidia), None),
            (Target::Nvidia(_), Numerics::Fast) => (SavedIn::SharedMemory(CostModel::NvidiaFast), None),
        };
        let compaction = compaction.filter(|_| self.optimisation == Optimisation::Compaction);
        schedule::Options { fusion, saved_in, compaction, entry_points: self.entry_points }
    }

    /// Schedules the kernels of what [`optimise`] returned.
    pub(crate) fn scheduled(&self, stages: &Optimised, target: &Target) -> Schedule {
        timed("schedule", || schedule(&stages.program, self.schedule(target)))
    }
}

fn timed<T>(pass: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    debug!(pass, microseconds = start.elapsed().as_micros(), "pass");
    result
}

fn in_pass(pass: &'static str) -> impl Fn(BuildError) -> Error {
    move |error| Error::Pass { pass, error }
}

/// Returns the schedule of `program` on `target`: all compiler passes up to the lowering.
pub fn scheduled(program: &Program, options: &Options, target: &Target) -> Result<Schedule, Error> {
    Ok(options.scheduled(&optimise(program, options, target, false)?, target))
}

/// A compiled loss: its schedule and its code.
#[derive(Debug)]
pub struct Code {
    /// The kernels and their values.
    pub schedule: Schedule,
    /// The code.
    pub artifact: Artifact,
}

/// Compiles `program` for `target`: all compiler passes in a row.
pub fn compile(program: &Program, options: &Options, target: &Target) -> Result<Code, Error> {
    generate(&optimise(program, options, target, false)?, options, target)
}

/// Compiles what [`optimise`] returned with the same options, except that the entry points may
/// differ.
pub fn generate(stages: &Optimised, options: &Options, target: &Target) -> Result<Code, Error> {
    let mut dump = Dump::from_environment(stages.program.name(), options.entry_points);
    let schedule = options.scheduled(stages, target);
    let module = timed("lower", || lower(&schedule, target, options.numerics))?;
    if let Some(dump) = &mut dump {
        stages.dump(dump)?;
        dump.write("schedule", "txt", &schedule.to_string())?;
        dump.write("mlir", "mlir", &module)?;
    }
    let mut failed = None;
    let mut observe = |stage: &str, text: &str| {
        let written = dump.as_mut().map_or(Ok(()), |dump| dump.write(stage, extension(stage), text));
        failed = failed.take().or(written.err());
    };
    let observer: Option<codegen::Observer<'_>> =
        if std::env::var_os("LOSSC_DUMP").is_some() { Some(&mut observe) } else { None };
    let artifact = codegen::compile(&module, target, Output::Code, observer)?;
    failed.map_or(Ok(Code { schedule, artifact }), Err)
}

fn extension(stage: &str) -> &'static str {
    match stage {
        "llvm" | "llvm-optimised" => "ll",
        "assembly" => "s",
        _ => "mlir",
    }
}

impl Optimised {
    fn dump(&self, dump: &mut Dump) -> Result<(), Error> {
        let programs = [
            ("loss", &self.source),
            ("stable", &self.stable.program),
            ("gradient", &self.gradient),
            ("optimised", &self.program),
        ];
        programs.into_iter().try_for_each(|(stage, program)| dump.write(stage, "mlir", &text::print(program)))
    }
}

/// Returns the text of `stage`.
pub fn emit(program: &Program, options: &Options, target: &Target, stage: Stage) -> Result<String, Error> {
    let stages = optimise(program, options, target, false)?;
    let schedule = || options.scheduled(&stages, target);
    let code = |output| -> Result<String, Error> {
        match codegen::compile(&lower(&schedule(), target, options.numerics)?, target, output, None)? {
            Artifact::Text(text) => Ok(text),
            Artifact::Object(_) => unreachable!("text was asked for"),
        }
    };
    match stage {
        Stage::Loss => Ok(text::print(&stages.source)),
        Stage::Stable => Ok(text::print(&stages.stable.program)),
        Stage::Gradient => Ok(text::print(&stages.gradient)),
        Stage::Optimised => Ok(text::print(&stages.program)),
        Stage::Schedule => Ok(schedule().to_string()),
        Stage::Mlir => Ok(lower(&schedule(), target, options.numerics)?),
        Stage::Llvm => code(Output::LlvmIr),
        Stage::Assembly | Stage::Ptx => code(Output::Assembly),
    }
}
