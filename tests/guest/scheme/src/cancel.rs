//! Calls that are interrupted, or whose callers end, at every stage.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::Status;
use redox_rt::thread::{self, Thread};
use redox_rt::{Error, Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};

use crate::create::{Own, cqe};
use crate::daemon::Daemon;
use crate::world::{Caller, GID, PID, UID, count, identify, leaves_nothing, map_at, raw, unmap};

pub fn run() -> i32 {
    guest_test::run!["scheme.cancel" =>
        what_nobody_saw_just_ends, what_is_under_way_is_cancelled, a_daemon_may_answer_all_the_same,
        one_interruption_one_message, an_unread_cancellation_is_forgotten,
        killed_callers_of_the_queue, killed_callers_under_way, answers_to_the_dead_change_nothing,
        objects_for_the_dead_are_closed, maps_for_the_dead_are_ended, readers_are_interrupted,
        a_cancelled_open_is_not_redirected, a_descriptor_may_come_all_the_same,
        detaching_is_told_at_once_of_who_has_left,
    ]
}

fn fsync(fd: usize) -> redox_rt::Result<usize> {
    sys::fsync(fd).map(|()| 0)
}

fn what_nobody_saw_just_ends() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let callers = [own.caller(fsync)?, own.caller(fsync)?, own.caller(fsync)?];
        for caller in &callers {
            caller.process.until_blocked()?;
        }
        // Out of the middle, the front and the end of the queue.
        for i in [1, 0, 2] {
            callers[i].process.interrupt()?;
            check_error!(callers[i].result(), EINTR);
        }
        own.nonblocking(true)?;
        check_error!(own.read(), EAGAIN, "the daemon never heard of them");
        // The queue still works.
        let caller = own.caller(fsync)?;
        caller.process.until_blocked()?;
        let got = own.read()?;
        own.answer(&got, 0)?;
        check_eq!(caller.result()?, 0);
        Ok(())
    })
}

/// A caller whose request the daemon has.
fn held(d: &Daemon) -> core::result::Result<(Caller, u32), guest_test::Failure> {
    d.hold();
    let mark = d.logged();
    let root = d.root.raw();
    let caller = Caller::start(|| {
        let mut buf = [0; 16];
        sys::read(root, &mut buf)
    })?;
    d.until(mark, Opcode::Read, 1)?;
    let tag = d.one(mark, Opcode::Read)?.tag;
    Ok((caller, tag))
}

fn what_is_under_way_is_cancelled() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let (caller, tag) = held(&d)?;
        let mark = d.logged();
        caller.process.interrupt()?;
        d.until(mark, Opcode::Cancel, 1)?;
        let m = d.one(mark, Opcode::Cancel)?;
        check_eq!(
            (m.tag, m.flags & 1, m.caller),
            (tag, 1, u64::from(crate::world::PID))
        );
        check!(
            caller.process.is_blocked()?,
            "it waits for the daemon's word"
        );
        d.complete_with(tag, Err(Error::new(ECANCELED)))?;
        check_error!(caller.result(), EINTR);
        Ok(())
    })
}

fn a_daemon_may_answer_all_the_same() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        for result in [Ok(9), Err(EIO), Err(EINTR)] {
            let (caller, tag) = held(&d)?;
            let mark = d.logged();
            caller.process.interrupt()?;
            d.until(mark, Opcode::Cancel, 1)?;
            d.complete_with(tag, result.map_err(Error::new))?;
            check_eq!(caller.result().map_err(|e| e.errno), result);
        }
        Ok(())
    })
}

fn one_interruption_one_message() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let (caller, tag) = held(&d)?;
        let mark = d.logged();
        for _ in 0..5 {
            caller.process.interrupt()?;
            d.settle()?;
        }
        check_eq!(d.of_kind(mark, Opcode::Cancel).len(), 1);
        d.complete_with(tag, Err(Error::new(ECANCELED)))?;
        check_error!(caller.result(), EINTR);
        Ok(())
    })
}

