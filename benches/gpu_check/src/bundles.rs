//! The compiled losses that are packed next to the program.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use lossc_runtime::bundle::Code;
use lossc_runtime::cuda::CudaKernels;
use lossc_runtime::{Bundle, CudaDevice, CudaExecutor, Executor};

use crate::Failure;
use crate::pixels::{Kind, Pixels};
use crate::plans::{CHOSEN, PLANS, Plan};

/// Machine that the checks run on.
#[derive(Debug, Clone)]
pub enum Machine {
    /// This machine's processor.
    Processor,
    /// A GPU of this machine, of this compute capability: 90 for 9.0.
    Gpu(CudaDevice, u32),
}

/// A loss with one schedule and for one choice of types.
pub struct Subject {
    pub name: String,
    pub bundle: Bundle,
    /// Its code on the GPU, once it was asked for: the driver takes about a second to compile it.
    kernels: OnceLock<CudaKernels>,
}

impl Machine {
    /// The GPU with this number.
    pub fn gpu(ordinal: usize) -> Result<Self, lossc_runtime::cuda::CudaError> {
        let device = CudaDevice::open(ordinal)?;
        let capability = device.compute_capability()?;
        Ok(Self::Gpu(device, capability))
    }

    /// The machine's name for reports.
    pub fn name(&self) -> Result<String, Failure> {
        match self {
            Self::Processor => Ok(format!("this machine's processor, {}", std::env::consts::ARCH)),
            Self::Gpu(device, capability) => {
                let (major, minor) = device.ptx_version()?;
                Ok(format!("{}, sm_{capability}, PTX up to {major}.{minor}", device.name()?))
            }
        }
    }

    /// The ways in which the machine can launch a call.
    pub fn plans(&self) -> &'static [Plan] {
        match self {
            Self::Processor => &PLANS[..1],
            Self::Gpu(..) => &PLANS,
        }
    }

    /// Rank of a bundle's code for this machine; `None` if it cannot run here. Each level of
    /// processors has all instruction sets of the levels below it, and more.
    fn rank(&self, bundle: &Bundle) -> Option<usize> {
        match (self, &bundle.code) {
            (Self::Processor, Code::Native { processor, .. }) => {
                bundle.check_processor().ok().map(|()| processor.features.len())
            }
            (Self::Gpu(_, found), &Code::Nvidia { compute_capability, .. }) => {
                (compute_capability <= *found).then_some(compute_capability as usize)
            }
            _ => None,
        }
    }

    /// The losses in `folder`, by name, each as compiled for the target nearest to this machine; of
    /// several equally near, the first by file name.
    pub fn subjects(&self, folder: &Path) -> Result<Vec<Subject>, Failure> {
        let mut best = BTreeMap::new();
        for path in bundle_files(folder)? {
            let bundle = Bundle::read(&path)?;
            if let Some(rank) = self.rank(&bundle) {
                let place = best.entry(name(&bundle)).or_insert((rank, bundle.clone()));
                if rank > place.0 {
                    *place = (rank, bundle);
                }
            }
        }
        if best.is_empty() {
            return Err(format!("{} holds no loss that runs here", folder.display()).into());
        }
        let subjects: Vec<_> =
            best.into_iter().map(|(name, (_, bundle))| Subject::new(name, bundle)).collect();
        if let Self::Gpu(device, _) = self {
            load(device, &subjects);
        }
        Ok(subjects)
    }
}

/// Loads the code of all subjects, on as many threads as there are. Failures are repeated, and
/// reported, where the code is used.
fn load(device: &CudaDevice, subjects: &[Subject]) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                subjects.iter().skip(first).step_by(threads).for_each(|it| drop(it.cuda_kernels(device)));
            });
        }
    });
}

/// The bundles in a folder, sorted.
fn bundle_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let named = |error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(named)?;
    let paths = entries.map(|entry| Ok(entry.map_err(named)?.path()));
    let mut paths = paths.collect::<Result<Vec<_>, Failure>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "lossc"));
    paths.sort_unstable();
    Ok(paths)
}

/// The loss with its schedule, the types of its inputs, the ignored label, and a mark if it is
/// fast.
fn name(bundle: &Bundle) -> String {
    let types: Vec<_> = bundle.manifest.pixel_inputs.iter().map(|input| input.element.name()).collect();
    let ignored = ignored(bundle).map_or_else(String::new, |label| format!(" ignoring {label}"));
    let numerics = if bundle.manifest.is_reproducible { "" } else { FAST };
    format!("{} {}{ignored}{numerics}", bundle.manifest.name, types.join(","))
}

/// The label of ignored pixels, as the compiler records it.
fn ignored(bundle: &Bundle) -> Option<u8> {
    bundle.details.get("ignore_index")?.as_u64()?.try_into().ok()
}

/// Suffix of the name of a fast loss.
const FAST: &str = " fast";

impl Subject {
    fn new(name: String, bundle: Bundle) -> Self {
        Self { name, bundle, kernels: OnceLock::new() }
    }

    /// Returns whether it has the same bits on every machine.
    pub fn is_reproducible(&self) -> bool {
        self.bundle.manifest.is_reproducible
    }

    /// The name of the same loss with reproducible numerics.
    pub fn reproducible_name(&self) -> &str {
        self.name.trim_end_matches(FAST)
    }

    /// Returns whether every pixel counts.
    pub fn ignores_nothing(&self) -> bool {
        ignored(&self.bundle).is_none()
    }

    /// Inputs of `shape` for the loss.
    pub fn pixels(&self, shape: &[usize], kind: Kind) -> Result<Pixels, Failure> {
        Pixels::new(&self.bundle.manifest, shape, kind, ignored(&self.bundle))
    }

    /// Its code, loaded on `machine`.
    pub fn executor(&self, machine: &Machine) -> Result<Box<dyn Executor>, Failure> {
        self.executor_with(machine, CHOSEN)
    }

    /// The same; on a GPU, calls are launched by `plan`.
    pub fn executor_with(&self, machine: &Machine, plan: Plan) -> Result<Box<dyn Executor>, Failure> {
        match machine {
            // SAFETY: whoever starts this program names the folder, and so asks for its contents to
            // be run; `Machine::subjects` checked the processor.
            Machine::Processor => Ok(Box::new(unsafe { self.bundle.cpu_executor(None) }?)),
            Machine::Gpu(device, _) => {
                let mut executor = self.cuda_executor(device)?;
                executor.set_overrides(plan.overrides);
                Ok(Box::new(executor))
            }
        }
    }

    /// Its code, loaded on `device`, which is the same in all calls.
    pub fn cuda_executor(&self, device: &CudaDevice) -> Result<CudaExecutor, Failure> {
        Ok(CudaExecutor::new(self.cuda_kernels(device)?)?)
    }

    fn cuda_kernels(&self, device: &CudaDevice) -> Result<CudaKernels, Failure> {
        if let Some(kernels) = self.kernels.get() {
            return Ok(kernels.clone());
        }
        // SAFETY: whoever starts this program names the folder, and so asks for its contents to be
        // run.
        let kernels = unsafe { self.bundle.cuda_kernels(device) }?;
        Ok(self.kernels.get_or_init(|| kernels).clone())
    }
}

#[cfg(test)]
mod tests;
