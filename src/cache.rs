//! Cache of compiled code.
//!
//! Code is stored in the process's memory and on disk, in the user's cache directory
//! (`~/.cache/lossc` on Linux). `LOSSC_CACHE=DIRECTORY` chooses another directory,
//! `LOSSC_CACHE=off` disables the cache.
//!
//! An entry is a [bundle](lossc_runtime::bundle) and its key. The key is all that the code depends
//! on: the loss's text and settings, the options, the entry points, the types, the target with its
//! processor features, and the build of lossc itself. Finding code therefore takes no parser and no
//! compiler, and nothing is ever out of date: a key that no longer fits is never asked for again.
//! The scalars of a loss are arguments of its calls, and not part of the key.
//!
//! An entry's file is named after its key, but a name proves nothing: a file may be copied, moved,
//! truncated or restored from elsewhere. Code runs only if its entry is whole, by a hash of all of
//! it, and holds the very key that is asked for. Anything else under its name is neither followed
//! nor waited for; the loss is compiled and the entry replaced.
//!
//! Entries appear whole: any number of processes may share a directory, and a process that is
//! killed leaves no half entry. A directory that cannot be written costs a warning and nothing
//! else. One that others may write is not used, since its entries are programs. Beyond
//! [`DEFAULT_LIMIT`] bytes the oldest entries are deleted. The directory may hold other files too:
//! the cache's own are in a subdirectory, where it deletes only what it wrote.

mod build;
mod disk;
mod entry;
mod file;
mod key;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use directories::ProjectDirs;
use lossc_runtime::Bundle;
use tracing::debug;

use disk::Disk;
pub(crate) use key::Key;

/// Bytes that a cache may take on disk before the oldest entries are deleted.
pub const DEFAULT_LIMIT: u64 = 256 << 20;

/// Entries in memory. Beyond this number all are dropped: reading them again is fast.
const MEMORY_ENTRIES: usize = 256;

/// Storage for what a [`Compiler`](crate::Compiler) compiled. Clones share their memory.
#[derive(Clone)]
pub struct Cache(Option<Arc<Store>>);

struct Store {
    memory: Mutex<HashMap<Key, Arc<Bundle>>>,
    disk: Option<Disk>,
}

impl Cache {
    /// The process's own cache, at the location in `LOSSC_CACHE`: the default of every
    /// [`Compiler`](crate::Compiler).
    pub fn from_environment() -> Self {
        static SHARED: OnceLock<Cache> = OnceLock::new();
        let cache = || match std::env::var_os("LOSSC_CACHE").filter(|value| !value.is_empty()) {
            Some(value) if value == OsStr::new("off") => Self::off(),
            Some(directory) => Self::at(directory),
            None => match ProjectDirs::from("", "", "lossc") {
                Some(directories) => Self::at(directories.cache_dir()),
                None => Self::in_memory(),
            },
        };
        SHARED.get_or_init(cache).clone()
    }

    /// No cache: every compile compiles.
    pub fn off() -> Self {
        Self(None)
    }

    /// A cache that ends with the process.
    pub fn in_memory() -> Self {
        Self::new(None)
    }

    /// A cache in `directory`, which is created when the first entry is written.
    pub fn at(directory: impl AsRef<Path>) -> Self {
        Self::with_limit(directory, DEFAULT_LIMIT)
    }

    /// A cache in `directory` that deletes its oldest entries beyond `limit` bytes.
    pub fn with_limit(directory: impl AsRef<Path>, limit: u64) -> Self {
        Self::new(Some(Disk::new(directory.as_ref().to_owned(), limit)))
    }

    fn new(disk: Option<Disk>) -> Self {
        // Without the identity of this build, entries of another one could be taken.
        let disk = disk.filter(|_| build::fingerprint().is_some());
        Self(Some(Arc::new(Store { memory: Mutex::default(), disk })))
    }

    /// Returns the entry at `key`, if it is there and `fits`.
    pub(crate) fn get(&self, key: &Key, fits: impl Fn(&Bundle) -> bool) -> Option<Arc<Bundle>> {
        let store = self.0.as_ref()?;
        if let Some(bundle) = store.memory().get(key).filter(|bundle| fits(bundle)) {
            return Some(Arc::clone(bundle));
        }
        let bundle = store.disk.as_ref()?.get(key).filter(&fits)?;
        debug!(%key, loss = bundle.manifest.name, "found compiled code");
        let bundle = Arc::new(bundle);
        store.remember(key, &bundle);
        Some(bundle)
    }

    /// Stores `bundle` at `key`, replacing what was there.
    pub(crate) fn put(&self, key: &Key, bundle: &Arc<Bundle>) {
        let Some(store) = &self.0 else { return };
        store.remember(key, bundle);
        if let Some(disk) = &store.disk {
            disk.put(key, bundle);
        }
    }
}

impl Store {
    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Bundle>>> {
        // Entries are put in whole: a panic elsewhere leaves none half made.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, key: &Key, bundle: &Arc<Bundle>) {
        let mut memory = self.memory();
        if memory.len() >= MEMORY_ENTRIES {
            memory.clear();
        }
        memory.insert(key.clone(), Arc::clone(bundle));
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_ref().map(|store| &store.disk) {
            None => formatter.write_str("Cache(off)"),
            Some(None) => formatter.write_str("Cache(in memory)"),
            Some(Some(disk)) => write!(formatter, "Cache({})", disk.directory().display()),
        }
    }
}
