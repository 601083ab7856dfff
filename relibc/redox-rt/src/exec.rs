//! Another program in the place of this one.
//!
//! The new image is put together in an address space of its own, so that every error is still this
//! program's; then this thread's context is switched to it. Descriptors marked close-on-exec are
//! closed, and so are private ones, except those of a fixed role. Two descriptors are needed to the very
//! last instruction; the new program is told to close them (`AT_CUPRITE_CLOSE_FD`).

use cap_abi::auxv::{
    AT_CUPRITE_CLOSE_FD, AT_CUPRITE_SIGPENDING, AT_REDOX_SIGIGN, AT_REDOX_SIGPROCMASK,
    AT_REDOX_UMASK,
};
use cap_abi::fcntl::FD_CLOEXEC;
use libredox::protocol::ProcCall;
use syscall::error::{Error, Result};
use syscall::flag::{O_NONBLOCK, O_RDONLY, UPPER_FDTBL_TAG};
use syscall::{EACCES, ESRCH, F_GETFD};

use crate::context::{AddressSpace, SwitchHandle};
use crate::fd::Fd;
use crate::spawn::{Command, Entry, Numbers, load};
use crate::tcb::Tcb;
use crate::{namespace, process, signal, sys, thread};

/// Opens the program at a path, as a private descriptor.
///
/// # Errors
/// Those of opening it to be read; `EACCES` for what this process may not run.
pub fn open_program(path: &[u8]) -> Result<Fd> {
    // A named pipe is refused, not waited for.
    let file = namespace::open(path, O_RDONLY | O_NONBLOCK, sys::FD_ANY_UPPER).map(Fd::from_raw)?;
    let who = process::credentials()?;
    if rt_core::program::may_run(&file.stat()?, who.euid, who.egid) {
        Ok(file)
    } else {
        Err(Error::new(EACCES))
    }
}

/// The first of some paths at which [`open_program`] finds a program, and that.
///
/// # Errors
/// Of one that is there and cannot be run, the last such; `ENOENT` if there is none.
pub fn find_program<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Result<(P, Fd)> {
    rt_core::program::first(paths, |path| open_program(path.as_ref()))
}

/// Runs another program here. Of `command`, what concerns descriptors and identity (`grants`, `namespace`,
/// `directory`, `process`, `attributes`) does not count: the process keeps what it has, except for its other
/// threads, which end. Comes back only with an error; if that is from the last steps, they have ended, and what was
/// marked is closed already.
pub fn exec(command: &Command<'_>) -> Error {
    match try_exec(command) {
        Ok(never) => match never {},
        Err(e) => e,
    }
}

fn try_exec(command: &Command<'_>) -> Result<core::convert::Infallible> {
    let own = Tcb::current()
        .and_then(Tcb::thread_fd)
        .ok_or(Error::new(ESRCH))?;
    let space = own.address_space()?.new_empty()?;
    let switch = SwitchHandle::of(own)?;
    let mut vector = [(0, 0); MAX_AUX];
    let closing = [
        (AT_CUPRITE_CLOSE_FD, space.fd().raw()),
        (AT_CUPRITE_CLOSE_FD, switch.raw()),
    ];
    let (ignored, blocked) = signal::inherited();
    let state = [
        (AT_REDOX_SIGIGN, ignored as usize),
        (AT_REDOX_SIGPROCMASK, blocked as usize),
        (AT_REDOX_UMASK, usize::from(process::umask())),
    ];
    let pending = signal::sigpending() & blocked;
    let pending = (pending != 0).then_some((AT_CUPRITE_SIGPENDING, pending as usize));
    let own_pairs = closing.into_iter().chain(state).chain(pending);
    let mut len = 0;
    for pair in command.auxv.iter().copied().chain(own_pairs) {
        *vector.get_mut(len).ok_or(Error::new(syscall::E2BIG))? = pair;
        len += 1;
    }
    let numbers = Numbers {
        thread: own.raw(),
        process: process::process_fd(),
        namespace: namespace::namespace(),
        directory: namespace::directory(),
    };
    let command = Command {
        auxv: vector.get(..len).unwrap_or(&[]),
        ..*command
    };
    let entry = load(&space, &command, &numbers)?;
    let keep = [
        Some(own.raw()),
        numbers.process,
        numbers.namespace,
        numbers.directory,
        Some(space.fd().raw()),
        Some(switch.raw()),
    ];
    signal::without_delivery(|| {
        // From here on nobody gives a lock back, so that none is taken, nor may a handler want one.
        thread::end_others()?;
        // Their numbers are private ones, too: nobody may use them when this fails later.
        namespace::forget_copies();
        close_marked(own.file_table()?, &keep)?;
        leave(&space, &switch, entry)
    })
}

fn leave(
    space: &AddressSpace,
    switch: &SwitchHandle,
    entry: Entry,
) -> Result<core::convert::Infallible> {
    if process::process_fd().is_some() {
        // The manager forgets this program's signal pages.
        process::call(ProcCall::DisableSetpgid, &mut [], &[])?;
    }
    // With the address space the kernel forgets this program's signal handlers.
    switch.switch(space, entry.sp, entry.ip)?;
    Err(Error::new(syscall::EIO))
}

const MAX_AUX: usize = 32;

/// Closes what is marked, and private numbers not in `keep`.
fn close_marked(table: crate::context::FileTable, keep: &[Option<usize>]) -> Result<()> {
    const BATCH: usize = 64;
    let mut offset = 0;
    loop {
        let mut numbers = [0usize; BATCH];
        let count = table.numbers(&mut numbers, offset)?;
        let mut kept = 0;
        for &number in numbers.get(..count).unwrap_or(&[]) {
            let stays = number == table.fd().raw()
                || keep.contains(&Some(number))
                || number & UPPER_FDTBL_TAG == 0 && !is_marked(number);
            if stays {
                kept += 1;
            } else {
                // An error concerns what is closed; it is closed all the same.
                let _ = sys::close(number);
            }
        }
        if count < BATCH {
            return Ok(());
        }
        // What was closed is gone from the list, which has moved up.
        offset += kept;
    }
}

fn is_marked(number: usize) -> bool {
    // SAFETY: the command takes no argument.
    unsafe { sys::fcntl(number, F_GETFD, 0) }.is_ok_and(|flags| flags & FD_CLOEXEC != 0)
}
