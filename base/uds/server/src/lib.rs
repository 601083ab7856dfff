//! Requests of the scheme protocol, answered from Unix sockets. What is asked and said is described in
//! `uds-api`.
//!
//! A socket is its handle: when the last descriptor of that goes, so does the socket, with what it had not
//! received, descriptors included. Nothing waits without an end that can be named: for a peer that reads, one
//! that connects, one that writes, or time.
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

mod calls;
mod collect;
mod inbox;
mod quota;
mod request;
mod socket;
mod waiting;

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use gen_slab::{Key, Slab};
use syscall::flag::EventFlags;
use uds_api::Token;

use quota::{Of, Quota};
use socket::{Handle, Role, Socket};

type Result<T> = core::result::Result<T, i32>;

/// What is done with descriptors, and where tokens come from.
pub trait World {
    /// A descriptor of the daemon's; closed when dropped.
    type Fd;
    /// Takes the descriptors that are being sent with a request.
    ///
    /// # Errors
    /// An error number.
    fn obtain(&mut self, tag: u32, count: usize) -> Result<Vec<Self::Fd>>;
    /// Hands descriptors to whoever receives with a request.
    ///
    /// # Errors
    /// An error number; what was not handed over is closed.
    fn give(&mut self, tag: u32, fds: Vec<Self::Fd>) -> Result<()>;
    /// The handle that a descriptor is of, if it is of this scheme's own.
    fn own(&self, fd: &Self::Fd) -> Option<u64>;
    /// How many descriptors there are, anywhere, of the same as this one, which is of the scheme's own.
    fn holders(&self, fd: &Self::Fd) -> usize;
    /// Something that cannot be guessed.
    ///
    /// # Errors
    /// An error number.
    fn token(&mut self) -> Result<Token>;
}

/// What is said to a request that waited, or to nobody in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The answer to a request, with bytes.
    Reply(u32, Result<usize>, Vec<u8>),
    /// The answer to a request for a descriptor: a handle.
    Opened(u32, u64),
    /// These events hold of a handle from now on.
    Event(u64, EventFlags),
}

/// What kind of sockets a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Connections.
    Stream,
    /// Messages.
    Datagram,
    /// Connections of messages.
    Packet,
}

impl Kind {
    /// Whether sockets are connected in pairs, by one that listens.
    pub(crate) const fn connects(self) -> bool {
        matches!(self, Self::Stream | Self::Packet)
    }

    /// Whether what is sent is received as it was, or not at all.
    pub(crate) const fn keeps_messages(self) -> bool {
        matches!(self, Self::Datagram | Self::Packet)
    }
}

/// By what a bound socket is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Token(Token),
    Abstract(Vec<u8>),
}

/// Sockets and their handles.
pub struct Server<F> {
    kind: Kind,
    sockets: Slab<Socket<F>>,
    handles: Slab<Handle<F>>,
    quota: Quota,
    bound: BTreeMap<Bound, Key>,
    /// Sockets about which something has changed.
    changed: VecDeque<Key>,
    effects: Vec<Effect>,
    next_ticket: u32,
    /// How many sockets have ended since it was looked for what nobody can reach.
    ended: usize,
}

impl<F> Server<F> {
    /// Without sockets.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            sockets: Slab::new(),
            handles: Slab::new(),
            quota: Quota::default(),
            bound: BTreeMap::new(),
            changed: VecDeque::new(),
            effects: Vec::new(),
            next_ticket: 1,
            ended: 0,
        }
    }

    /// Makes the scheme's root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.open_handle(0, Role::Root)
    }

    /// What is to be said since this was last asked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    /// When the next request's time is up, in nanoseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let all = self.sockets.iter();
        all.filter_map(|(_, socket)| socket.deadline()).min()
    }

    /// It is so late: answers the requests whose time is up.
    pub fn tick(&mut self, now: u64) {
        let due: Vec<Key> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.deadline().is_some_and(|at| at <= now))
            .map(|(key, _)| key)
            .collect();
        self.changed.extend(due);
        self.settle(now);
    }

    /// Counts one thing more for a user.
    pub(crate) fn charge(&mut self, uid: u32, of: Of) -> Result<quota::Charge> {
        self.quota.charge(uid, of)
    }

    /// How many sockets and handles there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.sockets.len(), self.handles.len())
    }
}
