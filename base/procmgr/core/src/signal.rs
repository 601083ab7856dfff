//! Signals: who may send them, whom they reach, and what they do.

use alloc::vec::Vec;

use cap_abi::process::SENDER_IN_QUEUE;
use gen_slab::Key;
use libredox::protocol::{self, ProcKillTarget, RtSigInfo};
use syscall::{error as errno, sigabi::SenderInfo};

use crate::{
    manager::{Answer, Data, EINVAL, EPERM, ESRCH, Effect, Errno, INIT, Manager, World},
    process::{Pid, Report, SIGPENDING, State},
    status,
};

/// The greatest signal's number.
pub const SIGNALS: u8 = 64;
/// The first real-time signal's number.
const REAL_TIME: u8 = 33;
/// Most queued real-time signals of one process, whatever its limits.
const QUEUE_MAX: u64 = 256;

pub(crate) const SIGHUP: u8 = protocol::SIGHUP as u8;
pub(crate) const SIGCONT: u8 = protocol::SIGCONT as u8;
const SIGINT: u8 = protocol::SIGINT as u8;
const SIGQUIT: u8 = protocol::SIGQUIT as u8;
const SIGKILL: u8 = protocol::SIGKILL as u8;
const SIGSTOP: u8 = protocol::SIGSTOP as u8;
pub(crate) const SIGTSTP: u8 = protocol::SIGTSTP as u8;
pub(crate) const SIGTTIN: u8 = protocol::SIGTTIN as u8;
pub(crate) const SIGTTOU: u8 = protocol::SIGTTOU as u8;
const SIGCHLD: u8 = protocol::SIGCHLD as u8;
const SIGURG: u8 = protocol::SIGURG as u8;
const SIGWINCH: u8 = protocol::SIGWINCH as u8;

const STOPPING: u64 = bit(SIGSTOP) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);

const fn bit(signal: u8) -> u64 {
    1u64.wrapping_shl((signal as u32).wrapping_sub(1))
}

/// What a signal does to a process. `SIGKILL` and `SIGSTOP` do what they do, whatever is said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Ignore,
    /// Stops it.
    Stop,
    /// It becomes pending, and the process itself does what is to be done.
    Deliver,
    /// Ends it: the process cannot handle signals (yet).
    End,
}

/// What a signal does to a process without signal pages.
#[must_use]
pub const fn default_action(signal: u8) -> Action {
    match signal {
        SIGCHLD | SIGURG | SIGWINCH | SIGCONT => Action::Ignore,
        SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => Action::Stop,
        _ => Action::End,
    }
}

/// Whether terminals send this signal, or ask about it: nobody's user id matters then.
pub(crate) const fn is_a_terminals(signal: u8) -> bool {
    matches!(
        signal,
        0 | SIGHUP | SIGINT | SIGQUIT | SIGCONT | SIGTSTP | SIGTTIN | SIGTTOU | SIGWINCH
    )
}

