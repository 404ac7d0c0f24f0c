use std::sync::Arc;

use super::*;
use crate::cpu::tests::{Case, manifest, object};
use crate::executor::Call;
use crate::layout::Balance;
use crate::native::NativeKernels;

/// The variance loss of the CPU tests, whose code runs on any processor like this one.
fn bundle() -> Bundle {
    let sse2: &[_] = if cfg!(target_arch = "x86_64") { &["sse2".to_owned()] } else { &[] };
    let architecture = std::env::consts::ARCH.into();
    let processor = Processor { architecture, name: "any".into(), features: sse2.to_vec() };
    Bundle {
        producer: "tests".into(),
        manifest: manifest(3),
        details: serde_json::json!({ "loss": "variance" }),
        code: Code::Native { processor, object: object().to_vec() },
    }
}

fn ptx() -> Bundle {
    let code = Code::Nvidia { compute_capability: 90, ptx: ".version 7.8\n".into() };
    Bundle { code, ..bundle() }
}

/// The bundle's bytes, changed and then hashed as an honest writer would do.
fn rehashed(bundle: &Bundle, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut bytes = bundle.to_bytes().unwrap();
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    bytes.extend(Sha256::digest(&bytes));
    bytes
}

fn error(bytes: &[u8]) -> String {
    Bundle::from_bytes(bytes).expect_err("the bytes are not a bundle").to_string()
}

#[test]
fn bundles_are_read_as_they_were_written() {
    for bundle in [bundle(), ptx()] {
        let bytes = bundle.to_bytes().unwrap();
        assert_eq!(Bundle::from_bytes(&bytes).unwrap(), bundle);
        assert_eq!(bundle.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn the_layout_is_the_documented_one() {
    let bytes = ptx().to_bytes().unwrap();
    assert_eq!(bytes[..8], [0x89, 0x4c, 0x4f, 0x53, 0x53, 0x43, 0x0d, 0x0a]);
    assert_eq!(bytes[8..12], VERSION.to_le_bytes());
    let header = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let code = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    let json: Value = serde_json::from_slice(&bytes[24..24 + header]).unwrap();
    assert_eq!(json["target"], serde_json::json!({ "nvidia": { "compute_capability": 90 } }));
    assert_eq!(bytes[24 + header..][..code], *b".version 7.8\n");
    assert_eq!(bytes.len(), 24 + header + code + 32);
}

#[test]
fn a_bundle_runs_as_the_code_in_it() {
    let read = Bundle::from_bytes(&bundle().to_bytes().unwrap()).unwrap();
    // SAFETY: the code is this crate's own test kernel.
    let mut executor = unsafe { read.executor() }.unwrap();
    // SAFETY: as above.
    let kernels = unsafe { NativeKernels::from_object(object(), manifest(3)) }.unwrap();
    let mut expected = CpuExecutor::new(kernels);
    let case = Case::new(&[3, 40, 50], Balance::Image);
    let views = case.views();
    let (outcome, gradients) = executor.forward_backward(&Call::new(&views)).unwrap();
    let (expected, expected_gradients) = expected.forward_backward(&Call::new(&views)).unwrap();
    assert_eq!(outcome.loss.to_bits(), expected.loss.to_bits());
    assert_eq!(outcome.groups, expected.groups);
    assert_eq!(gradients, expected_gradients);
    assert!(gradients[0].bytes().iter().any(|&byte| byte != 0));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = bundle().to_bytes().unwrap();
    for length in 0..bytes.len() {
        let error = error(&bytes[..length]);
        let place = format!("truncated: the file ends at byte {length} within ");
        assert!(error.starts_with(&place), "{error}");
    }
}

#[test]
fn every_changed_byte_is_an_error() {
    let mut bytes = ptx().to_bytes().unwrap();
    for place in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            bytes[place] ^= flip;
            let error = error(&bytes);
            match place {
                0..8 => assert_eq!(
                    error,
                    format!("not a lossc bundle: byte {place} differs from a bundle's first eight")
                ),
                8..12 => assert!(error.starts_with("a bundle of version "), "{error}"),
                12..24 => {} // A length: the file is too short or too long, or its hash is elsewhere.
                _ => assert!(error.starts_with("altered or damaged"), "{error}"),
            }
            bytes[place] ^= flip;
        }
    }
    assert!(Bundle::from_bytes(&bytes).is_ok());
}

#[test]
fn what_is_no_bundle_says_where() {
    assert_eq!(error(b"\x7fELF"), "not a lossc bundle: byte 0 differs from a bundle's first eight");
    let mut longer = ptx().to_bytes().unwrap();
    let length = longer.len();
    longer.push(0);
    let expected = format!("the bundle ends at byte {length}, but the file goes on to byte {}", length + 1);
    assert_eq!(error(&longer), expected);
    let future = rehashed(&ptx(), |bytes| bytes[8] = 9);
    let reader = format!("this is a reader of version {VERSION}: compile it again");
    assert_eq!(error(&future), format!("a bundle of version 9 (bytes 8 to 11), but {reader}"));
    let mut huge = ptx().to_bytes().unwrap();
    huge[16..24].fill(0xff);
    assert!(error(&huge).starts_with("truncated"), "{}", error(&huge));
}

#[test]
fn a_wrong_header_is_named_though_its_hash_is_right() {
    let replace = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        error(&rehashed(&ptx(), |bytes| {
            let place = bytes.windows(from.len()).position(|it| it == from.as_bytes()).unwrap();
            bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        }))
    };
    let cases = [
        (replace("\"nvidia\"", "\"nvidio\""), "unknown variant `nvidio`"),
        (replace("\"group_totals\"", "\"group_totalz\""), "missing field `group_totals`"),
        (replace("\"producer\"", "\"producel\""), "unknown field `producel`"),
        (replace("{", "["), "expected `,` or `]`"),
    ];
    for (error, part) in cases {
        assert!(error.starts_with("the header (from byte 24) is not that of a bundle: "), "{error}");
        assert!(error.contains(part) && error.contains("column"), "{error}");
    }
}

