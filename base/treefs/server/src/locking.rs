//! Requests for locks, and those that wait.

use alloc::vec::Vec;

use cap_abi::scheme::LOCK_WAIT;
use scheme_core::reply;
use syscall::{error as errno, schemev2::Sqe};
use treefs::Store;

use crate::{
    Answer, Result, Server, exactly,
    locks::{Lock, Owner, Range, Refused},
    number,
};

/// A request for a lock that is not given yet.
#[derive(Debug)]
pub struct Waiting {
    tag: u32,
    /// What it was asked through.
    handle: usize,
    node: u64,
    lock: Lock,
}

/// Most requests that wait for locks.
pub const MOST_WAITING: u64 = 1 << 12;
/// How many owners of locks are looked at for one that waits in a circle.
const LONGEST_CHAIN: usize = 64;
/// How many locks are looked at for that. A circle that is longer is waited in, and ends when somebody closes a file.
const MOST_LOOKED_AT: usize = 4096;
/// In the first word of a request for a lock: it is the open file's.
const OF_THE_FILE: u64 = 1 << 63;
/// In the second: it is exclusive.
const EXCLUSIVE: u64 = 1 << 63;

impl<S: Store> Server<S> {
    /// Whose a lock is, and what of which file it is about.
    fn lock_of(
        &self,
        sqe: &Sqe,
        handle: usize,
        [start, len]: [u64; 2],
    ) -> Result<(u64, Owner, Range)> {
        let node = self.fs.node(handle).map_err(number)?.number();
        let owner = if start & OF_THE_FILE != 0 {
            Owner::Handle(handle)
        } else {
            Owner::Process(sqe.caller)
        };
        let range = Range::new(start & !OF_THE_FILE, len).ok_or(errno::EINVAL)?;
        Ok((node, owner, range))
    }

    pub(crate) fn lock(
        &mut self,
        sqe: &Sqe,
        handle: usize,
        [start, word]: [u64; 2],
    ) -> Result<Answer> {
        let exclusive = word & EXCLUSIVE != 0;
        let wait = word & LOCK_WAIT != 0;
        let len = word & !(EXCLUSIVE | LOCK_WAIT);
        let (node, owner, range) = self.lock_of(sqe, handle, [start, len])?;
        let (read, write) = self.fs.access(handle).map_err(number)?;
        let may = if exclusive { write } else { read };
        // A lock of an open file is also what `flock` asks for, which does not care.
        if !may && matches!(owner, Owner::Process(_)) {
            return Err(errno::EBADF);
        }
        let lock = Lock {
            owner,
            through: handle,
            exclusive,
            range,
            payer: self.opener(handle).uid,
        };
        match self.locks.lock(node, lock) {
            Ok(()) => {
                // One that became shared may let others in.
                self.try_waiting(node);
                Ok(locked(owner))
            }
            Err(Refused::Conflict) if wait && self.waits_for_itself(node, lock) => {
                Err(errno::EDEADLK)
            }
            Err(Refused::Conflict) if wait => {
                if !self.of_waiting.take(lock.payer, 1) {
                    return Err(errno::ENOLCK);
                }
                self.waiting.push_back(Waiting {
                    tag: sqe.tag,
                    handle,
                    node,
                    lock,
                });
                Ok(Answer::Later)
            }
            Err(Refused::Conflict) => Err(errno::EAGAIN),
            Err(Refused::TooMany) => Err(errno::ENOLCK),
        }
    }

    /// Whether a process that waited for a lock would wait for another that waits for it, perhaps by way of others.
    fn waits_for_itself(&self, node: u64, lock: Lock) -> bool {
        if !matches!(lock.owner, Owner::Process(_)) {
            return false;
        }
        let mut seen = Vec::new();
        let mut wanted = Vec::from([(node, lock)]);
        let mut looked_at = 0_usize;
        for _ in 0..LONGEST_CHAIN {
            let Some((node, next)) = wanted.pop() else {
                break;
            };
            for other in self.locks.all_in_the_way(node, next) {
                if other.owner == lock.owner {
                    return true;
                }
                looked_at = looked_at.saturating_add(1);
                if looked_at > MOST_LOOKED_AT {
                    return false;
                }
                if seen.len() >= LONGEST_CHAIN || seen.contains(&other.owner) {
                    continue;
                }
                seen.push(other.owner);
                let waiting = self.waiting.iter();
                let waiting = waiting.filter(|waiting| waiting.lock.owner == other.owner);
                wanted.extend(waiting.map(|waiting| (waiting.node, waiting.lock)));
            }
        }
        false
    }

