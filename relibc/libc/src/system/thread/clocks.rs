//! Clocks of threads, as `pthread_getcpuclockid` names them.

use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicUsize, Ordering};

use redox_rt::context::read_status_and_time;
use redox_rt::futex::MutexGuard;
use redox_rt::{Error, Fd, Result};
use syscall::{EINVAL, ENOMEM, ESRCH};

use super::Thread;
use crate::system::fail;
use crate::system::fork::Mutex;

/// The number of a thread's clock is this and the thread's own number.
const FIRST: u32 = 1 << 16;

/// A clock that somebody has asked for: its number, and the `status` of the thread's context.
type Clock = (c_int, Fd);

static CLOCKS: Mutex<Vec<Clock>> = Mutex::new(Vec::new());
/// How many there are, so that a thread that ends need not take the lock for nothing.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn number_of(thread: &Thread) -> Option<c_int> {
    c_int::try_from(FIRST.checked_add(thread.id)?).ok()
}

/// The number of a thread's clock.
///
/// # Safety
/// The thread's record exists.
pub(crate) unsafe fn number(thread: &Thread) -> Result<c_int> {
    let number = number_of(thread).ok_or(Error::new(EINVAL))?;
    let mut clocks = CLOCKS.lock();
    if clocks.iter().any(|clock| clock.0 == number) {
        return Ok(number);
    }
    let added = thread.with_block(|tcb| {
        let context = tcb.thread_fd().ok_or(Error::new(ESRCH))?;
        let status = context.handle(b"status")?;
        clocks.try_reserve(1).map_err(|_| Error::new(ENOMEM))?;
        clocks.push((number, status));
        // The thread may end after this, and looks whether there is a clock to forget.
        COUNT.store(clocks.len(), Ordering::Release);
        Ok(number)
    });
    added.unwrap_or(fail(ESRCH))
}

/// The time of a thread's clock in nanoseconds, if `number` is one's.
pub(crate) fn of(number: c_int) -> Option<Result<u64>> {
    if number < FIRST as c_int {
        return None;
    }
    let clocks = CLOCKS.lock();
    let clock = clocks.iter().find(|clock| clock.0 == number);
    Some(match clock {
        Some((_, status)) => read_status_and_time(status).map(|(_, time)| time),
        None => fail(EINVAL),
    })
}

/// A thread ends, and its clock with it.
pub(super) fn forget(thread: &Thread) {
    if COUNT.load(Ordering::Acquire) == 0 {
        return;
    }
    let mut clocks = CLOCKS.lock();
    clocks.retain(|clock| Some(clock.0) != number_of(thread));
    COUNT.store(clocks.len(), Ordering::Release);
}

/// Held during a fork.
pub(crate) struct Held(MutexGuard<'static, Vec<Clock>>);

/// Keeps the clocks as they are. `None` while somebody changes them.
pub(crate) fn hold() -> Option<Held> {
    CLOCKS.try_hold().map(Held)
}

/// In the child of a fork that could not hold them.
///
/// # Safety
/// There is no other thread, and this one is not about to change them.
pub(crate) unsafe fn forget_all() {
    // SAFETY: as the caller says.
    unsafe { CLOCKS.renew(Vec::new()) };
    COUNT.store(0, Ordering::Release);
}

impl Held {
    /// In the child: the threads were its parent's.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
        COUNT.store(0, Ordering::Release);
    }
}
