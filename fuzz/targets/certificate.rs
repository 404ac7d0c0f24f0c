//! The fuzz target of `lossc_fuzz::certificate`.
#![no_main]

mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lossc_fuzz::certificate::check(bytes);
});
