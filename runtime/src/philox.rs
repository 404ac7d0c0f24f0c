//! Philox4x32-10, the counter-based generator of every random draw.
//!
//! J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: "Parallel random numbers: as easy as 1,
//! 2, 3", SC 2011. A draw is a function of seed, stream and pixel index alone: any thread
//! computes any pixel's draw, and a backward pass recomputes the forward pass's draws instead
//! of saving them.
//!
//! The pixel with linear index e uses word `e & 3` of the block with counter
//! (e>>2 low, e>>2 high, stream low, stream high) under the key
//! (seed low, seed high). With stream 0 that is Triton's
//! `tl.rand4x(seed, e >> 2)[e & 3]`, bit for bit.

use std::convert::Infallible;

use rand_core::block::{BlockRng, Generator};
use rand_core::{SeedableRng, TryRng};

const MULTIPLIER_0: u32 = 0xD251_1F53;
const MULTIPLIER_1: u32 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;
const ROUNDS: usize = 10;

/// Triton's scale from 31 bits to the unit interval: just under 2⁻³¹, so that
/// the largest draw stays below 1.
pub const UNIFORM_SCALE: f32 = 4.656_612_7e-10;

/// Philox4x32-10: four random words for a counter and a key.
pub const fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let mut round = 0;
    while round < ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
        }
        counter = mix(counter, key);
        round += 1;
    }
    counter
}

const fn mix(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let product_0 = MULTIPLIER_0 as u64 * counter[0] as u64;
    let product_1 = MULTIPLIER_1 as u64 * counter[2] as u64;
    [
        (product_1 >> 32) as u32 ^ counter[1] ^ key[0],
        product_1 as u32,
        (product_0 >> 32) as u32 ^ counter[3] ^ key[1],
        product_0 as u32,
    ]
}

/// The four words of block `block`: those of pixels `4·block` to `4·block + 3`.
pub const fn block(seed: u64, stream: u64, block: u64) -> [u32; 4] {
    let [block_low, block_high] = halves(block);
    let [stream_low, stream_high] = halves(stream);
    philox4x32_10([block_low, block_high, stream_low, stream_high], halves(seed))
}

const fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// A random word as a number in [0, 1).
pub const fn word_to_uniform(word: u32) -> f32 {
    let signed = word as i32;
    let folded = if signed < 0 { !signed } else { signed };
    folded as f32 * UNIFORM_SCALE
}

/// The draw of the pixel with linear index `index`, in [0, 1).
pub const fn uniform(seed: u64, stream: u64, index: u64) -> f32 {
    word_to_uniform(block(seed, stream, index >> 2)[(index & 3) as usize])
}

/// A sequential generator of the same words: its n-th `u32` is pixel n's word.
#[derive(Clone, Debug)]
pub struct Philox {
    inner: BlockRng<Blocks>,
}

#[derive(Clone, Debug)]
struct Blocks {
    seed: u64,
    stream: u64,
    next: u64,
}

impl Generator for Blocks {
    type Output = [u32; 4];

    fn generate(&mut self, output: &mut [u32; 4]) {
        *output = block(self.seed, self.stream, self.next);
        self.next = self.next.wrapping_add(1);
    }
}

impl Philox {
    /// A generator at the start of `stream` under `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        let next = 0;
        Self { inner: BlockRng::new(Blocks { seed, stream, next }) }
    }

    /// Moves to the first word of block `block`: pixel `4·block`.
    pub fn seek_block(&mut self, block: u64) {
        self.inner.core.next = block;
        self.inner.reset_and_skip(0);
    }

    /// Moves to the word of pixel `index`.
    pub fn seek_pixel(&mut self, index: u64) {
        self.inner.core.next = index >> 2;
        self.inner.reset_and_skip((index & 3) as usize);
    }

    /// The next draw in [0, 1), as a kernel computes it.
    pub fn next_uniform(&mut self) -> f32 {
        word_to_uniform(self.inner.next_word())
    }
}

impl TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.inner.next_word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.inner.next_u64_from_u32())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.inner.fill_bytes(bytes);
        Ok(())
    }
}

impl SeedableRng for Philox {
    type Seed = [u8; 8];

    /// The seed's bytes, little-endian, as the key; stream 0.
    fn from_seed(seed: [u8; 8]) -> Self {
        Self::new(u64::from_le_bytes(seed), 0)
    }

    /// `state` itself is the key: `seed_from_u64(42)` draws the numbers of a kernel with seed
    /// 42.
    fn seed_from_u64(state: u64) -> Self {
        Self::new(state, 0)
    }
}

#[cfg(test)]
mod tests;
