//! Processors, and the instructions that code may use on each.

use inkwell::targets::TargetMachine;

use super::TargetError;

/// The lanes of f32 that every processor has, in vectors of 128 bits.
const LEAST_LANES: usize = 4;

/// An architecture for which lossc generates code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// 64-bit x86, from SSE2 up.
    X86,
    /// 64-bit ARM with NEON.
    Aarch64,
}

impl Architecture {
    /// The architecture on which lossc runs.
    fn host() -> Result<Self, TargetError> {
        let architecture = std::env::consts::ARCH;
        let known = [Self::X86, Self::Aarch64].into_iter().find(|known| known.name() == architecture);
        known.ok_or(TargetError::UnsupportedArchitecture { architecture })
    }

    /// The name in Rust and in bundles.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// LLVM's triple. Objects are ELF files on every system, since lossc's own
    /// loader takes them.
    pub(in crate::codegen) fn triple(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}

/// A generic processor.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Level {
    name: &'static str,
    alias: &'static str,
    architecture: Architecture,
    /// The processor for which LLVM generates code.
    processor: &'static str,
    lanes: usize,
    /// The features beyond those that every processor of its architecture has.
    needs: &'static [&'static str],
}

/// The levels of the x86-64 psABI, and the one that every 64-bit ARM has; within an architecture
/// in ascending order.
const LEVELS: [Level; 5] = [
    Level {
        name: "x86-64",
        alias: "sse2",
        architecture: Architecture::X86,
        processor: "x86-64",
        lanes: 4,
        needs: &[],
    },
    Level {
        name: "x86-64-v2",
        alias: "sse4.2",
        architecture: Architecture::X86,
        processor: "x86-64-v2",
        lanes: 4,
        needs: &["cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"],
    },
    Level {
        name: "x86-64-v3",
        alias: "avx2",
        architecture: Architecture::X86,
        processor: "x86-64-v3",
        lanes: 8,
        needs: &["avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"],
    },
    Level {
        name: "x86-64-v4",
        alias: "avx512",
        architecture: Architecture::X86,
        processor: "x86-64-v4",
        lanes: 16,
        needs: &[
            "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "avx512f", "avx512bw", "avx512cd",
            "avx512dq", "avx512vl",
        ],
    },
    Level {
        name: "aarch64",
        alias: "neon",
        architecture: Architecture::Aarch64,
        processor: "generic",
        lanes: 4,
        needs: &[],
    },
];

/// Features that LLVM lists for a processor but generated code never uses on its own: those that
/// every x86-64 has or other features imply, and instructions for system code or behind
/// intrinsics that lossc does not use. Names that end in `-` are prefixes.
#[rustfmt::skip]
const NEVER_USED_UNASKED: [&str; 46] = [
    "64bit", "cmov", "cx8", "sahf", "crc32", "evex512", "avx10.1", "avx10.1-512",
    "prfchw", "prefetchi", "clflushopt", "clwb", "cldemote", "clzero", "wbnoinvd",
    "xsave", "xsavec", "xsaveopt", "xsaves", "fsgsbase", "invpcid", "pconfig", "pku", "ptwrite",
    "rdpid", "rdpru", "rdrnd", "rdseed", "serialize", "sgx", "shstk", "uintr", "usermsr",
    "rtm", "tsxldtrk", "mwaitx", "waitpkg", "hreset", "enqcmd", "movdiri", "movdir64b", "raoint",
    "kl", "widekl", "lwp", "amx-",
];

/// A processor in LLVM's terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cpu {
    name: String,
    architecture: Architecture,
    /// The processor for which LLVM generates code.
    processor: String,
    features: String,
    pub(super) lanes: usize,
    level: Option<&'static Level>,
}

impl Cpu {
    /// The processor this program runs on.
    pub(super) fn host() -> Result<Self, TargetError> {
        let name = TargetMachine::get_host_cpu_name().to_string();
        Ok(match Architecture::host()? {
            Architecture::X86 => Self::detected(name, host_features()),
            Architecture::Aarch64 => Self::any_aarch64(name),
        })
    }