fn an_unread_cancellation_is_forgotten() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let first = own.caller(fsync)?;
        first.process.until_blocked()?;
        let got = own.read()?;
        let second = own.caller(fsync)?;
        second.process.until_blocked()?;
        let other = own.read()?;
        first.process.interrupt()?;
        second.process.interrupt()?;
        // Both messages wait; the answer overtakes the first of them.
        own.answer(&got, 0)?;
        check_eq!(first.result()?, 0);
        let next = own.read()?;
        check_eq!(
            (next.opcode(), next.tag()),
            (Opcode::Cancel as u8, other.tag())
        );
        own.nonblocking(true)?;
        check_error!(own.read(), EAGAIN);
        own.answer(&other, (ECANCELED as usize).wrapping_neg())?;
        check_error!(second.result(), EINTR);
        Ok(())
    })
}

fn killed_callers_of_the_queue() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let callers = [own.caller(fsync)?, own.caller(fsync)?, own.caller(fsync)?];
        for caller in &callers {
            caller.process.until_blocked()?;
        }
        for i in [1, 2, 0] {
            callers[i].process.kill()?;
            check!(matches!(callers[i].process.wait()?, Status::Ended(_)));
        }
        own.nonblocking(true)?;
        check_error!(own.read(), EAGAIN);
        Ok(())
    })
}

fn killed_callers_under_way() -> Outcome {
    leaves_nothing(|| {
        let contexts = count(b"objects", "contexts")?;
        let d = Daemon::start()?;
        for size in [16, 3 * 4096 + 5] {
            let base = map_at(0, size, MapFlags::MAP_PRIVATE)?;
            d.hold();
            let mark = d.logged();
            let root = d.root.raw();
            let caller = Caller::start(|| raw(syscall::SYS_READ, [root, base, size, 0, 0, 0]))?;
            d.until(mark, Opcode::Read, 1)?;
            let m = d.one(mark, Opcode::Read)?;
            caller.process.kill()?;
            d.until(mark, Opcode::Cancel, 1)?;
            check_eq!(d.one(mark, Opcode::Cancel)?.tag, m.tag);
            // Its memory is the daemon's to use until it answers.
            let pipe = d.remote(
                syscall::SYS_OPENAT_INTO2,
                [
                    crate::world::world().pipe.raw(),
                    0,
                    0,
                    O_RDWR,
                    sys::FD_ANY,
                    0,
                ],
            )?;
            d.poke(11, u64::from_le_bytes(*b"write\0\0\0"));
            let name = d.scratch() + 88;
            let end = d.remote(syscall::SYS_DUP_INTO, [pipe, name, 5, sys::FD_ANY, 0, 0])?;
            check_eq!(
                d.remote(syscall::SYS_WRITE, [end, m.args[1] as usize, 16, 0, 0, 0])?,
                16
            );
            check_eq!(
                d.remote(syscall::SYS_READ, [pipe, m.args[1] as usize, 16, 0, 0, 0])?,
                16
            );
            // Not after that, where its pages were lent.
            d.complete_with(m.tag, Ok(16))?;
            if size > 4096 {
                check_error!(
                    d.remote(syscall::SYS_WRITE, [end, m.args[1] as usize, 16, 0, 0, 0]),
                    EFAULT
                );
            }
            d.remote(syscall::SYS_CLOSE, [end, 0, 0, 0, 0, 0])?;
            d.remote(syscall::SYS_CLOSE, [pipe, 0, 0, 0, 0, 0])?;
            drop(caller);
            unmap(base, size)?;
        }
        d.settle()?;
        crate::world::until("the dead to go", || {
            count(b"objects", "contexts").is_ok_and(|n| n == contexts + 1)
        })
    })
}

