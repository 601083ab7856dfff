//! The Cuprite microkernel.
//!
//! # What it promises
//!
//! - **It knows no names.** A scheme is an anonymous id; its root descriptor is the authority to reach
//!   it. A path is bytes that are handed to whoever made the descriptor it is resolved from.
//! - **Authority is a descriptor.** A call is checked where the number in its register becomes an entry
//!   of the caller's table ([`kernel::Kernel::entry`](descriptor)), and nowhere else. Rights only shrink;
//!   leases end.
//! - **It never waits.** The kernel is entered, changes its state, and leaves. A context that waits is a
//!   record of what it waits for.
//! - **No program ends it.** No value that a program controls is used before it is checked, and nothing
//!   here panics on one: indexing, unwrapping and unchecked arithmetic are denied.
//! - **What was taken is given back**, whoever dies first.
//!
//! # Where things are
//!
//! | folder | what |
//! |---|---|
//! | `arch/` | the machine: entry and exit, page-table registers, clocks, interrupts |
//! | `entry.rs` | where `arch/` calls in, and the CPU is given to a context |
//! | `memory/` | frames, the heap, address spaces; with the two above the only place with `unsafe` |
//! | `access/` | programs' memory, as the rest uses it |
//! | `chores.rs` | what is put off and done in parts |
//! | `context/` | threads: life, scheduling, signals |
//! | `descriptor/` | descriptor tables, descriptions, rights and leases |
//! | `scheme/` | what can be behind a descriptor; `scheme/user/` is the scheme protocol |
//! | `syscall/` | system calls |
//!
//! The decisions that need no machine are in the crate `kernel-core`, which is tested on the host.
#![no_std]
#![no_main]
#![warn(missing_docs)]
#![deny(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

extern crate alloc;

pub mod access;
#[allow(unsafe_code)]
pub mod arch;
pub mod chores;
pub mod context;
pub mod descriptor;
#[allow(unsafe_code)]
pub mod entry;
pub mod error;
pub mod first;
pub mod kernel;
#[allow(unsafe_code)]
pub mod memory;
pub mod scheme;
pub mod syscall;

/// Begins the kernel proper, on the boot CPU, with the machine-dependent layer set up.
pub fn start(info: &'static boot_info::BootInfo) -> ! {
    if let Err(failure) = first::begin(info) {
        arch::serial::print_in_panic(format_args!("kernel: cannot start: {failure}\n"));
        arch::debug_exit(arch::FAILED);
    }
    arch::enter_user()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    arch::serial::print_in_panic(format_args!("\nkernel: {info}\n"));
    arch::stop_after_panic()
}
