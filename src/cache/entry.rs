//! An entry's bytes: a bundle, and the key that it was compiled for.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 16 | `89 "LOSSC-ENTRY" 0D 0A`, then the format's version and a 0 |
//! | 16 | 8 | the key's length K, little-endian |
//! | 24 | K | the key: all that code depends on, JSON |
//! | 24 + K | | the bundle |
//! | at the end | 32 | SHA-256 of all bytes before it |

use lossc_faults::{Fault, is_seeded};
use lossc_runtime::{Bundle, BundleError};
use sha2::{Digest as _, Sha256};

use super::Key;

/// The first bytes of every entry; the last but one is the version.
pub(super) const MARK: [u8; 16] = *b"\x89LOSSC-ENTRY\r\n\x01\0";

/// Bytes of the hash.
const HASH: usize = 32;

/// Encodes the entry that holds `bundle` at `key`.
pub(super) fn encode(key: &Key, bundle: &Bundle) -> Result<Vec<u8>, BundleError> {
    let mut bytes = head(key);
    bytes.extend(bundle.to_bytes()?);
    bytes.extend(Sha256::digest(&bytes));
    Ok(bytes)
}

/// Decodes the bundle in the entry `bytes`, if that is whole and `key`'s.
///
/// # Errors
/// A description of what it is instead.
pub(super) fn decode(key: &Key, bytes: &[u8]) -> Result<Bundle, String> {
    let Some((content, hash)) = bytes.split_last_chunk::<HASH>().filter(|_| bytes.starts_with(&MARK)) else {
        return Err("no entry that this version of lossc wrote".into());
    };
    if Sha256::digest(content)[..] != *hash {
        return Err("altered or damaged".into());
    }
    let head = if is_seeded(Fault::EntriesAreNotChecked) { own_head(content) } else { head(key) };
    let bundle = content.strip_prefix(&*head).ok_or("of something else than its name says")?;
    Bundle::from_bytes(bundle).map_err(|error| error.to_string())
}

/// The bytes before the bundle, whatever its key is.
fn own_head(content: &[u8]) -> Vec<u8> {
    let length = content[MARK.len()..].first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    content[..MARK.len() + size_of::<u64>() + length as usize].to_vec()
}

/// The bytes before the bundle of `key`'s entry.
fn head(key: &Key) -> Vec<u8> {
    let text = key.text();
    [&MARK[..], &(text.len() as u64).to_le_bytes(), text].concat()
}
