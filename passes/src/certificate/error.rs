//! Why a certificate certifies nothing.

use lossc_dialect::text::ParseError;
use thiserror::Error;

use super::VERSION;
use super::samples::SampleError;
use crate::differentiate::DifferentiateError;
use crate::egraph::ProofError;

/// Why a certificate certifies nothing. Each message is one line.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// Another version of the format.
    #[error("the certificate is of version {found}; this lossc reads version {VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },
    /// A phase stands where another belongs.
    #[error("the certificate has the phase `{found}` where {expected} belongs")]
    Phase {
        /// What belongs there.
        expected: &'static str,
        /// What it says.
        found: String,
    },
    /// The certificate is named after another loss.
    #[error("the certificate is for `{named}`, its source is `{found}`")]
    Name {
        /// What the certificate says.
        named: String,
        /// The name of its first program.
        found: String,
    },
    /// The rewriting kept no proof: it was not asked to explain itself.
    #[error("{phase}: the rewriting kept no proof")]
    NoProof {
        /// The phase.
        phase: &'static str,
    },
    /// A program's text holds none.
    #[error("{phase}: a text holds no single program")]
    NoProgram {
        /// The phase.
        phase: &'static str,
    },
    /// A program's text is no program.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A proof proves nothing.
    #[error("{phase}: {error}")]
    Proof {
        /// The phase.
        phase: &'static str,
        /// Where it fails.
        error: ProofError,
    },
    /// A proof proves another result.
    #[error("{phase}: the proof does not end at its result")]
    Result {
        /// The phase.
        phase: &'static str,
    },
    /// What saturation starts from is not the gradient of the stable form.
    #[error("saturate: the source is not the gradient of what stabilise gives")]
    Gradient,
    /// There is no gradient between the phases.
    #[error(transparent)]
    Differentiate(#[from] DifferentiateError),
    /// The samples say otherwise.
    #[error("{phase}: {error}")]
    Samples {
        /// The phase.
        phase: &'static str,
        /// What differs.
        error: SampleError,
    },
}
