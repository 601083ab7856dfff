//! Lines to the host without their I/O.
//!
//! The scheme's root lists the ports of the device by their numbers, each a file: bytes in, bytes out. Reading waits for at least one byte; writing
//! waits until every byte is on its way, and two writes do not mix. Without waiting (`O_NONBLOCK`) both do
//! what can be done, or `EAGAIN`. `fsync` waits until the host has taken everything written before. What
//! nobody reads is not taken from the host, which then has to wait.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
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

pub mod control;
pub mod server;
pub mod stream;
