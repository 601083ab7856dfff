//! Which rights an operation needs.
//!
//! [`SYSCALLS`] has a row for every system call, [`opcode`] for every request that a scheme can
//! get, and [`std_fs`] for every standard file-system call. Where the answer depends on an argument
//! the row names the rule, a function here.
//!
//! An operation is allowed when the entry has every right it needs ([`check`]); `EPERM` otherwise.
//!
//! # Rights and access modes
//!
//! What is opened through a descriptor has the rights of that descriptor, whatever access mode it
//! is opened with. The mode (`O_RDONLY`, `O_STAT`, ...) cannot take rights away, because the rights
//! of a directory are also those of everything below it, and a directory is opened read-only by
//! those who then create files in it. The mode says what can be done to the opened object itself,
//! and the scheme that opened it enforces it.

use cap_abi::Rights;
use cap_abi::fcntl::{
    F_CAP_BENEATH, F_CAP_GET_RIGHTS, F_CAP_LEASE, F_CAP_LIMIT, F_CAP_REVOKE, F_SCHEME_DECLARE,
    F_SCHEME_HOLDERS, F_SCHEME_OBJECT,
};
use cap_abi::resolve::{RESOLVE_BENEATH, RESOLVE_IN_ROOT};
use syscall::flag::{
    CallFlags, F_DUPFD, F_GET_SCHEMEID, F_GETFD, F_GETFL, F_SETFD, MapFlags, O_ACCMODE, O_CREAT,
    O_RDONLY, O_TRUNC, O_WRONLY, StdFsCallKind,
};
use syscall::number;
use syscall::schemev2::Opcode;

/// What an operation needs of the descriptor it is made through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// There is no descriptor.
    NoDescriptor,
    /// These rights; none at all if it is enough to have the descriptor.
    Rights(Rights),
    /// These rights, and with an offset also [`Rights::SEEK`]: [`positioned`].
    Positioned(Rights),
    /// Depends on the open flags: [`open`].
    Open,
    /// Depends on the mapping's flags: [`map`].
    Map,
    /// Depends on the command: [`fcntl`].
    Fcntl,
    /// Depends on whether there is a payload: [`dup`].
    Dup,
    /// Depends on the call's flags and metadata: [`call`].
    Call,
    /// Depends on the kind of file-system call: [`std_fs`].
    StdFs,
}

use Requirement::NoDescriptor;

const fn needs(rights: Rights) -> Requirement {
    Requirement::Rights(rights)
}

/// Every system call: number, name, requirement.
pub const SYSCALLS: &[(usize, &str, Requirement)] = &[
    (number::SYS_OPENAT_INTO, "openat_into", Requirement::Open),
    (number::SYS_OPENAT_INTO2, "openat_into2", Requirement::Open),
    (number::SYS_UNLINKAT, "unlinkat", needs(Rights::UNLINK)),
    (number::SYS_CLOSE, "close", needs(Rights::empty())),
    (number::SYS_DUP_INTO, "dup_into", Requirement::Dup),
    (number::SYS_DUP2, "dup2", Requirement::Dup),
    (number::SYS_READ, "read", needs(Rights::READ)),
    (
        number::SYS_READ2,
        "read2",
        Requirement::Positioned(Rights::READ),
    ),
    (number::SYS_WRITE, "write", needs(Rights::WRITE)),
    (
        number::SYS_WRITE2,
        "write2",
        Requirement::Positioned(Rights::WRITE),
    ),
    (number::SYS_LSEEK, "lseek", needs(Rights::SEEK)),
    (number::SYS_FCHOWN, "fchown", needs(Rights::ATTR)),
    (number::SYS_FCNTL, "fcntl", Requirement::Fcntl),
    (number::SYS_FEVENT, "fevent", needs(Rights::EVENT)),
    (number::SYS_CALL, "call", Requirement::Call),
    (number::SYS_FMAP, "fmap", Requirement::Map),
    (number::SYS_FUNMAP, "funmap", NoDescriptor),
    (number::SYS_MREMAP, "mremap", NoDescriptor),
    (
        number::SYS_FLINK,
        "flink",
        needs(Rights::RENAME.union(Rights::ESCAPE)),
    ),
    (number::SYS_FPATH, "fpath", needs(Rights::STAT)),
    (
        number::SYS_FRENAME,
        "frename",
        needs(Rights::RENAME.union(Rights::ESCAPE)),
    ),
    (number::SYS_FSTAT, "fstat", needs(Rights::STAT)),
    (number::SYS_FSYNC, "fsync", needs(Rights::SYNC)),
    (number::SYS_CLOCK_GETTIME, "clock_gettime", NoDescriptor),
    (number::SYS_FUTEX, "futex", NoDescriptor),
    (number::SYS_MPROTECT, "mprotect", NoDescriptor),
    (number::SYS_NANOSLEEP, "nanosleep", NoDescriptor),
    (number::SYS_YIELD, "yield", NoDescriptor),
];