    pub(crate) fn unlock(&mut self, sqe: &Sqe, handle: usize, words: [u64; 2]) -> Result<Answer> {
        let (node, owner, range) = self.lock_of(sqe, handle, words)?;
        self.locks.unlock(node, owner, range);
        self.try_waiting(node);
        Ok(Answer::Value(0))
    }

    /// Tells of a lock that keeps one out that is not asked for: start, length and kind, and the process or
    /// 0. `ESRCH` if there is none.
    pub(crate) fn find_lock(
        &self,
        sqe: &Sqe,
        handle: usize,
        [start, word]: [u64; 2],
        payload: &mut [u8],
    ) -> Result<Answer> {
        let (node, owner, range) = self.lock_of(sqe, handle, [start, word & !EXCLUSIVE])?;
        let wanted = Lock {
            owner,
            through: handle,
            exclusive: word & EXCLUSIVE != 0,
            range,
            payer: self.opener(handle).uid,
        };
        let found = self.locks.in_the_way(node, wanted).ok_or(errno::ESRCH)?;
        let (start, len) = found.start_and_len();
        let kind = if found.exclusive { EXCLUSIVE } else { 0 };
        let (first, second) = payload.split_at_mut_checked(8).ok_or(errno::EINVAL)?;
        exactly(&start.to_ne_bytes(), first)?;
        exactly(&(len | kind).to_ne_bytes(), second)?;
        Ok(Answer::Value(match found.owner {
            Owner::Process(pid) => pid as usize,
            Owner::Handle(_) => 0,
        }))
    }

    pub(crate) fn unlock_all(&mut self, handle: usize, owner: Owner) {
        let Ok(node) = self.fs.node(handle) else {
            return;
        };
        let node = node.number();
        if self.locks.unlock_all(node, owner) {
            self.try_waiting(node);
        }
    }

    /// The last descriptor of a handle is gone: those locks that went with it. A process that closed it before it was
    /// known to be answered with a lock is told of as detached only after, when nobody knows any more of what.
    pub(crate) fn unlock_closed(&mut self, handle: usize) {
        self.unlock_all(handle, Owner::Handle(handle));
        let node = self.fs.node(handle).map(|node| node.number());
        while let Ok(node) = node
            && let Some(owner) = self.locks.process_through(node, handle)
        {
            self.unlock_all(handle, owner);
        }
    }

    /// Gives locks of a file to those that wait and can have them now.
    fn try_waiting(&mut self, node: u64) {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|request| {
            if request.node != node {
                return true;
            }
            let answer = match self.locks.lock(node, request.lock) {
                Err(Refused::Conflict) => return true,
                Err(Refused::TooMany) => reply::value(request.tag, Err(errno::ENOLCK)),
                // Its handle is open: see `give_up_locks`.
                Ok(()) if matches!(request.lock.owner, Owner::Process(_)) => {
                    reply::value_until_detached(request.tag, Ok(0))
                }
                Ok(()) => reply::value(request.tag, Ok(0)),
            };
            self.of_waiting.give_back(request.lock.payer, 1);
            self.ready.push_back(answer);
            false
        });
        self.waiting = waiting;
    }

    /// A handle is closed, perhaps by another thread of whoever waits for a lock through it: nobody could ever give
    /// that back.
    pub(crate) fn give_up_locks(&mut self, handle: usize) {
        let (ready, shares) = (&mut self.ready, &mut self.of_waiting);
        self.waiting.retain(|waiting| {
            let stays = waiting.handle != handle;
            if !stays {
                shares.give_back(waiting.lock.payer, 1);
                ready.push_back(reply::value(waiting.tag, Err(errno::EBADF)));
            }
            stays
        });
    }

    /// Whoever asked does not wait any longer. Whether it was a request for a lock that waited.
    pub(crate) fn cancel_lock(&mut self, tag: u32) -> bool {
        let place = self.waiting.iter().position(|waiting| waiting.tag == tag);
        let Some(waiting) = place.and_then(|place| self.waiting.remove(place)) else {
            return false;
        };
        self.of_waiting.give_back(waiting.lock.payer, 1);
        true
    }
}

const fn locked(owner: Owner) -> Answer {
    match owner {
        Owner::Process(_) => Answer::Locked,
        Owner::Handle(_) => Answer::Value(0),
    }
}
