//! Keys: the names of entries.

use std::fmt;
use std::sync::Arc;

use lossc_faults::{Fault, is_seeded};
use lossc_passes::codegen::Target;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::build;
use crate::loss::Loss;
use crate::pipeline;

/// All that code depends on, and its hash in hexadecimal: the name of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    text: Arc<[u8]>,
    name: String,
}

/// All that code depends on, as JSON, in which different requests differ.
#[derive(Serialize)]
struct Request<'a> {
    build: Option<&'a str>,
    source: &'a str,
    settings: Vec<(&'a str, &'a str)>,
    options: String,
    target: String,
}

impl Key {
    /// The key of `loss` specialised by `options` for `target`.
    pub(crate) fn new(loss: &Loss, options: &pipeline::Options, target: &Target) -> Self {
        let request = Request {
            build: build::fingerprint(),
            source: loss.source(),
            settings: loss
                .settings()
                .iter()
                .map(|(name, value)| (name.as_str(), without_number(value)))
                .collect(),
            // All fields, including those added later.
            options: if is_seeded(Fault::OptionsAreNotInTheKey) {
                String::new()
            } else {
                format!("{options:?}")
            },
            target: target.fingerprint(),
        };
        let text = serde_json::to_vec(&request).expect("strings can be written as JSON");
        let name = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text: text.into(), name }
    }

    /// All that the code depends on.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

/// Returns a value without its number. A scalar's value is not part of the key. If a choice has
/// values that read as numbers they share a key, and the entry tells them apart.
fn without_number(value: &str) -> &str {
    if value.parse::<f32>().is_ok() { "#" } else { value }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}
