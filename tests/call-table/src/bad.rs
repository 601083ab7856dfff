//! Arguments that are bad in the same way for every call: descriptors and addresses.

use crate::Arg::{self, F, N, Room, T, W};
use crate::Fd;
use cap_abi::FD_ANY;
use syscall::flag::*;
use syscall::number::*;

/// A call that takes a descriptor. Closed and impossible numbers give `EBADF` instead of what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Its number.
    pub call: usize,
    /// Arguments that are good but for the descriptor.
    pub args: [Arg; 5],
    /// Which one is the descriptor.
    pub at: usize,
    /// Whether it needs a right: without any, `EPERM`.
    pub right: bool,
    /// Whether it looks at leases: after revocation, `ESTALE`.
    pub lease: bool,
    /// Whether a user scheme is asked: if it is gone, `ENODEV`.
    pub scheme: bool,
}

const fn row(call: usize, args: [Arg; 5], marks: &str) -> Descriptor {
    let mut new = Descriptor {
        call,
        args,
        at: 0,
        right: false,
        lease: false,
        scheme: false,
    };
    let marks = marks.as_bytes();
    let mut i = 0;
    while i < marks.len() {
        match marks[i] {
            b'r' => new.right = true,
            b'l' => new.lease = true,
            b's' => new.scheme = true,
            digit => new.at = (digit - b'0') as usize,
        }
        i += 1;
    }
    new
}

const NONE: Arg = N(0);

/// Every call that takes a descriptor, once for each place and way it does.
pub const DESCRIPTORS: &[Descriptor] = &[
    row(
        SYS_OPENAT_INTO,
        [NONE, T(b"x"), N(1), N(O_RDONLY), N(FD_ANY)],
        "rls",
    ),
    row(
        SYS_OPENAT_INTO2,
        [NONE, T(b"x"), N(1), N(O_RDONLY), N(FD_ANY)],
        "rls",
    ),
    row(SYS_UNLINKAT, [NONE, T(b"x"), N(1), NONE, NONE], "rls"),
    row(SYS_CLOSE, [NONE; 5], ""),
    row(SYS_DUP_INTO, [NONE, NONE, NONE, N(FD_ANY), NONE], "l"),
    row(
        SYS_DUP_INTO,
        [NONE, T(b"read"), N(4), N(FD_ANY), NONE],
        "rls",
    ),
    row(SYS_DUP2, [NONE, N(FD_ANY), NONE, NONE, NONE], "l"),
    row(SYS_DUP2, [NONE, N(FD_ANY), T(b"read"), N(4), NONE], "rls"),
    row(SYS_READ, [NONE, Room, N(8), NONE, NONE], "rls"),
    row(SYS_READ2, [NONE, Room, N(8), NONE, NONE], "rls"),
    row(SYS_WRITE, [NONE, Room, N(8), NONE, NONE], "rls"),
    row(SYS_WRITE2, [NONE, Room, N(8), NONE, NONE], "rls"),
    row(SYS_LSEEK, [NONE, N(0), N(SEEK_SET), NONE, NONE], "rl"),
    row(SYS_FCHOWN, [NONE; 5], "rls"),
    row(SYS_FCNTL, [NONE, N(F_DUPFD), NONE, NONE, NONE], "l"),
    row(SYS_FCNTL, [NONE, N(F_GETFD), NONE, NONE, NONE], "l"),
    row(SYS_FCNTL, [NONE, N(F_SETFD), NONE, NONE, NONE], "l"),
    row(SYS_FCNTL, [NONE, N(F_GETFL), NONE, NONE, NONE], "l"),
    row(SYS_FCNTL, [NONE, N(F_SETFL), NONE, NONE, NONE], "rl"),
    row(SYS_FCNTL, [NONE, N(F_GET_SCHEMEID), NONE, NONE, NONE], "ls"),
    row(SYS_FCNTL, [NONE, N(0x7000), NONE, NONE, NONE], "rls"),
    row(
        SYS_FCNTL,
        [NONE, N(cap_abi::fcntl::F_CAP_GET_RIGHTS), NONE, NONE, NONE],
        "l",
    ),
    row(
        SYS_FCNTL,
        [NONE, N(cap_abi::fcntl::F_CAP_LIMIT), NONE, NONE, NONE],
        "l",
    ),
    row(
        SYS_FCNTL,
        [NONE, N(cap_abi::fcntl::F_CAP_BENEATH), NONE, NONE, NONE],
        "ls",
    ),
    row(
        SYS_FCNTL,
        [
            NONE,
            N(cap_abi::fcntl::F_CAP_LEASE),
            W(&[FD_ANY as u64, FD_ANY as u64, 0]),
            NONE,
            NONE,
        ],
        "l",
    ),
    row(
        SYS_FCNTL,
        [NONE, N(cap_abi::fcntl::F_CAP_REVOKE), NONE, NONE, NONE],
        "l",
    ),
    row(
        SYS_FCNTL,
        [NONE, N(cap_abi::fcntl::F_SCHEME_DECLARE), NONE, NONE, NONE],
        "l",
    ),
    row(
        SYS_FCNTL,
        [NONE, N(cap_abi::fcntl::F_SCHEME_OBJECT), NONE, NONE, NONE],
        "l",
    ),
    row(
        SYS_FCNTL,
        [NONE, N(cap_abi::fcntl::F_SCHEME_HOLDERS), NONE, NONE, NONE],
        "l",
    ),
    row(SYS_FEVENT, [NONE; 5], "rls"),
    row(SYS_CALL, [NONE; 5], "rls"),
    row(
        SYS_FMAP,
        [NONE, W(&[0, 4096, 0x4_0001, 0]), N(32), NONE, NONE],
        "rls",
    ),
    row(SYS_FLINK, [NONE, T(b"x"), N(1), NONE, NONE], "rls"),
    row(SYS_FRENAME, [NONE, T(b"x"), N(1), NONE, NONE], "rls"),
    row(SYS_FPATH, [NONE, Room, N(8), NONE, NONE], "rls"),
    row(
        SYS_FSTAT,
        [NONE, Room, N(size_of::<syscall::Stat>()), NONE, NONE],
        "rls",
    ),
    row(SYS_FSYNC, [NONE; 5], "rls"),
];

