//! Exchange of values between the threads of a warp.

/// Threads of a warp.
pub(crate) const WARP: usize = 32;

/// Arguments of one thread to `shfl.sync.bfly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shuffle {
    pub(crate) value: u32,
    /// The bits of the thread's number that are flipped in the number of its partner.
    pub(crate) distance: u32,
    /// The highest partner's number; above its low eight bits, the bits of it that stay.
    pub(crate) clamp: u32,
}

/// Returns the value that each participating thread receives.
pub(crate) fn exchange(brought: &[Option<Shuffle>; WARP]) -> [u32; WARP] {
    let value = |lane: usize| {
        let shuffle = brought[lane]?;
        // Undefined if the partner does not participate. A NaN shows.
        Some(brought[source(lane, &shuffle)].map_or(u32::MAX, |other| other.value))
    };
    std::array::from_fn(|lane| value(lane).unwrap_or(0))
}

/// The lane whose value `lane` receives, by the pseudo-code of `shfl.sync` in NVIDIA's PTX manual.
fn source(lane: usize, shuffle: &Shuffle) -> usize {
    let [distance, clamp, segment] =
        [shuffle.distance, shuffle.clamp, shuffle.clamp >> 8].map(|bits| (bits & 31) as usize);
    let most = lane & segment | clamp & !segment;
    let source = lane ^ distance;
    if source <= most { source } else { lane }
}
