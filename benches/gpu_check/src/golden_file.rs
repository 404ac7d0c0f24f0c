//! `golden.json`: the results of each loss for each case, on a processor.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::bundles::{Machine, Subject};
use crate::golden::{CASES, Case, Golden};
use crate::report::{Report, Verdict};

const FILE: &str = "golden.json";
const CHECK: &str = "golden bits";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenFile {
    goldens: Vec<Golden>,
}

/// Writes the file with the results of this machine's processor for the losses in `folder`.
pub fn write(folder: &Path) -> Result<(), Failure> {
    let machine = Machine::Processor;
    let mut goldens = vec![];
    for subject in machine.subjects(folder)? {
        let mut executor = subject.executor(&machine)?;
        for case in &CASES {
            goldens.push(Golden::of(&subject, executor.as_mut(), case)?);
        }
    }
    let path = folder.join(FILE);
    fs::write(&path, serde_json::to_string_pretty(&GoldenFile { goldens })? + "\n")
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Compares every reproducible loss with the file, one line per loss; a loss without golden bits
/// fails, and so do golden bits without a loss.
pub fn check(folder: &Path, machine: &Machine, subjects: &[Subject], report: &mut Report) {
    let goldens = match read(folder) {
        Ok(goldens) => goldens,
        Err(failure) => return report.add(CHECK, "", Err(failure)),
    };
    for subject in subjects.iter().filter(|subject| subject.is_reproducible()) {
        report.add(CHECK, &subject.name, check_subject(machine, subject, &goldens));
    }
    let mut orphans: Vec<_> = goldens.iter().map(|golden| golden.subject.as_str()).collect();
    orphans.retain(|name| subjects.iter().all(|subject| subject.name != *name));
    orphans.sort_unstable();
    orphans.dedup();
    for name in orphans {
        report.add(CHECK, name, Err("there is no code of it for this machine".into()));
    }
}

fn read(folder: &Path) -> Result<Vec<Golden>, Failure> {
    let path = folder.join(FILE);
    let named = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| named(&error))?;
    let file: GoldenFile = serde_json::from_str(&text).map_err(|error| named(&error))?;
    Ok(file.goldens)
}

fn check_subject(machine: &Machine, subject: &Subject, goldens: &[Golden]) -> Result<Verdict, Failure> {
    let known = goldens.iter().filter(|golden| golden.subject == subject.name).count();
    if known > CASES.len() {
        return Err(format!("{FILE} has {known} cases of it, this program {}", CASES.len()).into());
    }
    for &plan in machine.plans() {
        let mut executor = subject.executor_with(machine, plan)?;
        for case in &CASES {
            let golden = expected(subject, case, goldens)?;
            let compared = golden.compare(&Golden::of(subject, executor.as_mut(), case)?);
            compared.map_err(|failure| format!("by plan `{}`: {failure}", plan.name))?;
        }
    }
    let of_plans = match machine.plans().len() {
        1 => String::new(),
        plans => format!(", by {plans} plans"),
    };
    let cases = CASES.len();
    Ok(Verdict::Passed(format!("{cases} cases, loss, results and both gradients{of_plans}")))
}

fn expected<'a>(subject: &Subject, case: &Case, goldens: &'a [Golden]) -> Result<&'a Golden, Failure> {
    let mut of_subject = goldens.iter().filter(|golden| golden.subject == subject.name);
    let golden = of_subject.find(|golden| golden.is_of(case));
    golden.ok_or_else(|| {
        format!("{FILE} has nothing for it with shape {:?} by {}, {:?}", case.shape, case.balance, case.kind)
            .into()
    })
}
