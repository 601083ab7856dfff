//! How processes end.

use alloc::vec::Vec;

use gen_slab::Key;
use syscall::{SIGCHLD, sigabi::SenderInfo};

use crate::{
    manager::{Effect, Errno, INIT, Manager, World},
    process::{Death, Pid, State},
    status,
};

impl<T> Manager<T> {
    /// Begins to end a process: all its contexts are to be ended.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn exit(&mut self, pid: Pid, word: u32, effects: &mut Vec<Effect>) -> Result<(), Errno> {
        let process = self.live_mut(pid)?;
        process.state = State::Exiting(word);
        process.report = None;
        let waits = core::mem::take(&mut process.waiters);
        for thread in &process.threads {
            effects.push(Effect::Kill(*thread, word));
        }
        for wait in waits {
            effects.push(Effect::Reply(
                wait.tag,
                Err(Errno(syscall::EINTR)),
                crate::Data::None,
            ));
        }
        Ok(())
    }

    /// A context has ended, on its own or because it was ended. `used`: how long it had the processor.
    pub fn context_died(
        &mut self,
        thread: Key,
        death: Death,
        used: u64,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.remove_thread(thread) else {
            return;
        };
        let Some(process) = self.processes.get_mut(key) else {
            return;
        };
        process.threads.retain(|other| *other != thread);
        process.used_by_ended = process.used_by_ended.saturating_add(used);
        let (pid, last, alive) = (process.pid, process.threads.is_empty(), process.is_alive());
        if last {
            let word = match process.state {
                State::Exiting(word) => word,
                _ => death.status(),
            };
            self.ended(pid, word, world, effects);
        } else if alive && let Death::Exception(signal) = death {
            // An exception in one thread is the end of them all.
            let _ = self.exit(pid, status::signaled(signal), effects);
        }
    }

    /// The last context of a process is gone.
    fn ended(&mut self, pid: Pid, word: u32, world: &mut impl World, effects: &mut Vec<Effect>) {
        self.finish(pid, word, world, effects);
        if let Some(ppid) = self.find(pid).map(|process| process.ppid) {
            self.tell_parent_of_end(pid, ppid, world, effects);
        }
    }

    /// Makes a process without contexts a zombie: everybody but its parent learns of it.
    fn finish(&mut self, pid: Pid, word: u32, world: &mut impl World, effects: &mut Vec<Effect>) {
        let Some(process) = self.find_mut(pid) else {
            return;
        };
        process.state = State::Zombie(word);
        process.report = None;
        process.queued.clear();
        let children = core::mem::take(&mut process.children);
        let observers = core::mem::take(&mut process.observers);
        let polled = core::mem::take(&mut process.polled);
        let waiters = core::mem::take(&mut process.waiters);
        for tag in observers {
            self.observing.remove(&tag);
            effects.push(Effect::Reply(
                tag,
                Ok(size_of::<usize>()),
                crate::Data::Status(word),
            ));
        }
        for waiter in waiters {
            effects.push(Effect::Reply(
                waiter.tag,
                Err(Errno(syscall::EINTR)),
                crate::Data::None,
            ));
        }
        effects.extend(polled.iter().map(|handle| Effect::Ready(handle.raw())));

        let linked = self.groups_linked_by(pid, &children);
        self.leader_ended(pid);
        for child in children {
            self.give_to_init(child, world, effects);
        }
        for group in linked {
            self.continue_orphans(group, world, effects);
        }
    }

    /// An orphan's new parent is init.
    fn give_to_init(&mut self, child: Pid, world: &mut impl World, effects: &mut Vec<Effect>) {
        let Some(process) = self.find_mut(child) else {
            return;
        };
        process.ppid = INIT;
        let ended = process.final_status().is_some();
        if let Some(init) = self.find_mut(INIT).filter(|init| init.is_alive()) {
            init.children.insert(child);
            if ended {
                self.tell_parent_of_end(child, INIT, world, effects);
            }
        } else if ended {
            self.reap(child);
        }
    }

    /// A zombie's parent learns of it: by the wait that matches, or by a signal.
    fn tell_parent_of_end(
        &mut self,
        pid: Pid,
        ppid: Pid,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) {
        if self.live(ppid).is_err() {
            // Init itself is gone, or it is going: nobody will ask.
            let orphan = self
                .find(ppid)
                .is_none_or(|parent| parent.final_status().is_some());
            if orphan {
                self.reap(pid);
            }
            return;
        }
        if world.forgets_children(ppid) {
            self.reap(pid);
            self.answer_waits(ppid, world, effects);
            return;
        }
        self.child_signal(pid, ppid, world, effects);
        self.answer_waits(ppid, world, effects);
    }

    /// `SIGCHLD` for a parent, on behalf of the child.
    pub(crate) fn child_signal(
        &mut self,
        child: Pid,
        parent: Pid,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) {
        let ruid = self.find(child).map_or(0, |process| process.ids.ruid);
        let sender = SenderInfo { pid: child, ruid };
        self.deliver(parent, SIGCHLD as u8, sender, world, effects);
    }

    /// A process has been waited for (or nobody will): its number is free again, unless a descriptor
    /// still refers to it.
    pub(crate) fn reap(&mut self, pid: Pid) {
        let Some(key) = self.by_pid.get(&pid).copied() else {
            return;
        };
        let Some(process) = self.processes.get_mut(key) else {
            return;
        };
        process.reaped = true;
        let (ppid, uid) = (process.ppid, process.ids.ruid);
        if let Some(parent) = self.find_mut(ppid) {
            parent.children.remove(&pid);
        }
        self.leave_group(pid);
        self.count_user(uid, -1);
        self.forget_if_unused(key);
    }

    /// Forgets a process that has been waited for and that no handle refers to.
    pub(crate) fn forget_if_unused(&mut self, key: Key) {
        let Some(process) = self.processes.get(key) else {
            return;
        };
        let handles = process
            .control_handles
            .saturating_add(process.other_handles);
        if process.reaped && handles == 0 {
            let (pid, uid) = (process.pid, process.ids.ruid);
            self.processes.remove(key);
            self.of_numbers.give_back(uid, 1);
            if self.by_pid.get(&pid) == Some(&key) {
                self.by_pid.remove(&pid);
            }
        }
    }

    /// The last control handle of a process is gone. If none of its contexts was ever started, none
    /// will be: it disappears, and nobody is told.
    pub(crate) fn discard_if_unborn(
        &mut self,
        key: Key,
        world: &mut impl World,
        effects: &mut Vec<Effect>,
    ) {
        let Some(process) = self.processes.get(key).filter(|p| p.is_alive()) else {
            return;
        };
        if process
            .threads
            .iter()
            .any(|thread| world.is_started(*thread))
        {
            return;
        }
        let (pid, ppid, threads) = (process.pid, process.ppid, process.threads.clone());
        for thread in threads {
            self.remove_thread(thread);
            effects.push(Effect::Kill(thread, status::signaled(9)));
        }
        if let Some(process) = self.processes.get_mut(key) {
            process.threads.clear();
        }
        // It may have named signal pages, and its number is another's soon.
        effects.push(Effect::Forget(pid));
        self.finish(pid, status::signaled(9), world, effects);
        self.reap(pid);
        self.answer_waits(ppid, world, effects);
    }
}
