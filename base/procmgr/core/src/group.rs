//! Process groups, sessions and controlling terminals.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use syscall::{error as errno, sigabi::SenderInfo};

use crate::{
    manager::{EPERM, ESRCH, Effect, Errno, Manager, Session, World},
    process::{Pid, State},
    signal::{SIGCONT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU},
};

const EACCES: Errno = Errno(errno::EACCES);

impl<T> Manager<T> {
    /// setpgid(2). 0 means the caller, and the target's own number.
    pub(crate) fn set_group(&mut self, caller: Pid, target: Pid, group: Pid) -> Result<(), Errno> {
        let target = if target == 0 { caller } else { target };
        let group = if group == 0 { target } else { group };
        let caller_sid = self.live(caller)?.sid;
        let process = self.live(target)?;
        if target != caller {
            if process.ppid != caller {
                return Err(ESRCH);
            }
            if process.executed {
                return Err(EACCES);
            }
        }
        if process.sid != caller_sid || process.sid == target {
            return Err(EPERM);
        }
        let same_session = self
            .sessions
            .get(&caller_sid)
            .is_some_and(|session| session.groups.contains(&group));
        let known = self.knows_group(self.live(caller)?, group);
        if group != target && !(same_session && known) {
            return Err(EPERM);
        }
        if process.pgid == group {
            return Ok(());
        }
        self.leave_group(target);
        if let Some(process) = self.find_mut(target) {
            process.pgid = group;
        }
        self.join_group(target, group, caller_sid);
        Ok(())
    }

    /// getpgid(2). 0 means the caller.
    pub(crate) fn group_of(&self, caller: Pid, target: Pid) -> Result<Pid, Errno> {
        let target = if target == 0 { caller } else { target };
        self.named(caller, target).map(|process| process.pgid)
    }

    /// getsid(2). 0 means the caller.
    pub(crate) fn session_of(&self, caller: Pid, target: Pid) -> Result<Pid, Errno> {
        let target = if target == 0 { caller } else { target };
        self.named(caller, target).map(|process| process.sid)
    }

    /// setsid(2): a session and a group of the caller's own, without a terminal.
    pub(crate) fn new_session(&mut self, caller: Pid) -> Result<Pid, Errno> {
        self.live(caller)?;
        if self.groups.contains_key(&caller) || self.sessions.contains_key(&caller) {
            return Err(EPERM);
        }
        self.leave_group(caller);
        let process = self.live_mut(caller)?;
        process.pgid = caller;
        process.sid = caller;
        self.join_group(caller, caller, caller);
        Ok(caller)
    }

    /// Gives a session its controlling terminal. Only its leader may, once.
    ///
    /// # Errors
    /// `EPERM`, `ESRCH`; the terminal is dropped.
    pub fn set_terminal(&mut self, caller: Pid, terminal: T) -> Result<(), Errno> {
        self.live(caller)?;
        let session = self.sessions.get_mut(&caller).ok_or(EPERM)?;
        if session.terminal.is_some() {
            return Err(EPERM);
        }
        session.terminal = Some(terminal);
        Ok(())
    }

    /// The controlling terminal of a process's session.
    ///
    /// # Errors
    /// `ENXIO` without one; `ESRCH`.
    pub fn terminal(&self, pid: Pid) -> Result<&T, Errno> {
        let process = self.live(pid)?;
        let own = self.owns_session(process);
        self.sessions
            .get(&process.sid)
            .filter(|_| own)
            .and_then(|session| session.terminal.as_ref())
            .ok_or(Errno(errno::ENXIO))
    }

    /// Takes a session's terminal away. Only its leader may.
    pub(crate) fn drop_terminal(&mut self, caller: Pid) -> Result<(), Errno> {
        self.terminal(caller)?;
        let session = self.sessions.get_mut(&caller).ok_or(EPERM)?;
        session.terminal = None;
        Ok(())
    }

    pub(crate) fn join_group(&mut self, pid: Pid, group: Pid, sid: Pid) {
        self.groups.entry(group).or_default().insert(pid);
        self.sessions
            .entry(sid)
            .or_insert_with(|| Session {
                groups: BTreeSet::new(),
                terminal: None,
                handles: 0,
            })
            .groups
            .insert(group);
    }

