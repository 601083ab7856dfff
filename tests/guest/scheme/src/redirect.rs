//! Opens and unlinks that a scheme sends on to another.

use cap_abi::Rights;
use cap_abi::fcntl::{F_CAP_LIMIT, FD_CLOEXEC};
use cap_abi::resolve::{RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS};
use cap_abi::scheme::{CQE_REDIRECT, FEATURE_RESOLVE, REDIRECT_LIMIT, SQE_BENEATH};
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Fd, Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};

use crate::daemon::Daemon;
use crate::world::{Process, fcntl, identify, leaves_nothing, world};

pub fn run() -> i32 {
    guest_test::run!["scheme.redirect" =>
        an_open_is_sent_on, an_unlink_is_sent_on, chains_end_at_the_limit, loops_end,
        suffixes_lie_within_the_path, bad_redirects_leave_the_call_open, other_requests_are_not_sent_on, the_suffix_is_text,
        kernel_schemes_are_targets, rights_of_both_count, missing_rights_refuse,
        beneath_follows_along, a_target_that_is_gone, a_target_that_dies, the_target_sees_the_caller,
        a_redirecting_daemon_need_not_wait,
    ]
}

/// Gives a daemon a copy of a descriptor; answers its number there.
pub fn give(d: &Daemon, fd: &Fd) -> core::result::Result<usize, guest_test::Failure> {
    d.hold();
    let mark = d.logged();
    let channel = d.root.raw();
    let number = fd.raw();
    let caller =
        crate::world::Caller::start(|| sys::send_fds(channel, &[number], CallFlags::empty(), &[]))?;
    d.until(mark, Opcode::Sendfd, 1)?;
    let tag = d.one(mark, Opcode::Sendfd)?.tag;
    // The oldest form: the number is written to the address.
    let place = d.scratch() + 8 * 60;
    d.complete(CqeOpcode::ObtainFd as u8, 0, tag, place as u64)?;
    d.complete_with(tag, Ok(0))?;
    caller.result()?;
    d.answer(0);
    Ok(d.peek(60) as usize)
}

/// From now on `from` sends on to the descriptor `there` of its own, with the path from `suffix` on.
fn redirect(from: &Daemon, there: usize, suffix: usize) {
    from.answer_as(CQE_REDIRECT, suffix as u32, there as u64);
}

fn an_open_is_sent_on() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        let directory = files.open(30)?;
        let there = give(&names, &directory)?;
        for (suffix, rest) in [(0, &b"file/a/b"[..]), (5, b"a/b"), (8, b"")] {
            redirect(&names, there, suffix);
            files.answer(31);
            let (asked, mark) = (names.logged(), files.logged());
            let flags = O_RDWR | O_CREAT | FD_CLOEXEC;
            let fd = sys::openat_with(
                names.root.raw(),
                b"file/a/b",
                flags,
                O_NONBLOCK,
                sys::FD_ANY,
            )?;
            check_eq!(names.one(asked, Opcode::OpenAt)?.text(), b"file/a/b");
            let m = files.one(mark, Opcode::OpenAt)?;
            check_eq!((m.args[0], m.text()), (30, rest));
            check_eq!((m.args[3], m.args[4]), (flags as u64, O_NONBLOCK as u64));
            check_eq!(fcntl(fd, F_GETFD, 0)?, FD_CLOEXEC);
            check_eq!(fcntl(fd, F_GETFL, 0)?, O_RDWR | O_NONBLOCK);
            // It is the other scheme's from now on.
            let asked = names.logged();
            files.answer(0);
            sys::fsync(fd)?;
            check_eq!(names.since(asked).len(), 0);
            check_eq!(files.one(mark, Opcode::Fsync)?.args[0], 31);
            sys::close(fd)?;
        }
        // Errors, positions and foreign descriptors are the target's to answer.
        redirect(&names, there, 5);
        files.refuse(EACCES);
        check_error!(names.root.open(b"file/a", O_RDONLY), EACCES);
        files.answer_as(CqeOpcode::RespondRegular as u8, 1, 31);
        let fd = names.root.open(b"file/a", O_RDONLY)?;
        check_eq!(sys::lseek(fd.raw(), 0, SEEK_CUR)?, 0);
        Ok(())
    })
}