/// What a system call needs; `None` (`ENOSYS`) for numbers that are none.
pub fn syscall(number: usize) -> Option<Requirement> {
    SYSCALLS
        .iter()
        .find(|(n, _, _)| *n == number)
        .map(|&(_, _, requirement)| requirement)
}

/// What a request to a scheme needs; `None` for an opcode that this kernel does not send.
///
/// Messages that tell a scheme what has happened already (closed, detached, unmapped, cancelled)
/// need no right.
pub const fn opcode(opcode: Opcode) -> Option<Requirement> {
    Some(match opcode {
        Opcode::Close
        | Opcode::CloseMsg
        | Opcode::Detach
        | Opcode::Munmap
        | Opcode::Mremap
        | Opcode::RequestMmap
        | Opcode::Cancel => needs(Rights::empty()),
        Opcode::Dup => Requirement::Dup,
        Opcode::Read => Requirement::Positioned(Rights::READ),
        Opcode::Write => Requirement::Positioned(Rights::WRITE),
        Opcode::Getdents => needs(Rights::READ),
        // Asked for the sake of seeking from the end.
        Opcode::Fsize => needs(Rights::SEEK),
        Opcode::Fchmod | Opcode::Fchown | Opcode::Futimens => needs(Rights::ATTR),
        Opcode::Fcntl => Requirement::Fcntl,
        Opcode::Fevent => needs(Rights::EVENT),
        Opcode::Sendfd | Opcode::Recvfd => needs(Rights::TRANSFER),
        Opcode::Fpath | Opcode::Fstat | Opcode::Fstatvfs => needs(Rights::STAT),
        Opcode::Fsync | Opcode::Ftruncate | Opcode::Msync => needs(Rights::SYNC),
        Opcode::MmapPrep => Requirement::Map,
        Opcode::Call => needs(Rights::CALL),
        Opcode::OpenAt => Requirement::Open,
        Opcode::Frename | Opcode::Flink => needs(Rights::RENAME),
        Opcode::UnlinkAt => needs(Rights::UNLINK),
        Opcode::StdFsCall => Requirement::StdFs,
        _ => return None,
    })
}

/// What a standard file-system call needs, of each descriptor it is made through.
pub const fn std_fs(kind: StdFsCallKind) -> Rights {
    match kind {
        StdFsCallKind::Fchmod | StdFsCallKind::Fchown | StdFsCallKind::Futimens => Rights::ATTR,
        StdFsCallKind::Getdents => Rights::READ,
        StdFsCallKind::Fstat | StdFsCallKind::Fstatvfs | StdFsCallKind::Relpathat => Rights::STAT,
        StdFsCallKind::Fsync | StdFsCallKind::Ftruncate => Rights::SYNC,
        StdFsCallKind::Unlinkat => Rights::UNLINK,
        StdFsCallKind::Lock | StdFsCallKind::Unlock | StdFsCallKind::GetLock => Rights::FCNTL,
        StdFsCallKind::Frenameat | StdFsCallKind::Flinkat => Rights::RENAME,
    }
}

/// A positioned `read2` or `write2`: without an offset (all ones) it is a plain read or write.
pub const fn positioned(rights: Rights, offset: usize) -> Rights {
    if offset == usize::MAX {
        rights
    } else {
        rights.union(Rights::SEEK)
    }
}

/// `openat`: finding needs `LOOKUP`; creating, truncating and each access mode their own, so that
/// nothing is opened that could not be used.
pub const fn open(flags: usize) -> Rights {
    let mut rights = Rights::LOOKUP;
    if flags & O_CREAT != 0 {
        rights = rights.union(Rights::CREATE);
    }
    if flags & O_TRUNC != 0 {
        rights = rights.union(Rights::WRITE).union(Rights::SYNC);
    }
    // The modes are two bits, O_RDWR being both.
    if flags & O_ACCMODE & O_RDONLY != 0 {
        rights = rights.union(Rights::READ);
    }
    if flags & O_ACCMODE & O_WRONLY != 0 {
        rights = rights.union(Rights::WRITE);
    }
    rights
}

