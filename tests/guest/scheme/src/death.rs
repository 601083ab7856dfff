//! Daemons that end: nobody hangs, and nothing is left.

use alloc::vec::Vec;

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Result, event, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};
use syscall::{Map, Stat};

use crate::create::{Own, cqe};
use crate::daemon::Daemon;
use crate::world::{Caller, Process, Random, leaves_nothing, map_at, raw, unmap, world};

pub fn run() -> i32 {
    guest_test::run!["scheme.death" =>
        waiting_callers_are_told, served_callers_are_told, later_callers_are_told,
        closing_the_socket_is_enough, the_last_socket_counts, large_buffers_come_back,
        callers_die_with_the_daemon, readers_are_told, events_of_the_dead, a_daemon_that_calls_itself,
        a_socket_makes_room_for_an_answer,
        daemons_that_call_each_other, deaths_at_random_moments,
    ]
}

/// Every kind of call there is, by number.
const CALLS: usize = 16;

fn call(kind: usize, fd: usize, other: usize) -> Result<usize> {
    let mut buf = [0_u8; 128];
    match kind {
        0 => sys::openat(fd, b"x", O_RDWR, sys::FD_ANY),
        1 => sys::unlinkat(fd, b"x", 0).map(|()| 0),
        2 => sys::dup(fd, b"x", sys::FD_ANY),
        3 => sys::read(fd, &mut buf),
        4 => sys::write(fd, &buf),
        5 => sys::fchown(fd, 1, 1).map(|()| 0),
        6 => crate::world::fcntl(fd, 99, 0),
        7 => sys::fevent(fd, EventFlags::EVENT_READ).map(|f| f.bits()),
        8 => sys::fpath(fd, &mut buf),
        9 => sys::fstat(fd).map(|_: Stat| 0),
        10 => sys::fsync(fd).map(|()| 0),
        11 => sys::call_read_write(fd, &mut buf, CallFlags::empty(), &[1]),
        12 => {
            let flags = MapFlags::PROT_READ | MapFlags::MAP_SHARED;
            // SAFETY: the kernel chooses the place.
            unsafe {
                sys::fmap(
                    fd,
                    &Map {
                        offset: 0,
                        size: 4096,
                        flags,
                        address: 0,
                    },
                )
            }
        }
        13 => sys::send_fds(fd, &[other], CallFlags::FD_CLONE, &[]),
        14 => sys::receive_fds(fd, &mut [0; 2], CallFlags::empty(), &[]),
        _ => sys::lseek(fd, 0, SEEK_END).map(|v| v as usize),
    }
}

fn all_calls(fd: usize) -> Result<Vec<Caller>> {
    let other = world().pipe.raw();
    (0..CALLS)
        .map(|kind| Caller::start(|| call(kind, fd, other)))
        .collect()
}

fn waiting_callers_are_told() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let fd = redox_rt::fd::create_scheme_fd(&own.socket, 2, 0, O_RDWR, 1)?;
        let (socket, other) = (own.socket.raw(), world().pipe.raw());
        let callers: Vec<Caller> = (0..CALLS)
            .map(|kind| {
                let number = fd.raw();
                Caller::start(|| {
                    sys::close(socket)?;
                    call(kind, number, other)
                })
            })
            .collect::<Result<_>>()?;
        for caller in &callers {
            caller.process.until_blocked()?;
        }
        own.socket.close()?;
        for (kind, caller) in callers.iter().enumerate() {
            check_error!(caller.result(), ENODEV, "call {kind}");
        }
        own.root.dup(b"")?.close()?;
        Ok(())
    })
}

fn served_callers_are_told() -> Outcome {
    leaves_nothing(|| {
        let mut d = Daemon::start()?;
        let fd = d.open_positioned(5)?;
        d.hold();
        let mark = d.logged();
        let callers = all_calls(fd.raw())?;
        crate::world::until("all calls", || d.since(mark).len() >= CALLS)?;
        d.kill()?;
        for (kind, caller) in callers.iter().enumerate() {
            check_error!(caller.result(), ENODEV, "call {kind}");
        }
        Ok(())
    })
}

