//! Any bytes as an entry of the compile cache, under the name of one that lossc looks for.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lossc::{Bundle, Cache, Compiled, Compiler, Description, ElementType, Loss, Options, Target, Tensor};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::bundle::LOSS;
use crate::header;

/// Offset of the key's length in an entry; the key follows.
const KEY_LENGTH: usize = 16;

/// Bytes of the hash.
const HASH: usize = 32;

/// The cache entry of [`LOSS`].
struct Kept {
    /// The file's path in the cache's directory.
    place: PathBuf,
    bytes: Vec<u8>,
    description: Description,
}

/// Compiles a loss whose entry is `bytes` with the right hash, or, if they are JSON, its entry with
/// them as the header of its bundle. Nothing in an entry is run.
pub fn check(bytes: &[u8]) -> bool {
    let kept = kept();
    if !bytes.starts_with(b"{") {
        let compiled = kept.compile_beside(&hashed(&bytes[..bytes.len().saturating_sub(HASH)]));
        assert_eq!(compiled.description(), &kept.description, "an entry without its key was taken");
        return bytes == kept.bytes;
    }
    let (head, bundle) = kept.parts();
    let bundle = header::bundle(bytes, header::split(bundle).1);
    kept.compile_beside(&hashed(&[head, &bundle].concat()));
    Bundle::from_bytes(&bundle).is_ok()
}

fn hashed(content: &[u8]) -> Vec<u8> {
    [content, &Sha256::digest(content)[..]].concat()
}

impl Kept {
    /// The part before the bundle, and the bundle.
    fn parts(&self) -> (&[u8], &[u8]) {
        let length = self.bytes[KEY_LENGTH..].first_chunk().expect("an entry");
        let start = KEY_LENGTH + size_of::<u64>() + u64::from_le_bytes(*length) as usize;
        self.bytes[..self.bytes.len() - HASH].split_at(start)
    }

    fn compile_beside(&self, entry: &[u8]) -> Compiled {
        let directory = TempDir::new().expect("a directory");
        let file = directory.path().join(&self.place);
        let folder = file.parent().expect("it is in a folder");
        DirBuilder::new().recursive(true).mode(0o700).create(folder).expect("it is new");
        fs::write(file, entry).expect("it can be written");
        compile(directory.path())
    }
}

fn compile(cache: &Path) -> Compiled {
    static READ: OnceLock<Loss> = OnceLock::new();
    let loss = READ.get_or_init(|| Loss::parse("two_passes.mlir", LOSS).expect("a loss"));
    let compiler = Compiler::new(Target::host().expect("a known processor")).cache(Cache::at(cache));
    compiler.compile(loss).expect("without an entry the loss is compiled")
}

fn kept() -> &'static Kept {
    static KEPT: OnceLock<Kept> = OnceLock::new();
    KEPT.get_or_init(|| {
        let directory = TempDir::new().expect("a directory");
        let compiled = compile(directory.path());
        let pixels = Tensor::zeros(ElementType::F32, &[1, 1]).expect("small");
        let step = compiled.forward_backward_of(&[pixels.view(), pixels.view()], &Options::default());
        step.expect("it runs");
        let file = only_file(directory.path());
        let place = file.strip_prefix(directory.path()).expect("it is in there").to_owned();
        let bytes = fs::read(&file).expect("readable");
        Kept { place, bytes, description: compiled.description().clone() }
    })
}

/// The one file in a directory or below it.
fn only_file(directory: &Path) -> PathBuf {
    let entry = fs::read_dir(directory).expect("readable").next().expect("an entry").expect("readable");
    if entry.path().is_dir() { only_file(&entry.path()) } else { entry.path() }
}

/// The bundle in an entry that lossc wrote.
pub fn seed() -> &'static [u8] {
    kept().parts().1
}

/// A whole entry that this build of lossc wrote.
pub fn entry() -> &'static [u8] {
    &kept().bytes
}
