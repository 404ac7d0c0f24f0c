//! PTX read and assembled: no spills, calls or local memory, addresses of 64 bits,
//! and each pixel read and written once. This is no GPU result.

mod text;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lossc::pipeline::Options;
use lossc::{Loss, Numerics};
use lossc_passes::specialise;

use crate::data::program;
use crate::targets::{library_losses, ptx, ptx_with};
use text::opcode;

/// What kernels are checked for.
const TARGETS: [&str; 3] = ["sm_80", "sm_90", "sm_100"];

/// NVIDIA's assembler: from `PTXAS`, or from the Python wheel, fetched once.
fn ptxas() -> Option<&'static Path> {
    static PTXAS: OnceLock<Option<PathBuf>> = OnceLock::new();
    PTXAS.get_or_init(|| std::env::var_os("PTXAS").map(PathBuf::from).or_else(fetch)).as_deref()
}

/// The wheel is proprietary: it is fetched for the tests and never kept in the
/// repository. It needs no GPU.
fn fetch() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptxas");
    let program = directory.join("nvidia/cuda_nvcc/bin/ptxas");
    if !program.exists() {
        let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target"];
        let mut command = Command::new("python3");
        command.args(pip).arg(&directory).arg("nvidia-cuda-nvcc-cu12==12.9.86");
        command.status().ok().filter(std::process::ExitStatus::success)?;
        make_executable(&program)?;
    }
    Some(program)
}

fn make_executable(program: &Path) -> Option<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).ok()
}

#[test]
fn every_loss_assembles_without_spills() {
    let Some(ptxas) = ptxas() else {
        println!("skipped: ptxas could not be fetched");
        return;
    };
    for target in TARGETS {
        for loss in library_losses() {
            // As the text has it, and with the counts of invalid input that users get.
            for (checks, numerics) in
                [false, true].into_iter().flat_map(|it| Numerics::ALL.map(|by| (it, by)))
            {
                let name = format!("{}-{checks}-{}-{target}", program(&loss).name(), numerics.name());
                let specialise = specialise::Options { checks, ..Default::default() };
                let options = Options { numerics, ..specialise.into() };
                check_report(&name, &assemble(ptxas, target, &name, &ptx_with(&loss, target, &options)));
            }
        }
    }
}

/// What `ptxas -v` says of a text.
fn assemble(ptxas: &Path, target: &str, name: &str, text: &str) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.ptx"));
    std::fs::write(&file, text).expect("writable");
    let mut command = Command::new(ptxas);
    command.args(["-v", "--warn-on-spills", "-arch", target, "-o", "/dev/null"]).arg(&file);
    let output = command.output().expect("ptxas runs");
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {report}");
    report
}

/// The registers a thread may have so that an SM, which has 65,536, holds three blocks
/// of 256 threads of a pass, or two of those that keep their pixels in shared memory.
const MOST_REGISTERS: [(&str, u32); 2] = [("kernel_", 80), ("both_", 128)];

/// What `ptxas -v` says of each kernel.
fn check_report(name: &str, report: &str) {
    for (stem, most) in MOST_REGISTERS {
        for pass in report.split("Compiling entry function '").filter(|it| it.starts_with(stem)) {
            let number = pass.split("Used ").nth(1).and_then(|rest| rest.split(' ').next());
            let registers: u32 =
                number.and_then(|number| number.parse().ok()).expect("a number of registers");
            assert!(registers <= most, "{name}: {report}");
        }
    }
    assert!(!report.contains("lmem"), "{name}: local memory: {report}");
    for line in report.lines().filter(|line| line.contains("spill")) {
        let nothing = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads";
        assert_eq!(line.trim(), nothing, "{name}: {report}");
    }
}

#[test]
fn kernels_have_no_call_no_approximation_and_no_local_memory() {
    for target in TARGETS {
        for loss in library_losses() {
            let text = ptx(&loss, target);
            let name = program(&loss).name();
            // A rounded reciprocal starts from one, and does not depend on it.
            let text = text.replace(APPROXIMATE[2], "");
            for word in ["call", ".approx", ".ftz", ".local", ".func"] {
                assert!(!text.contains(word), "{name}: {word}");
            }
            // `ptxas` makes a check, a branch and a call of either.
            for instruction in pixel_kernels(&text).iter().flat_map(pixel_blocks).flat_map(|(_, block)| block)
            {
                let is_division = ["div.", "rcp.rn"].iter().any(|it| opcode(instruction).starts_with(it));
                assert!(!is_division, "{name}: {instruction}");
            }
        }
    }
}

