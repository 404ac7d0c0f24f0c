//! `lossc run`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use lossc::npy::{self, NpyFile, Pixels};
use lossc::{Balance, Compiled, Compiler, GroupResult, GroupValues, Options, Seed, TensorView};
use lossc_runtime::layout::Layout;
use lossc_runtime::rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::PendingFile;
use crate::report::Channel;
use crate::source::{Source, target};
use crate::specialise::Specialise;

/// Computes a loss, and its gradient, of tensors in .npy files
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    source: Source,
    /// Logits: f32 or f16 of shape (H,W), (C,H,W) or (N,C,H,W)
    #[arg(long, value_name = "FILE")]
    logits: PathBuf,
    /// Labels: u8, bool, i32, i64 or f32 of the same shape, each 0, 1 or ignored
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Pixel weights: f32 of the same shape
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Write the gradient with respect to the logits, in their shape and type; - is standard
    /// output, and then the report goes to standard error
    #[arg(long, value_name = "FILE")]
    grad: Option<PathBuf>,
    /// The key of the random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tells calls under one seed apart: a step or rank number
    #[arg(long, default_value_t = 0)]
    stream: u64,
    /// Device to run on: cpu (the default) or cuda; a bundle runs on its own target
    #[arg(long)]
    target: Option<String>,
    /// Extent of a balancing group: image, sample, channel or batch
    #[arg(long, default_value = "image")]
    balance: Balance,
    #[command(flatten)]
    specialise: Specialise,
    /// Threads, at most one per processor; all by default. The result does not depend on them
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    loss: JsonNumber,
    groups: BTreeMap<String, Values>,
    seed: u64,
    target: String,
    name: String,
    schedule: Option<String>,
    balance: String,
    shape: Vec<usize>,
    nan_logits: i64,
    /// A path that is not text is approximated by text.
    gradient: Option<String>,
}

/// A number, or `"NaN"`, `"Infinity"`, for which JSON has no numbers.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonNumber {
    Finite(f32),
    Other(&'static str),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Values {
    Counts(Vec<i64>),
    Floats(Vec<JsonNumber>),
}

impl From<f32> for JsonNumber {
    fn from(value: f32) -> Self {
        match value {
            value if value.is_finite() => Self::Finite(value),
            value if value.is_nan() => Self::Other("NaN"),
            value if value > 0.0 => Self::Other("Infinity"),
            _ => Self::Other("-Infinity"),
        }
    }
}

/// A loss that is ready to run.
struct Ready {
    compiled: Compiled,
    /// Scalars of the calls.
    scalars: Vec<(String, f32)>,
    target: String,
}

/// Results of either entry point.
struct Measured {
    loss: f32,
    groups: Vec<GroupResult>,
    nan_logits: i64,
}

