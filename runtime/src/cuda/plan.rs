//! Plan of a call: the kernels that it launches, their grids and their parameters.
//!
//! A plan needs no driver. Whatever runs a loss's kernels, this crate's executor or a
//! simulator, therefore runs the same ones.

mod arrays;

pub use arrays::{Arrays, parameters, planes, workspace_bytes};

use crate::layout::Layout;
use crate::manifest::{Direction, Manifest};

/// Parameters before the pixel pointers, which all kernels take.
const COMMON: usize = 11;

/// Threads in a block.
pub const THREADS: u32 = 256;

/// Warps in a block.
const WARPS: usize = 8;

/// Steps in which a chunk's pixels are computed.
const STEPS: usize = 16;

/// Steps that a warp computes at the same time.
const UNROLLED_STEPS: usize = 2;

/// The threads that sum a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Team {
    /// A warp.
    Warp,
    /// A block: the chunks of a small image are then enough for a whole device.
    Block,
}

impl Team {
    /// Both teams.
    pub const ALL: [Self; 2] = [Self::Warp, Self::Block];

    /// Chunks of a plane that a block sums at the same time: a *tile*.
    const fn chunks_per_tile(self) -> usize {
        match self {
            Self::Warp => WARPS,
            Self::Block => 1,
        }
    }

    /// Steps of a tile that a warp computes.
    const fn steps_per_tile(self) -> usize {
        STEPS * self.chunks_per_tile() / WARPS
    }

    /// Tiles of a call's planes. No tile has chunks of two planes.
    fn tiles(self, layout: &Layout) -> usize {
        layout.planes() * layout.chunks_per_plane().div_ceil(self.chunks_per_tile())
    }
}

/// Kind of a kernel function of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// Writes the pixel outputs, adds up all reductions of the pass, and computes what follows
    /// from the totals.
    Pass(Team),
    /// Only computes what follows from the totals.
    Epilogue,
    /// Runs all passes of `forward_backward`, of which this is the first, on blocks that are on
    /// the device at the same time.
    Cooperative(Team),
}

impl Entry {
    /// The name of the function in the code, for pass `kernel`.
    pub fn function(self, kernel: usize) -> String {
        let stem = match self {
            Self::Pass(Team::Warp) => "kernel",
            Self::Pass(Team::Block) => "kernel_block",
            Self::Epilogue => "epilogue",
            Self::Cooperative(Team::Warp) => "cooperative",
            Self::Cooperative(Team::Block) => "cooperative_block",
        };
        format!("{stem}_{kernel}")
    }
}

/// All kernel functions that the code of a loss has.
pub fn entries(manifest: &Manifest) -> Vec<(usize, Entry)> {
    let teams = || teams(manifest);
    let of_pass =
        |kernel| teams().map(Entry::Pass).chain([Entry::Epilogue]).map(move |entry| (kernel, entry));
    let both = manifest.forward_backward.first().filter(|_| manifest.step_bytes.is_some());
    let both =
        both.into_iter().flat_map(|&kernel| teams().map(move |team| (kernel, Entry::Cooperative(team))));
    (0..manifest.kernels.len()).flat_map(of_pass).chain(both).collect()
}

fn teams(manifest: &Manifest) -> impl Iterator<Item = Team> {
    Team::ALL.into_iter().filter(|&team| team == Team::Warp || manifest.has_block_teams)
}

/// One launch of a kernel function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Index of its pass.
    pub kernel: usize,
    /// The function of that pass.
    pub entry: Entry,
    /// Blocks in the grid.
    pub blocks: usize,
    /// Capacity of a warp: the steps whose pixels stay resident from one pass to the next.
    pub capacity: usize,
    /// Bytes of shared memory that a block has for these.
    pub shared_bytes: usize,
}

impl Launch {
    /// The parameters that its function takes, out of all parameters of a call.
    pub fn parameters(self, all: &[u64]) -> Vec<u64> {
        match self.entry {
            Entry::Pass(_) => all.to_vec(),
            Entry::Epilogue => all[..COMMON].to_vec(),
            Entry::Cooperative(_) => all.iter().copied().chain([self.capacity as u64]).collect(),
        }
    }
}

/// Properties of a device that a plan depends on.
pub trait Device {
    /// The number of its multiprocessors.
    fn processors(&self) -> usize;

    /// The number of blocks of [`Entry::Cooperative`] that it holds at the same time if each
    /// has `shared_bytes` bytes of shared memory in addition to its own; 0 if it cannot launch
    /// such blocks.
    fn resident(&self, team: Team, shared_bytes: usize) -> usize;
}

