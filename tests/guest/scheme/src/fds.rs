//! Descriptors on their way to a daemon and from it.

use alloc::vec::Vec;

use cap_abi::Rights;
use cap_abi::fcntl::FD_CLOEXEC;
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Error, Fd, Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};

use crate::daemon::Daemon;
use crate::world::{Caller, fcntl, leaves_nothing, map_at, raw, unmap, world};

pub fn run() -> i32 {
    guest_test::run!["scheme.fds" =>
        sent_descriptors_are_obtained, what_is_not_obtained_is_closed, sending_badly,
        clones_stay_with_the_sender, exclusive_means_alone, obtaining_badly, obtaining_by_completion,
        received_descriptors_are_moved, objects_of_its_own_are_received, receiving_badly,
        no_more_is_received_than_there_is_room_for, an_answer_without_descriptors_gives_none,
        all_are_obtained_or_none, all_are_received_or_none,
        moving_badly, opens_are_answered_with_descriptors, rights_are_intersected_on_the_way,
        a_socket_can_be_sent_to_its_own_scheme,
    ]
}

const WORD: usize = 8;

/// A reading and a writing end.
fn pipe() -> Result<(Fd, Fd)> {
    let read = world().pipe.open(b"", O_RDWR)?;
    let write = read.dup(b"write")?;
    Ok((read, write))
}

/// Another process that sends descriptors through `fd` and then tells whether it still has them.
fn sender(fd: usize, fds: &[usize], flags: CallFlags, metadata: &[u64]) -> Result<Caller> {
    Caller::start(|| sys::send_fds(fd, fds, flags, metadata))
}

/// `obtain_fd` by the daemon into its scratch memory from word 8 on.
fn obtain(d: &Daemon, tag: u32, count: usize, flags: CallFlags) -> Result<usize> {
    let flags = (CallFlags::FD | CallFlags::READ | flags).bits() | 2;
    d.poke(0, SchemeSocketCall::ObtainFd as u64);
    d.poke(1, tag.into());
    let base = d.scratch() + 8 * WORD;
    d.remote(
        syscall::SYS_CALL,
        [d.socket, base, count * WORD, flags, d.scratch(), 0],
    )
}

/// `move_fd` by the daemon.
fn move_fds(d: &Daemon, tag: u32, fds: &[usize], flags: CallFlags) -> Result<usize> {
    let flags = (CallFlags::FD | CallFlags::WRITE | flags).bits() | 2;
    d.poke(0, SchemeSocketCall::MoveFd as u64);
    d.poke(1, tag.into());
    for (i, fd) in fds.iter().enumerate() {
        d.poke(8 + i, *fd as u64);
    }
    let base = d.scratch() + 8 * WORD;
    d.remote(
        syscall::SYS_CALL,
        [d.socket, base, fds.len() * WORD, flags, d.scratch(), 0],
    )
}

/// A descriptor that the daemon has: of its own object `number`.
fn own(d: &Daemon, number: u64) -> Result<usize> {
    for (i, word) in [0, number, O_RDWR as u64, 0].into_iter().enumerate() {
        d.poke(i, word);
    }
    d.remote(
        syscall::SYS_DUP_INTO,
        [d.socket, d.scratch(), 32, sys::FD_ANY, 0, 0],
    )
}

fn close_in(d: &Daemon, fd: usize) -> Result<usize> {
    d.remote(syscall::SYS_CLOSE, [fd, 0, 0, 0, 0, 0])
}

