//! Values of the library's losses against the reference.

use lossc::Balance;
use ndarray::ArrayD;

use crate::data::{Sample, check, compiled, counts, gradient, kept, options, sample};
use crate::reference::{SCHEDULES, Schedule, balanced_bce, bce, random_drop};

/// Every schedule of random drop on `sample`, against the reference.
fn check_random_drop(sample: &Sample, balance: Balance, seed: u64) {
    for (name, schedule) in SCHEDULES {
        check_schedule(sample, balance, seed, name, schedule);
    }
}

fn check_schedule(sample: &Sample, balance: Balance, seed: u64, name: &str, schedule: Schedule) {
    let options = options(seed, balance);
    let step = sample.step(&compiled("random-drop", &[("schedule", name)]), &options);
    let (pixels, groups) = sample.pixels(&options, None);
    let verdict = random_drop(&pixels, groups, schedule, kept(&step));
    assert!(verdict.close_calls <= 2 + pixels.len() / 100_000, "{} close calls", verdict.close_calls);
    check(&step, &verdict, &format!("{name} {:?} {balance}", sample.logits.shape()));
}

#[test]
fn random_drop_in_two_to_four_dimensions_and_every_balance() {
    for shape in [&[37, 53][..], &[3, 41, 29], &[2, 3, 17, 33], &[1, 1, 64, 64], &[5, 1, 1, 7]] {
        for balance in Balance::ALL {
            check_random_drop(&sample(shape, 0.05, 7), balance, 42);
        }
    }
}

#[test]
fn random_drop_with_many_seeds() {
    for seed in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
        check_random_drop(&sample(&[40, 50], 0.01, seed), Balance::Image, seed);
    }
}

#[test]
fn random_drop_around_chunk_and_lane_boundaries() {
    for length in [1, 2, 3, 4, 5, 31, 32, 33, 127, 128, 129, 2047, 2048, 2049, 4095, 4099] {
        check_random_drop(&sample(&[3, 1, length], 0.2, length as u64), Balance::Image, 3);
    }
}

#[test]
fn bce_and_balanced_bce() {
    for shape in [&[37, 53][..], &[2, 3, 17, 33]] {
        let sample = sample(shape, 0.1, 5);
        let options = options(0, Balance::Channel);
        let (pixels, groups) = sample.pixels(&options, None);
        check(&sample.step(&compiled("bce", &[]), &options), &bce(&pixels, groups), "bce");
        let step = sample.step(&compiled("balanced-bce", &[]), &options);
        let verdict = balanced_bce(&pixels, groups);
        assert_eq!(counts(&step.groups, "negatives"), verdict.kept);
        check(&step, &verdict, "balanced-bce");
    }
}

/// A sample with these logits, each once as a negative and once as a positive.
fn edges(logits: &[f32]) -> Sample {
    let both = [logits, logits].concat();
    let labels: Vec<_> = (0..both.len()).map(|index| u8::from(index >= logits.len())).collect();
    let shape = vec![2, logits.len()];
    Sample {
        logits: ArrayD::from_shape_vec(shape.clone(), both).expect("the shape fits"),
        labels: ArrayD::from_shape_vec(shape, labels).expect("the shape fits"),
    }
}

#[test]
fn large_and_tiny_logits() {
    let logits =
        [-100.0, -88.0, -87.4, -20.0, -1e-3, -1e-30, -0.0, 0.0, 1e-42, 1e-3, 16.7, 87.4, 88.8, 100.0];
    check_random_drop(&edges(&logits), Balance::Image, 1);
}

#[test]
fn infinite_logits_have_their_mathematical_value() {
    // Infinite on the right side: no loss. On the wrong side: infinite loss.
    for logits in [[f32::NEG_INFINITY, 1.0], [f32::INFINITY, 1.0]] {
        check_random_drop(&edges(&logits), Balance::Image, 1);
    }
    let only_negatives =
        Sample { logits: ArrayD::from_elem(vec![1, 8], f32::INFINITY), labels: ArrayD::zeros(vec![1, 8]) };
    let step = only_negatives.step(&compiled("random-drop", &[]), &options(1, Balance::Image));
    assert_eq!(step.loss, 0.0, "without positives the weight of negatives is 0");
    assert!(gradient(&step).iter().all(|&value| value == 0.0));
}

#[test]
fn nan_logits_make_the_loss_nan_and_the_gradient_there() {
    let mut sample = sample(&[20, 30], 0.1, 1);
    sample.logits[[3, 4]] = f32::NAN;
    sample.logits[[19, 29]] = f32::NAN;
    for (schedule, _) in SCHEDULES {
        let step =
            sample.step(&compiled("random-drop", &[("schedule", schedule)]), &options(9, Balance::Image));
        assert!(step.loss.is_nan());
        assert_eq!(step.nan_logits, 2);
        let nan: Vec<_> = gradient(&step)
            .iter()
            .enumerate()
            .filter(|(_, it)| it.is_nan())
            .map(|(index, _)| index)
            .collect();
        assert_eq!(nan, [3 * 30 + 4, 19 * 30 + 29]);
    }
}

#[test]
fn empty_classes_give_zero() {
    let shape = [16, 16];
    let compiled = compiled("random-drop", &[]);
    let no_positives = sample(&shape, 0.0, 1);
    let all_positives = sample(&shape, 1.1, 1);
    let mut all_dropped = sample(&shape, 0.1, 1);
    all_dropped.logits.fill(-200.0);
    for (sample, what) in
        [(no_positives, "no positives"), (all_positives, "no negatives"), (all_dropped, "all dropped")]
    {
        let step = sample.step(&compiled, &options(5, Balance::Image));
        assert_eq!(step.loss, 0.0, "{what}");
        assert!(gradient(&step).iter().all(|&value| value == 0.0), "{what}");
        let empty = counts(&step.groups, "positives")[0] == 0 || counts(&step.groups, "kept")[0] == 0;
        assert!(empty, "{what}");
    }
}

#[test]
fn empty_tensors_give_zero() {
    for shape in [&[0, 5][..], &[5, 0], &[0, 3, 4, 4], &[2, 0, 4, 4]] {
        let sample = sample(shape, 0.5, 0);
        for name in ["random-drop", "bce", "balanced-bce"] {
            let step = sample.step(&compiled(name, &[]), &options(1, Balance::Image));
            assert_eq!(step.loss, 0.0, "{name} {shape:?}");
            assert_eq!(step.gradient.shape(), shape);
        }
    }
}

/// An f32 counter would be stuck at 2^24.
#[test]
fn more_pixels_than_a_float_can_count() {
    let count = (1 << 24) + 3;
    let mut labels = ArrayD::<u8>::ones(vec![1, count]);
    labels[[0, 0]] = 0;
    let sample = Sample { logits: ArrayD::from_elem(vec![1, count], 1.0), labels };
    let options = options(1, Balance::Image);
    let step = sample.step(&compiled("random-drop", &[]), &options);
    assert_eq!(counts(&step.groups, "positives"), [count as i64 - 1]);
    let (pixels, groups) = sample.pixels(&options, None);
    let log = SCHEDULES[2].1;
    check(&step, &random_drop(&pixels, groups, log, kept(&step)), "2^24 + 3 pixels");
}
