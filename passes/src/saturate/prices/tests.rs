use lossc_dialect::ops::{Meaning, table};

use super::*;

const LISTS: [PriceList; 3] = [PriceList::Host, PriceList::Nvidia, PriceList::NvidiaFast];

#[test]
fn whatever_has_operands_has_a_price_at_every_level() {
    for definition in table().filter(|it| !it.operands.is_empty()) {
        for level in [Level::Pixel, Level::Group, Level::Scalar] {
            for list in LISTS {
                assert!(list.price(definition.op, level) > 0, "{list:?} {}", definition.mnemonic);
            }
        }
    }
}

/// 12 floats, a comparison, a select and a shift.
#[test]
fn an_element_wise_op_costs_what_its_meaning_takes() {
    assert_eq!(PriceList::Host.price(Op::ExpNonpositive, Level::Pixel), 15 * 10);
    assert_eq!(PriceList::Nvidia.price(Op::ExpNonpositive, Level::Pixel), 12 * 10 + 3 * 20);
    assert_eq!(PriceList::NvidiaFast.price(Op::ExpNonpositive, Level::Pixel), 10 + 40);
}

#[test]
fn shorter_functions_and_shared_parts_are_cheaper() {
    for list in [PriceList::Host, PriceList::Nvidia] {
        let price = |op| list.price(op, Level::Pixel);
        assert!(price(Op::ExpNonpositive) < price(Op::Exp));
        assert!(price(Op::Log1pUnit) < price(Op::Log1p));
        assert!(price(Op::PositivePart) < price(Op::Max));
        assert!(price(Op::Add) + price(Op::Mul) < price(Op::Div));
        assert!(price(Op::ExpNonpositive) + price(Op::Div) < price(Op::Sigmoid));
    }
}

#[test]
fn fast_meanings_are_cheaper() {
    for definition in table().filter(|it| matches!(it.meaning, Meaning::Element { fast: Some(_), .. })) {
        let price = |list: PriceList| list.price(definition.op, Level::Pixel);
        assert!(price(PriceList::NvidiaFast) < price(PriceList::Nvidia), "{}", definition.mnemonic);
    }
}
