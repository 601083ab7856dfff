//! Clocks and sleeping.

use core::ffi::{c_int, c_long, c_uint};

use redox_rt::{Error, Result, sys};
use syscall::{EINVAL, ENOSYS, EPERM, TimeSpec};

use super::thread::clocks;
use super::{code, fail, unit};
use crate::sys::Timespec;

fn clock_number(clock: c_int) -> Result<usize> {
    usize::try_from(clock).map_err(|_| Error::new(EINVAL))
}

/// `CLOCK_THREAD_CPUTIME_ID`.
pub(crate) const OF_THREAD: c_int = cap_abi::proc::CLOCK_THREAD_CPUTIME as c_int;

pub(crate) fn now(clock: c_int) -> Result<Timespec> {
    if clock == libc::CLOCK_PROCESS_CPUTIME_ID {
        return used().map(|[own, _]| from_nanoseconds(own));
    }
    if let Some(clock) = clocks::of(clock) {
        return clock.map(from_nanoseconds);
    }
    let t = sys::clock_gettime(clock_number(clock)?)?;
    Ok(Timespec {
        tv_sec: t.tv_sec,
        tv_nsec: c_long::from(t.tv_nsec),
    })
}

fn from_nanoseconds(time: u64) -> Timespec {
    Timespec {
        tv_sec: (time / 1_000_000_000) as i64,
        tv_nsec: (time % 1_000_000_000) as c_long,
    }
}

pub(crate) fn timeval(nanoseconds: u64) -> libc::timeval {
    libc::timeval {
        tv_sec: (nanoseconds / 1_000_000_000) as i64,
        tv_usec: (nanoseconds % 1_000_000_000 / 1000) as c_int,
    }
}

/// Processor time of this process and of the children it has waited for, in nanoseconds. `EINVAL` without a
/// process manager: nobody has the sum then.
pub(crate) fn used() -> Result<[u64; 2]> {
    redox_rt::process::times().map_err(|e| match e.errno {
        ENOSYS => Error::new(EINVAL),
        _ => e,
    })
}

pub(crate) fn checked(time: &Timespec) -> Result<TimeSpec> {
    if !(0..1_000_000_000).contains(&time.tv_nsec) || time.tv_sec < 0 {
        return fail(EINVAL);
    }
    Ok(TimeSpec {
        tv_sec: time.tv_sec,
        tv_nsec: time.tv_nsec as i32,
    })
}

/// Sleeps an amount of time; on `EINTR` what was left is stored.
unsafe fn sleep_for(time: &Timespec, left: *mut Timespec) -> Result<()> {
    let time = checked(time)?;
    let slept = super::thread::cancel::in_point(|| sys::nanosleep(&time));
    super::thread::cancel::look();
    slept.map_err(|(e, rest)| {
        if let Some(left) = left.as_mut() {
            *left = Timespec {
                tv_sec: rest.tv_sec,
                tv_nsec: c_long::from(rest.tv_nsec),
            };
        }
        e
    })
}

unsafe fn clock_sleep(
    clock: c_int,
    flags: c_int,
    time: &Timespec,
    left: *mut Timespec,
) -> Result<()> {
    if !matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC) {
        return fail(EINVAL);
    }
    if flags & 1 == 0 {
        return sleep_for(time, left);
    }
    checked(time)?;
    match super::thread::until(clock, time) {
        Ok(rest) => {
            super::thread::cancel::cancellable(|| sys::nanosleep(&rest).map_err(|(e, _)| e))
        }
        Err(e) if e.errno == syscall::ETIMEDOUT => Ok(()),
        Err(e) => Err(e),
    }
}

/// `struct tms`.
#[repr(C)]
pub struct Times {
    user: c_long,
    system: c_long,
    children_user: c_long,
    children_system: c_long,
}

/// `sysconf(_SC_CLK_TCK)`.
pub(crate) const TICKS: c_long = 100;

c_api! {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int { unit(now(clock).map(|t| time.write(t))) }
    fn clock_getres(clock: c_int, resolution: *mut Timespec) -> c_int {
        unit(now(clock).map(|_| if !resolution.is_null() { resolution.write(Timespec { tv_sec: 0, tv_nsec: 1 }) }))
    }
    fn clock_settime(clock: c_int, _time: *const Timespec) -> c_int {
        // The kernel has no way to set a clock.
        unit(if clock == libc::CLOCK_REALTIME { fail(EPERM) } else { fail(EINVAL) })
    }
    fn settimeofday(_time: *const libc::timeval, _zone: *const core::ffi::c_void) -> c_int { unit(fail(EPERM)) }
    fn gettimeofday(time: *mut libc::timeval, _zone: *mut core::ffi::c_void) -> c_int {
        unit(now(libc::CLOCK_REALTIME).map(|t| if !time.is_null() {
            time.write(libc::timeval { tv_sec: t.tv_sec, tv_usec: (t.tv_nsec / 1000) as c_int });
        }))
    }
    fn time(out: *mut i64) -> i64 {
        let seconds = now(libc::CLOCK_REALTIME).map_or(-1, |t| t.tv_sec);
        if !out.is_null() { out.write(seconds); }
        seconds
    }
    fn timespec_get(time: *mut Timespec, base: c_int) -> c_int {
        match now(libc::CLOCK_REALTIME) {
            Ok(t) if base == 1 => { time.write(t); base }
            _ => 0,
        }
    }
    fn clock() -> c_long { used().map_or(-1, |[own, _]| (own / 1000) as c_long) }
    fn clock_getcpuclockid(pid: c_int, clock: *mut c_int) -> c_int {
        code(super::schedule::find(pid).and_then(|()| {
            // What another process uses is its own and its parent's to know.
            if pid != 0 && redox_rt::process::pid()? as c_int != pid {
                return fail(EPERM);
            }
            clock.write(libc::CLOCK_PROCESS_CPUTIME_ID);
            Ok(())
        }))
    }
    fn times(out: *mut Times) -> c_long {
        let [own, children] = used().unwrap_or([0; 2]).map(|time| (time / (1_000_000_000 / TICKS as u64)) as c_long);
        if !out.is_null() {
            // What the kernel does for a process is counted as the process's own.
            out.write(Times { user: own, system: 0, children_user: children, children_system: 0 });
        }
        now(libc::CLOCK_MONOTONIC).map_or(-1, |t| t.tv_sec * TICKS + t.tv_nsec / (1_000_000_000 / TICKS))
    }
    fn nanosleep(time: *const Timespec, left: *mut Timespec) -> c_int { unit(sleep_for(&*time, left)) }
    fn clock_nanosleep(clock: c_int, flags: c_int, time: *const Timespec, left: *mut Timespec) -> c_int {
        code(clock_sleep(clock, flags, &*time, left))
    }
    fn sleep(seconds: c_uint) -> c_uint {
        let mut left = Timespec::default();
        match sleep_for(&Timespec { tv_sec: i64::from(seconds), tv_nsec: 0 }, &mut left) {
            Ok(()) => 0,
            Err(_) => left.tv_sec as c_uint + c_uint::from(left.tv_nsec >= 500_000_000),
        }
    }
    fn usleep(microseconds: c_uint) -> c_int {
        let time = Timespec { tv_sec: i64::from(microseconds / 1_000_000), tv_nsec: c_long::from(microseconds % 1_000_000) * 1000 };
        unit(sleep_for(&time, core::ptr::null_mut()))
    }
}
