//! Event queues: registration, coalescing, alarms, watching every kind of object, and the end of either
//! side.

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::event::Queue;
use redox_rt::{Error, Fd, Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::{Event, TimeSpec};

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["event" =>
        what_is_ready_already_is_told, changes_are_told_once, interests_are_changed_and_removed,
        a_reader_waits_for_an_event, many_events_come_at_once, alarms_fire_once, alarms_end_with_their_queue,
        clocks_are_watched, contexts_are_watched, queues_are_watched,
        a_queue_does_not_watch_itself, rings_of_queues_end, closing_either_side_ends_it,
        copies_are_one_subject, registrations_are_limited, events_need_their_right,
    ]
}

const BOTH: EventFlags = EventFlags::EVENT_READ.union(EventFlags::EVENT_WRITE);

fn queue() -> Result<Queue> {
    let queue = Queue::new(&world().event)?;
    nonblocking(queue.fd(), true)?;
    Ok(queue)
}

/// The next event as number, flags and data; `None` if there is none.
fn next(queue: &Queue) -> Result<Option<(usize, EventFlags, usize)>> {
    let mut event = Event::default();
    match queue.fd().read(&mut event) {
        Ok(24) => Ok(Some((event.id, event.flags, event.data))),
        Ok(_) => Err(Error::new(EIO)),
        Err(e) if e.errno == EAGAIN => Ok(None),
        Err(e) => Err(e),
    }
}

fn what_is_ready_already_is_told() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let (read, write) = pipe()?;
        queue.watch(read.raw(), BOTH, 11)?;
        check_eq!(next(&queue)?, None);
        queue.watch(write.raw(), BOTH, 12)?;
        check_eq!(next(&queue)?, Some((write.raw(), EVENT_WRITE, 12)));
        check_eq!(next(&queue)?, None);
        write.write(b"x")?;
        check_eq!(next(&queue)?, Some((read.raw(), EVENT_READ, 11)));
        Ok(())
    })
}

fn changes_are_told_once() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let (read, write) = pipe()?;
        queue.watch(read.raw(), EVENT_READ, 1)?;
        for _ in 0..10 {
            write.write(b"x")?;
        }
        check_eq!(next(&queue)?, Some((read.raw(), EVENT_READ, 1)));
        check_eq!(next(&queue)?, None);
        // A new change is a new event, whether or not what was there has been read.
        write.write(b"x")?;
        check_eq!(next(&queue)?, Some((read.raw(), EVENT_READ, 1)));
        check_eq!(next(&queue)?, None);
        Ok(())
    })
}

fn interests_are_changed_and_removed() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let (read, write) = pipe()?;
        let before = count(b"objects", "registrations")?;
        queue.watch(read.raw(), EVENT_READ, 1)?;
        queue.watch(read.raw(), EVENT_READ, 2)?;
        check_eq!(count(b"objects", "registrations")?, before + 1);
        write.write(b"x")?;
        check_eq!(next(&queue)?, Some((read.raw(), EVENT_READ, 2)));
        write.write(b"x")?;
        // What is no longer of interest is taken back.
        queue.watch(read.raw(), EVENT_WRITE, 2)?;
        check_eq!(next(&queue)?, None);
        queue.watch(read.raw(), EventFlags::empty(), 0)?;
        check_eq!(count(b"objects", "registrations")?, before);
        write.write(b"x")?;
        check_eq!(next(&queue)?, None);
        // Removing what is not there is nothing.
        queue.watch(read.raw(), EventFlags::empty(), 0)?;
        Ok(())
    })
}

fn a_reader_waits_for_an_event() -> Outcome {
    leaves_nothing(|| {
        let queue = Queue::new(&world().event)?;
        let (read, write) = pipe()?;
        queue.watch(read.raw(), EVENT_READ, 5)?;
        let waiter = Process::start(|| i32::from(!matches!(queue.next(), Ok(e) if e.data == 5)))?;
        waiter.until_blocked()?;
        write.write(b"x")?;
        waiter.succeeds()
    })
}

fn many_events_come_at_once() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let (read, write) = pipe()?;
        let mut copies = alloc::vec::Vec::new();
        for data in 0..100 {
            let copy = read.dup(b"read")?;
            queue.watch(copy.raw(), EVENT_READ, data)?;
            copies.push(copy);
        }
        write.write(b"x")?;
        let mut seen = [false; 100];
        let mut words = [0_usize; 3 * 40];
        let mut calls = 0;
        loop {
            let args = [
                queue.fd().raw(),
                words.as_mut_ptr() as usize,
                size_of_val(&words),
                0,
                0,
                0,
            ];
            let Ok(len) = raw(syscall::SYS_READ, args) else {
                break;
            };
            check!(len % 24 == 0 && len <= 40 * 24);
            for event in words[..len / 8].chunks(3) {
                check!(!core::mem::replace(&mut seen[event[2]], true), "told twice");
            }
            calls += 1;
        }
        check!(seen.iter().all(|told| *told));
        check_eq!(calls, 3);
        Ok(())
    })
}

