//! Explanations of what the compiler did to a loss, and why.

use std::fmt;

use lossc_dialect::ops::Numerics;
use lossc_passes::codegen::Target;
use lossc_passes::egraph::{Class, Rule};
use lossc_passes::stabilise::{Unstable, unstable};
use lossc_passes::{saturate, schedule, stabilise};
use serde::Serialize;

use crate::error::Error;
use crate::loss::Loss;
use crate::pipeline;

/// A figure before and after the rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// In the differentiated source.
    pub before: u64,
    /// In the result.
    pub after: u64,
}

/// Passes over the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Passes {
    /// For the loss.
    pub forward: Change,
    /// For the gradient, given the sums of the forward passes.
    pub backward: Change,
}

/// A rule needed on the way from source to result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedRule {
    /// The phase it belongs to.
    pub phase: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The pattern it matched.
    pub left: &'static str,
    /// The pattern it put in its location.
    pub right: &'static str,
    /// Closeness of the two: `exact`, `within 1 ulp`, `real`.
    pub class: String,
}

/// An e-graph's size at the end of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// The phase.
    pub name: &'static str,
    /// Nodes in the e-graph.
    pub nodes: usize,
    /// Rounds of all rules.
    pub iterations: usize,
    /// The limit that stopped the rules early, if any: `16 rounds`.
    pub limit: Option<String>,
}

/// An operation that may become infinite or NaN though the loss's formula does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnstableOp {
    /// The operation's name: `log`.
    pub op: &'static str,
    /// The line and column in the loss's text; `None` if it has none there.
    pub location: Option<(usize, usize)>,
    /// The possible failure.
    pub hazard: String,
    /// True if rounding may cause the failure; otherwise the formula itself does.
    pub by_rounding: bool,
    #[serde(skip)]
    line: String,
}

impl From<Unstable> for UnstableOp {
    fn from(unstable: Unstable) -> Self {
        Self {
            op: unstable.mnemonic,
            location: unstable.location.map(|location| (location.line, location.column)),
            hazard: unstable.hazard.to_string(),
            by_rounding: unstable.by_rounding,
            line: unstable.to_string(),
        }
    }
}

/// Explanation of what the compiler did to a loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The program's name.
    pub loss: String,
    /// The target whose costs were used.
    pub target: String,
    /// The numerics of pixels: `reproducible` or `fast`.
    pub numerics: &'static str,
    /// Passes over the data.
    pub passes: Passes,
    /// The cost of the program, in tenths of a fused multiply-add per pixel, over one call of each
    /// entry point.
    pub cost: Change,
    /// Distinct values computed.
    pub values: Change,
    /// The phases.
    pub phases: Vec<Phase>,
    /// The rules, in the order of the proof.
    pub rules: Vec<AppliedRule>,
    /// The operations that remain unstable.
    pub unstable: Vec<UnstableOp>,
    /// The kernels.
    pub schedule: String,
}

/// Explains how `loss` is compiled for `target`, without generating code.
pub fn explain(loss: &Loss, target: &Target, numerics: Numerics) -> Result<Explanation, Error> {
    let options = pipeline::Options { numerics, ..Default::default() };
    let stages = pipeline::optimise(loss.program()?, &options, target, true)?;
    let (stable, optimised) = (&stages.stable, &stages.optimised);
    let (forward, backward) = schedule::passes(&stages.gradient);
    let (forward_after, backward_after) = schedule::passes(&stages.program);
    let change = |before: usize, after: usize| Change { before: before as u64, after: after as u64 };
    let phase = |name, it: &lossc_passes::egraph::Rewriting| Phase {
        name,
        nodes: it.nodes,
        iterations: it.iterations,
        limit: it.limit.clone(),
    };
    let mut rules = applied("stabilise", stabilise::RULES, &stable.rules);
    rules.extend(applied("saturate", &saturate::rules::all(), &optimised.rules));
    Ok(Explanation {
        loss: loss.program()?.name().into(),
        target: target.to_string(),
        numerics: numerics.name(),
        passes: Passes {
            forward: change(forward, forward_after),
            backward: change(backward, backward_after),
        },
        cost: Change { before: optimised.cost.0.arithmetic, after: optimised.cost.1.arithmetic },
        values: change(stages.gradient.len(), stages.program.len()),
        phases: vec![phase("stabilise", stable), phase("saturate", optimised)],
        rules,
        unstable: unstable(&stable.program).into_iter().map(UnstableOp::from).collect(),
        schedule: schedule::schedule(&stages.program, options.schedule(target)).to_string(),
    })
}

