//! What a daemon is told for every call, word by word, and what the caller gets back.

use cap_abi::fcntl::FD_CLOEXEC;
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Error, Result, event, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};
use syscall::{AT_REMOVEDIR, Stat, StatVfs};

use crate::daemon::{Daemon, Message, ROOT};
use crate::world::{GID, PID, UID, fcntl, leaves_nothing, map_at, pattern, raw, unmap, world};

pub fn run() -> i32 {
    guest_test::run!["scheme.messages" =>
        opening, opening_badly, paths_are_text, unlinking, duplicating, positions_are_the_kernels,
        reading_and_writing_at_offsets, seeking, plain_requests, status_flags_travel, paths_of_files,
        file_information, calls_of_the_schemes_own, standard_calls, calls_on_two_descriptors,
        consuming_calls, closing_is_told_once, detaching_is_told_on_request, events_are_announced,
        callers_are_named_truly,
    ]
}

const CREDENTIALS: u64 = UID as u64 | (GID as u64) << 32;
const NO_OFFSET: u64 = u64::MAX;

fn is(message: &Message, opcode: Opcode, args: [u64; 6]) -> Outcome {
    check_eq!(message.opcode, opcode as u8);
    let mut got = message.args;
    if has_buffer(opcode) {
        check_eq!(got[2], args[2], "{opcode:?}: length");
        got[1] = args[1];
    }
    check_eq!(got, args, "{opcode:?}");
    check_eq!(message.caller, u64::from(PID));
    Ok(())
}

fn has_buffer(opcode: Opcode) -> bool {
    !matches!(
        opcode,
        Opcode::Fsize | Opcode::Fchown | Opcode::Fcntl | Opcode::Fevent | Opcode::Fsync
    )
}

fn opening() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let flags = O_RDWR | O_CREAT | O_EXCL | FD_CLOEXEC | O_NOFOLLOW;
        let mark = d.logged();
        d.answer(77);
        let fd = sys::openat_with(d.root.raw(), b"some/path", flags, O_NONBLOCK, sys::FD_ANY)?;
        let m = d.one(mark, Opcode::OpenAt)?;
        let args = [
            ROOT as u64,
            0,
            9,
            flags as u64,
            O_NONBLOCK as u64,
            CREDENTIALS,
        ];
        is(&m, Opcode::OpenAt, args)?;
        check_eq!(m.text(), b"some/path");
        check_eq!(m.flags, 0);
        check_eq!(fcntl(fd, F_GETFD, 0)?, FD_CLOEXEC);
        check_eq!(fcntl(fd, F_GETFL, 0)?, O_RDWR | O_NONBLOCK);
        // What was opened is object 77, and opening goes on from there.
        let mark = d.logged();
        d.answer(78);
        let old = sys::openat_old(fd, b"", O_RDONLY | O_APPEND, sys::FD_ANY_UPPER)?;
        let m = d.one(mark, Opcode::OpenAt)?;
        let flags = O_RDONLY | O_APPEND;
        let args = [77, 0, 0, flags as u64, O_APPEND as u64, CREDENTIALS];
        is(&m, Opcode::OpenAt, args)?;
        check!(old & UPPER_FDTBL_TAG != 0);
        check_eq!(fcntl(old, F_GETFD, 0)?, 0);
        check_eq!(fcntl(old, F_GETFL, 0)?, flags);
        // A number of one's own choice; every number of an object is possible.
        d.answer(usize::MAX >> 1);
        check_eq!(sys::openat(d.root.raw(), b"x", O_RDONLY, 900)?, 900);
        let mark = d.logged();
        d.answer(0);
        sys::fsync(900)?;
        check_eq!(d.one(mark, Opcode::Fsync)?.args[0], u64::MAX >> 1);
        for fd in [fd, old, 900] {
            sys::close(fd)?;
        }
        Ok(())
    })
}

fn opening_badly() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let root = d.root.raw();
        for errno in [ENOENT, EACCES, EXDEV, EPERM, ENODEV, EINTR, 4095] {
            d.refuse(errno);
            check_error!(sys::openat(root, b"x", O_RDONLY, sys::FD_ANY), errno);
        }
        d.answer(5);
        let mark = d.logged();
        let open = |path: usize, len: usize, number: usize| {
            raw(
                syscall::SYS_OPENAT_INTO2,
                [root, path, len, O_RDONLY, number, 0],
            )
        };
        let path = [b'a'; 4096];
        let address = path.as_ptr() as usize;
        check_error!(open(address, 4097, sys::FD_ANY), ENAMETOOLONG);
        check_error!(open(address, usize::MAX >> 34, sys::FD_ANY), ENAMETOOLONG);
        for bad in [0, 0x10, 1 << 47, usize::MAX - 8, 1 << 63] {
            check_error!(open(bad, 9, sys::FD_ANY), EFAULT);
        }
        check_error!(open(address, 1, root), EEXIST);
        check_error!(sys::openat(1 << 20, b"x", O_RDONLY, sys::FD_ANY), EBADF);
        check_eq!(d.since(mark).len(), 0);
        // A number that no table has: the object is given up again.
        check_error!(open(address, 1, 1 << 40), EBADF);
        d.settle()?;
        check_eq!(d.since(mark).len(), 2);
        check_eq!(d.one(mark, Opcode::CloseMsg)?.args[0], 5);
        // The longest path there is.
        let mark = d.logged();
        let fd = open(address, 4096, sys::FD_ANY)?;
        check_eq!(d.one(mark, Opcode::OpenAt)?.args[2], 4096);
        sys::close(fd)?;
        Ok(())
    })
}