    /// An x86-64 processor with these features.
    pub(super) fn detected(name: String, features: String) -> Self {
        let architecture = Architecture::X86;
        let levels = LEVELS.iter().rev().filter(|level| level.architecture == architecture);
        let mut lanes = levels.filter(|level| level.is_within(&features)).map(|level| level.lanes);
        let lanes = lanes.next().unwrap_or(LEAST_LANES);
        Self { processor: name.clone(), name, architecture, features, lanes, level: None }
    }

    /// A 64-bit ARM processor. LLVM's name of one stands for features that it does not list, and
    /// that need not all be present; the features that all have are enough for lossc's vectors.
    fn any_aarch64(name: String) -> Self {
        let level = LEVELS.iter().find(|level| level.architecture == Architecture::Aarch64);
        let any = level.map(Self::level).expect("a level for each architecture");
        Self { name, level: None, ..any }
    }

    fn level(level: &'static Level) -> Self {
        Self {
            name: level.name.to_owned(),
            architecture: level.architecture,
            processor: level.processor.to_owned(),
            features: String::new(),
            lanes: level.lanes,
            level: Some(level),
        }
    }

    /// The level with this name or alias.
    pub(super) fn named(name: &str) -> Option<Self> {
        LEVELS.iter().find(|level| level.name == name || level.alias == name).map(Self::level)
    }

    /// The processor's name: `sapphirerapids`, `x86-64-v3`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The processor's instruction set.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The processor for which LLVM generates code.
    pub(in crate::codegen) fn processor(&self) -> &str {
        &self.processor
    }

    /// LLVM's feature string, such as `+avx2,+fma`; empty if the processor's name implies all.
    pub(in crate::codegen) fn features(&self) -> &str {
        &self.features
    }

    /// Returns whether the processor rounds `a * b + c` once.
    pub(in crate::codegen) fn has_fused_multiply_add(&self) -> bool {
        self.architecture == Architecture::Aarch64 || self.has("fma")
    }

    /// Returns whether the processor converts f16.
    pub(in crate::codegen) fn converts_half(&self) -> bool {
        self.architecture == Architecture::Aarch64 || self.has("f16c")
    }

    /// Returns whether the processor has `feature`, one that not all of its architecture have.
    fn has(&self, feature: &str) -> bool {
        match self.level {
            Some(level) => level.needs.contains(&feature),
            None => has(&self.features, feature),
        }
    }

    /// The name of the processor's level, if it was requested by that.
    pub(super) fn level_name(&self) -> Option<&'static str> {
        self.level.map(|level| level.name)
    }

    /// The instruction sets that the processor's code may use.
    pub(super) fn needed_features(&self) -> Vec<&str> {
        if let Some(level) = self.level {
            return level.needs.to_vec();
        }
        let present = self.features.split(',').filter_map(|entry| entry.strip_prefix('+'));
        let unused = |feature: &str| {
            let same = |name: &&str| feature == *name || name.ends_with('-') && feature.starts_with(*name);
            NEVER_USED_UNASKED.iter().any(same)
        };
        // LLVM lists them in the order of a hash table.
        let mut needed: Vec<_> = present.filter(|feature| !unused(feature)).collect();
        needed.sort_unstable();
        needed
    }

    /// Returns whether code for the processor can run on this machine.
    pub(super) fn runs_on_host(&self) -> bool {
        let is_host = Architecture::host() == Ok(self.architecture);
        is_host && self.level.is_none_or(|level| level.is_within(&host_features()))
    }
}

impl Level {
    fn is_within(&self, features: &str) -> bool {
        self.needs.iter().all(|feature| has(features, feature))
    }
}

/// The names that may follow `cpu:`.
pub(super) fn level_names() -> impl Iterator<Item = &'static str> {
    LEVELS.iter().flat_map(|level| [level.alias, level.name])
}

fn host_features() -> String {
    TargetMachine::get_host_cpu_features().to_string()
}

fn has(features: &str, feature: &str) -> bool {
    features.split(',').any(|entry| entry.strip_prefix('+') == Some(feature))
}
