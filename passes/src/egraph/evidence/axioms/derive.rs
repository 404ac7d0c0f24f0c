//! The test whether a rule's sides are equal by other rules.

use std::collections::HashMap;
use std::time::Duration;

use egg::{RecExpr, Runner};

use crate::egraph::evidence::pattern::Sides;
use crate::egraph::rule::{Condition, Rule};
use crate::egraph::{FactsAnalysis, LossNode};
use lossc_dialect::{Element, Level};

/// Returns whether saturation by `laws` makes the sides of `rule` equal.
pub(super) fn follows(rule: &Rule, laws: &[Rule]) -> bool {
    let instances = instances(rule);
    let [left, right] = [rule.left, rule.right].map(|text| instance(text, &instances));
    let rules: Vec<_> = laws.iter().map(Rule::to_egg).collect();
    let equal = |runner: &Runner<LossNode, FactsAnalysis>| {
        runner.egraph.find(runner.roots[0]) == runner.egraph.find(runner.roots[1])
    };
    let runner = Runner::new(FactsAnalysis::default())
        .with_expr(&left)
        .with_expr(&right)
        .with_iter_limit(9)
        .with_node_limit(10_000)
        .with_time_limit(Duration::MAX)
        .with_hook(move |runner| if equal(runner) { Err("equal".into()) } else { Ok(()) })
        .run(&rules);
    equal(&runner)
}

/// An expression for each variable of `rule`, as general as its type and the rule's conditions
/// allow.
fn instances(rule: &Rule) -> HashMap<String, String> {
    let sides = Sides::of(rule).unwrap_or_else(|error| panic!("{error}"));
    let all = sides.variables.iter().enumerate().map(|(index, variable)| {
        let name = variable.name.as_str();
        let has = |condition: fn(&'static str) -> Condition| {
            rule.conditions.iter().any(|it| *it == condition(it.variable()) && it.variable() == name)
        };
        let text = match (variable.level, variable.element) {
            (Level::Pixel, Element::Mask) => format!("(equal ${index} 7.0)"),
            (Level::Pixel, _) if has(Condition::NonPositive) => format!("(neg (abs ${index}))"),
            (Level::Pixel, _) if has(Condition::Unit) => format!("(exp (neg (abs ${index})))"),
            (Level::Pixel, _) if has(Condition::OneToTwo) => {
                format!("(add 1.0 (exp (neg (abs ${index}))))")
            }
            (Level::Pixel, _) if has(Condition::NonNegative) => format!("(exp ${index})"),
            (Level::Pixel, _) => format!("${index}"),
            (Level::Group, _) if has(Condition::Finite) => {
                format!("(cast (count (equal ${index} 7.0)))")
            }
            (Level::Group, _) => format!("(sum ${index})"),
            (Level::Scalar, _) => format!("(sum_groups (sum ${index}))"),
        };
        (variable.name.clone(), text)
    });
    all.collect()
}

/// The pattern `text` with its variables replaced by `instances`.
fn instance(text: &str, instances: &HashMap<String, String>) -> RecExpr<LossNode> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words = spaced.split_whitespace().map(|word| instances.get(word).map_or(word, String::as_str));
    words.collect::<Vec<_>>().join(" ").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
