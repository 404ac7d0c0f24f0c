//! Compiled losses and their entry points.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lossc_dialect::program::UPSTREAM;
use lossc_passes::schedule::EntryPoints::{self, Joint, Separate};
use lossc_passes::specialise::{INVALID_LABELS, INVALID_WEIGHTS, NAN_LOGITS};
use lossc_runtime::bundle;
use lossc_runtime::rayon::ThreadPool;
use lossc_runtime::{
    Balance, Bundle, Call, CudaDevice, ElementType, Executor, GroupResult, Random, Residuals, Tensor,
    TensorView, TensorViewMut,
};
use smallvec::SmallVec;

use crate::bundle::description;
use crate::compiler::{self, Checked, Compiler};
use crate::description::Description;
use crate::error::Error;
use crate::input::Input;
use crate::invalid;
use crate::loss::Loss;
use crate::pipeline::Optimised;

/// Results that count invalid input.
const CHECKS: [&str; 3] = [INVALID_LABELS, INVALID_WEIGHTS, NAN_LOGITS];

/// The key of a call's random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

/// Optional arguments of a call, besides its tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The key of the random numbers.
    pub seed: Seed,
    /// Tells calls under one seed apart: a step or rank number.
    pub stream: u64,
    /// Extent of the pixels that share a group.
    pub balance: Balance,
    /// Scalars of the loss by name, `upstream` among them.
    pub scalars: Vec<(String, f32)>,
}

impl From<Seed> for Options {
    fn from(seed: Seed) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// Outcome of a forward call. The default is an empty one, to be filled by a call.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    /// The loss.
    pub loss: f32,
    /// The loss's named results, one value per balancing group.
    pub groups: Vec<GroupResult>,
    /// Number of NaN logits. With any, the loss is NaN, and so is the gradient at those pixels.
    pub nan_logits: i64,
    /// Input of the backward call: bytes, not tensors.
    pub residuals: Residuals,
}

/// Outcome of a forward and backward call.
#[derive(Clone, Debug)]
pub struct Step {
    /// The loss.
    pub loss: f32,
    /// The gradient with respect to the logits, in their shape and type.
    pub gradient: Tensor,
    /// The loss's named results, one value per balancing group.
    pub groups: Vec<GroupResult>,
    /// Number of NaN logits.
    pub nan_logits: i64,
}

/// A compiled loss. It may be shared by threads; calls take turns.
///
/// A training loop calls [`Compiled::forward_backward_reusing`], or [`Compiled::forward_reusing`]
/// and [`Compiled::backward_into`]. On a processor these allocate nothing, except in the first call
/// on tensors of a shape and type.
///
/// ```
/// use lossc::{Compiler, Forward, Options, Seed, Target, TensorView, TensorViewMut, losses};
///
/// # fn main() -> Result<(), lossc::Error> {
/// # let batches = [([-4.0f32, 2.5, 0.1, -0.2], [0u8, 1, 0, 0])];
/// let compiled = Compiler::new(Target::host()?).compile(&losses::bce()?)?;
/// let shape = [2, 2];
/// let mut gradient = [0.0f32; 4];
/// let mut outcome = Forward::default();
/// for (step, (logits, labels)) in batches.iter().enumerate() {
///     let pixels = [TensorView::from_slice(&shape, logits)?, TensorView::from_slice(&shape, labels)?];
///     let options = Options::from(Seed(step as u64));
///     let place = TensorViewMut::from_slice(&shape, &mut gradient)?;
///     compiled.forward_backward_reusing(&pixels, &options, place, &mut outcome)?;
///     println!("{} {:?}", outcome.loss, outcome.groups);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Compiled {
    description: Description,
    /// Scalars that differ from their defaults.
    scalars: Vec<(String, f32)>,
    /// The code for each combination of the tensors' types.
    code: Mutex<Code>,
    /// The types it was compiled for.
    elements: Vec<ElementType>,
    /// The means to compile for entry points and for further types; `None` for a bundle, where both
    /// are fixed.
    origin: Option<Origin>,
}

/// Source of the code.
struct Origin {
    compiler: Compiler,
    loss: Loss,
    /// The optimised loss for the first types, if it was made in this process.
    optimised: Option<Optimised>,
}