fn answers_to_the_dead_change_nothing() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        for opcode in [
            CqeOpcode::RespondRegular as u8,
            CqeOpcode::RespondAndNotifyOnDetach as u8,
            CqeOpcode::RespondWithFd as u8,
        ] {
            let (caller, tag) = held(&d)?;
            caller.process.kill()?;
            let result = if opcode == CqeOpcode::RespondWithFd as u8 {
                d.socket
            } else {
                5
            };
            check_eq!(d.complete(opcode, 0, tag, result as u64)?, 16);
            // And once more, to nobody.
            check_eq!(d.complete(opcode, 0, tag, result as u64)?, 16);
            drop(caller);
        }
        d.answer(0);
        sys::fsync(d.root.raw())?;
        Ok(())
    })
}

fn objects_for_the_dead_are_closed() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let root = d.root.raw();
        for (opcode, refused) in [
            (Opcode::OpenAt, false),
            (Opcode::OpenAt, true),
            (Opcode::Recvfd, false),
            (Opcode::Recvfd, true),
        ] {
            d.hold();
            let mark = d.logged();
            let caller = Caller::start(|| match opcode {
                Opcode::OpenAt => sys::openat(root, b"x", O_RDWR, sys::FD_ANY),
                _ => sys::receive_fds(root, &mut [0], CallFlags::empty(), &[]),
            })?;
            d.until(mark, opcode, 1)?;
            let tag = d.one(mark, opcode)?.tag;
            caller.process.kill()?;
            let result = if refused {
                Err(Error::new(ECANCELED))
            } else {
                Ok(99)
            };
            d.complete_with(tag, result)?;
            d.settle()?;
            let closed = d.of_kind(mark, Opcode::CloseMsg);
            check_eq!(closed.len(), usize::from(!refused), "{opcode:?}");
            check!(closed.iter().all(|m| m.args[0] == 99));
        }
        Ok(())
    })
}

fn maps_for_the_dead_are_ended() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        d.hold();
        let mark = d.logged();
        let caller = Caller::start(|| {
            let flags = MapFlags::PROT_READ | MapFlags::MAP_SHARED;
            let map = syscall::Map {
                offset: 0,
                size: 8192,
                flags,
                address: 0,
            };
            // SAFETY: the kernel chooses the place.
            unsafe { sys::fmap(fd.raw(), &map) }
        })?;
        d.until(mark, Opcode::MmapPrep, 1)?;
        let tag = d.one(mark, Opcode::MmapPrep)?.tag;
        caller.process.kill()?;
        d.complete_with(tag, Ok(d.scratch() & !4095))?;
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::Munmap).len(), 1);
        Ok(())
    })
}

fn readers_are_interrupted() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let reader = Caller::start(|| own.read().map(|_| 1))?;
        reader.process.until_blocked()?;
        reader.process.interrupt()?;
        check_error!(reader.result(), EINTR);
        // A reader that is killed takes nothing along.
        let reader = Caller::start(|| own.read().map(|_| 1))?;
        reader.process.until_blocked()?;
        reader.process.kill()?;
        reader.process.wait()?;
        let caller = own.caller(fsync)?;
        caller.process.until_blocked()?;
        let got = own.read()?;
        check_eq!(own.write(&[cqe(0, got.tag(), 0)])?, 16);
        check_eq!(caller.result()?, 0);
        Ok(())
    })
}

fn a_cancelled_open_is_not_redirected() -> Outcome {
    leaves_nothing(|| {
        let (d, target) = (Daemon::start()?, Daemon::start()?);
        let there = crate::redirect::give(&d, &target.root)?;
        d.hold();
        let mark = d.logged();
        let root = d.root.raw();
        let caller = Caller::start(|| sys::openat(root, b"a/b", O_RDWR, sys::FD_ANY))?;
        d.until(mark, Opcode::OpenAt, 1)?;
        let tag = d.one(mark, Opcode::OpenAt)?.tag;
        caller.process.interrupt()?;
        d.until(mark, Opcode::Cancel, 1)?;
        let before = target.logged();
        check_eq!(
            d.complete(cap_abi::scheme::CQE_REDIRECT, 2, tag, there as u64)?,
            16
        );
        check_error!(caller.result(), EINTR);
        check_eq!(target.since(before).len(), 0);
        Ok(())
    })
}

