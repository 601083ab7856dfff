//! Timers: POSIX's, `alarm` and `setitimer`. Each has a thread that sleeps until it is due.

use alloc::boxed::Box;
use core::ffi::{c_int, c_uint, c_void};

use core::sync::atomic::{AtomicI32, Ordering};

use cap_abi::auxv::{AT_CUPRITE_ALARM, AT_CUPRITE_ALARM_INTERVAL};
use redox_rt::futex::{self, Mutex};
use redox_rt::signal::without_delivery;
use redox_rt::start::Start;
use redox_rt::{Result, process};
use syscall::{EAGAIN, EINVAL, ENOSYS, ETIMEDOUT, TimeSpec};

use super::signal::SI_TIMER;
use super::thread::{self, Attributes};
use super::{fail, unit};
use crate::sys::Timespec;

/// `struct itimerspec`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Setting {
    interval: Timespec,
    value: Timespec,
}

/// `struct sigevent`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Event {
    value: usize,
    signal: c_int,
    notify: c_int,
    function: Option<unsafe extern "C" fn(usize)>,
    attributes: *const c_void,
}

/// How the owner is told.
#[derive(Clone, Copy)]
enum Notice {
    None,
    Signal(c_int),
    /// A signal with a value.
    Queue(c_int, usize),
    Call(unsafe extern "C" fn(usize), usize),
}

struct State {
    /// When it is due, in nanoseconds of the clock; `None` when it is not set.
    due: Option<i128>,
    interval: i128,
    /// How often it was due without anybody being told, since the last notice.
    overruns: c_int,
    ended: bool,
}

impl State {
    const NEW: Self = Self {
        due: None,
        interval: 0,
        overruns: 0,
        ended: false,
    };
}

pub struct Timer {
    clock: c_int,
    notice: Notice,
    state: Mutex<State>,
    /// Moved on by every change.
    changes: AtomicI32,
    thread: Mutex<Option<usize>>,
}

const SECOND: i128 = 1_000_000_000;

fn nanoseconds(t: &Timespec) -> Result<i128> {
    let t = super::time::checked(t)?;
    Ok(i128::from(t.tv_sec) * SECOND + i128::from(t.tv_nsec))
}

fn timespec(n: i128) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(n / SECOND).unwrap_or(i64::MAX),
        tv_nsec: (n % SECOND) as i64,
    }
}

impl Timer {
    const fn new(clock: c_int, notice: Notice) -> Self {
        Self {
            clock,
            notice,
            state: Mutex::new(State::NEW),
            changes: AtomicI32::new(0),
            thread: Mutex::new(None),
        }
    }

    fn now(&self) -> Result<i128> {
        super::time::now(self.clock).and_then(|t| nanoseconds(&t))
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        futex::wake(&raw const self.changes, i32::MAX);
    }

    fn tell(&self) {
        match self.notice {
            Notice::None => {}
            Notice::Signal(signal) => {
                // SAFETY: no memory is involved.
                let _ = unsafe {
                    super::signal::kill(process::pid().map_or(0, |p| p as c_int), signal)
                };
            }
            Notice::Queue(signal, value) => {
                let own = process::pid().map_or(0, |p| p as isize);
                let sent = redox_rt::signal::queue(own, signal, SI_TIMER, value);
                if sent.is_err_and(|e| e.errno == ENOSYS) {
                    // Without a process manager there is nobody who keeps a value.
                    // SAFETY: no memory is involved.
                    let _ = unsafe { super::signal::kill(own as c_int, signal) };
                }
            }
            // SAFETY: the owner's function and its argument.
            Notice::Call(function, value) => unsafe { thread::counted(|| function(value)) },
        }
    }

    /// Uses its state. A handler that does so, as POSIX allows, has to wait for the end.
    fn state<T>(&self, then: impl FnOnce(&mut State) -> T) -> T {
        without_delivery(|| then(&mut self.state.lock()))
    }