/// The PTX of a loss by fast numerics.
fn fast_ptx(loss: &Loss, target: &str) -> String {
    ptx_with(loss, target, &Options { numerics: Numerics::Fast, ..Options::default() })
}

/// What fast kernels may have of approximate instructions.
const APPROXIMATE: [&str; 3] = ["ex2.approx.ftz.f32", "lg2.approx.f32", "rcp.approx.ftz.f32"];

#[test]
fn fast_kernels_have_approximations_instead_of_divisions() {
    for target in TARGETS {
        for loss in library_losses() {
            let (text, name) = (fast_ptx(&loss, target), program(&loss).name());
            for word in ["call", ".local", ".func"] {
                assert!(!text.contains(word), "{name}: {word}");
            }
            for entry in pixel_kernels(&text) {
                let approximate = |word: &str| word.contains(".approx") || word.contains(".ftz");
                let blocks = pixel_blocks(&entry);
                for instruction in blocks.iter().flat_map(|(_, block)| block.iter()) {
                    let opcode = opcode(instruction);
                    assert!(!approximate(opcode) || APPROXIMATE.contains(&opcode), "{name}: {instruction}");
                    assert!(
                        !["div.", "rcp.rn"].iter().any(|it| opcode.starts_with(it)),
                        "{name}: {instruction}"
                    );
                }
                for (_, block) in &blocks {
                    let count = |what: &str| block.iter().filter(|it| opcode(it) == what).count();
                    let (exponentials, quotients) = (count(APPROXIMATE[0]), count(APPROXIMATE[2]));
                    assert_eq!(exponentials, pixels(block), "{name}: an exponential a pixel");
                    assert!(quotients <= pixels(block), "{name}: {quotients} quotients");
                }
            }
        }
    }
}

/// Instructions a pixel of each pass, by reproducible and by fast numerics, without loads
/// and stores, and without what names half of a register or folds into another
/// instruction.
const MOST_INSTRUCTIONS: [(&str, [&[f64]; 2]); 5] = [
    ("balanced_bce", [&[46.0, 37.0], &[27.0, 15.0]]),
    ("bce", [&[40.0, 36.0, 57.0], &[21.0, 14.0, 29.0]]),
    ("random_drop.linear", [&[69.5, 60.0], &[50.5, 38.0]]),
    ("random_drop.squ", [&[71.5, 62.0], &[52.5, 37.0]]),
    ("random_drop.log", [&[66.5, 75.0], &[47.5, 47.0]]),
];

/// The instructions a pixel of the passes that read pixels, in the order of the text.
fn instructions(text: &str) -> Vec<f64> {
    let passes = text::entries(text).into_iter().filter(|entry| entry.name.starts_with("kernel_"));
    let of_pass = |entry: text::Entry<'_>| {
        let blocks = pixel_blocks(&entry);
        let [(_, block)] = blocks[..] else { panic!("{} blocks of pixels", blocks.len()) };
        block.iter().filter(|it| text::is_work(it)).count() as f64 / pixels(block) as f64
    };
    passes.map(of_pass).collect()
}

#[test]
fn passes_keep_to_their_instructions() {
    for loss in library_losses() {
        let name = program(&loss).name();
        let (_, most) = MOST_INSTRUCTIONS.iter().find(|(known, _)| *known == name).expect("it is listed");
        let found = [ptx(&loss, "sm_90"), fast_ptx(&loss, "sm_90")].map(|text| instructions(&text));
        println!("{name}: reproducible {:?}, fast {:?}", found[0], found[1]);
        for (found, most) in found.iter().zip(most) {
            assert_eq!(found.len(), most.len(), "{name}: passes");
            let is_within = found.iter().zip(*most).all(|(found, most)| found <= most);
            assert!(is_within, "{name}: {found:?} instructions a pixel, {most:?} may be");
        }
    }
}

