//! lossc compiles segmentation losses.
//!
//! A loss is a small program over pixels. lossc rewrites it with an e-graph,
//! derives its gradient, fuses both into as few passes over the data as the
//! algebra allows, and lowers it through MLIR and LLVM to native code or PTX.
//!
//! ```
//! use lossc::{Compiler, Seed, Target, losses};
//! use ndarray::array;
//!
//! # fn main() -> Result<(), lossc::Error> {
//! let loss = losses::random_drop(losses::Schedule::Log)?;
//! let compiled = Compiler::new(Target::host()?).compile(&loss)?;
//!
//! let logits = array![[-4.0f32, 2.5, 0.1], [-3.0, -0.2, 1.0]];
//! let labels = array![[0u8, 1, 0], [0, 0, 1]];
//! let step = compiled.forward_backward(&logits, &labels, Seed(42))?;
//! println!("{} {:?}", step.loss, step.groups);
//! let gradient = step.gradient.to_array::<f32>()?;
//! assert_eq!(gradient.shape(), logits.shape());
//! # Ok(())
//! # }
//! ```

pub mod bench;
mod bundle;
pub mod cache;
pub mod certificate;
mod compiled;
mod compiler;
mod description;
mod dump;
mod error;
pub mod explain;
mod input;
mod invalid;
mod loss;
pub mod losses;
pub mod manifest;
pub mod npy;
pub mod pipeline;
mod request;

pub use cache::Cache;
pub use compiled::{Compiled, Forward, Options, Seed, Step};
pub use compiler::Compiler;
pub use description::{ChosenValue, Description};
pub use error::Error;
pub use input::Input;
pub use invalid::Offender;
pub use loss::{Loss, Selection, number};
pub use pipeline::Optimisation;

pub use lossc_dialect::ops::Numerics;
pub use lossc_dialect::{Builder, Program};
pub use lossc_passes::codegen::Target;
pub use lossc_passes::specialise::Reduction;
pub use lossc_runtime::{
    Balance, Bundle, ElementType, GroupResult, GroupValues, Residuals, Tensor, TensorView, TensorViewMut,
};

/// The README's code is compiled and run as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