fn sent_descriptors_are_obtained() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let (read, write) = pipe()?;
        for (upper, cloexec, count) in [(false, false, 1), (true, true, 2), (false, true, 2)] {
            d.hold();
            let mark = d.logged();
            let ends = [write.raw(), read.raw()];
            let caller = sender(channel.raw(), &ends[..count], CallFlags::empty(), &[0x77])?;
            d.until(mark, Opcode::Sendfd, 1)?;
            let m = d.one(mark, Opcode::Sendfd)?;
            check_eq!(m.args[..4], [5, 0, 0x77, count as u64]);
            let mut flags = CallFlags::empty();
            flags.set(CallFlags::FD_UPPER, upper);
            flags.set(CallFlags::FD_CLOEXEC, cloexec);
            check_eq!(obtain(&d, m.tag, count, flags)?, count);
            let numbers: Vec<usize> = (0..count).map(|i| d.peek(8 + i) as usize).collect();
            for number in &numbers {
                check_eq!(number & UPPER_FDTBL_TAG != 0, upper);
                let flags = d.remote(syscall::SYS_FCNTL, [*number, F_GETFD, 0, 0, 0, 0])?;
                check_eq!(flags, if cloexec { FD_CLOEXEC } else { 0 });
            }
            // It is that pipe indeed, and in the daemon's hands before the sender is answered.
            check!(!caller.is_done());
            d.poke(100, 0x0011_2233);
            let args = [numbers[0], d.scratch() + 100 * WORD, 4, 0, 0, 0];
            check_eq!(d.remote(syscall::SYS_WRITE, args)?, 4);
            let mut buf = [0; 8];
            check_eq!(read.read(&mut buf)?, 4);
            check_eq!(buf[..4], [0x33, 0x22, 0x11, 0x00]);
            d.complete_with(m.tag, Ok(42))?;
            check_eq!(caller.result()?, 42);
            for number in numbers {
                close_in(&d, number)?;
            }
        }
        Ok(())
    })
}

fn what_is_not_obtained_is_closed() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        for errno in [0, EIO] {
            let (read, write) = pipe()?;
            d.answer((errno as usize).wrapping_neg());
            let number = write.into_raw();
            let sent = sys::send_fds(channel.raw(), &[number], CallFlags::empty(), &[]);
            check_eq!(sent.is_ok(), errno == 0);
            // It has left this process all the same: it was the daemon's to take.
            check_error!(sys::close(number), EBADF);
            check_eq!(read.read(&mut [0; 1])?, 0, "the last writing end is gone");
        }
        Ok(())
    })
}

fn sending_badly() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let (read, write) = pipe()?;
        d.answer(0);
        let mark = d.logged();
        let send = |fds: &[usize], flags: CallFlags, metadata: &[u64]| {
            sys::send_fds(channel.raw(), fds, flags, metadata)
        };
        let none = CallFlags::empty();
        check_error!(send(&[], none, &[]), EINVAL);
        check_error!(send(&[1 << 20], none, &[]), EBADF);
        check_error!(send(&[read.raw(), 1 << 20], none, &[]), EBADF);
        check_error!(send(&[read.raw(), read.raw()], none, &[]), EINVAL);
        check_error!(send(&[read.raw()], none, &[1, 2]), EINVAL);
        check_error!(send(&[read.raw()], CallFlags::READ, &[]), EINVAL);
        check_error!(send(&[read.raw(); 65], CallFlags::FD_CLONE, &[]), EINVAL);
        let limited = read.dup(b"")?;
        limited.limit(Rights::FULL.difference(Rights::TRANSFER))?;
        check_error!(send(&[write.raw(), limited.raw()], none, &[]), EPERM);
        let flags = (CallFlags::FD | CallFlags::WRITE).bits();
        for (base, len, errno) in [
            (0x10, 8, EFAULT),
            (usize::MAX - 7, 8, EFAULT),
            (1 << 63, 16, EFAULT),
            (0x10, 7, EINVAL),
            (0x10, usize::MAX & !7, EINVAL),
        ] {
            let args = [channel.raw(), base, len, flags, 0, 0];
            check_error!(raw(syscall::SYS_CALL, args), errno);
        }
        let neither = [channel.raw(), 0x10, 8, CallFlags::FD.bits(), 0, 0];
        check_error!(raw(syscall::SYS_CALL, neither), EINVAL);
        check_error!(
            sys::send_fds(read.raw(), &[write.raw()], none, &[]),
            EOPNOTSUPP
        );
        check_eq!(d.since(mark).len(), 0);
        // Everything is still here.
        for fd in [&read, &write, &limited] {
            fd.rights()?;
        }
        // 64 at once are the most.
        let sent = send(&[read.raw(); 64], CallFlags::FD_CLONE, &[])?;
        check_eq!((sent, d.one(mark, Opcode::Sendfd)?.args[3]), (0, 64));
        // A scheme that is gone takes nothing.
        let mut gone = Daemon::start()?;
        let channel = gone.open(1)?;
        gone.kill()?;
        check_error!(
            sys::send_fds(channel.raw(), &[read.raw()], none, &[]),
            ENODEV
        );
        Ok(())
    })
}

