mod reference;
mod reuse;

use std::sync::OnceLock;

use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use self::reference::{Reference, variance};
use super::*;
use crate::executor::{GroupValues, Outcome, Random};
use crate::layout::{Balance, Layout};
use crate::manifest::{
    KernelManifest, PixelArgument, Reduction, ReductionKind, ResultDescription, ResultKind, ScalarArgument,
};
use crate::philox::uniform;
use crate::tensor::{ElementType, Tensor};
use crate::testing::compile_c;

pub(crate) fn manifest(passes: usize) -> Manifest {
    let pixel = |name: &str, element| PixelArgument { name: name.into(), element };
    let scalar = |name: &str, default| ScalarArgument { name: name.into(), default };
    let pass = |reductions: &[(usize, ReductionKind)], outputs| KernelManifest {
        reductions: reductions.iter().map(|&(group_total, kind)| Reduction { group_total, kind }).collect(),
        outputs,
        needs_sizes: false,
    };
    let all = [
        pass(&[(1, ReductionKind::Count), (0, ReductionKind::Sum)], false),
        pass(&[(2, ReductionKind::Sum)], false),
        pass(&[], true),
    ];
    let result = |name: &str, kind| ResultDescription { name: name.into(), kind };
    Manifest {
        name: "variance".into(),
        is_reproducible: true,
        pixel_inputs: vec![pixel("logit", ElementType::F32), pixel("label", ElementType::U8)],
        pixel_outputs: vec![pixel("gradient", ElementType::F32)],
        scalars: vec![scalar("upstream", 1.0), scalar("shift", 0.0)],
        scalar_slots: 5,
        group_totals: if passes == 1 { 2 } else { 3 },
        buffers: vec![],
        step_bytes: (passes == 3).then_some(3),
        has_block_teams: passes == 3,
        kernels: all[..passes].to_vec(),
        forward: (0..passes.min(2)).collect(),
        backward: (2..passes).collect(),
        forward_backward: (0..passes).collect(),
        results: vec![result("positives", ResultKind::Count), result("sums", ResultKind::Float)],
    }
}

/// The variance loss, compiled.
pub(crate) fn object() -> &'static [u8] {
    static OBJECT: OnceLock<Vec<u8>> = OnceLock::new();
    OBJECT.get_or_init(|| compile_c(include_str!("tests/variance.c"), &[]))
}

pub(crate) fn kernels(passes: usize) -> NativeKernels {
    // SAFETY: the C source follows the interface for this manifest.
    unsafe { NativeKernels::from_object(object(), manifest(passes)).unwrap() }
}

fn executor(threads: usize) -> CpuExecutor {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    CpuExecutor::with_pool(kernels(3), Arc::new(pool.unwrap()))
}

/// Inputs of the variance loss.
pub(crate) struct Case {
    pub logits: Tensor,
    pub labels: Tensor,
    pub balance: Balance,
}

impl Case {
    pub(crate) fn new(shape: &[usize], balance: Balance) -> Self {
        let count = shape.iter().product::<usize>() as u64;
        let logits: Vec<f32> = (0..count).map(|e| uniform(1, 0, e) * 8.0 - 4.0).collect();
        let labels: Vec<u8> = (0..count).map(|e| u8::from(uniform(2, 0, e) < 0.3)).collect();
        Self {
            logits: Tensor::from_slice(shape, &logits).unwrap(),
            labels: Tensor::from_slice(shape, &labels).unwrap(),
            balance,
        }
    }

    pub(crate) fn views(&self) -> [TensorView<'_>; 2] {
        [self.logits.view(), self.labels.view()]
    }

    fn run(&self, executor: &mut CpuExecutor, upstream: f32) -> (Outcome, Tensor) {
        let (views, scalars) = (self.views(), [("upstream", upstream)]);
        let call = Call { balance: self.balance, scalars: &scalars, ..Call::new(&views) };
        let (outcome, mut gradients) = executor.forward_backward(&call).unwrap();
        (outcome, gradients.remove(0))
    }

    fn reference(&self, upstream: f32) -> Reference {
        let layout = Layout::new(self.logits.shape(), self.balance).unwrap();
        let (logits, labels) = (self.logits.view(), self.labels.view());
        variance(&layout, logits.as_slice().unwrap(), labels.as_slice().unwrap(), upstream)
    }
}

fn assert_matches(case: &Case, outcome: &Outcome, gradient: &Tensor, upstream: f32) {
    let expected = case.reference(upstream);
    assert_eq!(outcome.loss.to_bits(), expected.loss.to_bits());
    assert_eq!(outcome.residuals.scalars()[2..], sizes_and_mean(case, expected.mean));
    assert_eq!(outcome.group("positives"), Some(&GroupValues::Count(expected.counts)));
    let sums = expected.sums.iter().map(|&sum| sum as f32).collect();
    assert_eq!(outcome.group("sums"), Some(&GroupValues::Float(sums)));
    let shape = case.logits.shape();
    assert_eq!(gradient, &Tensor::from_slice(shape, &expected.gradient).unwrap());
}

