use half::{bf16, f16};
use ndarray::{Array2, Array3, s};

use super::*;

#[test]
fn element_names_parse_back() {
    for element in ElementType::ALL {
        assert_eq!(element.to_string().parse(), Ok(element));
        let json = serde_json::to_string(&element).unwrap();
        assert_eq!(json, format!("\"{element}\""));
    }
    let error = "f64".parse::<ElementType>().unwrap_err().to_string();
    assert!(error.contains("`f64`"), "{error}");
}

fn round_trip<T: Element + PartialEq + std::fmt::Debug>(values: [T; 6]) {
    let array = Array2::from_shape_vec((2, 3), values.to_vec()).unwrap();
    let tensor = Tensor::from_array(&array).unwrap();
    assert_eq!(tensor.element_type(), T::ELEMENT);
    assert_eq!(tensor.bytes().as_ptr().addr() % Tensor::ALIGNMENT, 0);
    assert_eq!(tensor.to_array::<T>().unwrap(), array.clone().into_dyn());
    let view = TensorView::from_array(array.view()).unwrap();
    assert_eq!(view.bytes(), tensor.bytes());
    assert_eq!(view.as_slice::<T>().unwrap(), values);
}

#[test]
fn every_element_type_round_trips() {
    round_trip([1.5f32, -0.0, 3.0, 4.0, 5.0, 6.0]);
    round_trip([1, 2, 3, 4, 5, 6].map(f16::from_u16_like));
    round_trip([1, 2, 3, 4, 5, 6].map(bf16::from_u16_like));
    round_trip([0u8, 1, 2, 253, 254, 255]);
    round_trip([true, false, true, true, false, false]);
    round_trip([i32::MIN, -1, 0, 1, 2, i32::MAX]);
    round_trip([i64::MIN, -1, 0, 1, 2, i64::MAX]);
}

trait FromSmall {
    fn from_u16_like(value: u16) -> Self;
}

impl FromSmall for f16 {
    fn from_u16_like(value: u16) -> Self {
        Self::from_f32(f32::from(value))
    }
}

impl FromSmall for bf16 {
    fn from_u16_like(value: u16) -> Self {
        Self::from_f32(f32::from(value))
    }
}

#[test]
fn a_transposed_array_is_refused_as_a_view_and_copied_as_a_tensor() {
    let array = Array3::from_shape_fn((2, 3, 4), |(a, b, c)| (a * 100 + b * 10 + c) as f32);
    let mut transposed = array.view().permuted_axes([2, 0, 1]);
    let error = TensorView::from_array(transposed.view()).unwrap_err();
    assert_eq!(error, TensorError::NotContiguous(vec![4, 2, 3]));
    let copy = Tensor::from_array(&transposed).unwrap();
    assert_eq!(copy.to_array::<f32>().unwrap(), transposed.view().into_dyn());
    transposed.slice_collapse(s![..;-1, .., 1..]);
    let copy = Tensor::from_array(&transposed).unwrap();
    assert_eq!(copy.to_array::<f32>().unwrap(), transposed.into_dyn());
}

#[test]
fn wrong_bytes_are_named() {
    let bytes = Tensor::zeros(ElementType::I64, &[4]).unwrap();
    let bytes = bytes.bytes();
    assert!(matches!(
        TensorView::from_bytes(ElementType::F32, &[3], &bytes[..16]),
        Err(TensorError::Length { expected: 12, found: 16, .. })
    ));
    assert_eq!(
        TensorView::from_bytes(ElementType::F32, &[3], &bytes[1..13]).unwrap_err(),
        TensorError::Misaligned(ElementType::F32)
    );
    assert_eq!(
        TensorView::from_bytes(ElementType::Bool, &[3], &[0, 1, 7]).unwrap_err(),
        TensorError::NotBool { index: 2, value: 7 }
    );
    assert_eq!(
        Tensor::zeros(ElementType::U8, &[usize::MAX, 2]).unwrap_err(),
        TensorError::TooLarge(vec![usize::MAX, 2])
    );
    let misaligned = Tensor::from_bytes(ElementType::F32, &[3], &bytes[1..13]).unwrap();
    assert_eq!(misaligned.view().as_slice::<f32>().unwrap(), [0.0; 3]);
}

#[test]
fn another_element_type_is_an_error() {
    let tensor = Tensor::zeros(ElementType::F16, &[0, 5]).unwrap();
    assert!(tensor.view().is_empty());
    assert!(tensor.to_array::<f16>().unwrap().is_empty());
    assert_eq!(
        tensor.to_array::<f32>().unwrap_err().to_string(),
        "expected a tensor of f32, this one holds f16"
    );
}

#[test]
fn equality_is_of_bits() {
    let of = |value: f32| Tensor::from_slice(&[1], &[value]).unwrap();
    assert_eq!(of(f32::NAN), of(f32::NAN));
    assert_ne!(of(0.0), of(-0.0));
}
