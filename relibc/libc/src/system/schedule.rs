//! `<sched.h>` and what `<pthread.h>` has of scheduling. There is one policy, `SCHED_OTHER`, with one
//! priority, 0.

use core::ffi::{c_int, c_void};

use libredox::protocol::ProcCall;
use redox_rt::tcb::Tcb;
use redox_rt::{Error, Fd, Result, process, sys};
use syscall::{EINVAL, EOPNOTSUPP as ENOTSUP, EPERM, ESRCH};

use super::thread::Thread;
use super::{code, fail, int, unit};
use crate::sys::Timespec;

const OTHER: c_int = 0;

/// How long a thread of a process runs while others wait, in nanoseconds: the kernel gives a quarter of a
/// millisecond for each of the 40 priorities that is less urgent, and its own.
fn slice(pid: c_int) -> i64 {
    let priority = process::call(ProcCall::GetProcPriority, &mut [], &[pid as u64]).unwrap_or(20);
    250_000 * (40 - priority.min(39)) as i64
}

/// Whether there is such a process; 0 is the calling one.
pub(crate) fn find(pid: c_int) -> Result<()> {
    match pid {
        0 => Ok(()),
        _ if process::pid().is_ok_and(|own| own as c_int == pid) => Ok(()),
        1.. => redox_rt::signal::kill(pid as isize, 0).or_else(|e| {
            // It is there, though not ours to signal.
            if e.errno == EPERM {
                Ok(())
            } else {
                fail(ESRCH)
            }
        }),
        _ => fail(EINVAL),
    }
}

fn limit(policy: c_int) -> Result<usize> {
    if policy == OTHER { Ok(0) } else { fail(EINVAL) }
}

fn check(policy: c_int, priority: c_int) -> Result<()> {
    match (policy, priority) {
        (OTHER, 0) => Ok(()),
        (OTHER, _) => fail(EINVAL),
        (1 | 2, _) => fail(ENOTSUP),
        _ => fail(EINVAL),
    }
}

/// The processors that a thread may run on, as the kernel keeps them.
fn affinity(pid: c_int) -> Result<Fd> {
    // Of another process nobody but its manager has the threads.
    if pid != 0 && process::pid().is_ok_and(|own| own as c_int != pid) {
        find(pid)?;
        return fail(EPERM);
    }
    let context = Tcb::current()
        .and_then(Tcb::thread_fd)
        .ok_or(Error::new(ESRCH))?;
    sys::dup(context.raw(), b"sched-affinity", sys::FD_ANY_UPPER).map(Fd::from_raw)
}

const MASK: usize = size_of::<u128>();

unsafe fn get_affinity(pid: c_int, size: usize, set: *mut u8) -> Result<()> {
    if size == 0 {
        return fail(EINVAL);
    }
    let mut mask = [0u8; MASK];
    affinity(pid)?.read(&mut mask)?;
    // Those that the machine does not have are not in the set.
    let present = super::limits::processors().clamp(1, 128) as u32;
    let mask = u128::from_le_bytes(mask) & (u128::MAX >> (128 - present));
    let bytes = mask.to_le_bytes();
    set.write_bytes(0, size);
    set.copy_from_nonoverlapping(bytes.as_ptr(), size.min(MASK));
    Ok(())
}

unsafe fn set_affinity(pid: c_int, size: usize, set: *const u8) -> Result<()> {
    let mut mask = [0u8; MASK];
    mask.as_mut_ptr()
        .copy_from_nonoverlapping(set, size.min(MASK));
    affinity(pid)?.write(&mask).map(drop)
}

unsafe fn alive(thread: *const Thread) -> Result<()> {
    if thread.is_null() {
        fail(ESRCH)
    } else {
        Ok(())
    }
}

c_api! {
    fn sched_get_priority_max(policy: c_int) -> c_int { int(limit(policy)) }
    fn sched_get_priority_min(policy: c_int) -> c_int { int(limit(policy)) }
    fn sched_getscheduler(pid: c_int) -> c_int { int(find(pid).map(|()| OTHER as usize)) }
    fn sched_setscheduler(pid: c_int, policy: c_int, priority: *const c_int) -> c_int {
        // The former policy is the answer.
        int(find(pid).and_then(|()| check(policy, *priority)).map(|()| OTHER as usize))
    }
    fn sched_getparam(pid: c_int, priority: *mut c_int) -> c_int { unit(find(pid).map(|()| priority.write(0))) }
    fn sched_setparam(pid: c_int, priority: *const c_int) -> c_int { unit(find(pid).and_then(|()| check(OTHER, *priority))) }
    fn sched_rr_get_interval(pid: c_int, interval: *mut Timespec) -> c_int {
        unit(find(pid).map(|()| interval.write(Timespec { tv_sec: 0, tv_nsec: slice(pid) })))
    }
    fn sched_getaffinity(pid: c_int, size: usize, set: *mut c_void) -> c_int { unit(get_affinity(pid, size, set.cast())) }
    fn sched_setaffinity(pid: c_int, size: usize, set: *const c_void) -> c_int { unit(set_affinity(pid, size, set.cast())) }
    fn pthread_getschedparam(thread: *const Thread, policy: *mut c_int, priority: *mut c_int) -> c_int {
        code(alive(thread).map(|()| { policy.write(OTHER); priority.write(0); }))
    }
    fn pthread_setschedparam(thread: *const Thread, policy: c_int, priority: *const c_int) -> c_int {
        code(alive(thread).and_then(|()| check(policy, *priority)))
    }
    fn pthread_setschedprio(thread: *const Thread, priority: c_int) -> c_int {
        code(alive(thread).and_then(|()| check(OTHER, priority)))
    }
    fn pthread_getcpuclockid(thread: *const Thread, clock: *mut c_int) -> c_int {
        code(alive(thread).and_then(|()| super::thread::clocks::number(&*thread)).map(|number| clock.write(number)))
    }
}
