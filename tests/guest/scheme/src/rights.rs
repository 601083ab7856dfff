//! Rights: every right denies what the kernel's table says and nothing else.

use cap_abi::Rights;
use cap_abi::fcntl::{F_CAP_BENEATH, F_CAP_GET_RIGHTS, F_CAP_LIMIT};
use cap_abi::resolve::{AT_FLAG_BENEATH, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_MASK};
use cap_abi::scheme::{FEATURE_RESOLVE, SQE_BENEATH};
use guest_test::{Outcome, check, check_eq, check_error};
use kernel_core::rights;
use redox_rt::{Fd, Result, sys};
use syscall::Map;
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::Opcode;

use crate::create::{Own, cqe};
use crate::daemon::{Daemon, Message};
use crate::world::{Process, count, fcntl, leaves_nothing, raw, unmap};

pub fn run() -> i32 {
    guest_test::run!["scheme.rights" =>
        each_right_denies_its_operations, limits_only_shrink, children_inherit, copies_keep,
        other_processes_keep, denials_are_counted, beneath_is_for_schemes_that_declare,
        beneath_is_told_on_every_request, beneath_is_inherited_and_stays, beneath_on_a_single_call,
        undeclared_daemons_are_not_asked, sockets_are_limited_as_well,
    ]
}

/// An operation, and what the table says it needs.
struct Operation {
    name: &'static str,
    needs: Rights,
    call: fn(usize) -> Result<usize>,
}

fn open(fd: usize, flags: usize) -> Result<usize> {
    sys::close(sys::openat(fd, b"x", flags, sys::FD_ANY)?).map(|()| 0)
}

fn standard(fd: usize, kind: StdFsCallKind, len: usize) -> Result<usize> {
    let mut buf = [0_u8; 256];
    sys::call_read_write(fd, &mut buf[..len], CallFlags::STD_FS, &[kind as u64])
}

fn map(fd: usize, flags: MapFlags) -> Result<usize> {
    // SAFETY: the kernel chooses the place.
    let address = unsafe {
        sys::fmap(
            fd,
            &Map {
                offset: 0,
                size: 4096,
                flags,
                address: 0,
            },
        )
    }?;
    unmap(address, 4096)?;
    Ok(0)
}

fn two(fd: usize, flags: CallFlags, kind: u64) -> Result<usize> {
    let mut buf = *b"a\0b";
    // SAFETY: the payload is borrowed for the time of the call.
    unsafe { sys::call_multiple(&[fd, fd], buf.as_mut_ptr(), 3, flags, &[kind]) }
}

fn needs_of(number: usize) -> Rights {
    match rights::syscall(number) {
        Some(rights::Requirement::Rights(rights)) => rights,
        other => unreachable!("{other:?}"),
    }
}

