//! Waiting on a word of memory, and the mutual exclusion that is built on it.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicI32, Ordering};

use syscall::TimeSpec;
use syscall::error::Result;

use crate::sys;

/// Sleeps until woken, if `word` still is `expected`; `timeout` is an amount of time. Errors:
/// `EAGAIN` when the word differs, `ETIMEDOUT`, `EINTR`.
pub fn wait(word: &AtomicI32, expected: i32, timeout: Option<&TimeSpec>) -> Result<()> {
    let deadline = timeout.map(after).transpose()?;
    wait_until(word, expected, deadline.as_ref())
}

/// [`wait`] up to a time of the monotonic clock, which is what the kernel asks for.
pub fn wait_until(word: &AtomicI32, expected: i32, deadline: Option<&TimeSpec>) -> Result<()> {
    let deadline = deadline.map_or(0, |time| core::ptr::from_ref(time) as usize);
    // SAFETY: the word and the time are borrowed for the time of the call.
    unsafe {
        sys::futex(
            word.as_ptr(),
            syscall::FUTEX_WAIT,
            expected,
            deadline,
            core::ptr::null_mut(),
        )
    }
    .map(drop)
}

/// The time of the monotonic clock when so much has passed.
pub fn after(amount: &TimeSpec) -> Result<TimeSpec> {
    sys::clock_gettime(syscall::CLOCK_MONOTONIC).map(|now| sum(&now, amount))
}

/// The time so much later, or the last there is.
fn sum(time: &TimeSpec, amount: &TimeSpec) -> TimeSpec {
    const SECOND: i64 = 1_000_000_000;
    let nanos = i64::from(time.tv_nsec) + i64::from(amount.tv_nsec);
    TimeSpec {
        tv_sec: time
            .tv_sec
            .saturating_add(amount.tv_sec)
            .saturating_add(nanos.div_euclid(SECOND)),
        tv_nsec: nanos.rem_euclid(SECOND) as i32,
    }
}

/// Wakes up to `count` sleepers on `word` and answers how many there were. The word may be gone by
/// now: only its address counts.
pub fn wake(word: *const AtomicI32, count: i32) -> usize {
    // SAFETY: a wake reads and writes no memory of this process; its only failure is a bad address,
    // on which nobody can be sleeping.
    unsafe {
        sys::futex(
            word.cast_mut().cast(),
            syscall::FUTEX_WAKE,
            count,
            0,
            core::ptr::null_mut(),
        )
    }
    .unwrap_or(0)
}

const FREE: i32 = 0;
const HELD: i32 = 1;
const CONTENDED: i32 = 2;

/// A lock of one word: free, held, or held with sleepers (Drepper, "Futexes Are Tricky", mutex 2).
#[derive(Debug)]
pub struct RawMutex(AtomicI32);

impl RawMutex {
    /// A free lock.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI32::new(FREE))
    }

    /// Takes the lock if it is free.
    pub fn try_acquire(&self) -> bool {
        self.0
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the lock, sleeping as long as it is held.
    pub fn acquire(&self) {
        if self.try_acquire() {
            return;
        }
        while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {
            // Woken, interrupted or changed meanwhile: in every case look again.
            let _ = wait(&self.0, CONTENDED, None);
        }
    }

    /// Gives the lock back.
    ///
    /// # Safety
    /// The caller must hold it.
    pub unsafe fn release(&self) {
        if self.0.swap(FREE, Ordering::Release) == CONTENDED {
            wake(&raw const self.0, 1);
        }
    }
}

impl Default for RawMutex {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "lock-api")]
// SAFETY: at most one `acquire` or successful `try_acquire` returns between two releases: only a
// change from FREE to something else takes the lock, and that is one atomic operation.
unsafe impl lock_api::RawMutex for RawMutex {
    const INIT: Self = Self::new();
    type GuardMarker = lock_api::GuardSend;

    fn lock(&self) {
        self.acquire();
    }

    fn try_lock(&self) -> bool {
        self.try_acquire()
    }

    unsafe fn unlock(&self) {
        // SAFETY: the trait's contract is the same.
        unsafe { self.release() }
    }
}

/// A value that one thread at a time can reach.
#[derive(Debug, Default)]
pub struct Mutex<T> {
    lock: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value to one thread at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A free one.
    pub const fn new(value: T) -> Self {
        Self {
            lock: RawMutex::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.lock.acquire();
        MutexGuard(self)
    }

    /// Takes it if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.lock.try_acquire().then(|| MutexGuard(self))
    }

    /// Makes it free, with another value; the former one is forgotten.
    ///
    /// # Safety
    /// Nobody may have a guard of it: this thread has none, and others, which may have had one, are no more.
    pub unsafe fn renew(&self, value: T) {
        // SAFETY: by the caller's contract nobody else uses the value.
        unsafe { self.value.get().write(value) };
        self.lock.0.store(FREE, Ordering::Release);
    }
}

/// Access to a [`Mutex`]'s value until it is dropped.
#[derive(Debug)]
pub struct MutexGuard<'a, T>(&'a Mutex<T>);

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the lock and is borrowed mutably.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this guard holds the lock.
        unsafe { self.0.lock.release() }
    }
}
