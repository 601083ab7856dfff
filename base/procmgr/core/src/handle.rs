//! Descriptors of the process manager.
//!
//! | handle | is made by `dup` of | with the name | and is |
//! |---|---|---|---|
//! | control | control | `fork` | a new child; its one thread is not started |
//! | control | root | `first` | the first process |
//! | reference | control, reference | `pidfd` | the process, to wait for, poll, and signal |
//! | reference | control | `pidfd-PID` | another process that the caller may signal, or its child |
//! | session | control | `session` | the session that the caller leads, to signal its groups: for its terminal |
//! | thread | control | `new-thread` | a new thread, not started |
//! | thread | control | `thread-N` | the Nth thread |
//! | (the kernel's) | control, thread | `context-N`, `context` | the thread's context |
//! | (another's) | control | `tty` | what the session's terminal lends, to open it through |
//!
//! The scheme `proc` has one file, `proc-creds-capability`: whoever opens it can ask for the credentials of every
//! process (`GetProcCredentials`), as daemons of the crate `redoxfs` do for their callers.
//!
//! A control handle *is* its process: what is done through it, the process does. A reference is made
//! for passing on: it can do no more than the table says, and the user id of whoever uses it does not
//! matter. It signals as its maker could when it was made, also what becomes another user later.

use alloc::vec::Vec;

use gen_slab::Key;
use syscall::{EventFlags, error as errno};
use user_shares::SUPERUSER;

use crate::{
    credentials::Ids,
    manager::{Answer, Data, EBADF, EINVAL, ENOMEM, EPERM, Effect, Errno, Manager, Tag, World},
    process::Pid,
};

/// How many handles a process may have made that are still open.
const HANDLES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Root,
    Control(Key),
    /// With the identities of whoever made it, as they were: by these it may signal.
    Reference(Key, Ids),
    Session(Pid),
    Thread(Key),
    /// The root of the scheme `proc`.
    Named,
    /// Asks about everybody.
    Credentials,
}

/// The file of [`Kind::Credentials`].
const CREDENTIALS: &str = "proc-creds-capability";

#[derive(Debug)]
pub(crate) struct Handle {
    pub kind: Kind,
    /// The process that made it.
    maker: Option<Key>,
    /// The user it counts for.
    payer: u32,
}

/// What a `dup` with a name gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A handle.
    Handle(u64),
    /// A handle of a process or thread whose context is to be made: if that fails, the handle is to
    /// be closed.
    NewThread {
        /// The handle.
        handle: u64,
        /// The thread.
        thread: Key,
    },
    /// The context of this thread.
    Context(Key),
    /// The terminal of this process's session.
    Terminal(Pid),
}

/// What a reference tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready(pub EventFlags);