/// Operations through a descriptor of a user scheme, each with the table's requirement.
fn operations() -> alloc::vec::Vec<Operation> {
    use StdFsCallKind::*;
    use syscall::number::*;
    let mut all = alloc::vec::Vec::new();
    let mut add = |name, needs, call| all.push(Operation { name, needs, call });
    let flags = [
        ("open stat", O_STAT),
        ("open read", O_RDONLY),
        ("open write", O_WRONLY),
        ("open read-write", O_RDWR),
        ("open create", O_STAT | O_CREAT),
        ("open truncate", O_STAT | O_TRUNC),
        ("open all", O_RDWR | O_CREAT | O_TRUNC),
    ];
    let opens: [fn(usize) -> Result<usize>; 7] = [
        |fd| open(fd, O_STAT),
        |fd| open(fd, O_RDONLY),
        |fd| open(fd, O_WRONLY),
        |fd| open(fd, O_RDWR),
        |fd| open(fd, O_STAT | O_CREAT),
        |fd| open(fd, O_STAT | O_TRUNC),
        |fd| open(fd, O_RDWR | O_CREAT | O_TRUNC),
    ];
    for ((name, flags), call) in flags.into_iter().zip(opens) {
        add(name, rights::open(flags), call);
    }
    add("unlinkat", needs_of(SYS_UNLINKAT), |fd| {
        sys::unlinkat(fd, b"x", 0).map(|()| 0)
    });
    add("dup", rights::dup(0), |fd| {
        sys::close(sys::dup(fd, b"", sys::FD_ANY)?).map(|()| 0)
    });
    add("dup x", rights::dup(1), |fd| {
        sys::close(sys::dup(fd, b"x", sys::FD_ANY)?).map(|()| 0)
    });
    add("read", needs_of(SYS_READ), |fd| sys::read(fd, &mut [0; 8]));
    add("write", needs_of(SYS_WRITE), |fd| sys::write(fd, &[0; 8]));
    let (read, write) = (Rights::READ, Rights::WRITE);
    add("read2 at", rights::positioned(read, 0), |fd| {
        sys::read_at(fd, &mut [0; 8], 0, None)
    });
    add("write2 at", rights::positioned(write, 0), |fd| {
        sys::write_at(fd, &[0; 8], 0, None)
    });
    add("read2", rights::positioned(read, usize::MAX), |fd| {
        sys::read_at(fd, &mut [0; 8], u64::MAX, None)
    });
    add("write2", rights::positioned(write, usize::MAX), |fd| {
        sys::write_at(fd, &[0; 8], u64::MAX, None)
    });
    add("lseek", needs_of(SYS_LSEEK), |fd| {
        sys::lseek(fd, 0, SEEK_END).map(|v| v as usize)
    });
    add("fchown", needs_of(SYS_FCHOWN), |fd| {
        sys::fchown(fd, 0, 0).map(|()| 0)
    });
    add("fevent", needs_of(SYS_FEVENT), |fd| {
        sys::fevent(fd, EventFlags::EVENT_READ).map(|f| f.bits())
    });
    add("flink", needs_of(SYS_FLINK).union(Rights::ESCAPE), |fd| {
        sys::flink(fd, b"x").map(|()| 0)
    });
    add(
        "frename",
        needs_of(SYS_FRENAME).union(Rights::ESCAPE),
        |fd| sys::frename(fd, b"x").map(|()| 0),
    );
    add("fpath", needs_of(SYS_FPATH), |fd| {
        sys::fpath(fd, &mut [0; 8])
    });
    add("fstat", needs_of(SYS_FSTAT), |fd| sys::fstat(fd).map(|_| 0));
    add("fsync", needs_of(SYS_FSYNC), |fd| {
        sys::fsync(fd).map(|()| 0)
    });
    add("F_GETFD", rights::fcntl(F_GETFD), |fd| {
        fcntl(fd, F_GETFD, 0)
    });
    add("F_SETFD", rights::fcntl(F_SETFD), |fd| {
        fcntl(fd, F_SETFD, 0)
    });
    add("F_GETFL", rights::fcntl(F_GETFL), |fd| {
        fcntl(fd, F_GETFL, 0)
    });
    add("F_SETFL", rights::fcntl(F_SETFL), |fd| {
        fcntl(fd, F_SETFL, 0)
    });
    add("F_DUPFD", rights::fcntl(F_DUPFD), |fd| {
        sys::close(fcntl(fd, F_DUPFD, 0)?).map(|()| 0)
    });
    add("F_CAP_GET_RIGHTS", rights::fcntl(F_CAP_GET_RIGHTS), |fd| {
        fcntl(fd, F_CAP_GET_RIGHTS, 0)
    });
    add("F_CAP_LIMIT", rights::fcntl(F_CAP_LIMIT), |fd| {
        fcntl(fd, F_CAP_LIMIT, Rights::FULL.bits() as usize)
    });
    add("fcntl 99", rights::fcntl(99), |fd| fcntl(fd, 99, 0));
    let call_rights = |flags, first| match rights::call(flags, first) {
        Some(rights) => rights,
        None => unreachable!("a call that exists"),
    };
    let none = CallFlags::empty();
    add("call", call_rights(none, 0), |fd| {
        sys::call(fd, CallFlags::empty(), &[0])
    });
    add("call two", call_rights(none, 0), |fd| {
        two(fd, CallFlags::empty(), 0)
    });
    add("send", call_rights(CallFlags::FD, 0), |fd| {
        sys::send_fds(
            fd,
            &[crate::world::world().pipe.raw()],
            CallFlags::FD_CLONE,
            &[],
        )
    });
    add(
        "send itself",
        rights::SEND.union(call_rights(CallFlags::FD, 0)),
        |fd| sys::send_fds(fd, &[fd], CallFlags::FD_CLONE, &[]),
    );
    add("receive", call_rights(CallFlags::FD, 0), |fd| {
        let mut fds = [0];
        sys::receive_fds(fd, &mut fds, CallFlags::empty(), &[])?;
        sys::close(fds[0]).map(|()| 0)
    });
    macro_rules! standard_calls {
        ($($kind:ident $len:expr),+) => {$(
            add(stringify!($kind), rights::std_fs($kind), |fd| standard(fd, $kind, $len));
        )+};
    }
    standard_calls!(
        Fchmod 0, Fchown 0, Getdents 64, Fstat size_of::<syscall::Stat>(),
        Fstatvfs size_of::<syscall::StatVfs>(), Fsync 0, Ftruncate 0, Futimens 32, Unlinkat 1,
        Relpathat 8, Lock 0, Unlock 0, GetLock 16
    );
    add("Frenameat", rights::std_fs(Frenameat), |fd| {
        two(fd, CallFlags::STD_FS, Frenameat as u64)
    });
    add("Flinkat", rights::std_fs(Flinkat), |fd| {
        two(fd, CallFlags::STD_FS, Flinkat as u64)
    });
    let private = MapFlags::MAP_PRIVATE;
    let shared = MapFlags::MAP_SHARED;
    let (r, w) = (MapFlags::PROT_READ, MapFlags::PROT_WRITE);
    add("map none", rights::map(shared), |fd| {
        map(fd, MapFlags::MAP_SHARED)
    });
    add("map read", rights::map(r | shared), |fd| {
        map(fd, MapFlags::PROT_READ | MapFlags::MAP_SHARED)
    });
    add("map write", rights::map(r | w | shared), |fd| {
        map(
            fd,
            MapFlags::PROT_READ | MapFlags::PROT_WRITE | MapFlags::MAP_SHARED,
        )
    });
    add("map write privately", rights::map(r | w | private), |fd| {
        map(
            fd,
            MapFlags::PROT_READ | MapFlags::PROT_WRITE | MapFlags::MAP_PRIVATE,
        )
    });
    add(
        "map exec",
        rights::map(r | MapFlags::PROT_EXEC | private),
        |fd| {
            map(
                fd,
                MapFlags::PROT_READ | MapFlags::PROT_EXEC | MapFlags::MAP_PRIVATE,
            )
        },
    );
    all
}