fn clones_stay_with_the_sender() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let (read, write) = pipe()?;
        d.answer(0);
        let mark = d.logged();
        let fds = [write.raw(), write.raw()];
        sys::send_fds(channel.raw(), &fds, CallFlags::FD_CLONE, &[])?;
        let m = d.one(mark, Opcode::Sendfd)?;
        check_eq!(m.args[1] as usize, SendFdFlags::CLONE.bits());
        check_eq!(write.write(b"x")?, 1);
        check_eq!(read.read(&mut [0; 2])?, 1);
        Ok(())
    })
}

fn exclusive_means_alone() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let (read, write) = pipe()?;
        d.answer(0);
        let mark = d.logged();
        let copy = write.dup(b"")?;
        let exclusive = CallFlags::FD_EXCLUSIVE;
        check_error!(
            sys::send_fds(channel.raw(), &[write.raw()], exclusive, &[]),
            EBUSY
        );
        check_error!(
            sys::send_fds(channel.raw(), &[read.raw(), write.raw()], exclusive, &[]),
            EBUSY
        );
        check_eq!(d.since(mark).len(), 0);
        drop(copy);
        sys::send_fds(channel.raw(), &[write.into_raw()], exclusive, &[])?;
        check_eq!(
            d.one(mark, Opcode::Sendfd)?.args[1] as usize,
            SendFdFlags::EXCLUSIVE.bits()
        );
        // The receiver may insist, too. The other process and this one both have the end here.
        d.hold();
        let mark = d.logged();
        let caller = sender(channel.raw(), &[read.raw()], CallFlags::empty(), &[])?;
        d.until(mark, Opcode::Sendfd, 1)?;
        let tag = d.one(mark, Opcode::Sendfd)?.tag;
        check_error!(obtain(&d, tag, 1, exclusive), EBUSY);
        drop(read);
        check_eq!(obtain(&d, tag, 1, exclusive)?, 1);
        close_in(&d, d.peek(8) as usize)?;
        d.complete_with(tag, Ok(0))?;
        caller.result()?;
        Ok(())
    })
}