type Code = HashMap<Vec<ElementType>, Vec<Loaded>>;

/// Code that is ready to run, for some entry points.
struct Loaded {
    entry_points: EntryPoints,
    executor: Box<dyn Executor>,
}

impl Loaded {
    fn has(&self, entry_points: EntryPoints) -> bool {
        self.entry_points == EntryPoints::All || self.entry_points == entry_points
    }
}

impl Compiled {
    pub(crate) fn new(compiler: Compiler, loss: Loss) -> Result<Self, Error> {
        let Checked { description, elements, optimised } = compiler.checked(&loss)?;
        let choice = description.choice.as_ref().map(|choice| choice.name.as_str());
        let scalars = loss.scalars(choice);
        let origin = Some(Origin { compiler, loss, optimised });
        Ok(Self { description, scalars, code: Mutex::default(), elements, origin })
    }

    /// The compiled loss in a bundle, for its own target: on `threads` or else the caller's pool,
    /// or on this machine's first GPU.
    ///
    /// # Errors
    /// If the bundle is for another machine, or lossc did not write it.
    ///
    /// # Safety
    /// The bundle's code becomes part of this process: it must come from a source
    /// that the caller would run a program of. See [`lossc_runtime::bundle`].
    pub unsafe fn from_bundle(bundle: &Bundle, threads: Option<Arc<ThreadPool>>) -> Result<Self, Error> {
        bundle.check_processor()?;
        let device = match bundle.code {
            bundle::Code::Native { .. } => None,
            bundle::Code::Nvidia { .. } => Some(CudaDevice::open(0)?),
        };
        // SAFETY: the caller vouches for the code, and the processor was checked.
        let executor = unsafe { compiler::executor(bundle, device.as_ref(), threads) }?;
        // The executor refuses entry points that the bundle has no code for.
        let loaded = Loaded { entry_points: EntryPoints::All, executor };
        let elements = bundle.manifest.element_types();
        let code = Mutex::new(HashMap::from([(elements.clone(), vec![loaded])]));
        Ok(Self { description: description(bundle)?, scalars: vec![], code, elements, origin: None })
    }