fn paths_are_text() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        d.answer(0);
        let root = d.root.raw();
        let good: [&[u8]; 5] = [
            b"",
            b"a\0b",
            "\u{e4}\u{20ac}\u{10ffff}".as_bytes(),
            b"//..",
            b"\x7f",
        ];
        let bad: [&[u8]; 9] = [
            b"\xff",
            b"a\x80",
            b"\xc3",
            b"\xc0\xaf",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xe2\x82",
            b"ok/\xf0\x9f\x98",
            b"\xf8\x88\x80\x80\x80",
        ];
        for path in good {
            let mark = d.logged();
            sys::unlinkat(root, path, 0)?;
            check_eq!(d.one(mark, Opcode::UnlinkAt)?.text(), path);
        }
        let mark = d.logged();
        for path in bad {
            check_error!(
                sys::openat(root, path, O_RDONLY, sys::FD_ANY),
                EINVAL,
                "{path:x?}"
            );
            check_error!(sys::unlinkat(root, path, 0), EINVAL, "{path:x?}");
            check_error!(sys::frename(root, path), EINVAL, "{path:x?}");
            check_error!(sys::flink(root, path), EINVAL, "{path:x?}");
            let call = [StdFsCallKind::Unlinkat as u64, 0, 0];
            let refused = sys::call_write(root, path, CallFlags::STD_FS, &call);
            check_error!(refused, EINVAL, "{path:x?}");
        }
        check_eq!(d.since(mark).len(), 0);
        Ok(())
    })
}

fn unlinking() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        d.answer(0);
        let mark = d.logged();
        sys::unlinkat(d.root.raw(), b"a/b", AT_REMOVEDIR)?;
        let m = d.one(mark, Opcode::UnlinkAt)?;
        is(
            &m,
            Opcode::UnlinkAt,
            [ROOT as u64, 0, 3, AT_REMOVEDIR as u64, 0, CREDENTIALS],
        )?;
        check_eq!(m.text(), b"a/b");
        d.refuse(ENOTEMPTY);
        check_error!(sys::unlinkat(d.root.raw(), b"a/b", AT_REMOVEDIR), ENOTEMPTY);
        let long = [b'a'; 4097];
        check_error!(sys::unlinkat(d.root.raw(), &long, 0), ENAMETOOLONG);
        check_error!(sys::unlinkat(world().pipe.raw(), b"a", 0), EPERM);
        Ok(())
    })
}

fn duplicating() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mark = d.logged();
        let copy = fd.dup(b"")?;
        check_eq!(d.since(mark).len(), 0, "a plain copy is no message");
        d.answer(6);
        let other = fd.dup(b"\xff\x00what")?;
        let m = d.one(mark, Opcode::Dup)?;
        is(&m, Opcode::Dup, [5, 0, 6, 0, 0, CREDENTIALS])?;
        check_eq!(m.text(), b"\xff\x00what");
        let mark = d.logged();
        sys::fsync(other.raw())?;
        sys::fsync(copy.raw())?;
        let told: [u64; 2] = [d.since(mark)[0].args[0], d.since(mark)[1].args[0]];
        check_eq!(told, [6, 5]);
        // Onto a number that is open: that is closed, but only when there is something new.
        d.refuse(EMFILE);
        check_error!(sys::dup2(fd.raw(), other.raw(), b"again"), EMFILE);
        sys::rights(other.raw())?;
        let mark = d.logged();
        d.answer(7);
        check_eq!(sys::dup2(fd.raw(), other.raw(), b"again")?, other.raw());
        d.settle()?;
        check_eq!(d.one(mark, Opcode::CloseMsg)?.args[0], 6);
        d.refuse(EIO);
        check_error!(sys::dup(fd.raw(), &[1; 4097], sys::FD_ANY), EINVAL);
        check_error!(sys::dup(fd.raw(), b"x", fd.raw()), EEXIST);
        check_eq!(sys::dup2(fd.raw(), fd.raw(), b"")?, fd.raw());
        Ok(())
    })
}

