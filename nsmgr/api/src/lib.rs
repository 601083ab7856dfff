//! Wire protocol of the namespace manager.
//!
//! A namespace is a descriptor. What a client may ask of it, besides `openat` and `unlinkat` of
//! paths, travels in two ways, and this crate describes both for both sides:
//!
//! * `dup` with a payload gives a new descriptor. The payload begins with a discriminant (`usize`,
//!   native-endian). Below [`FIRST_OWN_REQUEST`] it is one of `libredox::protocol::NsDup`; from there
//!   on it is ours.
//! * `SYS_CALL` with metadata `[verb, argument]` and a payload changes the namespace.
//!
//! | `dup` payload | gives |
//! |---|---|
//! | `ForkNs`, entries | a namespace with the names listed |
//! | `ShrinkPermissions`, permissions | the same namespace with fewer permissions |
//! | `IssueRegister`, name (to the end) | a register handle: binds `name` to the one descriptor sent to it |
//! | [`Request::Fork`], [`ForkFlags`], entries | like `ForkNs`, with options |
//! | [`Request::ForkFor`], user, [`ForkFlags`], entries | the same, and that user is charged for it |
//! | [`Request::Watch`] | a watch handle: readable after the namespace has changed |
//! | [`Request::Register`], rights, [`RegisterFlags`], name (to the end) | a register handle that binds with fewer rights, or beneath a directory |
//! | [`Request::RegisterPlace`], rights, [`RegisterFlags`], two entries: name, path | a register handle that binds a directory at its own path under the name |
//!
//! An *entry* is a length (`usize`) followed by that many bytes: a name, or `prefix*` for every name
//! that begins with `prefix` (`*` alone is every name).
//!
//! | `SYS_CALL` metadata | payload | meaning |
//! |---|---|---|
//! | `[Verb::Bind, rights]` | two entries: old name, new name | the same binding under another name, with at most these rights |
//! | `[Verb::Unbind, UnbindFlags]` | name | removes the name, or makes it vacant |
//! | `[Verb::UnbindPlace, UnbindFlags]` | two entries: name, path | removes one place of the name |
//! | `[Verb::Destroy, 0]` | none | ends a namespace made with [`ForkFlags::DESTROYABLE`], and everything opened through it |
//!
//! A *place* is a directory that is bound at a path under a name: `/home/user/project` of `file`. A path
//! under the name is asked of the deepest place on its way, which cannot be left. The directories that
//! lead to places can be opened and listed, and hold nothing else. A name that is bound as a whole has
//! what it is bound to at `/`.
//!
//! A *vacant* name has nobody behind it for a while (`ENODEV`), in all the namespaces that inherited it.
//! A root that is sent to a register handle with the same rights, in the namespace where the name was
//! bound, is found in all of them.
//!
//! A watch handle answers `read` with the namespace's generation (`u64`, native-endian) if it has
//! changed since the last `read`, and with `EAGAIN` otherwise; it never blocks.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use cap_abi::Rights;
pub use libredox::protocol::{NsDup, NsPermissions};

/// Size of a word on the wire.
pub const WORD: usize = size_of::<usize>();

/// The first `dup` discriminant that is ours; those below belong to `libredox`.
pub const FIRST_OWN_REQUEST: usize = 0x100;

/// Most bytes a `dup` payload may have (`E2BIG`).
pub const MAX_PAYLOAD: usize = 1 << 18;

/// Name reserved for the namespace manager's own objects.
pub const RESERVED_NAME: &str = "namespace";
/// Under [`RESERVED_NAME`]: the capability to create schemes.
pub const SCHEME_CREATION_CAP: &str = "scheme-creation-cap";

/// What the namespace manager and whoever starts it agree on.
pub mod start {
    /// The descriptor at which the namespace manager finds its socket.
    pub const SOCKET: usize = (1 << (usize::BITS - 2)) | 16;
    /// Number of the first namespace: the starter makes a descriptor for it from the socket.
    pub const FIRST_NAMESPACE: u64 = 0;
    /// Number of the status scheme's root: the starter makes a descriptor for it from the socket.
    pub const STATUS_ROOT: u64 = 1;
}

/// Our `dup` discriminants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Request {
    /// A fork with [`ForkFlags`].
    Fork = 0x100,
    /// A watch handle on the namespace. Needs `NsPermissions::LIST`.
    Watch = 0x101,
    /// A register handle with rights and [`RegisterFlags`]. Needs `NsPermissions::INSERT`.
    Register = 0x102,
    /// A register handle for a place of a name, which is always beneath its directory. Needs
    /// `NsPermissions::INSERT`.
    RegisterPlace = 0x103,
    /// A fork with [`ForkFlags`] that another user is charged for, and for what is bound in it. Only the
    /// superuser may name another (`EACCES`).
    ForkFor = 0x104,
}

impl Request {
    /// The request with this discriminant.
    #[must_use]
    pub const fn try_from_raw(raw: usize) -> Option<Self> {
        Some(match raw {
            0x100 => Self::Fork,
            0x101 => Self::Watch,
            0x102 => Self::Register,
            0x103 => Self::RegisterPlace,
            0x104 => Self::ForkFor,
            _ => return None,
        })
    }
}

