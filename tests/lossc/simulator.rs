//! The GPU's kernels on a simulated GPU: the processor's bits in every order of threads and blocks.
//! This is not a GPU result.

mod fast;
mod faults;
mod machine;

use std::sync::Arc;

use lossc::manifest::manifest;
use lossc::pipeline::optimise;
use lossc::{Balance, Loss, Numerics, Program, Target};
use lossc_dialect::Element;
use lossc_passes::codegen::{self, Artifact, Output};
use lossc_passes::lower::lower;
use lossc_passes::saturate::costs::CostModel;
use lossc_passes::schedule::{EntryPoints, Fusion, SavedIn, schedule};
use lossc_passes::specialise;
use lossc_runtime::cuda::plan::{LaunchOverrides, Team};
use lossc_runtime::manifest::Direction;
use lossc_runtime::{
    Call, CpuExecutor, Executor as _, Manifest, NativeKernels, Random, Residuals, TensorView,
};
use lossc_simulator::{Code, Device, Machine, Order, Step, Tensors};

use crate::data::{self, Sample, host, sample};
use crate::targets::library_losses;

/// Schedules that processors and GPUs can both run: only a GPU's launches save values.
const CHIP: lossc_passes::schedule::Options = lossc_passes::schedule::Options {
    fusion: Fusion::Pass,
    saved_in: SavedIn::SharedMemory(CostModel::Nvidia),
    compaction: None,
    entry_points: EntryPoints::All,
};

/// One schedule's code for both targets.
pub struct Both {
    /// The optimised loss by the GPU's costs.
    pub program: Program,
    pub ir: String,
    pub manifest: Manifest,
    pub cpu: CpuExecutor,
}

impl Both {
    pub fn new(loss: &Loss, options: &specialise::Options) -> Self {
        let gpu: Target = "sm_90".parse().expect("a known target");
        let program = optimise(data::program(loss), &options.clone().into(), &gpu, false)
            .expect("the passes run")
            .program;
        let schedule = schedule(&program, CHIP);
        let code = |target: &Target, output| {
            let module = lower(&schedule, target, Numerics::Reproducible).expect("lowers");
            codegen::compile(&module, target, output, None).expect("the loss compiles")
        };
        let Artifact::Text(ir) = code(&gpu, Output::LlvmIr) else { panic!("IR is text") };
        let Artifact::Object(object) = code(&host(), Output::Code) else { panic!("code is an object") };
        // SAFETY: code and manifest are from one schedule, for this processor.
        let kernels = unsafe {
            NativeKernels::from_object(&object, manifest(&schedule, &host(), Numerics::Reproducible))
        };
        let cpu = CpuExecutor::new(kernels.expect("the code loads"));
        let manifest = manifest(&schedule, &gpu, Numerics::Reproducible);
        Self { program, ir, manifest, cpu }
    }

    pub fn code(&self) -> Code {
        Code::new(&self.ir).expect("the IR can be simulated")
    }
}

pub const SEED: u64 = 0x1_2345_6789;

/// The processor's results for tensors, as a step of the simulator.
pub fn on_processor(cpu: &mut CpuExecutor, call: &Call<'_>) -> (Step, Step) {
    let step = |residuals: &Residuals, gradients: Vec<Vec<u8>>| Step {
        group_totals: residuals.group_totals().to_vec(),
        scalars: residuals.scalars().to_vec(),
        results: residuals.results().to_vec(),
        gradients,
    };
    let forward = cpu.forward(call).expect("the call runs");
    let (both, gradients) = cpu.forward_backward(call).expect("the call runs");
    let gradients = gradients.iter().map(|gradient| gradient.bytes().to_vec()).collect();
    (step(&forward.residuals, vec![]), step(&both.residuals, gradients))
}

/// A call's shape and the grouping of its planes.
const CASES: [(&[usize], Balance); 10] = [
    (&[1, 1], Balance::Image),
    (&[1, 31], Balance::Image),
    (&[3, 11], Balance::Image),
    (&[1, 1000], Balance::Image),
    (&[1, 70_001], Balance::Image),
    (&[3, 1, 31], Balance::Image),
    (&[5, 1, 2051], Balance::Batch),
    (&[2, 3, 25, 83], Balance::Channel),
    (&[2, 2, 31, 33], Balance::Sample),
    (&[12, 1, 1, 7], Balance::Image),
];