/// Overrides of a plan, for comparison. A field that is `None` leaves the choice that is
/// expected to be fastest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaunchOverrides {
    /// The team that sums a chunk.
    pub team: Option<Team>,
    /// True if `forward_backward` is one launch.
    pub cooperative: Option<bool>,
}

/// The launches of a direction, one after the other.
pub fn launches(
    manifest: &Manifest,
    layout: &Layout,
    direction: Direction,
    device: &impl Device,
    overrides: LaunchOverrides,
) -> Vec<Launch> {
    let kernels = manifest.kernels_of(direction);
    let cooperative = match direction {
        Direction::ForwardBackward => cooperative(manifest, layout, device, overrides),
        Direction::Forward | Direction::Backward => None,
    };
    let team = team(manifest, layout, device, overrides);
    let pass = |&kernel: &usize| totals(layout, kernel, team).unwrap_or_else(|| epilogue(kernel));
    cooperative.map_or_else(|| kernels.iter().map(pass).collect(), |launch| vec![launch])
}

/// The launch of pass `kernel`: totals and what follows from them; `None` for a call without
/// pixels.
pub fn totals(layout: &Layout, kernel: usize, team: Team) -> Option<Launch> {
    let blocks = team.tiles(layout);
    let entry = Entry::Pass(team);
    (blocks > 0).then_some(Launch { kernel, entry, blocks, capacity: 0, shared_bytes: 0 })
}

/// The launch that computes what follows from the totals of pass `kernel`, for totals that did
/// not come from a launch of that pass alone.
pub fn epilogue(kernel: usize) -> Launch {
    Launch { kernel, entry: Entry::Epilogue, blocks: 1, capacity: 0, shared_bytes: 0 }
}

/// The team that sums chunks: blocks, if warps would have fewer than two tiles per
/// multiprocessor, too few to keep it busy. (The number is a guess: it was not measured.)
pub fn team(manifest: &Manifest, layout: &Layout, device: &impl Device, overrides: LaunchOverrides) -> Team {
    let is_small = Team::Warp.tiles(layout) < 2 * device.processors();
    let team = overrides.team.unwrap_or(if is_small { Team::Block } else { Team::Warp });
    if manifest.has_block_teams { team } else { Team::Warp }
}

/// The bytes of shared memory, at most `most`, that a plan may ask for.
pub fn possible_bytes(manifest: &Manifest, most: usize) -> Vec<usize> {
    match manifest.step_bytes {
        None => vec![],
        Some(0) => vec![0],
        Some(step) => capacities()
            .map(|capacity| shared_bytes(step, capacity))
            .take_while(|&bytes| bytes <= most)
            .collect(),
    }
}

/// The capacities that a warp may have, in steps.
fn capacities() -> impl Iterator<Item = usize> {
    (0..).step_by(UNROLLED_STEPS)
}

/// The bytes of shared memory that a block takes for this capacity. Each warp also has a slot
/// for the steps that are not resident.
fn shared_bytes(step_bytes: usize, capacity: usize) -> usize {
    (capacity + 1) * WARPS * step_bytes
}

/// Reciprocal of the least share of pixels that must be resident for one launch to be worth it.
/// (A guess, as above.)
const LEAST_RESIDENT: usize = 3;

/// All of `forward_backward` in one cooperative launch, if the code and the device can do it
/// and enough pixels are resident.
fn cooperative(
    manifest: &Manifest,
    layout: &Layout,
    device: &impl Device,
    overrides: LaunchOverrides,
) -> Option<Launch> {
    let (step_bytes, &kernel) = (manifest.step_bytes?, manifest.forward_backward.first()?);
    let team = team(manifest, layout, device, overrides);
    let tiles = team.tiles(layout);
    let blocks = device.resident(team, shared_bytes(step_bytes, 0)).min(tiles);
    if blocks == 0 {
        return None;
    }
    let wanted = tiles.div_ceil(blocks) * team.steps_per_tile();
    // More capacity for each block must not mean fewer blocks.
    let fits = |capacity: &usize| device.resident(team, shared_bytes(step_bytes, *capacity)) >= blocks;
    let capacity =
        capacities().take_while(|capacity| *capacity <= wanted && fits(capacity)).last().unwrap_or(0);
    let shared_bytes = shared_bytes(step_bytes, capacity);
    let (kept, steps) = (blocks * capacity, tiles * team.steps_per_tile());
    let is_worthwhile = overrides.cooperative.unwrap_or(kept * LEAST_RESIDENT >= steps);
    let launch = Launch { kernel, entry: Entry::Cooperative(team), blocks, capacity, shared_bytes };
    is_worthwhile.then_some(launch)
}

#[cfg(test)]
mod tests;
