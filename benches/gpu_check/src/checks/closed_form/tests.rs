use super::*;

const WEIGHTS: Weights = Weights { positive: 0.75, negative: 0.25 };

fn gradient(window: Range<usize>) -> Vec<f32> {
    let value = |index| match (is_positive(index), is_dropped(index)) {
        (true, _) => -0.375,
        (false, false) => 0.125,
        (false, true) => 0.0,
    };
    window.map(value).collect()
}

fn check(window: Range<usize>, gradient: &[f32]) -> Result<(), String> {
    let bytes: Vec<u8> = gradient.iter().flat_map(|value| value.to_le_bytes()).collect();
    Image::check_gradient(window, &bytes, WEIGHTS).map_err(|failure| failure.to_string())
}

#[test]
fn a_draw_of_another_pixel_shows_in_the_gradient() {
    let window = (1 << 31) - 100..(1 << 31) + 100;
    assert_eq!(check(window.clone(), &gradient(window.clone())), Ok(()));
    // As if the upper half of the index had been lost, and the labels were right.
    let mut wrong = gradient(window.clone());
    for (value, index) in wrong.iter_mut().zip(window.clone()).skip(100) {
        let low = index - (1 << 31);
        *value = if is_positive(index) { -0.375 } else { f32::from(u8::from(!is_dropped(low))) * 0.125 };
    }
    assert!(check(window, &wrong).unwrap_err().starts_with("gradient of pixel 21474836"));
}

#[test]
fn a_tail_that_was_left_unwritten_shows() {
    let mut wrong = gradient(0..64);
    wrong[63] = f32::NAN;
    assert!(check(0..64, &wrong).unwrap_err().contains("gradient of pixel 63 is NaN"));
}
