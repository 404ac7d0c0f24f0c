//! Every library loss has a certificate; no altered certificate passes.

use std::time::Instant;

use lossc_dialect::{Program, library};

use super::Certificate;
use crate::differentiate::differentiate;
use crate::egraph::{Direction, Step};
use crate::saturate::costs::CostModel;
use crate::{saturate, stabilise};

fn certify(loss: &Program) -> Certificate {
    let stable = stabilise::stabilise(loss, true).expect("stabilises");
    let gradient = differentiate(&stable.program).expect("differentiates");
    let optimised = saturate::saturate(&gradient, CostModel::Host, true).expect("saturates");
    Certificate::new(loss, &stable, &gradient, &optimised)
        .unwrap_or_else(|error| panic!("{}: {error}", loss.name()))
}

fn programs() -> impl Iterator<Item = Program> {
    library::all().expect("the library parses").into_iter().flat_map(|file| file.programs)
}

#[test]
fn every_library_loss_has_a_small_certificate() {
    for program in programs() {
        let start = Instant::now();
        let certificate = certify(&program);
        let made = start.elapsed();
        let text = serde_json::to_string_pretty(&certificate).expect("JSON");
        let start = Instant::now();
        let read: Certificate = serde_json::from_str(&text).expect("JSON");
        read.verify().expect("the certificate holds");
        println!("{certificate}; {} bytes, made in {made:?}, verified in {:?}", text.len(), start.elapsed());
        assert_eq!(read, certificate);
        assert!(text.len() < 1 << 18, "{}: {} bytes", program.name(), text.len());
    }
}

type Alteration = fn(&mut Certificate);

/// Alterations of a certificate, each with a part of the resulting error.
#[rustfmt::skip]
const ALTERATIONS: [(Alteration, &str); 19] = [
    (|it| it.version = 1,                                       "is of version 1; this lossc reads version 2"),
    (|it| it.loss = "bce".into(),                               "the certificate is for `bce`"),
    (|it| it.phases.swap(0, 1),                                 "the phase `saturate` where stabilise belongs"),
    (|it| it.phases[1].proof.steps[3].rule = "wish".into(),     "saturate: step 4: there is no rule `wish`"),
    (|it| it.phases[0].proof.steps[0].rule = "neg-neg".into(),  "stabilise: step 1 is no instance of `neg-neg`"),
    (|it| turn(&mut it.phases[1].proof.steps[0]),               "saturate: step 1 is no instance of"),
    (|it| it.phases[1].proof.steps[2].to = 0,                   "saturate: step 3 is no instance of"),
    (|it| it.phases[1].proof.steps[2].from = 7777,              "step 3 names a node that does not exist"),
    (|it| it.phases[1].proof.source = 7777,                     "the source names a node that does not exist"),
    (|it| it.phases[1].proof.source = 0,                        "saturate: the proof does not start at its source"),
    (|it| it.phases[1].proof.result = 7777,                     "the result names a node that does not exist"),
    (|it| drop(it.phases[1].proof.steps.pop()),                 "saturate: the steps do not lead from the source to the result"),
    (|it| it.phases[1].proof.nodes[5] = "sum 5".into(),         "saturate: node 5, `sum 5`, is no operation"),
    (|it| it.phases[1].proof.nodes[5] = "roots 0".into(),       "is no operation"),
    (|it| it.phases[1].proof.nodes[0] = "$9".into(),            "node 0, `$9`, is no operation"),
    (|it| it.phases[1].result = it.phases[1].source.clone(),    "saturate: the proof does not end at its result"),
    (|it| it.phases[0].source = "func".into(),                  "stabilise:1:"),
    (|it| it.phases[0].samples.arguments[0].0[3] += 1.0,        "the samples are not this loss's"),
    (|it| it.phases[0].samples.result[0].0[0] += 0.1,           "the result does not give what the certificate says"),
];

fn turn(step: &mut Step) {
    step.direction = match step.direction {
        Direction::Forward => Direction::Backward,
        Direction::Backward => Direction::Forward,
    };
}

#[test]
fn an_altered_certificate_is_one_clear_line() {
    let certificate = certify(&programs().next().expect("a loss"));
    for (alter, part) in ALTERATIONS {
        let mut altered = certificate.clone();
        alter(&mut altered);
        let error = altered.verify().expect_err(part).to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "`{error}` does not say `{part}`");
    }
}

#[test]
fn no_step_can_be_led_elsewhere_and_few_left_out() {
    let certificate = certify(&programs().last().expect("a loss"));
    let mut needless = 0;
    for phase in 0..2 {
        for index in 0..certificate.phases[phase].proof.steps.len() {
            let mut altered = certificate.clone();
            altered.phases[phase].proof.steps.remove(index);
            // A step that follows from other steps may be left out.
            needless += usize::from(altered.verify().is_ok());
            let mut altered = certificate.clone();
            let nodes = altered.phases[phase].proof.nodes.len();
            let to = &mut altered.phases[phase].proof.steps[index].to;
            *to = (*to + 1) % nodes;
            altered.verify().expect_err("a step leads elsewhere");
        }
    }
    let steps: usize = certificate.phases.iter().map(|phase| phase.proof.steps.len()).sum();
    println!("{needless} of {steps} steps are needless");
    assert!(needless * 5 < steps, "{needless} of {steps} steps are needless");
}

#[test]
fn phases_of_two_losses_make_no_certificate() {
    let mut programs = programs();
    let mut certificate = certify(&programs.next().expect("a loss"));
    certificate.phases[1] = certify(&programs.last().expect("a loss")).phases[1].clone();
    let error = certificate.verify().expect_err("two losses").to_string();
    assert_eq!(error, "saturate: the source is not the gradient of what stabilise gives");
}
