//! The code for AArch64: its bundles as read here, and its bits.

use std::fs;
use std::path::Path;
use std::process::Command;

use lossc::{Cache, Compiler, ElementType, Loss, Target};
use lossc_runtime::Bundle;
use lossc_runtime::bundle::Code;

use crate::data::program;
use crate::targets::library_losses;

const TARGET: &str = "cpu:aarch64";

fn bundle(loss: &Loss, target: &str, logits: ElementType) -> Bundle {
    let target: Target = target.parse().expect("a known target");
    let compiler = Compiler::new(target).cache(Cache::off()).element_types([logits, ElementType::U8]);
    compiler.bundle(loss).expect("the loss compiles")
}

#[test]
fn a_bundle_says_its_architecture() {
    let loss = Loss::library("bce").expect("a library loss");
    let bundle = bundle(&loss, TARGET, ElementType::F32);
    let Code::Native { processor, object } = &bundle.code else { panic!("object code") };
    assert_eq!((processor.architecture.as_str(), processor.name.as_str()), ("aarch64", "aarch64"));
    assert!(processor.features.is_empty(), "every one of them runs it");
    // The ELF header's machine: 183 is AArch64.
    assert_eq!(object[18..20], [183, 0]);
    if cfg!(target_arch = "x86_64") {
        let error = bundle.check_processor().expect_err("this is another").to_string();
        assert_eq!(error, "the bundle is for aarch64, this machine is x86_64");
        // SAFETY: nothing of another architecture is ever run.
        let error = unsafe { bundle.cpu_executor(None) }.expect_err("this is another").to_string();
        assert_eq!(error, "the object is for aarch64, this machine is x86_64");
        let compiler = Compiler::new(TARGET.parse().expect("a target")).cache(Cache::off());
        let error = compiler.compile(&loss).err().expect("it could not run").to_string();
        assert_eq!(error, "code for cpu:aarch64 does not run on this machine");
    }
}

/// Runs every loss of the library on a simulated processor and compares with the bits of this one:
/// gpu-check's cases, in all types of logits. It takes a few minutes, and needs
///
/// ```sh
/// rustup target add aarch64-unknown-linux-gnu
/// apt-get install qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross
/// cargo test --test lossc emulated_processor -- --ignored
/// ```
#[test]
#[ignore = "needs QEMU's user mode, a linker and Rust's standard library for AArch64"]
fn every_loss_has_the_same_bits_on_an_emulated_processor() {
    let folder = tempfile::tempdir().expect("a folder");
    let [here, there] = ["cpu", TARGET].map(|target| folder.path().join(target));
    for (target, folder) in [("cpu", &here), (TARGET, &there)] {
        fs::create_dir(folder).expect("made");
        for loss in library_losses() {
            for logits in [ElementType::F32, ElementType::F16, ElementType::Bf16] {
                let file = format!("{}.{logits}.lossc", program(&loss).name());
                bundle(&loss, target, logits).write(&folder.join(file)).expect("written");
            }
        }
    }
    let built = Path::new(env!("CARGO_BIN_EXE_lossc")).ancestors().nth(2).expect("cargo's folder");
    let build = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--package", "gpu-check", "--target-dir"]).arg(built);
        cargo
    };
    run(&mut build());
    let triple = "aarch64-unknown-linux-gnu";
    let linker = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER";
    run(build().args(["--target", triple]).env(linker, "aarch64-linux-gnu-gcc"));
    run(Command::new(built.join("release/gpu-check")).arg("--write-golden").arg(&here));
    fs::copy(here.join("golden.json"), there.join("golden.json")).expect("copied");
    let mut emulator = Command::new("qemu-aarch64-static");
    emulator.args(["-L", "/usr/aarch64-linux-gnu"]).arg(built.join(triple).join("release/gpu-check"));
    run(emulator.args(["--cpu", "--only-golden"]).arg(&there));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
