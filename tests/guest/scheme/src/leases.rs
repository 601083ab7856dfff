//! Leases: what is derived, and what ends with them.

use cap_abi::Rights;
use cap_abi::fcntl::{
    F_CAP_LEASE, F_CAP_REVOKE, LEASE_NOT_INHERITED, LEASE_REVOKE_ON_CLOSE, LeaseParams,
};
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Fd, Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};

use crate::daemon::Daemon;
use crate::world::{Caller, Process, count, fcntl, leaves_nothing, unmap, world};

pub fn run() -> i32 {
    guest_test::run!["scheme.leases" =>
        a_lease_ends_what_it_gave, a_lease_that_is_not_inherited_ends_only_the_copy, parameters_are_checked, everything_below_ends,
        siblings_and_parents_live_on, the_last_control_revokes_if_asked,
        transferred_copies_end, other_processes_lose_it, redirects_join_leases,
        calls_under_way_finish, sockets_under_a_lease, kernel_objects_can_be_leased,
        leases_leave_nothing,
    ]
}

/// A revocable copy, and its control.
fn lease(fd: &Fd, rights: Rights, flags: u32) -> Result<(Fd, Fd)> {
    let mut params = LeaseParams {
        derived: sys::FD_ANY_UPPER,
        lease: sys::FD_ANY_UPPER,
        rights: rights.bits(),
        flags,
    };
    sys::lease(fd.raw(), &mut params)?;
    Ok((Fd::from_raw(params.derived), Fd::from_raw(params.lease)))
}

fn revoke(control: &Fd) -> Result<()> {
    sys::revoke(control.raw())
}

fn is_stale(fd: &Fd) -> Outcome {
    let n = fd.raw();
    check_error!(sys::read(n, &mut [0; 4]), ESTALE);
    check_error!(sys::write(n, b"x"), ESTALE);
    check_error!(sys::openat(n, b"x", O_RDONLY, sys::FD_ANY), ESTALE);
    check_error!(sys::unlinkat(n, b"x", 0), ESTALE);
    check_error!(sys::dup(n, b"", sys::FD_ANY), ESTALE);
    check_error!(sys::dup(n, b"x", sys::FD_ANY), ESTALE);
    check_error!(sys::fstat(n), ESTALE);
    check_error!(sys::fsync(n), ESTALE);
    check_error!(sys::call(n, CallFlags::empty(), &[]), ESTALE);
    check_error!(sys::send_fds(n, &[0], CallFlags::FD_CLONE, &[]), ESTALE);
    check_error!(
        sys::receive_fds(n, &mut [0], CallFlags::empty(), &[]),
        ESTALE
    );
    check_error!(sys::fevent(n, EventFlags::EVENT_READ), ESTALE);
    check_error!(fcntl(n, F_GETFL, 0), ESTALE);
    check_error!(fcntl(n, F_DUPFD, 0), ESTALE);
    check_error!(fcntl(n, 99, 0), ESTALE);
    check_error!(lease(fd, Rights::FULL, 0), ESTALE);
    let flags = MapFlags::PROT_READ | MapFlags::MAP_SHARED;
    // SAFETY: it maps nothing.
    let map = unsafe {
        sys::fmap(
            n,
            &syscall::Map {
                offset: 0,
                size: 4096,
                flags,
                address: 0,
            },
        )
    };
    check_error!(map, ESTALE);
    Ok(())
}

fn a_lease_ends_what_it_gave() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let keep = Rights::FULL.difference(Rights::WRITE);
        let (limited, limited_control) = lease(&fd, keep, 0)?;
        check_eq!(limited.rights()?, keep);
        drop((limited, limited_control));
        let (derived, control) = lease(&fd, Rights::FULL, 0)?;
        check_eq!(fd.rights()?, Rights::FULL);
        d.answer(6);
        let mark = d.logged();
        sys::fsync(derived.raw())?;
        check_eq!(d.one(mark, Opcode::Fsync)?.args[0], 5);
        let revoked = count(b"denials", "revoked")?;
        revoke(&control)?;
        let mark = d.logged();
        is_stale(&derived)?;
        check_eq!(d.since(mark).len(), 0);
        check!(count(b"denials", "revoked")? > revoked);
        // Again is nothing, and the original lives.
        revoke(&control)?;
        sys::fsync(fd.raw())?;
        derived.close()?;
        Ok(())
    })
}