fn positions_are_the_kernels() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let (plain, positioned) = (d.open(5)?, d.open_positioned(6)?);
        let mut buf = [0; 100];
        for (answer, offset) in [(100, 0), (40, 100), (0, 140), (7, 140)] {
            d.answer(answer);
            let mark = d.logged();
            check_eq!(positioned.read(&mut buf)?, answer);
            is(
                &d.one(mark, Opcode::Read)?,
                Opcode::Read,
                [6, 0, 100, offset, 0, CREDENTIALS],
            )?;
        }
        d.refuse(EIO);
        check_error!(positioned.read(&mut buf), EIO);
        d.answer(3);
        let mark = d.logged();
        // A copy shares the position.
        check_eq!(positioned.dup(b"")?.write(b"abc")?, 3);
        is(
            &d.one(mark, Opcode::Write)?,
            Opcode::Write,
            [6, 0, 3, 147, 0, CREDENTIALS],
        )?;
        check_eq!(sys::lseek(positioned.raw(), 0, SEEK_CUR)?, 150);
        let mark = d.logged();
        d.answer(100);
        plain.read(&mut buf)?;
        is(
            &d.one(mark, Opcode::Read)?,
            Opcode::Read,
            [5, 0, 100, NO_OFFSET, 0, CREDENTIALS],
        )?;
        Ok(())
    })
}

fn reading_and_writing_at_offsets() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fds = [d.open(5)?, d.open_positioned(6)?];
        let mut buf = [0; 10];
        for (fd, number) in fds.iter().zip([5, 6]) {
            d.answer(10);
            for offset in [0, 1, 4096, i64::MAX as u64, u64::MAX - 1] {
                let mark = d.logged();
                sys::read_at(fd.raw(), &mut buf, offset, None)?;
                let args = [number, 0, 10, offset, 0, CREDENTIALS];
                is(&d.one(mark, Opcode::Read)?, Opcode::Read, args)?;
                let mark = d.logged();
                let flags = RwFlags::NONBLOCK | RwFlags::APPEND;
                sys::write_at(fd.raw(), &buf, offset, Some(flags))?;
                let status = (O_NONBLOCK | O_APPEND) as u64;
                let args = [number, 0, 10, offset, status, CREDENTIALS];
                is(&d.one(mark, Opcode::Write)?, Opcode::Write, args)?;
            }
            let mark = d.logged();
            for flags in [4, 1 << 31, O_NONBLOCK] {
                let args = [fd.raw(), buf.as_mut_ptr() as usize, 10, 0, flags, 0];
                check_error!(raw(syscall::SYS_READ2, args), EINVAL);
                check_error!(raw(syscall::SYS_WRITE2, args), EINVAL);
            }
            check_eq!(d.since(mark).len(), 0);
        }
        check_eq!(
            sys::lseek(fds[1].raw(), 0, SEEK_CUR)?,
            0,
            "explicit offsets move nothing"
        );
        // All ones is the position.
        sys::read_at(fds[1].raw(), &mut buf, u64::MAX, None)?;
        check_eq!(sys::lseek(fds[1].raw(), 0, SEEK_CUR)?, 10);
        Ok(())
    })
}

fn seeking() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open_positioned(6)?;
        let mark = d.logged();
        for (displacement, whence, expected) in [
            (10, SEEK_SET, Ok(10)),
            (5, SEEK_CUR, Ok(15)),
            (-15, SEEK_CUR, Ok(0)),
            (-1, SEEK_CUR, Err(EINVAL)),
            (-1, SEEK_SET, Err(EINVAL)),
            (i64::MAX, SEEK_SET, Ok(i64::MAX as u64)),
            (1, SEEK_CUR, Err(EINVAL)),
            (i64::MIN, SEEK_SET, Err(EINVAL)),
            (0, 3, Err(EINVAL)),
            (0, usize::MAX, Err(EINVAL)),
            (3, SEEK_SET, Ok(3)),
        ] {
            let got = sys::lseek(fd.raw(), displacement, whence).map_err(|e| e.errno);
            check_eq!(got, expected, "{displacement} {whence}");
        }
        check_eq!(d.since(mark).len(), 0);
        d.answer(1000);
        check_eq!(sys::lseek(fd.raw(), -10, SEEK_END)?, 990);
        is(
            &d.one(mark, Opcode::Fsize)?,
            Opcode::Fsize,
            [6, 0, 0, 0, 0, CREDENTIALS],
        )?;
        check_eq!(sys::lseek(fd.raw(), 0, SEEK_CUR)?, 990);
        check_error!(sys::lseek(fd.raw(), -1001, SEEK_END), EINVAL);
        d.refuse(ESPIPE);
        check_error!(sys::lseek(fd.raw(), 0, SEEK_END), ESPIPE);
        check_eq!(sys::lseek(fd.raw(), 0, SEEK_CUR)?, 990);
        let plain = d.open(5)?;
        for whence in [SEEK_SET, SEEK_CUR, SEEK_END] {
            check_error!(sys::lseek(plain.raw(), 0, whence), ESPIPE);
        }
        Ok(())
    })
}

