//! Requests of the scheme protocol, answered by the rules of `nsmgr-core`.
//!
//! What is left for the daemon around this: to read requests from its socket, to find the bytes they
//! point to, to write the answers back, and to do what [`Kernel`] asks with descriptors. Everything
//! here runs on the host against a simulated kernel.
//!
//! A request is answered at once, always: nothing is parked, no other scheme is asked, so that there
//! is nothing to cancel and no order in which requests could wait for each other.
#![cfg_attr(not(test), no_std)]
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

extern crate alloc;

mod server;

pub use scheme_core::{Payload, payload_of};
pub use server::{Kernel, Reply, Root, Server};
