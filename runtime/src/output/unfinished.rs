//! Names that files have only until they are whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All there are in this process.
static NAMES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Nothing gets or loses a temporary name while this is held.
pub(super) fn names() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A name is put in or taken out in one step.
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as it is held, no file of this process gets a name.
#[must_use = "dropped, it lets files have names again"]
pub struct Discarded {
    _names: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// Deletes what was not written to its end: for a program that a signal ends, which calls
/// this from a thread (not from the signal's handler), and then ends.
pub fn discard_unfinished() -> Discarded {
    let mut names = names();
    for path in std::mem::take(&mut *names) {
        // What is gone is gone.
        let _ = fs::remove_file(path);
    }
    Discarded { _names: names }
}
