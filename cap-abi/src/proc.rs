//! The kernel's `proc` scheme: contexts, address spaces and descriptor tables as descriptors.
//!
//! Its handles are reached by flat names, compared whole; none is a path. `dup(handle, NAME)` and,
//! on the root, `openat(root, NAME)` are the same question.
//!
//! | handle | name | gives |
//! |---|---|---|
//! | root | `new-context` | a new context: not started, no address space, an empty descriptor table |
//! | root | `cur-context` | the calling context |
//! | root | `new-addrspace` | an empty address space |
//! | context | `addrspace` | its address space |
//! | context | `filetable` | its descriptor table |
//! | context | `regs/int`, `regs/float`, `regs/env` | `read`/`write` of the whole register structure; the context must not be running (its own `regs/env` excepted) |
//! | context | `sighandler` | `write` of a `SetSighandlerData` |
//! | context | `attrs` | `read`/`write` of a `ProcSchemeAttrs` (writing: only through a handle that came from the root, not through one limited by [`crate::Rights::ATTR`]) |
//! | context | `status` | `read` of a `CtxtStsBuf`; `write` of a `ContextVerb` as `usize`, and behind `ForceKill` optionally a second `usize`, the status word that is read as `excp.code` afterwards (0 without it); readable (event) when the context is dead or stopped; `read` of [`TIME_LEN`] bytes more gives behind it how long the context has had the processor, in nanoseconds (of one that has ended, to its end) |
//! | context | `start` | `write` of anything starts the context |
//! | context | `current-addrspace` | `write` of [`SwitchAddrSpace`], whose descriptor needs [`crate::Rights::WRITE`] |
//! | context | `current-filetable` | `write` of one `usize`: a table descriptor, which needs [`crate::Rights::CALL`]; takes effect at once |
//! | context | `sched-affinity`, `mmap-min-addr` | `read`/`write` of their value |
//! | addrspace | `exclusive` | a copy-on-write copy, without what is there for the time of a call |
//! | addrspace | `empty` | a new empty address space |
//! | filetable | `copy` | a copy with every entry |
//! | filetable | `empty` | a new empty table |
//! | filetable | | `read` gives the open numbers as `usize` words in ascending order, lower ones first; `SYS_READ2`'s offset counts bytes of that list |
//!
//! `write` of `usize` words on an address space is one of `ADDRSPACE_OP_*`:
//! `[MMAP, fd or !0, offset, base, size, MapFlags]`, `[MUNMAP, base, size]`,
//! `[MPROTECT, base, size, MapFlags]`, `[TRANSFER, base in the writer's space, size, base in the
//! handle's space, MapFlags]` (moves the pages). The answer of a `MMAP` is the address. Positioned
//! `[`[`ADDRSPACE_OP_LABEL`]`, address, length]` says where the program was found, in the writer's memory; the
//! kernel keeps it for `exe` of its `sys` scheme and makes nothing of it. Positioned
//! reads and writes (`SYS_READ2`, `SYS_WRITE2`) copy memory at the offset. `read` lists `GrantDesc`s.
//!
//! `SYS_CALL` on a descriptor table with metadata `[FileTableVerb, …]`: `[Close, fd]`,
//! `[Dup2, fd in the caller's table, number in the handle's table or FD_ANY, rights mask, GRANT_*]`,
//! `[Move, …]` (the same, and closes the caller's), `[Swap, number, number]`.

/// Operation on an address space: names the program in it. Ours, and so far from upstream's numbers.
pub const ADDRSPACE_OP_LABEL: usize = 64;
/// The longest such name in bytes; `ENAMETOOLONG` beyond.
pub const LABEL_MAX: usize = 4096;

/// `Dup2` and `Move` of a descriptor table: what is marked close-on-exec counts as not there (`EBADF`). Ours.
pub const GRANT_UNMARKED: usize = 1;

/// What `current-addrspace` takes: switch to another address space at a given place.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchAddrSpace {
    /// Descriptor of the address space.
    pub addrspace: usize,
    /// Stack pointer to start with.
    pub sp: usize,
    /// Instruction pointer to start at.
    pub ip: usize,
}

/// Length of the time that stands behind a `CtxtStsBuf`.
pub const TIME_LEN: usize = size_of::<u64>();

/// `SYS_CLOCK_GETTIME`: how long the calling context has had the processor. `CLOCK_THREAD_CPUTIME_ID` in C.
pub const CLOCK_THREAD_CPUTIME: usize = 3;
