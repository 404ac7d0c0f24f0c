//! A bundle's bytes, laid out as in the module's documentation.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Bundle, BundleError, Code, Processor};
use crate::manifest::Manifest;

/// The format's version.
pub const VERSION: u32 = 4;

const MAGIC: [u8; 8] = *b"\x89LOSSC\r\n";

/// Bytes before the header.
const PREFIX: usize = 24;

/// Bytes of the hash.
const HASH: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    producer: String,
    target: Target,
    manifest: Manifest,
    details: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Target {
    Processor(Processor),
    Nvidia { compute_capability: u32 },
}

impl Bundle {
    /// The bytes of the bundle's file: the same bundle, the same bytes.
    ///
    /// # Errors
    /// If its manifest is too long for the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        let header = serde_json::to_vec(&self.header());
        let header = header.map_err(|error| BundleError::Header(error.to_string()))?;
        let length = u32::try_from(header.len()).map_err(|_| BundleError::TooLong(header.len()))?;
        let code = self.code.bytes();
        let mut bytes = Vec::with_capacity(PREFIX + header.len() + code.len() + HASH);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend((code.len() as u64).to_le_bytes());
        bytes.extend(&header);
        bytes.extend(code);
        bytes.extend(Sha256::digest(&bytes));
        Ok(bytes)
    }

    /// Reads a bundle's bytes and checks their hash. Nothing in it runs.
    ///
    /// # Errors
    /// If they are not those of a bundle of this version, as it was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let parts = Parts::split(bytes)?;
        let header: Header =
            serde_json::from_slice(parts.header).map_err(|error| BundleError::Header(error.to_string()))?;
        let code = match header.target {
            Target::Processor(processor) => Code::Native { processor, object: parts.code.to_vec() },
            Target::Nvidia { compute_capability } => {
                Code::Nvidia { compute_capability, ptx: parts.text()?.to_owned() }
            }
        };
        Ok(Self { producer: header.producer, manifest: header.manifest, details: header.details, code })
    }

    fn header(&self) -> Header {
        let target = match &self.code {
            Code::Native { processor, .. } => Target::Processor(processor.clone()),
            &Code::Nvidia { compute_capability, .. } => Target::Nvidia { compute_capability },
        };
        Header {
            producer: self.producer.clone(),
            target,
            manifest: self.manifest.clone(),
            details: self.details.clone(),
        }
    }
}

/// The parts of a file whose hash is right.
struct Parts<'a> {
    header: &'a [u8],
    code: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Checks magic and version first: nothing else is known of another version.
    fn split(bytes: &'a [u8]) -> Result<Self, BundleError> {
        if let Some(place) = bytes.iter().zip(MAGIC).position(|(&found, expected)| found != expected) {
            return Err(BundleError::Magic(place));
        }
        if let Some(found) = array(bytes, 8).map(u32::from_le_bytes)
            && found != VERSION
        {
            return Err(BundleError::Version { found });
        }
        let lengths = array(bytes, 12).zip(array(bytes, 16));
        let (header, code) = lengths.ok_or_else(|| truncated(bytes, "the first part", PREFIX as u64))?;
        Self::split_at(bytes, u32::from_le_bytes(header), u64::from_le_bytes(code))
    }

    /// Checks each part's end, then the hash.
    fn split_at(bytes: &'a [u8], header: u32, code: u64) -> Result<Self, BundleError> {
        let header_end = PREFIX as u64 + u64::from(header);
        let code_end = header_end.saturating_add(code);
        let end = code_end.saturating_add(HASH as u64);
        let length = bytes.len() as u64;
        for (part, part_end) in [("the header", header_end), ("the code", code_end), ("the hash", end)] {
            if length < part_end {
                return Err(truncated(bytes, part, part_end));
            }
        }
        if length > end {
            return Err(BundleError::Trailing { expected: end, found: length });
        }
        let (content, hash) = bytes.split_at(code_end as usize);
        if Sha256::digest(content)[..] != *hash {
            return Err(BundleError::Hash(code_end));
        }
        let (header, code) = content[PREFIX..].split_at(header as usize);
        Ok(Self { header, code })
    }

    fn text(&self) -> Result<&'a str, BundleError> {
        let start = PREFIX + self.header.len();
        std::str::from_utf8(self.code)
            .map_err(|error| BundleError::NotText((start + error.valid_up_to()) as u64))
    }
}

/// The `N` bytes from offset `at`, if there are as many.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn truncated(bytes: &[u8], part: &'static str, expected: u64) -> BundleError {
    BundleError::Truncated { part, expected, found: bytes.len() as u64 }
}
