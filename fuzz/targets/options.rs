//! The fuzz target of `lossc_fuzz::options`.
#![no_main]

mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lossc_fuzz::options::check(bytes);
});
