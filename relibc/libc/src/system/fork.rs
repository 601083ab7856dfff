//! A fork among threads: what another thread holds would stay held in the child for ever.
//!
//! POSIX lets such a child call little before `exec`, but that includes `close`, `chdir`, `alarm` and
//! `sigaction`, and programs allocate, print and set variables there. So the library's own locks are taken
//! for the time of the fork, in an order in which whoever holds one of them and takes another takes one
//! further down.

use core::ops::{Deref, DerefMut};

use redox_rt::futex::{self, MutexGuard};
use redox_rt::{signal, sys, thread as rt};
use syscall::TimeSpec;

use super::{
    cwd, environment, heap, log, named_semaphore, poll, popen, process, start, thread, timer, users,
};
use crate::sys::Inside;
use crate::{stdio, stdlib, time};

/// A value of the library's that one thread at a time can reach, and that a fork waits for.
#[derive(Debug)]
pub(crate) struct Mutex<T>(futex::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(futex::Mutex::new(value))
    }

    /// Waits for it.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let inside = Inside::enter();
        Guard {
            value: self.0.lock(),
            _inside: inside,
        }
    }

    /// For a fork: the value, which nobody changes until what is answered is dropped. `None` while somebody
    /// has it.
    pub(super) fn try_hold(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock()
    }

    /// Makes it free, with another value; the former one is forgotten.
    ///
    /// # Safety
    /// There is no other thread, and this one is not about to change the value.
    pub(super) unsafe fn renew(&self, value: T) {
        // SAFETY: as the caller says.
        unsafe { self.0.renew(value) };
    }
}

/// Access to a [`Mutex`]'s value until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard<'a, T> {
    // In this order they are dropped.
    value: MutexGuard<'a, T>,
    _inside: Inside,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// How often the processor is given away for something that others have.
const YIELDS: usize = 64;
/// How often a millisecond is slept afterwards for a lock. Who has one may read a file with it; a file system
/// that does not answer is not to stop forks for ever.
const SLEEPS: usize = 10_000;
const MILLISECOND: TimeSpec = TimeSpec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};
/// The same for a stream, in which its thread may be waiting for a terminal; also at the end of the process.
const STREAM_SLEEPS: usize = 4;

/// Asks until there is an answer. What a signal handler has interrupted does not go on while it waits.
fn patiently<T>(sleeps: usize, ask: impl Fn() -> Option<T>) -> Option<T> {
    let sleeps = if Inside::is_somewhere() { 0 } else { sleeps };
    (0..=YIELDS + sleeps).find_map(|i| {
        match i {
            0 => {}
            1..=YIELDS => sys::sched_yield(),
            // Woken early it asks early.
            _ => drop(sys::nanosleep(&MILLISECOND)),
        }
        ask()
    })
}

/// Asks until it is so, for as long as a stream is waited for.
pub(super) fn patiently_for_stream(ask: &dyn Fn() -> bool) -> bool {
    patiently(STREAM_SLEEPS, || ask().then_some(())).is_some()
}

/// Forks while no other thread holds a lock of the library's that can be had. `is_child` tells which of the
/// two processes this is.
pub(crate) fn quietly<T>(fork: impl FnOnce() -> T, is_child: impl FnOnce(&T) -> bool) -> T {
    signal::without_delivery(|| {
        if rt::is_alone() {
            let forked = heap::while_quiet(fork);
            if is_child(&forked) {
                settle();
            }
            return forked;
        }
        let _held = (
            patiently(SLEEPS, popen::hold),
            patiently(SLEEPS, named_semaphore::hold),
            patiently(SLEEPS, log::hold),
            patiently(SLEEPS, users::hold),
            patiently(SLEEPS, poll::hold),
            patiently(SLEEPS, time::hold),
            patiently(SLEEPS, environment::hold),
            patiently(SLEEPS, thread::key::hold),
            patiently(SLEEPS, process::hold),
            patiently(SLEEPS, start::hold),
            patiently(SLEEPS, stdlib::hold),
            patiently(SLEEPS, cwd::hold),
        );
        let streams = stdio::hold(patiently(SLEEPS, stdio::hold_list), patiently_for_stream);
        let clocks = patiently(SLEEPS, thread::clocks::hold);
        let forked = heap::while_quiet(fork);
        let in_child = is_child(&forked);
        match clocks {
            Some(mut clocks) if in_child => clocks.clear(),
            // SAFETY: this is the only thread, and what it may be interrupted in will not go on with them.
            None if in_child => unsafe { thread::clocks::forget_all() },
            _ => {}
        }
        streams.release(in_child);
        if in_child {
            settle();
        }
        forked
    })
}

/// What only its parent has.
fn settle() {
    thread::alone();
    // SAFETY: this is the only thread, and what it holds itself are the locks that `quietly` took.
    unsafe {
        timer::forget_alarm();
        start::forget_ending();
    }
}
