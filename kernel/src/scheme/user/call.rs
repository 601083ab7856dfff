//! Calls of user schemes, as system calls describe them.

use super::{
    Scheme, Then,
    payload::{Direction, Payload},
};
use crate::descriptor::Entry;
use cap_abi::{Rights, resolve::RESOLVE_BENEATH};
use kernel_core::slab::Id;
use syscall::{flag::O_FCNTL_MASK, schemev2::Opcode};

/// A call that is yet to be submitted.
pub struct Call {
    /// Of which scheme.
    pub scheme: Id<Scheme>,
    /// What.
    pub opcode: Opcode,
    /// The words of the submission entry; those that the payload fills are overwritten.
    pub args: [u64; 6],
    /// Put the caller's user and group into the sixth word.
    pub credentials: bool,
    /// The sixth word is a second object number.
    pub multiple_ids: bool,
    /// The descriptor is beneath-limited.
    pub beneath: bool,
    /// The caller's buffer.
    pub payload: Payload,
    /// What to do with the answer.
    pub then: Then,
}

impl Call {
    /// A call through a descriptor that tells who makes it, without a buffer, whose answer is a value.
    #[inline(always)]
    pub const fn plain(scheme: Id<Scheme>, entry: &Entry, opcode: Opcode, args: [u64; 6]) -> Self {
        Self {
            scheme,
            opcode,
            args,
            credentials: true,
            multiple_ids: false,
            beneath: !entry.rights.contains(Rights::ESCAPE),
            payload: Payload::None,
            then: Then::Value,
        }
    }

    /// A verb of the scheme's own, or a call of the standard ones that names one object.
    #[inline(always)]
    pub const fn verb(
        scheme: Id<Scheme>,
        entry: &Entry,
        opcode: Opcode,
        number: u64,
        [a, b, c]: [u64; 3],
    ) -> Self {
        let mut call = Self::plain(scheme, entry, opcode, [number, 0, 0, a, b, c]);
        call.credentials = false;
        call
    }

    /// Opening a path from an object, with flags that say all about how it is resolved.
    #[inline(always)]
    pub const fn open(
        scheme: Id<Scheme>,
        entry: &Entry,
        number: u64,
        (flags, status): (usize, usize),
        (path, len): (usize, usize),
    ) -> Self {
        let args = [number, 0, 0, flags as u64, status as u64, 0];
        Self::plain(scheme, entry, Opcode::OpenAt, args).on_path(flags, path, len)
    }

    /// Reading or writing at an offset, with a description's flags.
    #[inline(always)]
    pub const fn transfer(
        scheme: Id<Scheme>,
        entry: &Entry,
        number: u64,
        (offset, flags): (u64, usize),
        (base, len): (usize, usize),
        direction: Direction,
    ) -> Self {
        let opcode = match direction {
            Direction::In => Opcode::Write,
            _ => Opcode::Read,
        };
        let args = [number, 0, 0, offset, (flags & O_FCNTL_MASK) as u64, 0];
        Self::plain(scheme, entry, opcode, args).with(base, len, direction)
    }

    /// The same with a buffer.
    #[inline(always)]
    pub const fn with(mut self, base: usize, len: usize, direction: Direction) -> Self {
        self.payload = Payload::Bytes {
            base,
            len,
            direction,
            text: false,
        };
        self
    }

    /// The same with a path.
    #[inline(always)]
    pub const fn with_path(mut self, path: usize, len: usize) -> Self {
        self.payload = Payload::Bytes {
            base: path,
            len,
            direction: Direction::In,
            text: true,
        };
        self
    }

    /// The same with a path that these flags say all about the resolution of.
    #[inline(always)]
    pub const fn on_path(mut self, flags: usize, path: usize, len: usize) -> Self {
        self.beneath = flags & RESOLVE_BENEATH != 0;
        self.with_path(path, len)
    }

    /// The same, and that is to be done with the answer.
    #[inline(always)]
    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }
}