    /// The thread of the timer.
    fn run(&self) {
        loop {
            let seen = self.changes.load(Ordering::Acquire);
            let now = self.now().unwrap_or(i128::MAX);
            let mut state = self.state.lock();
            if state.ended {
                return;
            }
            let left = match state.due {
                Some(due) if due <= now => {
                    let late = if state.interval > 0 {
                        (now - due) / state.interval
                    } else {
                        0
                    };
                    state.overruns = c_int::try_from(late).unwrap_or(c_int::MAX);
                    state.due = (state.interval > 0).then(|| due + (late + 1) * state.interval);
                    drop(state);
                    self.tell();
                    continue;
                }
                Some(due) => Some(timespec(due - now)),
                None => None,
            };
            drop(state);
            let left = left.map(|t| TimeSpec {
                tv_sec: t.tv_sec,
                tv_nsec: t.tv_nsec as i32,
            });
            match futex::wait(&self.changes, seen, left.as_ref()) {
                Err(e) if !matches!(e.errno, ETIMEDOUT | EAGAIN | syscall::EINTR) => return,
                _ => {}
            }
        }
    }

    fn setting(&self, state: &State) -> Result<Setting> {
        let now = self.now()?;
        Ok(Setting {
            interval: timespec(state.interval),
            value: state
                .due
                .map_or(Timespec::default(), |due| timespec((due - now).max(1))),
        })
    }

    /// Sets it, and answers the former setting.
    fn set(&self, new: &Setting, absolute: bool) -> Result<Setting> {
        let (value, interval) = (nanoseconds(&new.value)?, nanoseconds(&new.interval)?);
        let now = self.now()?;
        let old = self.state(|state| -> Result<Setting> {
            let old = self.setting(state)?;
            state.due = (value > 0).then_some(if absolute { value } else { now + value });
            state.interval = interval;
            state.overruns = 0;
            Ok(old)
        })?;
        self.changed();
        Ok(old)
    }

    /// Starts the thread if it does not run yet. It takes no signals, so that the program's handlers
    /// run on the program's threads.
    unsafe fn ensure_thread(&self) -> Result<()> {
        without_delivery(|| self.start())
    }

    unsafe fn start(&self) -> Result<()> {
        let mut thread = self.thread.lock();
        if thread.is_some() {
            return Ok(());
        }
        let before = redox_rt::signal::sigmask(Some((libc::SIG_SETMASK, !0)))?;
        let new = thread::spawn(
            &Attributes::new(),
            begin,
            core::ptr::from_ref(self) as usize,
            false,
        );
        redox_rt::signal::sigmask(Some((libc::SIG_SETMASK, before)))?;
        *thread = Some(new? as usize);
        Ok(())
    }
}

unsafe extern "C" fn begin(timer: *mut c_void) -> *mut c_void {
    (*timer.cast::<Timer>()).run();
    core::ptr::null_mut()
}

/// The timer behind `alarm` and `setitimer(ITIMER_REAL)`.
static ALARM: Timer = Timer::new(libc::CLOCK_MONOTONIC, Notice::Signal(libc::SIGALRM));

/// In the child of a fork: neither the alarm nor its thread are there.
///
/// # Safety
/// There is no other thread, and this one is not about to change the alarm.
pub(crate) unsafe fn forget_alarm() {
    // SAFETY: as the caller says.
    unsafe {
        ALARM.state.renew(State::NEW);
        ALARM.thread.renew(None);
    }
}

/// What tells the program of an `exec` of the alarm, which stays set.
pub(crate) fn alarm_for_exec() -> Option<[(usize, usize); 2]> {
    let word = |n: i128| usize::try_from(n).unwrap_or(usize::MAX);
    ALARM.state(|state| {
        let due = (AT_CUPRITE_ALARM, word(state.due?));
        Some([due, (AT_CUPRITE_ALARM_INTERVAL, word(state.interval))])
    })
}

/// Sets the alarm that the program before this one had. There is nobody to be told if that cannot be.
pub(crate) fn resume_alarm(start: &Start) {
    let Some(due) = start.aux(AT_CUPRITE_ALARM) else {
        return;
    };
    let time = |n: usize| timespec(n as i128);
    let interval = start.aux(AT_CUPRITE_ALARM_INTERVAL).unwrap_or(0);
    let setting = Setting {
        interval: time(interval),
        value: time(due),
    };
    // SAFETY: the timer is the process's for ever.
    if unsafe { ALARM.ensure_thread() }.is_ok() {
        let _ = ALARM.set(&setting, true);
    }
}

