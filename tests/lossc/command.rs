//! The command, as a user runs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use half::f16;
use lossc::Balance;
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt as _, read_npy, write_npy};
use serde_json::Value;
use tempfile::TempDir;

use crate::data::{compiled, counts, gradient, options, sample};

/// A directory with logits `x.npy` and labels `t.npy`, to run the command in.
pub struct Directory {
    path: TempDir,
}

impl Directory {
    pub fn new() -> Self {
        let path = TempDir::new().expect("a directory");
        let sample = sample(&[2, 40, 50], 0.1, 1);
        write_npy(path.path().join("x.npy"), &sample.logits).expect("written");
        write_npy(path.path().join("t.npy"), &sample.labels).expect("written");
        Self { path }
    }

    pub fn path(&self) -> &Path {
        self.path.path()
    }

    pub fn lossc(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("the command runs")
    }

    /// The command, which compiles even if code is cached.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lossc"));
        command.current_dir(self.path()).env("LOSSC_CACHE", "off").args(arguments.split_whitespace());
        command
    }

    pub fn json(&self, arguments: &str) -> Value {
        let output = self.lossc(arguments);
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("one JSON value")
    }

    /// Runs a command that must fail, and returns its message; no file may be left behind.
    pub fn failure(&self, arguments: &str) -> String {
        let before = self.files();
        let output = self.lossc(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        assert!(output.stdout.is_empty(), "{arguments}");
        assert_eq!(self.files(), before, "{arguments}");
        let error = stderr(&output);
        assert!(error.starts_with("error: ") && !error.contains("panicked"), "{arguments}: {error}");
        error.lines().next().unwrap_or_default().to_owned()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("readable");
        let mut names: Vec<_> =
            entries.map(|it| it.expect("readable").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn run_prints_the_loss_and_writes_the_gradient() {
    let directory = Directory::new();
    let report =
        directory.json("run random-drop --logits x.npy --labels t.npy --seed 42 --grad g.npy --json");
    let sample = sample(&[2, 40, 50], 0.1, 1);
    let step = sample.step(&compiled("random-drop", &[]), &options(42, Balance::Image));
    assert_eq!(report["loss"].as_f64().expect("a number") as f32, step.loss);
    assert_eq!(report["groups"]["positives"], serde_json::json!(counts(&step.groups, "positives")));
    assert_eq!(report["groups"]["kept"], serde_json::json!(counts(&step.groups, "kept")));
    assert_eq!(report["seed"], 42);
    let found: ArrayD<f32> = read_npy(directory.path().join("g.npy")).expect("readable");
    assert_eq!(found.shape(), [2, 40, 50]);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), gradient(&step));
}

#[test]
fn run_takes_options_balance_and_threads() {
    let directory = Directory::new();
    let base = "run random-drop --logits x.npy --labels t.npy --json";
    let all = directory.json(&format!("{base} --set schedule=squ --balance batch --threads 3"));
    assert_eq!(all["groups"]["positives"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["schedule"], "squ");
    let one = directory.json(&format!("{base} --set schedule=squ --balance batch --threads 1"));
    assert_eq!(all, one);
    let plain = directory.lossc("run bce --logits x.npy --labels t.npy --reduction mean");
    assert!(String::from_utf8_lossy(&plain.stdout).starts_with("loss "));
}

#[test]
fn a_half_precision_gradient_is_a_half_precision_file() {
    let directory = Directory::new();
    let file = |name: &str| directory.path().join(name);
    let bits: ArrayD<i16> =
        sample(&[2, 40, 50], 0.1, 1).logits.mapv(|x| f16::from_f32(x).to_bits().cast_signed());
    let mut bytes = vec![];
    ndarray_npy::WriteNpyExt::write_npy(&bits, &mut bytes).expect("written");
    let name = bytes.windows(3).position(|window| window == b"<i2").expect("the type's name");
    bytes[name..name + 3].copy_from_slice(b"<f2");
    fs::write(file("h.npy"), &bytes).expect("written");
    directory.json("run random-drop --logits h.npy --labels t.npy --grad g.npy --json");
    let mut found = fs::read(file("g.npy")).expect("readable");
    let name = found.windows(3).position(|window| window == b"<f2").expect("the type's name");
    found[name..name + 3].copy_from_slice(b"<i2");
    let found = ArrayD::<i16>::read_npy(found.as_slice()).expect("the rest is as for integers");
    assert_eq!(found.shape(), [2, 40, 50]);
}

#[test]
fn nan_logits_are_a_warning() {
    let directory = Directory::new();
    let mut logits = sample(&[2, 40, 50], 0.1, 1).logits;
    logits[[0, 1, 2]] = f32::NAN;
    write_npy(directory.path().join("nan.npy"), &logits).expect("written");
    let output = directory.lossc("run bce --logits nan.npy --labels t.npy --json");
    assert!(output.status.success());
    assert_eq!(stderr(&output), "warning: 1 logits are NaN\n");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["loss"], &report["nan_logits"]), (&"NaN".into(), &1.into()));
}

