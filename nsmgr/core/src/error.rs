//! Why a request was refused.

use syscall::error as errno;

/// The kind of a refusal. Counted per kind; see [`crate::denial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// The namespace does not bind the name.
    NotBound,
    /// The handle lacks `NsPermissions::LIST`.
    MayNotList,
    /// The handle lacks `NsPermissions::INSERT`.
    MayNotInsert,
    /// The handle lacks `NsPermissions::DELETE`.
    MayNotDelete,
    /// The handle lacks `NsPermissions::SCHEME_CREATE`.
    MayNotCreateSchemes,
    /// The daemon behind the name has ended and has not been started again yet.
    Vacant,
    /// The name is already bound.
    AlreadyBound,
    /// A register handle has been used before.
    Spent,
    /// Revocation was asked for in a namespace that only inherited the binding.
    NotHome,
    /// The namespace, or what a handle was made for, has been destroyed.
    Destroyed,
    /// The name, path, payload, flag or verb is malformed.
    Malformed,
    /// There is no such thing under the reserved name, or in a directory that only leads to places.
    NoSuchObject,
    /// A path leaves what it is limited to.
    Escape,
    /// A directory that only leads to places is to be changed.
    Fixed,
    /// The operation does not apply to this kind of handle.
    WrongHandle,
    /// The client has reached its limit of handles.
    HandleLimit,
    /// The client, or everybody together, has reached the limit of memory.
    MemoryLimit,
}

impl Cause {
    /// Every cause, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::NotBound,
        Self::MayNotList,
        Self::MayNotInsert,
        Self::MayNotDelete,
        Self::MayNotCreateSchemes,
        Self::Vacant,
        Self::AlreadyBound,
        Self::Spent,
        Self::NotHome,
        Self::Destroyed,
        Self::Malformed,
        Self::NoSuchObject,
        Self::Escape,
        Self::Fixed,
        Self::WrongHandle,
        Self::HandleLimit,
        Self::MemoryLimit,
    ];

    /// The cause as it is written in the denial log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotBound => "not-bound",
            Self::MayNotList => "may-not-list",
            Self::MayNotInsert => "may-not-insert",
            Self::MayNotDelete => "may-not-delete",
            Self::MayNotCreateSchemes => "may-not-create-schemes",
            Self::Vacant => "vacant",
            Self::AlreadyBound => "already-bound",
            Self::Spent => "spent",
            Self::NotHome => "not-home",
            Self::Destroyed => "destroyed",
            Self::Malformed => "malformed",
            Self::NoSuchObject => "no-such-object",
            Self::Escape => "escape",
            Self::Fixed => "fixed",
            Self::WrongHandle => "wrong-handle",
            Self::HandleLimit => "handle-limit",
            Self::MemoryLimit => "memory-limit",
        }
    }
}

/// A refusal: what the client sees, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Error number of `redox_syscall`.
    pub errno: i32,
    /// The kind.
    pub cause: Cause,
}

impl Error {
    pub(crate) const fn new(errno: i32, cause: Cause) -> Self {
        Self { errno, cause }
    }
    pub(crate) const NOT_BOUND: Self = Self::new(errno::ENODEV, Cause::NotBound);
    pub(crate) const VACANT: Self = Self::new(errno::ENODEV, Cause::Vacant);
    pub(crate) const MALFORMED: Self = Self::new(errno::EINVAL, Cause::Malformed);
    pub(crate) const TOO_BIG: Self = Self::new(errno::E2BIG, Cause::Malformed);
    pub(crate) const ALREADY_BOUND: Self = Self::new(errno::EEXIST, Cause::AlreadyBound);
    pub(crate) const DESTROYED: Self = Self::new(errno::ESTALE, Cause::Destroyed);
    pub(crate) const BAD_HANDLE: Self = Self::new(errno::EBADF, Cause::WrongHandle);
    pub(crate) const NOT_DIRECTORY: Self = Self::new(errno::ENOTDIR, Cause::WrongHandle);
    pub(crate) const NO_SUCH_OBJECT: Self = Self::new(errno::ENOENT, Cause::NoSuchObject);
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (errno {})", self.cause.as_str(), self.errno)
    }
}

impl core::error::Error for Error {}
