//! Random programs: every rewriting has a proof that holds, and every loss with a gradient has a
//! certificate.

use lossc_dialect::{Program, text};

use super::random_programs::for_random_programs;
use crate::certificate::Certificate;
use crate::differentiate::differentiate;
use crate::egraph::{Rewriting, Rule};
use crate::saturate::{self, costs::CostModel, saturate};
use crate::stabilise::{self, stabilise};

pub(super) fn check(source: &Program, rewriting: &Rewriting, rules: &[Rule]) -> Result<(), String> {
    let proof = rewriting.proof.as_ref().ok_or("no proof")?;
    let proven = proof.check(source, rules).map_err(|error| error.to_string())?;
    let (proven, result) = (text::print(&proven), text::print(&rewriting.program));
    if proven == result { Ok(()) } else { Err(format!("{proven}is proven, not\n{result}")) }
}

#[test]
fn rewritten_programs_are_proven() {
    for_random_programs(200, |plan, shapes| {
        let source = plan.program(shapes, true);
        let stable = stabilise(&source, true).map_err(|error| error.to_string())?;
        check(&source, &stable, stabilise::RULES)?;
        let cheap = saturate(&stable.program, CostModel::Host, true).map_err(|error| error.to_string())?;
        check(&stable.program, &cheap, &saturate::rules::all())
    });
}

#[test]
fn random_losses_have_certificates() {
    for_random_programs(100, |plan, shapes| {
        let source = plan.program(shapes, false);
        let stable = stabilise(&source, true).map_err(|error| error.to_string())?;
        // The gradient of a random program need not exist.
        let Ok(gradient) = differentiate(&stable.program) else { return Ok(()) };
        let cheap = saturate(&gradient, CostModel::Host, true).map_err(|error| error.to_string())?;
        Certificate::new(&source, &stable, &gradient, &cheap).map_err(|error| error.to_string())?;
        Ok(())
    });
}