fn obtaining_badly() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let (read, write) = pipe()?;
        d.hold();
        let mark = d.logged();
        let ends = [read.raw(), write.raw()];
        let caller = sender(channel.raw(), &ends, CallFlags::empty(), &[])?;
        d.until(mark, Opcode::Sendfd, 1)?;
        let tag = d.one(mark, Opcode::Sendfd)?.tag;
        let none = CallFlags::empty();
        check_error!(obtain(&d, tag ^ 1 << 20, 1, none), EBADF);
        check_error!(obtain(&d, u32::MAX, 1, none), EBADF);
        check_error!(obtain(&d, tag, 0, none), EINVAL);
        check_error!(obtain(&d, tag, 3, none), ENOENT);
        check_error!(move_fds(&d, tag, &[d.socket], none), EINVAL);
        d.poke(0, 2);
        let flags = CallFlags::FD.bits() | 2;
        let args = [d.socket, d.scratch(), 8, flags, d.scratch(), 0];
        check_error!(d.remote(syscall::SYS_CALL, args), EINVAL);
        d.poke(0, 0);
        d.poke(1, tag.into());
        let bad = [d.socket, 0x10, 8, flags, d.scratch(), 0];
        check_error!(d.remote(syscall::SYS_CALL, bad), EFAULT);
        // Nothing was lost of all that.
        check_eq!(obtain(&d, tag, 2, none)?, 2);
        check_error!(obtain(&d, tag, 1, none), ENOENT);
        for i in [8, 9] {
            close_in(&d, d.peek(i) as usize)?;
        }
        d.complete_with(tag, Ok(2))?;
        check_eq!(caller.result()?, 2);
        check_error!(obtain(&d, tag, 1, none), EBADF);
        // A call that sends nothing has nothing to obtain.
        let mark = d.logged();
        let caller = Caller::start(|| sys::fsync(channel.raw()).map(|()| 0))?;
        d.until(mark, Opcode::Fsync, 1)?;
        let tag = d.one(mark, Opcode::Fsync)?.tag;
        check_error!(obtain(&d, tag, 1, none), EINVAL);
        check_error!(move_fds(&d, tag, &[d.socket], none), EINVAL);
        d.complete_with(tag, Ok(0))?;
        caller.result()?;
        Ok(())
    })
}

fn obtaining_by_completion() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let (read, write) = pipe()?;
        d.hold();
        let mark = d.logged();
        let ends = [read.raw(), write.raw(), read.raw()];
        let caller = sender(channel.raw(), &ends, CallFlags::FD_CLONE, &[])?;
        d.until(mark, Opcode::Sendfd, 1)?;
        let tag = d.one(mark, Opcode::Sendfd)?.tag;
        let obtain = |flags: FobtainFdFlags, result: u64| {
            d.complete(CqeOpcode::ObtainFd as u8, flags.bits() as u32, tag, result)
        };
        check_error!(obtain(FobtainFdFlags::from_bits_retain(1 << 10), 0), EINVAL);
        check_error!(obtain(FobtainFdFlags::empty(), 0x10), EFAULT);
        check_error!(obtain(FobtainFdFlags::EXCLUSIVE, 0x10), EBUSY);
        let taken = d.socket as u64;
        check_error!(obtain(FobtainFdFlags::MANUAL_FD, taken), EEXIST);
        check_eq!(obtain(FobtainFdFlags::MANUAL_FD, 700)?, 16);
        let place = (d.scratch() + 50 * WORD) as u64;
        check_eq!(obtain(FobtainFdFlags::empty(), place)?, 16);
        let second = d.peek(50) as usize;
        check_eq!(
            obtain(FobtainFdFlags::UPPER_TBL | FobtainFdFlags::CLOEXEC, place)?,
            16
        );
        let third = d.peek(50) as usize;
        check!(second & UPPER_FDTBL_TAG == 0 && third & UPPER_FDTBL_TAG != 0);
        check_eq!(
            d.remote(syscall::SYS_FCNTL, [third, F_GETFD, 0, 0, 0, 0])?,
            FD_CLOEXEC
        );
        check_error!(obtain(FobtainFdFlags::empty(), place), ENOENT);
        check!(!caller.is_done(), "obtaining is no answer");
        d.complete_with(tag, Ok(0))?;
        caller.result()?;
        for fd in [700, second, third] {
            close_in(&d, fd)?;
        }
        Ok(())
    })
}

/// Another process that receives up to two descriptors; its result says how many came, whether they
/// are in the private table, and what the first leads to.
fn receiver(channel: usize, upper: bool, seen: fn(usize) -> Result<usize>) -> Result<Caller> {
    let flags = if upper {
        CallFlags::FD_UPPER | CallFlags::FD_CLOEXEC
    } else {
        CallFlags::empty()
    };
    Caller::start(|| {
        let mut fds = [usize::MAX; 2];
        let count = sys::receive_fds(channel, &mut fds, flags, &[0x11, 0x22])?;
        let private = fds[0] & UPPER_FDTBL_TAG != 0;
        let marked = fcntl(fds[0], F_GETFD, 0)? == FD_CLOEXEC;
        if private != upper || marked != upper || (count < 2) != (fds[1] == usize::MAX) {
            return Err(Error::new(EIO));
        }
        Ok(count << 8 | seen(fds[0])?)
    })
}

