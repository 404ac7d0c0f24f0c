//! Checks that must hold on any device whose `variance` module holds the kernels of the CPU
//! tests: the same bits as the CPU executor, in every direction.

use super::super::*;
use crate::cpu::CpuExecutor;
use crate::cpu::tests::{Case, kernels, manifest};
use crate::error::RuntimeError;
use crate::executor::{Call, Executor, Random, Residuals};
use crate::layout::Balance;
use crate::tensor::{ElementType, Tensor, TensorView};

use super::super::memory::{DeviceBuffer, download};
use super::super::plan::{Device as _, LaunchOverrides, Team};

pub(super) fn executor(device: &CudaDevice) -> CudaExecutor {
    CudaExecutor::new(load(device, "variance").unwrap()).unwrap()
}

fn load(device: &CudaDevice, text: &str) -> Result<CudaKernels, RuntimeError> {
    // SAFETY: the kernels follow the interface for this manifest.
    unsafe { CudaKernels::from_ptx(device, text, manifest(3)) }
}

fn call<'a>(case: &Case, views: &'a [TensorView<'a>]) -> Call<'a> {
    let random = Random { seed: 1 << 40, stream: 3 };
    Call { balance: case.balance, random, scalars: &[("shift", 0.5), ("upstream", -2.0)], ..Call::new(views) }
}

pub(super) fn the_driver_is_described(device: &CudaDevice) {
    assert_eq!(CudaDevice::count(), Ok(1));
    assert_eq!(device.name().unwrap(), "stand-in");
    assert_eq!(device.compute_capability(), Ok(90));
    assert_eq!(device.ptx_version(), Ok((8, 7)));
    assert!(CudaDevice::open(7).unwrap_err().to_string().starts_with("opening the CUDA device failed"));
}

/// Three processors of 1000 bytes for blocks that take 100 themselves. The capacities asked for
/// grow by two steps of eight warps, of three bytes each, with one step more.
pub(super) fn the_room_for_blocks_is_asked_for(device: &CudaDevice) {
    let executor = executor(device);
    for team in Team::ALL {
        let capacities =
            [24, 72, 408, 456, 888, 936, 100].map(|bytes| executor.capacity.resident(team, bytes));
        assert_eq!(capacities, [24, 15, 3, 3, 3, 0, 0]);
    }
}

pub(super) fn the_compilers_log_is_in_the_error(device: &CudaDevice) {
    let error = load(device, "no ptx").unwrap_err().to_string();
    let expected =
        "the driver could not compile the PTX of variance: CUDA_ERROR_INVALID_PTX\nline 1: this is no PTX";
    assert_eq!(error, expected);
    let mut longer = manifest(3);
    longer.kernels.push(longer.kernels[2].clone());
    // SAFETY: loading fails before anything is launched.
    let error = unsafe { CudaKernels::from_ptx(device, "variance", longer) }.unwrap_err();
    assert_eq!(error.to_string(), "the PTX of variance does not define kernel `kernel_3`");
}

pub(super) fn host_tensors_give_the_bits_of_the_cpu(device: &CudaDevice) {
    let (mut cuda, mut cpu) = (executor(device), CpuExecutor::new(kernels(3)));
    let shapes: [&[usize]; 7] =
        [&[1, 1], &[1, 2049], &[7, 1, 2047], &[2, 3, 61, 67], &[0, 3, 4, 5], &[2, 3, 0, 5], &[1, 700_001]];
    for (shape, balance) in shapes.into_iter().flat_map(|shape| Balance::ALL.map(|balance| (shape, balance)))
    {
        let case = Case::new(shape, balance);
        let views = case.views();
        let call = call(&case, &views);
        assert_eq!(cuda.forward_backward(&call).unwrap(), cpu.forward_backward(&call).unwrap());
        let forward = cuda.forward(&call).unwrap();
        assert_eq!(forward, cpu.forward(&call).unwrap());
        let [from_cuda, from_cpu] = [&mut cuda as &mut dyn Executor, &mut cpu]
            .map(|executor| executor.backward(&views, &forward.residuals, 0.25).unwrap());
        assert_eq!(from_cuda, from_cpu);
    }
}

/// Either team sums a chunk, in one launch or three.
pub(super) fn overrides_do_not_show_in_results(device: &CudaDevice) {
    let (mut cuda, mut cpu) = (executor(device), CpuExecutor::new(kernels(3)));
    for shape in [&[1, 1][..], &[3, 1, 20_000], &[2, 0, 5], &[1, 700_001]] {
        let case = Case::new(shape, Balance::Image);
        let views = case.views();
        let call = call(&case, &views);
        let expected = cpu.forward_backward(&call).unwrap();
        for team in Team::ALL {
            for cooperative in [false, true].map(Some) {
                cuda.set_overrides(LaunchOverrides { team: Some(team), cooperative });
                assert_eq!(
                    cuda.forward_backward(&call).unwrap(),
                    expected,
                    "{shape:?} {team:?} {cooperative:?}"
                );
            }
        }
    }
}

pub(super) fn single_passes_give_the_bits_of_the_cpu(device: &CudaDevice) {
    let case = Case::new(&[3, 2, 50, 70], Balance::Channel);
    let views = case.views();
    let call = call(&case, &views);
    let [cuda, cpu] =
        [&mut executor(device) as &mut dyn Executor, &mut CpuExecutor::new(kernels(3))].map(|executor| {
            let mut residuals = Residuals::new(executor.manifest(), &call).unwrap();
            for pass in 0..2 {
                executor.partials_of_pass(pass, &views, &mut residuals).unwrap();
                let other = residuals.clone();
                residuals.merge(pass, &other).unwrap();
                executor.finish_pass(pass, &mut residuals).unwrap();
            }
            assert!(executor.finish_pass(2, &mut residuals).is_err());
            residuals
        });
    // Two manifests of equal content are one loss.
    assert_eq!(cuda, cpu);
}

/// A tensor in device memory, `offset` bytes into its buffer.
fn place(stream: &Stream, tensor: &Tensor, offset: usize) -> (DeviceBuffer, DeviceTensor) {
    let bytes: Vec<u8> = vec![0; offset].iter().chain(tensor.bytes()).copied().collect();
    let buffer = DeviceBuffer::upload(stream, &bytes).unwrap();
    let pointer = buffer.pointer() + offset as u64;
    // SAFETY: the buffer outlives the test's calls.
    let placed = unsafe { DeviceTensor::from_raw(pointer, tensor.element_type(), tensor.shape()) };
    (buffer, placed.unwrap())
}

fn read(stream: &Stream, tensor: &DeviceTensor) -> Vec<u8> {
    let mut bytes = vec![0; tensor.byte_length()];
    download(stream, &mut bytes, tensor.pointer()).unwrap();
    stream.synchronize().unwrap();
    bytes
}

pub(super) fn device_tensors_on_other_streams_give_the_bits_of_the_cpu(device: &CudaDevice) {
    let (mut cuda, mut cpu) = (executor(device), CpuExecutor::new(kernels(3)));
    let (first, second) = (device.new_stream().unwrap(), device.new_stream().unwrap());
    let case = Case::new(&[3, 50, 71], Balance::Image);
    let views = case.views();
    let (outcome, gradient) = cpu.forward_backward(&call(&case, &views)).unwrap();
    let upstream = Tensor::from_slice(&[], &[-2.0_f32]).unwrap();
    // Offsets 0 are aligned for vector loads; 4 and 3 are not.
    for (logit_offset, label_offset, gradient_offset) in [(0, 0, 0), (4, 3, 4)] {
        let (_logits, logits) = place(&first, &case.logits, logit_offset);
        let (_labels, labels) = place(&first, &case.labels, label_offset);
        let (_gradient, target) = place(&first, &case.logits, gradient_offset);
        let (_upstream, upstream) = place(&first, &upstream, 0);
        let pixels = [logits, labels];
        let (random, scalars) = (Random { seed: 1 << 40, stream: 3 }, &[("shift", 0.5), ("upstream", -2.0)]);
        let joint = DeviceCall { pixels: &pixels, balance: Balance::Image, random, scalars };
        let residuals =
            cuda.forward_backward_on_device(&joint, std::slice::from_ref(&target), &first).unwrap();
        assert_eq!(read(&first, &target), gradient[0].bytes());
        assert_eq!(residuals.read().unwrap(), outcome);

        let mut residuals =
            cuda.forward_on_device(&DeviceCall { scalars: &scalars[..1], ..joint }, &first).unwrap();
        let (_other, target) = place(&first, &case.logits, gradient_offset);
        let (upstream, targets) = (Upstream::Device(&upstream), std::slice::from_ref(&target));
        cuda.backward_on_device(&pixels, &mut residuals, upstream, targets, &second).unwrap();
        assert_eq!(read(&second, &target), gradient[0].bytes());
    }
}

/// Other shapes, other scalars, and an upstream gradient that only the device knew: nothing
/// left by an earlier call shows.
pub(super) fn calls_over_others_residuals_give_the_bits_of_the_cpu(device: &CudaDevice) {
    let (mut cuda, mut cpu) = (executor(device), CpuExecutor::new(kernels(3)));
    let stream = device.new_stream().unwrap();
    let (_number, number) = place(&stream, &Tensor::from_slice(&[], &[3.0_f32]).unwrap(), 0);
    let mut residuals = None;
    for (shape, shift) in
        [(&[3, 50, 71][..], 0.5), (&[3, 50, 71], 0.5), (&[3, 50, 71], 0.25), (&[2, 0], 0.0), (&[9, 100], 0.0)]
    {
        let case = Case::new(shape, Balance::Image);
        let views = case.views();
        let (random, scalars) =
            (Random { seed: 1 << 40, stream: 3 }, &[("shift", shift), ("upstream", -2.0)]);
        let expected = Call { balance: Balance::Image, random, scalars, ..Call::new(&views) };
        let (outcome, gradient) = cpu.forward_backward(&expected).unwrap();
        let (_logits, logits) = place(&stream, &case.logits, 0);
        let (_labels, labels) = place(&stream, &case.labels, 0);
        let (_gradient, target) = place(&stream, &case.logits, 0);
        let (pixels, targets) = ([logits, labels], std::slice::from_ref(&target));
        let call = DeviceCall { pixels: &pixels, balance: Balance::Image, random, scalars };
        let mut over = match residuals.take() {
            None => cuda.forward_on_device(&call, &stream).unwrap(),
            Some(over) => over,
        };
        cuda.forward_backward_reusing_on_device(&call, targets, &mut over, &stream).unwrap();
        assert_eq!(read(&stream, &target), gradient[0].bytes(), "{shape:?}");
        assert_eq!(over.read().unwrap(), outcome, "{shape:?}");
        let upstream = Upstream::Device(&number);
        cuda.backward_on_device(&pixels, &mut over, upstream, targets, &stream).unwrap();
        cuda.forward_reusing_on_device(&call, &mut over, &stream).unwrap();
        assert_eq!(over.read().unwrap(), outcome, "{shape:?}");
        residuals = Some(over);
    }
}

pub(super) fn bad_device_tensors_are_named(device: &CudaDevice) {
    let mut cuda = executor(device);
    let stream = device.default_stream();
    let case = Case::new(&[5, 7], Balance::Image);
    let (_logits, logits) = place(&stream, &case.logits, 0);
    let (_labels, labels) = place(&stream, &case.labels, 0);
    let (_odd, odd) = place(&stream, &case.logits, 2);
    let mut error = |pixels: [&DeviceTensor; 2], gradient: &DeviceTensor| {
        let pixels = pixels.map(Clone::clone);
        let call =
            DeviceCall { pixels: &pixels, balance: Balance::Image, random: Random::default(), scalars: &[] };
        cuda.forward_backward_on_device(&call, std::slice::from_ref(gradient), &stream)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error([&logits, &labels], &logits), "gradient overlaps logit in device memory");
    assert!(error([&odd, &labels], &logits).starts_with("logit: device pointer "));
    assert_eq!(error([&labels, &labels], &logits), "logit: expected a tensor of f32, got u8");
    // SAFETY: the shape is refused before anything is launched.
    let wrong = unsafe { DeviceTensor::from_raw(logits.pointer(), ElementType::F32, &[7, 5]) }.unwrap();
    assert_eq!(error([&logits, &labels], &wrong), "gradient: shape [7, 5] differs from logit's [5, 7]");
}
