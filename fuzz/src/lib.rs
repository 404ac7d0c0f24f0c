//! One check for each kind of input from outside: lossc processes it, up to the point where nothing
//! new can happen.
//!
//! A check returns whether lossc accepted the input. It panics on wrong behaviour: if a compiler
//! pass builds an ill-formed program, or two ways to one value differ. The caller finds out whether
//! lossc itself panics, hangs or takes all memory.
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

/// All targets, by the names of their binaries and folders.
pub const TARGETS: [Target; 6] = [
    ("text", text::check),
    ("npy", npy::check),
    ("bundle", bundle::check),
    ("cache", cache::check),
    ("certificate", certificate::check),
    ("options", options::check),
];