fn plain_requests() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let file = d.open(5)?;
        let fd = file.raw();
        let cases: [(Opcode, [u64; 6], usize, [usize; 6]); 6] = [
            (
                Opcode::Fchown,
                [5, 7, 8, 0, 0, CREDENTIALS],
                syscall::SYS_FCHOWN,
                [fd, 7, 8, 0, 0, 0],
            ),
            (
                Opcode::Fchown,
                [5, u64::from(u32::MAX), 0, 0, 0, CREDENTIALS],
                syscall::SYS_FCHOWN,
                [fd, u32::MAX as usize, 0, 0, 0, 0],
            ),
            (
                Opcode::Fsync,
                [5, 0, 0, 0, 0, CREDENTIALS],
                syscall::SYS_FSYNC,
                [fd, 0, 0, 0, 0, 0],
            ),
            (
                Opcode::Fcntl,
                [5, 99, 1234, 0, 0, CREDENTIALS],
                syscall::SYS_FCNTL,
                [fd, 99, 1234, 0, 0, 0],
            ),
            (
                Opcode::Fcntl,
                [5, u64::MAX, 0, 0, 0, CREDENTIALS],
                syscall::SYS_FCNTL,
                [fd, usize::MAX, 0, 0, 0, 0],
            ),
            (
                Opcode::Fevent,
                [5, 3, 0, 0, 0, CREDENTIALS],
                syscall::SYS_FEVENT,
                [fd, 3, 0, 0, 0, 0],
            ),
        ];
        for (opcode, args, number, call) in cases {
            for result in [Ok(0), Ok(2), Ok(usize::MAX >> 1), Err(EIO), Err(EPERM)] {
                let mark = d.logged();
                d.answer(Error::mux(result.map_err(Error::new)));
                check_eq!(raw(number, call).map_err(|e| e.errno), result, "{opcode:?}");
                is(&d.one(mark, opcode)?, opcode, args)?;
            }
        }
        let mark = d.logged();
        check_error!(raw(syscall::SYS_FEVENT, [fd, 4, 0, 0, 0, 0]), EINVAL);
        for command in [F_GETFD, F_SETFD, F_GETFL] {
            fcntl(fd, command, 0)?;
        }
        check_eq!(d.since(mark).len(), 0);
        // What only a user scheme can answer.
        let pipe = world().pipe.open(b"", O_RDONLY)?;
        check_error!(sys::fchown(pipe.raw(), 0, 0), EOPNOTSUPP);
        check_error!(sys::fpath(pipe.raw(), &mut [0; 8]), EOPNOTSUPP);
        check_error!(sys::frename(pipe.raw(), b"x"), EOPNOTSUPP);
        check_error!(fcntl(pipe.raw(), 99, 0), EINVAL);
        Ok(())
    })
}

fn status_flags_travel() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        d.answer(0);
        for status in [0, O_NONBLOCK, O_APPEND | O_FSYNC, O_ASYNC, O_FCNTL_MASK] {
            // Only status flags can be set.
            check_eq!(fcntl(fd.raw(), F_SETFL, status | O_CREAT | O_STAT)?, 0);
            check_eq!(fcntl(fd.raw(), F_GETFL, 0)?, O_RDWR | status);
            let mark = d.logged();
            fd.read(&mut [0; 1])?;
            fd.write(&[0; 1])?;
            check_eq!(d.one(mark, Opcode::Read)?.args[4], status as u64);
            check_eq!(d.one(mark, Opcode::Write)?.args[4], status as u64);
        }
        Ok(())
    })
}

fn paths_of_files() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut buf = [0xee; 64];
        d.fill(3, 64);
        d.answer(10);
        let mark = d.logged();
        check_eq!(sys::fpath(fd.raw(), &mut buf)?, 10);
        is(
            &d.one(mark, Opcode::Fpath)?,
            Opcode::Fpath,
            [5, 0, 64, 0, 0, CREDENTIALS],
        )?;
        check!(
            buf.iter()
                .enumerate()
                .all(|(i, b)| *b == if i < 10 { pattern(3, i) } else { 0xee })
        );
        d.fill(0, 0);
        d.answer(0);
        for (opcode, call) in [
            (
                Opcode::Frename,
                sys::frename as fn(usize, &[u8]) -> Result<()>,
            ),
            (Opcode::Flink, sys::flink),
        ] {
            let mark = d.logged();
            call(fd.raw(), b"/new/place")?;
            let m = d.one(mark, opcode)?;
            is(&m, opcode, [5, 0, 10, 0, 0, CREDENTIALS])?;
            check_eq!(m.text(), b"/new/place");
            check_error!(call(fd.raw(), &[b'a'; 4097]), ENAMETOOLONG);
        }
        d.refuse(EEXIST);
        check_error!(sys::flink(fd.raw(), b"x"), EEXIST);
        Ok(())
    })
}

