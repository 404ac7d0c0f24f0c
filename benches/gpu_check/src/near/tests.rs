use lossc_runtime::Balance;

use super::*;
use crate::pixels::Kind;

const CASE: Case = Case { shape: &[1, 2000], balance: Balance::Image, kind: Kind::Bell };

fn found() -> Found {
    let gradient = || Tensor::from_slice(CASE.shape, &[0.25_f32; 2000]).unwrap();
    let result = |name: &str, values| GroupResult { name: name.to_owned(), values };
    Found {
        loss: 1.0,
        groups: vec![
            result("kept", GroupValues::Count(vec![2000])),
            result("mean", GroupValues::Float(vec![0.5])),
        ],
        gradient: gradient(),
        scaled_gradient: gradient(),
    }
}

/// The verdict on a changed result of a fast loss.
fn judge(change: impl FnOnce(&mut Found)) -> Result<usize, String> {
    let (mut changed, expected) = (found(), found());
    change(&mut changed);
    let difference = Difference::of(&changed, &expected, &CASE);
    difference.map(|it| it.switched).map_err(|failure| failure.to_string())
}

fn set_pixels(gradient: &mut Tensor, count: usize, value: f32) {
    let mut values = [0.25_f32; 2000];
    values[..count].fill(value);
    *gradient = Tensor::from_slice(CASE.shape, &values).unwrap();
}

#[test]
fn what_is_missing_or_too_much_is_an_error() {
    let expected = "expected kept of 1 counts, mean of 1 numbers";
    let error = judge(|it| it.groups.truncate(1)).unwrap_err();
    assert_eq!(error, format!("the results are kept of 1 counts, {expected}"));
    let error = judge(|it| it.groups[0].values = GroupValues::Count(vec![2000, 0])).unwrap_err();
    assert_eq!(error, format!("the results are kept of 2 counts, mean of 1 numbers, {expected}"));
    let error = judge(|it| it.groups[1].values = GroupValues::Count(vec![0])).unwrap_err();
    assert_eq!(error, format!("the results are kept of 1 counts, mean of 1 counts, {expected}"));
}

#[test]
fn a_few_draws_may_be_decided_otherwise() {
    assert_eq!(judge(|it| set_pixels(&mut it.gradient, 1, 0.0)), Ok(1));
    assert_eq!(
        judge(|it| set_pixels(&mut it.gradient, 5, 0.0)),
        Err("5 draws are decided otherwise in two gradients".to_owned())
    );
    assert_eq!(most_switched(999), 0);
}

/// A NaN once counted as a pixel that the other form drops.
#[test]
fn what_is_no_gradient_of_a_kept_pixel_is_no_draw() {
    for wrong in [f32::NAN, f32::INFINITY, -7.0] {
        let mut expected = found();
        set_pixels(&mut expected.gradient, 1, 0.0);
        let mut changed = found();
        set_pixels(&mut changed.gradient, 1, wrong);
        let error = Difference::of(&changed, &expected, &CASE).err().expect("it is wrong").to_string();
        assert_eq!(error, format!("gradient of pixel 0 is {wrong}, expected 0"));
    }
}

#[test]
fn what_is_not_finite_must_be_the_same() {
    let judge = |found: f64, expected: f64| {
        let mut all = Difference { switched: 0, largest: 0.0 };
        all.value("it", found, expected, RELATIVE, ABSOLUTE).is_ok()
    };
    let infinity = f64::INFINITY;
    assert!(judge(f64::NAN, -f64::NAN) && judge(infinity, infinity));
    for (found, expected) in
        [(f64::NAN, 1.0), (1.0, f64::NAN), (infinity, -infinity), (infinity, 1.0), (1.0, infinity)]
    {
        assert!(!judge(found, expected), "{found} for {expected}");
    }
}