#[test]
fn ptx_must_be_text() {
    let bytes = rehashed(&ptx(), |bytes| *bytes.last_mut().unwrap() = 0xff);
    let place = bytes.len() - 32 - 1;
    assert_eq!(error(&bytes), format!("the code is not PTX: byte {place} of the file is not UTF-8"));
}

#[test]
fn numbers_survive_bit_for_bit() {
    let mut bundle = ptx();
    for value in [0.1, -0.0, f32::MIN_POSITIVE / 8.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY] {
        bundle.manifest.scalars[0].default = value;
        let read = Bundle::from_bytes(&bundle.to_bytes().unwrap()).unwrap();
        assert_eq!(read.manifest.scalars[0].default.to_bits(), value.to_bits());
    }
    bundle.manifest.scalars[0].default = f32::NAN;
    let read = Bundle::from_bytes(&bundle.to_bytes().unwrap()).unwrap();
    assert!(read.manifest.scalars[0].default.is_nan());
}

#[test]
fn a_bundle_for_another_machine_does_not_run() {
    // SAFETY: no code is loaded.
    let error = |bundle: &Bundle| unsafe { bundle.executor() }.err().expect("it cannot run").to_string();
    let with = |change: &dyn Fn(&mut Processor)| {
        let mut bundle = bundle();
        let Code::Native { processor, .. } = &mut bundle.code else { unreachable!() };
        change(processor);
        bundle
    };
    let other = error(&with(&|it| it.architecture = "riscv64".into()));
    assert!(other.starts_with("the bundle is for riscv64, this machine is "), "{other}");
    let newer = error(&with(&|it| it.features.push("avx9000".into())));
    assert!(newer.contains("needs avx9000, which this processor is not known to have"), "{newer}");
    // SAFETY: no code is loaded.
    let gpu = unsafe { ptx().cpu_executor(None) }.expect_err("PTX is not object code");
    assert_eq!(gpu.to_string(), "the bundle is for a GPU, not for a processor");
}

#[test]
fn a_manifest_must_fit_the_code() {
    let mut bundle = bundle();
    let kernel = bundle.manifest.kernels[0].clone();
    bundle.manifest.kernels.push(crate::manifest::KernelManifest { reductions: vec![], ..kernel });
    // SAFETY: the code is this crate's own test kernel; loading fails.
    let error = unsafe { bundle.executor() }.err().expect("a kernel too many");
    assert_eq!(error.to_string(), "the object does not define function `kernel_3`");
}

#[test]
fn files_are_written_whole_and_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loss.lossc");
    for bundle in [bundle(), ptx()] {
        bundle.write(&path).unwrap();
        assert_eq!(Bundle::read(&path).unwrap(), bundle);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no buffer file is left");
    let missing = folder.path().join("none/loss.lossc");
    let name = missing.display().to_string();
    let read = Bundle::read(&missing).unwrap_err().to_string();
    assert!(read.starts_with(&format!("{name}: cannot be read: ")), "{read}");
    let written = ptx().write(&missing).unwrap_err().to_string();
    assert!(written.starts_with(&format!("{name}: cannot be written: ")), "{written}");
    std::fs::write(&path, b"text").unwrap();
    let wrong = Bundle::read(&path).unwrap_err().to_string();
    assert!(wrong.starts_with(&format!("{}: not a lossc bundle", path.display())), "{wrong}");
}

#[test]
fn executors_share_a_pool() {
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());
    // SAFETY: the code is this crate's own test kernel.
    let mut executor = unsafe { bundle().cpu_executor(Some(pool)) }.unwrap();
    let case = Case::new(&[300, 300], Balance::Batch);
    assert!(executor.forward(&Call::new(&case.views())).unwrap().loss.is_finite());
}
