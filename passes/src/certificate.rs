//! The certificate of a compile: a proof that the program which runs is the loss that was
//! written, in a form that anyone can check again.
//!
//! For each rewriting phase it has the program before and after as text, the proof that leads
//! from one to the other, and the values of both on sample pixels in real numbers. Checking it
//! saturates nothing: each step is compared with the rule it names, the gradient between the
//! phases is derived anew, and the samples are run again.

mod error;
mod samples;

pub use error::CertificateError;
pub use samples::{Numbers, SampleError, Samples};

use std::fmt;

use lossc_dialect::{MAX_OPS, Program, text};
use serde::{Deserialize, Serialize};

use crate::differentiate::differentiate;
use crate::egraph::{Proof, Rewriting, Rule};
use crate::{saturate, stabilise};

/// The version of the format, raised whenever its meaning changes.
pub const VERSION: u32 = 2;

/// The certificate of one compile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The format's version, [`VERSION`].
    pub version: u32,
    /// The version of lossc that made it. Another version checks it against its own rules.
    pub lossc: String,
    /// The program's name, e.g. `random_drop.log`.
    pub loss: String,
    /// The phases in order: the loss is stabilised, then it is optimised with its gradient.
    pub phases: [Phase; 2],
}

/// One rewriting phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// `stabilise` or `saturate`: the phase whose rules are used.
    pub name: String,
    /// The program before, as MLIR.
    pub source: String,
    /// The program after.
    pub result: String,
    /// The proof that one becomes the other.
    pub proof: Proof,
    /// The values of both on sample pixels.
    pub samples: Samples,
}

/// A phase's name and its rules.
type PhaseRules = (&'static str, fn() -> Vec<Rule>);

const PHASES: [PhaseRules; 2] =
    [("stabilise", || stabilise::RULES.to_vec()), ("saturate", saturate::rules::all)];

impl Certificate {
    /// The certificate of a compile of `loss`, where `stable` is its stable form and `optimised`
    /// the optimised form of `gradient`, its stable form with the gradient. Both rewritings must
    /// have proofs. The certificate that is returned has been checked.
    pub fn new(
        loss: &Program,
        stable: &Rewriting,
        gradient: &Program,
        optimised: &Rewriting,
    ) -> Result<Self, CertificateError> {
        let certificate = Self {
            version: VERSION,
            lossc: env!("CARGO_PKG_VERSION").into(),
            loss: loss.name().into(),
            phases: [Phase::new(0, loss, stable)?, Phase::new(1, gradient, optimised)?],
        };
        certificate.verify()?;
        Ok(certificate)
    }

    /// Checks the certificate: every step of both proofs, the gradient between
    /// them, and the samples.
    pub fn verify(&self) -> Result<(), CertificateError> {
        if self.version != VERSION {
            return Err(CertificateError::Version { found: self.version });
        }
        let [stable, optimised] = &self.phases;
        let (loss, stable_form) = stable.verify(0)?;
        if loss.name() != self.loss {
            return Err(CertificateError::Name { named: self.loss.clone(), found: loss.name().into() });
        }
        let (gradient, _) = optimised.verify(1)?;
        if text::print(&differentiate(&stable_form)?) != text::print(&gradient) {
            return Err(CertificateError::Gradient);
        }
        Ok(())
    }
}

/// One line on the claims of a certificate that holds.
impl fmt::Display for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loss, lossc, phases: [stable, optimised], .. } = self;
        let (first, second) = (stable.proof.steps.len(), optimised.proof.steps.len());
        write!(
            formatter,
            "{loss}: the certificate of lossc {lossc} holds: {} in {first} steps, ",
            stable.name
        )?;
        write!(formatter, "{} in {second}, and the same values on sample pixels", optimised.name)
    }
}

impl Phase {
    fn new(index: usize, source: &Program, rewriting: &Rewriting) -> Result<Self, CertificateError> {
        let name = PHASES[index].0;
        let proof = rewriting.proof.clone().ok_or(CertificateError::NoProof { phase: name })?;
        Ok(Self {
            name: name.into(),
            source: text::print(source),
            result: text::print(&rewriting.program),
            proof,
            samples: Samples::of(source, &rewriting.program),
        })
    }

    /// Checks the phase that must be at `index`, and returns its programs.
    fn verify(&self, index: usize) -> Result<(Program, Program), CertificateError> {
        let (phase, rules) = PHASES[index];
        if self.name != phase {
            return Err(CertificateError::Phase { expected: phase, found: self.name.clone() });
        }
        let read = |text: &str| read(phase, text);
        let (source, result) = (read(&self.source)?, read(&self.result)?);
        let proven = self.proof.check(&source, &rules());
        let proven = proven.map_err(|error| CertificateError::Proof { phase, error })?;
        if text::print(&proven) != text::print(&result) {
            return Err(CertificateError::Result { phase });
        }
        self.samples.check(&source, &result).map_err(|error| CertificateError::Samples { phase, error })?;
        Ok((source, result))
    }
}

/// The most operations of a program in a certificate: a program that the compiler derives from a
/// loss of [`MAX_OPS`], such as its gradient, has fewer.
const MAX_MADE: usize = 32 * MAX_OPS;

fn read(phase: &'static str, text: &str) -> Result<Program, CertificateError> {
    let file = text::parse_up_to(phase, text, MAX_MADE)?;
    file.program(None).cloned().ok_or(CertificateError::NoProgram { phase })
}

#[cfg(test)]
mod tests;