fn an_unlink_is_sent_on() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root)?;
        redirect(&names, there, 5);
        files.answer(0);
        let mark = files.logged();
        sys::unlinkat(names.root.raw(), b"file/a/b", syscall::AT_REMOVEDIR)?;
        let m = files.one(mark, Opcode::UnlinkAt)?;
        check_eq!(
            (m.text(), m.args[3]),
            (&b"a/b"[..], syscall::AT_REMOVEDIR as u64)
        );
        files.refuse(ENOENT);
        check_error!(sys::unlinkat(names.root.raw(), b"file/a/b", 0), ENOENT);
        // Nothing in the kernel can be unlinked.
        let pipes = give(&names, &world().pipe.dup(b"")?)?;
        redirect(&names, pipes, 5);
        check_error!(sys::unlinkat(names.root.raw(), b"file/a/b", 0), EPERM);
        Ok(())
    })
}

/// Daemons each of which sends on to the next, one byte further.
fn chain(length: usize) -> core::result::Result<alloc::vec::Vec<Daemon>, guest_test::Failure> {
    let mut daemons = alloc::vec::Vec::new();
    for _ in 0..=length {
        daemons.push(Daemon::start()?);
    }
    for pair in daemons.windows(2) {
        if let [from, to] = pair {
            let there = give(from, &to.root.dup(b"")?)?;
            redirect(from, there, 1);
        }
    }
    Ok(daemons)
}

fn chains_end_at_the_limit() -> Outcome {
    leaves_nothing(|| {
        let limit = usize::from(REDIRECT_LIMIT);
        for length in [1, 2, limit - 1, limit, limit + 1] {
            let daemons = chain(length)?;
            let last = &daemons[length];
            last.answer(70);
            let mark = last.logged();
            let outcome = daemons[0].root.open(b"0123456789abcdef", O_RDWR);
            if length > limit {
                check_error!(outcome, ELOOP);
                check_eq!(last.of_kind(mark, Opcode::OpenAt).len(), 0);
                continue;
            }
            let fd = outcome?;
            check_eq!(
                last.one(mark, Opcode::OpenAt)?.text(),
                &b"0123456789abcdef"[length..]
            );
            last.answer(0);
            fd.call(&[])?;
        }
        Ok(())
    })
}

fn loops_end() -> Outcome {
    leaves_nothing(|| {
        let (a, b) = (Daemon::start()?, Daemon::start()?);
        let to_b = give(&a, &b.root.dup(b"")?)?;
        let to_a = give(&b, &a.root.dup(b"")?)?;
        redirect(&a, to_b, 0);
        redirect(&b, to_a, 0);
        check_error!(a.root.open(b"x", O_RDONLY), ELOOP);
        check_error!(
            sys::openat_old(a.root.raw(), b"x", O_RDONLY, sys::FD_ANY),
            ELOOP
        );
        check_error!(sys::unlinkat(a.root.raw(), b"x", 0), ELOOP);
        let to_itself = give(&a, &a.root.dup(b"")?)?;
        redirect(&a, to_itself, 0);
        let mark = a.logged();
        check_error!(a.root.open(b"x", O_RDONLY), ELOOP);
        check_eq!(
            a.of_kind(mark, Opcode::OpenAt).len(),
            1 + usize::from(REDIRECT_LIMIT)
        );
        // Each holds the other's descriptor: only their ends undo that.
        Ok(())
    })
}

/// A held open of `path`, and its tag.
fn held(
    d: &Daemon,
    path: &'static [u8],
) -> core::result::Result<(crate::world::Caller, u32), guest_test::Failure> {
    d.hold();
    let mark = d.logged();
    let root = d.root.raw();
    let caller = crate::world::Caller::start(|| sys::openat(root, path, O_RDWR, sys::FD_ANY))?;
    d.until(mark, Opcode::OpenAt, 1)?;
    let tag = d.one(mark, Opcode::OpenAt)?.tag;
    Ok((caller, tag))
}

