//! `loss.uniform`: Philox4x32-10 on vectors and threads.
//!
//! J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: "Parallel random numbers:
//! as easy as 1, 2, 3", SC 2011. The pixel with linear index e uses word `e & 3`
//! of the block with counter (e>>2, stream) under the key (seed), which is
//! `tl.rand4x(seed, e >> 2)[e & 3]` of Triton bit for bit.

use lossc_faults::{Fault, is_seeded};

use super::emit::{Emitter, I32, I64, Scalar, Value, ValueType};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u64; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: u64 = 10;

/// Triton's scale from 31 bits to the unit interval: just under 2⁻³¹, so that the
/// largest number stays below 1.
const UNIFORM_SCALE: f32 = 4.656_612_7e-10;

/// The number of words of a block; four pixels share it.
pub(super) const WORDS: usize = 4;

/// The values that all blocks of a call share.
pub(super) struct Philox {
    /// The type that holds words: 32 bits per thread, or 64-bit lanes of which only the low 32
    /// bits are significant, since processors multiply 32 by 32 bits in 64-bit lanes.
    word: ValueType,
    stream: [Value; 2],
    keys: Vec<[Value; 2]>,
}

impl Philox {
    /// The values for vectors of `lanes` pixels; one vector of counters yields two of pixels.
    pub(super) fn for_vectors(emitter: &mut Emitter, seed: Value, stream: Value, lanes: usize) -> Self {
        Self::new(emitter, seed, stream, I64.times(2 * lanes / WORDS))
    }

    /// The values for threads of four pixels.
    pub(super) fn for_thread(emitter: &mut Emitter, seed: Value, stream: Value) -> Self {
        Self::new(emitter, seed, stream, I32)
    }

    fn new(emitter: &mut Emitter, seed: Value, stream: Value, word: ValueType) -> Self {
        emitter.comment("Philox: the key of each round");
        let seed = halves(emitter, seed);
        let stream = halves(emitter, stream).map(|half| to_word(emitter, half, word));
        let keys =
            (0..ROUNDS).map(|round| round_keys(emitter, seed, round).map(|key| to_word(emitter, key, word)));
        let keys = keys.collect();
        Self { word, stream, keys }
    }

    /// The numbers of `4 * lanes` pixels, in four vectors; the first pixel is the first one of
    /// Philox block `block`. Two halves are computed alternately, round by round, so that one is
    /// computed while the other waits for its products.
    pub(super) fn vectors(&self, emitter: &mut Emitter, block: Value) -> [Value; 4] {
        let counters = self.word.lanes;
        // In lane order 0, n/2, 1, n/2 + 1, …, so that joining words 0 and 1 with words 2 and 3
        // stays within 128 bits, where processors shuffle cheaply.
        let deal: Vec<_> = (0..counters).map(|lane| lane / 2 + lane % 2 * (counters / 2)).collect();
        let deal = emitter.constant(self.word, &format!("{deal:?}"));
        let half = emitter.index(counters);
        let next = emitter.add(block, half);
        let numbers = [block, next].map(|first| {
            let first = emitter.splat(first, counters);
            emitter.add(first, deal)
        });
        let [[a, b], [c, d]] = self.blocks(emitter, numbers).map(|words| self.in_order(emitter, words));
        [a, b, c, d]
    }

    /// The numbers in the order of the pixels, from the words of blocks that `vectors` has dealt
    /// to lanes.
    fn in_order(&self, emitter: &mut Emitter, [a, b, c, d]: [Value; WORDS]) -> [Value; 2] {
        let counters = self.word.lanes;
        let (lower, upper) = (self.join(emitter, a, b), self.join(emitter, c, d));
        [0, 1].map(|half| {
            let lanes: Vec<_> = (0..counters).map(|lane| lane / 2 * 2 + half + lane % 2 * counters).collect();
            let words = emitter.shuffle(lower, upper, &lanes);
            let words = emitter.vector_bitcast(words, I32.times(2 * counters));
            to_uniform(emitter, words)
        })
    }

    /// The numbers of the four pixels of block `block`.
    pub(super) fn thread(&self, emitter: &mut Emitter, block: Value) -> Value {
        let [[a, b, c, d]] = self.blocks(emitter, [block]);
        let ty = I32.times(WORDS);
        let words = emitter.pure("words", ty, format!("vector.from_elements {a}, {b}, {c}, {d} : {ty}"));
        to_uniform(emitter, words)
    }

