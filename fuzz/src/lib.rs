//! One check for each kind of input that comes from outside: what lossc does with it, up to
//! where nothing new can happen.
//!
//! A check returns whether lossc took the input. It panics where lossc does what it must
//! not: where a pass builds what is ill-formed, or two ways to one value part. That lossc
//! itself neither panics nor hangs nor takes all memory is what the caller looks for.

pub mod bundle;
pub mod cache;
pub mod certificate;
pub mod header;
pub mod npy;
pub mod options;
mod run;
pub mod text;

/// A kind of input and its check.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them, by the names of their binaries and folders.
pub const TARGETS: [Target; 6] = [
    ("text", text::check),
    ("npy", npy::check),
    ("bundle", bundle::check),
    ("cache", cache::check),
    ("certificate", certificate::check),
    ("options", options::check),
];
