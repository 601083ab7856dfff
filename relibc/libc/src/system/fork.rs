//! A fork among threads: what another thread holds would stay held in the child for ever.
//!
//! POSIX lets such a child call little before `exec`, but that includes `close`, `chdir`, `alarm` and
//! `sigaction`, and programs allocate, print and set variables there. So the library's own locks are taken
//! for the time of the fork, in an order in which whoever holds one of them and takes another takes one
//! further down.

use redox_rt::{signal, sys, thread as rt};

use super::{
    cwd, environment, heap, log, named_semaphore, poll, popen, process, start, thread, timer, users,
};
use crate::{stdio, stdlib, time};

/// How often a lock is asked for that somebody else holds. It may be a thread that waits for a terminal with
/// a stream locked, or what the signal handler has interrupted that forks now: these are not waited for.
const PATIENCE: usize = 64;

fn patiently<T>(ask: impl Fn() -> Option<T>) -> Option<T> {
    (0..PATIENCE).find_map(|_| {
        let held = ask();
        if held.is_none() {
            sys::sched_yield();
        }
        held
    })
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
            patiently(popen::hold),
            patiently(named_semaphore::hold),
            patiently(log::hold),
            patiently(users::hold),
            patiently(poll::hold),
            patiently(time::hold),
            patiently(environment::hold),
            patiently(thread::key::hold),
            patiently(process::hold),
            patiently(start::hold),
            patiently(stdlib::hold),
            patiently(cwd::hold),
        );
        let streams = stdio::hold(|ask| patiently(|| ask().then_some(())).is_some());
        let clocks = patiently(thread::clocks::hold);
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
