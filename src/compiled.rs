//! Compiled losses and their entry points.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lossc_passes::specialise::{INVALID_LABELS, NAN_LOGITS};
use lossc_runtime::{
    Balance, Call, ElementType, Executor, GroupResult, GroupValues, Outcome, Random, Residuals, Tensor,
    TensorView,
};

use crate::compiler::Compiler;
use crate::error::Error;
use crate::input::Input;
use crate::loss::Loss;
use crate::manifest::element_type;

/// The key of a call's random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

/// What a call may say besides its tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The key of the random numbers.
    pub seed: Seed,
    /// Tells calls under one seed apart: a step or rank number.
    pub stream: u64,
    /// Which pixels share a group.
    pub balance: Balance,
    /// Numbers of the loss by name, `upstream` among them.
    pub scalars: Vec<(String, f32)>,
}

impl From<Seed> for Options {
    fn from(seed: Seed) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// What a forward call gives.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The loss.
    pub loss: f32,
    /// The loss's named results, one value a balancing group.
    pub groups: Vec<GroupResult>,
    /// How many logits are NaN. The loss is then NaN, and the gradient at those
    /// pixels.
    pub nan_logits: i64,
    /// What the backward call needs: bytes, not tensors.
    pub residuals: Residuals,
}

/// What a forward and backward call gives.
#[derive(Clone, Debug)]
pub struct Step {
    /// The loss.
    pub loss: f32,
    /// The gradient by the logits, in their shape and type.
    pub gradient: Tensor,
    /// The loss's named results, one value a balancing group.
    pub groups: Vec<GroupResult>,
    /// How many logits are NaN.
    pub nan_logits: i64,
}

/// A compiled loss. It may be shared by threads; calls take turns.
pub struct Compiled {
    compiler: Compiler,
    loss: Loss,
    /// The code for each combination of the tensors' types.
    executors: Mutex<HashMap<Vec<ElementType>, Box<dyn Executor>>>,
}

impl Compiled {
    pub(crate) fn new(compiler: Compiler, loss: Loss) -> Result<Self, Error> {
        let declared =
            loss.program().pixel_arguments().map(|(_, argument)| element_type(argument.ty.element));
        let declared: Vec<_> = declared.collect();
        let compiled = Self { compiler, loss, executors: Mutex::default() };
        drop(compiled.executor(&declared)?);
        Ok(compiled)
    }