/// Bytes of shared memory that a block of an H100 may have for pixels.
const SHARED_BYTES: usize = 200 << 10;

/// Ways to launch a direction: pass by pass, and both passes in one launch on devices that hold few
/// and many blocks, with capacity for all pixels, some or none.
const PLANS: [(Option<bool>, usize, usize); 4] = [
    (Some(false), 6, SHARED_BYTES),
    (Some(true), 64, SHARED_BYTES),
    (Some(true), 3, 30 << 10),
    (Some(true), 6, 0),
];

/// All ways to launch both directions.
pub fn machines() -> impl Iterator<Item = Machine> {
    Team::ALL.into_iter().flat_map(|team| {
        PLANS.map(|(cooperative, blocks, shared_bytes)| Machine {
            overrides: LaunchOverrides { team: Some(team), cooperative },
            blocks,
            shared_bytes,
        })
    })
}

/// Compares forward, backward and both, in every order, with the processor.
fn same_bits(both: &mut Both, code: &Code, pixels: &[TensorView<'_>], balance: Balance, misalignment: usize) {
    let random = Random { seed: SEED, stream: 5 };
    let scalars =
        if both.manifest.scalar_slot("upstream").is_some() { &[("upstream", -0.75)][..] } else { &[] };
    let call = Call { pixels, balance, random, scalars };
    let (forward, step) = on_processor(&mut both.cpu, &call);
    let manifest = Arc::new(both.manifest.clone());
    let zeros = Residuals::new(&manifest, &call).expect("the arguments fit");
    let known = both.cpu.forward(&call).expect("the call runs").residuals;
    let loss = lossc_simulator::Loss { code, manifest: &both.manifest };
    for order in Order::ALL {
        // Reproducible bits do not depend on the errors of approximations.
        let mut device = Device::new(order).with_errors(SEED);
        for machine in machines() {
            let what = format!("{} {:?} {balance:?} {order:?} {machine:?}", manifest.name, pixels[0].shape());
            let mut run = |residuals, direction| {
                let tensors = Tensors { pixels, misalignment, residuals, upstream: None };
                let step = loss.run(&mut device, &tensors, direction, &machine);
                step.unwrap_or_else(|fault| panic!("{what}: {fault}"))
            };
            assert!(run(&zeros, Direction::ForwardBackward) == step, "forward and backward of {what}");
            if machine.overrides.cooperative == Some(false) {
                assert!(run(&zeros, Direction::Forward) == forward, "forward of {what}");
                let backward = run(&known, Direction::Backward);
                assert!(backward.gradients == step.gradients, "backward of {what}");
            }
        }
    }
}

#[test]
fn every_loss_has_the_bits_of_the_processor_in_every_order() {
    for loss in library_losses() {
        let options = specialise::Options { checks: true, ..Default::default() };
        let mut both = Both::new(&loss, &options);
        let code = both.code();
        for (index, (shape, balance)) in CASES.into_iter().enumerate() {
            let sample = sample(shape, 0.05, 31 + index as u64);
            let pixels = [
                TensorView::from_array(sample.logits.view()).expect("standard layout"),
                TensorView::from_array(sample.labels.view()).expect("standard layout"),
            ];
            same_bits(&mut both, &code, &pixels, balance, 0);
        }
    }
}

/// LLVM loads eight counts of a block at once in some losses, which requires an alignment of 32
/// bytes. The simulator once gave shared variables 16.
#[test]
fn shared_memory_is_aligned_as_its_variables_ask() {
    let text = include_str!("../ir/reduction/unsafe_weight.mlir");
    let loss = Loss::parse("unsafe_weight.mlir", text).expect("a loss");
    let mut both = Both::new(&loss, &specialise::Options::default());
    let code = both.code();
    let (logits, labels) = (ndarray::array![[1.0f32]], ndarray::array![[1.0f32]]);
    let pixels =
        [logits.view(), labels.view()].map(|it| TensorView::from_array(it).expect("standard layout"));
    same_bits(&mut both, &code, &pixels, Balance::Image, 0);
}

/// 16-bit logits, wide labels, and tensors that start where no vector may.
#[test]
fn stored_types_and_unaligned_tensors_have_the_bits_of_the_processor() {
    let loss = Loss::library("random-drop").expect("a library loss");
    let sample = sample(&[3, 1, 2053], 0.2, 41);
    let halves: Vec<_> = sample.logits.iter().map(|&x| half::f16::from_f32(x)).collect();
    let brains: Vec<_> = sample.logits.iter().map(|&x| half::bf16::from_f32(x)).collect();
    let wide: Vec<_> = sample.labels.iter().map(|&label| i64::from(label)).collect();
    let masks: Vec<_> = sample.labels.iter().map(|&label| label == 1).collect();
    let shape = sample.logits.shape();
    let inputs = [
        [TensorView::from_slice(shape, &halves), TensorView::from_slice(shape, &wide)],
        [TensorView::from_slice(shape, &brains), TensorView::from_slice(shape, &masks)],
    ];
    let types = [[Element::F16, Element::I64], [Element::Bf16, Element::Mask]];
    for (pixels, storage) in inputs.into_iter().zip(types) {
        let options = specialise::Options { checks: true, storage: storage.to_vec(), ..Default::default() };
        let mut both = Both::new(&loss, &options);
        let code = both.code();
        let pixels = pixels.map(|view| view.expect("it fits"));
        for misalignment in [0, 1, 3] {
            same_bits(&mut both, &code, &pixels, Balance::Image, misalignment);
        }
    }
}

/// All of a step as words, in which every NaN has the same bits: a GPU's differ from a processor's.
pub fn words(step: &Step) -> Vec<u64> {
    let double = |&bits: &u64| if f64::from_bits(bits).is_nan() { f64::NAN.to_bits() } else { bits };
    let float = |bits: u32| u64::from(if f32::from_bits(bits).is_nan() { f32::NAN.to_bits() } else { bits });
    let group_totals = step.group_totals.iter().map(double);
    let scalars = step.scalars.iter().map(double);
    let results = step.results.iter().map(|&bits| bits >> 32 << 32 | float(bits as u32));
    let gradients = step.gradients.iter().flat_map(|gradient| gradient.as_chunks::<4>().0);
    let gradients = gradients.map(|word| float(u32::from_le_bytes(*word)));
    group_totals.chain(scalars).chain(results).chain(gradients).collect()
}

/// Planes of one class, of ignored pixels, with a single positive, and of all; logits at the edges
/// of f32, infinities on the right and the wrong side, and in the last plane NaN.
fn edges() -> Sample {
    const LENGTH: usize = 2100;
    let special = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40, -0.0, 88.0, -104.0, f32::MAX];
    let mut sample = sample(&[5, 1, LENGTH], 0.5, 23);
    for (index, (logit, label)) in sample.logits.iter_mut().zip(&mut sample.labels).enumerate() {
        let (plane, column) = (index / LENGTH, index % LENGTH);
        *label = match plane {
            0 | 1 => plane as u8,
            2 => 255,
            3 => u8::from(column + 1 == LENGTH),
            _ if index % 5 == 0 => 255,
            _ => *label,
        };
        let edge = special[index % special.len()];
        if index % 3 == 0 && (plane == 4 || !edge.is_nan()) {
            *logit = edge;
        }
    }
    sample
}

