//! Every system call with good and bad arguments, and what it answers, as data.
//!
//! A test program on the machine makes the calls ([`CASES`], [`DESCRIPTORS`], [`POINTERS`]). A host test
//! compares the errors that occur here with the tables of `docs/abi.md`; what needs more than one
//! call to happen is listed in [`ELSEWHERE`] with the case that makes it happen.
#![no_std]
#![forbid(unsafe_code)]

mod bad;
mod cases;

pub use bad::{DESCRIPTORS, Descriptor, POINTERS, Pointer, Use};
pub use cases::CASES;

use syscall::error::*;
use syscall::number::*;

/// A descriptor of the fixture that the cases are run in. Those that could wait do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fd {
    /// A number of the lower table that was closed.
    Closed,
    /// A number that no table can have.
    Huge,
    /// A negative number.
    Negative,
    /// A private number that is not in use.
    PrivateClosed,
    /// A private number that no table can have.
    PrivateHuge,
    /// The reading end of an empty pipe without any rights.
    Powerless,
    /// The reading end of an empty pipe through a lease that was revoked.
    Revoked,
    /// An object of a user scheme whose socket was closed.
    Orphan,
    /// Another copy of the reading end, for calls that use it up.
    Fresh,
    /// Reading end of an empty pipe.
    PipeRead,
    /// Its writing end.
    PipeWrite,
    /// Writing end of a full pipe.
    PipeFull,
    /// Writing end without a reader.
    PipeBroken,
    /// Reading end without a writer.
    PipeEnded,
    /// An event queue with nothing registered.
    Queue,
    /// The monotonic clock.
    Clock,
    /// The console.
    Console,
    /// Interrupt line 8.
    Line,
    /// An interrupt vector for messages.
    Vector,
    /// `zeroed` of the memory scheme.
    Zeroed,
    /// `physical` of the memory scheme.
    Physical,
    /// `translation` of the memory scheme.
    Translation,
    /// `uname` of the sys scheme, at its beginning.
    Uname,
    /// The calling context.
    Context,
    /// Its `status`.
    Status,
    /// Its `attrs`.
    Attrs,
    /// Its `regs/int`.
    Registers,
    /// Its `sched-affinity`.
    Affinity,
    /// Its address space.
    Space,
    /// Its descriptor table.
    Table,
    /// `status` of a context that has ended.
    Dead,
    /// The scheme-creation capability.
    Capability,
    /// A scheme socket that has made a descriptor.
    Socket,
    /// That descriptor. Nobody serves it.
    Other,
    /// An object of another user scheme, whose daemon answers everything with [`SCHEME_ERROR`].
    Object,
    /// What revokes a lease.
    Lease,
    /// Root of the pipe scheme.
    PipeRoot,
    /// Root of the event scheme.
    EventRoot,
    /// Root of the time scheme.
    TimeRoot,
    /// Root of the debug scheme.
    DebugRoot,
    /// Root of the irq scheme.
    IrqRoot,
    /// Root of the memory scheme.
    MemoryRoot,
    /// Root of the sys scheme.
    SysRoot,
    /// Root of the proc scheme.
    ProcRoot,
    /// Root of the acpi scheme.
    AcpiRoot,
}

/// An argument.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// As it is.
    N(usize),
    /// The number of a descriptor.
    F(Fd),
    /// The address of bytes.
    T(&'static [u8]),
    /// The address of words.
    W(&'static [u64]),
    /// The address of words, each a number as it is or a descriptor's.
    Numbers(&'static [Arg], usize),
    /// The address of a page that can be read and written, with nothing mapped behind it.
    Room,
    /// The address of a page that can only be read.
    ReadOnly,
    /// The address of a page that is mapped without access.
    Forbidden,
}

/// What a call answers.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// This value.
    Is(usize),
    /// Any value that is no error.
    Works,
    /// A new descriptor, which is to be closed.
    Opens,
    /// The address of a new mapping of a page, which is to be unmapped.
    Maps,
    /// What the daemon of the user scheme answers: always [`SCHEME_ERROR`].
    Answered,
    /// This error.
    Fails(i32),
}

/// What [`Fd::Object`]'s daemon answers to everything.
pub const SCHEME_ERROR: i32 = ENOTTY;

/// A call and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its number.
    pub call: usize,
    /// Its arguments; the last of six is zero.
    pub args: [Arg; 5],
    /// What comes back.
    pub expect: Expect,
}

/// Errors that take more than one call: the call, the error, and the case of `tests/guest/` that
/// sees it, as group and name.
pub const ELSEWHERE: &[(usize, i32, &str)] = &[
    (SYS_READ, EINTR, "signals.every_wait_is_interrupted"),
    (SYS_WRITE, EINTR, "signals.every_wait_is_interrupted"),
    (SYS_FUTEX, EINTR, "signals.every_wait_is_interrupted"),
    (SYS_NANOSLEEP, EINTR, "signals.every_wait_is_interrupted"),
    (SYS_WRITE, ELOOP, "event.a_queue_does_not_watch_itself"),
    (SYS_WRITE, ENOSPC, "event.registrations_are_limited"),
    (SYS_WRITE, EEXIST, "proc.spaces_are_edited_from_outside"),
    (SYS_WRITE, ENOMEM, "proc.spaces_are_edited_from_outside"),
    (SYS_MPROTECT, EACCES, "maps.maps_stay_within_their_rights"),
    (
        SYS_DUP_INTO,
        EMFILE,
        "exhaustion.descriptors_run_out_and_come_back",
    ),
    (
        SYS_DUP2,
        EMFILE,
        "exhaustion.descriptors_run_out_and_come_back",
    ),
    (
        SYS_FCNTL,
        EMFILE,
        "exhaustion.descriptors_run_out_and_come_back",
    ),
    (
        SYS_OPENAT_INTO,
        EMFILE,
        "exhaustion.descriptors_run_out_and_come_back",
    ),
    (
        SYS_OPENAT_INTO2,
        EMFILE,
        "exhaustion.descriptors_run_out_and_come_back",
    ),
    (SYS_OPENAT_INTO, ENOSPC, "irq.vectors_run_out_and_come_back"),
    (
        SYS_OPENAT_INTO2,
        ENOSPC,
        "irq.vectors_run_out_and_come_back",
    ),
    (
        SYS_OPENAT_INTO2,
        ENOMEM,
        "exhaustion.kernel_memory_runs_out_and_comes_back",
    ),
    (
        SYS_DUP_INTO,
        ENOMEM,
        "exhaustion.kernel_memory_runs_out_and_comes_back",
    ),
    (SYS_OPENAT_INTO, ELOOP, "scheme.redirect.loops_end"),
    (SYS_OPENAT_INTO2, ELOOP, "scheme.redirect.loops_end"),
    (SYS_UNLINKAT, ELOOP, "scheme.redirect.loops_end"),
    (
        SYS_FCNTL,
        EXDEV,
        "scheme.create.a_daemon_knows_its_own_objects",
    ),
    (SYS_FCNTL, ELOOP, "scheme.leases.leases_leave_nothing"),
    (
        SYS_MREMAP,
        EACCES,
        "scheme.payload.lent_buffers_are_for_the_call",
    ),
    (
        SYS_FMAP,
        EACCES,
        "scheme.payload.lent_buffers_are_for_the_call",
    ),
];