unsafe fn create(clock: c_int, event: *const Event) -> Result<*mut Timer> {
    if !matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC) {
        return fail(EINVAL);
    }
    let notice = match event.as_ref() {
        None => Notice::Queue(libc::SIGALRM, 0),
        Some(e) => match (e.notify, e.function) {
            (0, _) if rt_core::signal::number(e.signal).is_ok() => Notice::Queue(e.signal, e.value),
            (1, _) => Notice::None,
            (2, Some(function)) => Notice::Call(function, e.value),
            _ => return fail(EINVAL),
        },
    };
    let timer = Box::into_raw(Box::new(Timer::new(clock, notice)));
    if event.is_null() {
        // The value is the timer's own identifier.
        (*timer).notice = Notice::Queue(libc::SIGALRM, timer as usize);
    }
    if let Err(e) = (*timer).ensure_thread() {
        drop(Box::from_raw(timer));
        return Err(e);
    }
    Ok(timer)
}

unsafe fn delete(timer: *mut Timer) -> Result<()> {
    (*timer).state(|state| state.ended = true);
    (*timer).changed();
    let thread = *(*timer).thread.lock();
    if let Some(thread) = thread {
        let handle = thread as *const thread::Thread;
        if handle == thread::pthread_self() {
            // Deleted by its own notice: nobody will touch it after the loop has ended.
            thread::pthread_detach(handle);
            return Ok(());
        }
        thread::pthread_join(handle, core::ptr::null_mut());
    }
    drop(Box::from_raw(timer));
    Ok(())
}

fn to_itimer(s: &Setting) -> libc::itimerval {
    let value = |t: &Timespec| libc::timeval {
        tv_sec: t.tv_sec,
        tv_usec: (t.tv_nsec / 1000) as c_int,
    };
    libc::itimerval {
        it_interval: value(&s.interval),
        it_value: value(&s.value),
    }
}

fn from_itimer(v: &libc::itimerval) -> Setting {
    let value = |t: &libc::timeval| Timespec {
        tv_sec: t.tv_sec,
        tv_nsec: i64::from(t.tv_usec) * 1000,
    };
    Setting {
        interval: value(&v.it_interval),
        value: value(&v.it_value),
    }
}

unsafe fn set_alarm(new: &Setting) -> Result<Setting> {
    ALARM.ensure_thread()?;
    ALARM.set(new, false)
}

unsafe fn alarm_in(value: Timespec, interval: Timespec) -> Timespec {
    set_alarm(&Setting { interval, value }).map_or(Timespec::default(), |old| old.value)
}

c_api! {
    fn timer_create(clock: c_int, event: *const Event, timer: *mut *mut Timer) -> c_int {
        unit(create(clock, event).map(|new| timer.write(new)))
    }
    fn timer_delete(timer: *mut Timer) -> c_int { unit(delete(timer)) }
    fn timer_settime(timer: *mut Timer, flags: c_int, new: *const Setting, old: *mut Setting) -> c_int {
        unit((*timer).set(&*new, flags & 1 != 0).map(|before| if !old.is_null() { old.write(before) }))
    }
    fn timer_gettime(timer: *mut Timer, out: *mut Setting) -> c_int {
        unit((*timer).state(|state| (*timer).setting(state)).map(|now| out.write(now)))
    }
    fn timer_getoverrun(timer: *mut Timer) -> c_int { (*timer).state(|state| state.overruns) }
    fn alarm(seconds: c_uint) -> c_uint {
        let left = alarm_in(Timespec { tv_sec: i64::from(seconds), tv_nsec: 0 }, Timespec::default());
        left.tv_sec as c_uint + c_uint::from(left.tv_nsec > 0)
    }
    fn ualarm(first: c_uint, interval: c_uint) -> c_uint {
        let time = |n: c_uint| Timespec { tv_sec: i64::from(n / 1_000_000), tv_nsec: i64::from(n % 1_000_000) * 1000 };
        let left = alarm_in(time(first), time(interval));
        (left.tv_sec * 1_000_000 + left.tv_nsec / 1000) as c_uint
    }
    fn setitimer(which: c_int, new: *const libc::itimerval, old: *mut libc::itimerval) -> c_int {
        unit(if which != 0 { fail(EINVAL) } else {
            set_alarm(&from_itimer(&*new)).map(|before| if !old.is_null() { old.write(to_itimer(&before)) })
        })
    }
    fn getitimer(which: c_int, out: *mut libc::itimerval) -> c_int {
        unit(if which != 0 { fail(EINVAL) } else { ALARM.state(|state| ALARM.setting(state)).map(|now| out.write(to_itimer(&now))) })
    }
}

// SAFETY: what it points to is the owner's, who answers for its use by another thread.
unsafe impl Sync for Timer {}
