//! `pthread_once`.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use redox_rt::futex;

const NEW: i32 = 0;
const RUNNING: i32 = 1;
const DONE: i32 = 2;

c_api! {
    fn pthread_once(once: *const AtomicI32, routine: unsafe extern "C" fn()) -> c_int {
        let once = &*once;
        loop {
            match once.compare_exchange(NEW, RUNNING, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    routine();
                    once.store(DONE, Ordering::Release);
                    futex::wake(core::ptr::from_ref(once), i32::MAX);
                    return 0;
                }
                Err(DONE) => return 0,
                // Woken or not: look again.
                Err(now) => drop(futex::wait(once, now, None)),
            }
        }
    }
}
