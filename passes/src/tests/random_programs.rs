//! Random programs through every rewriting pass. `LOSSC_SEED` selects others.

use lossc_dialect::{Level, Op, Program, text};
use lossc_programs::evaluate::Sample;
use lossc_programs::generate::{Constraint, Plan, Shape, plain_shapes};
use lossc_programs::pattern::ops_of;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::reference::{Pair, Tally};
use crate::egraph::evidence::tests::WRONG;
use crate::egraph::{Class, Condition, Limits, Rewriting, Rule, rewrite};
use crate::saturate::costs::CostModel;
use crate::saturate::{self, saturate};
use crate::schedule::passes;
use crate::stabilise::{self, stabilise};

const PLANES: usize = 4;
const PLANE_LENGTH: usize = 4;

/// Values at which rewrites go wrong.
const EDGES: [f64; 12] = [
    0.0,
    -0.0,
    f64::INFINITY,
    -88.0,
    1.0,
    f64::NAN,
    -1.0,
    f64::NEG_INFINITY,
    104.0,
    16.625,
    -1e-30_f32 as f64,
    0.25,
];

/// Ordinary pixels; edges; and a group without positives among edges, with both infinities but
/// no NaN.
pub(super) fn samples() -> Vec<Sample> {
    let count = PLANES * PLANE_LENGTH;
    let ordinary = |scale: f32, shift: usize| -> Vec<f64> {
        (0..count)
            .map(|index| f64::from((((index + shift) * 29 % 47) as f32 / 8.0 - 2.8125) * scale))
            .collect()
    };
    let edges = |shift: usize| -> Vec<f64> {
        (0..count).map(|index| EDGES[(index * 5 + shift) % EDGES.len()]).collect()
    };
    let labels = |period: usize| -> Vec<f64> {
        (0..count).map(|index| f64::from(u8::from(index % period == 1))).collect()
    };
    let sample = |pixels: [Vec<f64>; 3], number: f64| Sample {
        plane_group: vec![0, 1, 1, 0],
        groups: 2,
        plane_length: PLANE_LENGTH,
        pixels: pixels.into(),
        scalars: vec![number],
        ..Sample::default()
    };
    vec![
        sample([ordinary(1.0, 0), labels(3), ordinary(0.75, 5)], 2.0),
        sample([edges(0), labels(3), ordinary(0.75, 5)], 2.0),
        sample([edges(1), vec![0.0; count], edges(8)], 0.0),
    ]
}

/// One shape per op, a few constants, and one shape per rule.
pub(super) fn shapes() -> Vec<Shape> {
    plain_shapes().chain(stabilise::RULES.iter().copied().chain(saturate::rules::all()).map(left)).collect()
}

/// The plain shapes, and the sides of one rule as often as all of them together: parts of the
/// right side are cheaper if they are already present.
fn shapes_for(rule: Rule) -> Vec<Shape> {
    let right = Rule { left: rule.right, ..rule };
    plain_shapes().enumerate().flat_map(|(index, shape)| [shape, left([rule, right][index % 2])]).collect()
}

fn left(rule: Rule) -> Shape {
    let constraint = |condition: &Condition| match *condition {
        Condition::Finite(name) => Some(Constraint::Finite(name)),
        Condition::NonNegative(name) => Some(Constraint::NonNegative(name)),
        Condition::PerGroup(name) => Some(Constraint::PerGroup(name)),
        Condition::PerCall(name) => Some(Constraint::PerCall(name)),
        _ => None,
    };
    Shape::new(rule.left, rule.conditions.iter().filter_map(constraint))
}

/// The seed of all random programs; the environment may choose another.
fn seed() -> u64 {
    std::env::var("LOSSC_SEED").ok().map_or(1, |seed| seed.parse().expect("LOSSC_SEED is a number"))
}

/// Runs `check` on `cases` random programs of `shapes`, and shrinks the first that fails in at
/// most `shrinks` steps.
fn run_random_programs(
    cases: u32,
    shrinks: u32,
    shapes: &[Shape],
    check: impl Fn(&Plan, &[Shape]) -> Result<(), String>,
) -> Result<(), TestError<Plan>> {
    let config = Config {
        cases,
        max_shrink_iters: shrinks,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config).run(&Plan::any(9), |plan| check(&plan, shapes).map_err(TestCaseError::fail))
}

/// Runs `check` on `cases` random programs; prints the seed, and the smallest failing program
/// that was found.
pub(super) fn for_random_programs(cases: u32, check: impl Fn(&Plan, &[Shape]) -> Result<(), String>) {
    for_random_programs_of(&shapes(), cases, check);
}

/// The same for programs of these shapes.
pub(super) fn for_random_programs_of(
    shapes: &[Shape],
    cases: u32,
    check: impl Fn(&Plan, &[Shape]) -> Result<(), String>,
) {
    let seed = seed();
    println!("LOSSC_SEED={seed}");
    match run_random_programs(cases, 4 * cases, shapes, check) {
        Ok(()) => {}
        Err(TestError::Fail(reason, plan)) => {
            let program = text::print(&plan.program(shapes, true));
            panic!("LOSSC_SEED={seed}: {reason}\n{program}");
        }
        Err(error) => panic!("LOSSC_SEED={seed}: {error}"),
    }
}

