//! Terminals: what there is to one is asked of descriptors derived from it, `dup(fd, "termios")` and the
//! like.

use libredox::protocol::ProcCall;
use syscall::error::{Error, Result};
use syscall::{CallFlags, EINVAL, ENOTTY, ENXIO, EPERM};

use crate::fd::Fd;
use crate::signal::again;
use crate::{process, sys};

/// Settings, as C's `struct termios`.
pub const SETTINGS: &[u8] = b"termios";
/// The window's size, as C's `struct winsize`.
pub const SIZE: &[u8] = b"winsize";
/// The session whose controlling terminal it is, as a C `int`.
pub const SESSION: &[u8] = b"sid";
/// The process group in the foreground, as a C `int`.
pub const FOREGROUND: &[u8] = b"pgrp";

/// Something about a terminal, as a descriptor. `ENOTTY` for what is no terminal; other errors are those of
/// the descriptor and, `EIO`, of a terminal that has been hung up.
pub fn derived(fd: usize, what: &[u8]) -> Result<Fd> {
    sys::rights(fd)?;
    match again(|| sys::dup(fd, what, sys::FD_ANY_UPPER)) {
        Ok(derived) => Ok(Fd::from_raw(derived)),
        Err(e) if matches!(e.errno, syscall::EIO | syscall::EMFILE | syscall::ENOMEM) => Err(e),
        Err(_) => Err(Error::new(ENOTTY)),
    }
}

/// Whether a descriptor is a terminal's.
#[must_use]
pub fn is_terminal(fd: usize) -> bool {
    derived(fd, SETTINGS).is_ok()
}

/// Makes a terminal the controlling one of the session that this process leads: the terminal gets the
/// session's descriptor, to signal it, and the process manager two of the terminal's: one whose end is the
/// end of the session, and one to open the terminal through. Nothing happens if it is the session's already;
/// `EPERM` if the session has another one, or this process does not lead it.
pub fn acquire(fd: usize) -> Result<()> {
    let own = process::process_fd().ok_or(Error::new(syscall::ENOSYS))?;
    let place = derived(fd, b"sctty")?;
    // Asked before the terminal is told: it hangs its new session up if that turns out to have another one.
    if process::call(ProcCall::ControlTerm, &mut [], &[0]).is_ok() {
        let is_ours = session(fd).is_ok_and(|its| process::session(0) == Ok(its));
        return if is_ours {
            Ok(())
        } else {
            Err(Error::new(EPERM))
        };
    }
    let session = Fd::from_raw(again(|| sys::dup(own, b"session", sys::FD_ANY_UPPER))?);
    place.send(session, &[])?;
    let (kept, lent) = (derived(fd, b"controlling")?, derived(fd, b"lent")?);
    sys::send_fds(own, &[kept.raw(), lent.raw()], CallFlags::FD_CLONE, &[]).map(drop)
}

/// The session whose controlling terminal it is.
fn session(fd: usize) -> Result<u32> {
    let mut bytes = [0; 4];
    let place = derived(fd, SESSION)?;
    again(|| place.read_exact(&mut bytes))?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Gives the controlling terminal up. Only the session's leader may; `ENOTTY` without one.
pub fn release() -> Result<()> {
    match process::call(ProcCall::ControlTerm, &mut [], &[1]) {
        Err(e) if e.errno == ENXIO => Err(Error::new(ENOTTY)),
        done => done.map(drop),
    }
}

/// The process group in the foreground.
pub fn foreground(fd: usize) -> Result<u32> {
    let mut bytes = [0; 4];
    let place = derived(fd, FOREGROUND)?;
    again(|| place.read_exact(&mut bytes))?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Puts a process group into the foreground.
pub fn set_foreground(fd: usize, group: u32) -> Result<()> {
    if i32::try_from(group).is_err() {
        return Err(Error::new(EINVAL));
    }
    derived(fd, FOREGROUND)?.write_exact(&group.to_ne_bytes())
}
