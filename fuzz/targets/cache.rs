//! The fuzz target of `lossc_fuzz::cache`.
#![no_main]

mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lossc_fuzz::cache::check(bytes);
});
