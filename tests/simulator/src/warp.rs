//! What the threads of a warp exchange.

/// Threads of a warp.
pub(crate) const WARP: usize = 32;

/// Whose value a thread gets from `shfl.sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The thread's number with some bits flipped.
    Butterfly,
    /// A higher number.
    Down,
    /// A lower number.
    Up,
    /// This number.
    Index,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] = [Self::Butterfly, Self::Down, Self::Up, Self::Index];
}

/// What one thread brings to a warp operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// `shfl.sync`
    Shuffle { mode: Mode, value: u32, offset: u32, clamp: u32 },
    /// `vote.sync.ballot`
    Ballot(bool),
    /// `bar.warp.sync`
    Barrier,
}

/// What each thread gets, of the threads that take part.
pub(crate) fn exchange(brought: &[Option<Exchange>; WARP]) -> [u32; WARP] {
    let ballot = (0..WARP).filter(|&lane| brought[lane] == Some(Exchange::Ballot(true)));
    let ballot = ballot.fold(0, |bits, lane| bits | 1 << lane);
    std::array::from_fn(|lane| match brought[lane] {
        Some(Exchange::Shuffle { mode, offset, clamp, .. }) => {
            match brought[source(mode, lane, offset, clamp)] {
                Some(Exchange::Shuffle { value, .. }) => value,
                // Undefined: the thread takes no part. A NaN shows.
                _ => u32::MAX,
            }
        }
        Some(Exchange::Ballot(_)) => ballot,
        Some(Exchange::Barrier) | None => 0,
    })
}

/// The lane whose value `lane` gets, by the pseudo-code of `shfl.sync` in
/// NVIDIA's PTX manual.
fn source(mode: Mode, lane: usize, offset: u32, clamp: u32) -> usize {
    let (offset, clamp, segment) =
        ((offset & 31) as usize, (clamp & 31) as usize, (clamp >> 8 & 31) as usize);
    let (least, most) = (lane & segment, lane & segment | clamp & !segment);
    let (source, is_in_range) = match mode {
        Mode::Up => (lane.wrapping_sub(offset), lane as i64 - offset as i64 >= most as i64),
        Mode::Down => (lane + offset, lane + offset <= most),
        Mode::Butterfly => (lane ^ offset, lane ^ offset <= most),
        Mode::Index => (least | offset & !segment, least | offset & !segment <= most),
    };
    if is_in_range { source } else { lane }
}