fn each_right_denies_its_operations() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::with_features(FEATURE_RESOLVE)?;
        let root = d.open_positioned(5)?;
        // Every request is answered with the same number: an address that can be mapped, a count, an
        // object. One byte is the most that a buffer may be said to hold.
        let page = d.scratch() & !4095;
        let operations = operations();
        check!(operations.len() > 50);
        for right in Rights::FULL.iter() {
            let fd = root.dup(b"")?;
            fd.limit(Rights::FULL.difference(right))?;
            for operation in &operations {
                let is_map = operation.name.starts_with("map");
                d.answer(if is_map { page } else { 1 });
                let mark = d.logged();
                let outcome = (operation.call)(fd.raw()).map_err(|e| e.errno);
                if operation.needs.contains(right) {
                    check_eq!(outcome, Err(EPERM), "{} without {right:?}", operation.name);
                    check_eq!(d.since(mark).iter().filter(|m| m.flags & 1 == 0).count(), 0);
                } else {
                    check!(
                        outcome.is_ok(),
                        "{} without {right:?}: {outcome:?}",
                        operation.name
                    );
                }
            }
            d.answer(0);
        }
        // With nothing else it is enough to have what the table says.
        for operation in &operations {
            let fd = root.dup(b"")?;
            fd.limit(operation.needs)?;
            let is_map = operation.name.starts_with("map");
            d.answer(if is_map { page } else { 1 });
            let outcome = (operation.call)(fd.raw());
            check!(
                outcome.is_ok(),
                "{} with its rights alone: {outcome:?}",
                operation.name
            );
        }
        d.answer(0);
        Ok(())
    })
}