fn applied(phase: &'static str, rules: &[Rule], names: &[&'static str]) -> Vec<AppliedRule> {
    let rule = |name: &&'static str| rules.iter().find(|rule| rule.name == *name);
    let describe = |rule: &Rule| AppliedRule {
        phase,
        name: rule.name,
        left: rule.left,
        right: rule.right,
        class: match rule.class {
            Class::Exact => "exact".into(),
            Class::ExactButZero => "exact but for the sign of a zero".into(),
            Class::Ulps(count) => format!("within {count} ulp"),
            Class::Real => "real".into(),
        },
    };
    names.iter().filter_map(rule).map(describe).collect()
}

/// A page; with `{:#}` also the patterns of each rule.
impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loss, target, numerics, passes, cost, values, .. } = self;
        let numerics = if *numerics == Numerics::Fast.name() { ", by fast numerics" } else { "" };
        writeln!(formatter, "{loss} for {target}{numerics}\n")?;
        writeln!(formatter, "                    before   after")?;
        for (name, change) in [
            ("passes forward", passes.forward),
            ("passes backward", passes.backward),
            ("cost per pixel", *cost),
            ("values", *values),
        ] {
            writeln!(formatter, "  {name:<16} {:>7} {:>7}", change.before, change.after)?;
        }
        writeln!(formatter, "\nWhy: {}", self.reason())?;
        for phase in &self.phases {
            let rules: Vec<_> = self.rules.iter().filter(|rule| rule.phase == phase.name).collect();
            write_phase(phase, &rules, formatter)?;
        }
        self.write_unstable(formatter)?;
        write!(formatter, "\n{}", self.schedule)
    }
}

impl Explanation {
    fn write_unstable(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.unstable.is_empty() {
            writeln!(formatter, "\nUnstable:")?;
        }
        self.unstable.iter().try_for_each(|it| writeln!(formatter, "  {}", it.line))
    }

    fn reason(&self) -> String {
        let Change { before, after } = self.passes.forward;
        let passes = |count: u64| if count == 1 { "1 pass".to_owned() } else { format!("{count} passes") };
        if before == after {
            return format!("the loss needs {} as it is written.", passes(before));
        }
        format!(
            "as it is written, the weights inside the sum need the counts of the whole group first, so the \
             loss takes {} over the data; with the weights moved out of the sum it takes {}.",
            passes(before),
            passes(after)
        )
    }
}

fn write_phase(phase: &Phase, rules: &[&AppliedRule], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Phase { name, nodes, iterations, limit } = phase;
    let end = limit
        .as_ref()
        .map_or("came to an end".to_owned(), |limit| format!("stopped at the limit of {limit}"));
    let rounds = if *iterations == 1 { "round" } else { "rounds" };
    writeln!(formatter, "\n{name}: {nodes} nodes in {iterations} {rounds}, {end}; the rules of the proof:")?;
    if limit.is_some() {
        writeln!(
            formatter,
            "  (the result is the cheapest equal program so far; there may be a cheaper one)"
        )?;
    }
    if !formatter.alternate() {
        return write_names(rules, formatter);
    }
    for rule in rules {
        writeln!(formatter, "  {:<24} [{}]", rule.name, rule.class)?;
        writeln!(formatter, "      {}", squeeze(rule.left))?;
        writeln!(formatter, "   => {}", squeeze(rule.right))?;
    }
    Ok(())
}

/// Columns of a page.
const WIDTH: usize = 96;

/// Writes the names of rules, one paragraph per class, in the order of the proof.
fn write_names(rules: &[&AppliedRule], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut classes: Vec<_> = rules.iter().map(|rule| rule.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        let mut line = format!("  {:<14}", format!("{class}:"));
        for rule in rules.iter().filter(|rule| rule.class == class) {
            if line.len() + rule.name.len() > WIDTH {
                writeln!(formatter, "{}", line.trim_end())?;
                line = " ".repeat(16);
            }
            line += &format!("{} ", rule.name);
        }
        writeln!(formatter, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A pattern on one line.
fn squeeze(pattern: &str) -> String {
    pattern.split_whitespace().collect::<Vec<_>>().join(" ")
}
