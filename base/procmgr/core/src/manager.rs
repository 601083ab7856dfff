//! The processes, and what happens to them.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use gen_slab::{Key, Slab};
use libredox::protocol::{ProcMeta, RtSigInfo};
use syscall::{error as errno, sigabi::SenderInfo};
use user_shares::Shares;

use crate::{
    credentials::Ids,
    handle::Handle,
    process::{Limits, NPROC, Pid, Process, State},
    signal::Action,
};

/// An error number of `redox_syscall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

pub(crate) const ESRCH: Errno = Errno(errno::ESRCH);
pub(crate) const EPERM: Errno = Errno(errno::EPERM);
pub(crate) const EINVAL: Errno = Errno(errno::EINVAL);
pub(crate) const EBADF: Errno = Errno(errno::EBADF);
pub(crate) const ENOMEM: Errno = Errno(errno::ENOMEM);

/// A request that is answered later: the kernel's number for it.
pub type Tag = u32;

/// What an answer carries in the caller's payload.
#[derive(Clone, Copy, Debug)]
pub enum Data {
    /// Nothing.
    None,
    /// A wait status word, as `usize`.
    Status(u32),
    /// The same of a child, and behind it the nanoseconds of processor time that it and the children it has
    /// waited for have used.
    Waited(u32, u64),
    /// What [`Manager::times`] tells, as words of 8 bytes.
    Times([u64; 2]),
    /// A pair of limits, as `libredox::protocol::Rlimit`.
    Limits(Limits),
    /// The credentials of a process.
    Meta(ProcMeta),
    /// What came with a queued signal.
    Signal(RtSigInfo),
    /// What [`Manager::counts`] tells, as words of 8 bytes.
    Counts([usize; 5]),
}

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Now.
    Now(usize, Data),
    /// With an [`Effect::Reply`] for its tag, some time.
    Later,
    /// Not at all: the caller is ending.
    Never,
}

impl Answer {
    pub(crate) const fn value(value: usize) -> Self {
        Self::Now(value, Data::None)
    }
}

/// What is to be done. Threads are named by the keys they were made with.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// Stop a context.
    Stop(Key),
    /// Let a stopped context go on.
    Resume(Key),
    /// Make a context look at its pending signals, out of a system call if it is in one.
    Interrupt(Key),
    /// End a context with this status word.
    Kill(Key, u32),
    /// Forget how a process takes signals. It is over, and no end of a context of its will be told any more.
    Forget(Pid),
    /// Give a context its process's attributes anew ([`Manager::attributes`]).
    SetAttributes(Key),
    /// Answer a request that was to be answered later.
    Reply(Tag, Result<usize, Errno>, Data),
    /// A handle has become readable.
    Ready(u64),
}

/// What the rules must know of the world.
pub trait World {
    /// What a signal does to a process now: from its signal page, or [`crate::default_action`] for a
    /// process that has none.
    fn action(&self, pid: Pid, signal: u8) -> Action;
    /// Whether the process does not want `SIGCHLD` for children that stop or go on.
    fn ignores_child_stops(&self, pid: Pid) -> bool;
    /// Whether the process has asked that its children be forgotten when they end.
    fn forgets_children(&self, pid: Pid) -> bool;
    /// Whether a signal is pending for a process, and not only for one of its threads.
    fn is_pending(&self, pid: Pid, signal: u8) -> bool;
    /// Marks a signal pending for a process. If it is pending already, its sender stays the first one.
    fn post(&mut self, pid: Pid, signal: u8, sender: SenderInfo);
    /// Marks a signal pending for one thread.
    fn post_to_thread(&mut self, thread: Key, signal: u8, sender: SenderInfo);
    /// Takes pending signals (bit `n - 1` for signal `n`) back from a process and its threads.
    fn withdraw(&mut self, pid: Pid, threads: &[Key], signals: u64);
    /// Whether a thread does not block a signal.
    fn accepts(&self, thread: Key, signal: u8) -> bool;
    /// Whether a thread has a signal pending that it does not block, of its own or its process's.
    fn has_deliverable(&self, thread: Key) -> bool;
    /// Whether a thread's context has been started.
    fn is_started(&self, thread: Key) -> bool;
    /// How long a thread has had the processor, in nanoseconds.
    fn used(&self, thread: Key) -> u64;
}

/// What is said about a process in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Process.
    pub pid: Pid,
    /// Effective user.
    pub euid: u32,
    /// Effective group.
    pub egid: u32,
    /// See `SetProcPriority` in [`crate::wire`].
    pub priority: u8,
    /// Name, padded with NUL.
    pub name: [u8; crate::NAME_LEN],
}

/// A set of processes that a terminal can belong to.
#[derive(Debug)]
pub(crate) struct Session<T> {
    pub groups: BTreeSet<Pid>,
    pub terminal: Option<T>,
    pub handles: usize,
}

