//! `<semaphore.h>`: semaphores, and those without a name.

use core::ffi::{c_int, c_uint};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use redox_rt::{Result, futex};
use syscall::{EAGAIN, EINVAL, EOVERFLOW};

use super::restartable;
use super::thread::cancel::cancellable;
use super::thread::until;
use super::{fail, unit};
use crate::sys::Timespec;

/// `sem_t`: the value, and how many wait.
#[repr(C, align(8))]
pub struct Semaphore {
    value: AtomicI32,
    waiting: AtomicU32,
}

impl Semaphore {
    fn try_take(&self) -> bool {
        let take = |v: i32| (v > 0).then(|| v - 1);
        self.value
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
            .is_ok()
    }

    fn take(&self, limit: Option<(c_int, &Timespec)>) -> Result<()> {
        while !self.try_take() {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let waited = restartable(|| {
                let left = limit.map(|(clock, time)| until(clock, time)).transpose()?;
                futex::wait(&self.value, 0, left.as_ref())
            });
            self.waiting.fetch_sub(1, Ordering::Relaxed);
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
                semaphore.write(Semaphore { value: AtomicI32::new(value), waiting: AtomicU32::new(0) });
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
        let raise = |v: i32| v.checked_add(1);
        unit(match s.value.fetch_update(Ordering::SeqCst, Ordering::Relaxed, raise) {
            Ok(_) => {
                if s.waiting.load(Ordering::SeqCst) != 0 {
                    futex::wake(&raw const s.value, 1);
                }
                Ok(())
            }
            Err(_) => fail(EOVERFLOW),
        })
    }
    fn sem_getvalue(semaphore: *const Semaphore, value: *mut c_int) -> c_int { value.write((*semaphore).value.load(Ordering::Relaxed)); 0 }
}