fn limits_only_shrink() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let set = |rights: Rights| fcntl(fd.raw(), F_CAP_LIMIT, rights.bits() as usize);
        let mut held = Rights::FULL;
        let mut random = crate::world::Random(5);
        for _ in 0..100 {
            let mask = Rights::from_bits_truncate(random.next() as u32 | random.next() as u32);
            held &= mask;
            check_eq!(set(mask)?, held.bits() as usize);
            check_eq!(fd.rights()?, held);
            check_eq!(set(Rights::FULL)?, held.bits() as usize);
        }
        for unknown in [1 << 19, 1 << 31, 1 << 32, usize::MAX] {
            check_error!(fcntl(fd.raw(), F_CAP_LIMIT, unknown), EINVAL);
        }
        check_eq!(fd.rights()?, held);
        set(Rights::empty())?;
        check_eq!(fd.rights()?, Rights::empty());
        // What needs no right can still be done.
        fd.dup(b"")?.close()?;
        check_error!(fcntl(1 << 20, F_CAP_LIMIT, 0), EBADF);
        Ok(())
    })
}

const SOME: Rights = Rights::FULL.difference(Rights::SEEK.union(Rights::UNLINK));

fn children_inherit() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::with_features(FEATURE_RESOLVE)?;
        let fd = d.open(5)?;
        fd.limit(SOME)?;
        d.answer(6);
        for child in [fd.open(b"x", O_RDWR)?, fd.dup(b"x")?, fd.receive(&[])?] {
            check_eq!(child.rights()?, SOME);
            // And theirs.
            check_eq!(child.open(b"x", O_RDONLY)?.rights()?, SOME);
        }
        check_eq!(d.root.open(b"x", O_RDONLY)?.rights()?, Rights::FULL);
        // The kernel's own objects are no exception.
        let pipe = crate::world::world().pipe.dup(b"")?;
        pipe.limit(SOME)?;
        let read = pipe.open(b"", O_RDWR)?;
        check_eq!(read.rights()?, SOME);
        check_eq!(read.dup(b"write")?.rights()?, SOME);
        d.answer(0);
        Ok(())
    })
}

fn copies_keep() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        fd.limit(SOME)?;
        let copies = [
            fd.dup(b"")?,
            Fd::from_raw(sys::dup2(fd.raw(), 900, b"")?),
            Fd::from_raw(fcntl(fd.raw(), F_DUPFD, 5)?),
        ];
        for copy in &copies {
            check_eq!(copy.rights()?, SOME);
        }
        // Each entry has its own.
        copies[0].limit(Rights::READ)?;
        check_eq!(fd.rights()?, SOME);
        check_eq!(copies[1].rights()?, SOME);
        Ok(())
    })
}

fn other_processes_keep() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        fd.limit(SOME)?;
        let number = fd.raw();
        let child = Process::start(|| {
            let same = sys::rights(number) == Ok(SOME);
            let shrunk = sys::limit(number, Rights::READ).is_ok();
            i32::from(!(same && shrunk))
        })?;
        let good = redox_rt::context::Status::Ended(rt_core::wait::exited(0));
        check_eq!(child.wait()?, good);
        check_eq!(fd.rights()?, SOME);
        Ok(())
    })
}