fn rights_bits(fd: usize) -> Result<usize> {
    Ok(usize::from(sys::rights(fd)? == Rights::FULL))
}

fn received_descriptors_are_moved() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        for (upper, count, clone) in [(false, 1, false), (true, 2, false), (false, 2, true)] {
            d.hold();
            let mark = d.logged();
            let caller = receiver(channel.raw(), upper, rights_bits)?;
            d.until(mark, Opcode::Recvfd, 1)?;
            let m = d.one(mark, Opcode::Recvfd)?;
            let mut flags = RecvFdFlags::empty();
            flags.set(RecvFdFlags::UPPER_TBL, upper);
            flags.set(RecvFdFlags::CLOEXEC, upper);
            check_eq!(m.args, [5, flags.bits() as u64, 2, 0x11, 0x22, 0]);
            let fds = [own(&d, 8)?, own(&d, 9)?];
            let how = if clone {
                CallFlags::FD_CLONE
            } else {
                CallFlags::empty()
            };
            for fd in fds.iter().take(count) {
                check_eq!(move_fds(&d, m.tag, &[*fd], how)?, 1);
            }
            let multiple = CqeOpcode::RespondWithMultipleFds as u8;
            check_error!(d.complete(multiple, 0, m.tag, count as u64 + 1), EINVAL);
            check_eq!(d.complete(multiple, 0, m.tag, count as u64)?, 16);
            check_eq!(caller.result()?, count << 8 | 1);
            for (i, fd) in fds.into_iter().enumerate() {
                let gone = i < count && !clone;
                check_eq!(close_in(&d, fd).is_err(), gone);
            }
        }
        Ok(())
    })
}

fn objects_of_its_own_are_received() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        // A number is an object of the daemon's own, as for an open.
        d.answer(66);
        let caller = Caller::start(|| {
            let mut fds = [0];
            let count = sys::receive_fds(channel.raw(), &mut fds, CallFlags::empty(), &[])?;
            sys::fsync(fds[0])?;
            Ok(count)
        })?;
        let mark = d.logged();
        check_eq!(caller.result()?, 1);
        check_eq!(d.one(mark, Opcode::Fsync)?.args[0], 66);
        // One descriptor in the answer itself.
        d.hold();
        let mark = d.logged();
        let caller = receiver(channel.raw(), false, rights_bits)?;
        d.until(mark, Opcode::Recvfd, 1)?;
        let tag = d.one(mark, Opcode::Recvfd)?.tag;
        let fd = own(&d, 9)?;
        check_eq!(
            d.complete(CqeOpcode::RespondWithFd as u8, 0, tag, fd as u64)?,
            16
        );
        check_eq!(caller.result()?, 1 << 8 | 1);
        check_eq!(
            close_in(&d, fd)?,
            0,
            "an answer's descriptor stays with the daemon"
        );
        // An error.
        d.refuse(EAGAIN);
        check_error!(channel.receive(&[]), EAGAIN);
        Ok(())
    })
}

