//! What a process manager is asked in addition to `libredox::protocol::ProcCall`.

/// `SYS_CALL` on a process, `[CONFINE]`: from now on the process, and every child that it makes from
/// now on, can name and signal only processes that are confined with it or by it. Nothing takes that
/// back. Others reach it as before.
pub const CONFINE: u64 = 0x100;

/// `SYS_CALL` on a process, `[SET_IDS_OF, process]`: sets the identities of another process, with the payload of
/// `SetResugid`. For a privileged process that is not confined.
pub const SET_IDS_OF: u64 = 0x102;

/// `SYS_CALL` on a process, `[COUNTS]`: how many there are of everything, as [`COUNTED`] words of 8
/// bytes: processes (also ended ones), threads, groups, sessions, handles. For a privileged process
/// that is not confined.
pub const COUNTS: u64 = 0x101;
/// How many words [`COUNTS`] gives.
pub const COUNTED: usize = 5;

/// `SYS_CALL` on a process, `[TIMES]`: how long it has had the processor, in nanoseconds, as two words of 8 bytes:
/// all its threads, also those that have ended; and the children that it has waited for, with theirs.
pub const TIMES: u64 = 0x103;

/// User of a pending signal's sender (`SenderInfo::ruid`) with which something came: `Sigdeq` has it, and the user, and
/// takes the signal. No user has this number.
pub const SENDER_IN_QUEUE: u32 = u32::MAX;

/// In the flags of `Waitpid` and `Waitpgid`: what is told stays to be told (`WNOWAIT`).
pub const WAIT_KEEP: u64 = 0x0100_0000;
/// Likewise: children that have ended are not told of (`waitid` without `WEXITED`).
pub const WAIT_NOT_ENDED: u64 = 0x10;

/// The first process number that is not given out: what a process is told by next to something else has room for
/// the others.
pub const END_OF_PIDS: u32 = 1 << 15;