#[test]
fn bad_input_is_one_line_and_leaves_nothing_behind() {
    let directory = Directory::new();
    let file = |name: &str| directory.path().join(name);
    let whole = fs::read(file("x.npy")).expect("readable");
    fs::write(file("short.npy"), &whole[..whole.len() - 7]).expect("written");
    fs::write(file("junk.npy"), b"no array").expect("written");
    fs::write(file("empty.npy"), b"").expect("written");
    fs::write(file("wrong.mlir"), "func.func @f(%x: tensor<?x?xf32>) -> tensor<f32> {\n  %0 = \"loss.sum\"(%x) : (tensor<?x?xf32>) -> tensor<f32>\n  return %0 : tensor<f32>\n}\n").expect("written");
    write_npy(file("f64.npy"), &ArrayD::<f64>::zeros(vec![2, 40, 50])).expect("written");
    write_npy(file("small.npy"), &ArrayD::<u8>::zeros(vec![2, 40, 49])).expect("written");
    write_npy(file("five.npy"), &ArrayD::<u8>::from_elem(vec![2, 40, 50], 5)).expect("written");
    let run = |logits: &str, labels: &str, more: &str| {
        directory.failure(&format!("run random-drop --logits {logits} --labels {labels} {more}"))
    };
    let cases = [
        (run("short.npy", "t.npy", ""), "short.npy"),
        (run("junk.npy", "t.npy", ""), "junk.npy"),
        (run("empty.npy", "t.npy", ""), "empty.npy"),
        (run("missing.npy", "t.npy", ""), "missing.npy"),
        (run("f64.npy", "t.npy", ""), "<f8"),
        (run("x.npy", "small.npy", "--grad g.npy"), "[2, 40, 49]"),
        (run("x.npy", "five.npy", "--grad g.npy"), "4000 labels"),
        (run("x.npy", "t.npy", "--grad missing/g.npy"), "missing/g.npy"),
        (run("x.npy", "t.npy", "--grad ."), "directory"),
        (run("x.npy", "t.npy", "--set schedule=cubic"), "linear, squ, log"),
        (run("x.npy", "t.npy", "--set nonsense=1"), "schedule"),
        (run("x.npy", "t.npy", "--ignore-index 99999999999"), "from 0 to 255"),
        (run("x.npy", "t.npy", "--target sm_1"), "sm_1"),
        (directory.failure("explain nonsense"), "random-drop"),
        (directory.failure("explain missing.mlir"), "missing.mlir"),
        (directory.failure("bench nonsense --pixels 9"), "random-drop"),
        (directory.failure("bench bce --set schedule=log --pixels 9"), "schedule"),
        (directory.failure("bench wrong.mlir --pixels 9"), "wrong.mlir:2:8"),
        (directory.failure("compile wrong.mlir --emit loss"), "wrong.mlir:2:8"),
        (directory.failure("compile bce --emit ptx -o out.ptx"), "asm"),
    ];
    for (error, part) in cases {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
}

#[test]
fn usage_errors_exit_with_2() {
    let directory = Directory::new();
    for arguments in [
        "",
        "nonsense",
        "run",
        "run bce --logits",
        "compile bce --emit nonsense",
        "run bce --logits x.npy --labels t.npy --balance none",
        "bench bce --pixels 0",
        "bench bce --threads 0",
        "bench --set schedule=log",
    ] {
        assert_eq!(directory.lossc(arguments).status.code(), Some(2), "{arguments}");
    }
}

#[test]
fn cuda_without_a_driver_says_so() {
    if lossc_runtime::cuda::is_available() {
        println!("skipped: this machine has an NVIDIA driver");
        return;
    }
    let error = Directory::new().failure("run bce --logits x.npy --labels t.npy --target cuda");
    assert!(error.contains("no NVIDIA driver"), "{error}");
}

#[test]
fn list_shows_losses_and_options() {
    let list = Directory::new().json("list --json");
    let names: Vec<_> =
        list.as_array().expect("an array").iter().map(|it| it["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["random-drop", "bce", "balanced-bce"]);
    assert_eq!(list[0]["options"][0]["name"], "schedule");
    assert_eq!(list[0]["options"][0]["default"], "log");
}

#[test]
fn explain_shows_passes_and_rules() {
    let directory = Directory::new();
    for schedule in ["linear", "squ", "log"] {
        let json = directory.json(&format!("explain random-drop --set schedule={schedule} --json"));
        assert_eq!(json["passes"]["forward"], serde_json::json!({"before": 2, "after": 1}), "{schedule}");
        assert_eq!(json["passes"]["backward"]["after"], 1, "{schedule}");
        let names: Vec<_> =
            json["rules"].as_array().expect("rules").iter().map(|it| it["name"].clone()).collect();
        for rule in ["log-sigmoid", "sum-select-split", "sum-absorbing-mul"] {
            assert!(names.contains(&rule.into()), "{schedule}: {rule} is not among {names:?}");
        }
    }
    let text = directory.lossc("explain random-drop").stdout;
    assert!(String::from_utf8_lossy(&text).contains("sum-absorbing-mul"));
}

/// A product of `factors` factors, the first of which is negated.
fn product(factors: usize) -> String {
    let ty = "tensor<?x?xf32>";
    let lines: String = (1..factors)
        .map(|index| {
            let before = index - 1;
            format!("%{index} = \"loss.mul\"(%{before}, %label) : ({ty}, {ty}) -> {ty}\n")
        })
        .collect();
    let last = factors - 1;
    format!(
        "func.func @long(%logit: {ty}, %label: {ty}) -> tensor<f32> {{
           %0 = \"loss.neg\"(%logit) : ({ty}) -> {ty}
           {lines}
           %sum = \"loss.sum\"(%{last}) : ({ty}) -> tensor<?xf32>
           %loss = \"loss.sum_groups\"(%sum) : (tensor<?xf32>) -> tensor<f32>
           return %loss : tensor<f32>
         }}"
    )
}

/// More factors than there are rounds: the first phase comes to an end, and a limit of the second
/// costs speed, of which there is no warning.
#[test]
fn a_limit_is_named_in_the_explanation_and_is_no_warning() {
    let directory = Directory::new();
    fs::write(directory.path().join("long.mlir"), product(20)).expect("written");
    let output = directory.lossc("explain long.mlir");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("stopped at the limit of 16 rounds"), "{text}");
    let json = directory.json("explain long.mlir --json");
    assert_eq!(json["phases"][0]["limit"], serde_json::Value::Null);
    assert_eq!(json["phases"][1]["limit"], "16 rounds");
}

