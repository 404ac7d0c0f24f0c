//! The machines that lossc compiles for.

mod cpu;

use std::{fmt, str::FromStr};

use lossc_dialect::near;
use thiserror::Error;

pub use cpu::{Architecture, Cpu};

/// The target of a compilation: a processor, this machine's or another, or an NVIDIA GPU.
///
/// Parsed from `cpu`, `cpu:avx2`, `cpu:x86-64-v4`, `cpu:aarch64`, `sm_80`, `sm_90`, ….
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A processor.
    Cpu(Cpu),
    /// A GPU, programmed in PTX.
    Nvidia(Nvidia),
}

/// An NVIDIA architecture and the PTX version its kernels are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nvidia {
    compute_capability: u32,
    ptx_version: u32,
}

/// The reason why there is no such target.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// The text is not the name of a target.
    #[error("unknown target `{name}`{}; known are {known}", near::hint(.name, .known.split(", ")))]
    Unknown {
        /// The requested name.
        name: String,
        /// Every name that is understood.
        known: String,
    },
    /// The architecture of this machine, for which lossc generates no code.
    #[error("lossc generates native code for x86-64 and AArch64, not for {architecture}")]
    UnsupportedArchitecture {
        /// The architecture for which lossc itself was compiled.
        architecture: &'static str,
    },
    /// A number of lanes that is not 4, 8 or 16, or exceeds the target's vectors.
    #[error("{lanes} lanes do not fit the target's vectors of {widest} lanes of f32")]
    Lanes {
        /// The requested lanes.
        lanes: usize,
        /// The lanes of the processor.
        widest: usize,
    },
}

/// Compute capability and the oldest PTX version that knows it (63 is 6.3): more drivers accept
/// an older version.
const ARCHITECTURES: [(u32, u32); 12] = [
    (70, 63),
    (72, 63),
    (75, 63),
    (80, 70),
    (86, 71),
    (87, 74),
    (89, 78),
    (90, 78),
    (100, 86),
    (103, 88),
    (120, 87),
    (121, 88),
];

impl Target {
    /// The processor this program runs on.
    ///
    /// # Errors
    ///
    /// If lossc generates no code for its architecture.
    pub fn host() -> Result<Self, TargetError> {
        Cpu::host().map(Self::Cpu)
    }

    /// The newest known architecture whose PTX a device of this compute
    /// capability, 90 for 9.0, can run: the driver translates PTX forward, never back.
    pub fn for_compute_capability(device: u32) -> Option<Self> {
        let known = ARCHITECTURES.iter().rev().find(|(sm, _)| *sm <= device);
        known.map(|&architecture| Self::Nvidia(Nvidia::from(architecture)))
    }

    /// The same processor, used with vectors of fewer lanes. Results do not
    /// depend on the width; tests use this to show it.
    ///
    /// # Errors
    ///
    /// If `lanes` is not 4, 8 or 16, is wider than the processor's vectors, or the target is a
    /// GPU.
    pub fn with_vector_lanes(mut self, lanes: usize) -> Result<Self, TargetError> {
        let widest = self.vector_lanes();
        match &mut self {
            Self::Cpu(cpu) if [4, 8, 16].contains(&lanes) && lanes <= widest => cpu.lanes = lanes,
            _ => return Err(TargetError::Lanes { lanes, widest }),
        }
        Ok(self)
    }

    /// Lanes of f32 in one vector register: 16 with AVX-512, 8 with AVX2 and 4 otherwise; on a
    /// GPU the 4 of a thread's 16-byte load.
    pub fn vector_lanes(&self) -> usize {
        match self {
            Self::Cpu(cpu) => cpu.lanes,
            Self::Nvidia(_) => 4,
        }
    }

    /// All properties on which the generated code depends, as a key for caches. `Display` is
    /// shorter and writes `cpu` for any host.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Cpu(cpu) => {
                let architecture = cpu.architecture().name();
                format!("{architecture} {} {} {}", cpu.processor(), cpu.lanes, cpu.features())
            }
            Self::Nvidia(gpu) => format!("sm_{} {}", gpu.compute_capability, gpu.features()),
        }
    }

    /// The instruction sets that code for a processor may use, by LLVM's names: another machine
    /// needs them to run the code. Empty for a GPU.
    pub fn needed_features(&self) -> Vec<&str> {
        match self {
            Self::Cpu(cpu) => cpu.needed_features(),
            Self::Nvidia(_) => vec![],
        }
    }

    /// Returns whether code for this target can run on this machine's processor.
    pub fn runs_on_host_processor(&self) -> bool {
        matches!(self, Self::Cpu(cpu) if cpu.runs_on_host())
    }
}

impl Nvidia {
    /// Major version times ten plus minor version: 90 for `sm_90`.
    pub fn compute_capability(self) -> u32 {
        self.compute_capability
    }

    /// The processor's name to LLVM, such as `sm_90`.
    pub(super) fn name(self) -> String {
        format!("sm_{}", self.compute_capability)
    }

    /// LLVM's feature string, which is the PTX version.
    pub(super) fn features(self) -> String {
        format!("+ptx{}", self.ptx_version)
    }
}

impl From<(u32, u32)> for Nvidia {
    fn from((compute_capability, ptx_version): (u32, u32)) -> Self {
        Self { compute_capability, ptx_version }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text == "cpu" {
            return Self::host();
        }
        let cpu = text.strip_prefix("cpu:").and_then(Cpu::named).map(Self::Cpu);
        let gpu = || text.strip_prefix("sm_").and_then(find_architecture);
        cpu.or_else(|| gpu().map(Self::Nvidia))
            .ok_or_else(|| TargetError::Unknown { name: text.to_owned(), known: known_names() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(cpu) => match cpu.level_name() {
                Some(level) => write!(formatter, "cpu:{level}"),
                None => formatter.write_str("cpu"),
            },
            Self::Nvidia(gpu) => formatter.write_str(&gpu.name()),
        }
    }
}

fn find_architecture(digits: &str) -> Option<Nvidia> {
    let number: u32 = digits.parse().ok()?;
    let known = ARCHITECTURES.into_iter().find(|(sm, _)| *sm == number);
    known.map(Nvidia::from)
}

fn known_names() -> String {
    let levels = cpu::level_names().map(|name| format!("cpu:{name}"));
    let gpus = ARCHITECTURES.iter().map(|(sm, _)| format!("sm_{sm}"));
    std::iter::once("cpu".to_owned()).chain(levels).chain(gpus).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
