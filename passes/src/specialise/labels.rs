//! Labels: their valid values, and the ignored one.

use half::{bf16, f16};
use lossc_dialect::{Builder, Element, Level, Program, ValueId};
use lossc_faults::{Fault, is_seeded};

use super::SpecialiseError;

/// The labels of the program that a builder holds.
pub(super) fn labels(
    program: &Program,
    arguments: &[ValueId],
    option: &'static str,
) -> Result<ValueId, SpecialiseError> {
    let (index, _) = program.pixel_arguments().nth(1).ok_or(SpecialiseError::NoLabels(option))?;
    Ok(arguments[index])
}

/// The mask of the pixels whose label is `label`. Types that f32 may not hold exactly are
/// compared as integers.
pub(super) fn is_label(builder: &mut Builder, labels: ValueId, label: i64) -> ValueId {
    let is_wide = matches!(builder.ty(labels).element, Element::I32 | Element::I64);
    if is_wide && !is_seeded(Fault::IgnoredLabelsAreRounded) {
        return builder.is(labels, label);
    }
    let labels = builder.cast(labels, Element::F32);
    let label = builder.constant(label as f32, Level::Pixel);
    builder.equal(labels, label)
}

/// Checks that the labels' type can hold `index`.
pub(super) fn check_index(program: &Program, index: i64) -> Result<(), SpecialiseError> {
    let (_, labels) = program.pixel_arguments().nth(1).ok_or(SpecialiseError::NoLabels("ignore_index"))?;
    let element = labels.ty.element;
    match why_not(index, element) {
        Some(why) => Err(SpecialiseError::IgnoreIndex { index, element, why }),
        None => Ok(()),
    }
}

fn why_not(index: i64, element: Element) -> Option<&'static str> {
    let is = |rounded: f32| f64::from(rounded) as i128 == i128::from(index);
    let (is_told, why) = match element {
        Element::U8 => ((0..=255).contains(&index), "which go from 0 to 255: no pixel would be ignored"),
        Element::Mask => ((0..=1).contains(&index), "which are 0 or 1: no pixel would be ignored"),
        Element::I32 => {
            (i32::try_from(index).is_ok(), "which go from -2^31 to 2^31 - 1: no pixel would be ignored")
        }
        Element::I64 => (true, ""),
        Element::F32 => (is(index as f32), "which do not hold this number exactly"),
        Element::F16 => (is(f16::from_f64(index as f64).to_f32()), "which do not hold this number exactly"),
        Element::Bf16 => (is(bf16::from_f64(index as f64).to_f32()), "which do not hold this number exactly"),
    };
    (!is_told).then_some(why)
}

#[cfg(test)]
mod tests {
    use lossc_dialect::Element;

    use super::why_not;

    #[test]
    fn an_ignored_label_is_one_that_its_type_tells_from_all_others() {
        let cases: [(Element, &[i64], &[i64]); 6] = [
            (Element::U8, &[0, 1, 255], &[-1, 256, i64::MAX]),
            (Element::Mask, &[0, 1], &[-1, 2, 255]),
            (Element::I32, &[-100, 255, 1 << 24, -1 << 31], &[1 << 31, i64::MIN]),
            (Element::I64, &[-100, 1 << 24, (1 << 53) + 1, i64::MIN, i64::MAX], &[]),
            (Element::F32, &[-1, 1 << 24, (1 << 24) + 2, i64::MIN], &[(1 << 24) + 1, i64::MAX]),
            (Element::F16, &[2048, -65504], &[2049, 65536]),
        ];
        for (element, told, not_told) in cases {
            told.iter().for_each(|&index| assert_eq!(why_not(index, element), None, "{index} {element}"));
            not_told
                .iter()
                .for_each(|&index| assert!(why_not(index, element).is_some(), "{index} {element}"));
        }
    }
}
