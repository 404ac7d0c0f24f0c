//! Bundles: compiled in one process, run in another.

use std::fs;
use std::path::PathBuf;

use lossc::Balance;
use lossc_runtime::bundle::{Code, Processor};
use lossc_runtime::{Bundle, Call, Tensor};
use ndarray_npy::write_npy;
use serde_json::json;

use crate::command::{Directory, stderr};
use crate::data::{compiled, gradient, options, sample};

/// Writes `loss.lossc` with these arguments of `compile`, and returns its path.
fn emit(directory: &Directory, arguments: &str) -> PathBuf {
    let output = directory.lossc(&format!("compile {arguments} --emit bundle -o loss.lossc"));
    assert!(output.status.success() && output.stdout.is_empty(), "{arguments}: {}", stderr(&output));
    directory.path().join("loss.lossc")
}

/// A loss with a scalar: the sum of `scale` times each logit's square.
pub const SCALED: &str = r#"
func.func @scaled(%logit: tensor<?x?xf32>, %label: tensor<?x?xui8>,
    %scale: tensor<f32> {loss.name = "scale", loss.default = 2.0 : f32}) -> tensor<f32> {
  %s = "loss.mul"(%logit, %logit) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%s) : (tensor<?x?xf32>) -> tensor<?xf32>
  %sum = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  %loss = "loss.mul"(%sum, %scale) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %loss : tensor<f32>
}
"#;

#[test]
fn a_bundle_runs_as_its_loss() {
    let directory = Directory::new();
    let weights = sample(&[2, 40, 50], 0.1, 2).logits.mapv(f32::abs);
    write_npy(directory.path().join("w.npy"), &weights).expect("written");
    let cases = [
        ("random-drop", "", "--seed 42"),
        ("random-drop --set schedule=linear --ignore-index 255", "", "--balance batch"),
        ("bce --reduction mean", "--weights", "--weights w.npy"),
    ];
    for (loss, only_compile, only_run) in cases {
        emit(&directory, &format!("{loss} {only_compile}"));
        let tensors = format!("{only_run} --logits x.npy --labels t.npy --json --grad");
        let expected = directory.json(&format!("run {loss} {tensors} a.npy"));
        let mut found = directory.json(&format!("run loss.lossc {tensors} b.npy"));
        found["gradient"] = json!("a.npy");
        assert_eq!(found, expected, "{loss}");
        let bytes = |name: &str| fs::read(directory.path().join(name)).expect("written");
        assert!(bytes("a.npy") == bytes("b.npy"), "{loss}");
    }
}

#[test]
fn the_runtime_alone_runs_a_bundle() {
    let bundle = Bundle::read(&emit(&Directory::new(), "random-drop")).expect("a bundle");
    // SAFETY: lossc wrote the bundle just now.
    let mut executor = unsafe { bundle.executor() }.expect("it runs here");
    let sample = sample(&[3, 70, 90], 0.1, 5);
    let tensors = [Tensor::from_array(&sample.logits), Tensor::from_array(&sample.labels)];
    let tensors = tensors.map(|tensor| tensor.expect("a tensor"));
    let views: Vec<_> = tensors.iter().map(Tensor::view).collect();
    let (outcome, gradients) = executor.forward_backward(&Call::new(&views)).expect("the call runs");
    let step = sample.step(&compiled("random-drop", &[]), &options(0, Balance::Image));
    assert_eq!(outcome.loss.to_bits(), step.loss.to_bits());
    let found = gradients[0].to_array::<f32>().expect("an f32 gradient");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), gradient(&step));
}

#[test]
fn numbers_are_defaults_and_can_be_set() {
    let directory = Directory::new();
    fs::write(directory.path().join("scaled.mlir"), SCALED).expect("written");
    emit(&directory, "scaled.mlir --set scale=3");
    let loss = |arguments: &str| {
        let report = directory.json(&format!("run {arguments} --logits x.npy --labels t.npy --json"));
        report["loss"].as_f64().expect("a number")
    };
    let (two, three) = (loss("scaled.mlir"), loss("scaled.mlir --set scale=3"));
    assert!(two > 0.0 && (three / two - 1.5).abs() < 1e-6);
    assert_eq!(loss("loss.lossc"), three);
    assert_eq!(loss("loss.lossc --set scale=2"), two);
    let error = directory.failure("run loss.lossc --logits x.npy --labels t.npy --set scale=big");
    assert!(error.contains("loss.lossc: option `scale` cannot be `big`"), "{error}");
}