#[test]
fn the_pixel_loop_has_no_double() {
    for loss in library_losses() {
        let text = ptx(&loss, "sm_90");
        for entry in pixel_kernels(&text) {
            for (at, block) in pixel_blocks(&entry) {
                assert!(entry.is_in_loop(at), "{}", entry.body);
                assert!(block.iter().all(|it| !opcode(it).contains("f64")), "{}", entry.body);
            }
        }
    }
}

/// Arithmetic that loses what does not fit its type.
const WRAPPING: [&str; 5] = ["add.", "sub.", "mul.lo.", "mad.lo.", "shl."];

#[test]
fn addresses_are_computed_in_64_bits() {
    for loss in library_losses() {
        let text = ptx(&loss, "sm_90");
        for entry in text::entries(&text) {
            for (access, address) in entry.global_accesses() {
                assert!(address.starts_with("%rd"), "{access} [{address}] in {}", entry.body);
                for instruction in entry.origin(address) {
                    let opcode = opcode(instruction);
                    let wraps = WRAPPING.iter().any(|it| opcode.starts_with(it)) && opcode.ends_with("32");
                    assert!(!wraps, "{instruction} in the address of {access} in {}", entry.body);
                }
            }
        }
    }
}

/// The kernels that read pixels.
fn pixel_kernels(ptx: &str) -> Vec<text::Entry<'_>> {
    let reads = |entry: &text::Entry<'_>| MOST_REGISTERS.iter().any(|(stem, _)| entry.name.starts_with(stem));
    let found: Vec<_> = text::entries(ptx).into_iter().filter(reads).collect();
    assert!(!found.is_empty());
    found
}

/// The blocks that read or write pixels in 16 bytes.
fn pixel_blocks<'e, 'a>(entry: &'e text::Entry<'a>) -> Vec<(usize, &'e [&'a str])> {
    let is_wide = |it: &&str| opcode(it).contains(".global.v4");
    let mut blocks = entry.blocks();
    blocks.retain(|(_, block)| block.iter().any(is_wide));
    assert!(!blocks.is_empty(), "{}", entry.body);
    blocks
}

/// The pixels of a block: four for each load of 16 bytes, which are f32 logits.
fn pixels(block: &[&str]) -> usize {
    let is_load = |it: &&&str| opcode(it).starts_with("ld.") && bytes(it) == 16;
    4 * block.iter().filter(is_load).count()
}

/// Bytes that `instruction` loads or stores.
fn bytes(instruction: &str) -> usize {
    let opcode = opcode(instruction);
    let vector = if opcode.contains(".v4") {
        4
    } else if opcode.contains(".v2") {
        2
    } else {
        1
    };
    let bits = opcode.rsplit('.').next().map(|ty| ty.trim_start_matches(|c: char| c.is_ascii_alphabetic()));
    vector * bits.and_then(|bits| bits.parse::<usize>().ok()).expect("a size in bits") / 8
}

/// f32 logits and u8 labels: 5 bytes read a pixel, 4 written where there is a
/// gradient, each once and nothing else.
#[test]
fn a_pixel_is_read_once_and_written_once() {
    for loss in library_losses() {
        let text = ptx(&loss, "sm_90");
        let mut gradients = 0;
        for entry in pixel_kernels(&text) {
            let (mut loaded, mut logits, mut stored) = (0, 0, 0);
            for instruction in pixel_blocks(&entry).into_iter().flat_map(|(_, block)| block) {
                match opcode(instruction) {
                    load if load.starts_with("ld.global") => {
                        loaded += bytes(instruction);
                        logits += usize::from(bytes(instruction) == 16);
                    }
                    store if store.starts_with("st.global") => stored += bytes(instruction),
                    _ => {}
                }
            }
            let pixels = 4 * logits;
            assert_eq!(loaded, 5 * pixels, "{} of {}", entry.name, program(&loss).name());
            assert!([0, 4 * pixels].contains(&stored), "{} of {}", entry.name, program(&loss).name());
            gradients += usize::from(stored > 0);
        }
        assert!(gradients >= 1, "{}", program(&loss).name());
    }
}