impl<T> Manager<T> {
    /// Makes the root handle, through which the first process is made.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64, Errno> {
        self.open(Kind::Root, None, SUPERUSER)
    }

    /// Makes the root of the scheme `proc`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn named_root(&mut self) -> Result<u64, Errno> {
        self.open(Kind::Named, None, SUPERUSER)
    }

    /// Opens a file of the scheme `proc` for a user.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTDIR` for another handle than its root; `ENFILE` with too many of them.
    pub fn open_named(&mut self, handle: u64, path: &[u8], user: u32) -> Result<u64, Errno> {
        if self.kind(handle)? != Kind::Named {
            return Err(Errno(errno::ENOTDIR));
        }
        let start = path.iter().take_while(|byte| **byte == b'/').count();
        if path.get(start..) != Some(CREDENTIALS.as_bytes()) {
            return Err(Errno(errno::ENOENT));
        }
        self.open(Kind::Credentials, None, user)
    }

    /// Answers `dup` with a payload, which a user asks for; what a control handle makes counts for its process and
    /// that one's user.
    ///
    /// # Errors
    /// `EINVAL` for a name that means nothing here, and what making the object may fail with.
    pub fn dup(&mut self, handle: u64, name: &[u8], user: u32) -> Result<Made, Errno> {
        let text = core::str::from_utf8(name).map_err(|_| EINVAL)?;
        let key = match self.kind(handle)? {
            Kind::Root if text == "first" => {
                let (pid, thread) = self.first(Ids::default())?;
                let key = *self.by_pid.get(&pid).ok_or(EBADF)?;
                let handle = self.open(Kind::Control(key), None, SUPERUSER)?;
                return Ok(Made::NewThread { handle, thread });
            }
            reference @ Kind::Reference(..) if text == "pidfd" => {
                return self.open(reference, None, user).map(Made::Handle);
            }
            Kind::Thread(thread) if text == "context" => {
                self.threads.get(thread).ok_or(Errno(errno::ESRCH))?;
                return Ok(Made::Context(thread));
            }
            Kind::Control(key) => key,
            _ => return Err(EINVAL),
        };
        let process = self.processes.get(key).ok_or(EBADF)?;
        if process.handles_made >= HANDLES_MAX {
            return Err(Errno(errno::EMFILE));
        }
        let (pid, ids) = (process.pid, process.ids);
        let (maker, payer) = (Some(key), ids.payer());
        // Nothing is made that there is no handle for.
        if self.of_handles.room(payer) == 0 {
            return Err(Errno(errno::ENFILE));
        }
        match text {
            "fork" => {
                let (child, thread) = self.fork(pid)?;
                let child = *self.by_pid.get(&child).ok_or(EBADF)?;
                let handle = self.open(Kind::Control(child), maker, payer)?;
                Ok(Made::NewThread { handle, thread })
            }
            "new-thread" => {
                let thread = self.new_thread(pid)?;
                let handle = self.open(Kind::Thread(thread), maker, payer)?;
                Ok(Made::NewThread { handle, thread })
            }
            "pidfd" => self
                .open(Kind::Reference(key, ids), maker, payer)
                .map(Made::Handle),
            "session" => {
                let sid = self.live(pid)?.sid;
                // Only the leader gives the session a terminal.
                if sid != pid {
                    return Err(EPERM);
                }
                self.open(Kind::Session(sid), maker, payer)
                    .map(Made::Handle)
            }
            "tty" => self.terminal(pid).map(|_| Made::Terminal(pid)),
            _ => {
                let (what, number) = text.rsplit_once('-').ok_or(EINVAL)?;
                let number: Pid = number.parse().map_err(|_| EINVAL)?;
                match what {
                    "thread" => {
                        let thread = self.thread(pid, number as usize)?;
                        self.open(Kind::Thread(thread), maker, payer)
                            .map(Made::Handle)
                    }
                    "context" => self.thread(pid, number as usize).map(Made::Context),
                    "pidfd" => {
                        let target = self.reference_to(pid, number)?;
                        self.open(Kind::Reference(target, ids), maker, payer)
                            .map(Made::Handle)
                    }
                    _ => Err(EINVAL),
                }
            }
        }
    }

    fn reference_to(&self, caller: Pid, target: Pid) -> Result<Key, Errno> {
        const ESRCH: Errno = Errno(errno::ESRCH);
        let from = self.live(caller)?;
        let to = self.named(caller, target)?;
        if to.reaped {
            return Err(ESRCH);
        }
        if !from.ids.may_signal(&to.ids) && to.ppid != caller {
            return Err(EPERM);
        }
        self.by_pid.get(&target).copied().ok_or(ESRCH)
    }

    fn open(&mut self, kind: Kind, maker: Option<Key>, payer: u32) -> Result<u64, Errno> {
        if !self.of_handles.take(payer, 1) {
            return Err(Errno(errno::ENFILE));
        }
        let handle = Handle { kind, maker, payer };
        let Ok(handle) = self.handles.insert(handle) else {
            self.of_handles.give_back(payer, 1);
            return Err(ENOMEM);
        };
        self.count_handle(kind, maker, 1);
        Ok(handle.raw())
    }

    fn count_handle(&mut self, kind: Kind, maker: Option<Key>, by: isize) {
        if let Some(process) = maker.and_then(|maker| self.processes.get_mut(maker)) {
            process.handles_made = process.handles_made.saturating_add_signed(by);
        }
        match kind {
            Kind::Control(key) => {
                if let Some(process) = self.processes.get_mut(key) {
                    process.control_handles = process.control_handles.saturating_add_signed(by);
                }
            }
            Kind::Reference(key, _) => {
                if let Some(process) = self.processes.get_mut(key) {
                    process.other_handles = process.other_handles.saturating_add_signed(by);
                }
            }
            Kind::Session(sid) => {
                if let Some(session) = self.sessions.get_mut(&sid) {
                    session.handles = session.handles.saturating_add_signed(by);
                }
            }
            Kind::Root | Kind::Thread(_) | Kind::Named | Kind::Credentials => (),
        }
    }

    pub(crate) fn kind(&self, handle: u64) -> Result<Kind, Errno> {
        self.handles
            .get(Key::from_raw(handle))
            .map(|handle| handle.kind)
            .ok_or(EBADF)
    }

    /// The process that a handle controls.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL` for another kind of handle.
    pub fn controlled(&self, handle: u64) -> Result<Pid, Errno> {
        match self.kind(handle)? {
            Kind::Control(key) => Ok(self.processes.get(key).ok_or(EBADF)?.pid),
            _ => Err(EINVAL),
        }
    }

    /// The last descriptor of a handle is gone.
    pub fn close(&mut self, handle: u64, world: &mut impl World, effects: &mut Vec<Effect>) {
        let removed = self.handles.remove(Key::from_raw(handle));
        let Some(Handle { kind, maker, payer }) = removed else {
            return;
        };
        self.of_handles.give_back(payer, 1);
        self.count_handle(kind, maker, -1);
        match kind {
            Kind::Control(key) => {
                let last = |process: &crate::process::Process| process.control_handles == 0;
                if self.processes.get(key).is_some_and(last) {
                    self.discard_if_unborn(key, world, effects);
                }
                self.forget_if_unused(key);
            }
            Kind::Reference(key, _) => {
                if let Some(process) = self.processes.get_mut(key) {
                    process.polled.remove(&Key::from_raw(handle));
                }
                self.forget_if_unused(key);
            }
            Kind::Session(sid) => self.end_session_if_empty(sid),
            Kind::Thread(thread) => self.discard_unborn_thread(thread, world, effects),
            Kind::Root | Kind::Named | Kind::Credentials => (),
        }
    }

    /// A thread that was never started, and whose handle is gone, will never be.
    fn discard_unborn_thread(
        &mut self,
        thread: Key,
        world: &impl World,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.threads.get(thread).copied() else {
            return;
        };
        let Some(process) = self.processes.get_mut(key) else {
            return;
        };
        // The main thread belongs to the process's own handle. The look at all handles comes last.
        if process.threads.first() == Some(&thread)
            || world.is_started(thread)
            || self
                .handles
                .iter()
                .any(|(_, handle)| handle.kind == Kind::Thread(thread))
        {
            return;
        }
        process.threads.retain(|other| *other != thread);
        self.remove_thread(thread);
        effects.push(Effect::Kill(thread, crate::status::signaled(9)));
    }

    /// Reads a reference: the process's wait status once it has ended.
    ///
    /// # Errors
    /// `EAGAIN` if it has not and `wait` is false; `EINVAL` for another kind of handle or too little
    /// room.
    pub fn read(
        &mut self,
        handle: u64,
        room: usize,
        wait: bool,
        tag: Tag,
    ) -> Result<Answer, Errno> {
        let Kind::Reference(key, _) = self.kind(handle)? else {
            return Err(EINVAL);
        };
        if room < size_of::<usize>() {
            return Err(EINVAL);
        }
        let process = self.processes.get_mut(key).ok_or(EBADF)?;
        if let Some(word) = process.final_status() {
            return Ok(Answer::Now(size_of::<usize>(), Data::Status(word)));
        }
        if !wait {
            return Err(Errno(errno::EAGAIN));
        }
        process.observers.try_reserve(1).map_err(|_| ENOMEM)?;
        process.observers.push(tag);
        self.observing.insert(tag, key);
        Ok(Answer::Later)
    }

    /// Takes back a read that waits. Tells whether there was one.
    pub(crate) fn cancel_observer(&mut self, tag: Tag) -> bool {
        let Some(key) = self.observing.remove(&tag) else {
            return false;
        };
        if let Some(process) = self.processes.get_mut(key) {
            process.observers.retain(|other| *other != tag);
        }
        true
    }

    /// Answers `fevent`: a reference (or a control handle) is readable when its process has ended.
    ///
    /// # Errors
    /// `EPERM` for a handle that has no events; `EBADF`.
    pub fn fevent(&mut self, handle: u64, asked: EventFlags) -> Result<Ready, Errno> {
        let (Kind::Reference(key, _) | Kind::Control(key)) = self.kind(handle)? else {
            return Err(EPERM);
        };
        let process = self.processes.get_mut(key).ok_or(EBADF)?;
        let handle = Key::from_raw(handle);
        if !asked.contains(EventFlags::EVENT_READ) {
            process.polled.remove(&handle);
            return Ok(Ready(EventFlags::EVENT_NONE));
        }
        if process.final_status().is_some() {
            return Ok(Ready(EventFlags::EVENT_READ));
        }
        process.polled.insert(handle);
        Ok(Ready(EventFlags::EVENT_NONE))
    }
}
