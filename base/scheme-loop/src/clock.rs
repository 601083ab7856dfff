//! Being woken when a request's time is up.
//!
//! A thread sleeps until then and says so by a request to this very scheme, so that everything that
//! happens, happens in one loop.

use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use redox_rt::{
    Fd, Result, eprintln, futex, sys,
    thread::{self, Source},
};
use syscall::{TimeSpec, flag::CLOCK_MONOTONIC};

use crate::own::{insist, own_handle};

/// The number of the handle through which the loop is told that it is late. No handle of a slab has it:
/// theirs are below 2^56.
pub const TICK: u64 = 1 << 60;

const SECOND: u64 = 1_000_000_000;
/// No time is to be waited for.
const NEVER: u64 = u64::MAX;

static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
/// Counts changes of [`DEADLINE`].
static CHANGES: AtomicI32 = AtomicI32::new(0);

/// The time since the machine was started, in nanoseconds.
#[must_use]
pub fn now() -> u64 {
    sys::clock_gettime(CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(SECOND).saturating_add(nanoseconds)
    })
}

/// The thread that sleeps; it is started when it is first needed. What is late is said by a request with
/// [`TICK`] as its handle, which is to be answered.
#[derive(Debug, Default)]
pub struct Clock {
    started: bool,
}

impl Clock {
    /// One that has not been needed.
    #[must_use]
    pub const fn new() -> Self {
        Self { started: false }
    }

    /// Says when to wake, in nanoseconds of [`now`].
    pub fn set(&mut self, deadline: Option<u64>) {
        let new = deadline.unwrap_or(NEVER);
        if DEADLINE.swap(new, Ordering::AcqRel) == new {
            return;
        }
        CHANGES.fetch_add(1, Ordering::AcqRel);
        futex::wake(&raw const CHANGES, 1);
        if !self.started && deadline.is_some() {
            match start() {
                Ok(()) => self.started = true,
                Err(error) => eprintln!("requests have no time limit: {error}"),
            }
        }
    }
}

fn start() -> Result<()> {
    let own = own_handle(TICK)?;
    // SAFETY: the function takes a descriptor's number, which is the thread's from now on.
    let thread =
        unsafe { thread::spawn_raw(Source::Manager, thread::STACK_LEN, sleep, own.into_raw()) }?;
    drop(thread);
    Ok(())
}

extern "C" fn sleep(own: usize) {
    let own = Fd::from_raw(own);
    loop {
        let seen = CHANGES.load(Ordering::Acquire);
        let left = match DEADLINE.load(Ordering::Acquire) {
            NEVER => None,
            deadline => Some(deadline.saturating_sub(now())),
        };
        if left == Some(0) {
            // The loop has another deadline when this returns.
            if !insist("a request's time", || own.call(&[0]).map(drop)) {
                return;
            }
            continue;
        }
        let limit = left.map(|left| TimeSpec {
            tv_sec: i64::try_from(left / SECOND).unwrap_or(i64::MAX),
            tv_nsec: (left % SECOND) as i32,
        });
        // Woken, changed, interrupted or late: in every case look again.
        let _ = futex::wait(&CHANGES, seen, limit.as_ref());
    }
}
