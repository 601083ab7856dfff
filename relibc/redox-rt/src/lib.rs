//! The run-time under the C library and under programs without one.
//!
//! What this crate promises:
//!
//! - Authority is a descriptor that the program holds. Nothing here finds an authority by a name
//!   that the program was not given, and nothing is opened behind the program's back.
//! - Every kernel error is returned. A function that cannot fail says why.
//! - What can be decided without a system call is decided in `rt-core`, where it is tested.
//! - It needs no heap; the few functions that hold variable amounts of memory map it themselves.
//!
//! The process is described by what its starter put on its stack (`cap_abi::auxv`). With a process
//! manager its descriptor is [`process::process_fd`]; without one (the first process, kernel tests)
//! the kernel's context descriptor [`tcb::Tcb::thread_fd`] is all there is.
#![no_std]

#[cfg(feature = "libredox-abi")]
pub mod abi;
pub mod context;
pub mod event;
pub mod exec;
pub mod exit;
pub mod fd;
pub mod fork;
pub mod fs;
pub mod futex;
#[cfg(feature = "heap")]
extern crate alloc;
#[cfg(feature = "heap")]
pub mod heap;
pub mod io;
pub mod memory;
pub mod namespace;
#[cfg(feature = "panic-handler")]
mod panic;
pub mod process;
pub mod roots;
pub mod signal;
pub mod spawn;
pub mod start;
pub mod sys;
pub mod tcb;
pub mod terminal;
pub mod thread;

pub use exit::exit;
pub use fd::Fd;
pub use syscall::error::{Error, Result};

/// The lowest and the first impossible address of user memory.
pub const USER: core::ops::Range<usize> = 0x1_0000..0x7fff_ffff_f000;