fn a_lease_that_is_not_inherited_ends_only_the_copy() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let (bound, outer) = lease(&fd, Rights::FULL, 0)?;
        let (copy, control) = lease(&bound, Rights::FULL, LEASE_NOT_INHERITED)?;
        let (again, _again_control) = lease(&copy, Rights::FULL, LEASE_NOT_INHERITED)?;
        d.answer(6);
        let opened = again.open(b"x", O_RDONLY)?;
        let derived = again.dup(b"payload")?;
        revoke(&control)?;
        is_stale(&copy)?;
        is_stale(&again)?;
        for kept in [&bound, &opened, &derived] {
            sys::fsync(kept.raw())?;
        }
        revoke(&outer)?;
        for ended in [&bound, &opened, &derived] {
            is_stale(ended)?;
        }
        sys::fsync(fd.raw())?;
        Ok(())
    })
}

fn parameters_are_checked() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        check_error!(lease(&fd, Rights::from_bits_retain(1 << 19), 0), EINVAL);
        check_error!(lease(&fd, Rights::FULL, 16), EINVAL);
        check_error!(lease(&fd, Rights::FULL, u32::MAX), EINVAL);
        for bad in [0, 0x10, 1 << 47, usize::MAX - 7] {
            check_error!(fcntl(fd.raw(), F_CAP_LEASE, bad), EFAULT);
        }
        check_error!(fcntl(1 << 20, F_CAP_LEASE, 0x10), EFAULT);
        check_error!(fcntl(fd.raw(), F_CAP_REVOKE, 0), EINVAL);
        check_error!(fcntl(1 << 20, F_CAP_REVOKE, 0), EBADF);
        let taken = fd.raw();
        for (derived, control) in [
            (taken, sys::FD_ANY),
            (sys::FD_ANY, taken),
            (950, 950),
            (1 << 40, 951),
            (951, 1 << 40),
        ] {
            let mut params = LeaseParams {
                derived,
                lease: control,
                rights: 0,
                flags: 0,
            };
            check!(
                sys::lease(fd.raw(), &mut params).is_err(),
                "{derived} {control}"
            );
            check_error!(sys::close(950), EBADF);
            check_error!(sys::close(951), EBADF);
        }
        let mut params = LeaseParams {
            derived: 950,
            lease: 951,
            rights: 0,
            flags: 0,
        };
        sys::lease(fd.raw(), &mut params)?;
        check_eq!((params.derived, params.lease), (950, 951));
        check_error!(sys::read(951, &mut [0; 4]), EBADF);
        sys::close(950)?;
        sys::close(951)?;
        Ok(())
    })
}

fn everything_below_ends() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let (derived, control) = lease(&fd, Rights::FULL, 0)?;
        d.answer(6);
        let (second, second_control) = lease(&derived, Rights::FULL, 0)?;
        let family = [
            derived.dup(b"")?,
            derived.open(b"x", O_RDWR)?,
            derived.dup(b"x")?,
            derived.receive(&[])?,
            derived.open(b"x", O_RDWR)?.open(b"y", O_RDWR)?,
            second.dup(b"")?,
            second.open(b"x", O_RDWR)?,
            Fd::from_raw(fcntl(derived.raw(), F_DUPFD, 0)?),
            Fd::from_raw(sys::dup2(derived.raw(), 900, b"")?),
            second,
            derived,
        ];
        d.answer(0);
        for member in &family {
            sys::fsync(member.raw())?;
        }
        revoke(&control)?;
        for member in &family {
            is_stale(member)?;
        }
        revoke(&second_control)?;
        // They can still be closed, and the scheme hears of that.
        let mark = d.logged();
        drop(family);
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::CloseMsg).len(), 5);
        Ok(())
    })
}

fn siblings_and_parents_live_on() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let (a, _a_control) = lease(&fd, Rights::FULL, 0)?;
        let (b, b_control) = lease(&fd, Rights::FULL, 0)?;
        let (below, below_control) = lease(&a, Rights::FULL, 0)?;
        d.answer(0);
        revoke(&below_control)?;
        is_stale(&below)?;
        sys::fsync(a.raw())?;
        revoke(&b_control)?;
        is_stale(&b)?;
        sys::fsync(a.raw())?;
        sys::fsync(fd.raw())?;
        Ok(())
    })
}

