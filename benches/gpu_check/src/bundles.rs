//! The compiled losses that are packed beside the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lossc_runtime::bundle::Code;
use lossc_runtime::{Bundle, CudaDevice, CudaExecutor, Executor};

use crate::Failure;

/// Where the checks run.
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
}

impl Machine {
    /// The GPU with this number.
    pub fn gpu(ordinal: usize) -> Result<Self, lossc_runtime::cuda::CudaError> {
        let device = CudaDevice::open(ordinal)?;
        let (major, minor) = device.compute_capability()?;
        Ok(Self::Gpu(device, major * 10 + minor))
    }

    /// What it is, for people.
    pub fn name(&self) -> Result<String, Failure> {
        match self {
            Self::Processor => Ok(format!("this machine's processor, {}", std::env::consts::ARCH)),
            Self::Gpu(device, capability) => {
                let (major, minor) = device.ptx_version()?;
                Ok(format!("{}, sm_{capability}, PTX up to {major}.{minor}", device.name()?))
            }
        }
    }

    /// How good a choice code is for this machine; none if it cannot run here.
    fn rank(&self, bundle: &Bundle) -> Option<u32> {
        match (self, &bundle.code) {
            (Self::Processor, Code::Native { .. }) => bundle.check_processor().ok().map(|()| 0),
            (Self::Gpu(_, found), &Code::Nvidia { compute_capability, .. }) => {
                (compute_capability <= *found).then_some(compute_capability)
            }
            _ => None,
        }
    }

    /// The losses in `folder`, by name, each as compiled for what is nearest to
    /// this machine.
    pub fn subjects(&self, folder: &Path) -> Result<Vec<Subject>, Failure> {
        let mut best = BTreeMap::new();
        let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "lossc") {
                continue;
            }
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
        Ok(best.into_iter().map(|(name, (_, bundle))| Subject { name, bundle }).collect())
    }
}

/// The loss with its schedule, the types of its inputs, and whether it is fast.
fn name(bundle: &Bundle) -> String {
    let types: Vec<_> = bundle.manifest.pixel_inputs.iter().map(|input| input.element.name()).collect();
    let numerics = if bundle.manifest.is_reproducible { "" } else { FAST };
    format!("{} {}{numerics}", bundle.manifest.name, types.join(","))
}

/// What follows the name of a loss that is not reproducible.
const FAST: &str = " fast";

impl Subject {
    /// Whether it has the same bits on every machine.
    pub fn is_reproducible(&self) -> bool {
        self.bundle.manifest.is_reproducible
    }

    /// The name of the same loss by reproducible numerics.
    pub fn reproducible_name(&self) -> &str {
        self.name.trim_end_matches(FAST)
    }

    /// Its code, loaded on `machine`.
    pub fn executor(&self, machine: &Machine) -> Result<Box<dyn Executor>, Failure> {
        match machine {
            // SAFETY: whoever starts this program names the folder, and so says that
            // what is in it is to be run; `Machine::subjects` checked the processor.
            Machine::Processor => Ok(Box::new(unsafe { self.bundle.cpu_executor(None) }?)),
            Machine::Gpu(device, _) => Ok(Box::new(self.cuda_executor(device)?)),
        }
    }

    /// Its code, loaded on `device`.
    pub fn cuda_executor(&self, device: &CudaDevice) -> Result<CudaExecutor, Failure> {
        // SAFETY: whoever starts this program names the folder, and so says that
        // what is in it is to be run.
        Ok(unsafe { self.bundle.cuda_executor(device) }?)
    }
}
