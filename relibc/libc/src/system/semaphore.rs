//! `<semaphore.h>`: semaphores, and those without a name.

use core::ffi::{c_int, c_uint};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use redox_rt::{Result, futex};
use syscall::{EAGAIN, EINVAL, EOVERFLOW};

use super::restartable;
use super::thread::cancel::cancellable;
use super::thread::until;
use super::{fail, unit};
use crate::sys::Timespec;

/// `sem_t`: the value in the lower half, and in the upper one how many wait. They are one word, since whoever is let in
/// may destroy the semaphore, and who has let it in cannot look afterwards.
#[repr(transparent)]
pub struct Semaphore(AtomicU64);

const WAITING: u64 = 1 << 32;

const fn value(state: u64) -> i32 {
    state as u32 as i32
}

impl Semaphore {
    /// The value's half, of which the kernel knows the waiters.
    const fn value_word(&self) -> *const AtomicI32 {
        self.0.as_ptr().cast_const().cast()
    }

    fn try_take(&self) -> bool {
        let take = |state: u64| (value(state) > 0).then(|| state - 1);
        self.0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
            .is_ok()
    }

    fn take(&self, limit: Option<(c_int, &Timespec)>) -> Result<()> {
        while !self.try_take() {
            self.0.fetch_add(WAITING, Ordering::SeqCst);
            let waited = restartable(|| {
                let left = limit.map(|(clock, time)| until(clock, time)).transpose()?;
                // SAFETY: the half lives as long as the word, and is as aligned. Only the kernel reads it by this.
                let value = unsafe { &*self.value_word() };
                futex::wait(value, 0, left.as_ref())
            });
            self.0.fetch_sub(WAITING, Ordering::Relaxed);
            match waited {
                Err(e) if e.errno != EAGAIN => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

c_api! {
    fn sem_init(semaphore: *mut Semaphore, _shared: c_int, value: c_uint) -> c_int {
        unit(match i32::try_from(value) {
            Ok(value) => {
                semaphore.write(Semaphore(AtomicU64::new(value as u64)));
                Ok(())
            }
            Err(_) => fail(EINVAL),
        })
    }
    fn sem_destroy(_semaphore: *mut Semaphore) -> c_int { 0 }
    fn sem_wait(semaphore: *const Semaphore) -> c_int { unit(cancellable(|| (*semaphore).take(None))) }
    fn sem_trywait(semaphore: *const Semaphore) -> c_int { unit(if (*semaphore).try_take() { Ok(()) } else { fail(EAGAIN) }) }
    fn sem_timedwait(semaphore: *const Semaphore, time: *const Timespec) -> c_int { unit(cancellable(|| (*semaphore).take(Some((libc::CLOCK_REALTIME, &*time))))) }
    fn sem_clockwait(semaphore: *const Semaphore, clock: c_int, time: *const Timespec) -> c_int { unit(cancellable(|| (*semaphore).take(Some((clock, &*time))))) }
    fn sem_post(semaphore: *const Semaphore) -> c_int {
        let s = &*semaphore;
        let word = s.value_word();
        let raise = |state: u64| (value(state) < i32::MAX).then(|| state + 1);
        unit(match s.0.fetch_update(Ordering::SeqCst, Ordering::Relaxed, raise) {
            Ok(before) => {
                if before >= WAITING {
                    futex::wake(word, 1);
                }
                Ok(())
            }
            Err(_) => fail(EOVERFLOW),
        })
    }
    fn sem_getvalue(semaphore: *const Semaphore, place: *mut c_int) -> c_int { place.write(value((*semaphore).0.load(Ordering::Relaxed))); 0 }
}
