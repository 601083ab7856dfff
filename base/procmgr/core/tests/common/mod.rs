//! A machine around the rules: contexts that run, stop and die as they are told to.

#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};

use cap_abi::process::SENDER_IN_QUEUE;
use gen_slab::Key;
use libredox::protocol::{ProcCall, ProcKillTarget};
use procmgr_core::{
    Action, Answer, Data, Death, Effect, Errno, Made, Manager, Pid, Tag, World, default_action,
};
use syscall::sigabi::SenderInfo;

/// What the signal pages say, and which contexts there are.
#[derive(Default)]
pub struct Machine {
    /// Signals that a process with a page ignores or stops at; absent: no page.
    pub pages: BTreeMap<Pid, BTreeMap<u8, Action>>,
    pub pending: BTreeMap<Pid, BTreeSet<u8>>,
    pub thread_pending: BTreeMap<Key, BTreeSet<u8>>,
    pub blocked: BTreeMap<Key, BTreeSet<u8>>,
    pub started: BTreeSet<Key>,
    /// How long threads have had the processor.
    pub used: BTreeMap<Key, u64>,
    pub no_child_stop: BTreeSet<Pid>,
    pub forgetful: BTreeSet<Pid>,
    pub senders: Vec<(Pid, u8, u32)>,
    /// Whether something is said to have come with the signal that is, or was last, pending.
    pub in_queue: BTreeMap<(Pid, u8), bool>,
}

impl World for Machine {
    fn action(&self, pid: Pid, signal: u8) -> Action {
        match self.pages.get(&pid) {
            None => default_action(signal),
            Some(page) => page.get(&signal).copied().unwrap_or(Action::Deliver),
        }
    }
    fn ignores_child_stops(&self, pid: Pid) -> bool {
        self.no_child_stop.contains(&pid)
    }
    fn forgets_children(&self, pid: Pid) -> bool {
        self.forgetful.contains(&pid)
    }
    fn is_pending(&self, pid: Pid, signal: u8) -> bool {
        self.pending
            .get(&pid)
            .is_some_and(|pending| pending.contains(&signal))
    }
    fn post(&mut self, pid: Pid, signal: u8, sender: SenderInfo) {
        if self.pending.entry(pid).or_default().insert(signal) {
            self.in_queue
                .insert((pid, signal), sender.ruid == SENDER_IN_QUEUE);
        }
        self.senders.push((pid, signal, sender.pid));
    }
    fn post_to_thread(&mut self, thread: Key, signal: u8, _: SenderInfo) {
        self.thread_pending
            .entry(thread)
            .or_default()
            .insert(signal);
    }
    fn withdraw(&mut self, pid: Pid, threads: &[Key], signals: u64) {
        let keep = |signal: &u8| signals & (1 << (signal - 1)) == 0;
        self.pending.entry(pid).or_default().retain(keep);
        for thread in threads {
            self.thread_pending.entry(*thread).or_default().retain(keep);
        }
    }
    fn accepts(&self, thread: Key, signal: u8) -> bool {
        !self
            .blocked
            .get(&thread)
            .is_some_and(|b| b.contains(&signal))
    }
    fn has_deliverable(&self, thread: Key) -> bool {
        self.thread_pending
            .get(&thread)
            .is_some_and(|pending| pending.iter().any(|signal| self.accepts(thread, *signal)))
    }
    fn is_started(&self, thread: Key) -> bool {
        self.started.contains(&thread)
    }
    fn used(&self, thread: Key) -> u64 {
        self.used.get(&thread).copied().unwrap_or(0)
    }
}

pub type Reply = Result<(usize, Option<u32>), i32>;

pub struct Sim {
    pub manager: Manager<&'static str>,
    pub machine: Machine,
    pub replies: BTreeMap<Tag, Reply>,
    pub stopped: BTreeSet<Key>,
    pub killed: BTreeMap<Key, u32>,
    pub interrupted: Vec<Key>,
    pub ready: Vec<u64>,
    pub attributes_set: Vec<Key>,
    /// Contexts die only when asked to, and not of themselves.
    pub slow_death: bool,
    next_tag: Tag,
}

/// A process with its control handle and main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proc {
    pub pid: Pid,
    pub handle: u64,
    pub thread: Key,
}

impl Sim {
    pub fn new() -> (Self, Proc) {
        let mut manager = Manager::new(1 << 15);
        let root = manager.root().unwrap();
        let Ok(Made::NewThread { handle, thread }) = manager.dup(root, b"first", 0) else {
            panic!()
        };
        let mut sim = Self {
            manager,
            machine: Machine::default(),
            replies: BTreeMap::new(),
            stopped: BTreeSet::new(),
            killed: BTreeMap::new(),
            interrupted: Vec::new(),
            ready: Vec::new(),
            attributes_set: Vec::new(),
            slow_death: false,
            next_tag: 0,
        };
        sim.close(root);
        sim.machine.started.insert(thread);
        let init = Proc {
            pid: 1,
            handle,
            thread,
        };
        sim.machine.pages.insert(1, BTreeMap::new());
        (sim, init)
    }

