//! Reports of invalid pixels, made when a count is not zero.

use half::{bf16, f16};
use lossc_runtime::{ElementType, TensorView};

/// An invalid value and its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offender {
    /// The value.
    pub value: String,
    /// Its index in the tensor, one number per dimension.
    pub index: Vec<usize>,
}

/// Runs `$body` on a tensor's elements, whatever their type.
macro_rules! with_elements {
    ($tensor:expr, $elements:ident => $body:expr, $($element:ident $ty:ty),*) => {
        match $tensor.element_type() {
            $(ElementType::$element => $tensor.as_slice::<$ty>().ok().and_then(|$elements| $body),)*
        }
    };
    ($tensor:expr, $elements:ident => $body:expr) => {
        with_elements!($tensor, $elements => $body,
            F32 f32, F16 f16, Bf16 bf16, U8 u8, Bool bool, I32 i32, I64 i64)
    };
}

/// A type of labels, comparable with small integers.
trait Label: Copy + ToString {
    fn is(self, label: i64) -> bool;
}

macro_rules! labels {
    ($($ty:ty: $wide:expr;)*) => {$(
        impl Label for $ty {
            fn is(self, label: i64) -> bool {
                // Every type here fits an f64 or an i128, and so does a label.
                let wide: fn($ty) -> Option<i128> = $wide;
                wide(self) == Some(i128::from(label))
            }
        }
    )*};
}

labels! {
    f32: |it| whole(it);
    f16: |it| whole(it.to_f32());
    bf16: |it| whole(it.to_f32());
    u8: |it| Some(it.into());
    bool: |it| Some(it.into());
    i32: |it| Some(it.into());
    i64: |it| Some(it.into());
}

fn whole(value: f32) -> Option<i128> {
    (value.fract() == 0.0).then_some(value as i128)
}

/// The first label that is neither 0, 1 nor the ignored one.
pub(crate) fn first_label(labels: &TensorView<'_>, ignored: Option<i64>) -> Option<Offender> {
    let known = [Some(0), Some(1), ignored];
    with_elements!(labels, elements => {
        let is_invalid = |label: &&_| !known.into_iter().flatten().any(|known| Label::is(**label, known));
        offender(labels, elements.iter().position(|label| is_invalid(&label)), |at| elements[at].to_string())
    })
}

/// The first weight that is negative, infinite or NaN, at a pixel whose label is not ignored.
pub(crate) fn first_weight(pixels: &[TensorView<'_>], ignored: Option<i64>) -> Option<Offender> {
    let weights = pixels.last()?;
    let all = weights.as_slice::<f32>().ok()?;
    let is_invalid = |weight: f32| !(0.0..f32::INFINITY).contains(&weight);
    let seen = |at| ignored.is_none_or(|ignored| !has_label(pixels, at, ignored));
    offender(weights, (0..all.len()).find(|&at| is_invalid(all[at]) && seen(at)), |at| all[at].to_string())
}

fn has_label(pixels: &[TensorView<'_>], at: usize, label: i64) -> bool {
    let Some(labels) = pixels.get(1) else { return false };
    with_elements!(labels, elements => elements.get(at).map(|element| element.is(label))).unwrap_or(false)
}

fn offender(tensor: &TensorView<'_>, at: Option<usize>, value: impl Fn(usize) -> String) -> Option<Offender> {
    let at = at?;
    let mut rest = at;
    let mut index: Vec<_> = tensor
        .shape()
        .iter()
        .rev()
        .map(|&size| {
            let place = rest % size.max(1);
            rest /= size.max(1);
            place
        })
        .collect();
    index.reverse();
    Some(Offender { value: value(at), index })
}

/// The error about invalid labels.
pub(crate) fn labels(count: i64, ignored: Option<i64>, first: Option<&Offender>) -> String {
    let ignored = ignored.map(|it| format!(" nor {it}, which is ignored")).unwrap_or_default();
    let remedy = match first.map(|first| first.value.as_str()) {
        Some("255") => {
            "divide a mask of 0 and 255 by 255, or leave out pixels labelled 255 by ignore_index 255"
        }
        Some("true" | "false") | None => "a label is 0 or 1, or is left out by ignore_index",
        Some(value) if value.parse::<i64>().is_ok() => {
            "compare a map of classes with the class that is positive, or leave pixels out by ignore_index"
        }
        Some(_) => "compare scores with a threshold, or leave pixels out by ignore_index",
    };
    let are = if count == 1 { "label is" } else { "labels are" };
    format!("{count} {are} neither 0 nor 1{ignored}{}; {remedy}", place(first))
}

/// The error about invalid weights.
pub(crate) fn weights(count: i64, first: Option<&Offender>) -> String {
    let are = if count == 1 { "weight is" } else { "weights are" };
    format!("{count} {are} negative, infinite or NaN{}; a weight is 0 or more, and finite", place(first))
}

fn place(first: Option<&Offender>) -> String {
    first.map(|Offender { value, index }| format!(": the first is {value} at {index:?}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lossc_runtime::TensorView;

    use super::{Offender, first_label, first_weight, labels};

    #[test]
    fn the_first_invalid_label_is_named_exactly() {
        let large = [0i64, 1, (1 << 53) + 1, 5];
        let view = TensorView::from_slice(&[2, 2], &large).expect("fits");
        let found = first_label(&view, None).expect("one is invalid");
        assert_eq!(found, Offender { value: "9007199254740993".into(), index: vec![1, 0] });
        assert_eq!(first_label(&view, Some((1 << 53) + 1)).map(|it| it.value), Some("5".into()));
        let floats = [1.0f32, 0.5, f32::NAN];
        let view = TensorView::from_slice(&[1, 1, 3], &floats).expect("fits");
        let found = first_label(&view, None).expect("one is invalid");
        assert_eq!((found.value.as_str(), &found.index[..]), ("0.5", &[0, 0, 1][..]));
        assert!(
            labels(2, None, Some(&found))
                .starts_with("2 labels are neither 0 nor 1: the first is 0.5 at [0, 0, 1]; ")
        );
    }

    #[test]
    fn a_weight_at_an_ignored_pixel_is_none() {
        let (labels, weights) = ([7u8, 0, 1], [f32::NAN, 1.0, -0.5]);
        let pixels = [
            TensorView::from_slice(&[1, 3], &[0.0f32; 3]).expect("fits"),
            TensorView::from_slice(&[1, 3], &labels).expect("fits"),
            TensorView::from_slice(&[1, 3], &weights).expect("fits"),
        ];
        assert_eq!(first_weight(&pixels, Some(7)).map(|it| it.value), Some("-0.5".into()));
        assert_eq!(first_weight(&pixels, None).map(|it| it.value), Some("NaN".into()));
    }
}