fn suffixes_lie_within_the_path() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root)?;
        let (caller, tag) = held(&names, b"12345")?;
        for suffix in [6, 7, 4096, 0xff_ffff] {
            check_error!(
                names.complete(CQE_REDIRECT, suffix, tag, there as u64),
                EINVAL
            );
        }
        check!(!caller.is_done());
        files.answer(1);
        let mark = files.logged();
        check_eq!(names.complete(CQE_REDIRECT, 5, tag, there as u64)?, 16);
        caller.result()?;
        check_eq!(files.one(mark, Opcode::OpenAt)?.args[2], 0);
        Ok(())
    })
}

fn bad_redirects_leave_the_call_open() -> Outcome {
    leaves_nothing(|| {
        let names = Daemon::start()?;
        let (caller, tag) = held(&names, b"12345")?;
        for bad in [1 << 20, u64::MAX, 1 << 63] {
            check_error!(names.complete(CQE_REDIRECT, 0, tag, bad), EBADF);
        }
        check!(!caller.is_done());
        names.complete_with(tag, Err(redox_rt::Error::new(ENOENT)))?;
        check_error!(caller.result(), ENOENT);
        // A descriptor that opens nothing is the caller's problem.
        let (caller, tag) = held(&names, b"12345")?;
        check_eq!(
            names.complete(CQE_REDIRECT, 0, tag, names.socket as u64)?,
            16
        );
        check_error!(caller.result(), ENOTDIR);
        Ok(())
    })
}

/// Whoever asks for what cannot be sent on hears so; the daemon goes on.
fn other_requests_are_not_sent_on() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root)?;
        redirect(&names, there, 0);
        let root = names.root.raw();
        check_error!(sys::dup(root, b"x", sys::FD_ANY), EOPNOTSUPP);
        check_error!(sys::fsync(root), EOPNOTSUPP);
        let unlink = [StdFsCallKind::Unlinkat as u64, 0, 0];
        let standard = CallFlags::STD_FS | CallFlags::WRITE;
        check_error!(sys::call_write(root, b"x", standard, &unlink), EOPNOTSUPP);
        check_error!(
            sys::call_write(root, b"x", CallFlags::WRITE, &[]),
            EOPNOTSUPP
        );
        // An empty path is one.
        files.answer(31);
        let mark = files.logged();
        drop(names.root.open(b"", O_RDONLY)?);
        check_eq!(files.one(mark, Opcode::OpenAt)?.text(), b"");
        redirect(&names, there, 1);
        files.answer(31);
        names.root.open(b"abc", O_RDONLY).map(drop)?;
        Ok(())
    })
}

fn the_suffix_is_text() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root)?;
        // In the middle of a character.
        redirect(&names, there, 2);
        files.answer(1);
        let mark = files.logged();
        check_error!(names.root.open("a\u{e4}b".as_bytes(), O_RDONLY), EINVAL);
        check_eq!(files.since(mark).len(), 0);
        Ok(())
    })
}

fn kernel_schemes_are_targets() -> Outcome {
    leaves_nothing(|| {
        let names = Daemon::start()?;
        let sys_root = give(&names, &world().sys.dup(b"")?)?;
        let pipes = give(&names, &world().pipe.dup(b"")?)?;
        redirect(&names, sys_root, 4);
        let fd = names.root.open(b"sys/uname", O_RDONLY)?;
        let mut text = [0; 64];
        let len = fd.read(&mut text)?;
        check!(text.get(..len).is_some_and(|t| t.starts_with(b"Cuprite")));
        check_error!(names.root.open(b"sys/nothing", O_RDONLY), ENOENT);
        check_error!(names.root.open(b"sys/uname", O_RDWR), EACCES);
        redirect(&names, pipes, 4);
        let read = names.root.open(b"pipe", O_RDWR | O_NONBLOCK)?;
        check_eq!(fcntl(read.raw(), F_GETFL, 0)?, O_RDWR | O_NONBLOCK);
        let write = read.dup(b"write")?;
        write.write(b"hello")?;
        check_eq!(read.read(&mut text)?, 5);
        Ok(())
    })
}

