//! The processor that code needs, and a check of this machine's.

use serde::{Deserialize, Serialize};

use super::BundleError;

/// A processor that code is compiled for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// The architecture as Rust names it: `x86_64` or `aarch64`.
    pub architecture: String,
    /// Its name, for messages.
    pub name: String,
    /// The instruction sets that the code may use, by LLVM's names, such as `avx512f`.
    pub features: Vec<String>,
}

impl Processor {
    /// Checks that this machine has all of it. A feature that this crate cannot detect counts
    /// as missing.
    ///
    /// # Errors
    /// If it is another architecture, or has a feature that this machine lacks.
    pub fn check(&self) -> Result<(), BundleError> {
        if self.architecture != std::env::consts::ARCH {
            let bundle = self.architecture.clone();
            return Err(BundleError::Architecture { bundle, machine: std::env::consts::ARCH });
        }
        let missing: Vec<_> = self.features.iter().filter(|it| !is_present(it)).cloned().collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(BundleError::Features { name: self.name.clone(), missing }),
        }
    }
}

fn is_present(feature: &str) -> bool {
    let mut known = SAME_NAME.iter().chain(OTHER_NAME);
    known.any(|(name, present)| *name == feature && present())
}

/// LLVM's name of an instruction set, and a test of this processor for it.
type Feature = (&'static str, fn() -> bool);

/// Features that LLVM and Rust call the same.
#[cfg(target_arch = "x86_64")]
macro_rules! features {
    ($($name:tt)*) => { &[$(($name, || std::arch::is_x86_feature_detected!($name))),*] };
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static SAME_NAME: &[Feature] = features! {
    "adx" "aes" "avx" "avx2"
    "avx512bf16" "avx512bitalg" "avx512bw" "avx512cd" "avx512dq" "avx512f" "avx512fp16" "avx512ifma"
    "avx512vbmi" "avx512vbmi2" "avx512vl" "avx512vnni" "avx512vp2intersect" "avx512vpopcntdq"
    "avxifma" "avxneconvert" "avxvnni" "avxvnniint16" "avxvnniint8"
    "bmi2" "f16c" "fma" "fxsr" "gfni" "lzcnt" "mmx" "movbe" "popcnt"
    "sha" "sha512" "sm3" "sm4" "sse" "sse2" "sse3" "sse4.1" "sse4.2" "sse4a" "ssse3"
    "tbm" "vaes" "vpclmulqdq"
};

#[cfg(target_arch = "x86_64")]
static OTHER_NAME: &[Feature] = &[
    ("bmi", || std::arch::is_x86_feature_detected!("bmi1")),
    ("cx16", || std::arch::is_x86_feature_detected!("cmpxchg16b")),
    ("pclmul", || std::arch::is_x86_feature_detected!("pclmulqdq")),
];

// Code for AArch64 uses only what every such processor has.
#[cfg(not(target_arch = "x86_64"))]
static SAME_NAME: &[Feature] = &[];
#[cfg(not(target_arch = "x86_64"))]
static OTHER_NAME: &[Feature] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    fn processor(architecture: &str, features: &[&str]) -> Processor {
        let features = features.iter().map(|&it| it.to_owned()).collect();
        Processor { architecture: architecture.into(), name: "test".into(), features }
    }

    #[test]
    fn this_machine_has_what_it_has() {
        assert_eq!(processor(std::env::consts::ARCH, &[]).check(), Ok(()));
        if cfg!(target_arch = "x86_64") {
            assert_eq!(processor("x86_64", &["sse", "sse2"]).check(), Ok(()));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = processor(std::env::consts::ARCH, &["avx9000", "time-travel"]).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the bundle was compiled for test and needs avx9000, time-travel, \
             which this processor is not known to have"
        );
        let error = processor("mips", &[]).check().unwrap_err().to_string();
        assert!(error.starts_with("the bundle is for mips, this machine is "), "{error}");
    }

    /// Trailing bit manipulation, which few processors ever had.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_known_feature_may_be_absent() {
        let present = std::arch::is_x86_feature_detected!("tbm");
        assert_eq!(processor("x86_64", &["tbm"]).check().is_ok(), present);
    }
}
