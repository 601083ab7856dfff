//! `pthread_once`.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicI32, Ordering};

use redox_rt::futex;

use super::{__pthread_cleanup_pop, __pthread_cleanup_push, Cleanup};

const NEW: i32 = 0;
const RUNNING: i32 = 1;
const DONE: i32 = 2;

unsafe fn settle(once: *const AtomicI32, state: i32) {
    (*once).store(state, Ordering::Release);
    futex::wake(once, i32::MAX);
}

/// The routine has ended its thread: as if nobody had called it yet.
unsafe extern "C" fn give_up(once: *mut c_void) {
    settle(once.cast(), NEW);
}

c_api! {
    fn pthread_once(once: *const AtomicI32, routine: unsafe extern "C" fn()) -> c_int {
        let once = &*once;
        loop {
            match once.compare_exchange(NEW, RUNNING, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    let argument = core::ptr::from_ref(once).cast_mut().cast();
                    let mut record = Cleanup { routine: give_up, argument, previous: null_mut() };
                    __pthread_cleanup_push(&raw mut record);
                    routine();
                    __pthread_cleanup_pop(&raw mut record, 0);
                    settle(once, DONE);
                    return 0;
                }
                Err(DONE) => return 0,
                // Woken or not: look again.
                Err(now) => drop(futex::wait(once, now, None)),
            }
        }
    }
}