    /// The words of the blocks with these 64-bit numbers.
    fn blocks<const N: usize>(&self, emitter: &mut Emitter, numbers: [Value; N]) -> [[Value; WORDS]; N] {
        let counters = numbers.map(|number| {
            let half = emitter.integer(number.ty, 32);
            let high = emitter.apply("arith.shrui", &[number, half]);
            let [low, high] = [number, high].map(|half| self.low_bits(emitter, half));
            let [stream_low, stream_high] = self.stream;
            [low, high, stream_low, stream_high]
        });
        let round = |counters: [[Value; WORDS]; N], &key: &[Value; 2]| {
            counters.map(|counter| self.round(emitter, counter, key))
        };
        self.keys.iter().fold(counters, round)
    }

    fn round(&self, emitter: &mut Emitter, [a, b, c, d]: [Value; WORDS], key: [Value; 2]) -> [Value; WORDS] {
        let [high_a, low_a] = self.multiply(emitter, a, MULTIPLIERS[0]);
        let [high_c, low_c] = self.multiply(emitter, c, MULTIPLIERS[1]);
        let mut mix = |high, word, key| {
            let mixed = emitter.apply("arith.xori", &[high, word]);
            emitter.apply("arith.xori", &[mixed, key])
        };
        [mix(high_c, b, key[0]), low_c, mix(high_a, d, key[1]), low_a]
    }

    /// The high and the low 32 bits of a word's product.
    fn multiply(&self, emitter: &mut Emitter, word: Value, multiplier: u32) -> [Value; 2] {
        let wide = self.word.with(Scalar::Int(64));
        let word = if self.word == wide {
            // With a visible mask LLVM makes this a single `vpmuludq`.
            let mask = emitter.integer(wide, i64::from(u32::MAX));
            emitter.apply("arith.andi", &[word, mask])
        } else {
            emitter.convert("arith.extui", word, wide.scalar)
        };
        let multiplier = emitter.integer(wide, i64::from(multiplier));
        let product = emitter.mul(word, multiplier);
        let half = emitter.integer(wide, 32);
        let high = emitter.apply("arith.shrui", &[product, half]);
        [high, product].map(|half| self.low_bits(emitter, half))
    }

    /// The low 32 bits of 64-bit integers as a word.
    fn low_bits(&self, emitter: &mut Emitter, value: Value) -> Value {
        emitter.convert("arith.trunci", value, self.word.scalar)
    }

    /// Two words in a 64-bit lane, `low` in the low half. It is not a shift because LLVM would
    /// move it into the product, which would then not be a `vpmuludq`.
    fn join(&self, emitter: &mut Emitter, low: Value, high: Value) -> Value {
        let halves = 2 * self.word.lanes;
        let [low, high] = [low, high].map(|word| emitter.vector_bitcast(word, I32.times(halves)));
        let lanes: Vec<_> =
            (0..halves).map(|half| if half % 2 == 0 { half } else { halves + half - 1 }).collect();
        let joined = emitter.shuffle(low, high, &lanes);
        emitter.vector_bitcast(joined, self.word)
    }
}

/// The low and the high half of a 64-bit integer, with arbitrary bits above. The shift copies
/// the sign so that LLVM never proves a word's upper half to be 0: it would drop the mask before
/// a product, which would then not be a `vpmuludq`.
fn halves(emitter: &mut Emitter, value: Value) -> [Value; 2] {
    let half = emitter.index(32);
    [value, emitter.apply("arith.shrsi", &[value, half])]
}

fn round_keys(emitter: &mut Emitter, seed: [Value; 2], round: u64) -> [Value; 2] {
    [0, 1].map(|half| {
        let bumps = if half == 1 && is_seeded(Fault::KeysStayAsTheyAre) { 0 } else { round };
        let bump = emitter.integer(I64, (WEYL[half] * bumps).cast_signed());
        emitter.add(seed[half], bump)
    })
}

fn to_word(emitter: &mut Emitter, value: Value, word: ValueType) -> Value {
    let value = emitter.convert("arith.trunci", value, word.scalar);
    emitter.splat(value, word.lanes)
}

/// Random words as numbers in [0, 1).
fn to_uniform(emitter: &mut Emitter, words: Value) -> Value {
    let last = emitter.integer(words.ty, 31);
    let sign = emitter.apply("arith.shrsi", &[words, last]);
    // ~x for negative x, else x.
    let size = emitter.apply("arith.xori", &[words, sign]);
    let size = emitter.convert("arith.sitofp", size, Scalar::F32);
    let scale = emitter.float(size.ty, UNIFORM_SCALE);
    emitter.apply("arith.mulf", &[size, scale])
}
