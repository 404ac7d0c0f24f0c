//! Device memory: buffers with names, bounds and a record of what was written.

use crate::fault::Problem;
use crate::race::Shadow;

/// Bytes around each buffer that belong to none, so that a near miss hits no other buffer.
const MARGIN: usize = 1 << 16;

/// Alignment of buffers that are said to be aligned.
const ALIGNMENT: usize = 256;

/// Permitted uses of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read what the host wrote.
    Read,
    /// Read and write; the host wrote all of it.
    Write,
    /// Read and write; a byte must be written before it is read.
    Workspace,
}

/// A buffer of a [`Memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer(usize);

/// A buffer and the state of its bytes.
#[derive(Debug)]
struct Region {
    name: String,
    /// The buffer between two margins.
    storage: Vec<u8>,
    start: usize,
    length: usize,
    access: Access,
    written: Vec<bool>,
    shadow: Shadow,
}

/// Contents of bytes that nobody has written: NaN, in each float format.
pub(crate) const POISON: u8 = 0xff;

/// All buffers that kernels are given.
#[derive(Debug, Default)]
pub struct Memory {
    regions: Vec<Region>,
}

/// The bytes of an access in a region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    region: usize,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

impl Memory {
    /// Adds a buffer with these bytes, whose first is `misalignment` bytes after an aligned
    /// address, for elements of so many bytes.
    pub fn upload(
        &mut self,
        name: &str,
        bytes: &[u8],
        access: Access,
        misalignment: usize,
        element: usize,
    ) -> Buffer {
        let buffer = self.allocate(name, bytes.len(), access, misalignment, element);
        let region = &mut self.regions[buffer.0];
        region.storage[region.start..][..bytes.len()].copy_from_slice(bytes);
        region.written.fill(true);
        buffer
    }

    /// Adds a buffer of so many bytes, poisoned.
    pub fn allocate(
        &mut self,
        name: &str,
        length: usize,
        access: Access,
        misalignment: usize,
        element: usize,
    ) -> Buffer {
        let storage = vec![POISON; length + 2 * MARGIN + ALIGNMENT];
        let first = storage.as_ptr().addr() + MARGIN;
        let start = MARGIN + first.next_multiple_of(ALIGNMENT) - first + misalignment;
        let is_written = access != Access::Workspace;
        let shadow = Shadow::new(length, element);
        let written = vec![is_written; length];
        self.regions.push(Region { name: name.into(), storage, start, length, access, written, shadow });
        Buffer(self.regions.len() - 1)
    }

    /// The address of a buffer, as kernels take it.
    pub fn pointer(&self, buffer: Buffer) -> u64 {
        self.regions[buffer.0].address() as u64
    }

    /// The bytes of a buffer.
    pub fn bytes(&self, buffer: Buffer) -> &[u8] {
        let region = &self.regions[buffer.0];
        &region.storage[region.start..][..region.length]
    }

    /// Returns whether a kernel or the host has written all of a buffer.
    pub fn is_written(&self, buffer: Buffer) -> bool {
        self.regions[buffer.0].written.iter().all(|&written| written)
    }

    /// Finds the buffer of `bytes` at an address, if they are in one.
    pub(crate) fn find(&self, address: usize, bytes: usize) -> Result<Place, Problem> {
        let within = |region: &Region| {
            let offset = address.checked_sub(region.address())?;
            (offset + bytes <= region.length).then_some(offset)
        };
        let found =
            self.regions.iter().enumerate().find_map(|(index, region)| Some((index, within(region)?)));
        match found {
            Some((region, offset)) => Ok(Place { region, offset, bytes }),
            None => Err(Problem::OutOfBounds { bytes, nearest: self.nearest(address) }),
        }
    }

    fn nearest(&self, address: usize) -> Option<(String, i64)> {
        let offset = |region: &Region| address as i64 - region.address() as i64;
        let distance = |region: &&Region| {
            let offset = offset(region);
            (-offset).max(offset - region.length as i64)
        };
        let nearest = self.regions.iter().min_by_key(distance)?;
        (distance(&nearest) <= MARGIN as i64).then(|| (nearest.name.clone(), offset(nearest)))
    }

    /// Checks that the bytes may be read or written, and records that they were.
    pub(crate) fn touch(&mut self, place: Place, is_write: bool) -> Result<(), Problem> {
        let region = &mut self.regions[place.region];
        let range = place.offset..place.offset + place.bytes;
        let buffer = || region.name.clone();
        if is_write && region.access == Access::Read {
            return Err(Problem::ReadOnly { buffer: buffer(), offset: place.offset });
        }
        if is_write {
            region.written[range].fill(true);
        } else if let Some(unwritten) = region.written[range].iter().position(|&written| !written) {
            let offset = place.offset + unwritten;
            return Err(Problem::Uninitialised { buffer: buffer(), offset });
        }
        Ok(())
    }

    /// The record of accesses to the bytes; `None` for those that nobody can write.
    pub(crate) fn shadow(&mut self, place: Place) -> Option<&mut Shadow> {
        let region = &mut self.regions[place.region];
        (region.access != Access::Read).then_some(&mut region.shadow)
    }

    pub(crate) fn name(&self, place: Place) -> &str {
        &self.regions[place.region].name
    }
}

impl Region {
    fn address(&self) -> usize {
        self.storage.as_ptr().addr() + self.start
    }
}
