//! What the process holds for all its threads: its own descriptor, its identity, its file mode mask.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use libredox::protocol::{ProcCall, ProcMeta};
pub use libredox::protocol::{ProcKillTarget, WaitFlags};
use syscall::error::{Error, Result};
use syscall::flag::CallFlags;
use syscall::{EINVAL, ENOENT, ENOSYS, ESRCH};

use crate::context::{AddressSpace, Context};
use crate::fd::Fd;
use crate::fork::{Forked, fork_into};
use crate::signal::{self, again};
use crate::spawn::{self, Command, Role};
use crate::sys;
use crate::tcb::{NONE, Tcb};

static PROCESS: AtomicUsize = AtomicUsize::new(NONE);
static UMASK: AtomicU32 = AtomicU32::new(0o022);
/// The process number, 0 while it is not known.
static PID: AtomicU32 = AtomicU32::new(0);
/// The real user, [`NOBODY`] while it is not known.
static REAL_USER: AtomicU32 = AtomicU32::new(NOBODY);
/// No user's number.
const NOBODY: u32 = u32::MAX;

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
    REAL_USER.store(NOBODY, Ordering::Relaxed);
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

/// Asks the process manager through another of its descriptors. Only a wait for a child ends when a signal comes.
pub fn call_on(fd: usize, verb: ProcCall, payload: &mut [u8], args: &[u64]) -> Result<usize> {
    let mut metadata = [0u64; 8];
    let all = [verb as u64].into_iter().chain(args.iter().copied());
    for (place, word) in metadata.iter_mut().zip(all) {
        *place = word;
    }
    let metadata = metadata.get(..args.len() + 1).ok_or(Error::new(EINVAL))?;
    let mut ask = || sys::call_read_write(fd, payload, CallFlags::empty(), metadata);
    match verb {
        ProcCall::Waitpid | ProcCall::Waitpgid => ask(),
        ProcCall::SetResugid => {
            let result = again(ask);
            REAL_USER.store(NOBODY, Ordering::Relaxed);
            result
        }
        _ => again(ask),
    }
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

/// The real user: asked for once, and again after a change that the process has made.
pub fn real_user() -> Result<u32> {
    match REAL_USER.load(Ordering::Relaxed) {
        NOBODY => {
            let user = credentials()?.ruid;
            REAL_USER.store(user, Ordering::Relaxed);
            Ok(user)
        }
        user => Ok(user),
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
    let (at, len) = (words.as_mut_ptr().cast::<u8>(), size_of_val(&words));
    // SAFETY: the bytes are exactly those of the array, which is used again only when the slice is not any more; bytes
    // need no alignment, and whatever is written into them makes integers.
    let bytes = unsafe { core::slice::from_raw_parts_mut(at, len) };
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

/// Another process, by its descriptor: it can be waited for, polled and signalled, and passed on.
#[derive(Debug)]
pub struct Reference(Fd);

impl Reference {
    /// Waits for the process's end and answers its status word (see `rt_core::wait`).
    pub fn wait(&self) -> Result<u32> {
        let mut word = [0; size_of::<usize>()];
        self.0.read_exact(&mut word)?;
        Ok(usize::from_ne_bytes(word) as u32)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let verb = libredox::protocol::PidfdCall::SendSignal as u64;
        self.0.call(&[verb, signal as u64]).map(drop)
    }

    /// The descriptor.
    #[must_use]
    pub const fn fd(&self) -> &Fd {
        &self.0
    }
}

fn own() -> Result<usize> {
    process_fd().ok_or(Error::new(ENOSYS))
}

fn ask(process: usize, what: &[u8]) -> Result<Fd> {
    again(|| sys::dup(process, what, sys::FD_ANY_UPPER)).map(Fd::from_raw)
}

/// One thread of a process, by its place in the manager's list; `None` behind the last.
pub(crate) fn nth_thread(process: usize, index: usize) -> Result<Option<Context>> {
    const NAME: &[u8] = b"context-";
    const DIGITS: usize = 20;
    let mut digits = [0u8; DIGITS];
    let (mut first, mut rest) = (DIGITS, index);
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        first -= 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = digits.get(first..).unwrap_or(&[]);
    let mut name = [0u8; NAME.len() + DIGITS];
    for (place, byte) in name.iter_mut().zip(NAME.iter().chain(digits)) {
        *place = *byte;
    }
    let name = name.get(..NAME.len() + digits.len()).unwrap_or(&[]);
    match ask(process, name) {
        Ok(context) => Ok(Some(Context::from_fd(context))),
        Err(e) if e.errno == ENOENT => Ok(None),
        Err(e) => Err(e),
    }
}

/// The main thread of the process behind a descriptor from the process manager.
fn main_thread(process: &Fd) -> Result<Context> {
    ask(process.raw(), b"context-0").map(Context::from_fd)
}

/// Makes a copy of this process; the parent is told the child's number. `ENOSYS` without a process
/// manager.
pub fn fork() -> Result<Option<u32>> {
    let (child, context, pid) = signal::without_delivery(|| -> Result<_> {
        let child = new_child()?;
        let context = main_thread(&child)?;
        let pid = context.get().attributes()?.pid;
        Ok((child, context, pid))
    })?;
    match fork_into(&context, Some(&child))? {
        Forked::Parent => Ok(Some(pid)),
        Forked::Child => {
            // The copy has no such descriptors.
            core::mem::forget((child, context));
            Ok(None)
        }
    }
}

/// A child of this process that has not started: what is asked of its descriptor is asked as the child.
/// Without ever being started it is gone when the descriptor is closed.
pub fn new_child() -> Result<Fd> {
    signal::without_delivery(|| ask(own()?, b"fork"))
}

/// Takes from a process, and from the children it makes from then on, what it can do to others by
/// their numbers (see `cap_abi::process`).
pub fn confine(process: usize) -> Result<()> {
    let verb = [cap_abi::process::CONFINE];
    again(|| sys::call(process, CallFlags::empty(), &verb)).map(drop)
}

/// How many there are of everything in the process manager, in the order of
/// `cap_abi::process::COUNTS`.
pub fn counts() -> Result<[usize; cap_abi::process::COUNTED]> {
    let mut words = [0; cap_abi::process::COUNTED * 8];
    let verb = [cap_abi::process::COUNTS];
    let own = own()?;
    again(|| sys::call_read_write(own, &mut words, CallFlags::empty(), &verb))?;
    let mut counts = [0; cap_abi::process::COUNTED];
    for (count, word) in counts.iter_mut().zip(words.as_chunks::<8>().0) {
        *count = usize::from_ne_bytes(*word);
    }
    Ok(counts)
}

/// How long this process, and the children that it has waited for, have had the processor, in nanoseconds.
pub fn times() -> Result<[u64; 2]> {
    let mut words = [0; 16];
    let process = process_fd().ok_or(Error::new(ENOSYS))?;
    let verb = [cap_abi::process::TIMES];
    signal::without_delivery(|| {
        again(|| sys::call_read_write(process, &mut words, CallFlags::empty(), &verb))
    })?;
    let (own, children) = words.split_at(8);
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
    Ok([word(own), word(children)])
}

/// The number of a child that [`new_child`] made.
pub fn number_of(child: &Fd) -> Result<u32> {
    Ok(main_thread(child)?.get().attributes()?.pid)
}

/// Starts a program as a child of this process and answers its number. Of `command`, `process` and
/// `attributes` do not count, except for the name: they are the process manager's to say.
pub fn spawn(command: &Command<'_>) -> Result<u32> {
    spawn_as(new_child()?, command)
}

/// Starts a program as a process that the manager has made and that has not started yet: what `fork`
/// of a process descriptor gave, or `first` of the manager's root.
pub fn spawn_as(process: Fd, command: &Command<'_>) -> Result<u32> {
    let context = main_thread(&process)?;
    let pid = context.get().attributes()?.pid;
    let space = Tcb::current()
        .and_then(Tcb::thread_fd)
        .ok_or(Error::new(ESRCH))?
        .address_space()?
        .new_empty()?;
    let name = command.attributes.debug_name;
    let len = name.iter().position(|&b| b == 0).unwrap_or(name.len());
    let mut name = name;
    let name = name.get_mut(..len).unwrap_or(&mut []);
    call_on(process.raw(), ProcCall::Rename, name, &[])?;
    call_on(process.raw(), ProcCall::DisableSetpgid, &mut [], &[])?;
    spawn_in(&process, &context, &space, command)?;
    Ok(pid)
}

fn spawn_in(
    process: &Fd,
    context: &Context,
    space: &AddressSpace,
    command: &Command<'_>,
) -> Result<()> {
    let command = Command {
        process: Some(Role {
            from: process.raw(),
            rights: sys::Rights::FULL,
        }),
        ..*command
    };
    spawn::start_in(context, space, &command)
}

/// Whose change of state to wait for.
#[derive(Clone, Copy, Debug)]
pub enum Awaited {
    /// Any child's.
    Any,
    /// This child's.
    Child(u32),
    /// That of a child in this group; 0 is the caller's own.
    Group(u32),
}

/// `waitpid`: a child whose state has changed, and its status word (see `rt_core::wait`); `None` when
/// none has and `WNOHANG` was asked for.
pub fn wait(awaited: Awaited, flags: WaitFlags) -> Result<Option<(u32, u32)>> {
    let (verb, who) = match awaited {
        Awaited::Any => (ProcCall::Waitpid, 0),
        Awaited::Child(pid) => (ProcCall::Waitpid, pid),
        Awaited::Group(group) => (ProcCall::Waitpgid, group),
    };
    let mut word = [0; size_of::<usize>()];
    let pid = call(verb, &mut word, &[u64::from(who), flags.bits() as u64])?;
    Ok((pid != 0).then_some((pid as u32, usize::from_ne_bytes(word) as u32)))
}

/// Sends a signal; 0 only asks whether it could be sent.
pub fn kill(target: ProcKillTarget, signal: i32) -> Result<()> {
    let args = [target.raw() as u64, signal as u64];
    call(ProcCall::Kill, &mut [], &args).map(drop)
}

/// A reference to a process; `None` is this one.
pub fn reference(pid: Option<u32>) -> Result<Reference> {
    let Some(mut rest) = pid else {
        return ask(own()?, b"pidfd").map(Reference);
    };
    let mut name = *b"pidfd-0000000000";
    for place in name.iter_mut().skip(b"pidfd-".len()).rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    ask(own()?, &name).map(Reference)
}

/// The parent's number.
pub fn parent() -> Result<u32> {
    call(ProcCall::Getppid, &mut [], &[]).map(|pid| pid as u32)
}

/// Puts a process (0: this one) into a group (0: one of its own).
pub fn set_group(pid: u32, group: u32) -> Result<()> {
    let args = [u64::from(pid), u64::from(group)];
    call(ProcCall::Setpgid, &mut [], &args).map(drop)
}

/// The group of a process (0: this one).
pub fn group(pid: u32) -> Result<u32> {
    call(ProcCall::Setpgid, &mut [], &[u64::from(pid), u64::MAX]).map(|pid| pid as u32)
}

/// The session of a process (0: this one).
pub fn session(pid: u32) -> Result<u32> {
    call(ProcCall::Getsid, &mut [], &[u64::from(pid)]).map(|pid| pid as u32)
}

/// Begins a session.
pub fn new_session() -> Result<u32> {
    call(ProcCall::Setsid, &mut [], &[]).map(|pid| pid as u32)
}

fn words_of_ids(ids: [Option<u32>; 6]) -> [u8; 24] {
    let mut bytes = [0; 24];
    for (place, id) in bytes.chunks_exact_mut(4).zip(ids) {
        place.copy_from_slice(&id.unwrap_or(u32::MAX).to_ne_bytes());
    }
    bytes
}

/// Changes identities: real, effective and saved user, then the same of groups. `None` keeps one.
pub fn set_ids(ids: [Option<u32>; 6]) -> Result<()> {
    call(ProcCall::SetResugid, &mut words_of_ids(ids), &[]).map(drop)
}

/// The same of another process; see `cap_abi::process::SET_IDS_OF`.
pub fn set_ids_of(pid: u32, ids: [Option<u32>; 6]) -> Result<()> {
    let verb = [cap_abi::process::SET_IDS_OF, u64::from(pid)];
    let own = own()?;
    again(|| sys::call_write(own, &words_of_ids(ids), CallFlags::empty(), &verb)).map(drop)
}