/// The flags of a resolution that begins at a descriptor with these rights: one that may not [`ESCAPE`] keeps it
/// beneath itself. What is asked for in-root stays inside as it is.
///
/// [`ESCAPE`]: Rights::ESCAPE
#[inline]
pub const fn resolution(rights: Rights, flags: usize) -> usize {
    if rights.contains(Rights::ESCAPE) || flags & RESOLVE_IN_ROOT != 0 {
        flags
    } else {
        flags | RESOLVE_BENEATH
    }
}

/// `fmap`: every mapping needs `MAP_READ`, for the machine cannot map what is not readable. Writing
/// to a private mapping changes nobody else's memory and needs no right.
pub fn map(flags: MapFlags) -> Rights {
    let mut rights = Rights::MAP_READ;
    if flags.contains(MapFlags::PROT_WRITE) && !flags.contains(MapFlags::MAP_PRIVATE) {
        rights |= Rights::MAP_WRITE;
    }
    if flags.contains(MapFlags::PROT_EXEC) {
        rights |= Rights::MAP_EXEC;
    }
    rights
}

/// The protection that a mapping may ever have when it was made through a descriptor with these
/// rights: `mprotect` must not go beyond it. `flags` are those of the mapping.
pub fn map_limit(rights: Rights, flags: MapFlags) -> MapFlags {
    [
        MapFlags::PROT_READ,
        MapFlags::PROT_WRITE,
        MapFlags::PROT_EXEC,
    ]
    .into_iter()
    .filter(|&one| rights.contains(map(one | (flags & MapFlags::MAP_PRIVATE))))
    .fold(MapFlags::empty(), MapFlags::union)
}

/// `fcntl`: what concerns only the caller's table, or gives authority up, needs no right.
pub const fn fcntl(command: usize) -> Rights {
    match command {
        F_DUPFD | F_GETFD | F_SETFD | F_GETFL | F_GET_SCHEMEID => Rights::empty(),
        F_CAP_GET_RIGHTS | F_CAP_LIMIT | F_CAP_BENEATH | F_CAP_LEASE | F_CAP_REVOKE => {
            Rights::empty()
        }
        F_SCHEME_DECLARE | F_SCHEME_OBJECT | F_SCHEME_HOLDERS => Rights::empty(),
        _ => Rights::FCNTL,
    }
}

/// `dup`: a copy needs no right; asking the scheme for something derived does.
pub const fn dup(payload_len: usize) -> Rights {
    if payload_len == 0 {
        Rights::empty()
    } else {
        Rights::DUP
    }
}

/// `SYS_CALL`: `first` is the first word of the metadata, 0 if there is none. `None` (`EINVAL`) for
/// a standard call that does not exist.
///
/// Of a bulk descriptor passing (`CallFlags::FD`) this is what the descriptor needs that the others
/// are passed through; each descriptor sent needs [`SEND`] too.
pub fn call(flags: CallFlags, first: u64) -> Option<Rights> {
    if flags.contains(CallFlags::FD) {
        Some(Rights::TRANSFER)
    } else if flags.contains(CallFlags::STD_FS) {
        // The kind is the first byte in memory, of a little-endian word.
        let [kind, ..] = first.to_le_bytes();
        StdFsCallKind::try_from_raw(kind).map(std_fs)
    } else {
        Some(Rights::CALL)
    }
}

/// `SYS_CALL` on a scheme's socket that writes so many replies and reads at most so many requests: what
/// `write` and `read` need of it. Descriptors are passed through it as through any other ([`call`]).
pub const fn socket_call(replies: usize, requests: usize) -> Rights {
    let write = if replies > 0 {
        Rights::WRITE
    } else {
        Rights::empty()
    };
    let read = if requests > 0 {
        Rights::READ
    } else {
        Rights::empty()
    };
    write.union(read)
}

/// What a descriptor needs to be sent away.
pub const SEND: Rights = Rights::TRANSFER;

/// An operation was refused: what it needs and the entry does not have (`EPERM`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub Rights);

/// Whether an entry that has `held` may do what needs `needed`.
///
/// # Errors
/// [`Missing`] names the rights that are lacking.
#[inline]
pub const fn check(held: Rights, needed: Rights) -> Result<(), Missing> {
    if held.contains(needed) {
        Ok(())
    } else {
        Err(Missing(needed.difference(held)))
    }
}

/// The rights of what is opened through a descriptor with `parent`'s rights. See the module's page
/// for why the access mode plays no part.
pub const fn child(parent: Rights) -> Rights {
    parent
}

/// The rights of what is opened through one descriptor after a scheme redirected the request to
/// another: those that both have.
pub const fn redirected(asked: Rights, answering: Rights) -> Rights {
    asked.intersection(answering)
}
