//! Directed rewriting: every rule of a table wherever it applies, until none does.
//!
//! Operands come first, and each distinct node is rewritten once. So the time grows with the
//! program alone, and the form that a node takes does not depend on the rest of the program.
//! There is no limit, so the rules must terminate by themselves: each makes a measure smaller,
//! which is tested where the table is.

use std::collections::HashMap;

use egg::Id;
use lossc_dialect::Program;
use lossc_dialect::program::{BuildError, SourceLocation};

use super::convert::{from_located_expression, to_located_expression};
use super::proof::{Direction, Proof, Step};
use super::sides::Sides;
use super::terms::Terms;
use super::{Condition, Facts, FactsAnalysis, LossNode, NodeOp, ProgramCost, Rewriting, Rule};

/// Rewrites `program` by `rules` until none applies. The proof is returned only if `explain` is
/// set.
pub fn direct(program: &Program, rules: &[Rule], explain: bool) -> Result<Rewriting, BuildError> {
    let mut directed = Directed::new(program, rules);
    let (expression, locations) = to_located_expression(program);
    let source = directed.terms.add_expression(&expression).expect("an expression has a root");
    directed.locations = locations;
    let result = directed.normal_form(source);
    let Directed { terms, locations, steps, .. } = directed;
    let (expression, locations) = terms.located_expression(result, &locations);
    let rewritten = from_located_expression(&expression, &locations, program)?;
    let nodes = terms.len();
    let (source, result) = (usize::from(source), usize::from(result));
    let proof = explain.then(|| Proof { nodes: terms.write(), source, result, steps });
    Ok(Rewriting {
        program: rewritten,
        rules: proof.as_ref().map_or(vec![], |proof| proof.rules(rules)),
        proof,
        limit: None,
        nodes,
        iterations: 1,
        cost: (ProgramCost::default(), ProgramCost::default()),
    })
}

struct Directed {
    /// The rules by the op at the root of their left sides.
    rules: HashMap<NodeOp, Vec<Sides>>,
    analysis: FactsAnalysis,
    terms: Terms,
    /// By term, the location where it, or the term it was made from, was written.
    locations: Vec<Option<SourceLocation>>,
    /// By term, its facts.
    facts: Vec<Facts>,
    /// The normal form of each term for which it is known.
    normal: HashMap<Id, Id>,
    steps: Vec<Step>,
}

/// A step that remains to be done.
enum Task {
    /// Bring a term into normal form.
    Open(Id),
    /// The same, once its operands are in normal form.
    Close(Id),
    /// Give the first term the normal form of the second.
    Follow(Id, Id),
}

impl Directed {
    fn new(program: &Program, rules: &[Rule]) -> Self {
        let mut by_head: HashMap<NodeOp, Vec<Sides>> = HashMap::new();
        for sides in rules.iter().map(Sides::of) {
            let head = sides.head().expect("a rule that matches everything comes to no end");
            by_head.entry(head).or_default().push(sides);
        }
        Self {
            rules: by_head,
            analysis: FactsAnalysis::of(program),
            terms: Terms::default(),
            locations: vec![],
            facts: vec![],
            normal: HashMap::new(),
            steps: vec![],
        }
    }

    /// The normal form of `root`. There is no recursion, because a program may be as deep as it
    /// is long.
    fn normal_form(&mut self, root: Id) -> Id {
        let mut open = vec![Task::Open(root)];
        while let Some(task) = open.pop() {
            match task {
                Task::Open(id) if self.normal.contains_key(&id) => {}
                Task::Open(id) => {
                    open.push(Task::Close(id));
                    open.extend(self.terms.node(id).children.iter().rev().map(|&child| Task::Open(child)));
                }
                Task::Close(id) => match self.next(id) {
                    Some(next) => open.extend([Task::Follow(id, next), Task::Open(next)]),
                    None => drop(self.normal.insert(id, id)),
                },
                Task::Follow(id, next) => drop(self.normal.insert(id, self.normal[&next])),
            }
        }
        self.normal[&root]
    }

    /// The next form of the term `id`, whose operands have their normal forms.
    fn next(&mut self, id: Id) -> Option<Id> {
        let LossNode { op, children } = self.terms.node(id).clone();
        let children = children.iter().map(|child| self.normal[child]).collect();
        let next = match self.terms.add(LossNode { op, children }) {
            same if same == id => self.rewritten(id),
            changed => Some(changed),
        };
        // New terms were made of this one.
        self.locations.resize(self.terms.len(), self.locations[usize::from(id)]);
        next
    }

    /// The result of the first rule that applies to the term `id`.
    fn rewritten(&mut self, id: Id) -> Option<Id> {
        self.learn();
        let rules = self.rules.get(&self.terms.node(id).op)?;
        let (rule, bindings) = rules.iter().find_map(|rule| {
            let mut found = rule.matches(&self.terms, id).into_iter();
            let holds = |asked: Vec<(Condition, Id)>| {
                asked.iter().all(|(condition, id)| condition.holds(&self.facts[usize::from(*id)]))
            };
            Some((rule, found.find(|bindings| rule.asked(bindings).is_some_and(holds))?))
        })?;
        let to = rule.build(&mut self.terms, &bindings);
        let (from, rule) = (usize::from(id), rule.name.to_owned());
        self.steps.push(Step { rule, direction: Direction::Forward, from, to: usize::from(to) });
        Some(to)
    }

    /// Computes the facts of the terms that were added.
    fn learn(&mut self) {
        for index in self.facts.len()..self.terms.len() {
            let node = self.terms.node(Id::from(index));
            let operands: Vec<_> = node.children.iter().map(|&it| self.facts[usize::from(it)]).collect();
            self.facts.push(self.analysis.facts(node.op, &operands));
        }
    }
}
