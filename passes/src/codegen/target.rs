//! The machines that lossc compiles for.

use std::{fmt, str::FromStr};

use inkwell::targets::TargetMachine;
use thiserror::Error;

/// What to compile for: this machine's processor, or an NVIDIA GPU.
///
/// Parsed from `cpu`, `cpu:avx2`, `cpu:x86-64-v4`, `sm_80`, `sm_90`, ….
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A processor of the host's architecture.
    Cpu(Cpu),
    /// A GPU, programmed in PTX.
    Nvidia(Nvidia),
}

/// A processor as LLVM describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cpu {
    name: String,
    features: String,
    lanes: usize,
    level: Option<&'static str>,
}

/// An NVIDIA architecture and the PTX version its kernels are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nvidia {
    compute_capability: u32,
    ptx_version: u32,
}

/// Why there is no such target.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// The text names no target.
    #[error("unknown target `{name}`; known are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Every name that is understood.
        known: String,
    },
    /// The processor cannot round `a * b + c` once, which exact results need.
    #[error(
        "this processor ({name}) has no fused multiply-add; lossc needs one (x86-64 with FMA, 2013 or later)"
    )]
    NoFusedMultiplyAdd {
        /// LLVM's name of the processor.
        name: String,
    },
    /// LLVM was built without a backend for this machine.
    #[error("lossc generates native code for x86-64 only, not for {architecture}")]
    UnsupportedArchitecture {
        /// The architecture lossc itself was compiled for.
        architecture: &'static str,
    },
    /// A vector is 4, 8 or 16 lanes of f32.
    #[error("{lanes} lanes do not fit the target's vectors of {widest} lanes of f32")]
    Lanes {
        /// The lanes asked for.
        lanes: usize,
        /// The lanes the processor has.
        widest: usize,
    },
}

/// A level of the x86-64 psABI: a processor without a maker.
struct Level {
    name: &'static str,
    alias: &'static str,
    lanes: usize,
    needs: &'static [&'static str],
}

const LEVELS: [Level; 2] = [
    Level {
        name: "x86-64-v3",
        alias: "avx2",
        lanes: 8,
        needs: &["avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"],
    },
    Level {
        name: "x86-64-v4",
        alias: "avx512",
        lanes: 16,
        needs: &[
            "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "avx512f", "avx512bw", "avx512cd",
            "avx512dq", "avx512vl",
        ],
    },
];

/// What LLVM says of a processor but generated code never relies on unasked:
/// what every x86-64 has or other features imply, and instructions for system code or
/// behind intrinsics that lossc does not use. Names that end in `-` are prefixes.
#[rustfmt::skip]
const NEVER_USED_UNASKED: [&str; 46] = [
    "64bit", "cmov", "cx8", "sahf", "crc32", "evex512", "avx10.1", "avx10.1-512",
    "prfchw", "prefetchi", "clflushopt", "clwb", "cldemote", "clzero", "wbnoinvd",
    "xsave", "xsavec", "xsaveopt", "xsaves", "fsgsbase", "invpcid", "pconfig", "pku", "ptwrite",
    "rdpid", "rdpru", "rdrnd", "rdseed", "serialize", "sgx", "shstk", "uintr", "usermsr",
    "rtm", "tsxldtrk", "mwaitx", "waitpkg", "hreset", "enqcmd", "movdiri", "movdir64b", "raoint",
    "kl", "widekl", "lwp", "amx-",
];

