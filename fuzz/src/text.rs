//! Any bytes as the text of a loss, through all compiler passes.

use lossc::pipeline::{self, Optimised};
use lossc::{Error, Loss, Program, Target};
use lossc_dialect::interpret::Precision;
use lossc_dialect::text;
use lossc_passes::certificate::{Certificate, CertificateError};
use lossc_passes::specialise;
use miette::Report;

use crate::run;

/// The largest number of values of a program that goes through the compiler passes.
const SMALL: usize = 80;

/// The largest number of values of a program that is compiled and run.
const TINY: usize = 24;

/// A continuation for a loss whose gradient is known.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Its proof is checked.
    Proof,
    /// A GPU's code is generated.
    Gpu,
    /// It runs on this machine, and is compared with the interpreter.
    Here,
}

const WAYS: [Way; 3] = [Way::Proof, Way::Gpu, Way::Here];

/// Reads `bytes` as a loss; if it is one, and small, compiles and runs it.
pub fn check(bytes: &[u8]) -> bool {
    check_ways(bytes, &WAYS)
}

/// Like [`check`], with one way per text, chosen by its length: a fuzzer comes back with others.
pub fn check_one_way(bytes: &[u8]) -> bool {
    check_ways(bytes, &[WAYS[bytes.len() % WAYS.len()]])
}

fn check_ways(bytes: &[u8], ways: &[Way]) -> bool {
    let source = String::from_utf8_lossy(bytes);
    match Loss::parse("fuzz.mlir", &source) {
        Ok(loss) => compile(&loss, ways),
        Err(error) => {
            has_its_place(error, &source);
            false
        }
    }
}

/// Checks that an error of a text can be shown with its location, which is in the text.
fn has_its_place(error: Error, source: &str) {
    if let Error::Parse(error) = &error {
        let lines = source.split('\n').count();
        assert!((1..=lines).contains(&error.line), "{error}: there are {lines} lines");
    }
    let _shown = format!("{:?}", Report::new(error));
}

fn compile(loss: &Loss, ways: &[Way]) -> bool {
    let file = loss.file().expect("it was read");
    file.programs.iter().all(|program| {
        is_read_back(program);
        program.len() > SMALL || passes(program, ways)
    })
}

/// Checks that a printed program is read as the same program.
fn is_read_back(program: &Program) {
    let printed = text::print(program);
    let file = text::parse("printed.mlir", &printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    let again = text::print(file.program(None).expect("a program was printed"));
    assert_eq!(again, printed);
}

/// Returns whether the passes accept the program. A refusal is not a fault; a wrong answer is.
fn passes(program: &Program, ways: &[Way]) -> bool {
    let options: pipeline::Options = specialise::Options { checks: true, ..Default::default() }.into();
    let host = Target::host().expect("lossc knows this processor");
    let stages = match pipeline::optimise(program, &options, &host, ways.contains(&Way::Proof)) {
        Ok(stages) => stages,
        Err(error @ Error::Pass { .. }) => panic!("{error}\n{}", text::print(program)),
        Err(_) => return false,
    };
    run::interpret(&stages.source, Precision::Real);
    run::interpret(&stages.program, Precision::Exact);
    let taken = |way: &Way| match way {
        Way::Proof => is_proven(&stages),
        _ if program.len() > TINY => true,
        Way::Gpu => run::on_a_gpu(program),
        Way::Here => run::here(program, &stages.program),
    };
    ways.iter().all(taken)
}

/// Returns whether the proofs of both phases hold. On samples, only rounding may distinguish a loss
/// from its equal.
fn is_proven(stages: &Optimised) -> bool {
    let certificate = Certificate::new(&stages.source, &stages.stable, &stages.gradient, &stages.optimised);
    match certificate {
        Ok(_) | Err(CertificateError::Samples { .. }) => true,
        Err(error) => panic!("{error}\n{}", text::print(&stages.source)),
    }
}
