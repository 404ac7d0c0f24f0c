//! The compiler's settings.

use std::sync::Arc;

use lossc_dialect::Program;
use lossc_passes::codegen::{Artifact, Target};
use lossc_passes::specialise::{self, Reduction};
use lossc_runtime::rayon::ThreadPool;
use lossc_runtime::{
    CpuExecutor, CudaDevice, CudaExecutor, CudaKernels, ElementType, Executor, NativeKernels,
};

use crate::compiled::Compiled;
use crate::error::Error;
use crate::loss::Loss;
use crate::manifest::{element, manifest};
use crate::pipeline::{self, Code};

/// Compiles losses for a target.
#[derive(Clone, Debug)]
pub struct Compiler {
    target: Target,
    options: specialise::Options,
    threads: Option<Arc<ThreadPool>>,
}

impl Compiler {
    /// A compiler for `target` that checks labels and reduces as the loss says.
    pub fn new(target: Target) -> Self {
        let options = specialise::Options { checks: true, ..specialise::Options::default() };
        Self { target, options, threads: None }
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

    /// The threads that calls run on; without it those of the caller's pool.
    pub fn threads(mut self, pool: Arc<ThreadPool>) -> Self {
        self.threads = Some(pool);
        self
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What a loss is specialised to, for tensors of these types.
    pub(crate) fn options(&self, elements: &[ElementType]) -> specialise::Options {
        let storage = elements.iter().map(|&it| element(it)).collect();
        specialise::Options { storage, ..self.options.clone() }
    }

    /// Compiles `loss` for the types that its text names. Tensors of other types
    /// are compiled for when a call first brings them.
    pub fn compile(&self, loss: &Loss) -> Result<Compiled, Error> {
        Compiled::new(self.clone(), loss.clone())
    }

    /// Code for `program` and tensors of these types, ready to run.
    pub(crate) fn executor(
        &self,
        program: &Program,
        elements: &[ElementType],
    ) -> Result<Box<dyn Executor>, Error> {
        if let Target::Cpu(_) = self.target
            && !self.target.runs_on_host_processor()
        {
            return Err(Error::ForeignTarget(self.target.to_string()));
        }
        let device = match self.target {
            Target::Nvidia(_) => Some(CudaDevice::open(0)?),
            Target::Cpu(_) => None,
        };
        let code = pipeline::compile(program, &self.options(elements), &self.target)?;
        let executor: Box<dyn Executor> = match device {
            Some(device) => Box::new(cuda_executor(&device, code, &self.target)?),
            None => Box::new(self.cpu_executor(code)?),
        };
        Ok(executor)
    }

    fn cpu_executor(&self, code: Code) -> Result<CpuExecutor, Error> {
        let Artifact::Object(object) = code.artifact else { unreachable!("a processor's code is an object") };
        // SAFETY: lowering and manifest are made from one schedule, and the code is
        // for a processor whose features this one has.
        let kernels = unsafe { NativeKernels::from_object(&object, manifest(&code.schedule, &self.target)) }?;
        Ok(match &self.threads {
            Some(pool) => CpuExecutor::with_pool(kernels, Arc::clone(pool)),
            None => CpuExecutor::new(kernels),
        })
    }
}

fn cuda_executor(device: &CudaDevice, code: Code, target: &Target) -> Result<CudaExecutor, Error> {
    let Artifact::Text(ptx) = code.artifact else { unreachable!("a GPU's code is PTX") };
    // SAFETY: lowering and manifest are made from one schedule.
    let kernels = unsafe { CudaKernels::from_ptx(device, &ptx, manifest(&code.schedule, target)) }?;
    Ok(CudaExecutor::new(kernels)?)
}
