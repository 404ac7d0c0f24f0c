mod checks;

use std::process::Command;

use super::*;
use crate::cpu::tests::Case;
use crate::executor::{Call, Executor};
use crate::layout::Balance;

/// Set in the process that finds the stand-in when it looks for the driver.
const STAND_IN: &str = "LOSSC_TEST_STAND_IN_DRIVER";

/// Runs in a process of its own: the search path for libraries is read when a process starts.
#[test]
fn the_host_side_is_right_on_a_stand_in_for_the_driver() {
    if std::env::var_os(STAND_IN).is_some() {
        return check_everything();
    }
    let folder = tempfile::tempdir().unwrap();
    build_stand_in(folder.path());
    for pools in [true, false] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "cuda::tests::the_host_side_is_right_on_a_stand_in_for_the_driver",
                "--nocapture",
            ])
            .env(STAND_IN, "1")
            .env("LD_LIBRARY_PATH", folder.path());
        if !pools {
            command.env("STAND_IN_NO_POOLS", "1");
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

fn build_stand_in(folder: &std::path::Path) {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-ffp-contract=off", "-fvisibility=default", "-Wl,-Bsymbolic"])
        .arg(format!("-I{sources}/cpu/tests"))
        .arg(format!("{sources}/cuda/tests/stand_in_driver.c"))
        .arg("-o")
        .arg(folder.join("libcuda.so"))
        .status()
        .expect("the C compiler `cc` is needed for this test");
    assert!(status.success());
}

fn check_everything() {
    let device = CudaDevice::open(0).unwrap();
    checks::the_driver_is_described(&device);
    checks::the_room_for_blocks_is_asked_for(&device);
    checks::the_compilers_log_is_in_the_error(&device);
    checks::host_tensors_give_the_bits_of_the_cpu(&device);
    checks::overrides_do_not_show_in_results(&device);
    checks::single_passes_give_the_bits_of_the_cpu(&device);
    checks::device_tensors_on_other_streams_give_the_bits_of_the_cpu(&device);
    checks::calls_over_others_residuals_give_the_bits_of_the_cpu(&device);
    checks::bad_device_tensors_are_named(&device);
}

/// One pass whose loss is the sum of its input, in hand-written PTX.
#[test]
fn hand_written_ptx_runs_on_a_gpu() {
    if !is_available() {
        println!("skipped: no NVIDIA driver");
        return;
    }
    if std::env::var_os(STAND_IN).is_some() {
        return;
    }
    let device = CudaDevice::open(0).unwrap();
    let manifest = serde_json::from_str(include_str!("tests/sum.json")).unwrap();
    // SAFETY: the PTX follows the interface for this manifest.
    let kernels = unsafe { CudaKernels::from_ptx(&device, include_str!("tests/sum.ptx"), manifest) };
    let mut executor = CudaExecutor::new(kernels.unwrap()).unwrap();
    let case = Case::new(&[2, 3, 61, 67], Balance::Sample);
    // Small integers add up exactly in any order.
    let values: Vec<f32> = (0..case.logits.view().len()).map(|e| (e % 13) as f32 - 3.0).collect();
    let logits = crate::Tensor::from_slice(case.logits.shape(), &values).unwrap();
    let views = [logits.view()];
    let call = Call { balance: case.balance, ..Call::new(&views) };
    let (outcome, gradient) = executor.forward_backward(&call).unwrap();
    assert_eq!(outcome.loss, values.iter().sum::<f32>());
    assert_eq!(gradient[0], logits);
}