fn denials_are_counted() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        fd.limit(Rights::READ)?;
        let before = count(b"denials", "right")?;
        for _ in 0..10 {
            check_error!(fd.write(b"x"), EPERM);
        }
        check_eq!(count(b"denials", "right")?, before + 10);
        let before = count(b"denials", "undeclared")?;
        check_error!(d.root.open(b"x", O_RDONLY | RESOLVE_BENEATH), EPERM);
        check_eq!(count(b"denials", "undeclared")?, before + 1);
        Ok(())
    })
}

fn beneath_is_for_schemes_that_declare() -> Outcome {
    leaves_nothing(|| {
        let (old, new) = (Daemon::start()?, Daemon::with_features(FEATURE_RESOLVE)?);
        let (a, b) = (old.open(5)?, new.open(5)?);
        check_error!(fcntl(a.raw(), F_CAP_BENEATH, 0), EPERM);
        check_eq!(a.rights()?, Rights::FULL, "a refusal takes nothing");
        fcntl(b.raw(), F_CAP_BENEATH, 0)?;
        check_eq!(b.rights()?, Rights::FULL.difference(Rights::ESCAPE));
        fcntl(b.raw(), F_CAP_BENEATH, 0)?;
        check_error!(
            fcntl(crate::world::world().pipe.raw(), F_CAP_BENEATH, 0),
            EINVAL
        );
        check_error!(fcntl(1 << 20, F_CAP_BENEATH, 0), EBADF);
        Ok(())
    })
}

/// Whether a standard call is one that resolves a path.
fn has_path(m: &Message) -> bool {
    let kind = StdFsCallKind::try_from_raw(m.args[3] as u8);
    use StdFsCallKind::{Flinkat, Frenameat, Unlinkat};
    matches!(kind, Some(Unlinkat | Frenameat | Flinkat))
}

fn told(m: &Message) -> bool {
    m.flags & SQE_BENEATH != 0
}

fn beneath_is_told_on_every_request() -> Outcome {
    use StdFsCallKind::*;
    leaves_nothing(|| {
        let d = Daemon::with_features(FEATURE_RESOLVE)?;
        let (free, limited) = (d.open(5)?, d.open(5)?);
        limited.limit_beneath()?;
        for (fd, beneath) in [(&free, false), (&limited, true)] {
            let mark = d.logged();
            d.answer(6);
            drop(fd.open(b"x", O_RDONLY)?);
            drop(fd.dup(b"x")?);
            sys::unlinkat(fd.raw(), b"x", 0)?;
            sys::call(fd.raw(), CallFlags::empty(), &[1, 2, 3])?;
            sys::call_write(fd.raw(), b"x", CallFlags::STD_FS, &[Unlinkat as u64, 7, 8])?;
            two(fd.raw(), CallFlags::STD_FS, Frenameat as u64)?;
            two(fd.raw(), CallFlags::STD_FS, Flinkat as u64)?;
            two(fd.raw(), CallFlags::empty(), 0)?;
            fd.read(&mut [0; 8])?;
            fd.write(&[0; 8])?;
            fd.stat()?;
            sys::fpath(fd.raw(), &mut [0; 8])?;
            sys::fsync(fd.raw())?;
            sys::fchown(fd.raw(), 0, 0)?;
            fcntl(fd.raw(), 99, 0)?;
            sys::fevent(fd.raw(), EventFlags::EVENT_READ)?;
            standard(fd.raw(), Getdents, 8)?;
            standard(fd.raw(), Ftruncate, 0)?;
            drop(fd.receive(&[])?);
            sys::send_fds(fd.raw(), &[fd.raw()], CallFlags::FD_CLONE, &[])?;
            let all = d.since(mark);
            let requests: alloc::vec::Vec<_> = all.iter().filter(|m| m.flags & 1 == 0).collect();
            check_eq!(requests.len(), 20);
            for m in requests {
                check_eq!(told(m), beneath, "opcode {}", m.opcode);
                let word = match Opcode::try_from_raw(m.opcode) {
                    Some(Opcode::OpenAt | Opcode::UnlinkAt) => {
                        m.args[3] as usize & RESOLVE_BENEATH != 0
                    }
                    Some(Opcode::StdFsCall) if has_path(m) => {
                        m.args[4] as u32 & AT_FLAG_BENEATH != 0
                    }
                    _ => beneath,
                };
                check_eq!(word, beneath, "opcode {}", m.opcode);
            }
        }
        // One limited descriptor of two is enough, whichever it is.
        for fds in [[&free, &limited], [&limited, &free]] {
            let mark = d.logged();
            let mut buf = *b"a\0b";
            let fds = fds.map(Fd::raw);
            for flags in [CallFlags::STD_FS, CallFlags::empty()] {
                // SAFETY: the payload is borrowed for the time of the call.
                unsafe {
                    sys::call_multiple(&fds, buf.as_mut_ptr(), 3, flags, &[Frenameat as u64])
                }?;
            }
            check!(d.since(mark).iter().all(told));
        }
        // A path from the scheme's own root cannot be vouched for.
        check_error!(sys::frename(limited.raw(), b"x"), EPERM);
        check_error!(sys::flink(limited.raw(), b"x"), EPERM);
        Ok(())
    })
}

