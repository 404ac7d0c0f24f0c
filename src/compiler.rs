//! The compiler's settings.

use std::sync::Arc;

use lossc_passes::codegen::Target;
use lossc_passes::specialise::{self, Reduction};
use lossc_runtime::rayon::ThreadPool;
use lossc_runtime::{Bundle, CudaDevice, ElementType, Executor};

use crate::bundle::bundle;
use crate::compiled::Compiled;
use crate::description::Description;
use crate::error::Error;
use crate::loss::Loss;
use crate::manifest::element;
use crate::pipeline::{self, Stage};

/// Compiles losses for a target.
#[derive(Clone, Debug)]
pub struct Compiler {
    target: Target,
    options: specialise::Options,
    elements: Option<Vec<ElementType>>,
    threads: Option<Arc<ThreadPool>>,
}

impl Compiler {
    /// A compiler for `target` that checks labels and reduces as the loss says.
    pub fn new(target: Target) -> Self {
        let options = specialise::Options { checks: true, ..specialise::Options::default() };
        Self { target, options, elements: None, threads: None }
    }

    /// Pixels with this label are as if they were not there.
    pub fn ignore_index(mut self, index: i64) -> Self {
        self.options.ignore_index = Some(index);
        self
    }

    /// How the loss is reduced over the pixels.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.options.reduction = reduction;
        self
    }

    /// Each pixel's share in a sum is multiplied by a weight: an f32 tensor that
    /// follows the labels.
    pub fn weight_map(mut self, weight_map: bool) -> Self {
        self.options.weight_map = weight_map;
        self
    }

    /// Whether a label that is none makes a call an error, and NaN logits are
    /// counted. Both are counted in the passes that are made anyway.
    pub fn check_labels(mut self, check: bool) -> Self {
        self.options.checks = check;
        self
    }

    /// The tensors' types, in the order of the loss's arguments; without it those
    /// that its text names.
    pub fn element_types(mut self, elements: impl Into<Vec<ElementType>>) -> Self {
        self.elements = Some(elements.into());
        self
    }

    /// The threads that calls run on; without it those of the caller's pool.
    pub fn threads(mut self, pool: Arc<ThreadPool>) -> Self {
        self.threads = Some(pool);
        self
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Compiles `loss`. Tensors of other types than [`Compiler::element_types`]
    /// are compiled for when a call first brings them.
    pub fn compile(&self, loss: &Loss) -> Result<Compiled, Error> {
        Compiled::new(self.clone(), loss.clone())
    }

    /// Compiles `loss` into a bundle, which runs without a compiler. The loss's
    /// numbers become the defaults of its calls.
    pub fn bundle(&self, loss: &Loss) -> Result<Bundle, Error> {
        let mut bundle = self.compiled_bundle(loss, self.elements.as_deref())?;
        for (name, value) in loss.scalars() {
            let scalars = bundle.manifest.scalars.iter_mut();
            scalars.filter(|scalar| scalar.name == *name).for_each(|scalar| scalar.default = *value);
        }
        Ok(bundle)
    }

    /// The text of `stage` on the way to [`Compiler::compile`]'s code.
    pub fn emit(&self, loss: &Loss, stage: Stage) -> Result<String, Error> {
        pipeline::emit(loss.program(), &self.options(self.elements.as_deref()), &self.target, stage)
    }

    /// The tensors' types that were set.
    pub(crate) fn elements(&self) -> Option<&[ElementType]> {
        self.elements.as_deref()
    }

    /// The threads that were set.
    pub(crate) fn pool(&self) -> Option<Arc<ThreadPool>> {
        self.threads.clone()
    }

    /// What a loss is specialised to, for tensors of these types.
    fn options(&self, elements: Option<&[ElementType]>) -> specialise::Options {
        let storage = elements.unwrap_or_default().iter().map(|&it| element(it)).collect();
        specialise::Options { storage, ..self.options.clone() }
    }

    /// Code for `loss` and tensors of these types, or those of its text, ready to
    /// run.
    pub(crate) fn executor(
        &self,
        loss: &Loss,
        elements: Option<&[ElementType]>,
    ) -> Result<(Bundle, Box<dyn Executor>), Error> {
        let device = self.device()?;
        let bundle = self.compiled_bundle(loss, elements)?;
        // SAFETY: lossc made the bundle, for a processor or device that is here.
        let executor = unsafe { executor(&bundle, device.as_ref(), self.pool()) }?;
        Ok((bundle, executor))
    }

    fn compiled_bundle(&self, loss: &Loss, elements: Option<&[ElementType]>) -> Result<Bundle, Error> {
        let options = self.options(elements);
        let description = Description::new(loss.name(), loss.chosen_value(), &options);
        let code = pipeline::compile(loss.program(), &options, &self.target)?;
        bundle(code, &self.target, &description)
    }

    /// The device that the target's code runs on, where that is not the processor.
    fn device(&self) -> Result<Option<CudaDevice>, Error> {
        match self.target {
            Target::Nvidia(_) => Ok(Some(CudaDevice::open(0)?)),
            Target::Cpu(_) if self.target.runs_on_host_processor() => Ok(None),
            Target::Cpu(_) => Err(Error::ForeignTarget(self.target.to_string())),
        }
    }
}

/// Loads a bundle's code onto `device`, or onto `pool` where there is none.
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
