//! Forward, backward, both at once, and in parts.

use std::fs;
use std::path::Path;

use half::f16;
use lossc::{
    Balance, Bundle, Cache, Compiler, ElementType, Error, Forward, Loss, Options, Seed, Tensor, TensorView,
};
use lossc_runtime::manifest::Direction;
use tempfile::TempDir;

use crate::data::{bits, compile, compiled, gradient, host, options, sample};

#[test]
fn forward_then_backward_is_forward_backward() {
    let sample = sample(&[2, 3, 45, 67], 0.05, 1);
    for name in ["random-drop", "bce", "balanced-bce"] {
        let compiled = compiled(name, &[]);
        let options = options(4, Balance::Channel);
        let step = sample.step(&compiled, &options);
        let forward = compiled.forward(&sample.logits, &sample.labels, options).expect("runs");
        assert_eq!(forward.loss.to_bits(), step.loss.to_bits(), "{name}");
        assert_eq!(forward.groups, step.groups, "{name}");
        let gradient =
            compiled.backward(&sample.logits, &sample.labels, &forward.residuals, 1.0).expect("runs");
        assert_eq!(gradient.bytes(), step.gradient.bytes(), "{name}");
    }
}

#[test]
fn the_upstream_gradient_scales_the_gradient() {
    let sample = sample(&[45, 67], 0.05, 1);
    let compiled = compiled("random-drop", &[]);
    let options = options(4, Balance::Image);
    let forward = compiled.forward(&sample.logits, &sample.labels, options.clone()).expect("runs");
    let plain = gradient(&sample.step(&compiled, &options));
    let backward =
        compiled.backward(&sample.logits, &sample.labels, &forward.residuals, -0.25).expect("runs");
    let scaled = backward.to_array::<f32>().expect("f32");
    for (scaled, plain) in scaled.iter().zip(&plain) {
        assert_eq!(*scaled, -0.25 * plain);
    }
    let at_once = Options { scalars: vec![("upstream".into(), -0.25)], ..options };
    let step = sample.step(&compiled, &at_once);
    assert_eq!(step.gradient.bytes(), backward.bytes());
    assert_eq!(step.loss.to_bits(), forward.loss.to_bits(), "the loss itself is not scaled");
}

#[test]
fn a_stream_draws_other_numbers() {
    let sample = sample(&[100, 100], 0.05, 1);
    let compiled = compiled("random-drop", &[]);
    let of = |seed, stream| {
        bits(&sample.step(&compiled, &Options { seed: Seed(seed), stream, ..Options::default() }))
    };
    assert_eq!(of(1, 0), of(1, 0));
    assert_ne!(of(1, 0), of(1, 1));
    assert_ne!(of(1, 0), of(2, 0));
}

/// Two workers with one image each compute the loss of both under `batch` balance, except for their
/// own random numbers.
#[test]
fn workers_add_their_sums() {
    let whole = sample(&[2, 1, 40, 40], 0.1, 3);
    let compiled = compile("balanced-bce", &[], Compiler::new(host()));
    let options = options(1, Balance::Batch);
    let expected = compiled.forward(&whole.logits, &whole.labels, options.clone()).expect("runs");

    let shape = [1, 1, 40, 40];
    let (logits, labels) =
        (whole.logits.as_slice().expect("standard"), whole.labels.as_slice().expect("standard"));
    let worker = |index: usize| {
        let part = index * 1600..(index + 1) * 1600;
        let logits = TensorView::from_slice(&shape, &logits[part.clone()]).expect("fits");
        let labels = TensorView::from_slice(&shape, &labels[part]).expect("fits");
        [logits, labels]
    };
    let mut sums = compiled.forward_partials(&worker(0), &options).expect("runs");
    let others = compiled.forward_partials(&worker(1), &options).expect("runs");
    sums.merge(0, &others).expect("sums of one loss");
    let total = compiled.finish(&worker(0), sums).expect("runs");
    assert_eq!(total.groups, expected.groups);
    assert!((total.loss - expected.loss).abs() <= 1e-6 * expected.loss);
}

/// The directions that each entry of a cache has code for, sorted.
fn kept(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache.join("compiled-1")).into_iter().flatten();
    let bundles = entries.map(|file| {
        let manifest = bundle_of(&fs::read(file.expect("readable").path()).expect("an entry")).manifest;
        let has_code = |it: &Direction| !manifest.kernels_of(*it).is_empty();
        Direction::ALL.into_iter().filter(has_code).map(Direction::name).collect::<Vec<_>>().join(", ")
    });
    let mut kept: Vec<_> = bundles.collect();
    kept.sort();
    kept
}

/// The bundle between an entry's key, which follows its length, and its hash.
fn bundle_of(entry: &[u8]) -> Bundle {
    let (length, rest) = entry[16..].split_first_chunk().expect("a length");
    let bundle = &rest[u64::from_le_bytes(*length) as usize..rest.len() - 32];
    Bundle::from_bytes(bundle).expect("a bundle")
}

