//! Reader-writer locks, and spin locks.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use redox_rt::Result;
use redox_rt::{futex, sys};
use syscall::{EAGAIN, EBUSY, EPERM};

use super::{fail, wait};
use crate::sys::Timespec;
use crate::system::code;

/// `pthread_rwlock_t`: how many read, or [`WRITER`]; with [`WAITED`], somebody sleeps.
#[repr(C)]
pub struct RwLock(AtomicI32);

const WRITER: i32 = 0x3fff_ffff;
const WAITED: i32 = 0x4000_0000;

impl RwLock {
    /// One attempt: `Err` with what stood in the way.
    fn try_read(&self) -> core::result::Result<Result<()>, i32> {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            match now & !WAITED {
                WRITER => return Err(now),
                n if n == WRITER - 1 => return Ok(fail(EAGAIN)),
                _ => match self.0.compare_exchange_weak(
                    now,
                    now + 1,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Ok(Ok(())),
                    Err(other) => now = other,
                },
            }
        }
    }

    fn try_write(&self) -> core::result::Result<Result<()>, i32> {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & !WAITED != 0 {
                return Err(now);
            }
            match self.0.compare_exchange_weak(
                now,
                now | WRITER,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(Ok(())),
                Err(other) => now = other,
            }
        }
    }

    fn acquire(
        &self,
        attempt: impl Fn(&Self) -> core::result::Result<Result<()>, i32>,
        time: Option<&Timespec>,
    ) -> Result<()> {
        loop {
            match attempt(self) {
                Ok(answer) => return answer,
                Err(now) => {
                    let marked = now | WAITED;
                    let mark =
                        self.0
                            .compare_exchange(now, marked, Ordering::Relaxed, Ordering::Relaxed);
                    if mark.is_ok() {
                        wait(&self.0, marked, time.map(|t| (libc::CLOCK_REALTIME, t)))?;
                    }
                }
            }
        }
    }

    fn release(&self) -> Result<()> {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let new = match now & !WAITED {
                0 => return fail(EPERM),
                WRITER | 1 => 0,
                _ => now - 1,
            };
            match self
                .0
                .compare_exchange_weak(now, new, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => {
                    if new == 0 && now & WAITED != 0 {
                        futex::wake(&raw const self.0, i32::MAX);
                    }
                    return Ok(());
                }
                Err(other) => now = other,
            }
        }
    }
}

c_api! {
    fn pthread_rwlock_init(lock: *mut RwLock, _attributes: *const u8) -> c_int { lock.write(RwLock(AtomicI32::new(0))); 0 }
    fn pthread_rwlock_destroy(lock: *mut RwLock) -> c_int {
        if (*lock).0.load(Ordering::Relaxed) & !WAITED == 0 { 0 } else { EBUSY }
    }
    fn pthread_rwlock_rdlock(lock: *const RwLock) -> c_int { code((*lock).acquire(RwLock::try_read, None)) }
    fn pthread_rwlock_tryrdlock(lock: *const RwLock) -> c_int { code((*lock).try_read().unwrap_or(fail(EBUSY))) }
    fn pthread_rwlock_timedrdlock(lock: *const RwLock, time: *const Timespec) -> c_int { code((*lock).acquire(RwLock::try_read, Some(&*time))) }
    fn pthread_rwlock_wrlock(lock: *const RwLock) -> c_int { code((*lock).acquire(RwLock::try_write, None)) }
    fn pthread_rwlock_trywrlock(lock: *const RwLock) -> c_int { code((*lock).try_write().unwrap_or(fail(EBUSY))) }
    fn pthread_rwlock_timedwrlock(lock: *const RwLock, time: *const Timespec) -> c_int { code((*lock).acquire(RwLock::try_write, Some(&*time))) }
    fn pthread_rwlock_unlock(lock: *const RwLock) -> c_int { code((*lock).release()) }

    fn pthread_spin_init(lock: *mut AtomicI32, _shared: c_int) -> c_int { lock.write(AtomicI32::new(0)); 0 }
    fn pthread_spin_destroy(_lock: *mut AtomicI32) -> c_int { 0 }
    fn pthread_spin_lock(lock: *const AtomicI32) -> c_int {
        while (*lock).swap(1, Ordering::Acquire) != 0 {
            sys::sched_yield();
        }
        0
    }
    fn pthread_spin_trylock(lock: *const AtomicI32) -> c_int { if (*lock).swap(1, Ordering::Acquire) == 0 { 0 } else { EBUSY } }
    fn pthread_spin_unlock(lock: *const AtomicI32) -> c_int { (*lock).store(0, Ordering::Release); 0 }
}