fn receiving_badly() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        d.answer(3);
        let mark = d.logged();
        let flags = (CallFlags::FD | CallFlags::READ).bits();
        let mut room = [0_usize; 80];
        let base = room.as_mut_ptr() as usize;
        for (len, count) in [(0, 0), (7, 0), (65 * 8, 0), (8, 3)] {
            let args = [channel.raw(), base, len, flags | count, base, 0];
            check_error!(raw(syscall::SYS_CALL, args), EINVAL, "{len} {count}");
        }
        check_error!(
            sys::receive_fds(world().pipe.raw(), &mut [0], CallFlags::empty(), &[]),
            EOPNOTSUPP
        );
        check_eq!(d.since(mark).len(), 0);
        // Where the numbers cannot be told, nothing is received.
        let page = map_at(0, 4096, MapFlags::MAP_PRIVATE)?;
        // SAFETY: nobody writes there any more.
        unsafe { sys::mprotect(page, 4096, MapFlags::PROT_READ) }?;
        let before = numbers()?;
        for bad in [0x10, page, usize::MAX - 7] {
            let args = [channel.raw(), bad, 8, flags, 0, 0];
            check_error!(raw(syscall::SYS_CALL, args), EFAULT, "{bad:#x}");
            check_eq!(numbers()?, before, "a descriptor that nobody knows of");
        }
        unmap(page, 4096)?;
        Ok(())
    })
}

fn no_more_is_received_than_there_is_room_for() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        d.hold();
        let mark = d.logged();
        let caller = Caller::start(|| {
            let mut fds = [usize::MAX; 3];
            let before = numbers()?;
            let outcome = sys::receive_fds(channel.raw(), &mut fds[..2], CallFlags::empty(), &[]);
            if fds[2] != usize::MAX || numbers()? != before {
                return Err(Error::new(EOVERFLOW));
            }
            outcome
        })?;
        d.until(mark, Opcode::Recvfd, 1)?;
        let tag = d.one(mark, Opcode::Recvfd)?.tag;
        let fds = [own(&d, 8)?, own(&d, 9)?];
        check_eq!(move_fds(&d, tag, &fds, CallFlags::FD_CLONE)?, 2);
        // One more comes with the answer.
        let with_one = CqeOpcode::RespondWithFd as u8;
        check_eq!(d.complete(with_one, 0, tag, fds[0] as u64)?, 16);
        check_error!(caller.result(), EIO);
        for fd in fds {
            close_in(&d, fd)?;
        }
        Ok(())
    })
}

fn an_answer_without_descriptors_gives_none() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        d.hold();
        let mark = d.logged();
        let caller = Caller::start(|| {
            let mut fds = [usize::MAX];
            let before = numbers()?;
            let count = sys::receive_fds(channel.raw(), &mut fds, CallFlags::empty(), &[])?;
            if fds != [usize::MAX] || numbers()? != before {
                return Err(Error::new(EOVERFLOW));
            }
            Ok(count)
        })?;
        d.until(mark, Opcode::Recvfd, 1)?;
        let tag = d.one(mark, Opcode::Recvfd)?.tag;
        let multiple = CqeOpcode::RespondWithMultipleFds as u8;
        check_eq!(d.complete(multiple, 0, tag, 0)?, 16);
        check_eq!(caller.result()?, 0);
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::CloseMsg).len(), 0);
        Ok(())
    })
}

fn all_are_obtained_or_none() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let (read, write) = pipe()?;
        d.hold();
        let mark = d.logged();
        let ends = [write.raw(), read.raw()];
        let caller = sender(channel.raw(), &ends, CallFlags::empty(), &[])?;
        d.until(mark, Opcode::Sendfd, 1)?;
        let tag = d.one(mark, Opcode::Sendfd)?.tag;
        // The first is the only one of its kind now, the second is not.
        drop(write);
        let exclusive = CallFlags::FD_EXCLUSIVE;
        check_error!(obtain(&d, tag, 2, exclusive), EBUSY);
        drop(read);
        check_eq!(obtain(&d, tag, 2, exclusive)?, 2);
        for i in [8, 9] {
            close_in(&d, d.peek(i) as usize)?;
        }
        d.complete_with(tag, Ok(0))?;
        caller.result()?;
        Ok(())
    })
}

