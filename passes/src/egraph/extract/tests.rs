//! The extraction compared with all programs of small e-graphs, and its costs compared with the
//! kernels of schedules.

use std::collections::BTreeMap;

use egg::{EGraph, Id, Language as _};
use lossc_dialect::{Level, Op, Program, library};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;
use crate::differentiate::differentiate;
use crate::egraph::{FactsAnalysis, to_expression};
use crate::schedule::schedule;
use crate::stabilise::stabilise;

fn cost(op: Op, level: Level) -> u64 {
    match (op, level) {
        (Op::Argument(_) | Op::Constant(_), _) => 0,
        (Op::Exp, _) => 7,
        (Op::Expm1, _) => 9,
        (Op::Sigmoid, _) => 12,
        (Op::Abs, _) => 2,
        (Op::Mul, _) => 4,
        (_, Level::Pixel) => 3,
        _ => 1,
    }
}

/// A node to add to the nodes before it, and a node to be merged with.
type Step = (usize, usize, usize, Option<usize>);

/// An e-graph of pixels and groups. Only classes of the same level are merged, so there are
/// cycles, and classes with many nodes.
fn graph(steps: &[Step]) -> (LossGraph, Id) {
    let mut egraph: LossGraph = EGraph::new(FactsAnalysis::default());
    let node = |op, children: Vec<Id>| LossNode { op: NodeOp::Op(op), children };
    let argument = egraph.add(node(Op::Argument(0), vec![]));
    let sum = egraph.add(node(Op::Sum, vec![argument]));
    let (mut pixels, mut groups) = (vec![argument], vec![sum]);
    for &(op, first, second, equal) in steps {
        let pixel = |index: usize| pixels[index % pixels.len()];
        let group = |index: usize| groups[index % groups.len()];
        let (op, children) = match op % 12 {
            0 => (Op::Abs, vec![pixel(first)]),
            1 | 2 => (Op::Exp, vec![pixel(first)]),
            3 => (Op::Expm1, vec![pixel(first)]),
            4 => (Op::Sigmoid, vec![pixel(first)]),
            5 | 6 => (Op::Mul, vec![pixel(first), pixel(second)]),
            7 | 8 => (Op::Add, vec![pixel(first), pixel(second)]),
            9 => (Op::Broadcast, vec![group(first)]),
            10 => (Op::Sum, vec![pixel(first)]),
            _ => (Op::Add, vec![group(first), group(second)]),
        };
        let id = egraph.add(node(op, children));
        let level = egraph[id].data.level;
        let peers = if level == Some(Level::Pixel) { &mut pixels } else { &mut groups };
        if let Some(equal) = equal {
            // Mostly the nodes added last, which seldom makes a cycle.
            let back = if equal < 4 { equal * 7 } else { equal % 3 };
            egraph.union(id, peers[peers.len() - 1 - back % peers.len()]);
        }
        peers.push(id);
    }
    let results = groups.iter().rev().take(2).chain(pixels.iter().rev().take(3)).copied().collect();
    let root = egraph.add(LossNode { op: NodeOp::Roots, children: results });
    egraph.rebuild();
    let root = egraph.find(root);
    (egraph, root)
}

/// Calls `see` with every program of `root`, as the node of each of its classes.
fn programs(
    egraph: &LossGraph,
    root: Id,
    chosen: &mut BTreeMap<Id, LossNode>,
    see: &mut dyn FnMut(&BTreeMap<Id, LossNode>),
) {
    let needed = chosen.values().flat_map(LossNode::children).map(|&child| egraph.find(child));
    let open = std::iter::once(root).chain(needed).find(|class| !chosen.contains_key(class));
    let Some(class) = open else { return see(chosen) };
    for node in egraph[class].iter() {
        chosen.insert(class, node.clone());
        programs(egraph, root, chosen, see);
        chosen.remove(&class);
    }
}

/// The program as an expression; `None` if it has a cycle.
fn expression(
    egraph: &LossGraph,
    class: Id,
    chosen: &BTreeMap<Id, LossNode>,
    placed: &mut BTreeMap<Id, Option<Id>>,
    expression_so_far: &mut RecExpr<LossNode>,
) -> Option<Id> {
    if let Some(&known) = placed.get(&class) {
        return known;
    }
    placed.insert(class, None);
    let mut node = chosen[&class].clone();
    for child in node.children_mut() {
        *child = expression(egraph, egraph.find(*child), chosen, placed, expression_so_far)?;
    }
    let id = expression_so_far.add(node);
    placed.insert(class, Some(id));
    Some(id)
}

/// The least cost of all programs in which every value is as shallow as its class allows.
fn least_cost(egraph: &LossGraph, root: Id) -> Option<ProgramCost> {
    let depths = depths(egraph);
    let mut least: Option<ProgramCost> = None;
    programs(egraph, root, &mut BTreeMap::new(), &mut |chosen| {
        let mut found = RecExpr::default();
        let is_shallow =
            chosen.iter().all(|(id, node)| depth(egraph, node, &depths) == depths.get(id).copied());
        if is_shallow && expression(egraph, root, chosen, &mut BTreeMap::new(), &mut found).is_some() {
            let cost = cost_of(&found, egraph, &cost);
            least = Some(least.map_or(cost, |least| least.min(cost)));
        }
    });
    least
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let equal = prop::option::weighted(0.5, 0..32_usize);
    prop::collection::vec((0..12_usize, 0..32_usize, 0..32_usize, equal), 4..24)
}

