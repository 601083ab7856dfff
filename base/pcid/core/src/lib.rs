//! The PCI bus without its I/O.
//!
//! The scheme `pci`: its root lists `functions` and every function (`BB-DD.F`: bus, device, function). What
//! is opened as a function is everything that its driver gets, and held by one driver at a time:
//!
//! | opened through a function | is |
//! |---|---|
//! | `barN` | a window on the addresses of that register, to be mapped |
//! | `irq` | its interrupt |
//! | `dma/SIZE` | a block of memory that it may write to (hexadecimal, whole pages) |
//!
//! Reading a function gives its configuration space. Nothing of it can be written by a driver: which
//! addresses it answers to, and what its interrupts write where, is decided here.
//!
//! When a function's last descriptor is gone, the device is stopped before anything of it is given
//! to anybody else: its memory and interrupt stay taken until it says that it has stopped.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

pub mod acpi;
pub mod bus;
pub mod drivers;
pub mod server;

pub use bus::{Address, Config, Function, Window};
