//! Compaction changes the time of a call and nothing else.

use half::{bf16, f16};
use lossc::{Balance, Compiled, Compiler, Optimisation, Step};
use lossc_runtime::{TensorView, TensorViewMut};

use crate::data::{Sample, compile, host, options, sample};

const SCHEDULES: [&str; 3] = ["linear", "squ", "log"];

/// The loss with and without compaction.
fn both_ways(schedule: &str, compiler: &Compiler) -> [Compiled; 2] {
    [Optimisation::Compaction, Optimisation::Algebra].map(|optimisation| {
        compile("random-drop", &[("schedule", schedule)], compiler.clone().optimisation(optimisation))
    })
}

/// All results of forward, of backward and of both at once.
fn outcome(compiled: &Compiled, sample: &Sample, seed: u64) -> (u32, String, Vec<u8>, Vec<u8>) {
    let options = options(seed, Balance::Image);
    let Step { loss, groups, gradient, .. } = sample.step(compiled, &options);
    let forward = compiled.forward(&sample.logits, &sample.labels, options).expect("runs");
    assert_eq!(forward.loss.to_bits(), loss.to_bits());
    assert_eq!(format!("{:?}", forward.groups), format!("{groups:?}"));
    let apart = compiled.backward(&sample.logits, &sample.labels, &forward.residuals, 1.0).expect("runs");
    (loss.to_bits(), format!("{groups:?}"), gradient.bytes().to_vec(), apart.bytes().to_vec())
}

/// From all pixels dropped to all kept. Chunks have few active pixels, many, or about as many as
/// the threshold.
#[test]
fn the_bits_are_those_without_a_compaction() {
    let shapes: [&[usize]; 6] = [&[1, 1], &[3, 7], &[2, 31, 33], &[5, 1, 2051], &[1, 1, 64, 96], &[4, 4096]];
    for schedule in SCHEDULES {
        let ways = both_ways(schedule, &Compiler::new(host()));
        for shape in shapes {
            for easier in [60.0, 8.0, 3.0, 1.0, 0.0, -3.0, -60.0] {
                let mut sample = sample(shape, 0.01, 21);
                sample.logits -= easier;
                let [compacted, whole] = [0, 1].map(|way| outcome(&ways[way], &sample, 3));
                assert!(compacted == whole, "{schedule} {shape:?} {easier}");
                assert_eq!(compacted.2, compacted.3, "{schedule} {shape:?} {easier}: in one call and in two");
            }
        }
    }
}

#[test]
fn a_pixel_that_is_no_number_survives() {
    for schedule in SCHEDULES {
        let ways = both_ways(schedule, &Compiler::new(host()));
        for edge in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -0.0] {
            let mut sample = sample(&[2, 1, 3001], 0.001, 22);
            sample.logits -= 4.0;
            for pixel in [0, 17, 2048, 3000] {
                sample.logits[[1, 0, pixel]] = edge;
            }
            let [compacted, whole] = ways.each_ref().map(|way| outcome(way, &sample, 4));
            let number = |(loss, ..): &(u32, _, _, _)| f32::from_bits(*loss);
            // A NaN's payload depends on the processor.
            assert!(
                compacted == whole || number(&compacted).is_nan() && number(&whole).is_nan(),
                "{schedule} {edge}"
            );
            assert_eq!(
                number(&compacted).is_nan(),
                edge.is_nan() || number(&whole).is_nan(),
                "{schedule} {edge}"
            );
        }
    }
}

#[test]
fn at_every_vector_width() {
    let mut sample = sample(&[3, 1, 5003], 0.002, 23);
    sample.logits -= 3.0;
    let widest = host().vector_lanes();
    for schedule in SCHEDULES {
        let [_, whole] = both_ways(schedule, &Compiler::new(host()));
        let whole = outcome(&whole, &sample, 5);
        for lanes in [4, 8, 16].into_iter().filter(|&lanes| lanes <= widest) {
            let target = host().with_vector_lanes(lanes).expect("as wide or narrower");
            let [compacted, _] = both_ways(schedule, &Compiler::new(target));
            assert!(outcome(&compacted, &sample, 5) == whole, "{schedule} with {lanes} lanes");
        }
    }
}

/// Returns whether the bits of a step are the same both ways.
macro_rules! same_both_ways {
    ($schedule:expr, $logits:expr, $labels:expr) => {{
        let [compacted, whole] = both_ways($schedule, &Compiler::new(host())).map(|way| {
            let step = way.forward_backward(&$logits, &$labels, options(7, Balance::Image)).expect("runs");
            (step.loss.to_bits(), step.gradient.bytes().to_vec())
        });
        assert!(compacted.1.iter().any(|byte| *byte != 0));
        assert!(compacted == whole, "{}", $schedule);
    }};
}

#[test]
fn with_other_types_of_logits_and_labels() {
    let mut sample = sample(&[2, 1, 2501], 0.01, 25);
    sample.logits -= 3.0;
    for schedule in SCHEDULES {
        same_both_ways!(schedule, sample.logits.mapv(f16::from_f32), sample.labels.mapv(i32::from));
        same_both_ways!(schedule, sample.logits.mapv(bf16::from_f32), sample.labels);
        same_both_ways!(schedule, sample.logits, sample.labels.mapv(f32::from));
    }
}

/// A large gradient is written past the caches, at any alignment.
#[test]
fn a_large_gradient_may_begin_anywhere() {
    let mut sample = sample(&[1040, 1031], 0.001, 24);
    sample.logits -= 3.0;
    let [compacted, whole] = both_ways("log", &Compiler::new(host()));
    let expected = outcome(&whole, &sample, 6).2;
    let inputs = [
        TensorView::from_array(sample.logits.view()).expect("plane-major"),
        TensorView::from_array(sample.labels.view()).expect("plane-major"),
    ];
    let length = sample.logits.len();
    for offset in [0, 1, 7, 15] {
        let mut memory = vec![f32::NAN; length + 32];
        let place = TensorViewMut::from_slice(sample.logits.shape(), &mut memory[offset..][..length]);
        let options = options(6, Balance::Image);
        compacted.forward_backward_into(&inputs, &options, place.expect("as many")).expect("runs");
        let found: Vec<u8> = memory[offset..][..length].iter().flat_map(|it| it.to_ne_bytes()).collect();
        assert!(found == expected, "{offset}");
        let mut around = memory[..offset].iter().chain(&memory[offset + length..]);
        assert!(around.all(|it| it.is_nan()), "{offset}: written beside the gradient");
    }
}
