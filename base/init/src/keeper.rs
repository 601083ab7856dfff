//! The thread that looks after units, and those that it is told things by.
//!
//! It asks nobody anything that could wait: a unit is started by a thread of its own (`start`), and the ends of
//! children are waited for by another. So a daemon that hangs keeps only its own unit from being started, and those
//! that require it.

use alloc::{boxed::Box, collections::VecDeque, string::String};
use core::sync::atomic::{AtomicI32, Ordering};

use init_core::Unit;
use redox_rt::{
    Error, Result, eprintln,
    futex::{self, Mutex},
    process::{self, Awaited, WaitFlags},
    sys,
    thread::{self, Source},
};
use syscall::{ECHILD, EINTR, TimeSpec};

use crate::{
    start::Made,
    watch::{Watch, now},
};

/// What a thread is told.
pub enum Event {
    /// A child has ended, with its status word.
    Ended(u32, u32),
    /// A unit is to be started and looked after; what comes earlier has the lower number.
    Add(Box<Unit>, usize),
    /// What the start of a unit with this number has come to.
    Start(u64, Made),
    /// What has become of a unit of this name that was to be started.
    Report(String, Report),
}

/// What has become of a unit that was to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It counts as started, and so does what it lists.
    Up,
    /// It is not started.
    Failed,
    /// Its time is over; it is tried again, and reported again then.
    Late,
}

/// Where a thread is told things.
pub struct Channel {
    events: Mutex<VecDeque<Event>>,
    /// Counts what was put in.
    changes: AtomicI32,
}

/// The keeper's.
pub static KEEPER: Channel = Channel::new();
/// The main thread's, which is told of every child's end too, and of what it has had added.
pub static MAIN: Channel = Channel::new();

const STACK: usize = 256 << 10;
/// How long there may be no child, and then be one.
const PAUSE: TimeSpec = TimeSpec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

impl Channel {
    const fn new() -> Self {
        Self {
            events: Mutex::new(VecDeque::new()),
            changes: AtomicI32::new(0),
        }
    }

    /// Says something to the thread whose this is.
    pub fn tell(&self, event: Event) {
        self.events.lock().push_back(event);
        self.changes.fetch_add(1, Ordering::AcqRel);
        futex::wake(&raw const self.changes, i32::MAX);
    }

    /// The next event, if there is one.
    pub fn next(&self) -> Option<Event> {
        self.events.lock().pop_front()
    }

    /// Waits for the next event, at the latest until a time in milliseconds.
    pub fn wait(&self, until: Option<u64>) -> Option<Event> {
        let until = until.map(|until| TimeSpec {
            tv_sec: (until / 1000) as i64,
            tv_nsec: (until % 1000) as i32 * 1_000_000,
        });
        loop {
            let seen = self.changes.load(Ordering::Acquire);
            let next = self.next();
            if next.is_some() {
                return next;
            }
            match futex::wait_until(&self.changes, seen, until.as_ref()) {
                // Woken, changed or interrupted: in every case look again.
                Ok(()) => {}
                Err(error) if error.errno == syscall::ETIMEDOUT => return self.next(),
                Err(_) => {}
            }
        }
    }
}

/// Starts the keeper, and the thread that waits for children, which nobody else may do from now on.
pub fn start() -> Result<()> {
    // SAFETY: neither takes anything.
    unsafe {
        thread::spawn_raw(Source::Manager, STACK, reap, 0)?;
        thread::spawn_raw(Source::Manager, STACK, keep, 0)?;
    }
    Ok(())
}

extern "C" fn reap(_: usize) {
    loop {
        match process::wait(Awaited::Any, WaitFlags::empty()) {
            Ok(Some((pid, word))) => {
                KEEPER.tell(Event::Ended(pid, word));
                MAIN.tell(Event::Ended(pid, word));
            }
            Ok(None) | Err(Error { errno: EINTR }) => {}
            Err(error) => {
                if error.errno != ECHILD {
                    eprintln!("init: waiting: {error}");
                }
                // A signal makes the pause shorter, which is no longer than it takes to look again. The children
                // that have ended stay until they are waited for.
                let _ = sys::nanosleep(&PAUSE);
            }
        }
    }
}

extern "C" fn keep(_: usize) {
    let mut watch = Watch::default();
    loop {
        // All that is known is known before the first unit is started again.
        while let Some(event) = KEEPER.next() {
            watch.take(event);
        }
        watch.go_on(now());
        if let Some(event) = KEEPER.wait(watch.next_time()) {
            watch.take(event);
        }
    }
}
