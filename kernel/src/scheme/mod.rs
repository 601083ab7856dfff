//! What can be behind a descriptor.
//!
//! A user scheme's object is a scheme id and a number. The kernel's own schemes are the same to a
//! program: a root descriptor, objects opened through it. Their objects have flat keys, compared
//! whole: nothing in the kernel takes a path apart.

pub mod acpi;
pub mod debug;
pub mod dma;
pub mod event;
pub mod irq;
pub mod memory;
pub mod ops;
pub mod pipe;
pub mod proc;
pub mod sys;
pub mod time;
pub mod user;

use kernel_core::{lease::LeaseId, slab::Id};
use syscall::data::GlobalSchemes;

/// The object behind a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Object `number` of a user scheme.
    User {
        /// The scheme.
        scheme: Id<user::Scheme>,
        /// What the scheme calls it.
        number: u64,
    },
    /// The daemon's end of a user scheme.
    Socket(Id<user::Scheme>),
    /// Authority to create schemes.
    SchemeCapability,
    /// Control of a lease: revoking it.
    Lease(LeaseId),
    /// The root of a kernel scheme.
    Root(GlobalSchemes),
    /// The debug console.
    Debug,
    /// An event queue.
    Event(kernel_core::event::QueueId),
    /// One end of a pipe.
    Pipe(Id<pipe::Pipe>, pipe::End),
    /// A clock.
    Time(time::Clock),
    /// An interrupt line.
    Irq(u32),
    /// Memory to map.
    Memory(memory::Source),
    /// A file of the `sys` scheme.
    Sys(sys::File),
    /// An object of the `proc` scheme.
    Proc(proc::Handle),
}

impl Kind {
    /// A user object's number, or 0.
    pub const fn user_number(self) -> u64 {
        match self {
            Self::User { number, .. } => number,
            _ => 0,
        }
    }

    /// Sets a user object's number.
    pub const fn set_user_number(&mut self, value: u64) {
        if let Self::User { number, .. } = self {
            *number = value;
        }
    }
}
