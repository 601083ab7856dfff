//! Cancellation.
//!
//! A request is a bit of the thread's state. The thread looks at it when it enters a cancellation point
//! and when a wait in one has been interrupted, never elsewhere; so no lock of the library's is held when
//! it ends. Whoever asks interrupts the thread's wait, and does so again while the thread is in a
//! cancellation point and has not looked: it may just have been on its way into the wait.
//!
//! With `PTHREAD_CANCEL_ASYNCHRONOUS` a signal that programs do not see ends the thread wherever it is.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering};

use redox_rt::Result;
use redox_rt::signal as rt;
use rt_core::signal::{Action, Handler};
use syscall::flag::ContextVerb;
use syscall::{EINTR, EINVAL, ESRCH, TimeSpec};

use super::{Kept, Thread, current, finish};

/// The first realtime signal; `SIGRTMIN` is above it.
pub(crate) const SIGNAL: c_int = 33;

const REQUESTED: u32 = 1;
const DISABLED: u32 = 2;
const ASYNCHRONOUS: u32 = 4;
const IN_POINT: u32 = 8;
/// The thread is on its way out, whatever its destructors set.
const ENDING: u32 = 16;
/// Where a request does nothing.
const DEAF: u32 = DISABLED | ENDING;

/// How often a thread is interrupted that does not look, a millisecond apart: what it waits for may be
/// nothing that can be interrupted.
const ATTEMPTS: u32 = 1000;
const PAUSE: TimeSpec = TimeSpec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

/// Requests and settings of one thread.
pub(crate) struct State(AtomicU32);

impl State {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn is_due(&self) -> bool {
        self.0.load(Ordering::SeqCst) & (REQUESTED | DEAF) == REQUESTED
    }

    /// Sets or takes away a bit; whether it was set.
    fn change(&self, bit: u32, on: bool) -> bool {
        let before = if on {
            self.0.fetch_or(bit, Ordering::SeqCst)
        } else {
            self.0.fetch_and(!bit, Ordering::SeqCst)
        };
        before & bit != 0
    }
}

/// The calling thread ends, alone or with the process: from now on nobody's request is heard.
pub(crate) fn end() {
    current().cancellation.change(ENDING, true);
}

/// Ends the calling thread as a cancelled one.
fn act() -> ! {
    // SAFETY: the thread's own handlers run, as C has it; nothing of the library's is on the stack that
    // somebody waits for.
    unsafe { finish(libc_canceled()) }
}

/// `PTHREAD_CANCELED`.
const fn libc_canceled() -> *mut c_void {
    core::ptr::without_provenance_mut(usize::MAX)
}

/// Ends the thread if somebody has asked for it.
pub(crate) fn look() {
    if is_due() {
        act();
    }
}

/// Whether the calling thread ends at its next [`look`].
pub(crate) fn is_due() -> bool {
    current().cancellation.is_due() && crate::sys::is_cancellable()
}

/// Whether an interrupted call is not to be made again.
pub(crate) fn is_wanted() -> bool {
    let state = current().cancellation.0.load(Ordering::SeqCst);
    state & (REQUESTED | DEAF | IN_POINT) == REQUESTED | IN_POINT
}

/// A cancellation point: `call` may wait, and holds nothing that others need when it is interrupted.
pub(crate) fn cancellable<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    if !crate::sys::is_cancellable() {
        return call();
    }
    let result = in_point(call);
    if matches!(&result, Err(e) if e.errno == EINTR) {
        look();
    }
    result
}

/// The same for a wait after which something has to be done before the thread may end; it looks itself.
pub(crate) fn in_point<T>(call: impl FnOnce() -> T) -> T {
    look();
    within_point(|| {
        // Once more after the bit is set, so that whoever asks sees it or is seen.
        look();
        call()
    })
}

/// A wait within a cancellation point, for a thread that may not end right before it.
pub(crate) fn within_point<T>(call: impl FnOnce() -> T) -> T {
    let state = &current().cancellation;
    let outer = state.change(IN_POINT, true);
    let result = call();
    if !outer {
        state.change(IN_POINT, false);
    }
    result
}

extern "C" fn on_signal(_: c_int) {
    let state = current().cancellation.0.load(Ordering::SeqCst);
    if state & (REQUESTED | DEAF | ASYNCHRONOUS) == REQUESTED | ASYNCHRONOUS {
        act();
    }
}

unsafe fn request(thread: *const Thread) -> c_int {
    if thread.is_null() {
        return ESRCH;
    }
    let target = Kept::new(thread);
    let state = &target.cancellation;
    let before = state.0.fetch_or(REQUESTED, Ordering::SeqCst);
    let is_asynchronous = before & (ASYNCHRONOUS | DEAF) == ASYNCHRONOUS;
    if core::ptr::eq(thread, current()) {
        drop(target);
        if is_asynchronous {
            act();
        }
        return 0;
    }
    if is_asynchronous && before & IN_POINT == 0 {
        let sent = target.with_block(|tcb| rt::send_to_thread(tcb, SIGNAL));
        return super::code(sent.unwrap_or(Ok(())));
    }
    for _ in 0..ATTEMPTS {
        if state.0.load(Ordering::SeqCst) & (IN_POINT | DEAF) != IN_POINT {
            break;
        }
        let told = target.with_block(|tcb| {
            if let Some(context) = tcb.thread_fd() {
                let _ = context.tell(ContextVerb::Interrupt);
            }
        });
        if told.is_none() {
            break;
        }
        let _ = redox_rt::sys::nanosleep(&PAUSE);
    }
    0
}

c_api! {
    fn pthread_cancel(thread: *const Thread) -> c_int { request(thread) }
    fn pthread_testcancel() { look() }
    fn pthread_setcancelstate(setting: c_int, old: *mut c_int) -> c_int {
        if !matches!(setting, 0 | 1) {
            return EINVAL;
        }
        let before = current().cancellation.change(DISABLED, setting == 1);
        if !old.is_null() {
            old.write(c_int::from(before));
        }
        0
    }
    fn pthread_setcanceltype(setting: c_int, old: *mut c_int) -> c_int {
        if !matches!(setting, 0 | 1) {
            return EINVAL;
        }
        if setting == 1 {
            let action = Action { handler: Handler::Function(on_signal as *const () as usize), ..Action::DEFAULT };
            if let Err(e) = rt::sigaction(SIGNAL, Some(&action)) {
                return e.errno;
            }
        }
        let before = current().cancellation.change(ASYNCHRONOUS, setting == 1);
        if !old.is_null() {
            old.write(c_int::from(before));
        }
        if setting == 1 {
            look();
        }
        0
    }
}
