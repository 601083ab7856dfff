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