fn beneath_is_inherited_and_stays() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::with_features(FEATURE_RESOLVE)?;
        let fd = d.open(5)?;
        fd.limit_beneath()?;
        d.answer(6);
        let family = [
            fd.dup(b"")?,
            fd.open(b"x", O_RDWR)?,
            fd.dup(b"x")?,
            fd.receive(&[])?,
        ];
        for member in &family {
            // Nothing gives it back.
            member.limit(Rights::FULL)?;
            fcntl(member.raw(), F_SETFL, O_NONBLOCK)?;
            check!(!member.rights()?.contains(Rights::ESCAPE));
            let mark = d.logged();
            drop(member.open(b"x", O_RDONLY)?);
            let m = d.one(mark, Opcode::OpenAt)?;
            check!(told(&m) && m.args[3] as usize & RESOLVE_BENEATH != 0);
        }
        d.answer(0);
        Ok(())
    })
}

fn beneath_on_a_single_call() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::with_features(FEATURE_RESOLVE)?;
        let fd = d.open(5)?;
        for flags in [0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_MASK] {
            let mark = d.logged();
            d.answer(6);
            let child = fd.open(b"x", O_RDONLY | flags)?;
            // A flag of one call limits nothing afterwards.
            check_eq!(child.rights()?, Rights::FULL);
            sys::unlinkat(fd.raw(), b"x", flags)?;
            for m in d.since(mark).iter().filter(|m| m.flags & 1 == 0) {
                check_eq!(m.args[3] as usize & RESOLVE_MASK, flags);
                check_eq!(told(m), flags & RESOLVE_BENEATH != 0);
            }
        }
        d.answer(0);
        Ok(())
    })
}

