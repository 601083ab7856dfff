//! Waiting for children.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use cap_abi::process::{WAIT_KEEP, WAIT_NOT_ENDED};
use libredox::protocol::WaitFlags;
use syscall::error as errno;

use crate::{
    manager::{Answer, Data, Effect, Errno, Manager, Tag, World},
    process::{Awaited, Pid, Process, Report, Waiter},
    status,
};

/// What a child has to tell, and to whom.
enum Told {
    /// Nothing yet.
    Nothing,
    /// Its status word, and whether there will be no other.
    Of(u32, bool),
    /// Nothing ever: it has ended, which the caller does not ask for.
    NoMore,
}

/// A child that has something to tell: which, its status word, and what it has used of the processor.
type News = (Pid, u32, u64);

impl<T> Manager<T> {
    /// waitpid(2).
    pub(crate) fn wait(
        &mut self,
        pid: Pid,
        awaited: Awaited,
        flags: WaitFlags,
        tag: Tag,
        world: &impl World,
    ) -> Result<Answer, Errno> {
        let parent = self.live(pid)?;
        // "My group" is the group the caller is in now.
        let awaited = match awaited {
            Awaited::Group(0) => Awaited::Group(parent.pgid),
            other => other,
        };
        match self.look(pid, awaited, flags, world)? {
            Some((child, word, used)) => Ok(Answer::Now(child as usize, Data::Waited(word, used))),
            None if flags.contains(WaitFlags::WNOHANG) => Ok(Answer::value(0)),
            None => {
                let parent = self.live_mut(pid)?;
                parent
                    .waiters
                    .try_reserve(1)
                    .map_err(|_| Errno(errno::ENOMEM))?;
                parent.waiters.push(Waiter {
                    tag,
                    awaited,
                    flags,
                });
                Ok(Answer::Later)
            }
        }
    }

    /// Finds a child with something to tell, and takes it as told.
    fn look(
        &mut self,
        parent: Pid,
        awaited: Awaited,
        flags: WaitFlags,
        world: &impl World,
    ) -> Result<Option<News>, Errno> {
        let mut any = false;
        let mut found = None;
        let children = &self.live(parent)?.children;
        let nobody = BTreeSet::new();
        // Of a group only its members are looked at, who may be few where there are many children.
        let candidates = match awaited {
            Awaited::Any => children.range(..),
            Awaited::Process(one) => children.range(one..=one),
            Awaited::Group(group) => self.groups.get(&group).unwrap_or(&nobody).range(..),
        };
        for child in candidates {
            let Some(process) = self.find(*child) else {
                continue;
            };
            if process.ppid != parent {
                continue;
            }
            match news(process, flags) {
                Told::Of(word, last) => {
                    let used = process.used(world).saturating_add(process.used_by_children);
                    found = Some((*child, word, used, last));
                    break;
                }
                Told::Nothing => any = true,
                Told::NoMore => {}
            }
        }
        let Some((child, word, used, last)) = found else {
            return if any {
                Ok(None)
            } else {
                Err(Errno(errno::ECHILD))
            };
        };
        if flags.bits() as u64 & WAIT_KEEP != 0 {
            return Ok(Some((child, word, used)));
        }
        if last {
            let parent = self.live_mut(parent)?;
            parent.used_by_children = parent.used_by_children.saturating_add(used);
            self.reap(child);
        } else if let Some(process) = self.find_mut(child) {
            process.report = None;
        }
        Ok(Some((child, word, used)))
    }

    /// Answers the waits of a parent that have an answer now.
    pub(crate) fn answer_waits(
        &mut self,
        parent: Pid,
        world: &impl World,
        effects: &mut Vec<Effect>,
    ) {
        let Ok(process) = self.live_mut(parent) else {
            return;
        };
        let waiters = core::mem::take(&mut process.waiters);
        let mut still = Vec::new();
        // What has been asked in vain since somebody was last told something need not be asked again.
        let mut in_vain = BTreeSet::new();
        for waiter in waiters {
            let question = (waiter.awaited, waiter.flags.bits());
            if in_vain.contains(&question) {
                still.push(waiter);
                continue;
            }
            match self.look(parent, waiter.awaited, waiter.flags, world) {
                Ok(Some((child, word, used))) => {
                    in_vain.clear();
                    effects.push(Effect::Reply(
                        waiter.tag,
                        Ok(child as usize),
                        Data::Waited(word, used),
                    ));
                }
                Ok(None) => {
                    in_vain.insert(question);
                    still.push(waiter);
                }
                Err(error) => effects.push(Effect::Reply(waiter.tag, Err(error), Data::None)),
            }
        }
        if let Ok(process) = self.live_mut(parent) {
            process.waiters = still;
        }
    }

    /// The caller of a request no longer waits for its answer (a signal came, or it ended).
    pub fn cancel(&mut self, pid: Pid, tag: Tag, effects: &mut Vec<Effect>) {
        let mut cancelled = false;
        if let Some(process) = self.find_mut(pid) {
            let before = process.waiters.len();
            process.waiters.retain(|waiter| waiter.tag != tag);
            cancelled = process.waiters.len() < before;
        }
        if !cancelled {
            cancelled = self.cancel_observer(tag);
        }
        if cancelled {
            effects.push(Effect::Reply(tag, Err(Errno(errno::EINTR)), Data::None));
        }
    }
}

fn news(process: &Process, flags: WaitFlags) -> Told {
    if let Some(word) = process.final_status() {
        return if flags.bits() as u64 & WAIT_NOT_ENDED == 0 {
            Told::Of(word, true)
        } else {
            Told::NoMore
        };
    }
    match process.report {
        Some(Report::Stopped(signal)) if flags.contains(WaitFlags::WUNTRACED) => {
            Told::Of(status::stopped(signal), false)
        }
        Some(Report::Continued) if flags.contains(WaitFlags::WCONTINUED) => {
            Told::Of(status::CONTINUED, false)
        }
        _ => Told::Nothing,
    }
}
