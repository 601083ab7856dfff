//! Sending signals: to a thread, to oneself, to processes.

use core::sync::atomic::Ordering;

use libredox::protocol::{ProcCall, RtSigInfo};
use rt_core::signal as rules;
use syscall::error::{Error, Result};
use syscall::flag::ContextVerb;
use syscall::{EPERM, ESRCH, SenderInfo};

use super::{READY, deliver_now, load_action, thread_bit};
use crate::process;
use crate::tcb::Tcb;

/// This process as a sender.
fn own() -> SenderInfo {
    SenderInfo {
        pid: process::pid().unwrap_or(0),
        ruid: process::real_user().unwrap_or(0),
    }
}

/// Makes a signal pending for another thread of this process, and interrupts it.
pub fn send_to_thread(tcb: &Tcb, signal: i32) -> Result<()> {
    let number = rules::number(signal).map_err(Error::new)?;
    if rules::bit(number) & rules::UNBLOCKABLE != 0 {
        // What ends or stops a thread ends or stops its process.
        return raise(signal);
    }
    if let Some(place) = tcb.control.sender_infos.get(usize::from(number) - 1) {
        place.store(own().raw(), Ordering::Relaxed);
    }
    if let Some((word, bit)) = thread_bit(&tcb.control, number) {
        word.fetch_or(bit, Ordering::Release);
    }
    let context = tcb.thread_fd().ok_or(Error::new(ESRCH))?;
    context.tell(ContextVerb::Interrupt)
}

/// Makes a signal pending for the calling thread, as `raise` does, and lets it be delivered. Signal 0 is none.
pub fn raise(signal: i32) -> Result<()> {
    if signal == 0 {
        return Ok(());
    }
    let signal = rules::number(signal).map_err(Error::new)?;
    let tcb = Tcb::current().ok_or(Error::new(ESRCH))?;
    if rules::bit(signal) & rules::UNBLOCKABLE != 0 || READY.load(Ordering::Acquire) == 0 {
        // Nothing here can stop or end the process by force; its manager can.
        let pid = process::pid()?;
        return process::call(
            ProcCall::Kill,
            &mut [],
            &[u64::from(pid), u64::from(signal)],
        )
        .map(drop);
    }
    if load_action(signal).handler == rules::Handler::Ignore {
        return Ok(());
    }
    if let Some(place) = tcb.control.sender_infos.get(usize::from(signal) - 1) {
        place.store(own().raw(), Ordering::Relaxed);
    }
    if let Some((word, bit)) = thread_bit(&tcb.control, signal) {
        word.fetch_or(bit, Ordering::Release);
    }
    deliver_now(&tcb.control);
    Ok(())
}

/// Sends a signal to a process or group, through the process manager. Without one: `ENOSYS`.
pub fn kill(pid: isize, signal: i32) -> Result<()> {
    if signal != 0 {
        rules::number(signal).map_err(Error::new)?;
    }
    process::call(ProcCall::Kill, &mut [], &[pid as u64, signal as u64])
        .map(drop)
        .map_err(|e| match e.errno {
            syscall::EACCES => Error::new(EPERM),
            _ => e,
        })
}

/// Sends a signal with a value and C's `si_code` to a process or group, through the process manager.
pub fn queue(pid: isize, signal: i32, code: i32, value: usize) -> Result<()> {
    let mut payload = [0u8; size_of::<RtSigInfo>()];
    let words = [value as u64, u64::from(code as u32)];
    for (place, word) in payload.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    let target = [pid as u64, signal as u64];
    process::call(ProcCall::Sigq, &mut payload, &target).map(drop)
}
