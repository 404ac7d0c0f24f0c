//! The inputs and the measurements of benchmarks.

use std::thread::sleep;
use std::time::Duration;

use lossc::bench::{Bandwidth, Phase, Pixels, Subject, medians};
use lossc::{Cache, Compiler, Loss, Optimisation};
use lossc_runtime::rayon::ThreadPoolBuilder;

use crate::data::host;

const LONG: Duration = Duration::from_millis(40);

#[test]
fn calls_take_turns_and_the_second_counts() {
    let (mut calls, mut rounds) = (vec![], 0);
    let call = |index| {
        if calls.len() % 2 == 0 {
            sleep(LONG);
        }
        calls.push(index);
        Ok::<(), String>(())
    };
    let times = medians(2, 3, call, || rounds += 1).expect("no call fails");
    assert_eq!(calls, [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
    assert_eq!(rounds, 3);
    assert!(times.len() == 2 && times.iter().all(|&it| it < LONG), "{times:?}");
}

#[test]
fn a_median_hides_one_of_three() {
    let median = |slow: &[usize]| {
        let mut calls = 0;
        let call = |_| {
            calls += 1;
            // Two calls per round, of which the second counts.
            if slow.contains(&(calls / 2)) && calls % 2 == 0 {
                sleep(LONG);
            }
            Ok::<(), String>(())
        };
        medians(1, 3, call, || {}).expect("no call fails")[0]
    };
    assert!(median(&[2]) < LONG);
    assert!(median(&[1, 3]) >= LONG);
}

#[test]
fn a_failing_call_ends_the_measurement() {
    let call = |index| if index == 1 { Err("no") } else { Ok(()) };
    assert_eq!(medians(2, 3, call, || panic!("no round is whole")), Err("no"));
}

#[test]
fn logits_lie_around_what_is_asked_for() {
    let mean = |pixels: &Pixels| pixels.logits().iter().sum::<f32>() / pixels.len() as f32;
    assert!((mean(&Pixels::of(10_000)) + 4.0).abs() < 0.1);
    assert!((mean(&Pixels::of(10_000).around(1.0)) - 1.0).abs() < 0.1);
}

#[test]
fn a_thousandth_of_the_pixels_is_positive_in_blobs() {
    let pixels = Pixels::random(300, 500);
    assert_eq!((pixels.len(), pixels.shape()), (150_000, &[300, 500]));
    let positive = |index: usize| pixels.labels().get(index) == Some(&1);
    let positives: Vec<_> = (0..pixels.len()).filter(|&index| positive(index)).collect();
    assert_eq!(positives.len(), 150);
    assert!(pixels.labels().iter().all(|&label| label <= 1));
    // If positives were single, nearly none would have a neighbour.
    let beside = positives.iter().filter(|&&index| positive(index.wrapping_sub(1)) || positive(index + 1));
    assert!(beside.count() > 120);
}

#[test]
fn logits_have_the_mean_and_the_deviation() {
    let pixels = Pixels::random(200, 300);
    let count = pixels.len() as f64;
    let mean = pixels.logits().iter().map(|&it| f64::from(it)).sum::<f64>() / count;
    let variance = pixels.logits().iter().map(|&it| (f64::from(it) - mean).powi(2)).sum::<f64>() / count;
    assert!((mean + 4.0).abs() < 0.05 && (variance.sqrt() - 2.0).abs() < 0.05, "{mean} {variance}");
}

#[test]
fn any_number_of_pixels_has_a_shape() {
    for (count, shape) in
        [(1, [1, 1]), (7, [1, 7]), (12, [3, 4]), (2048, [32, 64]), (1_382_400, [1152, 1200])]
    {
        assert_eq!(Pixels::of(count).shape(), &shape, "{count}");
    }
}

#[test]
fn a_subject_knows_its_passes_and_what_they_move() {
    let loss = Loss::library("random-drop").expect("a library loss");
    let compiler = Compiler::new(host()).check_labels(false).cache(Cache::off());
    let subject = |optimisation| {
        Subject::new(&compiler.clone().optimisation(optimisation), &loss).expect("the loss compiles")
    };
    let fused = subject(Optimisation::Algebra);
    assert_eq!(Phase::ALL.map(|phase| fused.passes(phase)), [1, 1, 2]);
    // f32 logits and u8 labels in, an f32 gradient out.
    assert_eq!([Phase::Forward, Phase::Backward].map(|phase| fused.bytes_per_pixel(phase)), [5.0, 9.0]);
    let unfused = subject(Optimisation::None);
    for phase in Phase::ALL {
        assert!(unfused.bytes_per_pixel(phase) > 5.0 * fused.bytes_per_pixel(phase), "{phase}");
    }
    let mut pixels = Pixels::of(5000);
    for subject in [fused, unfused] {
        subject.forward(&mut pixels).expect("runs");
        subject.backward(&mut pixels).expect("runs");
        let apart = pixels.gradient().to_vec();
        subject.forward_backward(&mut pixels).expect("runs");
        assert!(apart == pixels.gradient() && apart.iter().any(|&it| it != 0.0));
    }
}

#[test]
fn memory_reads_and_copies() {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().expect("threads start");
    let Bandwidth { threads, read_gb_per_s, copy_gb_per_s } = Bandwidth::measure(&pool);
    assert_eq!(threads, 2);
    // From a slow board under load to the fastest server.
    for bandwidth in [read_gb_per_s, copy_gb_per_s] {
        assert!((0.05..5000.0).contains(&bandwidth), "{bandwidth}");
    }
}
