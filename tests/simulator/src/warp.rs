//! What the threads of a warp exchange.

/// Threads of a warp.
pub(crate) const WARP: usize = 32;

/// What one thread brings to `shfl.sync.bfly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shuffle {
    pub(crate) value: u32,
    /// The bits of the thread's number that are flipped in the one whose value it gets.
    pub(crate) distance: u32,
    /// The highest such number, and above its low eight bits which bits of it stay.
    pub(crate) clamp: u32,
}

/// What each thread gets, of the threads that take part.
pub(crate) fn exchange(brought: &[Option<Shuffle>; WARP]) -> [u32; WARP] {
    let value = |lane: usize| {
        let shuffle = brought[lane]?;
        // Undefined where the other thread takes no part. A NaN shows.
        Some(brought[source(lane, &shuffle)].map_or(u32::MAX, |other| other.value))
    };
    std::array::from_fn(|lane| value(lane).unwrap_or(0))
}

/// The lane whose value `lane` gets, by the pseudo-code of `shfl.sync` in
/// NVIDIA's PTX manual.
fn source(lane: usize, shuffle: &Shuffle) -> usize {
    let [distance, clamp, segment] =
        [shuffle.distance, shuffle.clamp, shuffle.clamp >> 8].map(|bits| (bits & 31) as usize);
    let most = lane & segment | clamp & !segment;
    let source = lane ^ distance;
    if source <= most { source } else { lane }
}
