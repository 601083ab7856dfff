//! The `redox_*_vN` functions of libredox 0.1.25 and 0.2.0, so that programs and daemons built on it
//! (and on `redox-scheme`) link without the C library.
//!
//! Each answers its result, or an error number negated. Pointers come from the caller's `libredox`,
//! which made them from references and slices; that is what "the caller's contract" means below.
//! Structures have the layout of the `libc` crate for this target.

mod file;
mod process;
mod signal;

use syscall::error::{Error, Result};

/// What every function answers.
type Raw = usize;

fn mux(result: Result<usize>) -> Raw {
    match result {
        Ok(value) => value,
        Err(e) => (e.errno as usize).wrapping_neg(),
    }
}

fn mux_unit(result: Result<()>) -> Raw {
    mux(result.map(|()| 0))
}

/// # Safety
/// The caller's contract: readable for `len` bytes, or empty.
unsafe fn bytes<'a>(base: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller answers for it.
    unsafe { core::slice::from_raw_parts(base, len) }
}

/// # Safety
/// The caller's contract: writable for `len` bytes, or empty.
unsafe fn bytes_mut<'a>(base: *mut u8, len: usize) -> &'a mut [u8] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: the caller answers for it.
    unsafe { core::slice::from_raw_parts_mut(base, len) }
}

const fn err<T>(errno: i32) -> Result<T> {
    Err(Error::new(errno))
}