/// The state of the process manager. `T` is what the shell keeps for a controlling terminal.
pub struct Manager<T> {
    pub(crate) processes: Slab<Process>,
    pub(crate) by_pid: BTreeMap<Pid, Key>,
    /// Threads with their processes.
    pub(crate) threads: Slab<Key>,
    /// Groups with their members.
    pub(crate) groups: BTreeMap<Pid, BTreeSet<Pid>>,
    pub(crate) sessions: BTreeMap<Pid, Session<T>>,
    /// Processes of each real user.
    pub(crate) per_user: BTreeMap<u32, u64>,
    pub(crate) handles: Slab<Handle>,
    /// What each real user may hold: numbers, as long as anything refers to their processes, threads, and handles.
    pub(crate) of_numbers: Shares,
    pub(crate) of_threads: Shares,
    pub(crate) of_handles: Shares,
    /// Reads of a process's end that wait for it.
    pub(crate) observing: BTreeMap<Tag, Key>,
    /// While one signal goes to many: whether groups are orphaned, as far as somebody has asked.
    pub(crate) known_orphaned: Option<BTreeMap<Pid, bool>>,
    next_pid: Pid,
    /// The first pid that is not given out.
    end_of_pids: Pid,
}

/// Most threads at once: an event queue watches no more contexts.
pub const THREADS: usize = 16_000;
/// Most handles at once.
pub const HANDLES: u64 = 1 << 18;

/// Init: it inherits orphans, and signals that would end or stop it do nothing.
pub(crate) const INIT: Pid = 1;

impl<T> Manager<T> {
    /// A manager without processes. `end_of_pids` is the first number not given out; at least 3.
    #[must_use]
    pub fn new(end_of_pids: Pid) -> Self {
        Self {
            processes: Slab::new(),
            by_pid: BTreeMap::new(),
            threads: Slab::new(),
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            per_user: BTreeMap::new(),
            handles: Slab::new(),
            of_numbers: Shares::new(u64::from(end_of_pids.max(3).saturating_sub(INIT))),
            of_threads: Shares::new(THREADS as u64),
            of_handles: Shares::new(HANDLES),
            observing: BTreeMap::new(),
            known_orphaned: None,
            next_pid: INIT,
            end_of_pids: end_of_pids.max(3),
        }
    }

    /// Makes the first process, number 1, with one thread, in a session of its own.
    ///
    /// # Errors
    /// `EEXIST` when there is one; `ENOMEM`.
    pub fn first(&mut self, ids: Ids) -> Result<(Pid, Key), Errno> {
        if self.by_pid.contains_key(&INIT) {
            return Err(Errno(errno::EEXIST));
        }
        let mut process = Process::new(INIT, 0);
        process.ids = ids;
        self.next_pid = INIT.saturating_add(1);
        self.add(process)
    }

    /// Makes a child with one thread, not yet started.
    ///
    /// # Errors
    /// `EAGAIN` beyond `RLIMIT_NPROC`, or when no number or thread is left for this user; `ESRCH`, `ENOMEM`.
    pub fn fork(&mut self, parent: Pid) -> Result<(Pid, Key), Errno> {
        let parent = self.live(parent)?;
        let uid = parent.ids.ruid;
        let limit = parent.limit(NPROC);
        let count = self.per_user.get(&uid).copied().unwrap_or(0);
        let payer = parent.ids.payer();
        if count >= limit && !parent.ids.is_privileged() || self.of_numbers.room(payer) == 0 {
            return Err(Errno(errno::EAGAIN));
        }
        self.leave_threads(payer)?;
        let parent_pid = parent.pid;
        let pid = self.free_pid().ok_or(Errno(errno::EAGAIN))?;
        let child = self.live(parent_pid)?.child(pid);
        let made = self.add(child)?;
        self.live_mut(parent_pid)?.children.insert(pid);
        Ok(made)
    }

    /// Makes another thread of a process, not yet started.
    ///
    /// # Errors
    /// `EAGAIN` when no thread is left for this user; `ESRCH`, `ENOMEM`.
    pub fn new_thread(&mut self, pid: Pid) -> Result<Key, Errno> {
        let key = self.live_key(pid)?;
        let ids = self.live(pid)?.ids;
        self.leave_threads(ids.payer())?;
        let thread = self.threads.insert(key).map_err(|_| ENOMEM)?;
        self.live_mut(pid)?.threads.push(thread);
        self.of_threads.take_anyway(ids.ruid, 1);
        Ok(thread)
    }

    /// The `index`th thread of a process.
    ///
    /// # Errors
    /// `ESRCH`, `ENOENT`.
    pub fn thread(&self, pid: Pid, index: usize) -> Result<Key, Errno> {
        self.live(pid)?
            .threads
            .get(index)
            .copied()
            .ok_or(Errno(errno::ENOENT))
    }

    /// What the kernel is to say about a thread's process.
    #[must_use]
    pub fn attributes(&self, thread: Key) -> Option<Attributes> {
        let process = self.processes.get(*self.threads.get(thread)?)?;
        Some(Attributes {
            pid: process.pid,
            euid: process.ids.euid,
            egid: process.ids.egid,
            priority: process.priority,
            name: process.name,
        })
    }