fn a_descriptor_may_come_all_the_same() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let root = d.root.raw();
        for opcode in [Opcode::OpenAt, Opcode::Recvfd] {
            d.hold();
            let mark = d.logged();
            let caller = Caller::start(|| {
                let fd = match opcode {
                    Opcode::OpenAt => sys::openat(root, b"x", O_RDWR, sys::FD_ANY)?,
                    _ => {
                        let mut fds = [0];
                        sys::receive_fds(root, &mut fds, CallFlags::empty(), &[])?;
                        fds[0]
                    }
                };
                sys::rights(fd)?;
                sys::close(fd).map(|()| 7)
            })?;
            d.until(mark, opcode, 1)?;
            let tag = d.one(mark, opcode)?.tag;
            caller.process.interrupt()?;
            d.until(mark, Opcode::Cancel, 1)?;
            let with_one = CqeOpcode::RespondWithFd as u8;
            check_eq!(d.complete(with_one, 0, tag, d.socket as u64)?, 16);
            check_eq!(caller.result()?, 7, "{opcode:?}");
        }
        Ok(())
    })
}

/// Another process than the case's, as schemes know them, that asks for a lock.
fn locker(fd: usize, before: impl FnOnce() -> Result<Option<Thread>>) -> Result<Caller> {
    Caller::start(|| {
        identify(PID + 1, UID, GID)?;
        let thread = before()?;
        let lock = [StdFsCallKind::Lock as u64, 0, 0];
        let outcome = sys::call(fd, CallFlags::STD_FS, &lock);
        // Without a process manager nobody else ends it.
        thread.map_or(Ok(()), Thread::join)?;
        outcome
    })
}

/// A thread that closes a descriptor once a word of memory that others have, too, is 1, and makes that 2.
fn closer(fd: usize, word: &'static AtomicU64) -> Result<Thread> {
    extern "C" fn close(argument: usize) {
        // SAFETY: the pair lives until the process ends: it is leaked.
        let (fd, word) = unsafe { &*(argument as *const (usize, &AtomicU64)) };
        while word.load(Ordering::SeqCst) != 1 {
            sys::sched_yield();
        }
        let _ = sys::close(*fd);
        word.store(2, Ordering::SeqCst);
    }
    let argument = Box::leak(Box::new((fd, word)));
    let source = thread::Source::Kernel(&crate::world::world().proc);
    let address = core::ptr::from_ref(argument) as usize;
    // SAFETY: the argument is what the function expects.
    unsafe { thread::spawn_raw(source, 64 << 10, close, address) }
}

fn detaching_is_told_at_once_of_who_has_left() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let granted = CqeOpcode::RespondAndNotifyOnDetach as u8;
        let word = &d.shared.scratch[200];
        for killed in [true, false] {
            d.hold();
            let mark = d.logged();
            let caller = locker(fd.raw(), || {
                if killed {
                    return Ok(None);
                }
                closer(fd.raw(), word).map(Some)
            })?;
            d.until(mark, Opcode::StdFsCall, 1)?;
            let tag = d.one(mark, Opcode::StdFsCall)?.tag;
            if killed {
                caller.process.kill()?;
            } else {
                // Another thread closes what the lock is waited for through; this process has it as well.
                d.poke(200, 1);
                crate::world::until("the close", || d.peek(200) == 2)?;
            }
            check_eq!(d.of_kind(mark, Opcode::Detach).len(), 0);
            check_eq!(d.complete(granted, 0, tag, 9)?, 16);
            d.settle()?;
            let m = d.one(mark, Opcode::Detach)?;
            check_eq!((m.args, m.flags), ([5, 0, 0, 0, 0, 0], 1));
            check_eq!(m.caller, u64::from(PID + 1), "killed: {killed}");
            if !killed {
                check_eq!(caller.result()?, 9);
            }
        }
        Ok(())
    })
}