/// Compute capability and the oldest PTX version that knows it (63 is 6.3):
/// the older the text, the more drivers take it.
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
    /// When LLVM has no backend for it or it has no fused multiply-add.
    pub fn host() -> Result<Self, TargetError> {
        Cpu::host().map(Self::Cpu)
    }

    /// The newest known architecture whose PTX a device of this compute
    /// capability can run: the driver translates PTX forward, never back.
    pub fn for_compute_capability(major: u32, minor: u32) -> Option<Self> {
        let device = major * 10 + minor;
        let known = ARCHITECTURES.iter().rev().find(|(sm, _)| *sm <= device);
        known.map(|&architecture| Self::Nvidia(Nvidia::from(architecture)))
    }

    /// The same processor, used with vectors of fewer lanes. Results do not
    /// depend on the width; tests use this to show it.
    ///
    /// # Errors
    ///
    /// When `lanes` is not 4, 8 or 16, is wider than the processor's vectors,
    /// or the target is a GPU.
    pub fn with_vector_lanes(mut self, lanes: usize) -> Result<Self, TargetError> {
        let widest = self.vector_lanes();
        match &mut self {
            Self::Cpu(cpu) if [4, 8, 16].contains(&lanes) && lanes <= widest => cpu.lanes = lanes,
            _ => return Err(TargetError::Lanes { lanes, widest }),
        }
        Ok(self)
    }

    /// Lanes of f32 in one vector register: 16 with AVX-512, 8 with AVX2 and 4
    /// otherwise; on a GPU the 4 that one 16-byte load of a thread brings.
    pub fn vector_lanes(&self) -> usize {
        match self {
            Self::Cpu(cpu) => cpu.lanes,
            Self::Nvidia(_) => 4,
        }
    }

    /// All that the generated code depends on, as a key for caches. `Display`
    /// is shorter and says `cpu` for any host.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Cpu(cpu) => format!("{} {} {}", cpu.name, cpu.lanes, cpu.features),
            Self::Nvidia(gpu) => format!("sm_{} {}", gpu.compute_capability, gpu.features()),
        }
    }

    /// The instruction sets that code for a processor may use, by LLVM's names:
    /// what another machine must have to run it. Empty for a GPU.
    pub fn needed_features(&self) -> Vec<&str> {
        let Self::Cpu(cpu) = self else { return vec![] };
        if let Some(level) = cpu.level.and_then(find_level) {
            return level.needs.to_vec();
        }
        let present = cpu.features.split(',').filter_map(|entry| entry.strip_prefix('+'));
        let unused = |feature: &str| {
            let same = |name: &&str| feature == *name || name.ends_with('-') && feature.starts_with(*name);
            NEVER_USED_UNASKED.iter().any(same)
        };
        // LLVM lists them in the order of a hash table.
        let mut needed: Vec<_> = present.filter(|feature| !unused(feature)).collect();
        needed.sort_unstable();
        needed
    }

    /// Whether code for this target can run on this machine's processor.
    pub fn runs_on_host_processor(&self) -> bool {
        let Self::Cpu(cpu) = self else { return false };
        let level = cpu.level.and_then(|name| LEVELS.iter().find(|level| level.name == name));
        level.is_none_or(|level| {
            let host = host_features();
            level.needs.iter().all(|feature| has(&host, feature))
        })
    }
}

impl Cpu {
    fn host() -> Result<Self, TargetError> {
        if !cfg!(target_arch = "x86_64") {
            return Err(TargetError::UnsupportedArchitecture { architecture: std::env::consts::ARCH });
        }
        let name = TargetMachine::get_host_cpu_name().to_string();
        Self::detected(name, host_features())
    }

    fn detected(name: String, features: String) -> Result<Self, TargetError> {
        if !has(&features, "fma") {
            return Err(TargetError::NoFusedMultiplyAdd { name });
        }
        let widest =
            LEVELS.iter().rev().find(|level| level.needs.iter().all(|feature| has(&features, feature)));
        let lanes = widest.map_or(4, |level| level.lanes);
        Ok(Self { name, features, lanes, level: None })
    }

    fn level(level: &'static Level) -> Self {
        Self {
            name: level.name.to_owned(),
            features: String::new(),
            lanes: level.lanes,
            level: Some(level.name),
        }
    }

