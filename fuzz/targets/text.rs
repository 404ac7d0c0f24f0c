//! The fuzz target of `lossc_fuzz::text`, with changes of its own.
#![no_main]

mod driver;
mod mutate;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| {
    lossc_fuzz::text::check_one_way(bytes);
});

// Hardly any text with random bytes changed is a loss, so in three of four turns whole words and
// lines are changed.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(4) {
        return fuzzer_mutate(data, size, max_size);
    }
    let Ok(text) = std::str::from_utf8(&data[..size]) else { return fuzzer_mutate(data, size, max_size) };
    let changed = mutate::mutate(text, seed / 4);
    let length = changed.len().min(max_size);
    data[..length].copy_from_slice(&changed.as_bytes()[..length]);
    length
});
