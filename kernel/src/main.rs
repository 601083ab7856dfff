//! The Cuprite microkernel.
#![no_std]
#![no_main]
#![warn(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

extern crate alloc;

pub mod arch;
#[cfg(feature = "arch-selftest")]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic
)]
mod selftest;
#[cfg(feature = "arch-selftest")]
use selftest::start;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    arch::serial::print_in_panic(format_args!("\nkernel: {info}\n"));
    arch::stop_after_panic()
}