/// Returns whether all programs of a graph can be tried.
fn is_small(egraph: &LossGraph) -> bool {
    let programs = egraph.classes().try_fold(1_usize, |count, class| count.checked_mul(class.len()));
    programs.is_some_and(|count| count < 20_000)
}

/// The tests below compare something: most graphs have several programs.
#[test]
fn graphs_hold_choices_and_cycles() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut with_choices, mut with_search, mut small) = (0, 0, 0);
    for _ in 0..500 {
        let (egraph, root) = graph(&steps().new_tree(&mut runner).expect("steps").current());
        if !is_small(&egraph) {
            continue;
        }
        small += 1;
        let mut choices = Choices::of_graph(&egraph, root, &depths(&egraph), &cost);
        let has_choice = |choices: &Choices| choices.classes.iter().any(|class| class.len() > 1);
        with_choices += usize::from(has_choice(&choices));
        choices.reduce();
        with_search += usize::from(has_choice(&choices));
    }
    assert!(with_choices > 200 && with_search > 40, "{with_choices}, {with_search} of {small}");
}

#[test]
fn a_graph_too_large_for_a_search_has_a_program() {
    let steps: Vec<Step> =
        (0..2 * search::CLASSES).map(|index| (index % 9, index, index / 2, None)).collect();
    let (egraph, root) = graph(&[steps, vec![(1, 1, 0, Some(3))]].concat());
    let mut choices = Choices::of_graph(&egraph, root, &depths(&egraph), &cost);
    let count = choices.classes.len().max(search::CLASSES + 1);
    choices.classes.resize(count, vec![]);
    let found = search::cheapest(choices, search::STEPS);
    assert_eq!(found.limit.as_deref(), Some("1000 classes in the extraction"));
    assert_eq!(cost_of(&found.choices.expression(&found.chosen), &egraph, &cost).arithmetic, found.cost);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_program_is_cheaper(steps in steps()) {
        let (egraph, root) = graph(&steps);
        prop_assume!(is_small(&egraph));
        let found = extract(&egraph, root, &cost);
        prop_assert_eq!(cost_of(&found.expression, &egraph, &cost), found.cost);
        prop_assert_eq!(Some(found.cost), least_cost(&egraph, root));
        prop_assert_eq!(found.limit, None);
    }

    /// The same if the search ends early, or is not begun.
    #[test]
    fn limits_leave_a_program_and_say_so(steps in steps(), most_steps in 0..4_usize) {
        let (egraph, root) = graph(&steps);
        let choices = || Choices::of_graph(&egraph, root, &depths(&egraph), &cost);
        let least = search::cheapest(choices(), search::STEPS);
        let early = search::cheapest(choices(), most_steps);
        prop_assert!(early.limit.is_some() || early.cost == least.cost);
        let trees = fallback::cheapest_trees(&choices());
        for (choices, chosen, cost_found) in
            [(choices(), trees.clone(), choices().cost(&trees)), (early.choices, early.chosen, early.cost)]
        {
            prop_assert!(cost_found >= least.cost);
            let cost = cost_of(&choices.expression(&chosen), &egraph, &cost);
            prop_assert_eq!(cost.arithmetic, cost_found);
        }
    }
}

/// The exponential is computed for the sum, but in another kernel than the result.
#[test]
fn a_value_is_paid_in_every_kernel() {
    let mut egraph: LossGraph = EGraph::new(FactsAnalysis::default());
    let mut add = |text: &str| egraph.add_expr(&text.parse().expect("an expression"));
    let by_exponential = add("(add (exp $0) (broadcast (sum (exp $0))))");
    let by_square = add("(mul (broadcast (sum (exp $0))) (broadcast (sum (exp $0))))");
    let sum = add("(sum (exp $0))");
    egraph.union(by_exponential, by_square);
    let root = egraph.add(LossNode { op: NodeOp::Roots, children: vec![sum, by_square] });
    egraph.rebuild();
    let found = extract(&egraph, root, &cost);
    let text = found.expression.to_string();
    assert!(text.contains("(mul ") && !text.contains("(add "), "{text}");
    // The exponential and the sum count twice, as in `forward` and in both; so does the product.
    assert_eq!(found.cost.arithmetic, 2 * (7 + 1) + 2 * (3 + 4));
}

/// The cost of the kernels of all entry points.
fn cost_of_schedule(program: &Program) -> u64 {
    let schedule = schedule(program, Default::default());
    let value_cost = |value| cost(program.node(value).op, program.ty(value).level);
    let entry_points = [&schedule.forward, &schedule.backward, &schedule.forward_backward];
    let kernels = entry_points.into_iter().flatten().map(|&index| &schedule.kernels[index]);
    kernels.flat_map(|kernel| schedule.pixel_values(kernel)).map(value_cost).sum()
}

#[test]
fn costs_are_those_of_the_kernels() {
    for program in library::all().expect("the library parses").into_iter().flat_map(|file| file.programs) {
        let stable = stabilise(&program, false).expect("stabilises").program;
        for program in [differentiate(&stable).expect("differentiates"), stable] {
            let egraph: LossGraph = EGraph::new(FactsAnalysis::of(&program));
            let pixel_cost = |op, level| if level == Level::Pixel { cost(op, level) } else { 0 };
            let cost = cost_of(&to_expression(&program), &egraph, &pixel_cost);
            assert_eq!(cost.arithmetic, cost_of_schedule(&program), "{}", program.name());
        }
    }
}