fn the_last_control_revokes_if_asked() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        d.answer(0);
        let (kept, control) = lease(&fd, Rights::FULL, 0)?;
        drop(control);
        sys::fsync(kept.raw())?;
        let (ended, control) = lease(&fd, Rights::FULL, LEASE_REVOKE_ON_CLOSE)?;
        let copy = control.dup(b"")?;
        drop(control);
        sys::fsync(ended.raw())?;
        drop(copy);
        is_stale(&ended)?;
        // The end of the process that held it counts.
        let (ended, control) = lease(&fd, Rights::FULL, LEASE_REVOKE_ON_CLOSE)?;
        let holder = Process::start(|| {
            loop {
                sys::sched_yield();
            }
        })?;
        drop(control);
        sys::fsync(ended.raw())?;
        holder.kill()?;
        holder.wait()?;
        is_stale(&ended)
    })
}

fn transferred_copies_end() -> Outcome {
    leaves_nothing(|| {
        let (d, other) = (Daemon::start()?, Daemon::start()?);
        let fd = d.open(5)?;
        let (derived, control) = lease(&fd, Rights::FULL, 0)?;
        let there = crate::redirect::give(&other, &derived.dup(b"")?)?;
        d.answer(0);
        check_eq!(other.remote(syscall::SYS_FSYNC, [there, 0, 0, 0, 0, 0])?, 0);
        // Received back, by somebody else.
        other.answer_as(CqeOpcode::RespondWithFd as u8, 0, there as u64);
        let back = other.root.open(b"x", O_RDWR)?;
        sys::fsync(back.raw())?;
        // And received through a lease of another kind.
        let (channel, channel_control) = lease(&other.root, Rights::FULL, 0)?;
        let joined = channel.open(b"x", O_RDWR)?;
        sys::fsync(joined.raw())?;
        revoke(&channel_control)?;
        is_stale(&joined)?;
        sys::fsync(back.raw())?;
        revoke(&control)?;
        is_stale(&back)?;
        check_error!(
            other.remote(syscall::SYS_FSYNC, [there, 0, 0, 0, 0, 0]),
            ESTALE
        );
        // That it was revoked is no mistake of the daemon that answers with it: the caller is told.
        other.hold();
        for opcode in [
            CqeOpcode::RespondWithFd as u8,
            cap_abi::scheme::CQE_REDIRECT,
        ] {
            let mark = other.logged();
            let root = other.root.raw();
            let caller = Caller::start(|| sys::openat(root, b"x", O_RDWR, sys::FD_ANY))?;
            other.until(mark, Opcode::OpenAt, 1)?;
            let tag = other.one(mark, Opcode::OpenAt)?.tag;
            other.complete(opcode, 0, tag, there as u64)?;
            check_error!(caller.result(), ESTALE);
        }
        Ok(())
    })
}

fn other_processes_lose_it() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let (derived, control) = lease(&fd, Rights::FULL, 0)?;
        d.answer(0);
        let number = derived.raw();
        let caller = Caller::start(|| {
            loop {
                match sys::fsync(number) {
                    Ok(()) => sys::sched_yield(),
                    Err(e) => return Err(e),
                }
            }
        })?;
        for _ in 0..20 {
            sys::sched_yield();
        }
        check!(!caller.is_done());
        revoke(&control)?;
        check_error!(caller.result(), ESTALE);
        Ok(())
    })
}

fn redirects_join_leases() -> Outcome {
    leaves_nothing(|| {
        let (names, files) = (Daemon::start()?, Daemon::start()?);
        for revoke_target in [true, false] {
            let (target, target_control) = lease(&files.root, Rights::FULL, 0)?;
            let (root, root_control) = lease(&names.root, Rights::FULL, 0)?;
            let there = crate::redirect::give(&names, &target)?;
            files.answer(7);
            names.answer_as(cap_abi::scheme::CQE_REDIRECT, 1, there as u64);
            let leased_twice = root.open(b"/x", O_RDWR)?;
            let leased_once = names.root.open(b"/x", O_RDWR)?;
            let child = leased_twice.open(b"y", O_RDWR)?;
            files.answer(0);
            for fd in [&leased_twice, &leased_once, &child] {
                sys::fsync(fd.raw())?;
            }
            revoke(if revoke_target {
                &target_control
            } else {
                &root_control
            })?;
            is_stale(&leased_twice)?;
            is_stale(&child)?;
            if revoke_target {
                is_stale(&leased_once)?;
            } else {
                sys::fsync(leased_once.raw())?;
            }
            names.answer(0);
            names.remote(syscall::SYS_CLOSE, [there, 0, 0, 0, 0, 0])?;
        }
        // The same to the kernel's own schemes.
        let (target, control) = lease(&world().pipe, Rights::FULL, 0)?;
        let there = crate::redirect::give(&names, &target)?;
        names.answer_as(cap_abi::scheme::CQE_REDIRECT, 1, there as u64);
        let read = names.root.open(b"x", O_RDWR)?;
        let write = read.dup(b"write")?;
        check_eq!(write.write(b"x")?, 1);
        revoke(&control)?;
        check_error!(write.write(b"x"), ESTALE);
        check_error!(read.read(&mut [0; 1]), ESTALE);
        Ok(())
    })
}