fn arm(queue: &Queue, time: &TimeSpec) -> Result<()> {
    let event = Event {
        id: EVENT_TIMEOUT_ID,
        flags: EVENT_READ,
        data: core::ptr::from_ref(time) as usize,
    };
    queue.fd().write_exact(&event)
}

fn alarms_fire_once() -> Outcome {
    leaves_nothing(|| {
        let queue = Queue::new(&world().event)?;
        let past = TimeSpec {
            tv_sec: 0,
            tv_nsec: 1,
        };
        arm(&queue, &past)?;
        let event = queue.next()?;
        check_eq!(
            (event.id, event.data),
            (EVENT_TIMEOUT_ID, &raw const past as usize)
        );
        let (later, soon) = (in_ms(20)?, in_ms(2)?);
        arm(&queue, &later)?;
        arm(&queue, &soon)?;
        check_eq!(queue.next()?.data, &raw const soon as usize);
        check!(now()? >= soon.tv_sec as u64 * 1_000_000_000 + soon.tv_nsec as u64);
        check_eq!(queue.next()?.data, &raw const later as usize);
        check!(now()? >= later.tv_sec as u64 * 1_000_000_000 + later.tv_nsec as u64);
        nonblocking(queue.fd(), true)?;
        check_eq!(next(&queue)?, None);
        for bad in [[u64::MAX, 0], [0, 1_000_000_000]] {
            let event = [EVENT_TIMEOUT_ID as u64, 1, bad.as_ptr() as u64];
            let args = [queue.fd().raw(), event.as_ptr() as usize, 24, 0, 0, 0];
            check_error!(raw(syscall::SYS_WRITE, args), EINVAL);
        }
        let event = [EVENT_TIMEOUT_ID as u64, 1, 0x1000];
        let args = [queue.fd().raw(), event.as_ptr() as usize, 24, 0, 0, 0];
        check_error!(raw(syscall::SYS_WRITE, args), EFAULT);
        Ok(())
    })
}

/// Neither an alarm's registration nor its timer outlives the queue.
fn alarms_end_with_their_queue() -> Outcome {
    leaves_nothing(|| {
        let never = TimeSpec {
            tv_sec: 1 << 40,
            tv_nsec: 0,
        };
        let queue = queue()?;
        for _ in 0..100 {
            arm(&queue, &never)?;
        }
        check!(count(b"objects", "timers")? >= 100);
        drop(queue);
        let clock = world().time.open(b"4", O_RDWR)?;
        let words = [never.tv_sec as usize, 0];
        clock.write_exact(sys::bytes_of(&words))?;
        Ok(())
    })
}

fn clocks_are_watched() -> Outcome {
    leaves_nothing(|| {
        let queue = Queue::new(&world().event)?;
        let clock = world().time.open(b"4", O_RDWR)?;
        queue.watch(clock.raw(), EVENT_READ, 9)?;
        let set = |at: TimeSpec| {
            let words = [at.tv_sec as usize, at.tv_nsec as usize];
            clock.write_exact(sys::bytes_of(&words))
        };
        // So far away that it is not there yet on the slowest machine.
        set(in_ms(10_000_000)?)?;
        check_eq!(sys::fevent(clock.raw(), BOTH)?, EventFlags::empty());
        set(in_ms(3)?)?;
        check_eq!(queue.next()?.data, 9);
        check_eq!(sys::fevent(clock.raw(), BOTH)?, EVENT_READ);
        // A time that is past already.
        clock.write_exact(sys::bytes_of(&[0, 0]))?;
        check_eq!(queue.next()?.data, 9);
        Ok(())
    })
}

fn contexts_are_watched() -> Outcome {
    leaves_nothing(|| {
        let queue = Queue::new(&world().event)?;
        let (read, write) = pipe()?;
        let process = Process::start(|| {
            let _ = sys::close(write.raw());
            let _ = read.read(&mut [0]);
            0
        })?;
        let status = process.context().handle(b"status")?;
        queue.watch(status.raw(), EVENT_READ, 3)?;
        process.until_blocked()?;
        nonblocking(queue.fd(), true)?;
        check_eq!(next(&queue)?, None);
        process.tell(ContextVerb::Stop)?;
        check_eq!(next(&queue)?, Some((status.raw(), EVENT_READ, 3)));
        process.tell(ContextVerb::Unstop)?;
        nonblocking(queue.fd(), false)?;
        write.write(b"x")?;
        check_eq!(queue.next()?.data, 3);
        process.succeeds()
    })
}

