//! What the process holds for all its threads: its own descriptor, its identity, its file mode mask.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use libredox::protocol::{ProcCall, ProcMeta};
use syscall::error::{Error, Result};
use syscall::flag::CallFlags;
use syscall::{EINVAL, ENOSYS, ESRCH};

use crate::sys;
use crate::tcb::{NONE, Tcb};

static PROCESS: AtomicUsize = AtomicUsize::new(NONE);
static UMASK: AtomicU32 = AtomicU32::new(0o022);
/// The process number, 0 while it is not known.
static PID: AtomicU32 = AtomicU32::new(0);

/// The process's descriptor, from the process manager; `None` when there is no manager.
#[must_use]
pub fn process_fd() -> Option<usize> {
    match PROCESS.load(Ordering::Relaxed) {
        NONE => None,
        fd => Some(fd),
    }
}

/// Names the process's descriptor: at the start, and in the child of a fork.
pub fn set_process_fd(fd: Option<usize>) {
    PROCESS.store(fd.unwrap_or(NONE), Ordering::Relaxed);
    PID.store(0, Ordering::Relaxed);
}

/// Permission bits that new files do not get.
#[must_use]
pub fn umask() -> u16 {
    UMASK.load(Ordering::Relaxed) as u16
}

/// Sets the permission bits that new files do not get, and answers the former ones.
pub fn set_umask(mask: u16) -> u16 {
    UMASK.swap(u32::from(mask & 0o777), Ordering::Relaxed) as u16
}

/// Asks the process manager. `ENOSYS` when there is none.
pub fn call(verb: ProcCall, payload: &mut [u8], args: &[u64]) -> Result<usize> {
    call_on(process_fd().ok_or(Error::new(ENOSYS))?, verb, payload, args)
}

/// Asks the process manager through another of its descriptors.
pub fn call_on(fd: usize, verb: ProcCall, payload: &mut [u8], args: &[u64]) -> Result<usize> {
    let mut metadata = [0u64; 8];
    let all = [verb as u64].into_iter().chain(args.iter().copied());
    for (place, word) in metadata.iter_mut().zip(all) {
        *place = word;
    }
    let metadata = metadata.get(..args.len() + 1).ok_or(Error::new(EINVAL))?;
    sys::call_read_write(fd, payload, CallFlags::empty(), metadata)
}

/// The process number: the context's own attribute, read once.
pub fn pid() -> Result<u32> {
    match PID.load(Ordering::Relaxed) {
        0 => {
            let context = Tcb::current()
                .and_then(Tcb::thread_fd)
                .ok_or(Error::new(ESRCH))?;
            let pid = context.attributes()?.pid;
            PID.store(pid, Ordering::Relaxed);
            Ok(pid)
        }
        pid => Ok(pid),
    }
}

/// The process's identities. Without a process manager, real and effective are the same.
pub fn credentials() -> Result<ProcMeta> {
    if let Some(fd) = process_fd() {
        return credentials_of(fd, pid()? as usize);
    }
    let context = Tcb::current()
        .and_then(Tcb::thread_fd)
        .ok_or(Error::new(ESRCH))?;
    let a = context.attributes()?;
    Ok(ProcMeta {
        pid: a.pid,
        ruid: a.euid,
        euid: a.euid,
        suid: a.euid,
        rgid: a.egid,
        egid: a.egid,
        sgid: a.egid,
        ..Default::default()
    })
}

/// Another process's identities, through a descriptor of the process manager's that may ask.
pub fn credentials_of(fd: usize, pid: usize) -> Result<ProcMeta> {
    let mut words = [0u32; size_of::<ProcMeta>() / 4];
    // SAFETY: integers as the bytes they are made of; any bytes make integers.
    let bytes =
        unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(&words)) };
    call_on(fd, ProcCall::GetProcCredentials, bytes, &[pid as u64])?;
    let [
        pid,
        pgid,
        ppid,
        ruid,
        euid,
        suid,
        rgid,
        egid,
        sgid,
        ens,
        rns,
    ] = words;
    Ok(ProcMeta {
        pid,
        pgid,
        ppid,
        ruid,
        euid,
        suid,
        rgid,
        egid,
        sgid,
        ens,
        rns,
    })
}
