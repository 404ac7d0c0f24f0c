//! Names that files have only until they are whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All such names in this process.
static NAMES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Locks the temporary names: no file gets or loses one while the guard is held.
pub(super) fn names() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A panic leaves the set valid: a name is added or removed in one step.
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Guard under which no file of this process gets a name.
#[must_use = "dropped, it lets files have names again"]
pub struct Discarded {
    _names: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// Deletes unfinished files, for a program that a signal ends. It calls this from a thread (not
/// from the signal's handler), and then ends.
pub fn discard_unfinished() -> Discarded {
    let mut names = names();
    for path in std::mem::take(&mut *names) {
        // Another process may have deleted it already.
        let _ = fs::remove_file(path);
    }
    Discarded { _names: names }
}
