//! The start of a fuzz target. libFuzzer has a `main` of its own, but so does one of LLVM's
//! libraries, and a linker takes whichever it meets first.

use std::ffi::{c_char, c_int};

type Check = unsafe extern "C" fn(bytes: *const u8, length: usize) -> c_int;

unsafe extern "C" {
    fn LLVMFuzzerRunDriver(count: *mut c_int, arguments: *mut *mut *mut c_char, check: Check) -> c_int;

    /// The function that `fuzz_target!` defines.
    fn LLVMFuzzerTestOneInput(bytes: *const u8, length: usize) -> c_int;
}

/// # Safety
/// To be called by the system, with the arguments of the process.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(mut count: c_int, mut arguments: *mut *mut c_char) -> c_int {
    // SAFETY: the driver takes the arguments of `main`.
    unsafe { LLVMFuzzerRunDriver(&raw mut count, &raw mut arguments, LLVMFuzzerTestOneInput) }
}
