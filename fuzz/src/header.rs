//! Bytes laid out as a bundle with the right hash: a fuzzer would never get past a wrong one.

use lossc_runtime::bundle::VERSION;
use sha2::{Digest as _, Sha256};

/// The first bytes of a bundle.
const MAGIC: [u8; 8] = *b"\x89LOSSC\r\n";

/// Bytes before the header.
const PREFIX: usize = 24;

/// Bytes of the hash.
const HASH: usize = 32;

/// The bundle with this header and this code.
pub fn bundle(header: &[u8], code: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend((code.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(code);
    bytes.extend(Sha256::digest(&bytes));
    bytes
}

/// A changed bundle with the right hash again: the header as long as it states, if there are as
/// many bytes, and all the rest as its code.
pub fn mended(changed: &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(*changed.get(12..)?.first_chunk()?) as usize;
    let content = changed.get(PREFIX..changed.len().checked_sub(HASH)?)?;
    let (header, code) = content.split_at(length.min(content.len()));
    Some(bundle(header, code))
}

/// The header of a bundle's bytes, and its code.
pub fn split(bundle: &[u8]) -> (&[u8], &[u8]) {
    let length = u32::from_le_bytes(*bundle[12..].first_chunk().expect("a bundle")) as usize;
    bundle[PREFIX..bundle.len() - HASH].split_at(length)
}