fn rights_of_both_count() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        let target = files.root.dup(b"")?;
        target.limit(Rights::FULL.difference(Rights::UNLINK | Rights::CALL))?;
        let there = give(&names, &target)?;
        let pipe = world().pipe.dup(b"")?;
        pipe.limit(Rights::FULL.difference(Rights::CALL))?;
        let pipes = give(&names, &pipe)?;
        let root = names.root.dup(b"")?;
        root.limit(Rights::FULL.difference(Rights::RENAME))?;
        files.answer(1);
        redirect(&names, there, 0);
        let fd = root.open(b"x", O_RDWR)?;
        let expected = Rights::FULL.difference(Rights::UNLINK | Rights::CALL | Rights::RENAME);
        check_eq!(fd.rights()?, expected);
        redirect(&names, pipes, 1);
        let fd = root.open(b"x", O_RDWR)?;
        check_eq!(
            fd.rights()?,
            Rights::FULL.difference(Rights::CALL | Rights::RENAME)
        );
        Ok(())
    })
}

fn missing_rights_refuse() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root.dup(b"")?)?;
        let mut held = Rights::FULL;
        files.answer(1);
        redirect(&names, there, 0);
        let denied = crate::world::count(b"denials", "right")?;
        let mark = files.logged();
        let mut refusals = 0;
        for (right, flags) in [
            (Rights::CREATE, O_RDONLY | O_CREAT),
            (Rights::SYNC, O_RDONLY | O_TRUNC),
            (Rights::WRITE, O_RDWR),
            (Rights::READ, O_RDONLY),
            (Rights::LOOKUP, O_STAT),
        ] {
            names.root.open(b"x", flags)?;
            held.remove(right);
            let args = [there, F_CAP_LIMIT, held.bits() as usize, 0, 0, 0];
            names.remote(syscall::SYS_FCNTL, args)?;
            redirect(&names, there, 0);
            check_error!(names.root.open(b"x", flags), EPERM, "{right:?}");
            refusals += 1;
        }
        check_eq!(files.of_kind(mark, Opcode::OpenAt).len(), 5);
        held.remove(Rights::UNLINK);
        let args = [there, F_CAP_LIMIT, held.bits() as usize, 0, 0, 0];
        names.remote(syscall::SYS_FCNTL, args)?;
        redirect(&names, there, 0);
        check_error!(sys::unlinkat(names.root.raw(), b"x", 0), EPERM);
        check_eq!(
            crate::world::count(b"denials", "right")?,
            denied + refusals + 1
        );
        Ok(())
    })
}

fn beneath_follows_along() -> Outcome {
    leaves_nothing(|| {
        let names = Daemon::with_features(FEATURE_RESOLVE)?;
        let files = Daemon::with_features(FEATURE_RESOLVE)?;
        let old = Daemon::start()?;
        let plain = give(&names, &files.root.dup(b"")?)?;
        let limited = files.root.dup(b"")?;
        limited.limit_beneath()?;
        let limited = give(&names, &limited)?;
        let undeclared = give(&names, &old.root.dup(b"")?)?;
        files.answer(1);
        // Neither asks for it.
        let asks = |there: usize,
                    root: &Fd,
                    flags: usize|
         -> core::result::Result<(bool, bool, Rights), guest_test::Failure> {
            redirect(&names, there, 0);
            let mark = files.logged();
            let fd = sys::openat(root.raw(), b"x", O_RDONLY | flags, sys::FD_ANY)?;
            let rights = sys::rights(fd)?;
            sys::close(fd)?;
            let m = files.one(mark, Opcode::OpenAt)?;
            let flag = m.args[3] as usize & RESOLVE_BENEATH != 0;
            Ok((flag, m.flags & SQE_BENEATH != 0, rights))
        };
        check_eq!(asks(plain, &names.root, 0)?, (false, false, Rights::FULL));
        let beneath = Rights::FULL.difference(Rights::ESCAPE);
        // The call, the caller's descriptor, the daemon's descriptor.
        check_eq!(
            asks(plain, &names.root, RESOLVE_BENEATH)?,
            (true, true, Rights::FULL)
        );
        check_eq!(asks(limited, &names.root, 0)?, (true, true, beneath));
        let root = names.root.dup(b"")?;
        root.limit_beneath()?;
        check_eq!(asks(plain, &root, 0)?, (true, true, beneath));
        // A daemon that has not declared that it honours the flag is not asked.
        redirect(&names, undeclared, 0);
        old.answer(1);
        let mark = old.logged();
        check_error!(root.open(b"x", O_RDONLY), EPERM);
        for flag in [RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS] {
            check_error!(names.root.open(b"x", O_RDONLY | flag), EPERM);
        }
        check_error!(sys::unlinkat(root.raw(), b"x", 0), EPERM);
        check_eq!(old.since(mark).len(), 0);
        names.root.open(b"x", O_RDONLY)?;
        Ok(())
    })
}

