//! The program as a user runs it, on this processor and on a stand-in for the driver. The loss is
//! the one of the runtime's own tests, in C.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lossc_runtime::bundle::{Code, Processor};
use lossc_runtime::manifest::UPSTREAM;
use lossc_runtime::{Bundle, Manifest, cuda};
use tempfile::TempDir;

const RUNTIME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../runtime/src");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// A folder like that of `cargo xtask gpu-bundle`, with one loss for both machines.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let object = folder.path().join("variance.o");
        compile(&["-c", "-O2"], &format!("{RUNTIME}/cpu/tests/variance.c"), &object);
        let processor =
            Processor { architecture: std::env::consts::ARCH.into(), name: "test".into(), features: vec![] };
        let native = Code::Native { processor, object: fs::read(object).unwrap() };
        // The stand-in takes this text for the same kernels.
        let nvidia = Code::Nvidia { compute_capability: 80, ptx: "variance".into() };
        for (name, code) in [("variance.cpu.lossc", native), ("variance.sm_80.lossc", nvidia)] {
            let bundle = Bundle { producer: "test".into(), manifest: manifest(), details: ().into(), code };
            bundle.write(&folder.path().join(name)).unwrap();
        }
        let folder = Self { folder };
        folder.write_fast(1.000_001);
        let written = folder.run(&["--write-golden"]);
        assert!(written.status.success(), "{}", text(&written));
        folder
    }

    /// Writes a "fast" form of the loss, whose gradient is `factor` times the other's.
    fn write_fast(&self, factor: f32) {
        let mut manifest = manifest();
        manifest.is_reproducible = false;
        let upstream = manifest.scalars.iter_mut().find(|scalar| scalar.name == UPSTREAM);
        upstream.unwrap().default = factor;
        let code = Code::Nvidia { compute_capability: 80, ptx: "variance".into() };
        let bundle = Bundle { producer: "test".into(), manifest, details: ().into(), code };
        bundle.write(&self.path().join("variance.sm_80.fast.lossc")).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gpu-check"));
        command.arg(self.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn golden(&self) -> PathBuf {
        self.path().join("golden.json")
    }

    /// Runs on the stand-in for the driver, with the fault of that name, if any.
    fn run_on_stand_in(&self, fault: &str, arguments: &[&str]) -> Output {
        let mut options = vec!["-shared", "-O1", "-fvisibility=default", "-Wl,-Bsymbolic", "-I", RUNTIME];
        let tests = format!("-I{RUNTIME}/cpu/tests");
        options.push(&tests);
        compile(&options, &format!("{HERE}/stand_in_driver.c"), &self.path().join("libcuda.so"));
        let mut command = self.command(arguments);
        command.env("LD_LIBRARY_PATH", self.path()).env("STAND_IN_FAULT", fault);
        command.output().unwrap()
    }
}

fn compile(options: &[&str], source: &str, output: &Path) {
    let mut command = Command::new("cc");
    command.args(["-fPIC", "-ffp-contract=off"]).args(options).arg(source).arg("-o").arg(output);
    assert!(command.status().expect("the C compiler `cc` is needed for this test").success());
}

fn manifest() -> Manifest {
    serde_json::from_str(include_str!("variance.json")).unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_line(output: &Output, start: &str) {
    assert!(text(output).lines().any(|line| line.starts_with(start)), "no `{start}` in\n{}", text(output));
}

#[test]
fn a_processor_gives_its_golden_bits_again() {
    let folder = Folder::new();
    let json = folder.path().join("found.json");
    let output = folder.run(&["--cpu", "--json", json.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_line(&output, "ok      golden bits         variance f32,u8: 15 cases");
    assert_line(&output, "ok      determinism         variance f32,u8: 100 runs");
    assert_line(&output, "2 checks passed, 1 skipped, 0 failed");
    let found: serde_json::Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(found["checks"].as_array().unwrap().len(), 3);
}

/// Each change is to one value of one shape.
#[test]
fn a_wrong_golden_value_fails_and_is_named() {
    let folder = Folder::new();
    let golden: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.golden()).unwrap()).unwrap();
    for (pointer, message) in [
        ("/goldens/5/loss", "loss is "),
        ("/goldens/5/groups/0/values/1", "positives[1] is "),
        ("/goldens/5/gradient/pieces/3", "gradient differs in pieces 3 of 16"),
        ("/goldens/10/scaled_gradient/samples/2", "the first pixel of piece 2 is "),
        ("/goldens/8/balance", "golden.json has nothing for it with shape [0, 3, 4, 5] by sample, Bell"),
        ("/goldens/0/subject", "golden.json has nothing for it with shape [1, 1] by image, Bell"),
    ] {
        let mut changed = golden.clone();
        *changed.pointer_mut(pointer).unwrap() =
            if pointer.ends_with("balance") { "batch" } else { "7" }.into();
        fs::write(folder.golden(), changed.to_string()).unwrap();
        let output = folder.run(&["--cpu"]);
        assert_eq!(output.status.code(), Some(1), "{pointer}: {}", text(&output));
        assert_line(&output, "FAILED  golden bits         variance f32,u8: ");
        assert!(text(&output).contains(message), "{pointer}: {}", text(&output));
    }
    fs::remove_file(folder.golden()).unwrap();
    assert_eq!(folder.run(&["--cpu"]).status.code(), Some(1));
}

#[test]
fn a_golden_value_that_is_missing_or_too_much_fails_and_is_named() {
    let folder = Folder::new();
    let golden: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.golden()).unwrap()).unwrap();
    for (pointer, missing, extra) in [
        ("/goldens/5/groups", "the list of results is ", "the list of results is "),
        ("/goldens/5/groups/1/values", "sums[1] is ", "sums[2] is missing, expected "),
        ("/goldens/5/gradient/pieces", "number of pieces is 16, expected 15", "is 16, expected 17"),
        ("/goldens/5/gradient/samples", "number of first pixels is 16, expected 15", "is 16, expected 17"),
        ("/goldens", "golden.json has nothing for it", "golden.json has 16 cases of it, this program 15"),
    ] {
        for (message, is_missing) in [(missing, true), (extra, false)] {
            let mut changed = golden.clone();
            let list = changed.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
            let last = list.pop().unwrap();
            if !is_missing {
                list.extend([last.clone(), last]);
            }
            fs::write(folder.golden(), changed.to_string()).unwrap();
            let output = folder.run(&["--cpu"]);
            assert_eq!(output.status.code(), Some(1), "{pointer}: {}", text(&output));
            assert!(text(&output).contains(message), "{pointer}: {}", text(&output));
        }
    }
}