fn file_information() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let size = size_of::<Stat>();
        let page = map_at(0, 4096, MapFlags::MAP_PRIVATE)?;
        // SAFETY: the page is this case's alone.
        let bytes = unsafe { core::slice::from_raw_parts_mut(page as *mut u8, 4096) };
        bytes.fill(0xee);
        d.fill(9, size);
        d.answer(0);
        let mark = d.logged();
        // More room than needed: the rest stays as it was.
        check_eq!(raw(syscall::SYS_FSTAT, [fd.raw(), page, 4096, 0, 0, 0])?, 0);
        let args = [5, 0, size as u64, 0, 0, CREDENTIALS];
        is(&d.one(mark, Opcode::Fstat)?, Opcode::Fstat, args)?;
        check!(
            bytes
                .iter()
                .enumerate()
                .all(|(i, b)| *b == if i < size { pattern(9, i) } else { 0xee })
        );
        // What the daemon leaves alone is zero, and not what was there before.
        bytes.fill(0xee);
        d.fill(9, 16);
        raw(syscall::SYS_FSTAT, [fd.raw(), page, size, 0, 0, 0])?;
        check!(
            bytes[..size]
                .iter()
                .enumerate()
                .all(|(i, b)| *b == if i < 16 { pattern(9, i) } else { 0 })
        );
        bytes.fill(0xee);
        d.refuse(EIO);
        check_error!(
            raw(syscall::SYS_FSTAT, [fd.raw(), page, size, 0, 0, 0]),
            EIO
        );
        check!(bytes.iter().all(|b| *b == 0xee));
        d.answer(0);
        let mark = d.logged();
        check_error!(
            raw(syscall::SYS_FSTAT, [fd.raw(), page, size - 1, 0, 0, 0]),
            EINVAL
        );
        check_eq!(d.since(mark).len(), 0);
        check_error!(
            raw(syscall::SYS_FSTAT, [fd.raw(), 0x10, size, 0, 0, 0]),
            EFAULT
        );
        unmap(page, 4096)?;
        Ok(())
    })
}

fn calls_of_the_schemes_own() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let metadata = [11, u64::MAX, 13, 14, 15, 16, 17, 18, 19];
        d.answer(21);
        for count in 0..=3 {
            let mark = d.logged();
            check_eq!(
                sys::call(fd.raw(), CallFlags::empty(), &metadata[..count])?,
                21
            );
            let word = |i: usize| if i < count { metadata[i] } else { 0 };
            is(
                &d.one(mark, Opcode::Call)?,
                Opcode::Call,
                [5, 0, 0, word(0), word(1), word(2)],
            )?;
        }
        let mark = d.logged();
        for count in 4..=9 {
            check_error!(
                sys::call(fd.raw(), CallFlags::empty(), &metadata[..count]),
                EINVAL
            );
        }
        check_error!(raw(syscall::SYS_CALL, [fd.raw(), 0, 0, 1, 0x10, 0]), EFAULT);
        for flag in [1 << 17, 1 << 20, 1 << 63] {
            check_error!(raw(syscall::SYS_CALL, [fd.raw(), 0, 0, flag, 0, 0]), EINVAL);
        }
        check_eq!(d.since(mark).len(), 0);
        // Which way the bytes go.
        d.expect(4);
        d.fill(0, 0);
        let mut buf = [0; 80];
        for (flags, reads, writes) in [
            (CallFlags::empty(), true, true),
            (CallFlags::READ | CallFlags::WRITE, true, true),
            (CallFlags::WRITE, true, false),
            (CallFlags::READ, false, true),
            (
                CallFlags::READ | CallFlags::ALLOW_DIRECT_SWITCH,
                false,
                true,
            ),
        ] {
            for (i, b) in buf.iter_mut().enumerate() {
                *b = pattern(4, i);
            }
            d.fill(8, 80);
            let mark = d.logged();
            let args = [fd.raw(), buf.as_mut_ptr() as usize, 80, flags.bits(), 0, 0];
            check_eq!(raw(syscall::SYS_CALL, args)?, 21);
            check_eq!(
                d.one(mark, Opcode::Call)?.mismatch.is_none(),
                reads,
                "{flags:?}"
            );
            let seed = if writes { 8 } else { 4 };
            check!(
                buf.iter().enumerate().all(|(i, b)| *b == pattern(seed, i)),
                "{flags:?}"
            );
        }
        // An error gives nothing back.
        d.refuse(EIO);
        buf.fill(1);
        check_error!(
            sys::call_read(fd.raw(), &mut buf, CallFlags::empty(), &[]),
            EIO
        );
        check!(buf.iter().all(|b| *b == 1));
        Ok(())
    })
}

