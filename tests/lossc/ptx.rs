//! PTX, read and assembled: no spills, calls or local memory, addresses of 64 bits, and each pixel
//! read and written once. This is not a GPU result.

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

/// Targets that kernels are checked for.
const TARGETS: [&str; 3] = ["sm_80", "sm_90", "sm_100"];

/// NVIDIA's assembler: from `PTXAS`, or from the Python wheel, fetched once.
fn ptxas() -> Option<&'static Path> {
    static PTXAS: OnceLock<Option<PathBuf>> = OnceLock::new();
    PTXAS.get_or_init(|| std::env::var_os("PTXAS").map(PathBuf::from).or_else(fetch)).as_deref()
}

/// The wheel is proprietary: it is fetched for the tests and never stored in the repository. It
/// needs no GPU.
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
    // With the counts of invalid input that users get, and once exactly as in the text.
    for (target, checks) in TARGETS.map(|target| (target, true)).into_iter().chain([("sm_90", false)]) {
        for loss in library_losses() {
            for numerics in Numerics::ALL {
                let name = format!("{}-{checks}-{}-{target}", program(&loss).name(), numerics.name());
                let specialise = specialise::Options { checks, ..Default::default() };
                let options = Options { numerics, ..specialise.into() };
                check_report(&name, &assemble(ptxas, target, &name, &ptx_with(&loss, target, &options)));
            }
        }
    }
}

/// The messages of `ptxas -v` for a text.
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

/// Registers that a thread may have for an SM, which has 65,536, to hold three blocks of 256
/// threads of a pass, or two of a cooperative launch or of a kernel in which a block sums a chunk.
/// The first prefix that fits a name counts.
const MOST_REGISTERS: [(&str, u32); 3] = [("kernel_block_", 128), ("kernel_", 80), ("cooperative_", 128)];

/// The one kernel that spills, and its bytes. There should be none: since totals stay f64, the
/// arithmetic of groups' values takes the registers.
const KNOWN_SPILL: (&str, &str, u32) = ("random_drop.squ-true-reproducible-sm_100", "cooperative_0", 12);

/// Checks the messages of `ptxas -v` for each kernel.
fn check_report(name: &str, report: &str) {
    for pass in report.split("Compiling entry function '") {
        let most = MOST_REGISTERS.iter().find(|(stem, _)| pass.starts_with(stem));
        let Some(&(_, most)) = most else { continue };
        let number = pass.split("Used ").nth(1).and_then(|rest| rest.split(' ').next());
        let registers: u32 = number.and_then(|number| number.parse().ok()).expect("a number of registers");
        assert!(registers <= most, "{name}: {report}");
        let spilled = pass.split(" bytes spill stores").next().and_then(|it| it.rsplit(' ').next());
        let spilled: u32 = spilled.and_then(|number| number.parse().ok()).expect("a number of bytes");
        let (known, kernel, bytes) = KNOWN_SPILL;
        let allowed = if name == known && pass.starts_with(kernel) { bytes } else { 0 };
        assert!(spilled <= allowed, "{name}: {report}");
    }
    assert!(!report.contains("lmem"), "{name}: local memory: {report}");
}

#[test]
fn kernels_have_no_call_no_approximation_and_no_local_memory() {
    for target in TARGETS {
        for loss in library_losses() {
            let text = ptx(&loss, target);
            let name = program(&loss).name();
            // A rounded reciprocal starts from an approximate one, and does not depend on it.
            let text = text.replace(APPROXIMATE[2], "");
            for word in ["call", ".approx", ".ftz", ".local", ".func"] {
                assert!(!text.contains(word), "{name}: {word}");
            }
            // `ptxas` expands either into a check, a branch and a call.
            for instruction in pixel_kernels(&text).iter().flat_map(pixel_blocks).flat_map(|(_, block)| block)
            {
                let is_division = ["div.", "rcp.rn"].iter().any(|it| opcode(instruction).starts_with(it));
                assert!(!is_division, "{name}: {instruction}");
            }
        }
    }
}

/// The PTX of a loss with fast numerics.
fn fast_ptx(loss: &Loss, target: &str) -> String {
    ptx_with(loss, target, &Options { numerics: Numerics::Fast, ..Options::default() })
}

/// Approximate instructions that fast kernels may have.
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
                    // The resident value may be the exponential itself.
                    let is_read = wide(block, "ld.") > 0;
                    let is_one_each = exponentials == pixels(block) || !is_read && exponentials == 0;
                    assert!(is_one_each, "{name}: {exponentials} exponentials");
                    assert!(quotients <= pixels(block), "{name}: {quotients} quotients");
                }
            }
        }
    }
}

/// Instructions per pixel of each pass and then, if there is one, of the cooperative launch: the
/// first pass, which saves pixels, the second for resident pixels and for others. With reproducible
/// and with fast numerics, without loads and stores, and without instructions that name half of a
/// register or fold into another one.
const MOST_INSTRUCTIONS: [(&str, [&[f64]; 2]); 5] = [
    ("balanced_bce", [&[46.0, 37.0, 50.0, 23.5, 37.0], &[27.0, 15.0, 31.0, 16.5, 15.0]]),
    ("bce", [&[40.0, 36.0, 57.0], &[21.0, 14.0, 29.0]]),
    ("random_drop.linear", [&[69.5, 60.0, 80.5, 31.5, 60.0], &[50.5, 38.0, 56.5, 20.0, 38.0]]),
    ("random_drop.squ", [&[71.5, 62.0, 82.5, 31.5, 62.0], &[52.5, 37.0, 58.5, 20.0, 37.0]]),
    ("random_drop.log", [&[66.5, 75.0, 78.5, 31.5, 75.0], &[47.5, 47.0, 53.5, 20.0, 47.0]]),
];

