//! Bundles to run, whose options are fixed.

use std::sync::Arc;

use lossc::{Bundle, Compiled, Description, Numerics, Reduction};
use lossc_dialect::near;
use lossc_runtime::bundle::Code;
use lossc_runtime::manifest::UPSTREAM;
use lossc_runtime::rayon::ThreadPool;

use crate::failure::Failure;
use crate::source::Assignment;
use crate::specialise::Specialise;

/// A bundle named on the command line.
pub struct BundleFile {
    path: String,
    bundle: Bundle,
}

impl BundleFile {
    /// Reads the bundle in `path`.
    pub fn read(path: &str) -> Result<Self, Failure> {
        let bundle = Bundle::read(path.as_ref()).map_err(lossc::Error::from)?;
        Ok(Self { path: path.to_owned(), bundle })
    }

    /// The bundle, ready to run.
    pub fn load(&self, threads: Option<Arc<ThreadPool>>) -> Result<Compiled, Failure> {
        // SAFETY: whoever started this command named the file, and so asked for it to be run.
        let compiled = unsafe { Compiled::from_bundle(&self.bundle, threads) };
        compiled.map_err(|error| self.failure(&error.to_string()))
    }

    /// The target it was compiled for: `cpu` or `sm_90`.
    pub fn target(&self) -> String {
        match &self.bundle.code {
            Code::Native { .. } => "cpu".into(),
            Code::Nvidia { compute_capability, .. } => format!("sm_{compute_capability}"),
        }
    }

    /// Checks that the bundle agrees with all that was asked for.
    pub fn check(&self, it: &Description, asked: &Specialise, target: Option<&str>) -> Result<(), Failure> {
        if let Some(index) = asked.ignore_index.filter(|&index| it.ignore_index != Some(index)) {
            let fixed =
                it.ignore_index.map_or("without ignore_index".into(), |it| format!("for ignore_index {it}"));
            return Err(self.failure(&format!("compiled {fixed}, not for {index}")));
        }
        if let Some(reduction) = asked.reduction().filter(|&reduction| it.reduction != reduction) {
            let (fixed, asked) = (name(it.reduction), name(reduction));
            return Err(self.failure(&format!("compiled for reduction {fixed}, not {asked}")));
        }
        let is_fast = asked.numerics.map(|numerics| Numerics::from(numerics) == Numerics::Fast);
        let compiled_fast = !self.bundle.manifest.is_reproducible;
        if is_fast.is_some_and(|is_fast| is_fast != compiled_fast) {
            let name = |is_fast| if is_fast { Numerics::Fast.name() } else { Numerics::Reproducible.name() };
            let (fixed, asked) = (name(compiled_fast), name(!compiled_fast));
            return Err(self.failure(&format!("compiled for {fixed} numerics, not {asked}")));
        }
        let family = if matches!(self.bundle.code, Code::Native { .. }) { "cpu" } else { "cuda" };
        match target.filter(|&asked| asked != family && asked != self.target()) {
            Some(asked) => Err(self.failure(&format!("compiled for {}, not for {asked}", self.target()))),
            None => Ok(()),
        }
    }

    /// The scalars in `set`. A choice may be named, but not changed.
    pub fn scalars(&self, it: &Description, set: &[Assignment]) -> Result<Vec<(String, f32)>, Failure> {
        let choices = it.choice.iter();
        let mut numbers = vec![];
        for (name, value) in set {
            match choices.clone().find(|choice| choice.name == *name) {
                Some(choice) if choice.value == *value => {}
                Some(choice) => {
                    let fixed = format!("compiled for {name}={}, not {name}={value}", choice.value);
                    return Err(self.failure(&fixed));
                }
                None => numbers.push((name.clone(), self.number(name, value)?)),
            }
        }
        Ok(numbers)
    }

    fn number(&self, name: &str, value: &str) -> Result<f32, Failure> {
        let scalars = self.bundle.manifest.scalars.iter().map(|scalar| scalar.name.as_str());
        let known: Vec<_> = scalars.filter(|&known| known != UPSTREAM).collect();
        if !known.contains(&name) {
            let hint = near::hint(name, known.iter().copied());
            let known = if known.is_empty() { "none that can be set".into() } else { known.join(", ") };
            return Err(self.failure(&format!("no option `{name}`{hint}; it has {known}")));
        }
        let wrong = || self.failure(&format!("option `{name}` cannot be `{value}`: it is a finite number"));
        lossc::number(value).ok_or_else(wrong)
    }

    fn failure(&self, why: &str) -> Failure {
        Failure::message(format!("{}: {why}", self.path))
    }
}

fn name(reduction: Reduction) -> &'static str {
    match reduction {
        Reduction::Sum => "sum",
        Reduction::Mean => "mean",
    }
}
