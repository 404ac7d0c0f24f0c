use lossc_dialect::ops::{Meaning, table};

use super::*;

const LISTS: [CostModel; 3] = [CostModel::Host, CostModel::Nvidia, CostModel::NvidiaFast];

#[test]
fn whatever_has_operands_has_a_cost_at_every_level() {
    for definition in table().filter(|it| !it.operands.is_empty()) {
        for level in [Level::Pixel, Level::Group, Level::Scalar] {
            for list in LISTS {
                assert!(list.cost(definition.op, level) > 0, "{list:?} {}", definition.mnemonic);
            }
        }
    }
}

/// The meaning has 12 float operations, a comparison, a select and a shift.
#[test]
fn an_element_wise_op_costs_what_its_meaning_takes() {
    assert_eq!(CostModel::Host.cost(Op::ExpNonpositive, Level::Pixel), 15 * 10);
    assert_eq!(CostModel::Nvidia.cost(Op::ExpNonpositive, Level::Pixel), 12 * 10 + 3 * 20);
    assert_eq!(CostModel::NvidiaFast.cost(Op::ExpNonpositive, Level::Pixel), 10 + 40);
}

#[test]
fn shorter_functions_and_shared_parts_are_cheaper() {
    for list in [CostModel::Host, CostModel::Nvidia] {
        let cost = |op| list.cost(op, Level::Pixel);
        assert!(cost(Op::ExpNonpositive) < cost(Op::Exp));
        assert!(cost(Op::Log1pUnit) < cost(Op::Log1p));
        assert!(cost(Op::PositivePart) < cost(Op::Max));
        assert!(cost(Op::Add) + cost(Op::Mul) < cost(Op::Div));
        assert!(cost(Op::ExpNonpositive) + cost(Op::Div) < cost(Op::Sigmoid));
    }
}

#[test]
fn fast_meanings_are_cheaper() {
    for definition in table().filter(|it| matches!(it.meaning, Meaning::Element { fast: Some(_), .. })) {
        let cost = |list: CostModel| list.cost(definition.op, Level::Pixel);
        assert!(cost(CostModel::NvidiaFast) < cost(CostModel::Nvidia), "{}", definition.mnemonic);
    }
}