#[test]
fn entry_points_are_compiled_when_they_are_first_called() {
    let sample = sample(&[30, 40], 0.1, 2);
    let loss = Loss::library("random-drop").expect("in the library");
    let (separate, joint) = ("forward, backward", "forward_backward");
    for joint_first in [false, true] {
        let directory = TempDir::new().expect("a directory");
        let compiler = Compiler::new(host()).cache(Cache::at(directory.path()));
        let compiled = compiler.compile(&loss).expect("compiles");
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0, "no call, no code");
        let step = joint_first.then(|| sample.step(&compiled, &Seed(1).into()));
        assert_eq!(kept(directory.path()), if joint_first { vec![joint] } else { vec![] });
        // Several threads need the same code: one compiles, the others wait for it.
        let call = || compiled.forward(&sample.logits, &sample.labels, Seed(1)).expect("runs");
        let forward = std::thread::scope(|scope| {
            let calls = [(); 3].map(|()| scope.spawn(call));
            calls.map(|it| it.join().expect("ends")).into_iter().next_back().expect("three")
        });
        let backward = compiled.backward(&sample.logits, &sample.labels, &forward.residuals, 1.0);
        let both = [separate, joint];
        assert_eq!(kept(directory.path()), both[..if joint_first { 2 } else { 1 }]);
        let step = step.unwrap_or_else(|| sample.step(&compiled, &Seed(1).into()));
        assert_eq!(backward.expect("runs"), step.gradient);
        assert_eq!(kept(directory.path()), both);
        // The entries of either set let `compile` pass without reading the loss.
        let again =
            Compiler::new(host()).cache(Cache::at(directory.path())).compile(&loss).expect("compiles");
        assert_eq!(sample.step(&again, &Seed(1).into()).gradient, step.gradient);
    }
}

#[test]
fn what_cannot_be_compiled_is_an_error_before_any_call() {
    let compiler = Compiler::new(host()).cache(Cache::off());
    let bce = Loss::library("bce").expect("in the library");
    let error = |compiler: &Compiler, loss: &Loss| match compiler.compile(loss) {
        Ok(_) => panic!("it compiles"),
        Err(error) => error,
    };
    assert!(matches!(error(&compiler, &Loss::unread("no.mlir", "no loss")), Error::Parse(_)));
    assert!(matches!(error(&compiler, &bce.clone().set("gamma", "2")), Error::UnknownOption { .. }));
    let integers = compiler.element_types([ElementType::U8, ElementType::U8]);
    assert!(matches!(error(&integers, &bce), Error::Specialise(_)));
}

#[test]
fn a_bundle_has_all_entry_points() {
    let compiler = Compiler::new(host()).cache(Cache::off());
    let bundle = compiler.bundle(&Loss::library("bce").expect("in the library")).expect("compiles");
    assert!(Direction::ALL.iter().all(|&it| !bundle.manifest.kernels_of(it).is_empty()));
}

/// The joint call and the backward direction are different code.
#[test]
fn residuals_of_the_joint_call_fit_backward() {
    let sample = sample(&[2, 3, 45, 67], 0.05, 1);
    for name in ["random-drop", "bce", "balanced-bce"] {
        let (compiled, options) = (compiled(name, &[]), options(4, Balance::Sample));
        let labels = TensorView::from_array(sample.labels.view()).expect("standard");
        let inputs = [TensorView::from_array(sample.logits.view()).expect("standard"), labels];
        let mut gradient = Tensor::zeros(ElementType::F32, sample.logits.shape()).expect("fits");
        let place = gradient.view_mut();
        let outcome = compiled.forward_backward_into(&inputs, &options, place).expect("runs");
        assert_eq!(compiled.backward_of(&inputs, &outcome.residuals, 1.0).expect("runs"), gradient, "{name}");
    }
}

/// The earlier outcome may be of other images, types and losses, and of invalid labels.
#[test]
fn an_outcome_may_be_written_over() {
    let (drop, bce) = (compiled("random-drop", &[]), compiled("bce", &[]));
    let mut invalid = sample(&[3, 20, 30], 0.1, 1);
    invalid.labels[[0, 0, 0]] = 7;
    let samples = [sample(&[2, 3, 45, 67], 0.05, 1), sample(&[9, 7], 0.5, 2), sample(&[3, 20, 30], 0.1, 3)];
    let mut outcome = Forward::default();
    for (sample, compiled) in samples.iter().flat_map(|sample| [(sample, &drop), (sample, &bce)]) {
        let shape = sample.logits.shape();
        let halves = sample.logits.mapv(f16::from_f32);
        let labels = TensorView::from_array(sample.labels.view()).expect("standard");
        let floats = [TensorView::from_array(sample.logits.view()).expect("standard"), labels.clone()];
        let halves = [TensorView::from_array(halves.view()).expect("standard"), labels];
        for (inputs, element) in [(floats, ElementType::F32), (halves, ElementType::F16)] {
            let options = options(4, Balance::Channel);
            let expected = compiled.forward_backward_of(&inputs, &options).expect("runs");
            let mut gradient = Tensor::zeros(element, shape).expect("fits");
            let place = gradient.view_mut();
            compiled.forward_backward_reusing(&inputs, &options, place, &mut outcome).expect("runs");
            assert_eq!((outcome.loss, &outcome.groups), (expected.loss, &expected.groups));
            assert_eq!(gradient, expected.gradient);
            compiled.forward_reusing(&inputs, &options, &mut outcome).expect("runs");
            assert_eq!((outcome.loss, &outcome.groups), (expected.loss, &expected.groups));
            let backward = compiled.backward_of(&inputs, &outcome.residuals, 1.0).expect("runs");
            assert_eq!(backward, expected.gradient);
            let logits = TensorView::from_array(invalid.logits.view()).expect("standard");
            let labels = TensorView::from_array(invalid.labels.view()).expect("standard");
            let error = compiled.forward_reusing(&[logits, labels], &options, &mut outcome).unwrap_err();
            assert!(matches!(error, Error::InvalidLabels { count: 1, .. }), "{error}");
        }
    }
}

#[test]
fn calls_from_several_threads_take_turns() {
    let sample = sample(&[200, 200], 0.05, 9);
    let compiled = compiled("random-drop", &[]);
    let options = options(4, Balance::Image);
    let expected = bits(&sample.step(&compiled, &options));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(bits(&sample.step(&compiled, &options)), expected));
        }
    });
}