    /// Takes a process out of its group; groups and sessions without members end.
    pub(crate) fn leave_group(&mut self, pid: Pid) {
        let Some((group, sid)) = self.find(pid).map(|process| (process.pgid, process.sid)) else {
            return;
        };
        let Some(members) = self.groups.get_mut(&group) else {
            return;
        };
        members.remove(&pid);
        if members.is_empty() {
            self.groups.remove(&group);
            if let Some(session) = self.sessions.get_mut(&sid) {
                session.groups.remove(&group);
            }
            self.end_session_if_empty(sid);
        }
    }

    pub(crate) fn end_session_if_empty(&mut self, sid: Pid) {
        let unused = |session: &Session<T>| session.groups.is_empty() && session.handles == 0;
        if self.sessions.get(&sid).is_some_and(unused) {
            self.sessions.remove(&sid);
        }
    }

    /// A session without its leader has no terminal. Its daemon learns by the descriptor's going, and
    /// hangs up the foreground group, which it alone knows: so nobody else may ever have that descriptor.
    pub(crate) fn leader_ended(&mut self, pid: Pid) {
        if let Some(session) = self.sessions.get_mut(&pid) {
            session.terminal = None;
        }
    }

    /// [`Self::is_orphaned`], found out once for each group while one signal goes to many.
    pub(crate) fn is_known_orphaned(&mut self, group: Pid) -> bool {
        let known = self.known_orphaned.as_ref();
        if let Some(is_orphaned) = known.and_then(|known| known.get(&group)) {
            return *is_orphaned;
        }
        let is_orphaned = self.is_orphaned(group);
        if let Some(known) = &mut self.known_orphaned {
            known.insert(group, is_orphaned);
        }
        is_orphaned
    }

    /// A signal is about to go to many. By one that stops, no process ends or changes its group, so that no group
    /// becomes orphaned, or ceases to be, until the last has it.
    pub(crate) fn remember_orphaned(&mut self, signal: u8) {
        let stops = matches!(signal, SIGTSTP | SIGTTIN | SIGTTOU);
        self.known_orphaned = stops.then(BTreeMap::new);
    }

    /// Whether nobody is left who could continue a group's stopped processes: no member has a parent
    /// in another group of the session.
    pub(crate) fn is_orphaned(&self, group: Pid) -> bool {
        let Some(members) = self.groups.get(&group) else {
            return true;
        };
        !members
            .iter()
            .filter_map(|pid| self.find(*pid))
            .any(|member| {
                member.final_status().is_none()
                    && self.find(member.ppid).is_some_and(|parent| {
                        parent.final_status().is_none()
                            && parent.pgid != group
                            && parent.sid == member.sid
                    })
            })
    }

    /// The groups that a process keeps from being orphaned, as a member or as a parent.
    pub(crate) fn groups_linked_by(&self, pid: Pid, children: &BTreeSet<Pid>) -> BTreeSet<Pid> {
        let Some(process) = self.find(pid) else {
            return BTreeSet::new();
        };
        let mut linked: BTreeSet<Pid> = children
            .iter()
            .filter_map(|child| self.find(*child))
            .filter(|child| child.sid == process.sid && child.pgid != process.pgid)
            .map(|child| child.pgid)
            .collect();
        let by_parent = self
            .find(process.ppid)
            .is_some_and(|parent| parent.sid == process.sid && parent.pgid != process.pgid);
        if by_parent {
            linked.insert(process.pgid);
        }
        linked
    }

    /// A group that has just been orphaned and has stopped members is hung up and continued.
    pub(crate) fn continue_orphans(
        &mut self,
        group: Pid,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) {
        let Some(members) = self.groups.get(&group) else {
            return;
        };
        let stopped = |pid: &Pid| matches!(self.state(*pid), Some(State::Stopped(_)));
        if !self.is_orphaned(group) || !members.iter().any(stopped) {
            return;
        }
        let sender = SenderInfo { pid: 0, ruid: 0 };
        for member in members.clone() {
            self.deliver(member, SIGHUP, sender, world, effects);
            self.deliver(member, SIGCONT, sender, world, effects);
        }
    }
}