/// Checks the properties of any rewriting of `source`.
pub(super) fn check_rewriting(
    source: &Program,
    rewriting: &Rewriting,
    rules: &[Rule],
    samples: &[Sample],
    tally: &Tally,
) -> Result<(), String> {
    let is_exact = |name: &&str| {
        rules
            .iter()
            .any(|rule| rule.name == *name && matches!(rule.class, Class::Exact | Class::ExactButZero))
    };
    let exact = rewriting.rules.iter().all(is_exact);
    let pair = Pair { source, result: &rewriting.program, exact, tally };
    let by = || format!("by {:?}:\n{}", rewriting.rules, text::print(&rewriting.program));
    samples.iter().try_for_each(|sample| pair.check(sample)).map_err(|error| format!("{error}\n{}", by()))?;
    // The extraction may settle for a program that is not the cheapest.
    if let Some(limit) = rewriting.limit.as_ref().filter(|limit| !limit.ends_with("the extraction")) {
        return Err(format!("no end after {limit} {}", by()));
    }
    let (before, after) = rewriting.cost;
    if after > before {
        return Err(format!("the cost rises from {before:?} to {after:?} {}", by()));
    }
    let ((forward, backward), (known_forward, known_backward)) = (passes(&rewriting.program), passes(source));
    if forward > known_forward || forward + backward > known_forward + known_backward {
        return Err(format!("{forward} + {backward} passes for {known_forward} + {known_backward} {}", by()));
    }
    Ok(())
}

/// Saturates by each cost model and checks the results.
pub(super) fn check_saturation(source: &Program, samples: &[Sample], tally: &Tally) -> Result<(), String> {
    let rules = saturate::rules::all();
    for costs in [CostModel::Host, CostModel::Nvidia, CostModel::NvidiaFast] {
        let rewriting = saturate(source, costs, true).map_err(|error| error.to_string())?;
        check_rewriting(source, &rewriting, &rules, samples, tally)?;
    }
    Ok(())
}

#[test]
fn rewritten_programs_mean_what_their_sources_mean() {
    let (samples, tally) = (samples(), Tally::default());
    for_random_programs(2000, |plan, shapes| {
        let source = plan.program(shapes, true);
        let stable = stabilise(&source, true).map_err(|error| error.to_string())?;
        check_rewriting(&source, &stable, stabilise::RULES, &samples, &tally)?;
        check_saturation(&stable.program, &samples, &tally)
    });
    println!("{tally:?}");
    let (compared, skipped) = (tally.compared.get(), tally.skipped.get());
    assert!(compared > skipped, "{tally:?}: most values can be compared");
}

/// Returns whether a compiler that has `wrong` among its rules, and is drawn to its right side
/// because `dear` is costly, is caught.
fn is_caught(wrong: Rule, dear: Op, cases: u32, samples: &[Sample]) -> bool {
    let rules = [wrong];
    let cost = move |op: Op, _: Level| match op {
        Op::Argument(_) | Op::Constant(_) => 0,
        _ if op == dear => 100,
        _ => 1,
    };
    let check = |plan: &Plan, shapes: &[Shape]| {
        let source = plan.program(shapes, true);
        let result = rewrite(&source, &rules, Limits::default(), &cost, true);
        let rewriting = result.map_err(|error| error.to_string())?;
        check_rewriting(&source, &rewriting, &rules, samples, &Tally::default())
    };
    run_random_programs(cases, 0, &shapes_for(wrong), check).is_err()
}

/// The negative control: the reference is not so forgiving that it accepts wrong rules.
#[test]
fn random_programs_catch_wrong_rules() {
    let samples = samples();
    let by_any_cost =
        |wrong: &Rule| ops_of(wrong.left).into_iter().any(|op| is_caught(*wrong, op, 3000, &samples));
    let missed: Vec<_> = WRONG.iter().filter(|wrong| !by_any_cost(wrong)).map(|wrong| wrong.name).collect();
    assert!(missed.is_empty(), "not caught: {}", missed.join(", "));
}

/// The same check passes for correct rules; otherwise the control would prove nothing.
#[test]
fn random_programs_let_right_rules_by() {
    let samples = samples();
    for rule in saturate::rules::all() {
        for dear in ops_of(rule.left) {
            assert!(!is_caught(rule, dear, 20, &samples), "{} with {dear:?} dear", rule.name);
        }
    }
}

#[test]
fn a_program_is_rewritten_the_same_way_each_time() {
    for_random_programs(100, |plan, shapes| {
        let rewritten = || -> Result<String, String> {
            let stable = stabilise(&plan.program(shapes, true), false).map_err(|error| error.to_string())?;
            let result =
                saturate(&stable.program, CostModel::Host, false).map_err(|error| error.to_string())?;
            Ok(text::print(&result.program))
        };
        if rewritten()? == rewritten()? { Ok(()) } else { Err("another text on the second run".into()) }
    });
}

#[test]
fn programs_are_read_as_they_are_printed() {
    for_random_programs(100, |plan, shapes| {
        let source = text::print(&plan.program(shapes, false));
        let file = text::parse("random.mlir", &source).map_err(|error| format!("{error:?}\n{source}"))?;
        let again = text::print(&file.programs[0]);
        if again == source { Ok(()) } else { Err(format!("{again}\nfor\n{source}")) }
    });
}
