//! Remaining unstable operations are reported with their location in the text.

use lossc::explain::{Explanation, explain};
use lossc::{Loss, Numerics};

use crate::data::host;

/// `-log(1 - p q)` of two probabilities, over a ratio of totals.
const SOURCE: &str = r#"func.func @pairs(%x: tensor<?x?xf32>, %y: tensor<?x?xf32>) -> tensor<f32> {
  %one = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
  %p = "loss.sigmoid"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %q = "loss.sigmoid"(%y) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %pq = "loss.mul"(%p, %q) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %rest = "loss.sub"(%one, %pq) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %log = "loss.log"(%rest) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %sum = "loss.sum"(%log) : (tensor<?x?xf32>) -> tensor<?xf32>
  %total = "loss.sum"(%p) : (tensor<?x?xf32>) -> tensor<?xf32>
  %ratio = "loss.div"(%sum, %total) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %loss = "loss.sum_groups"(%ratio) : (tensor<?xf32>) -> tensor<f32>
  return %loss : tensor<f32>
}"#;

fn explained(loss: &Loss) -> Explanation {
    explain(loss, &host(), Numerics::Reproducible).expect("a loss")
}

#[test]
fn an_unstable_logarithm_is_named_with_line_and_column() {
    let explanation = explained(&Loss::parse("pairs.mlir", SOURCE).expect("a loss"));
    let places: Vec<_> = explanation
        .unstable
        .iter()
        .map(|it| (it.op, it.location.expect("written in a text").0, it.by_rounding))
        .collect();
    assert_eq!(places, [("log", 7, true), ("div", 10, false)]);
    let page = explanation.to_string();
    assert!(page.contains("\nUnstable:\n  loss.log at 7:"), "{page}");
}

#[test]
fn library_losses_have_nothing_unstable() {
    for name in lossc_dialect::library::names() {
        let explanation = explained(&Loss::library(&name).expect("in the library"));
        assert_eq!(explanation.unstable, [], "{name}");
    }
}