    /// What a process is doing.
    #[must_use]
    pub fn state(&self, pid: Pid) -> Option<State> {
        self.find(pid).map(|process| process.state)
    }

    /// The numbers of a process.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn meta(&self, pid: Pid) -> Result<ProcMeta, Errno> {
        let process = self.find(pid).ok_or(ESRCH)?;
        let ids = process.ids;
        Ok(ProcMeta {
            pid,
            pgid: process.pgid,
            ppid: process.ppid,
            ruid: ids.ruid,
            euid: ids.euid,
            suid: ids.suid,
            rgid: ids.rgid,
            egid: ids.egid,
            sgid: ids.sgid,
            ens: 0,
            rns: 0,
        })
    }

    /// How many there are of everything: processes (also ended ones), threads, groups, sessions,
    /// handles.
    #[must_use]
    pub fn counts(&self) -> [usize; 5] {
        [
            self.processes.len(),
            self.threads.len(),
            self.groups.len(),
            self.sessions.len(),
            self.handles.len(),
        ]
    }

    /// How long a process has had the processor, in nanoseconds: itself, with all its threads, and the children
    /// that it has waited for, with theirs.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn times(&self, pid: Pid, world: &impl World) -> Result<[u64; 2], Errno> {
        let process = self.find(pid).ok_or(ESRCH)?;
        Ok([process.used(world), process.used_by_children])
    }

    /// The numbers of all processes that have not been waited for.
    pub fn pids(&self) -> impl Iterator<Item = Pid> {
        self.by_pid.keys().copied()
    }

    /// Fails when there are as many threads as a user may bring about.
    fn leave_threads(&self, payer: u32) -> Result<(), Errno> {
        match self.of_threads.room(payer) {
            0 => Err(Errno(errno::EAGAIN)),
            _ => Ok(()),
        }
    }

    /// A thread is no more; answers its process.
    pub(crate) fn remove_thread(&mut self, thread: Key) -> Option<Key> {
        let key = self.threads.remove(thread)?;
        if let Some(process) = self.processes.get(key) {
            self.of_threads.give_back(process.ids.ruid, 1);
        }
        Some(key)
    }

    fn add(&mut self, process: Process) -> Result<(Pid, Key), Errno> {
        let (pid, pgid, sid, uid) = (process.pid, process.pgid, process.sid, process.ids.ruid);
        let key = self.processes.insert(process).map_err(|_| ENOMEM)?;
        let Ok(thread) = self.threads.insert(key) else {
            self.processes.remove(key);
            return Err(ENOMEM);
        };
        if let Some(process) = self.processes.get_mut(key) {
            process.threads.push(thread);
        }
        self.by_pid.insert(pid, key);
        self.of_numbers.take_anyway(uid, 1);
        self.of_threads.take_anyway(uid, 1);
        self.count_user(uid, 1);
        self.join_group(pid, pgid, sid);
        Ok((pid, thread))
    }

    /// A number that no process, group or session has.
    fn free_pid(&mut self) -> Option<Pid> {
        let begin = INIT.saturating_add(1);
        for _ in begin..self.end_of_pids {
            let pid = self.next_pid.max(begin);
            let after = pid.saturating_add(1);
            self.next_pid = if after < self.end_of_pids {
                after
            } else {
                begin
            };
            let taken = self.by_pid.contains_key(&pid)
                || self.groups.contains_key(&pid)
                || self.sessions.contains_key(&pid);
            if !taken {
                return Some(pid);
            }
        }
        None
    }

    pub(crate) fn count_user(&mut self, uid: u32, by: i64) {
        let count = self.per_user.entry(uid).or_insert(0);
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            self.per_user.remove(&uid);
        }
    }

    /// A process that has not been waited for.
    pub(crate) fn find(&self, pid: Pid) -> Option<&Process> {
        self.processes.get(*self.by_pid.get(&pid)?)
    }

    pub(crate) fn find_mut(&mut self, pid: Pid) -> Option<&mut Process> {
        self.processes.get_mut(*self.by_pid.get(&pid)?)
    }

    fn live_key(&self, pid: Pid) -> Result<Key, Errno> {
        self.live(pid)?;
        self.by_pid.get(&pid).copied().ok_or(ESRCH)
    }

    /// A process that has not begun to end.
    pub(crate) fn live(&self, pid: Pid) -> Result<&Process, Errno> {
        self.find(pid).filter(|p| p.is_alive()).ok_or(ESRCH)
    }

    pub(crate) fn live_mut(&mut self, pid: Pid) -> Result<&mut Process, Errno> {
        self.find_mut(pid).filter(|p| p.is_alive()).ok_or(ESRCH)
    }

    pub(crate) fn set_attributes(&self, pid: Pid, effects: &mut Vec<Effect>) {
        if let Some(process) = self.find(pid) {
            effects.extend(process.threads.iter().copied().map(Effect::SetAttributes));
        }
    }
}
