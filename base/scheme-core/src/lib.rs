//! What scheme daemons share, without any I/O.
//!
//! The loop around it, which needs the machine, is `scheme-loop`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod insist;
pub mod listing;
pub mod reply;
mod request;

pub use request::{Incoming, Payload, incoming, is_output, payload_of, user_of, waits};

/// The descriptors at which a daemon started by `init` finds what it serves with.
///
/// The starter makes the socket and asks the namespace for a register handle of the daemon's name. The
/// daemon declares what it honours, makes its root and sends it to the handle: from then on it can be
/// named. So it needs neither a namespace nor the scheme-creation capability.
pub mod start {
    /// The socket.
    pub const SOCKET: usize = (1 << (usize::BITS - 2)) | 16;
    /// The register handle.
    pub const REGISTER: usize = (1 << (usize::BITS - 2)) | 17;
    /// What a driver drives: the function of a bus that it was started for.
    pub const DEVICE: usize = (1 << (usize::BITS - 2)) | 18;
}