#[test]
fn bench_measures_every_plan_in_every_phase() {
    let directory = Directory::new();
    let report = directory.json("bench random-drop --pixels 300,100,300 --threads 1,2 --json");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 3 * 2 * 4 * 3 * 2, "schedules, threads, plans, phases, sizes");
    for row in rows {
        assert_eq!(row["loss"], "random-drop");
        for number in ["ns_per_pixel", "gb_per_s"] {
            assert!(row[number].as_f64().is_some_and(|it| it > 0.0 && it.is_finite()), "{row}");
        }
    }
    let distinct = |name: &str| {
        let mut values: Vec<_> = rows.iter().map(|row| row[name].to_string()).collect();
        values.sort();
        values.dedup();
        values.join(" ")
    };
    assert_eq!(distinct("schedule"), r#""linear" "log" "squ""#);
    assert_eq!(distinct("plan"), r#""fused" "fused-without-algebra" "fused-without-compaction" "unfused""#);
    assert_eq!(distinct("phase"), r#""backward" "forward" "forward_backward""#);
    assert_eq!((distinct("pixels"), distinct("threads")), ("100 300".into(), "1 2".into()));
    let memory = report["machine"]["memory"].as_array().expect("a list");
    assert!(
        memory.len() == 2 && memory[1]["threads"] == 2 && memory[1]["copy_gb_per_s"].as_f64() > Some(0.0)
    );
}

#[test]
fn bench_prints_a_table_for_each_loss() {
    let directory = Directory::new();
    let text = |arguments: &str| {
        let output = directory.lossc(arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let all = text("bench --pixels 64 --threads 1");
    let names = ["random-drop linear", "random-drop squ", "random-drop log", "bce", "balanced-bce"];
    for name in names {
        assert!(all.contains(&format!("\n{name}, 1 thread\n")), "{all}");
    }
    assert_eq!(all.lines().filter(|line| line.contains(" unfused ")).count(), 3 * names.len());
    assert!(all.contains("GB/s copied by 1 thread\n") && !all.contains("    growth"));
    let one = text("bench random-drop --set schedule=log --pixels 64,128 --threads 2");
    assert!(one.contains("log, 2 threads\n") && !one.contains("linear") && one.contains("128    growth\n"));
}

#[test]
fn a_certificate_is_written_and_checked_again() {
    let directory = Directory::new();
    let file = directory.path().join("proof.json");
    let explained = directory.lossc("explain random-drop --certificate proof.json");
    assert!(explained.status.success(), "{}", stderr(&explained));
    let output = directory.lossc("verify-certificate proof.json");
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && line.starts_with("random_drop.log: ") && line.lines().count() == 1);
    let certificate = fs::read_to_string(&file).expect("written");
    let alter = |from: &str, to: &str| {
        assert!(certificate.contains(from), "{from}");
        fs::write(&file, certificate.replacen(from, to, 1)).expect("written");
        directory.failure("verify-certificate proof.json")
    };
    let cases = [
        (alter("\"log-sigmoid\"", "\"log-tangent\""), "there is no rule `log-tangent`"),
        (alter("\"version\": 2", "\"version\": 1"), "version 1"),
        (alter("\"proof\"", "\"poof\""), "not a certificate"),
        (alter("\"forward\"", "\"sideways\""), "not a certificate"),
        (alter("{", ""), "not a certificate"),
        (directory.failure("verify-certificate missing.json"), "missing.json"),
        (directory.failure("explain bce --certificate missing/proof.json"), "missing/proof.json"),
    ];
    for (error, part) in cases {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
}

#[test]
fn compile_emits_every_stage() {
    let directory = Directory::new();
    let host = [
        ("loss", "loss.sigmoid"),
        ("stable", "loss.softplus"),
        ("gradient", "loss.name = \"gradient\""),
        ("optimised", "loss.exp"),
        ("schedule", "kernel 0"),
        ("mlir", "func.func"),
        ("llvm", "define"),
        ("asm", ".globl"),
    ];
    for (stage, part) in host {
        let output = directory.lossc(&format!("compile random-drop --emit {stage}"));
        assert!(String::from_utf8_lossy(&output.stdout).contains(part), "{stage}: {}", stderr(&output));
    }
    let output = directory.lossc("compile random-drop --target sm_90 --emit ptx -o loss.ptx");
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
    let ptx = fs::read_to_string(directory.path().join("loss.ptx")).expect("written");
    assert!(ptx.contains(".target sm_90"));
}

#[test]
fn a_dump_has_one_numbered_file_a_stage() {
    let directory = Directory::new();
    let mut command = directory.command("run bce --logits x.npy --labels t.npy");
    assert!(command.env("LOSSC_DUMP", "dump").status().expect("runs").success());
    let entries = fs::read_dir(directory.path().join("dump/bce.separate")).expect("a directory a loss");
    let mut names: Vec<_> =
        entries.map(|it| it.expect("readable").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    assert!(names[0] == "00-loss.mlir" && names[1] == "01-stable.mlir", "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("assembly.s")), "{names:?}");
}
