//! The calls.

use crate::Arg::{self, F, Forbidden, N, Numbers, ReadOnly, Room, T, W};
use crate::Case;
use crate::Expect::{self, Answered, Fails, Is, Maps, Opens, Works};
use crate::Fd::*;
use cap_abi::memory::{COMMIT, COMMIT_MOST};
use cap_abi::resolve::RESOLVE_BENEATH;
use cap_abi::{FD_ANY, FD_ANY_UPPER, Rights, fcntl::*};
use syscall::error::*;
use syscall::flag::*;
use syscall::number::*;
use syscall::{CtxtStsBuf, IntRegisters, PAGE_SIZE, Stat};

const fn case(call: usize, args: [Arg; 5], expect: Expect) -> Case {
    Case { call, args, expect }
}

const O: Arg = N(0);
const ANY: Arg = N(FD_ANY);
const UPPER: Arg = N(FD_ANY_UPPER);
/// As an offset or as flags: not given.
const NOT_GIVEN: Arg = N(usize::MAX);
const STAT: Arg = N(size_of::<Stat>());
const STATUS: usize = size_of::<CtxtStsBuf>();
const REGISTERS: Arg = N(size_of::<IntRegisters>());
const ANONYMOUS: Arg = N(usize::MAX);
const MAP: Arg = N(32);
/// A number that no table can have.
const BEYOND: Arg = N(65_536);

const PRIVATE: u64 = MapFlags::MAP_PRIVATE.bits() as u64;
const SHARED: u64 = MapFlags::MAP_SHARED.bits() as u64;
const NOREPLACE: u64 = MapFlags::MAP_FIXED_NOREPLACE.bits() as u64;
const READ: u64 = MapFlags::PROT_READ.bits() as u64;
const WRITE: u64 = MapFlags::PROT_WRITE.bits() as u64;
const PAGE: u64 = PAGE_SIZE as u64;

const STD: usize = 1 << 16;
const PASS: usize = 1 << 11;
const TO_SCHEME: usize = 1 << 9;
const FROM_SCHEME: usize = 1 << 10;
const TWO: usize = 1 << 19;

/// `SYS_CALL` without a payload.
const fn verb(fd: crate::Fd, words: &'static [u64], expect: Expect) -> Case {
    case(SYS_CALL, [F(fd), O, O, N(words.len()), W(words)], expect)
}

const fn fcntl(fd: crate::Fd, command: usize, argument: usize, expect: Expect) -> Case {
    case(SYS_FCNTL, [F(fd), N(command), N(argument), O, O], expect)
}

const fn read(fd: crate::Fd, len: usize, expect: Expect) -> Case {
    case(SYS_READ, [F(fd), Room, N(len), O, O], expect)
}

const fn write(fd: crate::Fd, words: &'static [u64], expect: Expect) -> Case {
    case(
        SYS_WRITE,
        [F(fd), W(words), N(size_of_val(words)), O, O],
        expect,
    )
}

/// A new-style open for reading.
const fn open(fd: crate::Fd, key: &'static [u8], expect: Expect) -> Case {
    case(
        SYS_OPENAT_INTO2,
        [F(fd), T(key), N(key.len()), N(O_RDONLY), ANY],
        expect,
    )
}

const fn dup(fd: crate::Fd, payload: &'static [u8], expect: Expect) -> Case {
    case(
        SYS_DUP_INTO,
        [F(fd), T(payload), N(payload.len()), ANY, O],
        expect,
    )
}

const fn map(fd: Arg, words: &'static [u64], expect: Expect) -> Case {
    case(SYS_FMAP, [fd, W(words), MAP, O, O], expect)
}

