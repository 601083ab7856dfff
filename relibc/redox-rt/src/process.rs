//! What the process holds for all its threads: its own descriptor.

use core::sync::atomic::{AtomicUsize, Ordering};

use libredox::protocol::ProcCall;
use syscall::error::{Error, Result};
use syscall::flag::CallFlags;
use syscall::ENOSYS;

use crate::sys;
use crate::tcb::NONE;

static PROCESS: AtomicUsize = AtomicUsize::new(NONE);

/// The process's descriptor, from the process manager; `None` when there is no manager.
#[must_use]
pub fn process_fd() -> Option<usize> {
    match PROCESS.load(Ordering::Relaxed) {
        NONE => None,
        fd => Some(fd),
    }
}

/// Names the process's descriptor.
pub fn set_process_fd(fd: Option<usize>) {
    PROCESS.store(fd.unwrap_or(NONE), Ordering::Relaxed);
}

/// Asks the process manager. `ENOSYS` when there is none.
pub fn call(verb: ProcCall, payload: &mut [u8], flags: CallFlags, args: &[u64]) -> Result<usize> {
    let fd = process_fd().ok_or(Error::new(ENOSYS))?;
    let mut metadata = [0u64; 8];
    let all = [verb as u64].into_iter().chain(args.iter().copied());
    for (place, word) in metadata.iter_mut().zip(all) {
        *place = word;
    }
    let metadata = metadata.get(..args.len() + 1).ok_or(Error::new(syscall::EINVAL))?;
    sys::call_read_write(fd, payload, flags, metadata)
}