    /// The loss and the options it was compiled with.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Computes the loss of `logits` against `labels`: tensors of one shape, (H, W), (C, H, W) or
    /// (N, C, H, W).
    pub fn forward<'a>(
        &self,
        logits: impl Into<Input<'a>>,
        labels: impl Into<Input<'a>>,
        options: impl Into<Options>,
    ) -> Result<Forward, Error> {
        self.forward_of(&[logits.into().view()?, labels.into().view()?], &options.into())
    }

    /// Computes the loss and its gradient with respect to the logits.
    pub fn forward_backward<'a>(
        &self,
        logits: impl Into<Input<'a>>,
        labels: impl Into<Input<'a>>,
        options: impl Into<Options>,
    ) -> Result<Step, Error> {
        self.forward_backward_of(&[logits.into().view()?, labels.into().view()?], &options.into())
    }

    /// Computes the gradient of an earlier forward call on the same tensors, times `upstream`.
    /// Random numbers are drawn again from the call's seed.
    pub fn backward<'a>(
        &self,
        logits: impl Into<Input<'a>>,
        labels: impl Into<Input<'a>>,
        residuals: &Residuals,
        upstream: f32,
    ) -> Result<Tensor, Error> {
        self.backward_of(&[logits.into().view()?, labels.into().view()?], residuals, upstream)
    }

    /// Like [`Compiled::forward`], for a loss of any number of tensors.
    pub fn forward_of(&self, pixels: &[TensorView<'_>], options: &Options) -> Result<Forward, Error> {
        let mut outcome = Forward::default();
        self.forward_reusing(pixels, options, &mut outcome)?;
        Ok(outcome)
    }

    /// Like [`Compiled::forward_backward`], for a loss of any number of tensors.
    pub fn forward_backward_of(&self, pixels: &[TensorView<'_>], options: &Options) -> Result<Step, Error> {
        let scalars = self.scalars(options)?;
        let (outcome, gradients) =
            self.with_executor(Joint, pixels, |it| it.forward_backward(&call(pixels, options, &scalars)))?;
        let Forward { loss, groups, nan_logits, .. } = self.checked(outcome.residuals, pixels)?;
        Ok(Step { loss, gradient: only(gradients), groups, nan_logits })
    }

    /// Like [`Compiled::backward`], for a loss of any number of tensors.
    pub fn backward_of(
        &self,
        pixels: &[TensorView<'_>],
        residuals: &Residuals,
        upstream: f32,
    ) -> Result<Tensor, Error> {
        Ok(only(self.with_executor(Separate, pixels, |it| it.backward(pixels, residuals, upstream))?))
    }

    /// Like [`Compiled::forward_backward_of`], but overwrites a tensor of the logits' shape and
    /// type with the gradient. A loop that reuses one saves the time that fresh memory takes.
    pub fn forward_backward_into(
        &self,
        pixels: &[TensorView<'_>],
        options: &Options,
        gradient: TensorViewMut<'_>,
    ) -> Result<Forward, Error> {
        let mut outcome = Forward::default();
        self.forward_backward_reusing(pixels, options, gradient, &mut outcome)?;
        Ok(outcome)
    }

    /// Like [`Compiled::forward_of`], but overwrites the outcome of an earlier call, reusing its
    /// memory. After an error it is of no use.
    pub fn forward_reusing(
        &self,
        pixels: &[TensorView<'_>],
        options: &Options,
        outcome: &mut Forward,
    ) -> Result<(), Error> {
        let scalars = self.scalars(options)?;
        self.with_executor(Separate, pixels, |it| {
            it.forward_reusing(&call(pixels, options, &scalars), &mut outcome.residuals)
        })?;
        outcome.read(&self.description, pixels)
    }

    /// Like [`Compiled::forward_backward_into`], but overwrites the outcome of an earlier call,
    /// reusing its memory. After an error it is of no use.
    pub fn forward_backward_reusing(
        &self,
        pixels: &[TensorView<'_>],
        options: &Options,
        gradient: TensorViewMut<'_>,
        outcome: &mut Forward,
    ) -> Result<(), Error> {
        let (scalars, mut gradients) = (self.scalars(options)?, [gradient]);
        self.with_executor(Joint, pixels, |it| {
            let call = call(pixels, options, &scalars);
            it.forward_backward_reusing(&call, &mut gradients, &mut outcome.residuals)
        })?;
        outcome.read(&self.description, pixels)
    }

    /// Like [`Compiled::backward_of`], but overwrites a tensor of the logits' shape and type with
    /// the gradient.
    pub fn backward_into(
        &self,
        pixels: &[TensorView<'_>],
        residuals: &Residuals,
        upstream: f32,
        gradient: TensorViewMut<'_>,
    ) -> Result<(), Error> {
        self.with_executor(Separate, pixels, |it| {
            it.backward_into(pixels, residuals, upstream, &mut [gradient])
        })
    }

    /// Computes the sums of a forward call and nothing from them, for workers that add up theirs:
    /// see [`Residuals::merge`].
    pub fn forward_partials(&self, pixels: &[TensorView<'_>], options: &Options) -> Result<Residuals, Error> {
        let scalars = self.scalars(options)?;
        self.with_executor(Separate, pixels, |it| it.forward_partials(&call(pixels, options, &scalars)))
    }

    /// Computes the loss from sums that may be several workers'. `pixels` are any worker's.
    pub fn finish(&self, pixels: &[TensorView<'_>], sums: Residuals) -> Result<Forward, Error> {
        let outcome = self.with_executor(Separate, pixels, |it| it.finish(sums))?;
        self.checked(outcome.residuals, pixels)
    }

    fn with_executor<T>(
        &self,
        entry_points: EntryPoints,
        pixels: &[TensorView<'_>],
        run: impl FnOnce(&mut dyn Executor) -> Result<T, lossc_runtime::RuntimeError>,
    ) -> Result<T, Error> {
        let elements: SmallVec<[_; 4]> = pixels.iter().map(TensorView::element_type).collect();
        // If there are too many or too few, code for the first types reports it.
        let fits = self.origin.is_some() && elements.len() == self.elements.len();
        let known = if fits { &*elements } else { &*self.elements };
        // A call that panicked left nothing behind that the next one reads.
        let mut code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(origin) = &self.origin {
            self.complete(&mut code, origin, known, entry_points)?;
        }
        let loaded = code.get_mut(known).into_iter().flatten().find(|it| it.has(entry_points));
        Ok(run(&mut *loaded.expect("it was there or was compiled").executor)?)
    }

    /// Compiles what `code` lacks for tensors of these types and these entry points.
    fn complete(
        &self,
        code: &mut Code,
        origin: &Origin,
        elements: &[ElementType],
        entry_points: EntryPoints,
    ) -> Result<(), Error> {
        if code.get(elements).is_some_and(|known| known.iter().any(|it| it.has(entry_points))) {
            return Ok(());
        }
        let Origin { compiler, loss, optimised } = origin;
        let executor = if elements == self.elements {
            compiler.executor(loss, compiler.elements(), entry_points, optimised.as_ref())?
        } else {
            compiler.executor(loss, Some(elements), entry_points, None)?
        };
        code.entry(elements.to_vec()).or_default().push(Loaded { entry_points, executor });
        Ok(())
    }

    /// The scalars of a call: the loss's, and then the call's own.
    fn scalars<'a>(&'a self, options: &'a Options) -> Result<SmallVec<[(&'a str, f32); 4]>, Error> {
        // An overflowed upstream gradient must reach the caller's loss scaling.
        let is_wrong = |name: &str, value: f32| name != UPSTREAM && !value.is_finite();
        let set = self.scalars.iter().chain(&options.scalars);
        let check = |(name, value): &'a (String, f32)| match is_wrong(name, *value) {
            true => Err(Error::NotFinite { name: name.clone(), value: *value }),
            false => Ok((name.as_str(), *value)),
        };
        set.map(check).collect()
    }

    /// The outcome in `residuals`, if all labels are valid.
    fn checked(&self, residuals: Residuals, pixels: &[TensorView<'_>]) -> Result<Forward, Error> {
        let mut outcome = Forward { loss: 0.0, groups: vec![], nan_logits: 0, residuals };
        outcome.read(&self.description, pixels)?;
        Ok(outcome)
    }
}

impl Forward {
    /// Reads all the rest out of the residuals. The counts of invalid input are not among the
    /// loss's own results.
    fn read(&mut self, description: &Description, pixels: &[TensorView<'_>]) -> Result<(), Error> {
        let results = self.residuals.group_results();
        let own = results.clone().filter(|(result, _)| !CHECKS.contains(&&*result.name));
        GroupResult::write_over(&mut self.groups, own);
        // Slots of counts hold an i64; nothing else has these names.
        let count = |name| -> i64 {
            let counts = results.clone().filter(|(result, _)| result.name == name);
            counts.flat_map(|(_, slots)| slots).map(|&slot| slot as i64).sum()
        };
        (self.loss, self.nan_logits) = (self.residuals.loss(), count(NAN_LOGITS));
        let (invalid_labels, invalid_weights) = (count(INVALID_LABELS), count(INVALID_WEIGHTS));
        if invalid_labels > 0 {
            let ignored = description.ignore_index;
            let first = pixels.get(1).and_then(|labels| invalid::first_label(labels, ignored));
            return Err(Error::InvalidLabels { count: invalid_labels, ignored, first });
        }
        if invalid_weights > 0 {
            let first = invalid::first_weight(pixels, description.ignore_index);
            return Err(Error::InvalidWeights { count: invalid_weights, first });
        }
        Ok(())
    }
}

fn call<'a>(pixels: &'a [TensorView<'a>], options: &Options, scalars: &'a [(&'a str, f32)]) -> Call<'a> {
    let random = Random { seed: options.seed.0, stream: options.stream };
    Call { pixels, balance: options.balance, random, scalars }
}

/// The gradient with respect to the logits, the only one that a loss has.
fn only(mut gradients: Vec<Tensor>) -> Tensor {
    gradients.swap_remove(0)
}
