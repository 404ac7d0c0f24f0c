//! Reasons why a call could not run.

use crate::bundle::BundleError;
use crate::cuda::CudaError;
use crate::layout::LayoutError;
use crate::manifest::ManifestError;
use crate::native::ObjectError;
use crate::tensor::{ElementType, TensorError};

/// Any failure between a call and its result. Each message is one line (except for a driver's
/// compilation log) and names the argument.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Not as many tensors as the manifest lists.
    #[error("expected {what} {}, got {found} tensors", list(.names))]
    ArgumentCount {
        /// `pixel inputs` or `gradients`.
        what: &'static str,
        /// The names the manifest lists.
        names: Vec<String>,
        /// The number of tensors passed.
        found: usize,
    },
    /// A tensor of another element type than the code was compiled for.
    #[error("{argument}: expected a tensor of {expected}, got {found}")]
    ElementType {
        /// The argument.
        argument: String,
        /// The type that the code was compiled for.
        expected: ElementType,
        /// The type passed.
        found: ElementType,
    },
    /// A tensor of another shape than the first.
    #[error("{argument}: shape {found:?} differs from {reference}'s {expected:?}")]
    Shape {
        /// The argument.
        argument: String,
        /// The shape passed.
        found: Vec<usize>,
        /// The argument whose shape it must have.
        reference: String,
        /// That shape.
        expected: Vec<usize>,
    },
    /// A scalar argument the loss does not have.
    #[error("{loss} has no scalar argument `{name}`: expected one of {}", list(.known))]
    UnknownScalar {
        /// The loss.
        loss: String,
        /// The name given.
        name: String,
        /// The names the loss has.
        known: Vec<String>,
    },
    /// The loss was compiled without its backward direction.
    #[error("{0} was compiled without a gradient")]
    NoGradient(String),
    /// Residuals of another loss.
    #[error("residuals of {found} cannot be used with {expected}")]
    ForeignResiduals {
        /// The loss that runs.
        expected: String,
        /// The loss the residuals are of.
        found: String,
    },
    /// Sums over different numbers of groups.
    #[error("sums of {found} groups cannot be added to sums of {expected} groups")]
    Groups {
        /// Groups of the sums added to.
        expected: usize,
        /// Groups of the sums being added.
        found: usize,
    },
    /// A direction that the code was not made for.
    #[error("{loss} was compiled without {direction}")]
    NoDirection {
        /// The loss.
        loss: String,
        /// `forward`, `backward` or `forward_backward`.
        direction: &'static str,
    },
    /// A pass that the loss, or its forward direction, does not have.
    #[error("{loss} has {passes} forward passes, there is no pass {pass} among them")]
    NoSuchPass {
        /// The loss.
        loss: String,
        /// The number of its forward passes.
        passes: usize,
        /// The pass asked for.
        pass: usize,
    },
    /// `forward_partials` where later passes need earlier totals.
    #[error(
        "{loss} takes {passes} forward passes, and sums of several workers must be added up after each: \
         use partials_of_pass and finish_pass"
    )]
    SeveralPasses {
        /// The loss.
        loss: String,
        /// The number of its forward passes.
        passes: usize,
    },
    /// Sums that depend on the number of all pixels, which several workers had not added up.
    #[error(
        "{0} needs the number of all pixels in its first pass: workers add theirs with merge_sizes before it"
    )]
    SizesFirst(String),
    /// The workspace does not fit in memory.
    #[error("the partial sums of {0} chunks do not fit in memory")]
    Workspace(usize),
    /// A shape that cannot be cut into planes.
    #[error("{argument}: {error}")]
    Layout {
        /// The argument.
        argument: String,
        /// The mistake in its shape.
        error: LayoutError,
    },
    /// A tensor that could not be made.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A manifest that does not fit together.
    #[error("the manifest of {loss} is not valid: {error}")]
    Manifest {
        /// The loss.
        loss: String,
        /// The mismatch.
        error: ManifestError,
    },
    /// Native code that could not be loaded.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A bundle that cannot run here.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A failure of the CUDA driver or device.
    #[error(transparent)]
    Cuda(#[from] CudaError),
}

/// Formats names as `(a, b, c)`, or `()` if there are none.
fn list(names: &[String]) -> String {
    format!("({})", names.join(", "))
}