/// The direction of a standard call's buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
    Any,
}

fn standard_calls() -> Outcome {
    use StdFsCallKind::*;
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let file = d.open(5)?;
        let fd = file.raw();
        let cases: [(StdFsCallKind, Option<usize>, Way); 14] = [
            (Fchmod, None, Way::Any),
            (Fchown, None, Way::Any),
            (Getdents, None, Way::Out),
            (Fstat, Some(size_of::<Stat>()), Way::Out),
            (Fstatvfs, Some(size_of::<StatVfs>()), Way::Out),
            (Fsync, None, Way::Any),
            (Ftruncate, None, Way::Any),
            (Futimens, Some(32), Way::In),
            (Unlinkat, None, Way::In),
            (Relpathat, None, Way::Any),
            (Lock, None, Way::Any),
            (Unlock, None, Way::Any),
            (GetLock, Some(16), Way::Out),
            (Fchmod, None, Way::Any),
        ];
        let mut buf = [b'a'; 200];
        for (kind, exact, way) in cases {
            let len = exact.unwrap_or(48);
            let mark = d.logged();
            d.answer(len);
            d.fill(6, 200);
            buf.fill(b'a');
            let words = [kind as u64, 2, 3];
            let flags = CallFlags::STD_FS;
            let got = sys::call_read_write(fd, &mut buf[..len], flags, &words)?;
            check_eq!(got, len, "{kind:?}");
            let m = d.one(mark, Opcode::StdFsCall)?;
            is(&m, Opcode::StdFsCall, [5, 0, len as u64, kind as u64, 2, 3])?;
            if way == Way::In {
                check!(
                    m.text().iter().all(|b| *b == b'a'),
                    "{kind:?}: {:?}",
                    m.text()
                );
            }
            let written = buf[..len]
                .iter()
                .enumerate()
                .all(|(i, b)| *b == pattern(6, i));
            check_eq!(written, way != Way::In, "{kind:?}");
            check!(buf[len..].iter().all(|b| *b == b'a'), "{kind:?}");
            if let Some(exact) = exact {
                let mark = d.logged();
                for len in [0, 1, exact - 1, exact + 1, 200] {
                    let refused = sys::call_read_write(fd, &mut buf[..len], flags, &words);
                    check_error!(refused, EINVAL, "{kind:?} {len}");
                }
                check_eq!(d.since(mark).len(), 0);
            }
        }
        d.fill(0, 0);
        let mark = d.logged();
        for kind in [0, 9, 17, 255] {
            let refused = sys::call(fd, CallFlags::STD_FS, &[kind]);
            check_error!(refused, EOPNOTSUPP, "{kind}");
        }
        for kind in [Frenameat, Flinkat] {
            check_error!(sys::call(fd, CallFlags::STD_FS, &[kind as u64]), EINVAL);
        }
        check_error!(sys::call(fd, CallFlags::STD_FS, &[1, 2, 3, 4]), EINVAL);
        check_eq!(d.since(mark).len(), 0);
        Ok(())
    })
}

fn two(fds: [usize; 2], payload: &mut [u8], flags: CallFlags, words: &[u64]) -> Result<usize> {
    // SAFETY: the payload is borrowed for the time of the call.
    unsafe { sys::call_multiple(&fds, payload.as_mut_ptr(), payload.len(), flags, words) }
}