fn all_are_received_or_none() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        // There is room for the number of the first, and none for that of the second.
        let pages = map_at(0, 8192, MapFlags::MAP_PRIVATE)?;
        // SAFETY: nobody writes there any more.
        unsafe { sys::mprotect(pages + 4096, 4096, MapFlags::PROT_READ) }?;
        d.hold();
        let mark = d.logged();
        let caller = Caller::start(|| {
            let flags = (CallFlags::FD | CallFlags::READ).bits();
            let args = [channel.raw(), pages + 4096 - WORD, 2 * WORD, flags, 0, 0];
            let before = numbers()?;
            let outcome = raw(syscall::SYS_CALL, args);
            if numbers()? != before {
                return Err(Error::new(EOVERFLOW));
            }
            outcome
        })?;
        d.until(mark, Opcode::Recvfd, 1)?;
        let tag = d.one(mark, Opcode::Recvfd)?.tag;
        let fds = [own(&d, 8)?, own(&d, 9)?];
        check_eq!(move_fds(&d, tag, &fds, CallFlags::empty())?, 2);
        let multiple = CqeOpcode::RespondWithMultipleFds as u8;
        check_eq!(d.complete(multiple, 0, tag, 2)?, 16);
        check_error!(caller.result(), EFAULT);
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::CloseMsg).len(), 2);
        unmap(pages, 8192)?;
        Ok(())
    })
}

/// How many descriptors this process has.
fn numbers() -> Result<usize> {
    let own = redox_rt::tcb::Tcb::current().and_then(redox_rt::tcb::Tcb::thread_fd);
    let table = own.ok_or(Error::new(ESRCH))?.file_table()?;
    table.numbers(&mut [0; 512], 0)
}

fn moving_badly() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        d.hold();
        let mark = d.logged();
        let caller = receiver(channel.raw(), false, rights_bits)?;
        d.until(mark, Opcode::Recvfd, 1)?;
        let tag = d.one(mark, Opcode::Recvfd)?.tag;
        let none = CallFlags::empty();
        let fds = [own(&d, 8)?, own(&d, 9)?, own(&d, 10)?];
        check_error!(move_fds(&d, tag ^ 1 << 20, &fds[..1], none), EBADF);
        check_error!(move_fds(&d, tag, &fds, none), EMSGSIZE);
        check_error!(move_fds(&d, tag, &[], none), EINVAL);
        check_error!(move_fds(&d, tag, &[1 << 20], none), EBADF);
        check_error!(move_fds(&d, tag, &[fds[0], fds[0]], none), EINVAL);
        let copy = d.remote(syscall::SYS_DUP_INTO, [fds[0], 0, 0, sys::FD_ANY, 0, 0])?;
        check_error!(move_fds(&d, tag, &fds[..1], CallFlags::FD_EXCLUSIVE), EBUSY);
        close_in(&d, copy)?;
        check_eq!(move_fds(&d, tag, &fds[..1], CallFlags::FD_EXCLUSIVE)?, 1);
        check_error!(move_fds(&d, tag, &fds[1..], none), EMSGSIZE);
        // Refusing in the end drops what was moved.
        d.complete_with(tag, Err(Error::new(EIO)))?;
        check_error!(caller.result(), EIO);
        check_error!(close_in(&d, fds[0]), EBADF);
        for fd in &fds[1..] {
            close_in(&d, *fd)?;
        }
        Ok(())
    })
}

