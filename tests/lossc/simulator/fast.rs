//! Fast kernels on a simulated GPU whose approximate instructions have the largest errors allowed,
//! against the reference. This is not a GPU result.

use std::sync::Arc;

use lossc::manifest::manifest;
use lossc::pipeline::{self, optimise};
use lossc::{Balance, Loss, Numerics, Target};
use lossc_passes::codegen::{self, Artifact, Output};
use lossc_passes::lower::lower;
use lossc_passes::saturate::costs::CostModel;
use lossc_passes::schedule::{self, SavedIn, schedule};
use lossc_runtime::cuda::plan::{LaunchOverrides, Team};
use lossc_runtime::manifest::Direction;
use lossc_runtime::{Call, Manifest, Random, Residuals, TensorView};
use lossc_simulator::{Code, Device, Machine, Order, Step, Tensors};

use crate::data::{self, Sample, sample};
use crate::reference::{SCHEDULES, Verdict, balanced_bce, bce, random_drop_within};
use crate::targets::library_losses;

use super::SEED;

/// The seeds of a device's errors; without one its instructions are rounded.
const ERRORS: [Option<u64>; 3] = [None, Some(1), Some(0x5eed)];

const SHAPES: [&[usize]; 5] = [&[1, 1], &[1, 31], &[3, 11], &[1, 1000], &[1, 70_001]];

/// Relative error allowed in a loss, with logits up to `largest` in size. A pixel's term is a
/// softplus, whose error in the op table is 4.3 + 0.62·|x| units of 2⁻²³. Sums add their error of
/// either mode, below 1e-6.
fn loss_error(largest: f64) -> f64 {
    (4.3 + 0.62 * largest) / 8_388_608.0 + 1e-6
}

/// The same for the gradient at a logit, which is made of a sigmoid, either the op itself or e^-|x|
/// and a reciprocal, and two products.
fn gradient_error(logit: f32) -> f64 {
    (3.6 + 0.62 * size(logit) + 3.0) / 8_388_608.0
}

/// |x| up to the point where errors stop growing: beyond, an exponential is 0.
fn size(logit: f32) -> f64 {
    f64::from(logit.abs()).min(88.0)
}

/// Remainder of a gradient that underflows.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// Distance of a draw from its probability at which the kernel may decide otherwise than the
/// reference: the absolute error of a probability made of a sigmoid, its square, or a softplus
/// below 2.4, and of the product that replaces the quotient.
const CLOSE: f64 = 2e-6;

/// A loss's fast kernels.
struct Fast {
    name: String,
    code: Code,
    manifest: Manifest,
}

impl Fast {
    fn new(loss: &Loss) -> Self {
        let target: Target = "sm_90".parse().expect("a known target");
        let options = pipeline::Options { numerics: Numerics::Fast, ..Default::default() };
        let program =
            optimise(data::program(loss), &options, &target, false).expect("the passes run").program;
        let saved_in = SavedIn::SharedMemory(CostModel::NvidiaFast);
        let schedule = schedule(&program, schedule::Options { saved_in, ..Default::default() });
        let module = lower(&schedule, &target, Numerics::Fast).expect("lowers");
        let ir = codegen::compile(&module, &target, Output::LlvmIr, None).expect("compiles");
        let Artifact::Text(ir) = ir else { panic!("IR is text") };
        let code = Code::new(&ir).expect("the IR can be simulated");
        Self { name: program.name().into(), code, manifest: manifest(&schedule, &target, Numerics::Fast) }
    }

    /// Runs forward, both directions in two launches and in one that saves some pixels, and
    /// backward alone.
    fn steps(&self, sample: &Sample, errors: Option<u64>, order: Order, team: Team) -> [Step; 4] {
        let pixels = [
            TensorView::from_array(sample.logits.view()).expect("standard layout"),
            TensorView::from_array(sample.labels.view()).expect("standard layout"),
        ];
        let call = Call {
            pixels: &pixels,
            balance: Balance::Image,
            random: Random { seed: SEED, stream: 0 },
            scalars: &[],
        };
        let zeros = Residuals::new(&Arc::new(self.manifest.clone()), &call).expect("the arguments fit");
        let loss = lossc_simulator::Loss { code: &self.code, manifest: &self.manifest };
        let mut device = Device::new(order);
        if let Some(seed) = errors {
            device = device.with_errors(seed);
        }
        let tensors = Tensors { pixels: &pixels, misalignment: 0, residuals: &zeros, upstream: None };
        let machine = |cooperative| Machine {
            overrides: LaunchOverrides { team: Some(team), cooperative },
            blocks: 3,
            shared_bytes: 30 << 10,
        };
        let mut run = |residuals, direction, cooperative| {
            let tensors = Tensors { residuals, ..tensors };
            loss.run(&mut device, &tensors, direction, &machine(Some(cooperative))).expect("no fault")
        };
        let forward = run(&zeros, Direction::Forward, false);
        let both = run(&zeros, Direction::ForwardBackward, false);
        let cooperative = run(&zeros, Direction::ForwardBackward, true);
        let mut known = zeros.clone();
        known.group_totals_mut().copy_from_slice(&forward.group_totals);
        let backward = run(&known, Direction::Backward, false);
        [forward, both, cooperative, backward]
    }
}