#[test]
fn edges_have_the_values_of_the_processor() {
    let sample = edges();
    let pixels = [
        TensorView::from_array(sample.logits.view()).expect("standard layout"),
        TensorView::from_array(sample.labels.view()).expect("standard layout"),
    ];
    let random = Random { seed: SEED, stream: 5 };
    let call = Call { pixels: &pixels, balance: Balance::Image, random, scalars: &[] };
    for loss in library_losses() {
        let options = specialise::Options { checks: true, ignore_index: Some(255), ..Default::default() };
        let mut both = Both::new(&loss, &options);
        let code = both.code();
        let (_, expected) = on_processor(&mut both.cpu, &call);
        let residuals = Residuals::new(&Arc::new(both.manifest.clone()), &call).expect("the arguments fit");
        let tensors = Tensors { pixels: &pixels, misalignment: 0, residuals: &residuals, upstream: None };
        let simulated = lossc_simulator::Loss { code: &code, manifest: &both.manifest };
        for machine in machines() {
            let mut device = Device::new(Order::ALL[0]).with_errors(SEED);
            let step = simulated.run(&mut device, &tensors, Direction::ForwardBackward, &machine);
            let step = step.unwrap_or_else(|fault| panic!("{} {machine:?}: {fault}", both.manifest.name));
            assert!(words(&step) == words(&expected), "{} {machine:?}", both.manifest.name);
        }
    }
}
