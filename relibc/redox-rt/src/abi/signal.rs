//! Signals.

use rt_core::signal::{Action, Handler};

use super::{Raw, mux_unit};
use crate::signal;

/// # Safety
/// The caller's contract: masks, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_sigprocmask_v1(how: u32, new: *const u64, old: *mut u64) -> Raw {
    // SAFETY: the caller's contract.
    let change = unsafe { new.as_ref() }.map(|&set| (how as i32, set));
    mux_unit(signal::sigmask(change).map(|mask| {
        // SAFETY: the caller's contract.
        if let Some(old) = unsafe { old.as_mut() } {
            *old = mask;
        }
    }))
}

/// # Safety
/// The caller's contract: actions, or null; the new one's handler is a handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_sigaction_v1(
    signal: u32,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> Raw {
    // SAFETY: the caller's contract.
    let new = unsafe { new.as_ref() }.map(|a| Action {
        handler: Handler::from_c(a.sa_sigaction),
        flags: a.sa_flags as u32,
        mask: a.sa_mask,
    });
    mux_unit(
        signal::sigaction(signal as i32, new.as_ref()).map(|action| {
            // SAFETY: the caller's contract.
            if let Some(old) = unsafe { old.as_mut() } {
                old.sa_sigaction = action.handler.to_c();
                old.sa_flags = action.flags as i32;
                old.sa_restorer = None;
                old.sa_mask = action.mask;
            }
        }),
    )
}