fn opens_are_answered_with_descriptors() -> Outcome {
    leaves_nothing(|| {
        let (d, other) = (Daemon::start()?, Daemon::start()?);
        // Give the first daemon a descriptor of the second's.
        let channel = d.open(5)?;
        let foreign = other.open(88)?;
        d.hold();
        let mark = d.logged();
        let caller = sender(channel.raw(), &[foreign.raw()], CallFlags::empty(), &[])?;
        d.until(mark, Opcode::Sendfd, 1)?;
        let tag = d.one(mark, Opcode::Sendfd)?.tag;
        obtain(&d, tag, 1, CallFlags::empty())?;
        let there = d.peek(8);
        d.complete_with(tag, Ok(0))?;
        caller.result()?;
        // Opening at the one gives an object of the other.
        d.answer_as(CqeOpcode::RespondWithFd as u8, 0, there);
        other.answer(0);
        for fd in [
            d.root.open(b"x", O_RDWR | FD_CLOEXEC)?,
            channel.dup(b"derived")?,
            Fd::from_raw(sys::openat(d.root.raw(), b"x", O_RDONLY, 800)?),
        ] {
            let mark = other.logged();
            sys::fsync(fd.raw())?;
            check_eq!(other.one(mark, Opcode::Fsync)?.args[0], 88);
        }
        // A request that makes no descriptor cannot be answered with one.
        check_error!(sys::fsync(channel.raw()), EIO);
        check_error!(channel.read(&mut [0; 4]), EIO);
        Ok(())
    })
}

fn rights_are_intersected_on_the_way() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let channel = d.open(5)?;
        let held = Rights::FULL.difference(Rights::WRITE | Rights::CALL);
        channel.limit(held.union(Rights::CALL))?;
        // Received: at most those of the descriptor it came through.
        d.hold();
        let mark = d.logged();
        let caller = Caller::start(|| {
            let mut fds = [0];
            sys::receive_fds(channel.raw(), &mut fds, CallFlags::empty(), &[])?;
            Ok(sys::rights(fds[0])?.bits() as usize)
        })?;
        d.until(mark, Opcode::Recvfd, 1)?;
        let tag = d.one(mark, Opcode::Recvfd)?.tag;
        let fd = own(&d, 9)?;
        let keep = Rights::FULL.difference(Rights::SEEK).bits() as usize;
        d.remote(
            syscall::SYS_FCNTL,
            [fd, cap_abi::fcntl::F_CAP_LIMIT, keep, 0, 0, 0],
        )?;
        move_fds(&d, tag, &[fd], CallFlags::empty())?;
        d.complete(CqeOpcode::RespondWithMultipleFds as u8, 0, tag, 1)?;
        let expected = Rights::FULL.difference(Rights::WRITE | Rights::SEEK);
        check_eq!(caller.result()?, expected.bits() as usize);
        // An object of its own, likewise.
        d.answer(4);
        let fd = channel.receive(&[])?;
        check_eq!(fd.rights()?, Rights::FULL.difference(Rights::WRITE));
        // Sent: at most those of the sender's.
        let (read, _write) = pipe()?;
        read.limit(Rights::READ | Rights::TRANSFER)?;
        d.hold();
        let mark = d.logged();
        let caller = sender(channel.raw(), &[read.raw()], CallFlags::empty(), &[])?;
        d.until(mark, Opcode::Sendfd, 1)?;
        let tag = d.one(mark, Opcode::Sendfd)?.tag;
        obtain(&d, tag, 1, CallFlags::empty())?;
        let there = d.peek(8) as usize;
        let rights = d.remote(
            syscall::SYS_FCNTL,
            [there, cap_abi::fcntl::F_CAP_GET_RIGHTS, 0, 0, 0, 0],
        )?;
        check_eq!(rights, (Rights::READ | Rights::TRANSFER).bits() as usize);
        close_in(&d, there)?;
        d.complete_with(tag, Ok(0))?;
        caller.result()?;
        Ok(())
    })
}

fn a_socket_can_be_sent_to_its_own_scheme() -> Outcome {
    leaves_nothing(|| {
        // A knot: the only descriptors of a scheme wait in a call of the scheme itself, and its daemon
        // ends without having seen them.
        let mut d = Daemon::start()?;
        let (channel, object) = (d.open(5)?, d.open(6)?);
        d.hold();
        let mark = d.logged();
        let caller = sender(channel.raw(), &[object.raw()], CallFlags::empty(), &[])?;
        d.until(mark, Opcode::Sendfd, 1)?;
        drop(object);
        d.kill()?;
        check_error!(caller.result(), ENODEV);
        Ok(())
    })
}
