//! One process.

use alloc::{
    collections::{BTreeSet, VecDeque},
    rc::Rc,
    vec::Vec,
};

use gen_slab::Key;
use libredox::protocol::{RtSigInfo, WaitFlags};

use crate::{
    cell::Cell,
    credentials::Ids,
    manager::{Errno, Tag, World},
    status,
};

/// Number of a process, group or session.
pub type Pid = u32;

/// Longest name of a process in bytes, as the kernel keeps it.
pub const NAME_LEN: usize = 32;

/// How many resources have limits; numbered as in C (`RLIMIT_CPU` is 0).
pub const RESOURCES: usize = 15;
/// `RLIMIT_NPROC`.
pub(crate) const NPROC: usize = 6;
/// `RLIMIT_SIGPENDING`.
pub(crate) const SIGPENDING: usize = 11;

/// What a process's contexts are doing, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They run.
    Running,
    /// They have been stopped by this signal.
    Stopped(u8),
    /// They are being ended, and this will be the status.
    Exiting(u32),
    /// They are gone, and this is the status.
    Zombie(u32),
}

/// How a context ended, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It ended, or was ended, with this status word.
    Ended(u32),
    /// An exception that nobody handled, as the signal it stands for.
    Exception(u8),
}

impl Death {
    pub(crate) const fn status(self) -> u32 {
        match self {
            Self::Ended(status) => status,
            Self::Exception(signal) => status::signaled(signal),
        }
    }
}

/// A pair of limits for one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What counts.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

impl Limits {
    /// No limit.
    pub const NONE: Self = Self {
        soft: u64::MAX,
        hard: u64::MAX,
    };

    /// The limits after a change.
    ///
    /// # Errors
    /// `EINVAL` if the soft limit would be above the hard one, `EPERM` if an unprivileged process
    /// would raise the hard one.
    pub fn after(self, new: Self, privileged: bool) -> Result<Self, Errno> {
        if new.soft > new.hard {
            return Err(Errno(syscall::EINVAL));
        }
        if new.hard > self.hard && !privileged {
            return Err(Errno(syscall::EPERM));
        }
        Ok(new)
    }
}

/// What the parent has not been told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Stopped(u8),
    Continued,
}

/// Whose change of state is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    Any,
    Process(Pid),
    Group(Pid),
}

/// A wait that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub tag: Tag,
    pub awaited: Awaited,
    pub flags: WaitFlags,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub pid: Pid,
    pub ppid: Pid,
    pub pgid: Pid,
    pub sid: Pid,
    pub ids: Ids,
    pub state: State,
    pub report: Option<Report>,
    pub threads: Vec<Key>,
    /// Nanoseconds of processor time that its ended threads have used.
    pub used_by_ended: u64,
    /// The same of the children that it has waited for, and of theirs.
    pub used_by_children: u64,
    pub children: BTreeSet<Pid>,
    /// This process's waits for its children.
    pub waiters: Vec<Waiter>,
    /// Reads of this process's end by others.
    pub observers: Vec<Tag>,
    /// Handles whose holders wait for this process's end.
    pub polled: BTreeSet<Key>,
    /// Signals that have been posted, with what came with them: every real-time one, and of each
    /// ordinary number at most one that was sent with something.
    pub queued: VecDeque<(u8, RtSigInfo)>,
    pub name: [u8; NAME_LEN],
    /// `nice` + 20: 0 is the most favoured, 39 the least.
    pub priority: u8,
    pub limits: [Limits; RESOURCES],
    /// It has executed a program: its parent may no longer move it between groups.
    pub executed: bool,
    /// Handles through which it is controlled as by itself, and handles that only refer to it.
    pub control_handles: usize,
    pub other_handles: usize,
    /// Handles that it has made.
    pub handles_made: usize,
    /// It has been waited for.
    pub reaped: bool,
    /// Those it can name, if it is confined.
    pub cell: Option<Rc<Cell>>,
}

impl Process {
    pub fn new(pid: Pid, ppid: Pid) -> Self {
        Self {
            pid,
            ppid,
            pgid: pid,
            sid: pid,
            ids: Ids::default(),
            state: State::Running,
            report: None,
            threads: Vec::new(),
            used_by_ended: 0,
            used_by_children: 0,
            children: BTreeSet::new(),
            waiters: Vec::new(),
            observers: Vec::new(),
            polled: BTreeSet::new(),
            queued: VecDeque::new(),
            name: [0; NAME_LEN],
            priority: 20,
            limits: [Limits::NONE; RESOURCES],
            executed: false,
            control_handles: 0,
            other_handles: 0,
            handles_made: 0,
            reaped: false,
            cell: None,
        }
    }

    /// A child as fork makes it.
    pub fn child(&self, pid: Pid) -> Self {
        Self {
            pgid: self.pgid,
            sid: self.sid,
            ids: self.ids,
            name: self.name,
            priority: self.priority,
            limits: self.limits,
            cell: self.cell.clone(),
            ..Self::new(pid, self.pid)
        }
    }

    /// Whether it takes signals and requests.
    pub const fn is_alive(&self) -> bool {
        matches!(self.state, State::Running | State::Stopped(_))
    }

    pub const fn final_status(&self) -> Option<u32> {
        match self.state {
            State::Zombie(status) => Some(status),
            _ => None,
        }
    }

    /// Nanoseconds of processor time that its threads have used.
    pub fn used(&self, world: &impl World) -> u64 {
        let each = self.threads.iter().map(|thread| world.used(*thread));
        each.fold(self.used_by_ended, u64::saturating_add)
    }

    pub fn limit(&self, resource: usize) -> u64 {
        self.limits
            .get(resource)
            .map_or(u64::MAX, |limits| limits.soft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let pair = |soft, hard| Limits { soft, hard };
        let old = pair(10, 20);
        let table = [
            (pair(20, 20), false, Ok(())),
            (pair(5, 5), false, Ok(())),
            (pair(21, 20), false, Err(syscall::EINVAL)),
            (pair(21, 20), true, Err(syscall::EINVAL)),
            (pair(10, 21), false, Err(syscall::EPERM)),
            (pair(10, 21), true, Ok(())),
        ];
        for (new, privileged, expected) in table {
            let after = old.after(new, privileged);
            assert_eq!(
                after.map_err(|errno| errno.0),
                expected.map(|()| new),
                "{new:?}"
            );
        }
    }
}
