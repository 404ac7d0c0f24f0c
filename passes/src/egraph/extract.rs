//! The cheapest program of an e-graph, with shared values paid once.
//!
//! Passes over the data come first: each class keeps only the nodes of least
//! depth in reductions, since a pass costs more than any arithmetic. Among those
//! the choice is by price: every class keeps the node for which all that it needs,
//! each class counted once, is cheapest, until nothing gets cheaper. What a class
//! cannot see is that another needs the same value: so single choices are then
//! changed as long as that makes the whole program cheaper. Ties go to the node
//! that sorts first, so the result is the same on every machine.

mod improve;

use std::collections::{BTreeMap, HashMap};

use egg::{Id, Language as _, RecExpr};
use lossc_dialect::{Level, Op};

use super::{Facts, LossGraph, LossNode, NodeOp};

/// The price of one op at a level, in units of the caller's choice.
pub type Price = dyn Fn(Op, Level) -> u64;

/// What a program costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Reductions over pixels that wait for one another.
    pub depth: usize,
    /// The prices of its distinct values.
    pub price: u64,
}

/// The cheapest program of an e-graph.
pub struct Extraction {
    /// The program.
    pub expression: RecExpr<LossNode>,
    /// What it costs.
    pub cost: Cost,
}

/// The cheapest expression of the class `root`.
pub fn extract(egraph: &LossGraph, root: Id, price: &Price) -> Extraction {
    let depths = depths(egraph);
    let root = egraph.find(root);
    let mut nodes: HashMap<Id, LossNode> = HashMap::new();
    nodes.extend(choose(egraph, &depths, price).into_iter().map(|(class, choice)| (class, choice.node)));
    let total = improve::improve(egraph, root, &depths, &mut nodes, price);
    Extraction { expression: read(egraph, root, &nodes), cost: Cost { depth: depths[&root], price: total } }
}

/// What `expression` costs, every node of it in `egraph`.
pub(super) fn cost_of(expression: &RecExpr<LossNode>, egraph: &LossGraph, price: &Price) -> Cost {
    let mut facts: Vec<Facts> = vec![];
    let mut depths: Vec<usize> = vec![];
    let mut total = 0;
    for node in expression {
        let operands: Vec<_> = node.children.iter().map(|&child| facts[usize::from(child)]).collect();
        let own = egraph.analysis.facts(node.op, &operands);
        total += node_price(node, own, price);
        facts.push(own);
        let below = node.children.iter().map(|&child| depths[usize::from(child)]).max().unwrap_or(0);
        depths.push(below + steps(node));
    }
    Cost { depth: depths.last().copied().unwrap_or(0), price: total }
}

fn node_price(node: &LossNode, facts: Facts, price: &Price) -> u64 {
    match node.op {
        NodeOp::Roots => 0,
        NodeOp::Op(op) => price(op, facts.level.unwrap_or(Level::Scalar)),
    }
}

/// How many passes over the data end at this node.
fn steps(node: &LossNode) -> usize {
    usize::from(matches!(node.op, NodeOp::Op(Op::Sum | Op::Count)))
}

/// The least depth of each class.
fn depths(egraph: &LossGraph) -> HashMap<Id, usize> {
    let mut depths: HashMap<Id, usize> = HashMap::new();
    loop {
        let before = depths.clone();
        for class in sorted(egraph) {
            let least = egraph[class].iter().filter_map(|node| depth(egraph, node, &depths)).min();
            if let Some(least) = least {
                depths.insert(class, least);
            }
        }
        if depths == before {
            return depths;
        }
    }
}

fn depth(egraph: &LossGraph, node: &LossNode, depths: &HashMap<Id, usize>) -> Option<usize> {
    let mut deepest = 0;
    for &child in node.children() {
        deepest = deepest.max(*depths.get(&egraph.find(child))?);
    }
    Some(deepest + steps(node))
}

fn sorted(egraph: &LossGraph) -> Vec<Id> {
    let mut classes: Vec<_> = egraph.classes().map(|class| class.id).collect();
    classes.sort_unstable();
    classes
}

/// The nodes of `class` that no other node of it beats in depth.
fn shallow_nodes<'a>(
    egraph: &'a LossGraph,
    class: Id,
    depths: &'a HashMap<Id, usize>,
) -> impl Iterator<Item = &'a LossNode> {
    egraph[class].iter().filter(move |node| depth(egraph, node, depths) == Some(depths[&class]))
}

/// The node a class has chosen, and the price of every class it needs.
#[derive(Clone)]
struct Choice {
    node: LossNode,
    needs: BTreeMap<Id, u64>,
    price: u64,
}

fn choose(egraph: &LossGraph, depths: &HashMap<Id, usize>, price: &Price) -> HashMap<Id, Choice> {
    let mut choices: HashMap<Id, Choice> = HashMap::new();
    let classes = sorted(egraph);
    loop {
        let mut changed = false;
        for &class in &classes {
            let offers = shallow_nodes(egraph, class, depths)
                .filter_map(|node| offer(egraph, class, node, &choices, price));
            let Some(best) = offers.min_by(|a, b| (a.price, &a.node).cmp(&(b.price, &b.node))) else {
                continue;
            };
            // Only a lower price replaces a choice: prices fall and the loop ends.
            if choices.get(&class).is_none_or(|known| best.price < known.price) {
                choices.insert(class, best);
                changed = true;
            }
        }
        if !changed {
            return choices;
        }
    }
}

/// What `class` would need with `node`; none if that is not known yet or needs
/// the class itself.
fn offer(
    egraph: &LossGraph,
    class: Id,
    node: &LossNode,
    choices: &HashMap<Id, Choice>,
    price: &Price,
) -> Option<Choice> {
    let mut needs = BTreeMap::from([(class, node_price(node, egraph[class].data, price))]);
    for &child in node.children() {
        let child = choices.get(&egraph.find(child))?;
        if child.needs.contains_key(&class) {
            return None;
        }
        needs.extend(&child.needs);
    }
    let price = needs.values().sum();
    Some(Choice { node: node.clone(), needs, price })
}

fn read(egraph: &LossGraph, root: Id, nodes: &HashMap<Id, LossNode>) -> RecExpr<LossNode> {
    let mut expression = RecExpr::default();
    let mut placed = HashMap::new();
    place(egraph, root, nodes, &mut placed, &mut expression);
    expression
}

fn place(
    egraph: &LossGraph,
    class: Id,
    nodes: &HashMap<Id, LossNode>,
    placed: &mut HashMap<Id, Id>,
    expression: &mut RecExpr<LossNode>,
) -> Id {
    let class = egraph.find(class);
    if let Some(&id) = placed.get(&class) {
        return id;
    }
    let node = nodes[&class].clone();
    let node = node.map_children(|child| place(egraph, child, nodes, placed, expression));
    let id = expression.add(node);
    placed.insert(class, id);
    id
}
