//! What an early kernel has to calculate before it can run anything: which memory is free, how to
//! turn ticks into nanoseconds, and what the firmware's ACPI tables say.
//!
//! No module here touches the machine or allocates; bytes and numbers come in, numbers go out.
//! All input that a firmware or loader wrote is taken as an allegation: a field outside its table
//! is an absent field.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

#[cfg(test)]
extern crate std;

pub mod acpi;
pub mod clock;
pub mod memmap;
