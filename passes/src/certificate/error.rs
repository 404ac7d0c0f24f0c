//! The reasons why a certificate certifies nothing.

use lossc_dialect::text::ParseError;
use thiserror::Error;

use super::VERSION;
use super::samples::SampleError;
use crate::differentiate::DifferentiateError;
use crate::egraph::ProofError;

/// The reason why a certificate certifies nothing. Each message is one line.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// Another version of the format.
    #[error("the certificate is of version {found}; this lossc reads version {VERSION}")]
    Version {
        /// The version in the certificate.
        found: u32,
    },
    /// A phase in the position of another.
    #[error("the certificate has the phase `{found}` where {expected} belongs")]
    Phase {
        /// The phase that belongs there.
        expected: &'static str,
        /// The phase in the certificate.
        found: String,
    },
    /// A certificate that is named after another loss.
    #[error("the certificate is for `{named}`, its source is `{found}`")]
    Name {
        /// The name in the certificate.
        named: String,
        /// The name of its first program.
        found: String,
    },
    /// A rewriting without a proof: it was not asked to explain itself.
    #[error("{phase}: the rewriting kept no proof")]
    NoProof {
        /// The phase.
        phase: &'static str,
    },
    /// A program's text that does not have exactly one program.
    #[error("{phase}: a text holds no single program")]
    NoProgram {
        /// The phase.
        phase: &'static str,
    },
    /// A program's text that is not a program.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A proof that proves nothing.
    #[error("{phase}: {error}")]
    Proof {
        /// The phase.
        phase: &'static str,
        /// The error in the proof.
        error: ProofError,
    },
    /// A proof of another result.
    #[error("{phase}: the proof does not end at its result")]
    Result {
        /// The phase.
        phase: &'static str,
    },
    /// A source of saturation that is not the gradient of the stable form.
    #[error("saturate: the source is not the gradient of what stabilise gives")]
    Gradient,
    /// A stable form without a gradient.
    #[error(transparent)]
    Differentiate(#[from] DifferentiateError),
    /// Samples that contradict the phase.
    #[error("{phase}: {error}")]
    Samples {
        /// The phase.
        phase: &'static str,
        /// The difference.
        error: SampleError,
    },
}