fn later_callers_are_told() -> Outcome {
    leaves_nothing(|| {
        let mut d = Daemon::start()?;
        let fd = d.open_positioned(5)?;
        d.kill()?;
        for kind in 0..CALLS {
            check_error!(
                call(kind, fd.raw(), world().pipe.raw()),
                ENODEV,
                "call {kind}"
            );
        }
        // What is the kernel's still works.
        check_eq!(sys::lseek(fd.raw(), 3, SEEK_SET)?, 3);
        fd.dup(b"")?.close()?;
        fd.rights()?;
        Ok(())
    })
}

fn closing_the_socket_is_enough() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        d.hold();
        let mark = d.logged();
        let caller = Caller::start(|| call(10, fd.raw(), 0))?;
        d.until(mark, Opcode::Fsync, 1)?;
        // The control call is answered as well, before the daemon notices.
        let closing = d.remote(syscall::SYS_CLOSE, [d.socket, 0, 0, 0, 0, 0]);
        check_error!(closing, ENODEV);
        check_error!(caller.result(), ENODEV);
        d.process()?.wait()?;
        Ok(())
    })
}

fn the_last_socket_counts() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let copy = own.socket.dup(b"")?;
        let Own { socket, root } = own;
        socket.close()?;
        let (number, fd) = (copy.raw(), root.raw());
        let caller = Caller::start(|| {
            sys::close(number)?;
            call(10, fd, 0)
        })?;
        caller.process.until_blocked()?;
        check!(!caller.is_done());
        // A process that holds it keeps it as well as another.
        let holder = Process::start(|| {
            loop {
                sys::sched_yield();
            }
        })?;
        copy.close()?;
        for _ in 0..50 {
            sys::sched_yield();
        }
        check!(!caller.is_done());
        holder.kill()?;
        check_error!(caller.result(), ENODEV);
        Ok(())
    })
}

fn large_buffers_come_back() -> Outcome {
    leaves_nothing(|| {
        for number in [syscall::SYS_READ, syscall::SYS_WRITE] {
            let mut d = Daemon::start()?;
            let fd = d.open(5)?;
            let len = 20 * 4096 + 100;
            let base = map_at(0, len, MapFlags::MAP_SHARED)?;
            // SAFETY: the mapping is this case's alone, and the other process's.
            let bytes = unsafe { core::slice::from_raw_parts_mut(base as *mut u8, len) };
            bytes.fill(7);
            d.hold();
            let mark = d.logged();
            let caller = Caller::start(|| {
                let outcome = raw(number, [fd.raw(), base + 50, len - 100, 0, 0, 0]);
                // SAFETY: the shared mapping; the parent only looks at it meanwhile.
                unsafe { (base as *mut u8).add(4096).write_volatile(9) };
                outcome
            })?;
            crate::world::until("the call", || d.logged() > mark)?;
            d.kill()?;
            check_error!(caller.result(), ENODEV);
            // SAFETY: inside the mapping.
            check_eq!(unsafe { (base as *const u8).add(4096).read_volatile() }, 9);
            unmap(base, len)?;
        }
        Ok(())
    })
}

fn callers_die_with_the_daemon() -> Outcome {
    leaves_nothing(|| {
        for daemon_first in [true, false] {
            let mut d = Daemon::start()?;
            let fd = d.open_positioned(5)?;
            d.hold();
            let mark = d.logged();
            let callers = all_calls(fd.raw())?;
            crate::world::until("all calls", || d.since(mark).len() >= CALLS)?;
            if daemon_first {
                d.process()?.kill()?;
            }
            for caller in &callers {
                // One that was answered may have ended by itself.
                let _ = caller.process.kill();
            }
            d.kill()?;
        }
        Ok(())
    })
}

