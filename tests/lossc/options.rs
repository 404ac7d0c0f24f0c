//! Storage types, layouts, ignored pixels, weights and reductions.

use half::{bf16, f16};
use lossc::{Balance, Compiler, Error, Loss, Options, Reduction, TensorView};
use ndarray::{ArrayD, Axis, s};

use crate::data::{Sample, bits, check, compile, compiled, counts, gradient, host, kept, options, sample};
use crate::reference::{SCHEDULES, random_drop};

#[test]
fn ignored_pixels_are_as_if_they_were_not_there() {
    let mut sample = sample(&[2, 50, 60], 0.1, 2);
    for (index, label) in sample.labels.iter_mut().enumerate() {
        *label = if index % 3 == 0 { 255 } else { *label };
    }
    // The value of an ignored pixel must not matter.
    sample.logits[[0, 0, 0]] = f32::NAN;
    sample.logits[[0, 0, 3]] = f32::INFINITY;
    for (name, schedule) in SCHEDULES {
        let compiled = compile("random-drop", &[("schedule", name)], Compiler::new(host()).ignore_index(255));
        let options = options(3, Balance::Image);
        let step = sample.step(&compiled, &options);
        let (pixels, groups) = sample.pixels(&options, Some(255));
        check(
            &step,
            &random_drop(&pixels, groups, schedule, kept(&step)),
            &format!("{name} with ignored pixels"),
        );
        assert_eq!(step.nan_logits, 0);
        let ignored = gradient(&step).into_iter().step_by(3).all(|value| value.to_bits() == 0);
        assert!(ignored, "the gradient of an ignored pixel is +0");
    }
}

#[test]
fn all_ignored_gives_zero() {
    let mut sample = sample(&[20, 20], 0.1, 2);
    sample.labels.fill(255);
    let compiled = compile("random-drop", &[], Compiler::new(host()).ignore_index(255));
    let step = sample.step(&compiled, &options(3, Balance::Image));
    assert_eq!(step.loss, 0.0);
    assert!(gradient(&step).iter().all(|&value| value == 0.0));
}

#[test]
fn invalid_labels_are_an_error_that_counts_them() {
    let mut sample = sample(&[20, 20], 0.1, 2);
    sample.labels[[1, 1]] = 2;
    sample.labels[[19, 3]] = 255;
    let call = |compiler: Compiler| {
        let compiled = compile("random-drop", &[], compiler);
        compiled.forward(&sample.logits, &sample.labels, Options::default())
    };
    let error = call(Compiler::new(host())).expect_err("labels are invalid");
    assert!(error.to_string().starts_with("2 labels are neither 0 nor 1: the first is 2 at [1, 1]; "));
    let error = call(Compiler::new(host()).ignore_index(255)).expect_err("a label is invalid");
    let expected = "1 label is neither 0 nor 1 nor 255, which is ignored: the first is 2 at [1, 1]; ";
    assert!(error.to_string().starts_with(expected), "{error}");
    call(Compiler::new(host()).check_labels(false)).expect("unchecked labels are the caller's affair");
}

#[test]
fn every_label_type_gives_the_same_bits() {
    let sample = sample(&[3, 40, 41], 0.1, 4);
    let compiled = compiled("random-drop", &[]);
    let options = options(3, Balance::Image);
    let expected = bits(&sample.step(&compiled, &options));
    macro_rules! same {
        ($($map:expr),*) => {
            $(
                let labels = sample.labels.mapv($map);
                let step = compiled.forward_backward(&sample.logits, &labels, options.clone()).expect("runs");
                assert!(bits(&step) == expected, stringify!($map));
            )*
        };
    }
    same!(|label| label == 1, i32::from, i64::from, f32::from);
}

/// A label that a narrower integer would wrap to 0 or 1 is invalid.
#[test]
fn wide_labels_do_not_wrap() {
    let logits = ArrayD::<f32>::zeros(vec![1, 4]);
    let labels = ArrayD::from_shape_vec(vec![1, 4], vec![0i64, 1, 1 << 32, (1 << 32) + 1]).expect("fits");
    let error = compiled("bce", &[]).forward(&logits, &labels, Options::default()).expect_err("invalid");
    assert!(matches!(error, Error::InvalidLabels { count: 2, .. }), "{error}");
}

#[test]
fn half_precision_logits_are_widened_and_the_gradient_rounded_once() {
    let sample = sample(&[2, 40, 41], 0.1, 4);
    let compiled = compiled("random-drop", &[]);
    let options = options(3, Balance::Image);
    macro_rules! check_half {
        ($half:ident) => {
            let narrow = sample.logits.mapv($half::from_f32);
            let step = compiled.forward_backward(&narrow, &sample.labels, options.clone()).expect("runs");
            let wide = Sample { logits: narrow.mapv($half::to_f32), labels: sample.labels.clone() };
            let expected = wide.step(&compiled, &options);
            assert_eq!(step.loss.to_bits(), expected.loss.to_bits());
            let found = step.gradient.to_array::<$half>().expect("the logits' type");
            for (found, expected) in found.iter().zip(gradient(&expected)) {
                assert_eq!(found.to_bits(), $half::from_f32(expected).to_bits(), "{expected}");
            }
        };
    }
    check_half!(f16);
    check_half!(bf16);
}