    /// The loss.
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// The loss of `logits` against `labels`: tensors of one shape, (H, W),
    /// (C, H, W) or (N, C, H, W).
    pub fn forward<'a>(
        &self,
        logits: impl Into<Input<'a>>,
        labels: impl Into<Input<'a>>,
        options: impl Into<Options>,
    ) -> Result<Forward, Error> {
        self.forward_of(&[logits.into().view()?, labels.into().view()?], &options.into())
    }

    /// The loss and its gradient by the logits.
    pub fn forward_backward<'a>(
        &self,
        logits: impl Into<Input<'a>>,
        labels: impl Into<Input<'a>>,
        options: impl Into<Options>,
    ) -> Result<Step, Error> {
        self.forward_backward_of(&[logits.into().view()?, labels.into().view()?], &options.into())
    }

    /// The gradient of an earlier forward call on the same tensors, times
    /// `upstream`. Random numbers are drawn again from the call's seed.
    pub fn backward<'a>(
        &self,
        logits: impl Into<Input<'a>>,
        labels: impl Into<Input<'a>>,
        residuals: &Residuals,
        upstream: f32,
    ) -> Result<Tensor, Error> {
        self.backward_of(&[logits.into().view()?, labels.into().view()?], residuals, upstream)
    }

    /// As [`Compiled::forward`], for a loss of any number of tensors.
    pub fn forward_of(&self, pixels: &[TensorView<'_>], options: &Options) -> Result<Forward, Error> {
        let outcome = self
            .with_executor(pixels, |it| it.forward(&call(pixels, options, &scalars(&self.loss, options))))?;
        self.checked(outcome)
    }

    /// As [`Compiled::forward_backward`], for a loss of any number of tensors.
    pub fn forward_backward_of(&self, pixels: &[TensorView<'_>], options: &Options) -> Result<Step, Error> {
        let scalars = scalars(&self.loss, options);
        let (outcome, gradients) =
            self.with_executor(pixels, |it| it.forward_backward(&call(pixels, options, &scalars)))?;
        let Forward { loss, groups, nan_logits, .. } = self.checked(outcome)?;
        Ok(Step { loss, gradient: only(gradients), groups, nan_logits })
    }

    /// As [`Compiled::backward`], for a loss of any number of tensors.
    pub fn backward_of(
        &self,
        pixels: &[TensorView<'_>],
        residuals: &Residuals,
        upstream: f32,
    ) -> Result<Tensor, Error> {
        Ok(only(self.with_executor(pixels, |it| it.backward(pixels, residuals, upstream))?))
    }

    /// The sums of a forward call before anything is computed from them, for
    /// workers that add theirs up: see [`Residuals::merge`].
    pub fn forward_partials(&self, pixels: &[TensorView<'_>], options: &Options) -> Result<Residuals, Error> {
        let scalars = scalars(&self.loss, options);
        self.with_executor(pixels, |it| it.forward_partials(&call(pixels, options, &scalars)))
    }

    /// The loss from sums that may be several workers'. `pixels` are any worker's.
    pub fn finish(&self, pixels: &[TensorView<'_>], sums: Residuals) -> Result<Forward, Error> {
        let outcome = self.with_executor(pixels, |it| it.finish(sums))?;
        self.checked(outcome)
    }

    fn with_executor<T>(
        &self,
        pixels: &[TensorView<'_>],
        run: impl FnOnce(&mut dyn Executor) -> Result<T, lossc_runtime::RuntimeError>,
    ) -> Result<T, Error> {
        let elements: Vec<_> = pixels.iter().map(TensorView::element_type).collect();
        let mut executors = self.executor(&elements)?;
        let executor = executors.get_mut(&elements);
        Ok(run(&mut **executor.expect("compiled above"))?)
    }

    /// All executors, the one for `elements` among them.
    fn executor(&self, elements: &[ElementType]) -> Result<Executors<'_>, Error> {
        // A call that panicked left nothing behind that the next one reads.
        let mut executors = self.executors.lock().unwrap_or_else(PoisonError::into_inner);
        if !executors.contains_key(elements) {
            let executor = self.compiler.executor(self.loss.program(), elements)?;
            executors.insert(elements.to_vec(), executor);
        }
        Ok(executors)
    }

    /// Takes the counts of invalid input out of the results.
    fn checked(&self, outcome: Outcome) -> Result<Forward, Error> {
        let Outcome { loss, mut groups, residuals } = outcome;
        let invalid = take_count(&mut groups, INVALID_LABELS);
        let nan_logits = take_count(&mut groups, NAN_LOGITS);
        if invalid > 0 {
            let ignored = self.compiler.options(&[]).ignore_index;
            return Err(Error::InvalidLabels { count: invalid, ignored });
        }
        Ok(Forward { loss, groups, nan_logits, residuals })
    }
}

type Executors<'a> = MutexGuard<'a, HashMap<Vec<ElementType>, Box<dyn Executor>>>;

fn scalars<'a>(loss: &'a Loss, options: &'a Options) -> Vec<(&'a str, f32)> {
    let set = loss.scalars().iter().chain(&options.scalars);
    set.map(|(name, value)| (name.as_str(), *value)).collect()
}

fn call<'a>(pixels: &'a [TensorView<'a>], options: &Options, scalars: &'a [(&'a str, f32)]) -> Call<'a> {
    let random = Random { seed: options.seed.0, stream: options.stream };
    Call { pixels, balance: options.balance, random, scalars }
}

/// A loss has one gradient, that by its logits.
fn only(mut gradients: Vec<Tensor>) -> Tensor {
    gradients.swap_remove(0)
}

/// Removes the result `name` and gives its total over the groups.
fn take_count(groups: &mut Vec<GroupResult>, name: &str) -> i64 {
    let Some(index) = groups.iter().position(|result| result.name == name) else { return 0 };
    match groups.remove(index).values {
        GroupValues::Count(counts) => counts.iter().sum(),
        GroupValues::Float(_) => 0,
    }
}
