//! The identity of this build of lossc. A developer's changed compiler must not be given what it
//! compiled before the change, though its version is the same.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, ReadCache};

/// The version, and the identity of the file that holds this code; `None` if that cannot be
/// determined.
pub(super) fn fingerprint() -> Option<&'static str> {
    static FINGERPRINT: OnceLock<Option<String>> = OnceLock::new();
    let identify =
        || Some(format!("{} {}", env!("CARGO_PKG_VERSION"), identity(File::open(own_file()?).ok()?)?));
    FINGERPRINT.get_or_init(identify).as_deref()
}

/// The executable or shared library that holds this function, by the system's list of mapped files:
/// `START-END FLAGS OFFSET DEVICE INODE PATH`.
fn own_file() -> Option<PathBuf> {
    let address = (own_file as fn() -> Option<PathBuf> as *const ()).addr();
    let contains = |line: &&str| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        range.is_some_and(|(start, end)| {
            number(start).is_some_and(|start| start <= address)
                && number(end).is_some_and(|end| address < end)
        })
    };
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(contains)?;
    Some(line[line.find('/')?..].into())
}

/// The linker's hash of the whole file; if it wrote none, the file's length and modification time.
fn identity(file: File) -> Option<String> {
    let metadata = file.metadata().ok()?;
    let changed = || format!("{} {}.{}", metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    Some(build_id(file).unwrap_or_else(changed))
}

/// The build id in an ELF file's notes.
fn build_id(file: File) -> Option<String> {
    // Reads only the few bytes it is asked for: with LLVM inside, such a file is large.
    let data = ReadCache::new(file);
    let header = FileHeader64::<LittleEndian>::parse(&data).ok()?;
    let endian = header.endian().ok()?;
    for segment in header.program_headers(endian, &data).ok()? {
        let Ok(Some(mut notes)) = segment.notes(endian, &data) else { continue };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                return Some(note.desc().iter().map(|byte| format!("{byte:02x}")).collect());
            }
        }
    }
    None
}