#[test]
fn transposed_sliced_and_misaligned_tensors() {
    let sample = sample(&[50, 60], 0.1, 4);
    let compiled = compiled("random-drop", &[]);
    let options = options(3, Balance::Image);

    let transposed = Sample {
        logits: sample.logits.t().as_standard_layout().into_owned(),
        labels: sample.labels.t().as_standard_layout().into_owned(),
    };
    let (logits, labels) = (sample.logits.t(), sample.labels.t());
    let step = compiled.forward_backward(&logits, &labels, options.clone()).expect("runs");
    assert!(bits(&step) == bits(&transposed.step(&compiled, &options)), "transposed");

    let part = s![5..45;2, 3..40];
    let (logits, labels) = (sample.logits.view(), sample.labels.view());
    let logits = logits.into_dimensionality::<ndarray::Ix2>().expect("2-D").slice_move(part);
    let labels = labels.into_dimensionality::<ndarray::Ix2>().expect("2-D").slice_move(part);
    let copied = Sample { logits: logits.to_owned().into_dyn(), labels: labels.to_owned().into_dyn() };
    let step = compiled.forward_backward(&logits, &labels, options.clone()).expect("runs");
    assert!(bits(&step) == bits(&copied.step(&compiled, &options)), "sliced");

    let (all, labels) =
        (sample.logits.as_slice().expect("standard"), sample.labels.as_slice().expect("standard"));
    let shape = [1, 2999];
    let logits = TensorView::from_slice(&shape, &all[1..]).expect("fits");
    let label_view = TensorView::from_slice(&shape, &labels[1..]).expect("fits");
    let step = compiled.forward_backward(logits, label_view, options.clone()).expect("runs");
    let aligned = Sample {
        logits: ArrayD::from_shape_vec(shape.to_vec(), all[1..].to_vec()).expect("fits"),
        labels: ArrayD::from_shape_vec(shape.to_vec(), labels[1..].to_vec()).expect("fits"),
    };
    assert!(bits(&step) == bits(&aligned.step(&compiled, &options)), "misaligned");
}

#[test]
fn the_mean_divides_by_the_pixels_that_are_not_ignored() {
    let mut sample = sample(&[2, 30, 30], 0.1, 4);
    sample.labels.index_axis_mut(Axis(0), 1).fill(255);
    let compiler = || Compiler::new(host()).ignore_index(255);
    let options = options(3, Balance::Image);
    let sum = sample.step(&compile("bce", &[], compiler()), &options);
    let mean = sample.step(&compile("bce", &[], compiler().reduction(Reduction::Mean)), &options);
    assert!((mean.loss * 900.0 - sum.loss).abs() <= 1e-5 * sum.loss);
    for (mean, sum) in gradient(&mean).iter().zip(gradient(&sum)) {
        assert!((mean * 900.0 - sum).abs() <= 1e-5 * sum.abs());
    }
}

#[test]
fn a_weight_map_weighs_each_pixel() {
    let sample = sample(&[30, 31], 0.3, 4);
    let compiled = compile("bce", &[], Compiler::new(host()).weight_map(true));
    let weights = ArrayD::from_shape_fn(vec![30, 31], |index| (index[0] % 3) as f32);
    let views = [
        TensorView::from_array(sample.logits.view()).expect("standard"),
        TensorView::from_array(sample.labels.view()).expect("standard"),
        TensorView::from_array(weights.view()).expect("standard"),
    ];
    let options = options(3, Balance::Image);
    let step = compiled.forward_backward_of(&views, &options).expect("runs");
    let plain = sample.step(&compile("bce", &[], Compiler::new(host())), &options);
    for ((found, plain), weight) in gradient(&step).iter().zip(gradient(&plain)).zip(&weights) {
        assert!((found - weight * plain).abs() <= 1e-6 * plain.abs());
    }
    assert_eq!(counts(&step.groups, "positives"), counts(&plain.groups, "positives"));
}

#[test]
fn wrong_calls_are_one_line_errors() {
    let sample = sample(&[30, 31], 0.3, 4);
    let compiled = compiled("random-drop", &[]);
    let other = ArrayD::<u8>::zeros(vec![31, 30]);
    let five = ArrayD::<f32>::zeros(vec![1; 5]);
    let five_labels = ArrayD::<u8>::zeros(vec![1; 5]);
    let integers = sample.labels.mapv(i32::from);
    let scalar = Options { scalars: vec![("gamma".into(), 2.0)], ..Options::default() };
    let errors = [
        compiled.forward(&sample.logits, &other, Options::default()).map(|_| ()),
        compiled.forward(&five, &five_labels, Options::default()).map(|_| ()),
        compiled.forward(&integers, &sample.labels, Options::default()).map(|_| ()),
        compiled.forward(&sample.logits, &sample.labels, scalar).map(|_| ()),
        compiled
            .forward_of(
                &[TensorView::from_array(sample.logits.view()).expect("standard")],
                &Options::default(),
            )
            .map(|_| ()),
        Loss::library("nonsense").map(|_| ()),
        Loss::library("random-drop").expect("known").with("schedule", "cubic").map(|_| ()),
        Loss::library("bce").expect("known").with("gamma", "2").map(|_| ()),
        "sm_12".parse::<lossc::Target>().map(|_| ()).map_err(Error::from),
    ];
    for error in errors {
        let message = error.expect_err("the call is wrong").to_string();
        println!("{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