impl<T> Manager<T> {
    /// kill(2), and sigqueue(3) with `info`. Signal 0 only asks whether it could be sent.
    pub(crate) fn kill(
        &mut self,
        caller: Pid,
        target: ProcKillTarget,
        signal: u8,
        info: Option<RtSigInfo>,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Errno> {
        let pid_of = |raw: usize| Pid::try_from(raw).map_err(|_| ESRCH);
        let targets: Vec<Pid> = match target {
            ProcKillTarget::SingleProc(pid) => alloc::vec![pid_of(pid)?],
            ProcKillTarget::ThisGroup => self.members(self.live(caller)?.pgid),
            ProcKillTarget::ProcGroup(group) => self.members(pid_of(group)?),
            ProcKillTarget::All => self
                .pids()
                .filter(|pid| *pid != INIT && *pid != caller)
                .collect(),
        };
        // The caller comes last, so that its own end does not keep the others from theirs.
        let (own, others): (Vec<Pid>, Vec<Pid>) =
            targets.into_iter().partition(|pid| *pid == caller);
        let mut result = Err(ESRCH);
        self.remember_orphaned(signal);
        for pid in others.into_iter().chain(own) {
            match self.send(caller, pid, signal, info, world, effects) {
                Ok(()) => result = Ok(()),
                Err(error) if result == Err(ESRCH) => result = Err(error),
                Err(_) => (),
            }
        }
        self.known_orphaned = None;
        result
    }

    fn members(&self, group: Pid) -> Vec<Pid> {
        self.groups
            .get(&group)
            .map(|members| members.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Sends a signal from one process to one other, if it may.
    fn send(
        &mut self,
        caller: Pid,
        pid: Pid,
        signal: u8,
        info: Option<RtSigInfo>,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Errno> {
        let from = self.live(caller)?;
        let to = self.named(caller, pid)?;
        if to.reaped {
            return Err(ESRCH);
        }
        let continues = signal == SIGCONT && from.sid == to.sid;
        if !from.ids.may_signal(&to.ids) && !continues {
            return Err(EPERM);
        }
        let sender = SenderInfo {
            pid: caller,
            ruid: from.ids.ruid,
        };
        self.send_unchecked(pid, signal, sender, info, world, effects)
    }

    /// Sends a signal; that the sender may has been established.
    pub(crate) fn send_unchecked(
        &mut self,
        pid: Pid,
        signal: u8,
        sender: SenderInfo,
        info: Option<RtSigInfo>,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Errno> {
        if signal == 0 || self.live(pid).is_err() {
            // One that has ended takes every signal, to no effect.
            return Ok(());
        }
        if pid == INIT && matches!(signal, SIGKILL | SIGSTOP) {
            return Err(EPERM);
        }
        let info = info.map(|info| RtSigInfo {
            pid: sender.pid,
            uid: sender.ruid,
            ..info
        });
        let mut sender = sender;
        if signal < REAL_TIME {
            if self.keep(pid, signal, info, world)? {
                sender.ruid = SENDER_IN_QUEUE;
            }
        } else if world.action(pid, signal) == Action::Deliver {
            let process = self.live_mut(pid)?;
            let limit = process.limit(SIGPENDING).min(QUEUE_MAX);
            let real_time = |(queued, _): &&(u8, RtSigInfo)| *queued >= REAL_TIME;
            if process.queued.iter().filter(real_time).count() as u64 >= limit {
                return Err(Errno(errno::EAGAIN));
            }
            process
                .queued
                .try_reserve(1)
                .map_err(|_| Errno(errno::EAGAIN))?;
            let info = info.unwrap_or(RtSigInfo {
                pid: sender.pid,
                uid: sender.ruid,
                ..RtSigInfo::default()
            });
            process.queued.push_back((signal, info));
        }
        self.deliver(pid, signal, sender, world, effects);
        Ok(())
    }

    /// Keeps what comes with an ordinary signal that is about to be delivered, and answers whether there
    /// is something. As long as the signal is pending, what came with the first of them counts.
    fn keep(
        &mut self,
        pid: Pid,
        signal: u8,
        info: Option<RtSigInfo>,
        world: &impl World,
    ) -> Result<bool, Errno> {
        let process = self.live_mut(pid)?;
        if info.is_none() && process.queued.is_empty() || world.is_pending(pid, signal) {
            return Ok(false);
        }
        // Of one that was taken without being asked for.
        process.queued.retain(|(queued, _)| *queued != signal);
        let Some(info) = info else {
            return Ok(false);
        };
        let becomes_pending =
            !matches!(signal, SIGKILL | SIGSTOP) && world.action(pid, signal) == Action::Deliver;
        // Without memory it comes alone.
        if !becomes_pending || process.queued.try_reserve(1).is_err() {
            return Ok(false);
        }
        process.queued.push_back((signal, info));
        Ok(true)
    }

    /// Lets a signal do to a process what it does.
    pub(crate) fn deliver(
        &mut self,
        pid: Pid,
        signal: u8,
        sender: SenderInfo,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) {
        if self.live(pid).is_err() {
            return;
        }
        match signal {
            SIGKILL if pid != INIT => {
                let _ = self.exit(pid, status::signaled(signal), effects);
                return;
            }
            SIGSTOP if pid != INIT => return self.stop(pid, signal, world, effects),
            SIGKILL | SIGSTOP => return,
            SIGCONT => self.resume(pid, world, effects),
            _ => (),
        }
        match world.action(pid, signal) {
            Action::Ignore => (),
            Action::Stop => {
                let process = self.find(pid).map(|process| (process.state, process.pgid));
                let may_stop = process.is_some_and(|(state, group)| {
                    state != State::Running || !self.is_known_orphaned(group)
                });
                if signal != SIGCONT && pid != INIT && may_stop {
                    self.stop(pid, signal, world, effects);
                }
            }
            Action::End if pid == INIT => (),
            Action::End => {
                let _ = self.exit(pid, status::signaled(signal), effects);
            }
            Action::Deliver => {
                if bit(signal) & STOPPING != 0 {
                    self.withdraw(pid, bit(SIGCONT), world);
                }
                world.post(pid, signal, sender);
                let Some(process) = self.find(pid) else {
                    return;
                };
                if process.state == State::Running {
                    let taker = process.threads.iter().find(|t| world.accepts(**t, signal));
                    effects.extend(taker.copied().map(Effect::Interrupt));
                }
            }
        }
    }

    /// Sends a signal to one thread of the caller's process.
    pub(crate) fn signal_thread(
        &mut self,
        thread: Key,
        signal: u8,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Errno> {
        let key = *self.threads.get(thread).ok_or(ESRCH)?;
        let process = self.processes.get(key).ok_or(ESRCH)?;
        let (pid, state) = (process.pid, process.state);
        let sender = SenderInfo {
            pid,
            ruid: process.ids.ruid,
        };
        if signal == 0 {
            return Ok(());
        }
        // What stops, continues or ends does so to the whole process.
        let whole = matches!(signal, SIGKILL | SIGSTOP | SIGCONT)
            || world.action(pid, signal) != Action::Deliver;
        if whole {
            return self.send_unchecked(pid, signal, sender, None, world, effects);
        }
        world.post_to_thread(thread, signal, sender);
        if state == State::Running && world.accepts(thread, signal) {
            effects.push(Effect::Interrupt(thread));
        }
        Ok(())
    }

    /// Takes the oldest queued signal of this number. An ordinary one stops to be pending at the same time, so that
    /// the next one of its kind is neither lost nor taken for it.
    pub(crate) fn dequeue(
        &mut self,
        pid: Pid,
        signal: u8,
        world: &mut impl World,
    ) -> Result<Answer, Errno> {
        if signal == 0 {
            return Err(EINVAL);
        }
        let process = self.live_mut(pid)?;
        let place = process
            .queued
            .iter()
            .position(|(queued, _)| *queued == signal);
        let (_, info) = place
            .and_then(|place| process.queued.remove(place))
            .ok_or(Errno(errno::EAGAIN))?;
        if signal < REAL_TIME {
            world.withdraw(pid, &[], bit(signal));
        } else if let Some((_, next)) = process.queued.iter().find(|(queued, _)| *queued == signal)
        {
            let sender = SenderInfo {
                pid: next.pid,
                ruid: next.uid,
            };
            world.post(pid, signal, sender);
        }
        Ok(Answer::Now(0, Data::Signal(info)))
    }

    fn withdraw(&mut self, pid: Pid, signals: u64, world: &mut impl World) {
        if let Some(process) = self.find_mut(pid) {
            process
                .queued
                .retain(|(queued, _)| bit(*queued) & signals == 0);
            world.withdraw(pid, &process.threads, signals);
        }
    }

    fn stop(&mut self, pid: Pid, signal: u8, world: &mut impl World, effects: &mut Vec<Effect>) {
        self.withdraw(pid, bit(SIGCONT), world);
        let Ok(process) = self.live_mut(pid) else {
            return;
        };
        if process.state != State::Running {
            return;
        }
        process.state = State::Stopped(signal);
        process.report = Some(Report::Stopped(signal));
        effects.extend(process.threads.iter().copied().map(Effect::Stop));
        self.tell_parent_of_change(pid, world, effects);
    }

    fn resume(&mut self, pid: Pid, world: &mut impl World, effects: &mut Vec<Effect>) {
        self.withdraw(pid, STOPPING, world);
        let Ok(process) = self.live_mut(pid) else {
            return;
        };
        if !matches!(process.state, State::Stopped(_)) {
            return;
        }
        process.state = State::Running;
        process.report = Some(Report::Continued);
        for thread in &process.threads {
            effects.push(Effect::Resume(*thread));
            // What came while it was stopped.
            if world.has_deliverable(*thread) {
                effects.push(Effect::Interrupt(*thread));
            }
        }
        self.tell_parent_of_change(pid, world, effects);
    }

    fn tell_parent_of_change(
        &mut self,
        pid: Pid,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) {
        let Some(parent) = self.find(pid).map(|process| process.ppid) else {
            return;
        };
        if !world.ignores_child_stops(parent) {
            self.child_signal(pid, parent, world, effects);
        }
        self.answer_waits(parent, world, effects);
    }
}