#[test]
fn without_a_gpu_it_says_so_in_one_line() {
    if cuda::is_available() {
        println!("skipped: this machine has an NVIDIA driver");
        return;
    }
    let output = Folder::new().run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output), "no GPU to check: no NVIDIA driver on this machine: libcuda was not found\n");
}

#[test]
fn every_check_and_timing_runs_on_a_stand_in_for_the_driver() {
    let folder = Folder::new();
    let output = folder.run_on_stand_in("", &["--calls", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_line(&output, "stand-in, sm_90, PTX up to 8.7");
    for check in ["golden bits", "determinism", "side stream", "graph capture", "out of memory"] {
        assert_line(&output, &format!("ok      {check:<20}variance f32,u8: "));
    }
    assert_line(&output, "ok      fast values         variance f32,u8 fast: 15 shapes within 1.");
    assert_line(&output, "skipped 2^31 pixels         random_drop.linear: there is no such loss here");
    for plan in ["chosen", "warps, one launch", "blocks, launch per pass"] {
        let start = format!("variance f32,u8                  forward_backward  {plan:<24} 4288x2848");
        assert_line(&output, &start);
    }
}

#[test]
fn a_fast_loss_must_be_near_a_reproducible_one() {
    let folder = Folder::new();
    folder.write_fast(1.000_1);
    let output = folder.run_on_stand_in("", &["--only-golden"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_line(&output, "FAILED  fast values         variance f32,u8 fast: ");
    assert!(text(&output).contains("gradient of pixel "), "{}", text(&output));
    fs::remove_file(folder.path().join("variance.sm_80.lossc")).unwrap();
    let output = folder.run_on_stand_in("", &["--only-golden"]);
    assert_line(
        &output,
        "FAILED  fast values         variance f32,u8 fast: there is no reproducible form of it",
    );
}

/// Faults of a device or an executor must be noticed.
#[test]
fn a_faulty_device_is_found() {
    let folder = Folder::new();
    for (fault, check) in [
        ("replay does nothing", "graph capture"),
        ("replay with old inputs", "graph capture"),
        ("first replay does nothing", "graph capture"),
        ("no order", "side stream"),
        ("late work is lost", "side stream"),
        ("other error", "out of memory"),
        ("flaky", "determinism"),
        ("off by one bit", "golden bits"),
    ] {
        let option = if check == "golden bits" { "--only-golden" } else { "--no-timings" };
        let output = folder.run_on_stand_in(fault, &[option]);
        assert_eq!(output.status.code(), Some(1), "{fault}: {}", text(&output));
        assert_line(&output, &format!("FAILED  {check:<20}variance f32,u8: "));
    }
}
