//! The reductions that are folded, those that are not, and the equality of the results.

use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::{Builder, Element, Level, Op, Program, text};

use super::fold;

fn reductions(program: &Program) -> Vec<Op> {
    let is_reduction = |op: &Op| matches!(op, Op::Sum | Op::Count | Op::SumGroups | Op::MeanGroups);
    program.values().map(|(_, node)| node.op).filter(is_reduction).collect()
}

/// A loss of logits in which everything else is uniform.
fn uniform() -> Program {
    let mut b = Builder::new("uniform");
    let x = b.pixel_argument("logit", Element::F32);
    let number = b.scalar_argument("number", -0.5);
    let sum = b.sum(x);
    let (spread, by_number) = (b.broadcast(sum), b.broadcast(number));
    let product = b.mul(spread, by_number);
    let (again, two) = (b.sum(product), b.constant(2.0, Level::Pixel));
    let is_less = b.less(by_number, two);
    let count = b.count(is_less);
    let float = b.cast(count, Element::F32);
    let both = b.add(again, float);
    let total = b.sum_groups(both);
    let groups = b.broadcast_groups(number);
    let (mean, all) = (b.mean_groups(groups), b.sum_groups(groups));
    let loss = b.add(total, mean);
    let loss = b.add(loss, all);
    b.finish_named([("loss", loss), ("float", float), ("count", count)]).expect("a loss")
}

#[test]
fn what_is_the_same_everywhere_is_not_reduced() {
    let folded = fold(&uniform());
    // The sum of logits, the sum over groups, and a count that is a result.
    assert_eq!(reductions(&folded), [Op::Sum, Op::Count, Op::SumGroups], "{}", text::print(&folded));
    assert_eq!(fold(&folded), folded);
}

#[test]
fn folded_programs_have_the_same_values() {
    let (program, folded) = (uniform(), fold(&uniform()));
    for (planes, groups, plane_length) in [(4, 2, 3), (6, 6, 1), (0, 0, 5), (0, 3, 5), (2, 2, 0)] {
        for number in [-0.5, -0.0, f64::INFINITY, f64::NAN, 3.0] {
            let pixels = [(0..planes * plane_length).map(|index| index as f64 - 2.5).collect()];
            let plane_group: Vec<_> = (0..planes).map(|plane| plane % groups).collect();
            let inputs = Inputs {
                plane_group: &plane_group,
                groups,
                plane_length,
                pixels: &pixels,
                scalars: &[number],
                uniform: &|_| 0.5,
            };
            let of = |program| interpret(program, &inputs, Precision::Real);
            let bits = |values: Vec<Vec<f64>>| -> Vec<Vec<_>> {
                let bits = |value: &f64| if value.is_nan() { 0 } else { value.to_bits() };
                values.iter().map(|values| values.iter().map(bits).collect()).collect()
            };
            assert_eq!(bits(of(&folded)), bits(of(&program)), "{planes} {groups} {plane_length} {number}");
        }
    }
}
