//! The scheme protocol's additions.

/// CQE opcode: the answer to an `OpenAt` or `UnlinkAt` is to be had from another root descriptor.
///
/// `result` is a descriptor number of the *answering daemon* (kept, not consumed), `extra` the byte
/// offset in the request's path at which the suffix begins. The kernel sends the suffix to that
/// descriptor's scheme on behalf of the original caller. What is opened has at most the rights of both descriptors and
/// dies with the leases of either. At most [`REDIRECT_LIMIT`] redirects answer one call (`ELOOP`).
pub const CQE_REDIRECT: u8 = 6;
/// How often one call may be redirected.
pub const REDIRECT_LIMIT: u8 = 8;

/// Bit of `Sqe::sqe_flags`: the descriptor the request came through is beneath-limited.
pub const SQE_BENEATH: u8 = 1 << 7;

/// Bit of the second word of a `StdFsCallKind::Lock`: the answer waits until the lock can be had. A daemon that
/// does not know it takes the range for one that is too long.
pub const LOCK_WAIT: u64 = 1 << 62;

/// Feature: the daemon honours every flag of [`crate::resolve`].
pub const FEATURE_RESOLVE: usize = 1;

/// Payload of `dup` on the scheme-creation capability: a new scheme socket.
pub const CREATE_SCHEME: &[u8] = b"create-scheme";
