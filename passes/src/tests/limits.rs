//! Saturation within its limits: they hold, the result is sound, and programs that were once too
//! large no longer are.

use lossc_dialect::{Program, text};

use super::random_programs::samples;
use super::reference::{Pair, Tally};
use super::{optimised, programs};
use crate::egraph::{Limits, Rewriting, Rule, real, rewrite};
use crate::saturate::costs::CostModel;
use crate::saturate::{rules, saturate};
use crate::{differentiate, stabilise};

fn rewritten(program: &Program, rules: &[Rule], limits: Limits) -> Rewriting {
    rewrite(program, rules, limits, &|op, level| CostModel::Host.cost(op, level), true).expect("rewrites")
}

fn check_meaning(source: &Program, result: &Program) {
    let tally = Tally::default();
    let pair = Pair { source, result, exact: false, tally: &tally };
    for mut sample in samples() {
        sample.pixels.truncate(2);
        sample.scalars = vec![1.0; source.scalar_arguments().count()];
        pair.check(&sample).unwrap_or_else(|error| panic!("{}: {error}", source.name()));
    }
    assert!(tally.compared.get() > tally.skipped.get(), "{tally:?}");
}

/// Each limit in turn, so small that saturation finishes for no library loss.
#[test]
fn a_limit_leaves_a_sound_program_and_is_named() {
    for program in programs() {
        let stable = stabilise::stabilise(&program, false).expect("stabilises").program;
        let source = differentiate::differentiate(&stable).expect("differentiates");
        let size = rewritten(&source, &[], Limits::default()).nodes;
        let all = Limits::default();
        let tiny = [
            (Limits { iterations: 2, ..all }, "2 rounds".to_owned()),
            (Limits { nodes: size + 20, ..all }, format!("{} nodes", size + 20)),
            (Limits { matches: 1, ..all }, "1 matches of ".to_owned()),
        ];
        for (limits, name) in tiny {
            let result = rewritten(&source, &rules::all(), limits);
            let limit = result.limit.unwrap_or_default();
            assert!(limit.starts_with(&name), "{}: {limit:?} for {name}", program.name());
            assert!(result.cost.1 <= result.cost.0);
            check_meaning(&source, &result.program);
        }
    }
}

/// A sum of many terms, and the two rules that have made e-graphs of thousands of nodes out of
/// smaller programs.
fn explosion(limits: Limits) -> Rewriting {
    let terms: String = (1..12).map(|index| format!("%{index} = \"loss.add\"(%{}, %logit) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>\n", index - 1)).collect();
    let program = parse(&format!(
        "func.func @terms(%logit: tensor<?x?xf32>, %label: tensor<?x?xf32>) -> tensor<f32> {{
           %0 = \"loss.add\"(%label, %label) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
           {terms}
           %s = \"loss.sum\"(%11) : (tensor<?x?xf32>) -> tensor<?xf32>
           %l = \"loss.sum_groups\"(%s) : (tensor<?xf32>) -> tensor<f32>
           return %l : tensor<f32>
         }}"
    ));
    let rules = [
        real("commutes", "(add ?a ?b)", "(add ?b ?a)"),
        real("associates", "(add ?a (add ?b ?c))", "(add (add ?a ?b) ?c)"),
    ];
    rewritten(&program, &rules, limits)
}

/// The limit holds even inside a round, in which these rules would multiply the nodes.
#[test]
fn the_limit_of_nodes_is_never_passed() {
    for nodes in [30, 100, 500, 1_000] {
        let result = explosion(Limits { nodes, ..Limits::default() });
        assert_eq!(result.limit, Some(format!("{nodes} nodes")));
        assert!(result.nodes <= nodes, "{} nodes", result.nodes);
    }
}

/// A round adds no more nodes than the applied matches can.
#[test]
fn the_limit_of_matches_holds_in_each_round() {
    let limits = |iterations| Limits { iterations, matches: 5, ..Limits::default() };
    let nodes: Vec<_> = (0..8).map(|rounds| explosion(limits(rounds)).nodes).collect();
    assert!(nodes.windows(2).all(|pair| pair[1] - pair[0] <= 5 + 2 * 5), "{nodes:?}");
    let result = explosion(Limits { iterations: 1_000, matches: 5, ..Limits::default() });
    let limit = result.limit.unwrap_or_default();
    assert!(limit.starts_with("5 matches of "), "{limit}");
}

fn parse(source: &str) -> Program {
    text::parse("limits.mlir", source).expect("a loss").programs.remove(0)
}

/// Zeros by a select, `0 = select(m, 0, 0)`: rules that merge selects matched through it again
/// and again, and saturation hit the limit of rounds after 14,476 nodes and 36 s.
const ZEROS: &str = r#"
func.func @zeros(%logit: tensor<?x?xf32>, %label: tensor<?x?xf32>) -> (tensor<f32>, tensor<?xf32> {loss.name = "group"}) {
  %0 = "loss.exp"(%label) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %1 = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
  %2 = "loss.add"(%1, %0) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %3 = "loss.div"(%0, %2) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %4 = "loss.expm1"(%3) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %5 = "loss.sum"(%4) : (tensor<?x?xf32>) -> tensor<?xf32>
  %6 = "loss.mean_groups"(%5) : (tensor<?xf32>) -> tensor<f32>
  %7 = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?xf32>
  %8 = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?xf32>
  %9 = "loss.less"(%7, %8) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xi1>
  %10 = "loss.select"(%9, %7, %7) : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %6, %10 : tensor<f32>, tensor<?xf32>
}"#;