fn undeclared_daemons_are_not_asked() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let limited = fd.dup(b"")?;
        // The right itself can be taken by anyone.
        limited.limit(Rights::FULL.difference(Rights::ESCAPE))?;
        d.answer(6);
        let mark = d.logged();
        let undeclared = count(b"denials", "undeclared")?;
        for flag in 32..36 {
            let flags = O_RDONLY | 1 << flag;
            check_error!(fd.open(b"x", flags), EPERM);
            check_error!(sys::unlinkat(fd.raw(), b"x", 1 << flag), EPERM);
        }
        check_error!(limited.open(b"x", O_RDONLY), EPERM);
        check_error!(sys::unlinkat(limited.raw(), b"x", 0), EPERM);
        let unlink = [StdFsCallKind::Unlinkat as u64, 0, 0];
        check_error!(
            sys::call_write(limited.raw(), b"x", CallFlags::STD_FS, &unlink),
            EPERM
        );
        for kind in [StdFsCallKind::Frenameat, StdFsCallKind::Flinkat] {
            check_error!(two(limited.raw(), CallFlags::STD_FS, kind as u64), EPERM);
        }
        // Asked for by the caller, in the flags of the standard calls.
        let unlink = [StdFsCallKind::Unlinkat as u64, RESOLVE_BENEATH as u64, 0];
        check_error!(
            sys::call_write(fd.raw(), b"x", CallFlags::STD_FS, &unlink),
            EPERM
        );
        for kind in [StdFsCallKind::Frenameat, StdFsCallKind::Flinkat] {
            let words = [kind as u64, u64::from(AT_FLAG_BENEATH)];
            let mut buf = *b"a\0b";
            // SAFETY: the payload is borrowed for the time of the call.
            let refused = unsafe {
                let fds = [fd.raw(), fd.raw()];
                sys::call_multiple(&fds, buf.as_mut_ptr(), 3, CallFlags::STD_FS, &words)
            };
            check_error!(refused, EPERM);
        }
        check_eq!(d.since(mark).len(), 0);
        check_eq!(count(b"denials", "undeclared")?, undeclared + 16);
        // What takes no path is not concerned.
        limited.read(&mut [0; 8])?;
        raw(syscall::SYS_FSYNC, [limited.raw(), 0, 0, 0, 0, 0])?;
        d.answer(0);
        Ok(())
    })
}

fn sockets_are_limited_as_well() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let limited = |right: Rights| -> Result<Fd> {
            let fd = own.socket.dup(b"")?;
            fd.limit(Rights::FULL.difference(right))?;
            Ok(fd)
        };
        let both = |fd: &Fd, entry: [u64; 2], writes: u64, reads: u64| {
            let mut buffer = [0_u8; 64];
            for (to, from) in buffer.chunks_exact_mut(8).zip(entry) {
                to.copy_from_slice(&from.to_ne_bytes());
            }
            let metadata = [0, writes, reads];
            sys::call_read_write(fd.raw(), &mut buffer, CallFlags::empty(), &metadata)
        };
        let caller = own.caller(|fd| sys::fsync(fd).map(|()| 0))?;
        caller.process.until_blocked()?;
        // Nothing is fetched without the right to read.
        let blind = limited(Rights::READ)?;
        check_error!(both(&blind, [0; 2], 0, 1), EPERM);
        let got = own.read()?;
        check_eq!(got.opcode(), Opcode::Fsync as u8);
        // Nothing is answered without the right to write, be it with a wish for the next request or without.
        let mute = limited(Rights::WRITE)?;
        let entry = cqe(0, got.tag(), 0);
        check_error!(both(&mute, entry, 1, 0), EPERM);
        check_error!(both(&mute, entry, 1, 1), EPERM);
        check_error!(both(&blind, entry, 1, 1), EPERM);
        check!(caller.process.is_blocked()?);
        check_eq!(both(&blind, entry, 1, 0)?, 1);
        check_eq!(caller.result()?, 0);
        // No descriptor goes through without the right to transfer.
        let narrow = limited(Rights::TRANSFER)?;
        for verb in [SchemeSocketCall::ObtainFd, SchemeSocketCall::MoveFd] {
            let pass = |fd: &Fd| {
                let metadata = [verb as u64, 0];
                let mut room = [0_u8; 8];
                sys::call_read_write(fd.raw(), &mut room, CallFlags::FD, &metadata)
            };
            check_error!(pass(&narrow), EPERM);
            check_error!(pass(&own.socket), EBADF, "there is no such call");
        }
        Ok(())
    })
}
