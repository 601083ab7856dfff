//! `fcntl` commands that the kernel itself answers.

/// The close-on-exec mark: `F_GETFD` answers it, `F_SETFD` sets it, and in the flags of an open it
/// marks the new entry. It is C's `FD_CLOEXEC` and `O_CLOEXEC`. The kernel only keeps it; the
/// run-time closes what is marked.
pub const FD_CLOEXEC: usize = 0x0100_0000;

/// In the number that `SYS_DUP2` is to put a copy at: the copy has the mark from the beginning. Not with a payload.
pub const DUP2_CLOEXEC: usize = 1 << 61;

/// Returns the entry's [`crate::Rights`] bits. The argument is ignored.
pub const F_CAP_GET_RIGHTS: usize = 0x4000;
/// Intersects the entry's rights with the argument. Bits that are unknown are an error (`EINVAL`).
pub const F_CAP_LIMIT: usize = 0x4001;
/// Makes `O_RESOLVE_BENEATH` sticky on the entry: shorthand for limiting by everything but
/// [`crate::Rights::ESCAPE`]. Refused (`EPERM`) when the scheme has not declared that it honours it.
pub const F_CAP_BENEATH: usize = 0x4002;
/// Derives a revocable copy; the argument points to a [`LeaseParams`].
pub const F_CAP_LEASE: usize = 0x4003;
/// On a lease descriptor: revokes. Everything opened through the leased descriptor, and every lease
/// derived from it, answers `ESTALE` from now on.
pub const F_CAP_REVOKE: usize = 0x4004;
/// On a scheme socket, before its first descriptor is created: declares the
/// `cap_abi::scheme::FEATURE_*` bits in the argument. `EBUSY` afterwards.
pub const F_SCHEME_DECLARE: usize = 0x4010;
/// On a scheme socket: the number of the object that the descriptor in the argument is of. `EXDEV` for a descriptor of
/// anything that is not this scheme's. So a daemon that is handed descriptors knows its own again.
pub const F_SCHEME_OBJECT: usize = 0x4011;
/// On a scheme socket: how many descriptors there are, anywhere, of the same description as the one in the argument,
/// which is counted as well. `EXDEV` for a descriptor of anything that is not this scheme's, and for a leased copy that
/// has a description of its own. So a daemon that keeps descriptors knows when it is the only one to have them.
pub const F_SCHEME_HOLDERS: usize = 0x4012;

/// In and out argument of [`F_CAP_LEASE`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseParams {
    /// In: where to put the revocable copy (a number, [`crate::FD_ANY`] or
    /// [`crate::FD_ANY_UPPER`]). Out: where it is.
    pub derived: usize,
    /// In: where to put the descriptor that revokes. Out: where it is.
    pub lease: usize,
    /// In: rights of the copy, intersected with those of the original.
    pub rights: u32,
    /// In: `LEASE_*` flags.
    pub flags: u32,
}

/// Revoke when the last descriptor of the lease is closed.
pub const LEASE_REVOKE_ON_CLOSE: u32 = 1;
/// The copy has a description of its own: its position begins at 0, its status flags are clear, and what
/// happens to either is not seen through the original. The scheme behind still sees one object, and
/// hears of its end when original and copies are all closed.
pub const LEASE_FRESH_DESCRIPTION: u32 = 1 << 1;
/// The lease is the copy's alone: what is opened through the copy does not fall under it, but under
/// the leases that what is opened through the original falls under.
pub const LEASE_NOT_INHERITED: u32 = 1 << 2;
/// Of [`LeaseParams::flags`]: not one of those that are kept for the superuser. A daemon that makes a lease for
/// somebody else says so; what others than the superuser make is so in any case.
pub const LEASE_UNPRIVILEGED: u32 = 1 << 3;