/// What the kernel does at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Reads.
    In,
    /// Writes.
    Out,
    /// Reads a word that has to be aligned.
    Aligned,
}

/// A call that takes an address. Bad ones give `EFAULT` instead of what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Pointer {
    /// Its number.
    pub call: usize,
    /// Arguments that are good but for the address.
    pub args: [Arg; 5],
    /// Which one is the address.
    pub at: usize,
    /// What is done there.
    pub used: Use,
}

const fn at(call: usize, args: [Arg; 5], at: usize, used: Use) -> Pointer {
    Pointer {
        call,
        args,
        at,
        used,
    }
}

const FSTAT: &[u64] = &[4];

/// Every call that takes an address, once for each place and way it does.
pub const POINTERS: &[Pointer] = &[
    at(
        SYS_OPENAT_INTO,
        [F(Fd::SysRoot), NONE, N(5), N(O_RDONLY), N(FD_ANY)],
        1,
        Use::In,
    ),
    at(
        SYS_OPENAT_INTO2,
        [F(Fd::SysRoot), NONE, N(5), N(O_RDONLY), N(FD_ANY)],
        1,
        Use::In,
    ),
    at(
        SYS_DUP_INTO,
        [F(Fd::PipeRead), NONE, N(5), N(FD_ANY), NONE],
        1,
        Use::In,
    ),
    at(
        SYS_DUP_INTO,
        [F(Fd::Capability), NONE, N(13), N(FD_ANY), NONE],
        1,
        Use::In,
    ),
    at(
        SYS_DUP2,
        [F(Fd::PipeRead), N(FD_ANY), NONE, N(5), NONE],
        2,
        Use::In,
    ),
    at(
        SYS_READ,
        [F(Fd::Uname), NONE, N(16), NONE, NONE],
        1,
        Use::Out,
    ),
    at(
        SYS_READ,
        [F(Fd::Clock), NONE, N(16), NONE, NONE],
        1,
        Use::Out,
    ),
    at(
        SYS_READ,
        [F(Fd::Status), NONE, N(32), NONE, NONE],
        1,
        Use::Out,
    ),
    at(
        SYS_READ,
        [F(Fd::Table), NONE, N(8), NONE, NONE],
        1,
        Use::Out,
    ),
    at(
        SYS_READ,
        [F(Fd::Space), NONE, N(32), NONE, NONE],
        1,
        Use::Out,
    ),
    at(
        SYS_READ2,
        [F(Fd::Uname), NONE, N(16), NONE, N(usize::MAX)],
        1,
        Use::Out,
    ),
    at(
        SYS_WRITE,
        [F(Fd::PipeWrite), NONE, N(16), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_WRITE,
        [F(Fd::Queue), NONE, N(24), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_WRITE,
        [F(Fd::Clock), NONE, N(16), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_WRITE,
        [
            F(Fd::Attrs),
            NONE,
            N(size_of::<syscall::ProcSchemeAttrs>()),
            NONE,
            NONE,
        ],
        1,
        Use::In,
    ),
    at(
        SYS_WRITE,
        [F(Fd::Status), NONE, N(8), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_WRITE,
        [F(Fd::Space), NONE, N(24), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_WRITE,
        [F(Fd::Console), NONE, N(2), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_WRITE2,
        [F(Fd::PipeWrite), NONE, N(16), N(usize::MAX), N(usize::MAX)],
        1,
        Use::In,
    ),
    at(
        SYS_FCNTL,
        [
            F(Fd::PipeRead),
            N(cap_abi::fcntl::F_CAP_LEASE),
            NONE,
            NONE,
            NONE,
        ],
        2,
        Use::In,
    ),
    at(
        SYS_CALL,
        [F(Fd::Translation), NONE, N(8), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_CALL,
        [
            F(Fd::Uname),
            NONE,
            N(size_of::<syscall::Stat>()),
            N(1 | 1 << 16),
            W(FSTAT),
        ],
        1,
        Use::Out,
    ),
    at(
        SYS_CALL,
        [F(Fd::Vector), NONE, N(16), NONE, NONE],
        1,
        Use::Out,
    ),
    at(SYS_CALL, [F(Fd::Table), NONE, NONE, N(4), NONE], 4, Use::In),
    at(
        SYS_FMAP,
        [N(usize::MAX), NONE, N(32), NONE, NONE],
        1,
        Use::In,
    ),
    at(
        SYS_FSTAT,
        [
            F(Fd::Uname),
            NONE,
            N(size_of::<syscall::Stat>()),
            NONE,
            NONE,
        ],
        1,
        Use::Out,
    ),
    at(
        SYS_CLOCK_GETTIME,
        [N(CLOCK_MONOTONIC), NONE, NONE, NONE, NONE],
        1,
        Use::Out,
    ),
    at(
        SYS_FUTEX,
        [NONE, N(FUTEX_WAIT), NONE, NONE, NONE],
        0,
        Use::Aligned,
    ),
    at(
        SYS_FUTEX,
        [NONE, N(FUTEX_WAIT64), NONE, NONE, NONE],
        0,
        Use::Aligned,
    ),
    at(
        SYS_FUTEX,
        [Room, N(FUTEX_WAIT), NONE, NONE, NONE],
        3,
        Use::In,
    ),
    at(SYS_NANOSLEEP, [NONE, NONE, NONE, NONE, NONE], 0, Use::In),
];
