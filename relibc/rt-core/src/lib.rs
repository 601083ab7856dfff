//! The decisions of `redox-rt` without its system calls.
//!
//! What this crate promises: it does no input or output, allocates nothing, contains no unsafe code,
//! and never panics on what it is given, so that everything in it is tested on the host. Executables,
//! argument lists and command lines are untrusted here: a value is checked when it is parsed, and
//! what a parsed type hands out can be used without a further check.
//!
//! | module | decides |
//! |---|---|
//! | [`elf`] | whether an executable is acceptable, and what has to be mapped where |
//! | [`stack`] | the bytes of a new program's initial stack |
//! | [`tls`] | where thread-local storage and the thread control block go |
//! | [`signal`] | which signal is delivered next, how, and with which mask |
//! | [`path`] | what is asked of which descriptor for a path |
//! | [`program`] | which file is the program that a name means |
//! | [`root_cache`] | which scheme roots a process holds already |
//! | [`wait`] | how an end is written as a status word |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod elf;
pub mod path;
pub mod program;
pub mod root_cache;
pub mod signal;
pub mod stack;
pub mod tls;
pub mod wait;

/// The size of a page of memory on every machine this runs on, in bytes.
pub const PAGE_SIZE: usize = syscall::PAGE_SIZE;

/// `value` rounded down to a page boundary.
#[must_use]
pub const fn page_floor(value: usize) -> usize {
    value & !(PAGE_SIZE - 1)
}

/// `value` rounded up to a page boundary; `None` when that is beyond the address space.
#[must_use]
pub const fn page_ceil(value: usize) -> Option<usize> {
    match value.checked_add(PAGE_SIZE - 1) {
        Some(v) => Some(page_floor(v)),
        None => None,
    }
}
