//! The kernel's `memory` scheme: what is opened through its root.
//!
//! | key | what it maps |
//! |---|---|
//! | empty, `zeroed` | fresh memory |
//! | `contiguous` | fresh memory that is adjacent in physical memory |
//! | `physical@wb`, `physical@uc`, `physical@wc` | physical memory at the map's offset |
//! | `physical@uc/BASE/SIZE` (and the others) | those bytes of physical memory, offsets relative to BASE |
//! | `dma/SIZE` | a block of adjacent memory for a device, at most 4 MiB |
//! | `translation` | nothing |
//!
//! Numbers are of whole pages, in lower-case hexadecimal digits. `SYS_CALL` with a payload of one word
//! answers a block's physical address in it; on `translation`, it replaces an address of the caller's by
//! the physical one.

/// Verb of `SYS_CALL` on the root: frees the blocks that have no descriptor any more, and answers how
/// many. To be asked only when no device writes to them.
pub const RECLAIM: u64 = 1;

/// Bit of the flags of `SYS_MPROTECT`, beside the `PROT_*`: when the call returns, every page of the range has memory
/// of its own that can be written to, none of which is what the kernel keeps for the superuser's programs. So a
/// program of the superuser's finds out in time that there is no memory for what it does for somebody else: `ENOMEM`,
/// with which the range may have got some.
pub const COMMIT: usize = 1 << 8;
/// Longest range of a call with [`COMMIT`], in bytes (`EINVAL`).
pub const COMMIT_MOST: usize = 4 << 20;
