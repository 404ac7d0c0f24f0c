//! The compiler's settings.

use std::sync::Arc;

use lossc_dialect::ops::Numerics;
use lossc_passes::codegen::Target;
use lossc_passes::lower::lower;
use lossc_passes::schedule::EntryPoints;
use lossc_passes::specialise::{self, Reduction};
use lossc_runtime::rayon::ThreadPool;
use lossc_runtime::{Bundle, CudaDevice, ElementType, Executor};
use tracing::warn;

use crate::bundle::description;
use crate::cache::Cache;
use crate::compiled::Compiled;
use crate::description::Description;
use crate::error::Error;
use crate::loss::Loss;
use crate::manifest::{element, element_type};
use crate::pipeline::{self, Optimisation, Optimised, Stage};
use crate::request::Request;

/// Compiles losses for a target.
#[derive(Clone, Debug)]
pub struct Compiler {
    target: Target,
    options: pipeline::Options,
    elements: Option<Vec<ElementType>>,
    threads: Option<Arc<ThreadPool>>,
    cache: Cache,
}

impl Compiler {
    /// A compiler for `target` that checks labels, reduces as the loss says, and stores its code in
    /// [`Cache::from_environment`].
    pub fn new(target: Target) -> Self {
        let options = specialise::Options { checks: true, ..specialise::Options::default() }.into();
        Self { target, options, elements: None, threads: None, cache: Cache::from_environment() }
    }

    /// Treats pixels with this label as absent.
    pub fn ignore_index(mut self, index: i64) -> Self {
        self.options.specialise.ignore_index = Some(index);
        self
    }