/// Additional instructions allowed if a block sums a chunk.
const OF_A_BLOCK: f64 = 1.0;

/// The instructions per pixel of the basic blocks that read or write pixels, in the order of the
/// text: of kernels in which a warp sums a chunk, and in which a block does.
fn instructions(text: &str) -> [Vec<f64>; 2] {
    let of_block =
        |block: &[&str]| block.iter().filter(|it| text::is_work(it)).count() as f64 / pixels(block) as f64;
    [false, true].map(|by_block| {
        let kernels = pixel_kernels(text).into_iter().filter(|it| it.name.contains("_block_") == by_block);
        let of_kernel = |entry: text::Entry<'_>| {
            pixel_blocks(&entry).into_iter().map(|(_, block)| of_block(block)).collect::<Vec<_>>()
        };
        kernels.flat_map(of_kernel).collect()
    })
}

#[test]
fn passes_keep_to_their_instructions() {
    for loss in library_losses() {
        let name = program(&loss).name();
        let (_, most) = MOST_INSTRUCTIONS.iter().find(|(known, _)| *known == name).expect("it is listed");
        let found = [ptx(&loss, "sm_90"), fast_ptx(&loss, "sm_90")].map(|text| instructions(&text));
        println!("{name}: reproducible {:?}, fast {:?}", found[0], found[1]);
        for ([by_warp, by_block], most) in found.iter().zip(most) {
            for (found, more) in [(by_warp, 0.0), (by_block, OF_A_BLOCK)] {
                assert_eq!(found.len(), most.len(), "{name}: blocks");
                let is_within = found.iter().zip(*most).all(|(found, most)| *found <= most + more);
                assert!(is_within, "{name}: {found:?} instructions a pixel, {most:?} + {more} may be");
            }
        }
    }
}

#[test]
fn the_pixel_loop_has_no_double() {
    for loss in library_losses() {
        let text = ptx(&loss, "sm_90");
        for entry in pixel_kernels(&text) {
            for (at, block) in pixel_blocks(&entry) {
                let is_single = entry.name.starts_with("kernel_block_");
                assert!(is_single || entry.is_in_loop(at), "{}", entry.body);
                assert!(block.iter().all(|it| !opcode(it).contains("f64")), "{}", entry.body);
            }
        }
    }
}

/// Arithmetic that wraps on overflow.
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

/// The basic blocks that read or write pixels in 16 bytes.
fn pixel_blocks<'e, 'a>(entry: &'e text::Entry<'a>) -> Vec<(usize, &'e [&'a str])> {
    let mut blocks = entry.blocks();
    blocks.retain(|(_, block)| pixels(block) > 0);
    assert!(!blocks.is_empty(), "{}", entry.body);
    blocks
}

/// The pixels of a basic block: four for each access of 16 bytes, which are f32 logits or
/// gradients.
fn pixels(block: &[&str]) -> usize {
    4 * wide(block, "ld.").max(wide(block, "st."))
}

/// The accesses of 16 bytes of global memory.
fn wide(block: &[&str], access: &str) -> usize {
    let is_wide = |it: &&&str| {
        let opcode = opcode(it);
        opcode.starts_with(access) && opcode.contains(".global") && opcode.contains(".v4")
    };
    block.iter().filter(is_wide).count()
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

/// f32 logits and u8 labels: 5 bytes read per pixel, or none if it is resident, and 4 written if
/// there is a gradient, each once and nothing else.
#[test]
fn a_pixel_is_read_once_and_written_once() {
    for loss in library_losses() {
        let (text, name) = (ptx(&loss, "sm_90"), program(&loss).name());
        let mut traffic = vec![];
        for entry in pixel_kernels(&text) {
            for (_, block) in pixel_blocks(&entry) {
                let of = |access: &str| {
                    let global = format!("{access}.global");
                    let accesses = block.iter().filter(|it| opcode(it).starts_with(&global));
                    let moved: usize = accesses.map(|it| bytes(it)).sum();
                    assert_eq!(moved % pixels(block), 0, "{} of {name}", entry.name);
                    moved / pixels(block)
                };
                traffic.push((entry.name.split('_').next().unwrap_or_default(), of("ld"), of("st")));
            }
        }
        traffic.sort_unstable();
        traffic.dedup();
        let both = [("cooperative", 0, 4), ("cooperative", 5, 0), ("cooperative", 5, 4)];
        let kernels = [("kernel", 5, 0), ("kernel", 5, 4)];
        let has_cooperative = traffic[0].0 == "cooperative";
        let expected = if has_cooperative { &both[..] } else { &[] }.iter().chain(&kernels);
        assert!(traffic.iter().eq(expected), "{name}: {traffic:?}");
        assert_eq!(has_cooperative, name != "bce", "{name}");
    }
}