/// A select under its own mask and under the mask's opposite: `m and not m`, `m and (not m and
/// m)` and so on always were new masks.
const OPPOSITES: &str = r#"
func.func @opposites(%logit: tensor<?x?xf32>, %label: tensor<?x?xf32>) -> (tensor<f32>, tensor<?xf32> {loss.name = "group"}) {
  %0 = "loss.sum"(%logit) : (tensor<?x?xf32>) -> tensor<?xf32>
  %1 = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?xf32>
  %2 = "loss.less"(%0, %1) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xi1>
  %3 = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?xf32>
  %4 = "loss.select"(%2, %0, %3) : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %5 = "loss.select"(%2, %3, %4) : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %6 = "loss.select"(%2, %5, %3) : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %7 = "loss.select"(%2, %3, %6) : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %8 = "loss.add"(%4, %7) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %9 = "loss.sum_groups"(%8) : (tensor<?xf32>) -> tensor<f32>
  return %9, %7 : tensor<f32>, tensor<?xf32>
}"#;

/// A sum of selects under a mask that is never true was split by masks within masks, `((m and
/// not m) and not m) and m`, with six new nodes per round for ever.
const SPLITS: &str = r#"
func.func @splits(%logit: tensor<?x?xf32>, %label: tensor<?x?xf32>) -> (tensor<f32>, tensor<?x?xf32> {loss.name = "gradient"}) {
  %1 = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
  %2 = "loss.equal"(%label, %1) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
  %3 = "loss.not"(%2) : (tensor<?x?xi1>) -> tensor<?x?xi1>
  %4 = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?x?xf32>
  %5 = "loss.select"(%2, %logit, %4) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %6 = "loss.and"(%3, %2) : (tensor<?x?xi1>, tensor<?x?xi1>) -> tensor<?x?xi1>
  %7 = "loss.select"(%6, %logit, %4) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %8 = "loss.sub"(%5, %7) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %9 = "loss.neg"(%8) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %10 = "loss.select"(%2, %9, %4) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %11 = "loss.sum"(%10) : (tensor<?x?xf32>) -> tensor<?xf32>
  %12 = "loss.sum_groups"(%11) : (tensor<?xf32>) -> tensor<f32>
  return %12, %10 : tensor<f32>, tensor<?x?xf32>
}"#;

#[test]
fn programs_that_exploded_once_come_to_an_end() {
    for source in [ZEROS, OPPOSITES, SPLITS] {
        let program = parse(source);
        let result = saturate(&program, CostModel::Host, false).expect("saturates");
        assert_eq!(result.limit, None, "{}: {} nodes", program.name(), result.nodes);
        assert!(result.nodes < 100, "{}: {} nodes", program.name(), result.nodes);
        check_meaning(&program, &result.program);
    }
}

/// Zeros of a group gave the constant 0 the level of groups, and with it a scalar selected
/// against 0, which was then weighted as a value of a group: an ill-typed program and an error.
#[test]
fn zeros_of_a_group_lend_their_level_to_no_number() {
    let program = parse(
        r#"
func.func @levels(%logit: tensor<?x?xf32>, %label: tensor<?x?xf32>, %gamma: tensor<f32> {loss.name = "gamma", loss.default = 2.0 : f32}) -> (tensor<f32>, tensor<?xf32> {loss.name = "group"}) {
  %0 = "loss.sum"(%logit) : (tensor<?x?xf32>) -> tensor<?xf32>
  %1 = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?xf32>
  %2 = "loss.less"(%0, %1) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xi1>
  %3 = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?xf32>
  %4 = "loss.select"(%2, %3, %3) : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %5 = "loss.constant"() {value = 1.0 : f32} : () -> tensor<f32>
  %6 = "loss.less"(%gamma, %5) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %7 = "loss.constant"() {value = 0.0 : f32} : () -> tensor<f32>
  %8 = "loss.select"(%6, %gamma, %7) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
  %9 = "loss.broadcast"(%0) : (tensor<?xf32>) -> tensor<?x?xf32>
  %10 = "loss.broadcast"(%8) : (tensor<f32>) -> tensor<?x?xf32>
  %11 = "loss.absorbing_mul"(%9, %10) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %12 = "loss.sum"(%11) : (tensor<?x?xf32>) -> tensor<?xf32>
  %13 = "loss.sum_groups"(%12) : (tensor<?xf32>) -> tensor<f32>
  return %13, %4 : tensor<f32>, tensor<?xf32>
}"#,
    );
    let result = saturate(&program, CostModel::Host, false).expect("well typed");
    check_meaning(&program, &result.program);
}

/// The sizes that `explain` shows for library losses are far from the limits.
#[test]
fn library_losses_are_far_from_the_limits() {
    for program in programs() {
        let (source, _) = optimised(&program);
        let result = saturate(&source, CostModel::Host, false).expect("saturates");
        println!("{}: {} nodes, {} rounds", program.name(), result.nodes, result.iterations);
        assert!(
            result.nodes * 10 < Limits::default().nodes
                && result.iterations * 2 < Limits::default().iterations
        );
    }
}
