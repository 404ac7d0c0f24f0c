//! Errors between a loss's text and its gradient.

use std::path::PathBuf;

use lossc_dialect::near;
use lossc_dialect::program::BuildError;
use lossc_dialect::text::ParseError;
use lossc_passes::certificate::CertificateError;
use lossc_passes::codegen::{CodegenError, TargetError};
use lossc_passes::differentiate::DifferentiateError;
use lossc_passes::lower::LowerError;
use lossc_passes::specialise::SpecialiseError;
use lossc_runtime::RuntimeError;
use lossc_runtime::bundle::{BundleError, BundleFileError};
use lossc_runtime::cuda::CudaError;
use lossc_runtime::tensor::TensorError;
use miette::Diagnostic;
use thiserror::Error as ThisError;

use crate::invalid::{self, Offender};

/// Why a loss could not be compiled or run. Each message is one line.
#[derive(Debug, ThisError, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a loss.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Parse(#[from] ParseError),
    /// There is no library loss of this name.
    #[error("there is no loss `{name}`{}; the library has {known}, and a file ends in .mlir", near::hint(.name, .known.split(", ")))]
    UnknownLoss {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The loss has no option of this name.
    #[error("{loss} has no option `{name}`: {known}")]
    UnknownOption {
        /// The loss.
        loss: String,
        /// The name asked for.
        name: String,
        /// The options it has.
        known: String,
    },
    /// An option cannot take this value.
    #[error("{loss}: option `{name}` cannot be `{value}`: it is {known}")]
    OptionValue {
        /// The loss.
        loss: String,
        /// The option.
        name: String,
        /// The value asked for.
        value: String,
        /// The values it can take.
        known: String,
    },
    /// The loss is larger than what is compiled.
    #[error("{loss}: {error}")]
    Size {
        /// The loss.
        loss: String,
        /// Its size.
        error: BuildError,
    },
    /// A pass built an ill-formed program: an error of lossc.
    #[error("{pass}: {error}")]
    Pass {
        /// The pass.
        pass: &'static str,
        /// The defect.
        error: BuildError,
    },
    /// Options that the loss cannot take.
    #[error(transparent)]
    Specialise(#[from] SpecialiseError),
    /// The loss has no gradient.
    #[error(transparent)]
    Differentiate(#[from] DifferentiateError),
    /// The scheduled program could not be lowered.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// No machine code was generated.
    #[error(transparent)]
    Codegen(#[from] CodegenError),
    /// The target is not known, or not this machine's.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Code for a processor other than this one cannot run here.
    #[error("code for {0} does not run on this machine")]
    ForeignTarget(String),
    /// A call does not fit the loss, or the device failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A bundle does not run here.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file is not a bundle.
    #[error(transparent)]
    BundleFile(#[from] BundleFileError),
    /// There is no NVIDIA driver or device.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// A tensor could not be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// Labels are invalid.
    #[error("{}", invalid::labels(*.count, *.ignored, .first.as_ref()))]
    InvalidLabels {
        /// The number of invalid labels.
        count: i64,
        /// The ignored label.
        ignored: Option<i64>,
        /// The first of them, if it is in this call's labels.
        first: Option<Offender>,
    },
    /// Pixel weights are invalid.
    #[error("{}", invalid::weights(*.count, .first.as_ref()))]
    InvalidWeights {
        /// The number of invalid weights.
        count: i64,
        /// The first of them, if it is in this call's weights.
        first: Option<Offender>,
    },
    /// A scalar of a call is infinite or NaN.
    #[error("the number `{name}` cannot be {value}: it is a finite number")]
    NotFinite {
        /// Its name.
        name: String,
        /// Its value.
        value: f32,
    },
    /// A certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A text is not a certificate.
    #[error("not a certificate: {0}")]
    CertificateText(#[from] serde_json::Error),
    /// Something other than lossc made a bundle.
    #[error("the bundle's details are not those that lossc writes: {0}")]
    Details(String),
    /// A stage's text could not be written.
    #[error("cannot write {path}: {error}")]
    Dump {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
}
