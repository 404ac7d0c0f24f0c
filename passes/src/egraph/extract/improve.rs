//! Local search: change one class's node if the whole program gets cheaper.

use std::collections::{HashMap, HashSet};

use egg::{Id, Language as _};

use super::{LossGraph, LossNode, Price, node_price, shallow_nodes};

/// Changes single choices in `nodes` until none makes the program of `root`
/// cheaper, and gives its price.
pub(super) fn improve(
    egraph: &LossGraph,
    root: Id,
    depths: &HashMap<Id, usize>,
    nodes: &mut HashMap<Id, LossNode>,
    price: &Price,
) -> u64 {
    let mut best = Total::of(egraph, root, nodes, price).price;
    loop {
        let before = best;
        for class in Total::of(egraph, root, nodes, price).order {
            for node in shallow_nodes(egraph, class, depths) {
                // A node that nothing was chosen for below cannot be read off.
                let known = node.children().iter().all(|&child| nodes.contains_key(&egraph.find(child)));
                if !known {
                    continue;
                }
                let Some(old) = nodes.insert(class, node.clone()) else { continue };
                let total = Total::of(egraph, root, nodes, price);
                if total.acyclic && total.price < best {
                    best = total.price;
                } else {
                    nodes.insert(class, old);
                }
            }
        }
        if best == before {
            return best;
        }
    }
}

/// The classes of a program, operands first, and their price.
struct Total {
    order: Vec<Id>,
    price: u64,
    acyclic: bool,
}

impl Total {
    fn of(egraph: &LossGraph, root: Id, nodes: &HashMap<Id, LossNode>, price: &Price) -> Self {
        let mut total = Self { order: vec![], price: 0, acyclic: true };
        let (mut open, mut done) = (HashSet::new(), HashSet::new());
        total.visit(egraph, root, nodes, price, &mut open, &mut done);
        total
    }

    fn visit(
        &mut self,
        egraph: &LossGraph,
        class: Id,
        nodes: &HashMap<Id, LossNode>,
        price: &Price,
        open: &mut HashSet<Id>,
        done: &mut HashSet<Id>,
    ) {
        let class = egraph.find(class);
        if done.contains(&class) {
            return;
        }
        if !open.insert(class) {
            self.acyclic = false;
            return;
        }
        let node = &nodes[&class];
        for &child in node.children() {
            self.visit(egraph, child, nodes, price, open, done);
        }
        self.price += node_price(node, egraph[class].data, price);
        self.order.push(class);
        done.insert(class);
    }
}
