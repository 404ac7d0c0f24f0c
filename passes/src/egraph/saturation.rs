//! Saturation within limits that hold: also inside a round, and without a clock.

use std::fmt;

use egg::{EClass, Rewrite, SearchMatches, Subst};

use super::{Facts, FactsAnalysis, LossGraph, LossNode, Rule};

type LossClass = EClass<LossNode, Facts>;

/// How far a phase may go. There is no limit on time: the same program gives the
/// same result on every machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rounds of all rules.
    pub iterations: usize,
    /// Nodes in the e-graph.
    pub nodes: usize,
    /// Matches of one rule that are applied in one round; the oldest classes come
    /// first, those of the source before those that rules made.
    pub matches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { iterations: 16, nodes: 4_000, matches: 1_000 }
    }
}

/// The limit that kept the rules from coming to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The last of this many rounds still changed something.
    Rounds(usize),
    /// The next match could have led to more nodes than this.
    Nodes(usize),
    /// All that is left are matches of a rule that has more than `count` in a round.
    Matches {
        /// The rule.
        rule: &'static str,
        /// How many matches are applied.
        count: usize,
    },
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rounds(count) => write!(formatter, "{count} rounds"),
            Self::Nodes(count) => write!(formatter, "{count} nodes"),
            Self::Matches { rule, count } => write!(formatter, "{count} matches of {rule} a round"),
        }
    }
}

/// How saturation ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// Rounds, the last one, which changed nothing, among them.
    pub rounds: usize,
    /// The limit that was hit, if the rules did not come to an end.
    pub limit: Option<Limit>,
}

/// Applies `rules` to `egraph` until nothing changes or a limit is hit. Whatever is
/// in the e-graph then is equal to the source, so any limit leaves a sound program.
pub(super) fn saturate(egraph: &mut LossGraph, rules: &[Rule], limits: Limits) -> End {
    egraph.rebuild();
    let rules: Vec<_> = rules.iter().map(Applied::of).collect();
    for rounds in 1..=limits.iterations {
        let before = size(egraph);
        let result = round(egraph, &rules, limits);
        egraph.rebuild();
        forget_useless(egraph);
        match result {
            Err(limit) => return End { rounds, limit: Some(limit) },
            Ok(limit) if size(egraph) == before => return End { rounds, limit },
            Ok(_) => {}
        }
    }
    End { rounds: limits.iterations, limit: Some(Limit::Rounds(limits.iterations)) }
}

/// A rule as egg runs it, and how many nodes a match of it may add.
struct Applied {
    name: &'static str,
    rewrite: Rewrite<LossNode, FactsAnalysis>,
    growth: usize,
}

impl Applied {
    fn of(rule: &Rule) -> Self {
        // With explanations egg writes down the left side too.
        let growth = rule.sides().iter().map(|side| side.ast.len()).sum();
        Self { name: rule.name, rewrite: rule.to_egg(), growth }
    }
}

/// Nodes and classes: a rule that does anything adds to the one or takes from the
/// other.
fn size(egraph: &LossGraph) -> (usize, usize) {
    (egraph.total_size(), egraph.number_of_classes())
}

/// All rules once, on what was there before the round. Gives the rule that had more
/// matches than it may have, if there is one; fails at the limit of nodes.
fn round(egraph: &mut LossGraph, rules: &[Applied], limits: Limits) -> Result<Option<Limit>, Limit> {
    let enough = limits.matches.saturating_add(1);
    let found: Vec<_> = rules.iter().map(|rule| rule.rewrite.search_with_limit(egraph, enough)).collect();
    let mut limit = None;
    for (rule, found) in rules.iter().zip(&found) {
        for (index, single) in found.iter().flat_map(singles).enumerate() {
            if index == limits.matches {
                limit = limit.or(Some(Limit::Matches { rule: rule.name, count: limits.matches }));
                break;
            }
            if egraph.total_size() + rule.growth > limits.nodes {
                return Err(Limit::Nodes(limits.nodes));
            }
            rule.rewrite.apply(egraph, &[single]);
        }
    }
    Ok(limit)
}

/// The matches of a class one by one.
fn singles<'a>(
    matches: &'a SearchMatches<'_, LossNode>,
) -> impl Iterator<Item = SearchMatches<'a, LossNode>> {
    let single = |subst: &Subst| SearchMatches {
        eclass: matches.eclass,
        substs: vec![subst.clone()],
        ast: matches.ast.clone(),
    };
    matches.substs.iter().map(single)
}

/// Drops the nodes that no program needs, so that no rule matches through them.
fn forget_useless(egraph: &mut LossGraph) {
    let useful = |class: &LossClass| -> Vec<LossNode> {
        class.iter().filter(|node| is_useful(egraph, class, node)).cloned().collect()
    };
    let kept: Vec<_> = egraph.classes().map(useful).collect();
    for (class, nodes) in egraph.classes_mut().zip(kept) {
        class.nodes = nodes;
    }
}

/// A node that needs its own class, as `select(m, x, 0)` among those of `x`, stands
/// in no program; but rules that match through it find ever longer names for the
/// same value, as `select(m and (m and k), x, 0)`. And a class that fits any level
/// has a node that does: one that fits a single level must not be taken elsewhere.
fn is_useful(egraph: &LossGraph, class: &LossClass, node: &LossNode) -> bool {
    let operands: Vec<_> = node.children.iter().map(|&child| egraph[child].data).collect();
    let level = egraph.analysis.facts(node.op, &operands).level;
    !node.children.contains(&class.id) && level == class.data.level
}
