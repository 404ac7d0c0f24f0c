//! Branch and bound over the classes that have a choice.

use super::choices::Choices;
use super::fallback;
use super::kernels::Kernels;
use super::needs::{self, Needs};

/// Choices to make before the search is given up; a library loss needs a few hundred.
pub(super) const STEPS: usize = 20_000;

/// The largest number of classes whose needs are computed, which takes quadratic time.
pub(super) const CLASSES: usize = 1_000;

/// The choices that an extraction has found.
pub(super) struct Found {
    /// The choices that were left.
    pub(super) choices: Choices,
    /// The candidate of each class.
    pub(super) chosen: Vec<usize>,
    /// The cost of the program.
    pub(super) cost: u64,
    /// The limit that was hit, if the program may not be the cheapest.
    pub(super) limit: Option<String>,
}

/// The cheapest program of `choices`, or the cheapest found within `steps` steps.
pub(super) fn cheapest(mut choices: Choices, steps: usize) -> Found {
    if choices.classes.len() > CLASSES {
        return without_search(choices, format!("{CLASSES} classes in the extraction"));
    }
    let needs = choices.reduce();
    let mut search = Search::new(&choices, &needs, steps);
    search.visit(&search.demands_of_root());
    let limit = search.is_over().then(|| format!("{steps} steps of the extraction"));
    match search.best {
        Some((cost, chosen)) => Found { choices, chosen, cost, limit },
        None => without_search(choices, limit.unwrap_or_default()),
    }
}

fn without_search(choices: Choices, limit: String) -> Found {
    let chosen = fallback::cheapest_trees(&choices);
    let cost = choices.cost(&chosen);
    Found { choices, chosen, cost, limit: Some(limit) }
}

struct Search<'a> {
    choices: &'a Choices,
    needs: &'a Needs,
    /// The needs of each candidate.
    rows: Vec<Vec<Vec<Kernels>>>,
    /// The classes with a choice, users first where that is possible.
    order: Vec<usize>,
    /// The candidate of each class that is decided.
    chosen: Vec<Option<usize>>,
    best: Option<(u64, Vec<usize>)>,
    steps: usize,
    most_steps: usize,
}

impl<'a> Search<'a> {
    fn new(choices: &'a Choices, needs: &'a Needs, most_steps: usize) -> Self {
        let rows = |class: &Vec<_>| class.iter().map(|candidate| needs.of_candidate(candidate)).collect();
        let mut order = choices.operands_first();
        order.retain(|&class| choices.classes[class].len() > 1);
        order.reverse();
        Self {
            choices,
            needs,
            rows: choices.classes.iter().map(rows).collect(),
            order,
            chosen: choices.classes.iter().map(|class| (class.len() == 1).then_some(0)).collect(),
            best: None,
            steps: 0,
            most_steps,
        }
    }

    fn is_over(&self) -> bool {
        self.steps > self.most_steps
    }

    fn demands_of_root(&self) -> Vec<Kernels> {
        let mut demands = vec![Kernels::NONE; self.choices.classes.len()];
        needs::add(&mut demands, self.needs.of_class(self.choices.root), Kernels::ONCE);
        demands
    }

    /// Decides all open classes, given the demands so far.
    fn visit(&mut self, demands: &[Kernels]) {
        self.steps += 1;
        let Some(&class) =
            self.order.iter().find(|&&it| self.chosen[it].is_none() && !demands[it].is_empty())
        else {
            return self.keep(demands);
        };
        let mut branches = vec![];
        for candidate in 0..self.choices.classes[class].len() {
            if !self.closes_a_cycle(class, candidate) {
                self.chosen[class] = Some(candidate);
                branches.push((self.cost(&self.demands_with(class, demands)), candidate));
            }
            self.chosen[class] = None;
        }
        branches.sort_unstable();
        for (bound, candidate) in branches {
            let is_better = self.best.as_ref().is_none_or(|(cost, _)| bound < *cost);
            if is_better && !self.is_over() {
                self.chosen[class] = Some(candidate);
                self.visit(&self.demands_with(class, demands));
                self.chosen[class] = None;
            }
        }
    }

    /// Records the decided program if it is the cheapest so far.
    fn keep(&mut self, demands: &[Kernels]) {
        let cost = self.cost(demands);
        if self.best.as_ref().is_none_or(|(best, _)| cost < *best) {
            let chosen = self.chosen.iter().map(|chosen| chosen.unwrap_or(0)).collect();
            self.best = Some((cost, chosen));
        }
    }

    /// `demands` with the needs of `class`, which has just been decided. Classes decided before
    /// may thereby be needed in further kernels.
    fn demands_with(&self, class: usize, demands: &[Kernels]) -> Vec<Kernels> {
        let mut met = demands.to_vec();
        met[class] = Kernels::NONE;
        let mut demands = demands.to_vec();
        loop {
            let open = |it: &&usize| self.chosen[**it].is_some() && met[**it] != demands[**it];
            let Some(&class) = self.order.iter().find(open) else { return demands };
            met[class] = demands[class];
            let candidate = self.chosen[class].unwrap_or(0);
            needs::add(&mut demands, &self.rows[class][candidate], met[class]);
        }
    }

    /// Returns whether `class` would need itself if it took `candidate`.
    fn closes_a_cycle(&self, class: usize, candidate: usize) -> bool {
        let mut needed = self.rows[class][candidate].clone();
        let mut open: Vec<_> = self.order.clone();
        loop {
            if !needed[class].is_empty() {
                return true;
            }
            let next = open.iter().position(|&it| self.chosen[it].is_some() && !needed[it].is_empty());
            let Some(next) = next else { return false };
            let class = open.swap_remove(next);
            let candidate = self.chosen[class].unwrap_or(0);
            needs::add(&mut needed, &self.rows[class][candidate], Kernels::ONCE);
        }
    }

    /// The cost of the demanded classes, each at its least: no program with the choices so far
    /// is cheaper.
    fn cost(&self, demands: &[Kernels]) -> u64 {
        let needed = demands.iter().enumerate().filter(|(_, demand)| !demand.is_empty());
        needed.map(|(class, demand)| self.least_cost(class) * demand.runs()).sum()
    }

    fn least_cost(&self, class: usize) -> u64 {
        let candidates = &self.choices.classes[class];
        match self.chosen[class] {
            Some(candidate) => candidates[candidate].cost,
            None => candidates.iter().map(|candidate| candidate.cost).min().unwrap_or(0),
        }
    }
}