fn calls_under_way_finish() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let (derived, control) = lease(&fd, Rights::FULL, 0)?;
        d.hold();
        let mark = d.logged();
        let number = derived.raw();
        let caller = Caller::start(|| {
            let opened = sys::openat(number, b"x", O_RDWR, sys::FD_ANY)?;
            sys::fsync(opened)?;
            Ok(0)
        })?;
        d.until(mark, Opcode::OpenAt, 1)?;
        revoke(&control)?;
        let tag = d.one(mark, Opcode::OpenAt)?.tag;
        d.complete_with(tag, Ok(8))?;
        d.answer(0);
        // Whatever the open says, nothing can be done with what it opened.
        check_error!(caller.result(), ESTALE);
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::Fsync).len(), 0);
        check_eq!(d.one(mark, Opcode::CloseMsg)?.args[0], 8);
        Ok(())
    })
}

fn sockets_under_a_lease() -> Outcome {
    leaves_nothing(|| {
        let (capability, control) = lease(&world().capability, Rights::FULL, 0)?;
        let socket = redox_rt::fd::create_scheme(&capability, 0)?;
        let root = redox_rt::fd::create_scheme_fd(&socket, 1, 0, O_RDWR, 0)?;
        root.rights()?;
        revoke(&control)?;
        check_error!(capability.dup(cap_abi::scheme::CREATE_SCHEME), ESTALE);
        // What was made with a capability ends with it.
        check_error!(
            redox_rt::fd::create_scheme_fd(&socket, 1, 0, O_RDWR, 0),
            ESTALE
        );
        check_error!(fcntl(root.raw(), F_GETFL, 0), ESTALE);
        Ok(())
    })
}

fn kernel_objects_can_be_leased() -> Outcome {
    leaves_nothing(|| {
        let read = world().pipe.open(b"", O_RDWR)?;
        let (derived, control) = lease(&read, Rights::FULL, 0)?;
        let write = derived.dup(b"write")?;
        write.write(b"x")?;
        revoke(&control)?;
        check_error!(write.write(b"x"), ESTALE);
        check_eq!(read.read(&mut [0; 4])?, 1);
        // Memory that was mapped stays; the right to map more goes.
        let memory = world().memory.open(b"zeroed", O_RDWR)?;
        let (derived, control) = lease(&memory, Rights::FULL, 0)?;
        let flags = MapFlags::PROT_READ | MapFlags::PROT_WRITE | MapFlags::MAP_PRIVATE;
        let map = syscall::Map {
            offset: 0,
            size: 4096,
            flags,
            address: 0,
        };
        // SAFETY: the kernel chooses the place.
        let address = unsafe { sys::fmap(derived.raw(), &map) }?;
        revoke(&control)?;
        // SAFETY: as above; it maps nothing.
        check_error!(unsafe { sys::fmap(derived.raw(), &map) }, ESTALE);
        // SAFETY: just mapped.
        unsafe { (address as *mut u8).write_volatile(1) };
        unmap(address, 4096)?;
        Ok(())
    })
}

fn leases_leave_nothing() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let before = count(b"objects", "leases")?;
        let mut at = fd.dup(b"")?;
        let mut controls = alloc::vec::Vec::new();
        // Each below the one before, as deep as it goes.
        loop {
            match lease(&at, Rights::FULL, 0) {
                Ok((derived, control)) => {
                    at = derived;
                    controls.push(control);
                }
                Err(e) => {
                    check_eq!(e.errno, ELOOP, "after {}", controls.len());
                    break;
                }
            }
        }
        check_eq!(controls.len(), 256);
        sys::fsync(at.raw())?;
        revoke(&controls[0])?;
        is_stale(&at)?;
        check_eq!(count(b"objects", "leases")?, before);
        drop(controls);
        Ok(())
    })
}