/// The scalar slots after the arguments.
fn sizes_and_mean(case: &Case, mean: f32) -> [u64; 3] {
    let layout = Layout::new(case.logits.shape(), case.balance).unwrap();
    [layout.groups() as f64, layout.pixels() as f64, f64::from(mean)].map(f64::to_bits)
}

#[test]
fn odd_shapes_match_direct_evaluation_for_any_number_of_threads() {
    let mut executors = [1, 2, 7].map(executor);
    let shapes: [&[usize]; 10] = [
        &[1, 1],
        &[3, 1],
        &[1, 2047],
        &[1, 2049],
        &[5, 1, 1],
        &[7, 1, 2047],
        &[3, 23, 89],
        &[2, 3, 61, 67],
        &[1, 700_001],
        &[9, 2, 1, 3001],
    ];
    for shape in shapes {
        for balance in Balance::ALL {
            let case = Case::new(shape, balance);
            for executor in &mut executors {
                let (outcome, gradient) = case.run(executor, -1.5);
                assert_matches(&case, &outcome, &gradient, -1.5);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_shape_matches_direct_evaluation(
        samples in 0usize..4, channels in 0usize..4, height in 0usize..30, width in 0usize..300,
        balance in prop::sample::select(Balance::ALL.to_vec()),
    ) {
        let case = Case::new(&[samples, channels, height, width], balance);
        let (outcome, gradient) = case.run(&mut executor(3), 1.0);
        assert_matches(&case, &outcome, &gradient, 1.0);
    }
}

#[test]
fn backward_from_residuals_equals_the_joint_call() {
    let case = Case::new(&[2, 3, 61, 67], Balance::Sample);
    let mut executor = CpuExecutor::new(kernels(3));
    let views = case.views();
    let call = Call { balance: case.balance, random: Random { seed: 3, stream: 4 }, ..Call::new(&views) };
    let outcome = executor.forward(&call).unwrap();
    let gradient = executor.backward(&views, &outcome.residuals, 0.25).unwrap();
    assert_eq!(outcome.residuals.random(), Random { seed: 3, stream: 4 });
    assert_matches(&case, &outcome, &gradient[0], 0.25);
}

#[test]
fn gradients_may_go_to_the_callers_array() {
    let case = Case::new(&[5, 7], Balance::Image);
    let mut array = ndarray::Array2::from_elem((5, 7), f32::NAN);
    let mut gradient = [TensorViewMut::from_array(array.view_mut()).unwrap()];
    let views = case.views();
    let mut executor = CpuExecutor::new(kernels(3));
    executor.forward_backward_into(&Call::new(&views), &mut gradient).unwrap();
    assert_eq!(array.as_slice().unwrap(), case.reference(1.0).gradient);
}

#[test]
fn a_tensor_without_pixels_has_the_loss_of_zero_sums() {
    for shape in [&[0, 3, 4, 5][..], &[2, 3, 0, 5], &[0, 0]] {
        let case = Case::new(shape, Balance::Batch);
        let (outcome, gradient) = case.run(&mut executor(2), 1.0);
        assert_eq!(outcome.loss, 0.0);
        assert_eq!(outcome.group("positives"), Some(&GroupValues::Count(vec![0])));
        assert!(gradient.bytes().is_empty());
    }
}

#[test]
fn a_scalar_argument_reaches_the_kernel() {
    let case = Case::new(&[4, 6], Balance::Image);
    let (views, scalars) = (case.views(), [("shift", 100.0)]);
    let call = Call { scalars: &scalars, ..Call::new(&views) };
    let mean = |call: &Call<'_>| {
        let outcome = CpuExecutor::new(kernels(3)).forward(call).unwrap();
        f64::from_bits(outcome.residuals.scalars()[4])
    };
    assert!((mean(&call) - mean(&Call::new(&views)) - 100.0).abs() < 1e-3);
}

#[test]
fn two_workers_add_up_to_one() {
    let whole = Case::new(&[4, 2, 16, 64], Balance::Channel);
    let mut executor = executor(2);
    let halves: Vec<Case> = (0..2).map(|half| half_of(&whole, half)).collect();
    let views: Vec<_> = halves.iter().map(Case::views).collect();
    let mut workers: Vec<Residuals> = views
        .iter()
        .map(|views| {
            let call = Call { balance: Balance::Channel, ..Call::new(views) };
            Residuals::new(executor.manifest(), &call).unwrap()
        })
        .collect();
    for pass in 0..2 {
        for (views, worker) in views.iter().zip(&mut workers) {
            executor.partials_of_pass(pass, views, worker).unwrap();
        }
        let other = workers[1].clone();
        workers[0].merge(pass, &other).unwrap();
        workers[1] = workers[0].clone();
        for worker in &mut workers {
            executor.finish_pass(pass, worker).unwrap();
        }
    }
    let (expected, _) = whole.run(&mut executor, 1.0);
    let total = Outcome::new(workers.remove(0));
    assert_eq!(total.group("positives"), expected.group("positives"));
    // The halves' planes are added in another order than the whole's.
    assert!((total.loss - expected.loss).abs() <= 1e-6 * expected.loss);
}

/// The first or second half of the samples.
fn half_of(case: &Case, half: usize) -> Case {
    let shape = case.logits.shape();
    let shape = [shape[0] / 2, shape[1], shape[2], shape[3]];
    let count = shape.iter().product::<usize>();
    let range = half * count..(half + 1) * count;
    let (logits, labels) = (case.logits.view(), case.labels.view());
    Case {
        logits: Tensor::from_slice(&shape, &logits.as_slice::<f32>().unwrap()[range.clone()]).unwrap(),
        labels: Tensor::from_slice(&shape, &labels.as_slice::<u8>().unwrap()[range]).unwrap(),
        balance: case.balance,
    }
}

#[test]
fn partials_then_finish_is_forward_for_a_loss_of_one_pass() {
    let case = Case::new(&[3, 50, 70], Balance::Image);
    let views = case.views();
    let call = Call::new(&views);
    let mut executor = CpuExecutor::new(kernels(1));
    let partials = executor.forward_partials(&call).unwrap();
    assert_eq!(partials.results(), [0; 7]);
    let finished = executor.finish(partials).unwrap();
    assert_eq!(finished, executor.forward(&call).unwrap());
    let error = executor.backward(&views, &finished.residuals, 1.0).unwrap_err();
    assert_eq!(error.to_string(), "variance was compiled without a gradient");
    let error = CpuExecutor::new(kernels(3)).forward_partials(&call).unwrap_err();
    assert!(error.to_string().starts_with("variance takes 2 forward passes"), "{error}");
}

fn forward_error(views: &[TensorView<'_>], scalars: &[(&str, f32)]) -> String {
    let call = Call { scalars, ..Call::new(views) };
    CpuExecutor::new(kernels(3)).forward(&call).unwrap_err().to_string()
}

#[test]
fn wrong_arguments_are_named() {
    let case = Case::new(&[3, 4], Balance::Image);
    let [logits, labels] = case.views();
    let transposed = Case::new(&[4, 3], Balance::Image);
    assert_eq!(
        forward_error(std::slice::from_ref(&logits), &[]),
        "expected pixel inputs (logit, label), got 1 tensors"
    );
    assert_eq!(
        forward_error(&[labels.clone(), logits.clone()], &[]),
        "logit: expected a tensor of f32, got u8"
    );
    assert_eq!(
        forward_error(&[logits.clone(), transposed.labels.view()], &[]),
        "label: shape [4, 3] differs from logit's [3, 4]"
    );
    assert_eq!(
        forward_error(&[logits, labels], &[("gamma", 2.0)]),
        "variance has no scalar argument `gamma`: expected one of (upstream, shift)"
    );
    let line = Case::new(&[12], Balance::Image);
    assert_eq!(
        forward_error(&line.views(), &[]),
        "logit: shape [12] is none of (H, W), (C, H, W) and (N, C, H, W)"
    );
}

#[test]
fn wrong_gradients_and_residuals_are_named() {
    let case = Case::new(&[3, 4], Balance::Image);
    let views = case.views();
    let mut executor = CpuExecutor::new(kernels(3));
    let mut wrong = Tensor::zeros(ElementType::F16, &[3, 4]).unwrap();
    let error = executor.forward_backward_into(&Call::new(&views), &mut [wrong.view_mut()]).unwrap_err();
    assert_eq!(error.to_string(), "gradient: expected a tensor of f32, got f16");
    let outcome = executor.forward(&Call::new(&views)).unwrap();
    let other = Case::new(&[2, 6], Balance::Image);
    let error = executor.backward(&other.views(), &outcome.residuals, 1.0).unwrap_err();
    assert_eq!(error.to_string(), "logit: shape [2, 6] differs from the forward call's [3, 4]");
    let foreign = CpuExecutor::new(kernels(1)).forward(&Call::new(&views)).unwrap();
    let error = executor.backward(&views, &foreign.residuals, 1.0).unwrap_err();
    assert_eq!(error.to_string(), "residuals of variance cannot be used with variance");
}

#[test]
fn an_object_without_a_kernel_is_refused() {
    let object = compile_c("void kernel_0(void) {} void epilogue_0(void) {}", &[]);
    // SAFETY: loading fails before anything is called.
    let error = unsafe { NativeKernels::from_object(&object, manifest(3)) }.unwrap_err();
    assert_eq!(error.to_string(), "the object does not define function `kernel_1`");
}
