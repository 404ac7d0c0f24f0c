//! The bits of a loss do not depend on what runs it.

use std::sync::Arc;

use lossc::{Balance, Compiled, Compiler, Optimisation, Target};
use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_runtime::philox;
use lossc_runtime::rayon::ThreadPoolBuilder;

use crate::data::{Sample, bits, compile, compiled, host, options, program, sample};

const LOSSES: [(&str, &[(&str, &str)]); 5] = [
    ("random-drop", &[("schedule", "linear")]),
    ("random-drop", &[("schedule", "squ")]),
    ("random-drop", &[("schedule", "log")]),
    ("bce", &[]),
    ("balanced-bce", &[]),
];

fn on_threads(name: &str, set: &[(&str, &str)], threads: usize) -> Compiled {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    compile(name, set, Compiler::new(host()).threads(Arc::new(pool)))
}

#[test]
fn on_one_two_and_seven_threads() {
    let sample = sample(&[2, 3, 211, 157], 0.01, 11);
    for (name, set) in LOSSES {
        let options = options(77, Balance::Sample);
        let expected = bits(&sample.step(&on_threads(name, set, 1), &options));
        for threads in [2, 7] {
            let found = bits(&sample.step(&on_threads(name, set, threads), &options));
            assert!(found == expected, "{name} {set:?} on {threads} threads");
        }
    }
}

#[test]
fn in_a_hundred_runs() {
    let sample = sample(&[300, 300], 0.01, 12);
    let compiled = on_threads("random-drop", &[], 7);
    let options = options(5, Balance::Image);
    let expected = bits(&sample.step(&compiled, &options));
    for run in 1..100 {
        assert!(bits(&sample.step(&compiled, &options)) == expected, "run {run}");
    }
}

#[test]
fn at_every_vector_width() {
    let shapes = [&[1, 1][..], &[3, 1, 7], &[5, 1, 2051], &[2, 31, 33], &[1000], &[70, 1001]];
    for (name, set) in LOSSES {
        let widest = host().vector_lanes();
        for shape in shapes.iter().filter(|shape| shape.len() > 1) {
            let sample = sample(shape, 0.2, 13);
            let options = options(6, Balance::Image);
            let expected = bits(&sample.step(&compiled(name, set), &options));
            for lanes in [4, 8, 16].into_iter().filter(|&lanes| lanes < widest) {
                let target = host().with_vector_lanes(lanes).expect("a narrower width");
                let found = bits(&sample.step(&compile(name, set, Compiler::new(target)), &options));
                assert!(found == expected, "{name} {set:?} {shape:?} with {lanes} lanes");
            }
        }
    }
}

/// The vectors of each level of x86-64, and instructions that the older ones lack.
#[test]
fn on_every_level_of_processor() {
    let levels = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"];
    let levels = levels.map(|level| format!("cpu:{level}").parse::<Target>().expect("a level"));
    for target in levels.into_iter().filter(Target::runs_on_host_processor) {
        for (name, set) in LOSSES {
            let level = compile(name, set, Compiler::new(target.clone()));
            let host = compiled(name, set);
            for shape in [&[3, 1, 7][..], &[2, 31, 33], &[5, 1, 2051]] {
                let mut sample = sample(shape, 0.2, 15);
                sample.logits[[1, 0, 3]] = 1e-40;
                let options = options(9, Balance::Image);
                let (found, expected) = (sample.step(&level, &options), sample.step(&host, &options));
                assert!(bits(&found) == bits(&expected), "{name} {set:?} {shape:?} for {target}");
            }
        }
    }
}

/// The kernels are compiled from the program that the exact interpreter runs.
#[test]
fn as_the_exact_interpreter_has_them() {
    let mut sample = sample(&[3, 1, 2053], 0.2, 14);
    for (index, edge) in
        [f32::INFINITY, -f32::INFINITY, 100.0, -100.0, 0.0, -0.0, 1e-40].into_iter().enumerate()
    {
        sample.logits[[1, 0, 300 * index]] = edge;
    }
    for (name, set) in LOSSES {
        let (loss, gradient) = interpreted(name, set, &sample);
        let step = sample.step(&compiled(name, set), &options(8, Balance::Image));
        assert_eq!(step.loss.to_bits(), loss.to_bits(), "{name} {set:?}: {} for {loss}", step.loss);
        for (index, (found, expected)) in crate::data::gradient(&step).iter().zip(gradient).enumerate() {
            // A NaN's payload depends on the processor.
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same, "{name} {set:?}: {found} for {expected} at {index}");
        }
    }
}

/// Runs the optimised program of a loss on the exact interpreter.
fn interpreted(name: &str, set: &[(&str, &str)], sample: &Sample) -> (f32, Vec<f32>) {
    let loss = lossc::Loss::library(name).expect("a library loss");
    let loss = set.iter().fold(loss, |loss, (name, value)| loss.with(name, value).expect("an option"));
    let stages = lossc::pipeline::optimise(program(&loss), &Default::default(), &host(), false);
    let program = stages.expect("the passes run").program;
    let pixels = [
        sample.logits.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(),
        sample.labels.iter().map(|&x| f64::from(x)).collect(),
    ];
    let planes = sample.logits.shape()[0];
    let inputs = Inputs {
        plane_group: &(0..planes).collect::<Vec<_>>(),
        groups: planes,
        plane_length: sample.logits.len() / planes,
        pixels: &pixels,
        scalars: &[1.0],
        uniform: &|index| philox::uniform(8, 0, index),
    };
    let results = interpret(&program, &inputs, Precision::Exact);
    let gradient = results.last().expect("a gradient").iter().map(|&value| value as f32).collect();
    (results[0][0] as f32, gradient)
}

#[test]
fn with_one_kernel_an_op() {
    for shape in [&[1, 1][..], &[3, 7], &[2, 31, 33], &[5, 1, 2051]] {
        let sample = sample(shape, 0.2, 14);
        for (name, set) in LOSSES {
            let at = |optimisation| compile(name, set, Compiler::new(host()).optimisation(optimisation));
            let options = options(8, Balance::Image);
            let [unfused, fused] =
                [Optimisation::None, Optimisation::Fusion].map(|it| bits(&sample.step(&at(it), &options)));
            assert!(unfused == fused, "{name} {set:?} {shape:?}");
        }
    }
}