    /// Sets the reduction of the loss over the pixels.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.options.specialise.reduction = reduction;
        self
    }

    /// Multiplies each pixel's share in a sum by a weight: an f32 tensor that follows the labels.
    pub fn weight_map(mut self, weight_map: bool) -> Self {
        self.options.specialise.weight_map = weight_map;
        self
    }

    /// Sets whether a call with an invalid label is an error, and NaN logits are counted. Both are
    /// counted in passes that are made anyway.
    pub fn check_labels(mut self, check: bool) -> Self {
        self.options.specialise.checks = check;
        self
    }

    /// Sets the tensors' types, in the order of the loss's arguments; the default is the types in
    /// its text.
    pub fn element_types(mut self, elements: impl Into<Vec<ElementType>>) -> Self {
        self.elements = Some(elements.into());
        self
    }

    /// Sets the threads that calls run on; the default is the caller's pool.
    pub fn threads(mut self, pool: Arc<ThreadPool>) -> Self {
        self.threads = Some(pool);
        self
    }

    /// Limits the optimisation, to show what the rest is worth; the default is all of it.
    pub fn optimisation(mut self, optimisation: Optimisation) -> Self {
        self.options.optimisation = optimisation;
        self
    }

    /// Sets the numerics of pixels. The default is the same bits on every machine;
    /// [`Numerics::Fast`] is for GPUs only.
    pub fn numerics(mut self, numerics: Numerics) -> Self {
        self.options.numerics = numerics;
        self
    }

    /// Sets the cache of compiled code; [`Cache::off`] for none.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Compiles `loss` up to the point where its entry points part: whatever is wrong with it is an
    /// error now. The code itself, that of `forward` and `backward` or that of `forward_backward`,
    /// is made by the first call of one of them, and so is code for tensors of other types than
    /// [`Compiler::element_types`].
    pub fn compile(&self, loss: &Loss) -> Result<Compiled, Error> {
        Compiled::new(self.clone(), loss.clone())
    }

    /// Compiles `loss` into a bundle with all entry points, which runs without a compiler. The
    /// loss's scalars become the defaults of its calls.
    pub fn bundle(&self, loss: &Loss) -> Result<Bundle, Error> {
        let request = self.request(loss, self.elements.as_deref(), EntryPoints::All);
        let compile = || request.generate(&request.optimise()?);
        let mut bundle = Arc::unwrap_or_clone(request.find().map_or_else(compile, Ok)?);
        let choice = description(&bundle)?.choice;
        for (name, value) in loss.scalars(choice.as_ref().map(|choice| choice.name.as_str())) {
            let scalars = bundle.manifest.scalars.iter_mut();
            scalars.filter(|scalar| scalar.name == name).for_each(|scalar| scalar.default = value);
        }
        Ok(bundle)
    }

    /// Returns the text of `stage` on the way to [`Compiler::compile`]'s code.
    pub fn emit(&self, loss: &Loss, stage: Stage) -> Result<String, Error> {
        pipeline::emit(loss.program()?, &self.options(self.elements.as_deref()), &self.target, stage)
    }

    /// The tensors' types that were set.
    pub(crate) fn elements(&self) -> Option<&[ElementType]> {
        self.elements.as_deref()
    }

    /// The threads that were set.
    pub(crate) fn pool(&self) -> Option<Arc<ThreadPool>> {
        self.threads.clone()
    }

    /// Options of the pipeline for tensors of these types.
    pub(crate) fn options(&self, elements: Option<&[ElementType]>) -> pipeline::Options {
        let storage = elements.unwrap_or_default().iter().map(|&it| element(it)).collect();
        let specialise = specialise::Options { storage, ..self.options.specialise.clone() };
        pipeline::Options { specialise, ..self.options.clone() }
    }

    /// Checks that `loss` can be compiled for this compiler's types and target, before any of its
    /// entry points is called.
    pub(crate) fn checked(&self, loss: &Loss) -> Result<Checked, Error> {
        self.device()?;
        let elements = self.elements.as_deref();
        let kept = |entry_points| self.request(loss, elements, entry_points).find();
        if let Some(bundle) = kept(EntryPoints::Joint).or_else(|| kept(EntryPoints::Separate)) {
            let elements = bundle.manifest.element_types();
            return Ok(Checked { description: description(&bundle)?, elements, optimised: None });
        }
        let request = self.request(loss, elements, EntryPoints::All);
        let (description, optimised) = (request.description()?, request.optimise()?);
        lower(
            &self.options(elements).scheduled(&optimised, &self.target),
            &self.target,
            self.options.numerics,
        )?;
        let types =
            optimised.program.pixel_arguments().map(|(_, argument)| element_type(argument.ty.element));
        Ok(Checked { description, elements: types.collect(), optimised: Some(optimised) })
    }

    /// Returns code for `loss`, these entry points and tensors of these types, or those of its
    /// text, ready to run. `optimised` is the optimised loss, if it was made already.
    pub(crate) fn executor(
        &self,
        loss: &Loss,
        elements: Option<&[ElementType]>,
        entry_points: EntryPoints,
        optimised: Option<&Optimised>,
    ) -> Result<Box<dyn Executor>, Error> {
        let device = self.device()?;
        // SAFETY: this build of lossc made the bundle, now or earlier, for a processor or device
        // that is here: the cache's keys and the privacy of its directory ensure that.
        let load = |bundle: &Bundle| unsafe { executor(bundle, device.as_ref(), self.pool()) };
        let request = self.request(loss, elements, entry_points);
        if let Some(bundle) = request.find() {
            match load(&bundle) {
                Ok(executor) => return Ok(executor),
                Err(error) => warn!("compiled code that was kept cannot be loaded: {error}; compiling anew"),
            }
        }
        let bundle = match optimised {
            Some(optimised) => request.generate(optimised)?,
            None => request.generate(&request.optimise()?)?,
        };
        load(&bundle)
    }

    fn request<'a>(
        &'a self,
        loss: &'a Loss,
        elements: Option<&[ElementType]>,
        entry_points: EntryPoints,
    ) -> Request<'a> {
        let options = pipeline::Options { entry_points, ..self.options(elements) };
        Request::new(&self.cache, loss, options, &self.target)
    }

    /// The device that the target's code runs on, if that is not the processor.
    fn device(&self) -> Result<Option<CudaDevice>, Error> {
        match self.target {
            Target::Nvidia(_) => Ok(Some(CudaDevice::open(0)?)),
            Target::Cpu(_) if self.target.runs_on_host_processor() => Ok(None),
            Target::Cpu(_) => Err(Error::ForeignTarget(self.target.to_string())),
        }
    }
}

/// A loss that can be compiled.
pub(crate) struct Checked {
    pub(crate) description: Description,
    /// The tensors' types.
    pub(crate) elements: Vec<ElementType>,
    /// Source of the code; `None` if there is code already.
    pub(crate) optimised: Option<Optimised>,
}

/// Loads a bundle's code onto `device`, or onto `pool` if there is none.
///
/// # Safety
/// As for [`Bundle::cpu_executor`] and [`Bundle::cuda_executor`].
pub(crate) unsafe fn executor(
    bundle: &Bundle,
    device: Option<&CudaDevice>,
    pool: Option<Arc<ThreadPool>>,
) -> Result<Box<dyn Executor>, Error> {
    match device {
        // SAFETY: the caller vouches for the code.
        Some(device) => Ok(Box::new(unsafe { bundle.cuda_executor(device) }?)),
        // SAFETY: the caller vouches for the code.
        None => Ok(Box::new(unsafe { bundle.cpu_executor(pool) }?)),
    }
}