fn calls_on_two_descriptors() -> Outcome {
    use StdFsCallKind::*;
    leaves_nothing(|| {
        const MULTIPLE: u8 = 2;
        let (d, other) = (Daemon::start()?, Daemon::start()?);
        let (a, b, foreign) = (d.open(5)?, d.open(6)?, other.open(7)?);
        let fds = [a.raw(), b.raw()];
        d.answer(33);
        let mut buf = *b"one\0two";
        for kind in [Frenameat, Flinkat] {
            let mark = d.logged();
            check_eq!(
                two(fds, &mut buf, CallFlags::STD_FS, &[kind as u64, 12])?,
                33
            );
            let m = d.one(mark, Opcode::StdFsCall)?;
            is(&m, Opcode::StdFsCall, [5, 0, 7, kind as u64, 12, 6])?;
            check_eq!((m.text(), m.flags), (&b"one\0two"[..], MULTIPLE));
        }
        d.fill(2, 7);
        d.answer(4);
        check_eq!(
            two(fds, &mut buf, CallFlags::STD_FS, &[Relpathat as u64, 0])?,
            4
        );
        check!(
            buf[..4]
                .iter()
                .enumerate()
                .all(|(i, b)| *b == pattern(2, i))
        );
        check_eq!(&buf[4..], b"two", "more than the answer says");
        let mark = d.logged();
        check_eq!(two(fds, &mut buf, CallFlags::empty(), &[8, 9])?, 4);
        let m = d.one(mark, Opcode::Call)?;
        is(&m, Opcode::Call, [5, 0, 7, 8, 9, 6])?;
        check_eq!(m.flags, MULTIPLE);
        check!(buf.iter().enumerate().all(|(i, b)| *b == pattern(2, i)));
        d.fill(0, 0);
        let mark = d.logged();
        check_error!(two(fds, &mut buf, CallFlags::empty(), &[1, 2, 3]), EINVAL);
        for kind in [Fchmod, Fstat, Getdents, Unlinkat, Fsync] {
            check_error!(
                two(fds, &mut buf, CallFlags::STD_FS, &[kind as u64]),
                EINVAL
            );
        }
        check_error!(two(fds, &mut buf, CallFlags::STD_FS, &[99]), EOPNOTSUPP);
        check_error!(two(fds, &mut buf, CallFlags::FD, &[0]), EINVAL);
        check_error!(two(fds, &mut buf, CallFlags::CONSUME, &[0]), EINVAL);
        check_error!(
            two([a.raw(), foreign.raw()], &mut buf, CallFlags::empty(), &[]),
            EXDEV
        );
        check_error!(
            two([a.raw(), 1 << 20], &mut buf, CallFlags::empty(), &[]),
            EBADF
        );
        check_error!(
            two([1 << 20, a.raw()], &mut buf, CallFlags::empty(), &[]),
            EBADF
        );
        check_error!(
            two(
                [a.raw(), world().pipe.raw()],
                &mut buf,
                CallFlags::empty(),
                &[]
            ),
            EOPNOTSUPP
        );
        let flags = CallFlags::MULTIPLE_FDS2.bits();
        for count in [0, 1, 3, 7] {
            let pointer = fds.as_ptr() as usize | count;
            check_error!(raw(syscall::SYS_CALL, [pointer, 0, 0, flags, 0, 0]), EINVAL);
        }
        check_error!(
            raw(syscall::SYS_CALL, [0x1000 | 2, 0, 0, flags, 0, 0]),
            EFAULT
        );
        check_eq!(d.since(mark).len(), 0);
        Ok(())
    })
}

fn consuming_calls() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        for (result, errno) in [(5, 0), ((EIO as usize).wrapping_neg(), EIO)] {
            let fd = d.open(50)?.into_raw();
            d.answer(result);
            let mark = d.logged();
            let outcome = sys::call(fd, CallFlags::CONSUME, &[1]);
            check_eq!(
                outcome.map_err(|e| e.errno),
                if errno == 0 { Ok(5) } else { Err(errno) }
            );
            check_error!(sys::close(fd), EBADF);
            d.answer(0);
            d.settle()?;
            let kinds: [u8; 2] = match d.since(mark).as_slice() {
                [first, second] => [first.opcode, second.opcode],
                other => guest_test::fail!("{} messages", other.len()),
            };
            check_eq!(
                kinds,
                [Opcode::Call as u8, Opcode::CloseMsg as u8],
                "the call comes first"
            );
        }
        // With another descriptor open the object stays.
        let fd = d.open(50)?;
        let copy = fd.dup(b"")?;
        d.answer(0);
        let mark = d.logged();
        sys::call(fd.into_raw(), CallFlags::CONSUME, &[])?;
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::CloseMsg).len(), 0);
        // What is refused before it is a message consumes nothing.
        check_error!(
            sys::call(copy.raw(), CallFlags::CONSUME, &[1, 2, 3, 4]),
            EINVAL
        );
        copy.rights()?;
        Ok(())
    })
}

fn closing_is_told_once() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let copies = [fd.dup(b"")?, fd.dup(b"")?];
        let mark = d.logged();
        drop(fd);
        for copy in copies {
            d.settle()?;
            check_eq!(d.of_kind(mark, Opcode::CloseMsg).len(), 0);
            copy.close()?;
        }
        d.settle()?;
        let m = d.one(mark, Opcode::CloseMsg)?;
        check_eq!((m.args, m.flags, m.tag), ([5, 0, 0, 0, 0, 0], 1, u32::MAX));
        // Closing does not wait for the daemon.
        d.answer(6);
        let many: [usize; 20] = [0; 20].map(|_| d.open(6).map_or(0, redox_rt::Fd::into_raw));
        let mark = d.logged();
        for fd in many {
            sys::close(fd)?;
        }
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::CloseMsg).len(), 20);
        Ok(())
    })
}