/// Verbs of `SYS_CALL` on a namespace, in `metadata[0]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Verb {
    /// Binds what one name is bound to under another name. `metadata[1]`: bits of [`Rights`] the
    /// new binding has at most. Needs `NsPermissions::INSERT`.
    Bind = 0x100,
    /// Removes a name. `metadata[1]`: [`UnbindFlags`]. Needs `NsPermissions::DELETE`.
    Unbind = 0x101,
    /// Ends the namespace. Needs `NsPermissions::DELETE`.
    Destroy = 0x102,
    /// Removes a place. `metadata[1]`: [`UnbindFlags`] without `VACATE`. Needs
    /// `NsPermissions::DELETE`.
    UnbindPlace = 0x103,
}

impl Verb {
    /// The verb with this number.
    #[must_use]
    pub const fn try_from_raw(raw: u64) -> Option<Self> {
        Some(match raw {
            0x100 => Self::Bind,
            0x101 => Self::Unbind,
            0x102 => Self::Destroy,
            0x103 => Self::UnbindPlace,
            _ => return None,
        })
    }
}

bitflags::bitflags! {
    /// Options of [`Request::Fork`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ForkFlags: usize {
        /// Leave out names that are not bound instead of failing with `ENODEV`.
        const SKIP_UNKNOWN = 1 << 0;
        /// The new namespace can be ended with [`Verb::Destroy`].
        const DESTROYABLE = 1 << 1;
    }
}

bitflags::bitflags! {
    /// Options of [`Request::Register`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RegisterFlags: usize {
        /// The descriptor is a directory, and nothing outside it can be reached through the name.
        const BENEATH = 1 << 0;
    }
}

bitflags::bitflags! {
    /// Options of [`Verb::Unbind`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UnbindFlags: u64 {
        /// Also end everything that was opened through the binding, in this namespace and in every
        /// fork that inherited it. Only the namespace in which it was bound may ask for that
        /// (`EPERM`).
        const REVOKE = 1 << 0;
        /// End everything that was opened through the binding, as with `REVOKE`, and keep the name: it
        /// is vacant until it gets another root.
        const VACATE = 1 << 1;
    }
}

/// Builds the payload of `NsDup::ForkNs`.
#[must_use]
pub fn fork_payload<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = word(NsDup::ForkNs as usize);
    push_entries(&mut payload, names);
    payload
}

/// Builds the payload of [`Request::Fork`].
#[must_use]
pub fn fork_with_payload<'a>(
    flags: ForkFlags,
    names: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut payload = word(Request::Fork as usize);
    payload.extend_from_slice(&flags.bits().to_ne_bytes());
    push_entries(&mut payload, names);
    payload
}

/// Builds the payload of [`Request::ForkFor`].
#[must_use]
pub fn fork_for_payload<'a>(
    user: u32,
    flags: ForkFlags,
    names: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut payload = word(Request::ForkFor as usize);
    payload.extend_from_slice(&(user as usize).to_ne_bytes());
    payload.extend_from_slice(&flags.bits().to_ne_bytes());
    push_entries(&mut payload, names);
    payload
}

/// Builds the payload of `NsDup::ShrinkPermissions`.
#[must_use]
pub fn shrink_payload(permissions: NsPermissions) -> Vec<u8> {
    let mut payload = word(NsDup::ShrinkPermissions as usize);
    payload.extend_from_slice(&permissions.bits().to_ne_bytes());
    payload
}

/// Builds the payload of `NsDup::IssueRegister`.
#[must_use]
pub fn issue_register_payload(name: &[u8]) -> Vec<u8> {
    let mut payload = word(NsDup::IssueRegister as usize);
    payload.extend_from_slice(name);
    payload
}

/// Builds the payload of [`Request::Register`].
#[must_use]
pub fn register_with_payload(rights: Rights, flags: RegisterFlags, name: &[u8]) -> Vec<u8> {
    let mut payload = word(Request::Register as usize);
    payload.extend_from_slice(&(rights.bits() as usize).to_ne_bytes());
    payload.extend_from_slice(&flags.bits().to_ne_bytes());
    payload.extend_from_slice(name);
    payload
}

/// Builds the payload of [`Request::RegisterPlace`].
#[must_use]
pub fn register_place_payload(rights: Rights, name: &[u8], path: &[u8]) -> Vec<u8> {
    let mut payload = word(Request::RegisterPlace as usize);
    payload.extend_from_slice(&(rights.bits() as usize).to_ne_bytes());
    payload.extend_from_slice(&RegisterFlags::empty().bits().to_ne_bytes());
    push_entries(&mut payload, [name, path]);
    payload
}

/// Builds the payload of [`Verb::UnbindPlace`].
#[must_use]
pub fn place_payload(name: &[u8], path: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    push_entries(&mut payload, [name, path]);
    payload
}

/// Builds the payload of [`Request::Watch`].
#[must_use]
pub fn watch_payload() -> Vec<u8> {
    word(Request::Watch as usize)
}

/// Builds the payload of [`Verb::Bind`].
#[must_use]
pub fn bind_payload(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    push_entries(&mut payload, [old, new]);
    payload
}

fn word(value: usize) -> Vec<u8> {
    Vec::from(value.to_ne_bytes())
}

fn push_entries<'a>(payload: &mut Vec<u8>, names: impl IntoIterator<Item = &'a [u8]>) {
    for name in names {
        payload.extend_from_slice(&name.len().to_ne_bytes());
        payload.extend_from_slice(name);
    }
}
