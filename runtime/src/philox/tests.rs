use proptest::prelude::*;
use rand_core::Rng;

use super::*;

#[test]
fn known_answers_of_random123() {
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    let cases = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ];
    for (counter, key, expected) in cases {
        assert_eq!(philox4x32_10(counter, key), expected);
    }
}

#[test]
fn draws_of_triton_for_seed_42() {
    assert_eq!(block(42, 0, 0), [0x9cea_f053, 0x77f5_493b, 0x12bf_50ad, 0x5742_b3d7]);
    let draws: Vec<f32> = (0..4).map(|index| uniform(42, 0, index)).collect();
    assert_eq!(draws, [0.774_080_16, 0.937_172_95, 0.146_463_45, 0.681_723_06]);
}

#[test]
fn draws_stay_below_one() {
    for word in [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        assert!((0.0..1.0).contains(&word_to_uniform(word)), "{word:#x}");
    }
    assert_eq!(UNIFORM_SCALE.to_bits(), 4.656_612_734_2e-10_f64.to_bits_as_f32());
}

trait RoundToF32 {
    fn to_bits_as_f32(self) -> u32;
}

impl RoundToF32 for f64 {
    fn to_bits_as_f32(self) -> u32 {
        (self as f32).to_bits()
    }
}

proptest! {
    #[test]
    fn the_generator_draws_what_pixels_draw(seed: u64, stream: u64, start in 0u64..1 << 40) {
        let mut generator = Philox::new(seed, stream);
        generator.seek_pixel(start);
        for index in start..start + 11 {
            prop_assert_eq!(generator.next_uniform().to_bits(), uniform(seed, stream, index).to_bits());
        }
        generator.seek_block(start >> 2);
        prop_assert_eq!(generator.next_u32(), block(seed, stream, start >> 2)[0]);
    }

    #[test]
    fn bytes_and_words_agree(seed: u64) {
        let mut bytes = [0; 40];
        Philox::seed_from_u64(seed).fill_bytes(&mut bytes);
        let mut words = Philox::from_seed(seed.to_le_bytes());
        for word in bytes.chunks_exact(8) {
            let expected = words.next_u64();
            prop_assert_eq!(word, expected.to_le_bytes());
        }
    }

    #[test]
    fn seed_and_stream_each_change_the_block(seed: u64, stream: u64, bit in 0u32..64, index: u64) {
        let words = block(seed, stream, index);
        prop_assert_ne!(words, block(seed ^ (1 << bit), stream, index));
        prop_assert_ne!(words, block(seed, stream ^ (1 << bit), index));
        prop_assert_ne!(words, block(seed, stream, index ^ (1 << bit)));
    }
}
