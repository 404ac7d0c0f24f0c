use half::f16;

use super::*;

fn golden() -> Golden {
    let group = |name: &str, values: &[&str]| Group {
        name: name.to_owned(),
        values: values.iter().map(ToString::to_string).collect(),
    };
    let gradient = Tensor::from_slice(&[1, 20], &[0.5_f32; 20]).unwrap();
    Golden {
        subject: "loss".to_owned(),
        shape: vec![1, 20],
        balance: Balance::Image,
        kind: Kind::Bell,
        loss: bits(1.5),
        groups: vec![group("positives", &["1", "2"]), group("kept", &["3", "4"])],
        gradient: Gradient::of(&gradient),
        scaled_gradient: Gradient::of(&gradient),
    }
}

/// The message of a comparison with `golden()` after a change, in both directions.
fn messages(change: impl Fn(&mut Golden)) -> [String; 2] {
    let mut changed = golden();
    change(&mut changed);
    let message = |expected: &Golden, found: &Golden| expected.compare(found).unwrap_err().to_string();
    [message(&golden(), &changed), message(&changed, &golden())]
}

#[test]
fn equal_results_are_equal() {
    assert!(golden().compare(&golden()).is_ok());
}

#[test]
fn a_missing_and_an_extra_result_are_told() {
    let start = "[1, 20] by image, Bell: the list of results is ";
    assert_eq!(
        messages(|it| it.groups.truncate(1)),
        [
            format!("{start}positives, expected positives, kept;"),
            format!("{start}positives, kept, expected positives;")
        ]
    );
}

#[test]
fn a_missing_and_an_extra_group_are_told() {
    assert_eq!(
        messages(|it| it.groups[1].values.truncate(1)),
        ["missing, expected 4", "4, expected missing"]
            .map(|values| format!("[1, 20] by image, Bell: kept[1] is {values};"))
    );
}

#[test]
fn a_missing_and_an_extra_piece_of_a_gradient_are_told() {
    assert_eq!(
        messages(|it| it.gradient.pieces.truncate(9)),
        ["9, expected 10", "10, expected 9"]
            .map(|values| format!("[1, 20] by image, Bell: gradient's number of pieces is {values};"))
    );
    assert_eq!(
        messages(|it| it.scaled_gradient.samples.truncate(9)),
        ["9, expected 10", "10, expected 9"].map(|values| format!(
            "[1, 20] by image, Bell: backward's gradient's number of first pixels is {values};"
        ))
    );
}

#[test]
fn a_gradient_of_another_hash_differs() {
    let [message, _] = messages(|it| it.gradient.sha256 = "7".to_owned());
    assert!(message.starts_with("[1, 20] by image, Bell: gradient's SHA-256 is 7, expected "), "{message}");
}

#[test]
fn a_loss_has_one_gradient() {
    let gradient = || Tensor::from_slice(&[1], &[0.0_f32]).unwrap();
    assert!(only(vec![gradient()]).is_ok());
    assert_eq!(only(vec![]).unwrap_err().to_string(), "0 gradients, one is expected");
    assert_eq!(only(vec![gradient(), gradient()]).unwrap_err().to_string(), "2 gradients, one is expected");
}

/// The sign and payload of a NaN do not matter; all other values keep their bits.
#[test]
fn nan_is_nan() {
    let bytes = |bits: [u32; 2]| with_one_nan(&Tensor::from_slice(&[2], &bits.map(f32::from_bits)).unwrap());
    assert_eq!(bytes([0x7fc0_0000, 0xff80_0001]), [POISON; 8]);
    assert_eq!(bytes([0x7f80_0000, 0xff7f_ffff]), [0, 0, 0x80, 0x7f, 0xff, 0xff, 0x7f, 0xff]);
    let halves = Tensor::from_slice(&[2], &[f16::NAN, f16::NEG_INFINITY]).unwrap();
    assert_eq!(with_one_nan(&halves), [POISON, POISON, 0, 0xfc]);
    assert_eq!(bits(f32::NAN), bits(-f32::NAN));
}
