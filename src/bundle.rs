//! Compiled losses as bundles: the results of compilation in the runtime's terms.

use lossc_dialect::ops::Numerics;
use lossc_passes::codegen::{Artifact, Target};
use lossc_runtime::Bundle;
use lossc_runtime::bundle::{Code, Processor};

use crate::description::Description;
use crate::error::Error;
use crate::manifest::manifest;
use crate::pipeline;

/// The bundle of `code`, compiled for `target`.
pub(crate) fn bundle(
    code: pipeline::Code,
    target: &Target,
    numerics: Numerics,
    description: &Description,
) -> Result<Bundle, Error> {
    Ok(Bundle {
        producer: concat!("lossc ", env!("CARGO_PKG_VERSION")).into(),
        manifest: manifest(&code.schedule, target, numerics),
        details: serde_json::to_value(description).map_err(|error| Error::Details(error.to_string()))?,
        code: machine_code(code.artifact, target),
    })
}

/// Reads the description of the loss in a bundle that lossc made.
pub(crate) fn description(bundle: &Bundle) -> Result<Description, Error> {
    serde_json::from_value(bundle.details.clone()).map_err(|error| Error::Details(error.to_string()))
}

fn machine_code(artifact: Artifact, target: &Target) -> Code {
    match (artifact, target) {
        (Artifact::Object(object), Target::Cpu(cpu)) => {
            let features = target.needed_features().into_iter().map(str::to_owned).collect();
            let architecture = cpu.architecture().name().into();
            Code::Native { processor: Processor { architecture, name: cpu.name().into(), features }, object }
        }
        (Artifact::Text(ptx), Target::Nvidia(gpu)) => {
            Code::Nvidia { compute_capability: gpu.compute_capability(), ptx }
        }
        _ => unreachable!("a processor's code is an object, a GPU's is PTX"),
    }
}
