//! Condition variables: a counter that every signal moves on.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use redox_rt::Result;
use redox_rt::futex;

use super::attributes::ConditionAttributes;
use super::cancel::{is_due, look, within_point};
use super::mutex::Mutex;
use super::wait;
use crate::sys::Timespec;
use crate::system::code;

/// `pthread_cond_t`: 8 bytes, all zero for one that goes by the real-time clock.
#[repr(C)]
pub struct Condition {
    signals: AtomicI32,
    /// The clock of timed waits; 0 is the real-time clock.
    clock: AtomicI32,
}

const _: () = assert!(size_of::<Condition>() == 8);

impl Condition {
    fn wait(&self, mutex: &Mutex, limit: Option<(c_int, &Timespec)>) -> Result<()> {
        look();
        let before = self.signals.load(Ordering::Relaxed);
        mutex.unlock()?;
        // Not between here and the lock: a cancelled thread's handlers find the mutex held.
        let waited = within_point(|| {
            if is_due() {
                return Ok(());
            }
            wait(&self.signals, before, limit)
        });
        mutex.lock(None)?;
        if is_due() {
            // The wake-up may have been meant for one that goes on.
            self.signal(1);
            look();
        }
        waited
    }

    fn clock(&self) -> c_int {
        match self.clock.load(Ordering::Relaxed) {
            0 => libc::CLOCK_REALTIME,
            clock => clock,
        }
    }

    fn signal(&self, count: i32) {
        self.signals.fetch_add(1, Ordering::Release);
        futex::wake(&raw const self.signals, count);
    }
}

c_api! {
    fn pthread_cond_init(condition: *mut Condition, attributes: *const ConditionAttributes) -> c_int {
        let clock = attributes.as_ref().map_or(0, |a| a.clock);
        condition.write(Condition { signals: AtomicI32::new(0), clock: AtomicI32::new(clock) });
        0
    }
    fn pthread_cond_destroy(_condition: *mut Condition) -> c_int { 0 }
    fn pthread_cond_signal(condition: *const Condition) -> c_int { (*condition).signal(1); 0 }
    fn pthread_cond_broadcast(condition: *const Condition) -> c_int { (*condition).signal(i32::MAX); 0 }
    fn pthread_cond_wait(condition: *const Condition, mutex: *const Mutex) -> c_int { code((*condition).wait(&*mutex, None)) }
    fn pthread_cond_timedwait(condition: *const Condition, mutex: *const Mutex, time: *const Timespec) -> c_int {
        let clock = (*condition).clock();
        code((*condition).wait(&*mutex, Some((clock, &*time))))
    }
    fn pthread_cond_clockwait(condition: *const Condition, mutex: *const Mutex, clock: c_int, time: *const Timespec) -> c_int {
        code((*condition).wait(&*mutex, Some((clock, &*time))))
    }
}