    /// LLVM's name of the processor, such as `sapphirerapids`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// LLVM's feature string, such as `+avx2,+fma`; empty if the name says all.
    pub fn features(&self) -> &str {
        &self.features
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
        let level = text.strip_prefix("cpu:").and_then(find_level);
        let cpu = level.map(|level| Self::Cpu(Cpu::level(level)));
        let gpu = || text.strip_prefix("sm_").and_then(find_architecture);
        cpu.or_else(|| gpu().map(Self::Nvidia))
            .ok_or_else(|| TargetError::Unknown { name: text.to_owned(), known: known_names() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(Cpu { level: None, .. }) => formatter.write_str("cpu"),
            Self::Cpu(Cpu { level: Some(level), .. }) => write!(formatter, "cpu:{level}"),
            Self::Nvidia(gpu) => formatter.write_str(&gpu.name()),
        }
    }
}

fn host_features() -> String {
    TargetMachine::get_host_cpu_features().to_string()
}

fn has(features: &str, feature: &str) -> bool {
    features.split(',').any(|entry| entry.strip_prefix('+') == Some(feature))
}

fn find_level(name: &str) -> Option<&'static Level> {
    LEVELS.iter().find(|level| level.name == name || level.alias == name)
}

fn find_architecture(digits: &str) -> Option<Nvidia> {
    let number: u32 = digits.parse().ok()?;
    let known = ARCHITECTURES.into_iter().find(|(sm, _)| *sm == number);
    known.map(Nvidia::from)
}

fn known_names() -> String {
    let levels = LEVELS.iter().flat_map(|level| [level.alias, level.name]).map(|name| format!("cpu:{name}"));
    let gpus = ARCHITECTURES.iter().map(|(sm, _)| format!("sm_{sm}"));
    std::iter::once("cpu".to_owned()).chain(levels).chain(gpus).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_print_back() {
        for name in ["cpu", "cpu:x86-64-v3", "cpu:x86-64-v4", "sm_80", "sm_121"] {
            let target: Target = name.parse().expect(name);
            assert_eq!(target.to_string(), name);
        }
        let alias: Target = "cpu:avx2".parse().expect("an alias");
        assert_eq!(alias.to_string(), "cpu:x86-64-v3");
        assert_eq!(alias.vector_lanes(), 8);
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        for name in ["gpu", "sm_81", "sm_90a", "cpu:", "cpu:sse", "", "sm_"] {
            let error = name.parse::<Target>().expect_err(name).to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
            assert!(error.contains("cpu:avx2") && error.contains("sm_90"));
        }
    }

    #[test]
    fn a_processor_without_fused_multiply_add_is_refused() {
        let old = Cpu::detected("nehalem".to_owned(), "+sse4.2,-fma,-avx2".to_owned());
        let error = old.expect_err("no fma").to_string();
        assert!(error.contains("nehalem") && error.contains("fused multiply-add"));
    }

    #[test]
    fn what_code_needs_leaves_out_what_it_never_uses() {
        let features = "+64bit,+avx2,+fma,-avx512f,+xsave,+amx-tile,+bmi".to_owned();
        let host = Cpu::detected("test".to_owned(), features).map(Target::Cpu).expect("it has fma");
        assert_eq!(host.needed_features(), ["avx2", "bmi", "fma"]);
        let level: Target = "cpu:avx2".parse().expect("a level");
        assert!(level.needed_features().contains(&"fma"));
        let gpu: Target = "sm_90".parse().expect("an architecture");
        assert!(gpu.needed_features().is_empty());
    }

    #[test]
    fn vectors_narrow_but_never_widen() {
        let narrow: Target = "cpu:avx2".parse().expect("a level");
        let narrower = narrow.clone().with_vector_lanes(4).expect("4 fit in 8");
        assert_eq!(narrower.vector_lanes(), 4);
        assert_ne!(narrow.fingerprint(), narrower.fingerprint());
        for lanes in [0, 5, 16] {
            assert!(narrow.clone().with_vector_lanes(lanes).is_err());
        }
    }

    #[test]
    fn a_newer_device_gets_the_newest_known_architecture() {
        let name =
            |major, minor| Target::for_compute_capability(major, minor).map(|target| target.to_string());
        assert_eq!(name(9, 0).as_deref(), Some("sm_90"));
        assert_eq!(name(8, 8).as_deref(), Some("sm_87"));
        assert_eq!(name(15, 0).as_deref(), Some("sm_121"));
        assert_eq!(name(6, 1), None);
    }
}