fn detaching_is_told_on_request() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let copy = fd.dup(b"")?;
        let mark = d.logged();
        copy.close()?;
        d.settle()?;
        check_eq!(d.since(mark).len(), 0, "nobody asked");
        let copy = fd.dup(b"")?;
        // A refusal asks for nothing.
        let errno = (EIO as u64).wrapping_neg();
        d.answer_as(CqeOpcode::RespondAndNotifyOnDetach as u8, 0, errno);
        check_error!(sys::fsync(fd.raw()), EIO);
        fd.dup(b"")?.close()?;
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::Detach).len(), 0);
        d.answer_as(CqeOpcode::RespondAndNotifyOnDetach as u8, 0, 9);
        let lock = [StdFsCallKind::Lock as u64, 0, 0];
        check_eq!(sys::call(fd.raw(), CallFlags::STD_FS, &lock)?, 9);
        d.answer(0);
        copy.close()?;
        d.settle()?;
        let m = d.one(mark, Opcode::Detach)?;
        check_eq!((m.args, m.flags), ([5, 0, 0, 0, 0, 0], 1));
        check_eq!(m.caller, u64::from(PID));
        let mark = d.logged();
        drop(fd);
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::CloseMsg).len(), 1);
        Ok(())
    })
}

fn events_are_announced() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let (a, b) = (d.open(5)?, d.open(6)?);
        let queue = event::Queue::new(&world().event)?;
        let nothing = |queue: &event::Queue| -> Outcome {
            fcntl(queue.fd().raw(), F_SETFL, O_NONBLOCK)?;
            check_error!(queue.fd().read(&mut [0; 24]), EAGAIN);
            fcntl(queue.fd().raw(), F_SETFL, 0)?;
            Ok(())
        };
        d.answer(0);
        let mark = d.logged();
        queue.watch(a.raw(), EventFlags::EVENT_READ, 111)?;
        queue.watch(
            b.raw(),
            EventFlags::EVENT_READ | EventFlags::EVENT_WRITE,
            222,
        )?;
        let asked = d.of_kind(mark, Opcode::Fevent);
        check_eq!(asked.len(), 2);
        check_eq!(
            (asked[0].args[..2].to_vec(), asked[1].args[..2].to_vec()),
            ([5, 1].to_vec(), [6, 3].to_vec())
        );
        nothing(&queue)?;
        let announce =
            |number: u64, flags: u32| d.complete(CqeOpcode::SendFevent as u8, 0, flags, number);
        // Not an object that is watched, not an event that is watched.
        announce(7, 3)?;
        announce(5, 2)?;
        announce(5, 0)?;
        nothing(&queue)?;
        announce(5, 3)?;
        let event = queue.next()?;
        check_eq!(
            (event.id, event.flags, event.data),
            (a.raw(), EventFlags::EVENT_READ, 111)
        );
        announce(6, 2)?;
        let event = queue.next()?;
        check_eq!(
            (event.id, event.flags, event.data),
            (b.raw(), EventFlags::EVENT_WRITE, 222)
        );
        nothing(&queue)?;
        // What holds already is told at once.
        d.answer(EventFlags::EVENT_WRITE.bits());
        queue.watch(b.raw(), EventFlags::EVENT_WRITE, 333)?;
        check_eq!(queue.next()?.data, 333);
        drop(a);
        announce(5, 3)?;
        nothing(&queue)?;
        // A scheme that has no events.
        d.refuse(EPERM);
        let c = d.root.dup(b"")?;
        check_error!(queue.watch(c.raw(), EventFlags::EVENT_READ, 1), EPERM);
        announce(ROOT as u64, 3)?;
        nothing(&queue)?;
        // A change that is refused is none.
        d.answer(0);
        queue.watch(b.raw(), EventFlags::EVENT_READ, 444)?;
        d.refuse(EPERM);
        let both = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
        check_error!(queue.watch(b.raw(), both, 555), EPERM);
        announce(6, 2)?;
        nothing(&queue)?;
        announce(6, 3)?;
        let event = queue.next()?;
        check_eq!(
            (event.id, event.flags, event.data),
            (b.raw(), EventFlags::EVENT_READ, 444)
        );
        Ok(())
    })
}

fn callers_are_named_truly() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let root = d.root.raw();
        d.answer(0);
        let mark = d.logged();
        let process = crate::world::Process::start(|| {
            let identified = crate::world::identify(4000, 70_000, 80_000);
            i32::from(identified.is_err() || sys::fsync(root).is_err())
        })?;
        process.wait()?;
        let m = d.one(mark, Opcode::Fsync)?;
        check_eq!((m.caller, m.args[5]), (4000, 70_000 | 80_000 << 32));
        Ok(())
    })
}