fn queues_are_watched() -> Outcome {
    leaves_nothing(|| {
        let (outer, inner) = (queue()?, queue()?);
        outer.watch(inner.fd().raw(), EVENT_READ, 1)?;
        let (read, write) = pipe()?;
        inner.watch(read.raw(), EVENT_READ, 2)?;
        check_eq!(next(&outer)?, None);
        write.write(b"x")?;
        check_eq!(next(&outer)?, Some((inner.fd().raw(), EVENT_READ, 1)));
        check_eq!(next(&inner)?, Some((read.raw(), EVENT_READ, 2)));
        Ok(())
    })
}

fn a_queue_does_not_watch_itself() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        check_error!(queue.watch(queue.fd().raw(), EVENT_READ, 0), ELOOP);
        let copy = queue.fd().dup(b"")?;
        check_error!(queue.watch(copy.raw(), EVENT_READ, 0), ELOOP);
        Ok(())
    })
}

/// Three queues that watch each other in a ring: an event goes around once.
fn rings_of_queues_end() -> Outcome {
    leaves_nothing(|| {
        let ring = [queue()?, queue()?, queue()?];
        for (n, queue) in ring.iter().enumerate() {
            queue.watch(ring[(n + 1) % 3].fd().raw(), EVENT_READ, n)?;
        }
        let (read, write) = pipe()?;
        ring[0].watch(read.raw(), EVENT_READ, 7)?;
        write.write(b"x")?;
        for (n, queue) in ring.iter().enumerate() {
            let mut told = 0;
            while next(queue)?.is_some() {
                told += 1;
            }
            check!((1..=2).contains(&told), "queue {n}: {told} events");
        }
        Ok(())
    })
}

fn closing_either_side_ends_it() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let (subjects, registrations) = (
            count(b"objects", "subjects")?,
            count(b"objects", "registrations")?,
        );
        let (read, write) = pipe()?;
        queue.watch(read.raw(), EVENT_READ, 1)?;
        write.write(b"x")?;
        // The event was pending; with its subject it is gone.
        read.close()?;
        check_eq!(next(&queue)?, None);
        check_eq!(count(b"objects", "subjects")?, subjects);
        let (read, write) = pipe()?;
        queue.watch(read.raw(), EVENT_READ, 1)?;
        drop(queue);
        check_eq!(count(b"objects", "registrations")?, registrations);
        write.write(b"x")?;
        Ok(())
    })
}

/// Two numbers of one description are watched apart, until the description is gone.
fn copies_are_one_subject() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let (read, write) = pipe()?;
        let copy = read.dup(b"")?;
        let before = count(b"objects", "subjects")?;
        queue.watch(read.raw(), EVENT_READ, 1)?;
        queue.watch(copy.raw(), EVENT_READ, 2)?;
        check_eq!(count(b"objects", "subjects")?, before + 1);
        write.write(b"x")?;
        check_eq!(next(&queue)?, Some((read.raw(), EVENT_READ, 1)));
        check_eq!(next(&queue)?, Some((copy.raw(), EVENT_READ, 2)));
        check_eq!(next(&queue)?, None);
        Ok(())
    })
}

fn registrations_are_limited() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let never = TimeSpec {
            tv_sec: 1 << 40,
            tv_nsec: 0,
        };
        let mut armed = 0;
        let refused = loop {
            match arm(&queue, &never) {
                Ok(()) => armed += 1,
                Err(e) => break e,
            }
            check!(armed <= 16_384);
        };
        check_eq!((refused.errno, armed), (ENOSPC, 16_384));
        let (read, _write) = pipe()?;
        check_error!(queue.watch(read.raw(), EVENT_READ, 0), ENOSPC);
        Ok(())
    })
}

fn events_need_their_right() -> Outcome {
    leaves_nothing(|| {
        let queue = queue()?;
        let (read, _write) = pipe()?;
        let limited: Fd = read.dup(b"")?;
        limited.limit(cap_abi::Rights::FULL.difference(cap_abi::Rights::EVENT))?;
        check_error!(queue.watch(limited.raw(), EVENT_READ, 0), EPERM);
        check_error!(sys::fevent(limited.raw(), EVENT_READ), EPERM);
        Ok(())
    })
}
