//! Texts and options as a user types them: mistakes and their messages.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::command::{Directory, stderr};

const PIXEL: &str = "tensor<?x?xf32>";

/// A loss whose pixel values are `%v`, which `body` computes from `%x` and the scalar `%gamma`.
fn loss(arguments: &str, body: &str, end: &str) -> String {
    format!(
        "func.func @f(%x: {PIXEL}, %t: {PIXEL}{arguments}) -> tensor<f32> {{\n{body}\n  \
         %s = \"loss.sum\"(%v) : ({PIXEL}) -> tensor<?xf32>\n  \
         %l = \"loss.{end}\"(%s) : (tensor<?xf32>) -> tensor<f32>\n  return %l : tensor<f32>\n}}\n"
    )
}

fn product() -> String {
    format!("  %v = \"loss.mul\"(%x, %t) : ({PIXEL}, {PIXEL}) -> {PIXEL}")
}

fn scaled() -> String {
    let body = format!(
        "{}\n  %g = \"loss.broadcast\"(%gamma) : (tensor<f32>) -> {PIXEL}\n  \
         %v = \"loss.mul\"(%p, %g) : ({PIXEL}, {PIXEL}) -> {PIXEL}",
        product().replace("%v", "%p")
    );
    loss(", %gamma: tensor<f32> {loss.name = \"gamma\", loss.default = 2.0}", &body, "sum_groups")
}

fn says(directory: &Directory, text: &str, arguments: &str, expected: &str) {
    fs::write(directory.path().join("l.mlir"), text).expect("written");
    let error = directory.failure(arguments);
    assert!(error.contains(expected), "`{error}` does not say `{expected}`");
}

#[test]
fn a_text_may_come_on_standard_input() {
    let directory = Directory::new();
    let mut command = directory.command("compile - --emit loss");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
    let text = loss("", &product(), "sum_groups");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    assert!(child.wait_with_output().expect("ends").status.success());
}

#[test]
fn a_loss_of_means_is_not_divided_by_the_pixels() {
    let directory = Directory::new();
    let run = "compile l.mlir --emit loss --reduction mean";
    says(&directory, &loss("", &product(), "mean_groups"), run, "leave the reduction out");
    fs::write(directory.path().join("l.mlir"), loss("", &product(), "sum_groups")).expect("written");
    assert!(directory.lossc(run).status.success());
}

#[test]
fn numbers_are_finite() {
    let directory = Directory::new();
    for value in ["nan", "inf", "-inf", "1e999", "x", ""] {
        let run = format!("compile l.mlir --emit optimised --set gamma={value}");
        says(&directory, &scaled(), &run, "a finite number");
    }
    let slip = "compile l.mlir --emit loss --set gama=1";
    says(&directory, &scaled(), slip, "did you mean `gamma`?");
    says(
        &directory,
        &scaled().replace("loss.default = 2.0", "loss.default = 1e-5"),
        "explain l.mlir",
        "write 1.0e-5",
    );
}

#[test]
fn a_name_of_lossc_is_not_a_losss() {
    let directory = Directory::new();
    for name in
        ["loss", "gradient", "upstream", "weight_map", "invalid_labels", "invalid_weights", "nan_logits"]
    {
        let text = scaled().replace("\"gamma\"", &format!("\"{name}\""));
        says(&directory, &text, "explain l.mlir", &format!("`{name}` is a name that lossc gives itself"));
    }
}

#[test]
fn an_argument_that_nothing_is_made_of_is_told() {
    let directory = Directory::new();
    let text = loss(&format!(", %w: {PIXEL} {{loss.name = \"w\"}}"), &product(), "sum_groups");
    fs::write(directory.path().join("l.mlir"), text).expect("written");
    let output = directory.lossc("compile l.mlir --emit loss");
    assert!(output.status.success());
    assert!(stderr(&output).contains("makes nothing of its argument `w`"), "{}", stderr(&output));
}

#[test]
fn a_loss_without_logits_says_so() {
    let directory = Directory::new();
    let body = format!("  %v = \"loss.neg\"(%t) : ({PIXEL}) -> {PIXEL}");
    says(&directory, &loss("", &body, "sum_groups"), "explain l.mlir", "depends on the logits in no way");
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let directory = Directory::new();
    let cases = [
        ("explain bec", "did you mean `bce`?"),
        ("explain random", "did you mean `random-drop`?"),
        ("explain random-drop --set shcedule=log", "did you mean `schedule`?"),
        ("explain random-drop --set schedule=lgo", "did you mean `log`?"),
        ("explain bce --target sm_91", "did you mean `sm_90`?"),
    ];
    for (arguments, expected) in cases {
        let error = directory.failure(arguments);
        assert!(error.contains(expected), "`{error}` does not say `{expected}`");
    }
    let stage = stderr(&directory.lossc("compile bce --emit optimized"));
    assert!(stage.contains("did you mean `optimised`?"), "{stage}");
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let directory = Directory::new();
    fs::write(directory.path().join("l.mlir"), b"module {\n\xff\n}").expect("written");
    assert!(directory.failure("explain l.mlir").contains("l.mlir:2:1: a byte that is not UTF-8"));
    says(&directory, "module {\0}", "explain l.mlir", "l.mlir:1:9: a NUL byte");
    says(&directory, &"module {".repeat(4000), "explain l.mlir", "l.mlir:1:264:");
}
