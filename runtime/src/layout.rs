//! The partition of a tensor into planes, groups and chunks.
//!
//! This is part of the numeric contract: every sum has a fixed shape that depends on the
//! tensor's shape alone, never on threads, vector width or grid. The same call therefore has
//! the same bits on every machine.
//!
//! - A *plane* is one image-and-channel plane of `plane_length` = H·W pixels;
//!   pixel `position` of plane `plane` has linear index `plane·plane_length + position`.
//! - A plane belongs to one *group*, chosen by [`Balance`]; a reduction returns one value per
//!   group.
//! - A plane starts `phase(plane)` = (plane·plane_length) mod 4 positions after a
//!   multiple of four. The *padded position* q = position + phase(plane) makes
//!   blocks of four consecutive random words, and 16-byte vectors, line up.
//! - A plane's padded positions are cut into chunks of [`CHUNK`]. Within a chunk the pixel at q
//!   goes to accumulator q mod [`CHUNK_ACCUMULATORS`]. Each accumulator adds in order of q,
//!   starting from +0. The accumulators are then added as a tree: adjacent pairs twice
//!   (128 → 64 → 32), then halves (16, 8, 4, 2, 1).
//! - The partials of a plane are added in f64 over [`PLANE_ACCUMULATORS`]
//!   accumulators (chunk c goes to accumulator c mod 256, in order of c), then
//!   a tree by halves (128, 64, …, 1). Planes of a group are added in ascending
//!   order in f64.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Padded positions in a chunk.
pub const CHUNK: usize = 2048;

/// Number of accumulators over which a chunk is summed.
pub const CHUNK_ACCUMULATORS: usize = 128;

/// Number of accumulators over which the partials of a plane are summed.
pub const PLANE_ACCUMULATORS: usize = 256;

/// Choice of the pixels that share a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// Each sample and channel plane on its own.
    #[default]
    Image,
    /// All channels of a sample together.
    Sample,
    /// All samples of a channel together.
    Channel,
    /// The whole tensor together.
    Batch,
}

impl Balance {
    /// Every choice, in declaration order.
    pub const ALL: [Self; 4] = [Self::Image, Self::Sample, Self::Channel, Self::Batch];

    /// The name used in text: `image`, `sample`, `channel`, `batch`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Sample => "sample",
            Self::Channel => "channel",
            Self::Batch => "batch",
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Balance {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        Self::ALL
            .into_iter()
            .find(|balance| balance.name() == text)
            .ok_or_else(|| LayoutError::UnknownBalance(text.to_owned()))
    }
}

/// Reason why a shape has no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Not 2, 3 or 4 dimensions.
    #[error("shape {0:?} is none of (H, W), (C, H, W) and (N, C, H, W)")]
    Dimensions(Vec<usize>),
    /// The number of pixels or groups overflows.
    #[error("shape {0:?} has too many pixels to index")]
    TooLarge(Vec<usize>),
    /// No balance has this name.
    #[error("unknown balance `{0}`: expected image, sample, channel or batch")]
    UnknownBalance(String),
}

/// A shape cut into planes, groups and chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    shape: Vec<usize>,
    balance: Balance,
    planes: usize,
    plane_length: usize,
    groups: usize,
    chunks_per_plane: usize,
    plane_group: Vec<i64>,
}

impl Default for Layout {
    /// The layout of an image without pixels.
    fn default() -> Self {
        Self::new(&[0, 0], Balance::default()).expect("an image has a layout")
    }
}

impl Layout {
    /// The layout of a tensor of `shape`.
    ///
    /// # Errors
    /// If the shape does not have 2, 3 or 4 dimensions, or overflows.
    pub fn new(shape: &[usize], balance: Balance) -> Result<Self, LayoutError> {
        let [samples, channels, height, width] = match *shape {
            [height, width] => [1, 1, height, width],
            [channels, height, width] => [1, channels, height, width],
            [samples, channels, height, width] => [samples, channels, height, width],
            _ => return Err(LayoutError::Dimensions(shape.to_vec())),
        };
        let too_large = || LayoutError::TooLarge(shape.to_vec());
        let planes = samples.checked_mul(channels).ok_or_else(too_large)?;
        let plane_length = height.checked_mul(width).ok_or_else(too_large)?;
        check_indexable(planes, plane_length).ok_or_else(too_large)?;
        Ok(Self {
            shape: shape.to_vec(),
            balance,
            planes,
            plane_length,
            groups: group_count(balance, samples, channels),
            chunks_per_plane: chunk_count(planes, plane_length),
            plane_group: (0..planes).map(|plane| group_of(balance, plane, channels)).collect(),
        })
    }

    /// The shape that this layout was made from.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The balance that this layout was made with.
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// The number of image-and-channel planes.
    pub fn planes(&self) -> usize {
        self.planes
    }

    /// Pixels in a plane.
    pub fn plane_length(&self) -> usize {
        self.plane_length
    }

    /// The number of groups; a reduction returns one value for each.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Chunks that each plane is cut into; 0 if planes have no pixels.
    pub fn chunks_per_plane(&self) -> usize {
        self.chunks_per_plane
    }

    /// Chunks in all. The number cannot overflow: there are no more chunks than pixels.
    pub fn chunks(&self) -> usize {
        self.planes * self.chunks_per_plane
    }

    /// Pixels in all.
    pub fn pixels(&self) -> usize {
        self.planes * self.plane_length
    }

    /// The group of each plane, as kernels read it.
    pub fn plane_group(&self) -> &[i64] {
        &self.plane_group
    }

    /// Positions from the last multiple of four to the start of `plane`.
    pub fn phase(&self, plane: usize) -> usize {
        plane.wrapping_mul(self.plane_length) & 3
    }
}

/// Returns the number of pixels, if it can be indexed. Kernels index in i64 and the runtime in
/// usize; an eighth of the range leaves room for padding and for 8-byte elements.
fn check_indexable(planes: usize, plane_length: usize) -> Option<usize> {
    let pixels = planes.checked_mul(plane_length)?;
    let limit = isize::MAX as usize / 8;
    [pixels, planes, plane_length].into_iter().all(|count| count <= limit).then_some(pixels)
}

fn group_count(balance: Balance, samples: usize, channels: usize) -> usize {
    match balance {
        Balance::Image => samples * channels,
        Balance::Sample => samples,
        Balance::Channel => channels,
        Balance::Batch => 1,
    }
}

fn group_of(balance: Balance, plane: usize, channels: usize) -> i64 {
    let group = match balance {
        Balance::Image => plane,
        Balance::Sample => plane / channels,
        Balance::Channel => plane % channels,
        Balance::Batch => 0,
    };
    group as i64
}

fn chunk_count(planes: usize, plane_length: usize) -> usize {
    if plane_length == 0 {
        return 0;
    }
    let aligned = plane_length.is_multiple_of(4) || planes <= 1;
    let largest_phase = if aligned { 0 } else { 3 };
    (plane_length + largest_phase).div_ceil(CHUNK)
}

#[cfg(test)]
mod tests;