/// Logits at which an exponential rounds to 0 or 1, or is below the normal floats.
const EDGES: [f32; 12] = [0.0, -0.0, 1e-40, -1e-40, 16.7, -16.7, 87.5, -87.5, 104.0, -104.0, 1e4, -1e4];

/// A sample in which every seventh logit is at an edge.
fn with_edges(mut sample: Sample) -> Sample {
    let edges = EDGES.iter().cycle();
    sample.logits.iter_mut().skip(2).step_by(7).zip(edges).for_each(|(logit, &edge)| *logit = edge);
    sample
}

/// The reference's values for a sample, with close calls decided as in `gradient`.
fn verdict(name: &str, sample: &Sample, gradient: &[f32]) -> Verdict {
    let (pixels, groups) = sample.pixels(&data::options(SEED, Balance::Image), None);
    match name.split_once('.') {
        Some(("random_drop", schedule)) => {
            let (_, schedule) =
                SCHEDULES.into_iter().find(|(name, _)| *name == schedule).expect("a schedule");
            random_drop_within(CLOSE, &pixels, groups, schedule, |index| gradient[index] != 0.0)
        }
        _ if name == "bce" => bce(&pixels, groups),
        _ => balanced_bce(&pixels, groups),
    }
}

/// Checks that counts are the reference's, and loss and gradient within their errors.
fn check(what: &str, step: &Step, sample: &Sample, name: &str) {
    let (words, _) = step.gradients[0].as_chunks::<4>();
    let gradient: Vec<_> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let verdict = verdict(name, sample, &gradient);
    assert!(verdict.close_calls <= 2, "{what}: {} close calls", verdict.close_calls);
    let (loss, counts) = (f32::from_bits(step.results[0] as u32), &step.results[1..]);
    let kept = if name == "bce" { &[][..] } else { &verdict.kept };
    let expected: Vec<_> = verdict.positives.iter().chain(kept).map(|count| count.cast_unsigned()).collect();
    assert_eq!(counts, expected, "{what}");
    let error = (f64::from(loss) - verdict.loss).abs();
    let largest = sample.logits.iter().map(|&x| size(x)).fold(0.0, f64::max);
    assert!(error <= loss_error(largest) * verdict.loss, "{what}: loss {loss} for {}", verdict.loss);
    let pairs = gradient.iter().zip(&verdict.gradient).zip(&sample.logits);
    for ((&found, &expected), &logit) in pairs {
        let error = (f64::from(found) - expected).abs();
        let allowed = gradient_error(logit) * expected.abs() + SMALLEST;
        assert!(error <= allowed, "{what}: gradient {found} for {expected} at a logit of {logit}");
    }
}

/// Checks a sample on a device with and without errors.
fn check_sample(fast: &Fast, sample: &Sample) {
    let cases = ERRORS.into_iter().zip(Order::ALL);
    for ((errors, order), team) in cases.flat_map(|case| Team::ALL.map(|team| (case, team))) {
        let what = format!("{} {:?} {errors:?} {order:?} {team:?}", fast.name, sample.logits.shape());
        let [forward, both, cooperative, backward] = fast.steps(sample, errors, order, team);
        check(&what, &both, sample, &fast.name);
        // The draws are the same in every kernel, and so are the bits.
        assert!(
            (&forward.group_totals, &forward.results) == (&both.group_totals, &both.results),
            "forward of {what}"
        );
        assert!(cooperative == both, "at once: {what}");
        assert!(backward.gradients == both.gradients, "backward of {what}");
    }
}

#[test]
fn fast_kernels_are_as_near_as_documented_and_agree_with_each_other() {
    for loss in library_losses() {
        let fast = Fast::new(&loss);
        for (index, shape) in SHAPES.into_iter().enumerate() {
            let sample = sample(shape, 0.05, 31 + index as u64);
            check_sample(&fast, &sample);
            check_sample(&fast, &with_edges(sample));
        }
    }
}

/// Errors must show, or the test above proves little; equal seeds give equal errors.
#[test]
fn errors_follow_from_their_seed() {
    let fast = Fast::new(&Loss::library("random-drop").expect("a library loss"));
    let sample = sample(&[1, 1000], 0.05, 3);
    let gradient = |errors| fast.steps(&sample, errors, Order::ALL[0], Team::Warp)[1].gradients.clone();
    assert_eq!(gradient(Some(1)), gradient(Some(1)));
    assert_ne!(gradient(Some(1)), gradient(Some(2)));
    assert_ne!(gradient(Some(1)), gradient(None));
}