#[test]
fn what_a_bundle_is_not_is_an_error() {
    let directory = Directory::new();
    let types = emit(&directory, "random-drop --types f16,u8 --ignore-index 255");
    fs::rename(&types, directory.path().join("half.lossc")).expect("moved");
    emit(&directory, "random-drop --set schedule=linear");
    let run = |arguments: &str| directory.failure(&format!("run {arguments} --logits x.npy --labels t.npy"));
    let cases = [
        (run("half.lossc"), "expected a tensor of f16, got f32"),
        (run("half.lossc --ignore-index 0"), "half.lossc: compiled for ignore_index 255, not for 0"),
        (run("loss.lossc --ignore-index 0"), "loss.lossc: compiled without ignore_index, not for 0"),
        (run("loss.lossc --reduction mean"), "compiled for reduction sum, not mean"),
        (run("loss.lossc --set schedule=log"), "compiled for schedule=linear, not schedule=log"),
        (run("loss.lossc --set scale=1"), "no option `scale`"),
        (run("loss.lossc --set upstream=1"), "no option `upstream`"),
        (run("loss.lossc --weights x.npy"), "expected pixel inputs (logit, label), got 3 tensors"),
        (run("loss.lossc --target cuda"), "compiled for cpu, not for cuda"),
        (run("missing.lossc"), "missing.lossc: cannot be read"),
        (directory.failure("explain loss.lossc"), "is a bundle"),
        (directory.failure("compile loss.lossc --emit asm"), "is a bundle"),
        (directory.failure("compile bce --emit bundle"), "-o"),
        (directory.failure("compile bce --emit bundle -o missing/loss.lossc"), "missing/loss.lossc"),
    ];
    for (error, part) in cases {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
    directory.json("run loss.lossc --logits x.npy --labels t.npy --json --set schedule=linear --target cpu");
}

#[test]
fn a_damaged_bundle_is_one_line() {
    let directory = Directory::new();
    let path = emit(&directory, "bce");
    let bytes = fs::read(&path).expect("written");
    let run = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        directory.failure("run loss.lossc --logits x.npy --labels t.npy --grad g.npy")
    };
    let changed = |place: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[place] = value;
        bytes
    };
    let code = bytes.len() - 1000;
    let cases = [
        (run(&[]), "truncated"),
        (run(&bytes[..code]), "truncated: the file ends at byte"),
        (run(&changed(code, !bytes[code])), "altered or damaged"),
        (run(&changed(8, 9)), "a bundle of version 9"),
        (run(b"func.func @f()"), "not a lossc bundle: byte 0"),
    ];
    for (error, part) in cases {
        assert!(error.starts_with("error: loss.lossc: ") && error.contains(part), "`{error}`: `{part}`");
    }
}

#[test]
fn a_bundle_for_another_processor_is_refused() {
    let directory = Directory::new();
    let path = emit(&directory, "bce");
    let mut bundle = Bundle::read(&path).expect("a bundle");
    let Code::Native { processor, .. } = &mut bundle.code else { panic!("the host is a processor") };
    assert!(processor.features.iter().any(|feature| feature == "fma"), "{processor:?}");
    let run = |bundle: &Bundle| {
        bundle.write(&path).expect("written");
        directory.failure("run loss.lossc --logits x.npy --labels t.npy")
    };
    processor.features.push("avx9000".into());
    assert!(run(&bundle).contains("loss.lossc: the bundle was compiled for"), "{}", run(&bundle));
    let Code::Native { processor, .. } = &mut bundle.code else { unreachable!() };
    *processor = Processor { architecture: "riscv64".into(), ..processor.clone() };
    assert!(run(&bundle).contains("the bundle is for riscv64"), "{}", run(&bundle));
}

#[test]
fn a_bundle_for_a_gpu_holds_ptx() {
    let directory = Directory::new();
    let path = emit(&directory, "random-drop --target sm_90");
    let Code::Nvidia { compute_capability, ptx } = Bundle::read(&path).expect("a bundle").code else {
        panic!("sm_90 is a GPU")
    };
    assert!(compute_capability == 90 && ptx.contains(".target sm_90"));
    if !lossc_runtime::cuda::is_available() {
        let error = directory.failure("run loss.lossc --logits x.npy --labels t.npy");
        assert!(error.contains("no NVIDIA driver"), "{error}");
    }
}

#[test]
fn a_bundle_says_by_which_numerics_it_computes() {
    let directory = Directory::new();
    let read = |options: &str| Bundle::read(&emit(&directory, options)).expect("a bundle");
    assert!(read("random-drop --target sm_90").manifest.is_reproducible);
    let fast = read("random-drop --target sm_90 --numerics fast");
    assert!(!fast.manifest.is_reproducible);
    assert!(matches!(fast.code, Code::Nvidia { ptx, .. } if ptx.contains("ex2.approx.ftz.f32")));
    assert!(read("bce").manifest.is_reproducible);
    let error = directory.failure("run loss.lossc --logits x.npy --labels t.npy --numerics fast");
    assert!(error.ends_with("compiled for reproducible numerics, not fast"), "{error}");
    assert!(
        directory
            .lossc("run loss.lossc --logits x.npy --labels t.npy --numerics reproducible")
            .status
            .success()
    );
}

#[test]
fn a_processor_has_no_fast_numerics() {
    let directory = Directory::new();
    for command in [
        "run bce --logits x.npy --labels t.npy",
        "compile bce",
        "compile bce --emit bundle -o b.lossc",
        "explain bce",
    ] {
        let error = directory.failure(&format!("{command} --numerics fast"));
        assert!(error.starts_with("error: cpu has no fast numerics"), "{error}");
    }
    let explained = directory.lossc("explain bce --target sm_90 --numerics fast");
    let text = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(text.starts_with("bce for sm_90, by fast numerics"), "{text}");
}

#[test]
fn the_same_loss_is_the_same_bundle() {
    let directory = Directory::new();
    let read = || fs::read(emit(&directory, "random-drop --set schedule=squ")).expect("written");
    assert!(read() == read());
}
