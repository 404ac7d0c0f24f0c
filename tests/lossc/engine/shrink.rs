//! Shrinks findings.

use lossc::{Balance, Builder, ElementType, Program};
use lossc_dialect::{Element, Op, ValueId};
use lossc_programs::generate::Plan;

use super::case::{Case, Choices, Subject};
use super::corpus::{grown, shapes};
use super::finding::{Counts, Finding, check};

/// A smaller case with a finding by the same executor, after at most `tries` tries.
pub fn shrink(case: &Case, finding: &Finding, tries: usize) -> (Case, Finding) {
    let executors = case.executors.iter().copied().filter(|it| it.name() == finding.by);
    let alone = Case { executors: executors.collect(), ..case.clone() };
    let mut smaller = Shrinking { case: alone, finding: finding.clone(), tries };
    loop {
        let before = smaller.tries;
        let found = smaller.round();
        if !found || smaller.tries == 0 || before == smaller.tries {
            return (smaller.case, smaller.finding);
        }
    }
}

struct Shrinking {
    case: Case,
    finding: Finding,
    tries: usize,
}

impl Shrinking {
    /// Takes `case` if it has the finding too.
    fn take(&mut self, case: Case) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        match check(&case, &mut Counts::default()) {
            Err(finding) if finding.is_like(&self.finding) => {
                (self.case, self.finding) = (case, finding);
                true
            }
            _ => false,
        }
    }

    fn round(&mut self) -> bool {
        let mut found = false;
        for simplify in SIMPLER {
            let simpler = simplify(&self.case);
            found |= simpler.is_some_and(|case| self.take(case));
        }
        found |= self.fewer_steps();
        found |= self.fewer_nodes();
        found |= self.simpler_logits();
        found
    }

    /// Drops halves, quarters, ... and single steps of a generated loss.
    fn fewer_steps(&mut self) -> bool {
        let (mut found, shapes) = (false, shapes());
        let Some(plan) = self.case.subject.plan.clone() else { return false };
        let mut size = plan.0.len() / 2;
        while size > 0 {
            let mut start = 0;
            while let Some(plan) = self.case.subject.plan.clone().filter(|plan| start < plan.0.len()) {
                let mut steps = plan.0.clone();
                steps.drain(start..(start + size).min(steps.len()));
                let subject = grown(&shapes, Plan(steps));
                if self.take(Case { subject, ..self.case.clone() }) {
                    found = true;
                } else {
                    start += size;
                }
                if self.tries == 0 {
                    return found;
                }
            }
            size /= 2;
        }
        found
    }

    /// Drops results, and replaces nodes by operands and constants.
    fn fewer_nodes(&mut self) -> bool {
        let mut found = false;
        let mut number = 0;
        while let Some(program) = simpler_program(&self.case.subject.program, number) {
            let subject = Subject::new(&self.case.subject.name, program);
            let is_new = subject.program != self.case.subject.program;
            if is_new && self.take(Case { subject, ..self.case.clone() }) {
                found = true;
            } else {
                number += 1;
            }
            if self.tries == 0 {
                break;
            }
        }
        found
    }

    fn simpler_logits(&mut self) -> bool {
        let mut found = false;
        for index in 0..self.case.input.logits.len().min(24) {
            for value in [0.0, 1.0] {
                if self.case.input.logits[index].to_bits() == f64::to_bits(value) {
                    break;
                }
                let mut case = self.case.clone();
                case.input.logits[index] = value;
                found |= self.take(case);
            }
        }
        found
    }
}

/// Ways to make a call simpler; `None` if it is that simple already.
const SIMPLER: [fn(&Case) -> Option<Case>; 12] = [
    |case| changed(case, |case| case.choices = Choices::default()),
    |case| changed(case, |case| case.choices.mean = false),
    |case| changed(case, |case| case.choices.checks = false),
    |case| changed(case, |case| case.choices.ignore_index = None),
    |case| changed(case, |case| case.input.weights.clear()),
    |case| changed(case, |case| case.input.balance = Balance::Image),
    |case| changed(case, |case| case.input.upstream = 1.0),
    |case| {
        changed(case, |case| {
            (case.input.seed, case.input.stream, case.input.is_misaligned) = (0, 0, false);
            case.input.scalars.clear();
        })
    },
    |case| {
        changed(case, |case| {
            case.input.logit_type = ElementType::F32;
            case.input.label_type = ElementType::U8;
            case.input.labels.iter_mut().for_each(|label| *label = (*label).clamp(0, 255));
        })
    },
    |case| changed(case, |case| case.input.labels.fill(0)),
    |case| part(case, true),
    |case| part(case, false),
];

fn changed(case: &Case, change: impl Fn(&mut Case)) -> Option<Case> {
    let mut simpler = case.clone();
    change(&mut simpler);
    (format!("{simpler:?}") != format!("{case:?}")).then_some(simpler)
}

/// The first or second half of the pixels, as one plane.
fn part(case: &Case, first: bool) -> Option<Case> {
    let count = case.input.len();
    if count < 2 {
        return None;
    }
    let range = if first { 0..count / 2 } else { count / 2..count };
    let mut simpler = case.clone();
    let input = &mut simpler.input;
    input.logits = input.logits[range.clone()].to_vec();
    input.labels = input.labels[range.clone()].to_vec();
    if !input.weights.is_empty() {
        input.weights = input.weights[range.clone()].to_vec();
    }
    input.shape = vec![1, range.len()];
    Some(simpler)
}

/// The `number`th simpler program: first without results, then with a node replaced.
fn simpler_program(program: &Program, number: usize) -> Option<Program> {
    let results = program.results().len() - 1;
    if number < results {
        return Some(rebuilt(program, Some(number + 1), None));
    }
    let mut choices = program.values().collect::<Vec<_>>().into_iter().rev().flat_map(|(value, node)| {
        let same = node.operands.iter().copied().filter(|&it| program.ty(it) == node.ty);
        let operands: Vec<_> = same.map(|operand| (value, Some(operand))).collect();
        let is_number =
            node.ty.element == Element::F32 && !matches!(node.op, Op::Constant(_) | Op::Argument(_));
        operands.into_iter().chain(is_number.then_some((value, None)))
    });
    choices.nth(number - results).map(|choice| rebuilt(program, None, Some(choice)))
}

/// The program without a result, or with one value replaced by another or by 1.
fn rebuilt(
    program: &Program,
    without: Option<usize>,
    replaced: Option<(ValueId, Option<ValueId>)>,
) -> Program {
    let mut builder = Builder::new(program.name());
    let arguments = builder.declare_arguments(program);
    let mut copies = vec![ValueId(0); program.len()];
    for (value, node) in program.values() {
        if let Op::Argument(index) = node.op {
            copies[value.index()] = arguments[index as usize];
        }
    }
    let mut results = program.rebuild(&mut builder, &arguments, |builder, value, operands| {
        let copy = match replaced {
            Some((gone, Some(operand))) if gone == value => copies[operand.index()],
            Some((gone, None)) if gone == value => builder.constant(1.0, program.ty(value).level),
            _ => builder.copy(program.node(value), operands),
        };
        copies[value.index()] = copy;
        copy
    });
    if let Some(result) = without {
        results.remove(result);
    }
    let program_of = builder.finish(results);
    program_of.unwrap_or_else(|error| panic!("types are kept: {error}"))
}
