//! What Cuprite adds to the Redox ABI.
//!
//! Every item is additive: an unmodified program or scheme daemon neither sees nor needs any of it.
//! The base ABI (numbers, flags, structures, the scheme protocol) is `redox_syscall` 0.9.5 and is
//! not repeated here.
#![no_std]
#![forbid(unsafe_code)]

pub mod auxv;
pub mod fcntl;
pub mod memory;
pub mod proc;
pub mod process;
pub mod resolve;
pub mod rights;
pub mod scheme;
pub mod session;

pub use rights::Rights;

/// As an output descriptor number: the lowest free number of the POSIX (lower) table.
pub const FD_ANY: usize = usize::MAX;
/// As an output descriptor number: any free number of the private (upper) table. The answer
/// carries `UPPER_FDTBL_TAG`.
pub const FD_ANY_UPPER: usize = usize::MAX - 1;