impl Run {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let create = |path| PendingFile::create(path, &self.inputs());
        let gradient = self.grad.as_deref().map(create).transpose()?;
        let channel = Channel::beside(gradient.as_ref())?;
        let tensors = self.tensors()?;
        let pixels = tensors.iter().map(NpyFile::pixels).collect::<Result<Vec<_>, _>>()?;
        let Ready { compiled, scalars, target } = self.ready(&tensors)?;
        let result = self.measure(&compiled, &pixels, scalars, gradient)?;
        if result.nan_logits > 0 {
            eprintln!("warning: {} logits are NaN", result.nan_logits);
        }
        let description = compiled.description();
        self.report(
            channel,
            &Report {
                loss: result.loss.into(),
                groups: result.groups.into_iter().map(|group| (group.name, values(group.values))).collect(),
                seed: self.seed,
                target,
                name: description.loss.clone(),
                schedule: description.choice.as_ref().map(|choice| choice.value.clone()),
                balance: self.balance.to_string(),
                shape: tensors[0].shape().to_vec(),
                nan_logits: result.nan_logits,
                gradient: self.grad.as_ref().map(|path| path.to_string_lossy().into_owned()),
            },
        )
    }

    /// The files that are read.
    fn inputs(&self) -> Vec<&Path> {
        let tensors = [Some(&self.logits), Some(&self.labels), self.weights.as_ref()];
        tensors.into_iter().flatten().map(PathBuf::as_path).chain(self.source.file()).collect()
    }

    /// The loss or bundle, for these tensors.
    fn ready(&self, tensors: &[NpyFile]) -> Result<Ready, Failure> {
        // More threads than chunks would have nothing to do.
        let chunks = Layout::new(tensors[0].shape(), self.balance).map_or(1, |layout| layout.chunks());
        let threads = self.threads.map(|threads| pool(usize::from(threads).min(chunks))).transpose()?;
        if let Some(bundle) = self.source.bundle()? {
            let compiled = bundle.load(threads)?;
            let description = compiled.description();
            bundle.check(description, &self.specialise, self.target.as_deref())?;
            let scalars = bundle.scalars(description, &self.source.set)?;
            return Ok(Ready { compiled, scalars, target: bundle.target() });
        }
        let loss = self.source.loss()?;
        self.specialise.check(&loss)?;
        let target = target(self.target.as_deref().unwrap_or("cpu"))?;
        let name = target.to_string();
        let types: Vec<_> = tensors.iter().map(NpyFile::element_type).collect();
        let mut compiler = self.specialise.apply(Compiler::new(target).element_types(types));
        compiler = compiler.weight_map(self.weights.is_some());
        if let Some(threads) = threads {
            compiler = compiler.threads(threads);
        }
        Ok(Ready { compiled: compiler.compile(&loss)?, scalars: vec![], target: name })
    }

    fn measure(
        &self,
        compiled: &Compiled,
        pixels: &[Pixels<'_>],
        scalars: Vec<(String, f32)>,
        gradient: Option<PendingFile<'_>>,
    ) -> Result<Measured, Failure> {
        let views: Vec<TensorView<'_>> = pixels.iter().map(Pixels::view).collect();
        let options = self.options(scalars);
        let Some(file) = gradient else {
            let forward = compiled.forward_of(&views, &options)?;
            return Ok(Measured {
                loss: forward.loss,
                groups: forward.groups,
                nan_logits: forward.nan_logits,
            });
        };
        let step = compiled.forward_backward_of(&views, &options)?;
        file.finish(|writer| npy::write(&step.gradient, writer))?;
        Ok(Measured { loss: step.loss, groups: step.groups, nan_logits: step.nan_logits })
    }

    fn tensors(&self) -> Result<Vec<NpyFile>, Failure> {
        let mut tensors =
            vec![NpyFile::open(&self.logits, "logits")?, NpyFile::open(&self.labels, "labels")?];
        if let Some(weights) = &self.weights {
            tensors.push(NpyFile::open(weights, "weights")?);
        }
        Ok(tensors)
    }

    fn options(&self, scalars: Vec<(String, f32)>) -> Options {
        let (seed, stream) = (Seed(self.seed), self.stream);
        Options { seed, stream, balance: self.balance, scalars }
    }

    fn report(&self, channel: Channel, report: &Report) -> Result<(), Failure> {
        if self.json {
            return channel.print_json(report);
        }
        let number = |number: &JsonNumber| match number {
            JsonNumber::Finite(value) => value.to_string(),
            JsonNumber::Other(text) => (*text).to_owned(),
        };
        let mut text = format!("loss       {}\n", number(&report.loss));
        for (name, values) in &report.groups {
            let values: Vec<_> = match values {
                Values::Counts(counts) => counts.iter().map(ToString::to_string).collect(),
                Values::Floats(floats) => floats.iter().map(number).collect(),
            };
            text += &format!("{name:<10} {}\n", values.join(" "));
        }
        channel.print(&text)
    }
}

/// A pool of `threads` threads, at most one per processor: results do not depend on the number.
pub fn pool(threads: usize) -> Result<Arc<ThreadPool>, Failure> {
    let threads = threads.clamp(1, processors());
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map(Arc::new).map_err(|error| Failure::message(format!("cannot start {threads} threads: {error}")))
}

/// Number of processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn values(values: GroupValues) -> Values {
    match values {
        GroupValues::Count(counts) => Values::Counts(counts),
        GroupValues::Float(floats) => Values::Floats(floats.into_iter().map(JsonNumber::from).collect()),
    }
}
