//! Certificates: proofs that the code that runs computes the loss as written.

use lossc_dialect::ops::Numerics;
use lossc_passes::certificate::CertificateError;
pub use lossc_passes::certificate::{Certificate, VERSION};
use lossc_passes::codegen::Target;
use serde::Deserialize;

use crate::error::Error;
use crate::loss::Loss;
use crate::pipeline;

/// Returns the certificate of compiling `loss` for `target` and `numerics`.
pub fn certify(loss: &Loss, target: &Target, numerics: Numerics) -> Result<Certificate, Error> {
    let options = pipeline::Options { numerics, ..Default::default() };
    let stages = pipeline::optimise(loss.program()?, &options, target, true)?;
    Ok(Certificate::new(&stages.source, &stages.stable, &stages.gradient, &stages.optimised)?)
}

/// Reads a certificate from JSON and checks it.
pub fn read(text: &str) -> Result<Certificate, Error> {
    // Another version may have other fields, so the version is read first.
    let Header { version } = serde_json::from_str(text)?;
    if version != VERSION {
        return Err(CertificateError::Version { found: version }.into());
    }
    let certificate: Certificate = serde_json::from_str(text)?;
    certificate.verify()?;
    Ok(certificate)
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}
