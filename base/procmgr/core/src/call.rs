//! Answers to `SYS_CALL`.

use alloc::vec::Vec;

use cap_abi::session::{Control, LEADER};
use syscall::sigabi::SenderInfo;

use crate::{
    credentials::Ids,
    handle::Kind,
    manager::{Answer, Data, EBADF, EINVAL, EPERM, ESRCH, Effect, Errno, Manager, Tag, World},
    process::{Limits, Pid},
    signal::Action,
    wire::{self, Call, Metadata, SessionCall},
};

impl<T> Manager<T> {
    /// Answers a `SYS_CALL` on a handle, on behalf of what the handle stands for. See [`wire`].
    ///
    /// # Errors
    /// As the POSIX function that the verb stands for.
    pub fn call(
        &mut self,
        handle: u64,
        metadata: Metadata,
        payload: &[u8],
        tag: Tag,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Errno> {
        match self.kind(handle)? {
            Kind::Control(key) => {
                let pid = self.processes.get(key).ok_or(EBADF)?.pid;
                let call = wire::process_call(metadata, payload)?;
                self.process_call(pid, call, tag, world, effects)
            }
            Kind::Reference(key, ids) => {
                let (signal, _) = wire::reference_call(metadata)?;
                let process = self.processes.get(key).filter(|p| !p.reaped).ok_or(ESRCH)?;
                if !ids.may_signal(&process.ids) {
                    return Err(EPERM);
                }
                // Nobody in particular sends it: whoever holds the descriptor.
                let (pid, sender) = (process.pid, SenderInfo { pid: 0, ruid: 0 });
                self.send_unchecked(pid, signal, sender, None, world, effects)?;
                Ok(Answer::value(0))
            }
            Kind::Session(sid) => {
                let value = match wire::session_call(metadata)? {
                    SessionCall::Signal(signal, group) => {
                        self.signal_session_group(sid, group, signal, world, effects)?;
                        0
                    }
                    SessionCall::Leader => sid as usize,
                    SessionCall::Control(pid, foreground, signal) => {
                        self.control(sid, pid, foreground, signal, world, effects)? as usize
                    }
                };
                Ok(Answer::value(value))
            }
            Kind::Thread(thread) => {
                let signal = wire::thread_call(metadata)?;
                self.signal_thread(thread, signal, world, effects)?;
                Ok(Answer::value(0))
            }
            Kind::Credentials => {
                let target = wire::credentials_call(metadata)?;
                // Those of a process that has been waited for are nobody's.
                self.find(target).filter(|p| !p.reaped).ok_or(ESRCH)?;
                Ok(Answer::Now(0, Data::Meta(self.meta(target)?)))
            }
            Kind::Root | Kind::Named => Err(EINVAL),
        }
    }

    /// Answers a `SYS_CALL` on two handles at once. See [`wire`].
    ///
    /// # Errors
    /// `EINVAL` for anything but a process that asks who leads a session; `EBADF`.
    pub fn call_two(&self, handles: [u64; 2], verb: u64) -> Result<Answer, Errno> {
        let [first, second] = handles;
        match (self.kind(first)?, self.kind(second)?) {
            (Kind::Control(_), Kind::Session(sid)) if verb == LEADER => {
                Ok(Answer::value(sid as usize))
            }
            _ => Err(EINVAL),
        }
    }

    fn become_user(&mut self, pid: Pid, new: Ids, effects: &mut Vec<Effect>) -> Result<(), Errno> {
        let process = self.live_mut(pid)?;
        let threads = process.threads.len() as u64;
        let old = core::mem::replace(&mut process.ids, new);
        self.count_user(old.ruid, -1);
        self.count_user(new.ruid, 1);
        for (shares, count) in [(&mut self.of_numbers, 1), (&mut self.of_threads, threads)] {
            shares.give_back(old.ruid, count);
            shares.take_anyway(new.ruid, count);
        }
        self.set_attributes(pid, effects);
        Ok(())
    }

    fn process_call(
        &mut self,
        pid: Pid,
        call: Call,
        tag: Tag,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Errno> {
        const DONE: Answer = Answer::value(0);
        let number = |pid: Pid| Answer::value(pid as usize);
        match call {
            Call::Wait(awaited, flags) => self.wait(pid, awaited, flags, tag, world),
            Call::Exit(word) => {
                self.exit(pid, word, effects)?;
                Ok(Answer::Never)
            }
            Call::SetIds(change) => {
                let ids = self.live(pid)?.ids;
                self.become_user(pid, ids.after(&change)?, effects)?;
                Ok(DONE)
            }
            Call::SetIdsOf(target, change) => {
                let process = self.live(pid)?;
                if !process.ids.is_privileged() || process.cell.is_some() {
                    return Err(EPERM);
                }
                let ids = self.live(target).map_err(|_| ESRCH)?.ids;
                self.become_user(target, ids.changed(&change), effects)?;
                Ok(DONE)
            }
            Call::SetGroup(target, group) => {
                let target = if target == 0 { pid } else { target };
                let parent = self.find(target).map_or(0, |process| process.ppid);
                self.set_group(pid, target, group)?;
                // A wait for the group it was in may be a wait for nothing now.
                self.answer_waits(parent, world, effects);
                Ok(DONE)
            }
            Call::GetGroup(target) => self.group_of(pid, target).map(number),
            Call::GetSession(target) => self.session_of(pid, target).map(number),
            Call::NewSession => {
                let parent = self.live(pid)?.ppid;
                let session = self.new_session(pid)?;
                self.answer_waits(parent, world, effects);
                Ok(number(session))
            }
            Call::GetParent => Ok(number(self.live(pid)?.ppid)),
            Call::Kill(target, signal, info) => {
                self.kill(pid, target, signal, info, world, effects)?;
                Ok(DONE)
            }
            Call::Dequeue(signal) => self.dequeue(pid, signal, world),
            Call::Rename(name) => {
                self.live_mut(pid)?.name = name;
                self.set_attributes(pid, effects);
                Ok(DONE)
            }
            Call::Executed => {
                let process = self.live_mut(pid)?;
                process.executed = true;
                // What was pending was so in the former program's memory.
                process.queued.clear();
                Ok(DONE)
            }
            Call::Credentials(target) => {
                let target = if target == 0 { pid } else { target };
                self.named(pid, target)?;
                let known = target == pid || self.live(pid)?.children.contains(&target);
                if !known && !self.live(pid)?.ids.is_privileged() {
                    return Err(EPERM);
                }
                Ok(Answer::Now(0, Data::Meta(self.meta(target)?)))
            }
            Call::SetPriority(target, priority) => {
                self.set_priority(pid, target, priority, effects)?;
                Ok(DONE)
            }
            Call::GetPriority(target) => {
                let target = if target == 0 { pid } else { target };
                let process = self.named(pid, target)?;
                Ok(Answer::value(process.priority.into()))
            }
            Call::Confine => self.confine(pid).map(|()| DONE),
            Call::Times => Ok(Answer::Now(0, Data::Times(self.times(pid, world)?))),
            Call::Counts => {
                let process = self.live(pid)?;
                if !process.ids.is_privileged() || process.cell.is_some() {
                    return Err(EPERM);
                }
                Ok(Answer::Now(0, Data::Counts(self.counts())))
            }
            Call::HasTerminal => self.terminal(pid).map(|_| DONE),
            Call::DropTerminal => self.drop_terminal(pid).map(|()| DONE),
            Call::GetLimits(resource) => {
                let limits = self.live(pid)?.limits.get(resource).copied();
                Ok(Answer::Now(0, Data::Limits(limits.ok_or(EINVAL)?)))
            }
            Call::SetLimits(resource, new) => self.set_limits(pid, resource, new).map(|()| DONE),
        }
    }

    fn set_limits(&mut self, pid: Pid, resource: usize, new: Limits) -> Result<(), Errno> {
        let process = self.live_mut(pid)?;
        let privileged = process.ids.is_privileged();
        let limits = process.limits.get_mut(resource).ok_or(EINVAL)?;
        *limits = limits.after(new, privileged)?;
        Ok(())
    }

    /// setpriority(2) for a process: its owner may only make it less favoured.
    fn set_priority(
        &mut self,
        caller: Pid,
        target: Pid,
        priority: u8,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Errno> {
        let target = if target == 0 { caller } else { target };
        let ids = self.live(caller)?.ids;
        self.named(caller, target)?;
        let process = self.live_mut(target)?;
        if !ids.is_privileged() {
            let owner = ids.euid == process.ids.ruid || ids.euid == process.ids.euid;
            if !owner {
                return Err(EPERM);
            }
            if priority < process.priority {
                return Err(Errno(syscall::EACCES));
            }
        }
        process.priority = priority;
        self.set_attributes(target, effects);
        Ok(())
    }

    /// Whether a process may use its session's terminal, in which a group is in the foreground. One that
    /// may not is stopped with its group by a signal, unless that would do nothing or stop it for good.
    fn control(
        &mut self,
        sid: Pid,
        pid: Pid,
        foreground: Pid,
        signal: u8,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<Control, Errno> {
        // Which numbers others have is not told to who cannot name them.
        let process = self.live(pid)?;
        if process.sid != sid {
            return Err(ESRCH);
        }
        let group = process.pgid;
        if group == foreground {
            return Ok(Control::Foreground);
        }
        let blocked = !process
            .threads
            .iter()
            .any(|thread| world.accepts(*thread, signal));
        if blocked || world.action(pid, signal) == Action::Ignore {
            return Ok(Control::Insensitive);
        }
        if self.is_orphaned(group) {
            return Ok(Control::Orphaned);
        }
        self.signal_session_group(sid, group, signal, world, effects)?;
        Ok(Control::Stopped)
    }

    /// Signals a group of a session: what its terminal does.
    fn signal_session_group(
        &mut self,
        sid: Pid,
        group: Pid,
        signal: u8,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Errno> {
        let session = self.sessions.get(&sid).ok_or(ESRCH)?;
        if !session.groups.contains(&group) {
            return Err(EPERM);
        }
        let members = self.groups.get(&group).ok_or(ESRCH)?.clone();
        let sender = SenderInfo { pid: 0, ruid: 0 };
        self.remember_orphaned(signal);
        for member in members {
            // A full queue of one keeps the signal from no other.
            let _ = self.send_unchecked(member, signal, sender, None, world, effects);
        }
        self.known_orphaned = None;
        Ok(())
    }
}
