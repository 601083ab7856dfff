//! Waiting for signals.

use core::sync::atomic::Ordering;

use rt_core::signal as rules;
use syscall::error::{Error, Result};
use syscall::{EINTR, ESRCH};

use super::{SigInfo, Taken, allowed, current_mask, inhibit, uninhibit};
use crate::futex;
use crate::tcb::Tcb;

/// `sigsuspend`: waits with another mask until a handler has run; always an error, `EINTR` if all is well.
pub fn sigsuspend(mask: u64) -> Error {
    sigsuspend_unless(|| false, mask)
}

/// [`sigsuspend`], ended also when `stop` says so after an interruption.
pub fn sigsuspend_unless(stop: impl Fn() -> bool, mask: u64) -> Error {
    let Some(tcb) = Tcb::current() else {
        return Error::new(ESRCH);
    };
    inhibit(&tcb.control);
    let waiting = &tcb.signal.suspended;
    tcb.signal
        .suspended_mask
        .store(current_mask(tcb) as usize, Ordering::Relaxed);
    waiting.store(1, Ordering::Relaxed);
    tcb.control.set_allowset(!(mask & !rules::UNBLOCKABLE));
    uninhibit(&tcb.control);
    // The handler's start clears the word, and its frame says the former mask. An ignored signal ends
    // the sleep but not the wait.
    while waiting.load(Ordering::Relaxed) != 0 {
        let _ = futex::wait(waiting, 1, None);
        if stop() {
            inhibit(&tcb.control);
            if waiting.swap(0, Ordering::Relaxed) != 0 {
                let former = tcb.signal.suspended_mask.load(Ordering::Relaxed) as u64;
                tcb.control.set_allowset(!former);
            }
            uninhibit(&tcb.control);
        }
    }
    Error::new(EINTR)
}

/// `sigtimedwait`: waits for one of a set of signals and takes it, without its handler. Those of the set
/// are to be blocked by every thread. Errors: `ETIMEDOUT` (the limit is an amount of time), `EINTR` when
/// another signal's handler has run.
pub fn wait_for(set: u64, limit: Option<&syscall::TimeSpec>) -> Result<SigInfo> {
    wait_for_unless(|| false, set, limit)
}

/// [`wait_for`], with `EINTR` also when `stop` says so after an interruption.
pub fn wait_for_unless(
    stop: impl Fn() -> bool,
    set: u64,
    limit: Option<&syscall::TimeSpec>,
) -> Result<SigInfo> {
    let tcb = Tcb::current().ok_or(Error::new(ESRCH))?;
    let area = &tcb.signal;
    let set = set & !rules::UNBLOCKABLE;
    let deadline = limit.map(futex::after).transpose()?;
    inhibit(&tcb.control);
    let mask = current_mask(tcb);
    area.awaited.store(set as usize, Ordering::Relaxed);
    area.waiting.store(1, Ordering::Relaxed);
    tcb.control.set_allowset(!(mask & !set));
    // What is pending already is delivered here: `choose` hands it over instead of calling a handler.
    uninhibit(&tcb.control);
    let handlers = area.handlers.load(Ordering::Relaxed);
    let mut result = Ok(());
    while area.waiting.load(Ordering::Acquire) != 0 && result.is_ok() {
        result = match futex::wait_until(&area.waiting, 1, deadline.as_ref()) {
            Err(e) if e.errno == syscall::ETIMEDOUT => Err(e),
            Err(e)
                if e.errno == EINTR
                    && (area.handlers.load(Ordering::Relaxed) != handlers || stop()) =>
            {
                Err(e)
            }
            _ => Ok(()),
        };
    }
    inhibit(&tcb.control);
    area.awaited.store(0, Ordering::Relaxed);
    tcb.control.set_allowset(!mask);
    let received = area.waiting.swap(0, Ordering::Acquire) == 0;
    uninhibit(&tcb.control);
    if !received {
        return Err(result.err().unwrap_or(Error::new(EINTR)));
    }
    let [signal, sender, value, address] =
        area.received.each_ref().map(|w| w.load(Ordering::Relaxed));
    Ok(SigInfo {
        signal: (signal & 0xff) as i32,
        code: (signal >> 32) as i32,
        pid: sender as u32 as i32,
        uid: (sender >> 32) as u32,
        value,
        address,
        ..SigInfo::default()
    })
}

/// Hands a signal over to [`wait_for`] if it waits for it.
pub(super) fn hand_over(tcb: &Tcb, taken: &Taken) -> bool {
    let area = &tcb.signal;
    let awaited = area.awaited.load(Ordering::Relaxed) as u64;
    if awaited & rules::bit(taken.signal) == 0 || area.waiting.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let words = [
        usize::from(taken.signal) | (taken.code as u32 as usize) << 32,
        taken.sender.pid as usize | (taken.sender.ruid as usize) << 32,
        taken.value,
        taken.address,
    ];
    for (place, word) in area.received.iter().zip(words) {
        place.store(word, Ordering::Relaxed);
    }
    // One is enough: the others stay pending.
    tcb.control.set_allowset(allowed(&tcb.control) & !awaited);
    area.awaited.store(0, Ordering::Relaxed);
    area.waiting.store(0, Ordering::Release);
    true
}
