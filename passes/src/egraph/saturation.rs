//! Saturation within strict limits: they hold even inside a round, and do not depend on time.

use std::fmt;

use egg::{EClass, Rewrite, SearchMatches, Subst};

use super::{Facts, FactsAnalysis, LossGraph, LossNode, Rule};

type LossClass = EClass<LossNode, Facts>;

/// Limits of a phase. There is no limit on time: the same program yields the same result on
/// every machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rounds of all rules.
    pub iterations: usize,
    /// Nodes in the e-graph.
    pub nodes: usize,
    /// Matches of one rule that are applied in one round; the oldest classes come first, those
    /// of the source before those that rules made.
    pub matches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { iterations: 16, nodes: 4_000, matches: 1_000 }
    }
}

/// The limit that stopped the rules before they had finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The last of this many rounds still changed something.
    Rounds(usize),
    /// The next match could have led to more nodes than this.
    Nodes(usize),
    /// Only matches of a rule that has more than `count` of them in a round are left.
    Matches {
        /// The rule.
        rule: &'static str,
        /// The number of matches that are applied.
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

/// The state at the end of saturation.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The number of rounds, including the last one, which changed nothing.
    pub rounds: usize,
    /// The limit that was hit, if the rules had not finished.
    pub limit: Option<Limit>,
}

/// Applies `rules` to `egraph` until nothing changes or a limit is hit. Everything in the
/// e-graph is then equal to the source, so any limit leaves a sound program.
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

/// A rule in egg's form, with the number of nodes that a match of it may add.
struct Applied {
    name: &'static str,
    rewrite: Rewrite<LossNode, FactsAnalysis>,
    growth: usize,
}

impl Applied {
    fn of(rule: &Rule) -> Self {
        // With explanations egg adds the left side too.
        let growth = rule.sides().iter().map(|side| side.ast.len()).sum();
        Self { name: rule.name, rewrite: rule.to_egg(), growth }
    }
}

/// The numbers of nodes and classes: a rule that has any effect adds to the former or reduces
/// the latter.
fn size(egraph: &LossGraph) -> (usize, usize) {
    (egraph.total_size(), egraph.number_of_classes())
}

/// Applies all rules once, to the nodes from before the round. Returns the limit of a rule that
/// has too many matches, if there is one; fails at the limit of nodes.
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

/// Returns whether some program needs the node. A node that needs its own class, like `select(m,
/// x, 0)` in the class of `x`, is in no program, but rules that match through it find ever
/// longer names for the same value, like `select(m and (m and k), x, 0)`. And a class that fits
/// any level has a node that fits any level: one that fits a single level must not be used
/// elsewhere.
fn is_useful(egraph: &LossGraph, class: &LossClass, node: &LossNode) -> bool {
    let operands: Vec<_> = node.children.iter().map(|&child| egraph[child].data).collect();
    let level = egraph.analysis.facts(node.op, &operands).level;
    !node.children.contains(&class.id) && level == class.data.level
}
