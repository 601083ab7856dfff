//! Threads and what keeps them apart.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

use crate::measure::{measure, measure_few, measure_parts};

struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is made for being used by several threads.
unsafe impl Sync for Mutex {}

static MUTEX: Mutex = Mutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

fn locked(then: impl FnOnce()) {
    // SAFETY: the mutex lives as long as the program and does not move.
    unsafe {
        assert_eq!(libc::pthread_mutex_lock(MUTEX.0.get()), 0);
        then();
        assert_eq!(libc::pthread_mutex_unlock(MUTEX.0.get()), 0);
    }
}

extern "C" fn nothing(_: *mut c_void) -> *mut c_void {
    null_mut()
}

/// How often each of two threads takes the mutex.
const TURNS: u64 = 64;

extern "C" fn take_turns(_: *mut c_void) -> *mut c_void {
    for _ in 0..TURNS {
        locked(|| {
            // While it is held the other one runs, and has to wait.
            // SAFETY: a system call without arguments.
            unsafe { libc::sched_yield() };
        });
    }
    null_mut()
}

fn start(what: extern "C" fn(*mut c_void) -> *mut c_void) -> libc::pthread_t {
    let mut thread = null_mut();
    // SAFETY: the function takes a null pointer.
    let error = unsafe { libc::pthread_create(&mut thread, null(), what, null_mut()) };
    assert_eq!(error, 0);
    thread
}

fn join(thread: libc::pthread_t) {
    // SAFETY: it is joined once.
    assert_eq!(unsafe { libc::pthread_join(thread, null_mut()) }, 0);
}

pub fn run() {
    measure("mutex", || locked(|| ()));
    measure_few("thread-create-join", || join(start(nothing)));
    measure_parts("mutex-contended", 2 * TURNS, || {
        let other = start(take_turns);
        take_turns(null_mut());
        join(other);
    });
}