fn readers_are_told() -> Outcome {
    leaves_nothing(|| {
        // A thread that waits at the socket while another closes it.
        let own = Own::new()?;
        let socket = own.socket.raw();
        let process = Caller::start(|| {
            let thread = closer(socket)?;
            let outcome = own.read().map(|_| 1);
            thread.join()?;
            outcome
        })?;
        check!(process.process.wait().is_ok());
        // The parent's copy keeps the scheme, so the reader only ends with the process's own descriptor.
        let outcome = process.result();
        check!(matches!(outcome, Err(_) | Ok(1)), "{outcome:?}");
        own.socket.rights()?;
        Ok(())
    })
}

/// A thread that interrupts the calling one when it waits at a socket, and closes that.
fn closer(socket: usize) -> Result<redox_rt::thread::Thread> {
    extern "C" fn close(argument: usize) {
        // SAFETY: the words live until the process ends: they are leaked.
        let [socket, context] = unsafe { *(argument as *const [usize; 2]) };
        for _ in 0..100 {
            sys::sched_yield();
        }
        let _ = sys::close(socket);
        let _ = redox_rt::context::ContextRef::new(context).tell(ContextVerb::Interrupt);
    }
    let own = redox_rt::tcb::Tcb::current().and_then(redox_rt::tcb::Tcb::thread_fd);
    let context = own.map_or(usize::MAX, redox_rt::context::ContextRef::raw);
    let words = alloc::boxed::Box::leak(alloc::boxed::Box::new([socket, context]));
    let source = redox_rt::thread::Source::Kernel(&world().proc);
    // SAFETY: the argument is what the function expects.
    unsafe { redox_rt::thread::spawn_raw(source, 64 << 10, close, words.as_ptr() as usize) }
}

fn events_of_the_dead() -> Outcome {
    leaves_nothing(|| {
        let mut d = Daemon::start()?;
        let fds = [d.open(5)?, d.open(6)?];
        d.answer(0);
        let queues = [(); 2].map(|()| event::Queue::new(&world().event));
        let [read, write] = queues;
        let (read, write) = (read?, write?);
        read.watch(fds[0].raw(), EventFlags::EVENT_READ, 1)?;
        write.watch(fds[1].raw(), EventFlags::EVENT_WRITE, 2)?;
        let next = |queue: &event::Queue, flags: EventFlags, data: usize| {
            let event = queue.next()?;
            let right = event.flags == flags && event.data == data;
            Ok(usize::from(right))
        };
        // Whoever waits for events of its objects alone is woken, and will hear of its end.
        let waiting = [
            Caller::start(|| next(&read, EventFlags::EVENT_READ, 1))?,
            Caller::start(|| next(&write, EventFlags::EVENT_WRITE, 2))?,
        ];
        for one in &waiting {
            one.process.until_blocked()?;
        }
        d.kill()?;
        for one in &waiting {
            crate::world::until("the event", || one.is_done())?;
            check_eq!(one.result()?, 1);
        }
        check_error!(read.watch(fds[0].raw(), EventFlags::EVENT_WRITE, 1), ENODEV);
        drop(fds);
        Ok(())
    })
}

fn a_daemon_that_calls_itself() -> Outcome {
    leaves_nothing(|| {
        // It waits for itself, and ends only by force; then its own call is answered like any other.
        let own = Own::new()?;
        let process = Process::start(|| {
            let _ = call(10, own.root.raw(), 0);
            0
        })?;
        process.until_blocked()?;
        own.socket.close()?;
        check!(process.is_blocked()?);
        process.kill()?;
        process.wait()?;
        core::mem::drop(own.root);
        Ok(())
    })
}