fn a_target_that_is_gone() -> Outcome {
    leaves_nothing(|| {
        let (names, mut files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root.dup(b"")?)?;
        files.kill()?;
        redirect(&names, there, 0);
        check_error!(names.root.open(b"x", O_RDONLY), ENODEV);
        check_error!(sys::unlinkat(names.root.raw(), b"x", 0), ENODEV);
        Ok(())
    })
}

fn a_target_that_dies() -> Outcome {
    leaves_nothing(|| {
        let (names, mut files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root.dup(b"")?)?;
        files.hold();
        let mark = files.logged();
        redirect(&names, there, 0);
        let root = names.root.raw();
        let caller = crate::world::Caller::start(|| sys::openat(root, b"x", O_RDWR, sys::FD_ANY))?;
        files.until(mark, Opcode::OpenAt, 1)?;
        files.kill()?;
        check_error!(caller.result(), ENODEV);
        // The one that sent it on may die meanwhile.
        let (mut names, files) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &files.root.dup(b"")?)?;
        files.hold();
        let mark = files.logged();
        redirect(&names, there, 0);
        let root = names.root.raw();
        let caller = crate::world::Caller::start(|| sys::openat(root, b"x", O_RDWR, sys::FD_ANY))?;
        files.until(mark, Opcode::OpenAt, 1)?;
        names.kill()?;
        let tag = files.one(mark, Opcode::OpenAt)?.tag;
        files.complete_with(tag, Ok(3))?;
        caller.result()?;
        Ok(())
    })
}

fn the_target_sees_the_caller() -> Outcome {
    leaves_nothing(|| {
        let daemons = chain(3)?;
        let last = &daemons[3];
        last.answer(1);
        let mark = last.logged();
        let root = daemons[0].root.raw();
        let caller = Process::start(|| {
            let asked = identify(777, 888, 999)
                .and_then(|()| sys::openat(root, b"12345", O_RDONLY, sys::FD_ANY));
            i32::from(asked.is_err())
        })?;
        caller.wait()?;
        let m = last.one(mark, Opcode::OpenAt)?;
        check_eq!((m.caller, m.args[5]), (777, 888 | 999 << 32));
        Ok(())
    })
}

fn a_redirecting_daemon_need_not_wait() -> Outcome {
    leaves_nothing(|| {
        // Many opens wait in a slow scheme; the one that sent them there serves on.
        let (names, slow) = (Daemon::start()?, Daemon::start()?);
        let there = give(&names, &slow.root.dup(b"")?)?;
        slow.hold();
        let mark = slow.logged();
        redirect(&names, there, 0);
        let root = names.root.raw();
        let callers: alloc::vec::Vec<_> = (0..10)
            .map(|_| crate::world::Caller::start(|| sys::openat(root, b"x", O_RDWR, sys::FD_ANY)))
            .collect::<Result<_>>()?;
        slow.until(mark, Opcode::OpenAt, 10)?;
        names.answer(4);
        names.root.open(b"x", O_RDONLY)?;
        for m in slow.of_kind(mark, Opcode::OpenAt) {
            slow.complete_with(m.tag, Ok(3))?;
        }
        for caller in callers {
            caller.result()?;
        }
        Ok(())
    })
}
