//! The process manager's rules, without any I/O.
//!
//! What this library promises:
//!
//! * Requests in, effects out. A request changes the state and names what is to be done to contexts
//!   ([`Effect`]); nothing here touches one. What it must know of the world (signal pages, whether a
//!   context has been started) it asks through [`World`].
//! * No input ends it. Verbs and payloads are taken apart in [`wire`]; handles are generational.
//! * Nothing stays behind. A process is forgotten when it has been waited for and its descriptors are
//!   gone; one that was never started, when its descriptors are gone.
//!
//! A process lives through [`State::Running`], [`State::Stopped`], [`State::Exiting`] (its contexts
//! are being ended) and [`State::Zombie`] (it waits to be waited for). Its number is not used again
//! while a process, group, session or descriptor still has it.
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

mod call;
mod cell;
mod credentials;
mod exit;
mod group;
mod handle;
mod manager;
mod process;
mod signal;
pub mod status;
mod wait;
pub mod wire;

/// What the process manager and whoever starts it agree on: the descriptors it finds, and the number of
/// the root handle that its starter makes a descriptor for.
pub mod start {
    const PRIVATE: usize = 1 << (usize::BITS - 2);
    /// Its socket.
    pub const SOCKET: usize = PRIVATE | 16;
    /// The root of the kernel's proc scheme.
    pub const PROC_ROOT: usize = PRIVATE | 17;
    /// The root of the kernel's event scheme.
    pub const EVENT_ROOT: usize = PRIVATE | 18;
    /// Number of the root handle.
    pub const ROOT: u64 = 0;
    /// Number of the root of the scheme `proc`, by which names lead here.
    pub const NAMED_ROOT: u64 = 1;
}

pub use cap_abi::process::END_OF_PIDS;
pub use credentials::{Ids, SetIds};
pub use handle::{Made, Ready};
pub use manager::{Answer, Attributes, Data, Effect, Errno, Manager, THREADS, Tag, World};
pub use process::{Death, Limits, NAME_LEN, Pid, RESOURCES, State};
pub use signal::{Action, SIGNALS, default_action};
