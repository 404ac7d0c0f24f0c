//! The fuzz target of `lossc_fuzz::bundle`.
#![no_main]

mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lossc_fuzz::bundle::check(bytes);
});