/// Every call, once for each way to be right and for each way to be wrong that is its own.
pub const CASES: &[Case] = &[
    // Numbers that are no call.
    case(0, [O; 5], Fails(ENOSYS)),
    case(1, [O; 5], Fails(ENOSYS)),
    case(usize::MAX, [O; 5], Fails(ENOSYS)),
    case(
        SYS_READ ^ SYS_ARG_MSLICE,
        [F(Uname), Room, N(1), O, O],
        Fails(ENOSYS),
    ),
    case(SYS_YIELD | 1 << 32, [O; 5], Fails(ENOSYS)),
    // openat
    open(SysRoot, b"uname", Opens),
    case(
        SYS_OPENAT_INTO2,
        [
            F(SysRoot),
            T(b"uname"),
            N(5 | O_NONBLOCK),
            N(O_RDONLY),
            UPPER,
        ],
        Opens,
    ),
    open(PipeRoot, b"", Opens),
    open(EventRoot, b"", Opens),
    open(TimeRoot, b"1", Opens),
    open(TimeRoot, b"4", Opens),
    open(TimeRoot, b"2", Fails(ENOENT)),
    open(MemoryRoot, b"physical@uc", Opens),
    open(MemoryRoot, b"physical@xx", Fails(ENOENT)),
    open(DebugRoot, b"", Opens),
    open(DebugRoot, b"x", Fails(ENOENT)),
    open(IrqRoot, b"9", Opens),
    open(IrqRoot, b"msi", Opens),
    open(IrqRoot, b"8", Fails(EBUSY)),
    open(IrqRoot, b"0", Fails(ENOENT)),
    open(IrqRoot, b"4", Fails(ENOENT)),
    open(IrqRoot, b"24", Fails(ENOENT)),
    open(IrqRoot, b"-1", Fails(ENOENT)),
    open(IrqRoot, b"99999999999999999999", Fails(ENOENT)),
    open(AcpiRoot, b"tables", Fails(ENOENT)),
    open(ProcRoot, b"new-addrspace", Opens),
    open(ProcRoot, b"new-context", Opens),
    open(ProcRoot, b"cur-context", Opens),
    open(ProcRoot, b"cur-contex", Fails(ENOENT)),
    open(ProcRoot, b"cur-context/", Fails(ENOENT)),
    open(Context, b"attrs", Opens),
    open(Context, b"nothing", Fails(ENOENT)),
    open(Attrs, b"attrs", Fails(ENOTDIR)),
    open(Space, b"empty", Opens),
    open(Space, b"copy", Fails(ENOENT)),
    open(Table, b"copy", Opens),
    open(Table, b"exclusive", Fails(ENOENT)),
    open(SysRoot, b"unam", Fails(ENOENT)),
    open(SysRoot, b"uname\0", Fails(ENOENT)),
    open(SysRoot, b"/uname", Fails(ENOENT)),
    open(SysRoot, &[b'x'; 65], Fails(ENOENT)),
    open(PipeRead, b"", Fails(ENOTDIR)),
    open(Queue, b"x", Fails(ENOTDIR)),
    open(Capability, b"", Fails(ENOTDIR)),
    case(
        SYS_OPENAT_INTO2,
        [F(SysRoot), T(b"uname"), N(5), N(O_WRONLY), ANY],
        Fails(EACCES),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(SysRoot), T(b"uname"), N(5), N(O_RDWR), ANY],
        Fails(EACCES),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(SysRoot), T(b"uname"), N(5), N(O_RDONLY), F(Queue)],
        Fails(EEXIST),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(Object), T(b"x"), N(1), N(O_RDONLY), F(Queue)],
        Fails(EEXIST),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(SysRoot), T(b"uname"), N(5), N(O_RDONLY), BEYOND],
        Fails(EBADF),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(SysRoot), T(b"uname"), N(5), N(O_RDONLY), F(PrivateHuge)],
        Fails(EBADF),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(SysRoot), T(b"uname"), N(4097), N(O_RDONLY), ANY],
        Fails(ENAMETOOLONG),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(SysRoot), T(b"uname"), N(1 << 63), N(O_RDONLY), ANY],
        Fails(ENAMETOOLONG),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(Object), T(b"x"), N(1), N(O_RDONLY | RESOLVE_BENEATH), ANY],
        Fails(EPERM),
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(Object), T(b"x"), N(1), N(O_RDONLY), ANY],
        Answered,
    ),
    case(
        SYS_OPENAT_INTO2,
        [F(Object), T(b"\xff"), N(1), N(O_RDONLY), ANY],
        Fails(EINVAL),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(SysRoot), T(b"uname"), N(5), N(O_RDONLY | O_NONBLOCK), ANY],
        Opens,
    ),
    case(
        SYS_OPENAT_INTO,
        [F(SysRoot), T(b"nothing"), N(7), N(O_RDONLY), ANY],
        Fails(ENOENT),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(PipeRead), T(b"x"), N(1), N(O_RDONLY), ANY],
        Fails(ENOTDIR),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(SysRoot), T(b"uname"), N(5), N(O_WRONLY), ANY],
        Fails(EACCES),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(SysRoot), T(b"uname"), N(5), N(O_RDONLY), F(Queue)],
        Fails(EEXIST),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(SysRoot), T(b"uname"), N(5), N(O_RDONLY), BEYOND],
        Fails(EBADF),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(SysRoot), T(b"uname"), N(4097), N(O_RDONLY), ANY],
        Fails(ENAMETOOLONG),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(IrqRoot), T(b"8"), N(1), N(O_RDONLY), ANY],
        Fails(EBUSY),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(Object), T(b"x"), N(1), N(O_RDONLY | RESOLVE_BENEATH), ANY],
        Fails(EPERM),
    ),
    case(
        SYS_OPENAT_INTO,
        [F(Object), T(b"\xff"), N(1), N(O_RDONLY), ANY],
        Fails(EINVAL),
    ),
    // unlinkat
    case(
        SYS_UNLINKAT,
        [F(SysRoot), T(b"uname"), N(5), O, O],
        Fails(EPERM),
    ),
    case(
        SYS_UNLINKAT,
        [F(Object), T(b"x"), N(4097), O, O],
        Fails(ENAMETOOLONG),
    ),
    case(
        SYS_UNLINKAT,
        [F(Object), T(b"x"), N(1), N(RESOLVE_BENEATH), O],
        Fails(EPERM),
    ),
    case(
        SYS_UNLINKAT,
        [F(Object), T(b"\xff"), N(1), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_UNLINKAT,
        [F(Object), N(0x1000), N(1), O, O],
        Fails(EFAULT),
    ),
    case(SYS_UNLINKAT, [F(Object), T(b"x"), N(1), O, O], Answered),
    // close
    case(SYS_CLOSE, [F(Fresh), O, O, O, O], Is(0)),
    // dup
    case(SYS_DUP_INTO, [F(PipeRead), O, O, ANY, O], Opens),
    case(SYS_DUP_INTO, [F(PipeRead), O, O, UPPER, O], Opens),
    case(SYS_DUP_INTO, [F(PipeRead), O, O, F(Closed), O], Opens),
    case(
        SYS_DUP_INTO,
        [F(PipeRead), O, O, F(PrivateClosed), O],
        Opens,
    ),
    case(
        SYS_DUP_INTO,
        [F(PipeRead), O, O, F(PipeRead), O],
        Fails(EEXIST),
    ),
    case(
        SYS_DUP_INTO,
        [F(PipeRead), O, O, F(Queue), O],
        Fails(EEXIST),
    ),
    case(SYS_DUP_INTO, [F(PipeRead), O, O, BEYOND, O], Fails(EBADF)),
    case(
        SYS_DUP_INTO,
        [F(PipeRead), O, O, F(PrivateHuge), O],
        Fails(EBADF),
    ),
    case(
        SYS_DUP_INTO,
        [F(PipeRead), O, O, N(FD_ANY_UPPER - 1), O],
        Fails(EBADF),
    ),
    case(SYS_DUP_INTO, [F(Powerless), O, O, ANY, O], Opens),
    dup(PipeRead, b"write", Opens),
    dup(PipeRead, b"read", Opens),
    dup(PipeWrite, b"write", Opens),
    dup(PipeWrite, b"read", Fails(EBADF)),
    dup(PipeRead, b"writ", Fails(EINVAL)),
    dup(PipeRead, &[b'x'; 65], Fails(EINVAL)),
    dup(Queue, b"x", Fails(EINVAL)),
    dup(Clock, b"x", Fails(EINVAL)),
    dup(SysRoot, b"uname", Opens),
    dup(SysRoot, b"nothing", Fails(ENOENT)),
    dup(Context, b"status", Opens),
    dup(Context, b"nothing", Fails(ENOENT)),
    dup(Attrs, b"attrs", Fails(ENOTDIR)),
    dup(IrqRoot, b"8", Fails(EBUSY)),
    dup(Capability, b"create-scheme", Opens),
    dup(Capability, b"create-schemes", Fails(EINVAL)),
    dup(Socket, b"x", Fails(EINVAL)),
    case(
        SYS_DUP_INTO,
        [F(Capability), T(b"create-scheme"), N(13), F(Queue), O],
        Fails(EEXIST),
    ),
    dup(Object, b"x", Answered),
    case(
        SYS_DUP_INTO,
        [F(Object), T(b"x"), N(4097), ANY, O],
        Fails(EINVAL),
    ),
    case(SYS_DUP2, [F(PipeRead), F(PipeRead), O, O, O], Works),
    case(SYS_DUP2, [F(PipeRead), ANY, O, O, O], Opens),
    case(SYS_DUP2, [F(PipeRead), UPPER, O, O, O], Opens),
    case(SYS_DUP2, [F(PipeRead), F(Closed), O, O, O], Opens),
    case(SYS_DUP2, [F(PipeRead), F(Fresh), O, O, O], Opens),
    case(
        SYS_DUP2,
        [F(PipeRead), F(Fresh), T(b"write"), N(5), O],
        Opens,
    ),
    case(
        SYS_DUP2,
        [F(PipeRead), ANY, T(b"wrong"), N(5), O],
        Fails(EINVAL),
    ),
    case(SYS_DUP2, [F(PipeRead), BEYOND, O, O, O], Fails(EBADF)),
    case(
        SYS_DUP2,
        [F(PipeRead), F(PrivateHuge), O, O, O],
        Fails(EBADF),
    ),
    case(
        SYS_DUP2,
        [F(SysRoot), ANY, T(b"nothing"), N(7), O],
        Fails(ENOENT),
    ),
    case(
        SYS_DUP2,
        [F(Attrs), ANY, T(b"attrs"), N(5), O],
        Fails(ENOTDIR),
    ),
    case(SYS_DUP2, [F(IrqRoot), ANY, T(b"8"), N(1), O], Fails(EBUSY)),
    // read
    read(Uname, 16, Is(16)),
    read(Uname, 0, Is(0)),
    case(SYS_READ, [F(Uname), O, O, O, O], Is(0)),
    case(SYS_READ, [F(Uname), ReadOnly, N(1), O, O], Fails(EFAULT)),
    case(SYS_READ, [F(Uname), Forbidden, N(1), O, O], Fails(EFAULT)),
    read(SysRoot, PAGE_SIZE, Works),
    read(PipeRead, 1, Fails(EAGAIN)),
    read(PipeRead, 0, Is(0)),
    read(PipeEnded, 1, Is(0)),
    read(PipeWrite, 1, Fails(EBADF)),
    read(Queue, 24, Fails(EAGAIN)),
    read(Queue, 23, Fails(EINVAL)),
    read(Clock, 16, Is(16)),
    read(Clock, 17, Is(16)),
    read(Clock, 15, Fails(EINVAL)),
    read(Console, 1, Fails(EAGAIN)),
    read(Console, 0, Is(0)),
    read(Line, 8, Fails(EAGAIN)),
    read(Line, 7, Fails(EINVAL)),
    read(Status, STATUS, Is(STATUS)),
    read(Status, STATUS - 1, Fails(EINVAL)),
    read(Dead, STATUS, Is(STATUS)),
    read(Attrs, 1, Fails(EINVAL)),
    read(Affinity, 16, Is(16)),
    read(Space, 32, Is(32)),
    read(Space, 31, Is(0)),
    read(Table, 16, Is(16)),
    read(Table, 7, Is(0)),
    case(
        SYS_READ,
        [F(Registers), Room, REGISTERS, O, O],
        Fails(EBUSY),
    ),
    read(Context, 8, Fails(EBADF)),
    read(Zeroed, 8, Fails(EBADF)),
    read(Translation, 8, Fails(EBADF)),
    read(Capability, 8, Fails(EBADF)),
    read(Lease, 8, Fails(EBADF)),
    read(Socket, 64, Fails(EAGAIN)),
    read(PipeRoot, 8, Fails(EISDIR)),
    read(ProcRoot, 8, Fails(EISDIR)),
    case(SYS_READ2, [F(Uname), Room, N(4), O, NOT_GIVEN], Is(4)),
    case(
        SYS_READ2,
        [F(Uname), Room, N(4), N(1 << 40), NOT_GIVEN],
        Is(0),
    ),
    case(
        SYS_READ2,
        [F(Uname), Room, N(4), NOT_GIVEN, NOT_GIVEN],
        Is(4),
    ),
    case(SYS_READ2, [F(Uname), Room, N(4), O, N(4)], Fails(EINVAL)),
    case(
        SYS_READ2,
        [F(Uname), Room, N(4), O, N(1 << 40)],
        Fails(EINVAL),
    ),
    case(
        SYS_READ2,
        [F(PipeRead), Room, N(4), NOT_GIVEN, N(1)],
        Fails(EAGAIN),
    ),
    case(
        SYS_READ2,
        [F(PipeEnded), Room, N(4), NOT_GIVEN, NOT_GIVEN],
        Is(0),
    ),
    case(
        SYS_READ2,
        [F(PipeRead), Room, N(4), O, NOT_GIVEN],
        Fails(ESPIPE),
    ),
    case(
        SYS_READ2,
        [F(Clock), Room, N(16), O, NOT_GIVEN],
        Fails(ESPIPE),
    ),
    case(
        SYS_READ2,
        [F(PipeRoot), Room, N(4), O, NOT_GIVEN],
        Fails(EISDIR),
    ),
    case(
        SYS_READ2,
        [F(Space), Room, N(4), O, NOT_GIVEN],
        Fails(EFAULT),
    ),
    // write
    case(SYS_WRITE, [F(PipeWrite), T(b"hello"), N(5), O, O], Is(5)),
    case(SYS_WRITE, [F(PipeWrite), ReadOnly, N(5), O, O], Is(5)),
    case(
        SYS_WRITE,
        [F(PipeWrite), Forbidden, N(5), O, O],
        Fails(EFAULT),
    ),
    case(SYS_WRITE, [F(PipeWrite), O, O, O, O], Is(0)),
    case(SYS_WRITE, [F(PipeRead), T(b"x"), N(1), O, O], Fails(EBADF)),
    case(
        SYS_WRITE,
        [F(PipeBroken), T(b"x"), N(1), O, O],
        Fails(EPIPE),
    ),
    case(SYS_WRITE, [F(PipeFull), T(b"x"), N(1), O, O], Fails(EAGAIN)),
    case(SYS_WRITE, [F(Uname), T(b"x"), N(1), O, O], Fails(EBADF)),
    case(SYS_WRITE, [F(SysRoot), T(b"x"), N(1), O, O], Fails(EBADF)),
    case(SYS_WRITE, [F(Physical), T(b"x"), N(1), O, O], Fails(EBADF)),
    case(
        SYS_WRITE,
        [F(Capability), T(b"x"), N(1), O, O],
        Fails(EBADF),
    ),
    case(SYS_WRITE, [F(Table), T(b"x"), N(1), O, O], Fails(EBADF)),
    case(SYS_WRITE, [F(Context), T(b"x"), N(1), O, O], Fails(EBADF)),
    case(SYS_WRITE, [F(Socket), T(b"x"), N(1), O, O], Is(0)),
    case(
        SYS_WRITE,
        [F(Line), T(b"1234567"), N(7), O, O],
        Fails(EINVAL),
    ),
    write(Line, &[99], Fails(EINVAL)),
    write(Queue, &[0, 0], Fails(EINVAL)),
    write(Queue, &[0, 8, 0], Fails(EINVAL)),
    write(Queue, &[1 << 40, 1, 0], Fails(EBADF)),
    write(Clock, &[0], Fails(EINVAL)),
    write(Clock, &[0, 1_000_000_000], Fails(EINVAL)),
    write(Clock, &[u64::MAX, 0], Fails(EINVAL)),
    write(Clock, &[0, 0], Is(16)),
    write(Status, &[99], Fails(EINVAL)),
    write(Status, &[], Fails(EINVAL)),
    write(Status, &[2, 0, 0], Fails(EINVAL)),
    write(Status, &[2], Is(8)),
    write(Dead, &[1], Fails(ESRCH)),
    write(Affinity, &[0, 1], Fails(EINVAL)),
    write(Affinity, &[u64::MAX, u64::MAX], Is(16)),
    case(SYS_WRITE, [F(Attrs), Room, N(1), O, O], Fails(EINVAL)),
    case(
        SYS_WRITE,
        [F(Registers), Room, REGISTERS, O, O],
        Fails(EBUSY),
    ),
    write(Space, &[9], Fails(EINVAL)),
    write(Space, &[1, 0x10_0001, PAGE], Fails(EINVAL)),
    write(Space, &[2, 0x4000_0000_0000, PAGE, READ], Fails(ENOMEM)),
    write(
        Space,
        &[0, 1 << 40, 0, 0, PAGE, PRIVATE | READ],
        Fails(EBADF),
    ),
    case(
        SYS_WRITE2,
        [F(PipeWrite), T(b"x"), N(1), NOT_GIVEN, NOT_GIVEN],
        Is(1),
    ),
    case(
        SYS_WRITE2,
        [F(PipeFull), T(b"x"), N(1), NOT_GIVEN, N(1)],
        Fails(EAGAIN),
    ),
    case(
        SYS_WRITE2,
        [F(PipeBroken), T(b"x"), N(1), NOT_GIVEN, NOT_GIVEN],
        Fails(EPIPE),
    ),
    case(
        SYS_WRITE2,
        [F(PipeWrite), T(b"x"), N(1), O, NOT_GIVEN],
        Fails(ESPIPE),
    ),
    case(
        SYS_WRITE2,
        [F(PipeWrite), T(b"x"), N(1), O, N(8)],
        Fails(EINVAL),
    ),
    case(
        SYS_WRITE2,
        [F(Space), T(b"x"), N(1), O, NOT_GIVEN],
        Fails(EFAULT),
    ),
    case(SYS_WRITE, [F(Object), T(b"x"), N(1), O, O], Answered),
    case(SYS_READ, [F(Object), Room, N(1), O, O], Answered),
    case(
        SYS_READ2,
        [F(Object), Room, N(1), N(7), NOT_GIVEN],
        Answered,
    ),
    case(
        SYS_WRITE2,
        [F(Object), T(b"x"), N(1), N(7), NOT_GIVEN],
        Answered,
    ),
    // lseek
    case(SYS_LSEEK, [F(Uname), N(3), N(SEEK_SET), O, O], Is(3)),
    case(SYS_LSEEK, [F(Uname), O, N(SEEK_CUR), O, O], Is(0)),
    case(SYS_LSEEK, [F(Uname), O, N(SEEK_END), O, O], Works),
    case(
        SYS_LSEEK,
        [F(Uname), N(usize::MAX), N(SEEK_SET), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_LSEEK,
        [F(Uname), N(usize::MAX), N(SEEK_CUR), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_LSEEK,
        [F(Uname), N(isize::MAX as usize), N(SEEK_END), O, O],
        Fails(EINVAL),
    ),
    case(SYS_LSEEK, [F(Uname), O, N(3), O, O], Fails(EINVAL)),
    case(
        SYS_LSEEK,
        [F(PipeRead), O, N(SEEK_SET), O, O],
        Fails(ESPIPE),
    ),
    case(SYS_LSEEK, [F(Space), O, N(SEEK_END), O, O], Fails(ESPIPE)),
    // What only files have.
    case(SYS_FCHOWN, [F(PipeRead), O, O, O, O], Fails(EOPNOTSUPP)),
    case(
        SYS_FLINK,
        [F(PipeRead), T(b"x"), N(1), O, O],
        Fails(EOPNOTSUPP),
    ),
    case(
        SYS_FLINK,
        [F(Object), T(b"x"), N(4097), O, O],
        Fails(ENAMETOOLONG),
    ),
    case(SYS_FLINK, [F(Object), N(0x1000), N(1), O, O], Fails(EFAULT)),
    case(
        SYS_FLINK,
        [F(Object), T(b"\xff"), N(1), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_FRENAME,
        [F(PipeRead), T(b"x"), N(1), O, O],
        Fails(EOPNOTSUPP),
    ),
    case(
        SYS_FRENAME,
        [F(Object), T(b"x"), N(4097), O, O],
        Fails(ENAMETOOLONG),
    ),
    case(
        SYS_FRENAME,
        [F(Object), N(0x1000), N(1), O, O],
        Fails(EFAULT),
    ),
    case(
        SYS_FRENAME,
        [F(Object), T(b"\xff"), N(1), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_FPATH,
        [F(PipeRead), Room, N(64), O, O],
        Fails(EOPNOTSUPP),
    ),
    case(SYS_FSYNC, [F(PipeRead), O, O, O, O], Is(0)),
    case(SYS_FSTAT, [F(Uname), Room, STAT, O, O], Is(0)),
    case(SYS_FSTAT, [F(SysRoot), Room, STAT, O, O], Is(0)),
    case(
        SYS_FSTAT,
        [F(Uname), Room, N(size_of::<Stat>() - 1), O, O],
        Fails(EINVAL),
    ),
    case(SYS_FCHOWN, [F(Object), O, O, O, O], Answered),
    case(SYS_FLINK, [F(Object), T(b"x"), N(1), O, O], Answered),
    case(SYS_FRENAME, [F(Object), T(b"x"), N(1), O, O], Answered),
    case(SYS_FPATH, [F(Object), Room, N(64), O, O], Answered),
    case(SYS_FSTAT, [F(Object), Room, STAT, O, O], Answered),
    case(SYS_FSYNC, [F(Object), O, O, O, O], Answered),
    // fcntl
    fcntl(PipeRead, F_GETFD, 0, Is(0)),
    fcntl(PipeRead, F_SETFD, 0, Is(0)),
    fcntl(PipeRead, F_GETFL, 0, Works),
    fcntl(PipeRead, F_SETFL, O_NONBLOCK, Is(0)),
    fcntl(PipeRead, F_DUPFD, 100, Opens),
    fcntl(PipeRead, 1030, 100, Opens),
    fcntl(PipeRead, F_DUPFD, 65_536, Fails(EINVAL)),
    fcntl(PipeRead, F_DUPFD, usize::MAX, Fails(EINVAL)),
    fcntl(PipeRead, F_GET_SCHEMEID, 0, Fails(EINVAL)),
    fcntl(PipeRead, 0x7000, 0, Fails(EINVAL)),
    fcntl(PipeRead, usize::MAX, 0, Fails(EINVAL)),
    fcntl(
        PipeRead,
        F_CAP_GET_RIGHTS,
        0,
        Is(Rights::FULL.bits() as usize),
    ),
    fcntl(Powerless, F_CAP_GET_RIGHTS, 0, Is(0)),
    fcntl(Powerless, F_CAP_LIMIT, Rights::FULL.bits() as usize, Is(0)),
    fcntl(PipeRead, F_CAP_LIMIT, 1 << 31, Fails(EINVAL)),
    fcntl(PipeRead, F_CAP_LIMIT, 1 << 32, Fails(EINVAL)),
    fcntl(PipeRead, F_CAP_BENEATH, 0, Fails(EINVAL)),
    fcntl(Object, F_CAP_BENEATH, 0, Fails(EPERM)),
    fcntl(PipeRead, F_CAP_REVOKE, 0, Fails(EINVAL)),
    fcntl(PipeRead, F_SCHEME_DECLARE, 0, Fails(EINVAL)),
    fcntl(Socket, F_SCHEME_DECLARE, 2, Fails(EINVAL)),
    fcntl(Socket, F_SCHEME_DECLARE, 1, Fails(EBUSY)),
    fcntl(PipeRead, F_SCHEME_OBJECT, 0, Fails(EINVAL)),
    fcntl(Socket, F_SCHEME_OBJECT, usize::MAX >> 8, Fails(EBADF)),
    fcntl(PipeRead, F_SCHEME_HOLDERS, 0, Fails(EINVAL)),
    fcntl(Socket, F_SCHEME_HOLDERS, usize::MAX >> 8, Fails(EBADF)),
    case(
        SYS_FCNTL,
        [F(PipeRead), N(F_CAP_LEASE), ReadOnly, O, O],
        Fails(EFAULT),
    ),
    case(
        SYS_FCNTL,
        [F(PipeRead), N(F_CAP_LEASE), W(&[0, 0, 1 << 31]), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_FCNTL,
        [F(PipeRead), N(F_CAP_LEASE), W(&[0, 0, 1 << 63]), O, O],
        Fails(EINVAL),
    ),
    fcntl(Object, 0x7000, 0, Answered),
    // fevent
    case(SYS_FEVENT, [F(PipeRead), N(1), O, O, O], Is(0)),
    case(SYS_FEVENT, [F(PipeEnded), N(3), O, O, O], Is(1)),
    case(SYS_FEVENT, [F(PipeWrite), N(3), O, O, O], Is(2)),
    case(SYS_FEVENT, [F(PipeFull), N(3), O, O, O], Is(0)),
    case(SYS_FEVENT, [F(PipeBroken), N(3), O, O, O], Is(2)),
    case(SYS_FEVENT, [F(Queue), N(3), O, O, O], Is(0)),
    case(SYS_FEVENT, [F(Console), N(2), O, O, O], Is(2)),
    case(SYS_FEVENT, [F(Dead), N(3), O, O, O], Is(1)),
    case(SYS_FEVENT, [F(Status), N(3), O, O, O], Is(0)),
    case(SYS_FEVENT, [F(Object), N(1), O, O, O], Answered),
    case(SYS_FEVENT, [F(PipeRead), N(4), O, O, O], Fails(EINVAL)),
    // call
    case(SYS_CALL, [F(Uname), Room, STAT, N(1 | STD), W(&[4])], Is(0)),
    case(
        SYS_CALL,
        [F(Uname), Room, N(1), N(1 | STD), W(&[4])],
        Fails(EINVAL),
    ),
    case(SYS_CALL, [F(PipeRead), O, O, N(1 | STD), W(&[6])], Is(0)),
    case(
        SYS_CALL,
        [F(PipeRead), O, O, N(1 | STD), W(&[7])],
        Fails(EOPNOTSUPP),
    ),
    case(
        SYS_CALL,
        [F(PipeRead), O, O, N(1 | STD), W(&[9])],
        Fails(EOPNOTSUPP),
    ),
    case(
        SYS_CALL,
        [F(Object), O, O, N(1 | STD), W(&[9])],
        Fails(EOPNOTSUPP),
    ),
    case(
        SYS_CALL,
        [F(Object), Room, N(1), N(1 | STD), W(&[4])],
        Fails(EINVAL),
    ),
    case(
        SYS_CALL,
        [F(Object), O, O, N(1 | STD), W(&[15])],
        Fails(EINVAL),
    ),
    case(SYS_CALL, [F(Object), O, O, N(4), W(&[0; 4])], Fails(EINVAL)),
    case(
        SYS_CALL,
        [F(PipeRead), O, O, N(9), W(&[0; 9])],
        Fails(EINVAL),
    ),
    case(SYS_CALL, [F(PipeRead), O, O, N(1 << 17), O], Fails(EINVAL)),
    case(SYS_CALL, [F(PipeRead), O, O, N(1 << 63), O], Fails(EINVAL)),
    case(SYS_CALL, [F(PipeRead), O, O, O, O], Fails(EOPNOTSUPP)),
    case(
        SYS_CALL,
        [F(Powerless), Room, STAT, N(1 | STD), W(&[4])],
        Fails(EPERM),
    ),
    case(
        SYS_CALL,
        [F(Powerless), O, O, N(1 | STD), W(&[6])],
        Fails(EPERM),
    ),
    case(
        SYS_CALL,
        [F(PipeRead), Room, N(8), N(PASS | TO_SCHEME), O],
        Fails(EOPNOTSUPP),
    ),
    case(
        SYS_CALL,
        [F(Object), Room, N(7), N(PASS | TO_SCHEME), O],
        Fails(EINVAL),
    ),
    case(
        SYS_CALL,
        [F(Object), Room, O, N(PASS | TO_SCHEME), O],
        Fails(EINVAL),
    ),
    case(SYS_CALL, [F(Object), Room, N(8), N(PASS), O], Fails(EINVAL)),
    case(
        SYS_CALL,
        [F(Object), W(&[1 << 40]), N(8), N(PASS | TO_SCHEME), O],
        Fails(EBADF),
    ),
    case(
        SYS_CALL,
        [F(Object), Room, N(8), N(3 | PASS | FROM_SCHEME), W(&[0; 3])],
        Fails(EINVAL),
    ),
    case(
        SYS_CALL,
        [Numbers(&[F(Object), F(Other)], 2), O, O, N(TWO), O],
        Fails(EXDEV),
    ),
    case(
        SYS_CALL,
        [Numbers(&[F(Object), F(PipeRead)], 2), O, O, N(TWO), O],
        Fails(EOPNOTSUPP),
    ),
    case(
        SYS_CALL,
        [Numbers(&[F(Object), F(Closed)], 2), O, O, N(TWO), O],
        Fails(EBADF),
    ),
    case(
        SYS_CALL,
        [Numbers(&[F(Object), F(Powerless)], 2), O, O, N(TWO), O],
        Fails(EPERM),
    ),
    case(
        SYS_CALL,
        [Numbers(&[F(Object), F(Object)], 3), O, O, N(TWO), O],
        Fails(EINVAL),
    ),
    case(
        SYS_CALL,
        [Numbers(&[F(Object), F(Object)], 1), O, O, N(TWO), O],
        Fails(EINVAL),
    ),
    case(SYS_CALL, [N(0x1000 | 2), O, O, N(TWO), O], Fails(EFAULT)),
    verb(SysRoot, &[0], Fails(EINVAL)),
    verb(SysRoot, &[99], Fails(EINVAL)),
    verb(AcpiRoot, &[2], Is(0)),
    verb(AcpiRoot, &[3], Fails(EOPNOTSUPP)),
    verb(AcpiRoot, &[9], Fails(EINVAL)),
    verb(Context, &[1], Fails(EOPNOTSUPP)),
    verb(Line, &[1], Fails(EOPNOTSUPP)),
    verb(Zeroed, &[1], Fails(EINVAL)),
    verb(Translation, &[1], Fails(EINVAL)),
    verb(Table, &[0], Fails(EINVAL)),
    verb(Table, &[256], Fails(EINVAL)),
    verb(Table, &[4], Fails(EOPNOTSUPP)),
    verb(Table, &[1, 1 << 40], Fails(EBADF)),
    verb(Table, &[2, 1 << 40, FD_ANY as u64, 0], Fails(EBADF)),
    verb(Table, &[2, 0, FD_ANY as u64, 1 << 31], Fails(EINVAL)),
    verb(Table, &[7, 0, 1 << 40], Fails(EBADF)),
    case(SYS_CALL, [F(Vector), Room, N(16), O, O], Is(0)),
    case(SYS_CALL, [F(Vector), Room, N(15), O, O], Fails(EINVAL)),
    case(SYS_CALL, [F(Object), O, O, O, O], Answered),
    case(
        SYS_CALL,
        [F(Object), Room, STAT, N(1 | STD), W(&[4])],
        Answered,
    ),
    case(
        SYS_CALL,
        [Numbers(&[F(Object), F(Object)], 2), O, O, N(TWO), O],
        Answered,
    ),
    // fmap
    map(F(Object), &[0, PAGE, PRIVATE | READ, 0], Answered),
    map(ANONYMOUS, &[0, PAGE, PRIVATE | READ, 0], Maps),
    map(ANONYMOUS, &[0, 1, PRIVATE | READ | WRITE, 0], Maps),
    map(ANONYMOUS, &[0, PAGE, SHARED | READ | WRITE, 0], Maps),
    map(ANONYMOUS, &[0, PAGE, PRIVATE, 0], Maps),
    map(ANONYMOUS, &[0, 0, PRIVATE | READ, 0], Fails(EINVAL)),
    map(
        ANONYMOUS,
        &[0, PAGE, PRIVATE | SHARED | READ, 0],
        Fails(EINVAL),
    ),
    map(ANONYMOUS, &[0, PAGE, 1 << 40, 0], Fails(EINVAL)),
    map(
        ANONYMOUS,
        &[0, PAGE, PRIVATE | READ | NOREPLACE, 0x1234],
        Fails(EINVAL),
    ),
    map(
        ANONYMOUS,
        &[0, PAGE, PRIVATE | READ | NOREPLACE, 0],
        Fails(EINVAL),
    ),
    map(
        ANONYMOUS,
        &[0, PAGE, PRIVATE | READ | NOREPLACE, 0x7fff_ffff_f000],
        Fails(EINVAL),
    ),
    map(
        ANONYMOUS,
        &[0, PAGE, PRIVATE | READ | NOREPLACE, 0xffff_8000_0000_0000],
        Fails(EINVAL),
    ),
    map(
        ANONYMOUS,
        &[
            0,
            2 * PAGE,
            PRIVATE | READ | NOREPLACE,
            0xffff_ffff_ffff_f000,
        ],
        Fails(EINVAL),
    ),
    map(ANONYMOUS, &[0, 1 << 47, PRIVATE | READ, 0], Fails(ENOMEM)),
    map(ANONYMOUS, &[0, u64::MAX, PRIVATE | READ, 0], Fails(EINVAL)),
    case(
        SYS_FMAP,
        [ANONYMOUS, W(&[0; 4]), N(31), O, O],
        Fails(EINVAL),
    ),
    map(F(Zeroed), &[0, PAGE, PRIVATE | READ | WRITE, 0], Maps),
    map(F(Translation), &[0, PAGE, PRIVATE | READ, 0], Fails(EBADF)),
    map(F(PipeRead), &[0, PAGE, PRIVATE | READ, 0], Fails(ENODEV)),
    map(F(Uname), &[0, PAGE, PRIVATE | READ, 0], Fails(ENODEV)),
    map(
        F(Physical),
        &[0xfed0_0123, PAGE, SHARED | READ, 0],
        Fails(EINVAL),
    ),
    map(
        F(Physical),
        &[!0xfff, 2 * PAGE, SHARED | READ, 0],
        Fails(EPERM),
    ),
    map(F(Physical), &[0xfed0_0000, PAGE, SHARED | READ, 0], Maps),
    // The local APIC is the kernel's.
    map(
        F(Physical),
        &[0xfee0_0000, PAGE, SHARED | READ, 0],
        Fails(EPERM),
    ),
    map(
        F(Space),
        &[0x4000_0000_0000, PAGE, SHARED | READ, 0],
        Fails(EFAULT),
    ),
    map(F(Object), &[0, PAGE, READ, 0], Fails(EINVAL)),
    map(
        F(Object),
        &[0, PAGE, PRIVATE | SHARED | READ, 0],
        Fails(EINVAL),
    ),
    case(
        SYS_FMAP,
        [
            ANONYMOUS,
            Numbers(&[O, N(PAGE_SIZE), N(0x4_000e), Room], 0),
            MAP,
            O,
            O,
        ],
        Fails(EEXIST),
    ),
    // funmap, mprotect, mremap
    case(
        SYS_FUNMAP,
        [N(0x4000_0000_0000), N(PAGE_SIZE), O, O, O],
        Is(0),
    ),
    case(
        SYS_FUNMAP,
        [N(0x4000_0000_0001), N(PAGE_SIZE), O, O, O],
        Fails(EINVAL),
    ),
    case(SYS_FUNMAP, [N(0x4000_0000_0000), O, O, O, O], Fails(EINVAL)),
    case(
        SYS_FUNMAP,
        [N(0x4000_0000_0000), N(usize::MAX), O, O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_FUNMAP,
        [N(0x7fff_ffff_f000), N(PAGE_SIZE), O, O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_FUNMAP,
        [N(1 << 63), N(PAGE_SIZE), O, O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_MPROTECT,
        [ReadOnly, N(PAGE_SIZE), N(READ as usize), O, O],
        Is(0),
    ),
    case(
        SYS_MPROTECT,
        [ReadOnly, N(PAGE_SIZE), N(1 << 40), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_MPROTECT,
        [N(0x4000_0000_0001), N(PAGE_SIZE), N(READ as usize), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_MPROTECT,
        [N(1 << 63), N(PAGE_SIZE), N(READ as usize), O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_MPROTECT,
        [N(0x4000_0000_0000), N(PAGE_SIZE), N(READ as usize), O, O],
        Fails(ENOMEM),
    ),
    case(
        SYS_MPROTECT,
        [Room, N(2 * PAGE_SIZE), N((READ | WRITE) as usize), O, O],
        Fails(ENOMEM),
    ),
    case(
        SYS_MPROTECT,
        [
            Room,
            N(PAGE_SIZE),
            N((READ | WRITE) as usize | COMMIT),
            O,
            O,
        ],
        Is(0),
    ),
    case(
        SYS_MPROTECT,
        [
            Room,
            N(COMMIT_MOST + 1),
            N((READ | WRITE) as usize | COMMIT),
            O,
            O,
        ],
        Fails(EINVAL),
    ),
    case(SYS_MREMAP, [Room, N(PAGE_SIZE), O, N(PAGE_SIZE), O], Works),
    case(
        SYS_MREMAP,
        [N(0x4000_0000_0000), N(PAGE_SIZE), O, N(PAGE_SIZE), O],
        Fails(EFAULT),
    ),
    case(
        SYS_MREMAP,
        [N(0x4000_0000_0001), N(PAGE_SIZE), O, N(PAGE_SIZE), O],
        Fails(EINVAL),
    ),
    case(SYS_MREMAP, [ReadOnly, N(PAGE_SIZE), O, O, O], Fails(EINVAL)),
    case(SYS_MREMAP, [ReadOnly, O, O, N(PAGE_SIZE), O], Fails(EINVAL)),
    case(
        SYS_MREMAP,
        [ReadOnly, N(PAGE_SIZE), O, N(PAGE_SIZE), N(8)],
        Fails(EINVAL),
    ),
    case(
        SYS_MREMAP,
        [ReadOnly, N(PAGE_SIZE), Room, N(PAGE_SIZE), N(1)],
        Fails(EEXIST),
    ),
    case(
        SYS_MREMAP,
        [ReadOnly, N(PAGE_SIZE), ReadOnly, N(PAGE_SIZE), N(1)],
        Fails(EINVAL),
    ),
    case(
        SYS_MREMAP,
        [ReadOnly, N(PAGE_SIZE), N(1 << 63), N(PAGE_SIZE), N(1)],
        Fails(EINVAL),
    ),
    case(
        SYS_MREMAP,
        [ReadOnly, N(PAGE_SIZE), O, N(1 << 47), O],
        Fails(ENOMEM),
    ),
    // Time and waiting.
    case(
        SYS_CLOCK_GETTIME,
        [N(CLOCK_MONOTONIC), Room, O, O, O],
        Is(0),
    ),
    case(SYS_CLOCK_GETTIME, [N(CLOCK_REALTIME), Room, O, O, O], Is(0)),
    case(SYS_CLOCK_GETTIME, [O, Room, O, O, O], Fails(EINVAL)),
    case(
        SYS_CLOCK_GETTIME,
        [N(usize::MAX), Room, O, O, O],
        Fails(EINVAL),
    ),
    case(SYS_NANOSLEEP, [W(&[0, 0]), O, O, O, O], Is(0)),
    case(SYS_NANOSLEEP, [W(&[0, 1000]), N(1 << 63), O, O, O], Is(0)),
    case(
        SYS_NANOSLEEP,
        [W(&[0, 1_000_000_000]), O, O, O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_NANOSLEEP,
        [W(&[0, u32::MAX as u64]), O, O, O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_NANOSLEEP,
        [W(&[u64::MAX, 0]), O, O, O, O],
        Fails(EINVAL),
    ),
    case(SYS_YIELD, [O; 5], Is(0)),
    case(
        SYS_FUTEX,
        [W(&[7]), N(FUTEX_WAIT), N(8), O, O],
        Fails(EAGAIN),
    ),
    case(
        SYS_FUTEX,
        [W(&[7]), N(FUTEX_WAIT), N(7), W(&[0, 1]), O],
        Fails(ETIMEDOUT),
    ),
    case(
        SYS_FUTEX,
        [W(&[7 << 32]), N(FUTEX_WAIT64), N(0), O, O],
        Fails(EAGAIN),
    ),
    case(
        SYS_FUTEX,
        [W(&[7 << 32]), N(FUTEX_WAIT64), N(7 << 32), W(&[0, 1]), O],
        Fails(ETIMEDOUT),
    ),
    case(
        SYS_FUTEX,
        [W(&[7]), N(FUTEX_WAIT), N(7), W(&[0, 1_000_000_000]), O],
        Fails(EINVAL),
    ),
    case(
        SYS_FUTEX,
        [N(0x10_0001), N(FUTEX_WAIT), O, O, O],
        Fails(EINVAL),
    ),
    case(
        SYS_FUTEX,
        [N(0x10_0004), N(FUTEX_WAIT64), O, O, O],
        Fails(EINVAL),
    ),
    case(SYS_FUTEX, [Room, N(FUTEX_WAKE), N(1), O, O], Is(0)),
    case(SYS_FUTEX, [Room, N(FUTEX_REQUEUE), N(1), N(1), Room], Is(0)),
    case(SYS_FUTEX, [Room, N(4), O, O, O], Fails(EINVAL)),
    case(SYS_FUTEX, [Room, N(usize::MAX), O, O, O], Fails(EINVAL)),
];