fn a_socket_makes_room_for_an_answer() -> Outcome {
    leaves_nothing(|| {
        // The one descriptor of the socket is where the caller, of the same process, wants the answer.
        let caller = Caller::start(|| {
            let own = Own::new()?;
            let socket = own.socket.into_raw();
            let thread = answering(socket, world().pipe.raw())?;
            let name = b"x".as_ptr() as usize;
            let outcome = raw(syscall::SYS_DUP2, [own.root.raw(), socket, name, 1, 0, 0]);
            thread.join()?;
            sys::rights(socket)?;
            outcome.map(|number| usize::from(number == socket))
        })?;
        check_eq!(caller.result()?, 1);
        Ok(())
    })
}

/// A thread that answers one request with a descriptor.
fn answering(socket: usize, fd: usize) -> Result<redox_rt::thread::Thread> {
    extern "C" fn answer(argument: usize) {
        // SAFETY: the words live until the process ends: they are leaked.
        let [socket, fd] = unsafe { *(argument as *const [usize; 2]) };
        let mut sqe = [0_u64; 8];
        let buffer = sqe.as_mut_ptr() as usize;
        let _ = raw(syscall::SYS_READ, [socket, buffer, 64, 0, 0, 0]);
        let [head, ..] = sqe;
        let entry = cqe(CqeOpcode::RespondWithFd as u8, (head >> 32) as u32, fd);
        let _ = raw(
            syscall::SYS_WRITE,
            [socket, entry.as_ptr() as usize, 16, 0, 0, 0],
        );
    }
    let words = alloc::boxed::Box::leak(alloc::boxed::Box::new([socket, fd]));
    let source = redox_rt::thread::Source::Kernel(&world().proc);
    // SAFETY: the argument is what the function expects.
    unsafe { redox_rt::thread::spawn_raw(source, 64 << 10, answer, words.as_ptr() as usize) }
}

fn daemons_that_call_each_other() -> Outcome {
    leaves_nothing(|| {
        let (mut a, mut b) = (Daemon::start()?, Daemon::start()?);
        let in_a = crate::redirect::give(&a, &b.root.dup(b"")?)?;
        let in_b = crate::redirect::give(&b, &a.root.dup(b"")?)?;
        a.hold();
        b.hold();
        let mark = b.logged();
        let calling = Caller::start(|| a.remote(syscall::SYS_FSYNC, [in_a, 0, 0, 0, 0, 0]))?;
        b.until(mark, Opcode::Fsync, 1)?;
        let back = Caller::start(|| b.remote(syscall::SYS_FSYNC, [in_b, 0, 0, 0, 0, 0]))?;
        back.process.until_blocked()?;
        // Both wait for each other. The end of one frees the other.
        b.kill()?;
        check_error!(back.result(), ENODEV);
        check_error!(calling.result(), ENODEV);
        a.answer(0);
        a.settle()?;
        a.kill()
    })
}

fn deaths_at_random_moments() -> Outcome {
    leaves_nothing(|| {
        let mut random = Random(77);
        for round in 0..15 {
            let mut d = Daemon::start()?;
            let fd = d.open_positioned(5)?;
            if random.below(2) == 0 {
                d.hold();
            } else {
                d.answer(0);
            }
            let callers: Vec<Caller> = (0..6)
                .map(|_| {
                    let kind = [3, 4, 10, 11, 5, 8][random.below(6)];
                    let number = fd.raw();
                    Caller::start(move || {
                        for _ in 0..1000 {
                            call(kind, number, 0)?;
                        }
                        Ok(0)
                    })
                })
                .collect::<Result<_>>()?;
            for _ in 0..random.below(40) {
                sys::sched_yield();
            }
            let first = random.below(callers.len());
            let _ = callers[first].process.kill();
            d.kill()?;
            for (i, caller) in callers.iter().enumerate() {
                let outcome = caller.result().map_err(|e| e.errno);
                let good = matches!(outcome, Ok(0) | Err(ENODEV)) || i == first;
                check!(good, "round {round}: {outcome:?}");
            }
        }
        Ok(())
    })
}