    pub fn fork_unstarted(&mut self, parent: Proc) -> Result<Proc, Errno> {
        match self.manager.dup(parent.handle, b"fork", 0)? {
            Made::NewThread { handle, thread } => Ok(Proc {
                pid: self.manager.controlled(handle).unwrap(),
                handle,
                thread,
            }),
            other => panic!("{other:?}"),
        }
    }

    /// A started child whose signals are delivered to it.
    pub fn fork(&mut self, parent: Proc) -> Proc {
        let child = self.fork_unstarted(parent).unwrap();
        self.machine.started.insert(child.thread);
        self.machine.pages.insert(child.pid, BTreeMap::new());
        child
    }

    pub fn tag(&mut self) -> Tag {
        self.next_tag += 1;
        self.next_tag
    }

    pub fn act(&mut self, effects: Vec<Effect>) {
        let mut deaths = Vec::new();
        for effect in effects {
            match effect {
                Effect::Stop(thread) => assert!(self.stopped.insert(thread), "stopped twice"),
                Effect::Resume(thread) => assert!(self.stopped.remove(&thread), "not stopped"),
                Effect::Interrupt(thread) => self.interrupted.push(thread),
                Effect::Kill(thread, word) => {
                    assert!(self.killed.insert(thread, word).is_none(), "killed twice");
                    deaths.push(thread);
                }
                Effect::Forget(pid) => {
                    self.machine.pages.remove(&pid);
                    self.machine.forgetful.remove(&pid);
                }
                Effect::SetAttributes(thread) => self.attributes_set.push(thread),
                Effect::Reply(tag, result, data) => {
                    let reply = result.map(|value| (value, word(data))).map_err(|e| e.0);
                    assert!(self.replies.insert(tag, reply).is_none(), "answered twice");
                }
                Effect::Ready(handle) => self.ready.push(handle),
            }
        }
        if !self.slow_death {
            for thread in deaths {
                self.died(thread, Death::Ended(self.killed[&thread]));
            }
        }
    }

    pub fn died(&mut self, thread: Key, death: Death) {
        let mut effects = Vec::new();
        self.stopped.remove(&thread);
        let used = self.machine.used.remove(&thread).unwrap_or(0);
        self.manager
            .context_died(thread, death, used, &mut self.machine, &mut effects);
        self.act(effects);
    }

    pub fn close(&mut self, handle: u64) {
        let mut effects = Vec::new();
        self.manager.close(handle, &mut self.machine, &mut effects);
        self.act(effects);
    }

    /// Calls, and tells the answer if it came at once; otherwise the tag.
    pub fn call_tagged(
        &mut self,
        handle: u64,
        metadata: [u64; 3],
        payload: &[u8],
    ) -> (Tag, Result<Answer, Errno>) {
        let tag = self.tag();
        let mut effects = Vec::new();
        let answer = self.manager.call(
            handle,
            metadata,
            payload,
            tag,
            &mut self.machine,
            &mut effects,
        );
        self.act(effects);
        (tag, answer)
    }

    pub fn call(&mut self, handle: u64, metadata: [u64; 3]) -> Reply {
        self.call_with(handle, metadata, &[])
    }

    pub fn call_with(&mut self, handle: u64, metadata: [u64; 3], payload: &[u8]) -> Reply {
        match self.call_tagged(handle, metadata, payload) {
            (_, Ok(Answer::Now(value, data))) => Ok((value, word(data))),
            (_, Ok(Answer::Never)) => Ok((0, None)),
            (_, Ok(Answer::Later)) => panic!("it waits"),
            (_, Err(error)) => Err(error.0),
        }
    }

    pub fn verb(&mut self, who: Proc, verb: ProcCall, a: u64, b: u64) -> Reply {
        self.call(who.handle, [verb as u64, a, b])
    }

    pub fn kill(&mut self, who: Proc, target: ProcKillTarget, signal: u8) -> Reply {
        self.verb(who, ProcCall::Kill, target.raw() as u64, signal.into())
    }

    pub fn kill_pid(&mut self, who: Proc, pid: Pid, signal: u8) -> Reply {
        self.kill(who, ProcKillTarget::SingleProc(pid as usize), signal)
    }

    pub fn exit(&mut self, who: Proc, word: u32) {
        self.verb(who, ProcCall::Exit, word.into(), 0).unwrap();
    }

    /// Starts a wait that must not be answered at once.
    pub fn wait_later(&mut self, who: Proc, verb: ProcCall, target: u64, flags: usize) -> Tag {
        match self.call_tagged(who.handle, [verb as u64, target, flags as u64], &[]) {
            (tag, Ok(Answer::Later)) => tag,
            (_, other) => panic!("{other:?}"),
        }
    }

    pub fn cancel(&mut self, pid: Pid, tag: Tag) {
        let mut effects = Vec::new();
        self.manager.cancel(pid, tag, &mut effects);
        self.act(effects);
    }

    pub fn is_pending(&self, pid: Pid, signal: u8) -> bool {
        self.machine.is_pending(pid, signal)
    }
}

fn word(data: Data) -> Option<u32> {
    match data {
        Data::Status(word) | Data::Waited(word, _) => Some(word),
        _ => None,
    }
}
