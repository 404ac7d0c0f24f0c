//! Reasons why a file is not a bundle that could run here.

use std::path::PathBuf;

/// Error of a bundle. Each message is one line and says where the mistake is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(String),
    /// The file could not be written.
    #[error("cannot be written: {0}")]
    Write(String),
    /// The first bytes are not a bundle's.
    #[error("not a lossc bundle: byte {0} differs from a bundle's first eight")]
    Magic(usize),
    /// A version of the format that this reader does not know.
    #[error(
        "a bundle of version {found} (bytes 8 to 11), but this is a reader of version {}: compile it again",
        super::VERSION
    )]
    Version {
        /// The file's version.
        found: u32,
    },
    /// The file is shorter than it says.
    #[error("truncated: the file ends at byte {found} within {part}, which ends at byte {expected}")]
    Truncated {
        /// The part that the file ends in.
        part: &'static str,
        /// The offset at which that part should end.
        expected: u64,
        /// The file's length.
        found: u64,
    },
    /// The file is longer than it says.
    #[error("the bundle ends at byte {expected}, but the file goes on to byte {found}")]
    Trailing {
        /// The offset at which the bundle ends.
        expected: u64,
        /// The file's length.
        found: u64,
    },
    /// The bytes are not those that were written.
    #[error("altered or damaged: the hash of bytes 0 to {0} is not the one that follows them")]
    Hash(u64),
    /// The header is not one of this version.
    #[error("the header (from byte 24) is not that of a bundle: {0}")]
    Header(String),
    /// PTX that is not text.
    #[error("the code is not PTX: byte {0} of the file is not UTF-8")]
    NotText(u64),
    /// A part too long for the format.
    #[error("a header of {0} bytes does not fit a bundle")]
    TooLong(usize),
    /// The code is for another architecture.
    #[error("the bundle is for {bundle}, this machine is {machine}")]
    Architecture {
        /// The architecture that the code is for.
        bundle: String,
        /// The architecture of this machine.
        machine: &'static str,
    },
    /// The code uses instructions that this processor does not have.
    #[error("the bundle was compiled for {name} and needs {}, which this processor is not known to have", .missing.join(", "))]
    Features {
        /// The processor that the code was compiled for.
        name: String,
        /// The features that are missing.
        missing: Vec<String>,
    },
    /// The device is older than the code.
    #[error("the bundle needs compute capability {}.{}, the GPU has {}.{}", .needed / 10, .needed % 10, .found / 10, .found % 10)]
    ComputeCapability {
        /// The compute capability that the code needs.
        needed: u32,
        /// The compute capability of the device.
        found: u32,
    },
    /// Code for a processor was asked of a bundle for GPUs, or the reverse.
    #[error("the bundle is for {found}, not for {expected}")]
    OtherCode {
        /// The machine that it is for.
        found: &'static str,
        /// The machine that was asked for.
        expected: &'static str,
    },
}

/// Error of a bundle, and its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {error}", .path.display())]
pub struct BundleFileError {
    /// The file.
    pub path: PathBuf,
    /// The error.
    pub error: BundleError,
}
