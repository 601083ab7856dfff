//! What the daemons of file systems have in common: requests of the scheme's socket to a `treefs-server`, and
//! the memory of those that wait for its answer.
#![no_std]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::ptr::with_exposed_provenance_mut;

use redox_rt::Result;
use scheme_core::{Payload, payload_of, user_of};
use scheme_loop::{Answers, Handler};
use syscall::flag::O_CREAT;
use syscall::schemev2::{Cqe, CqeOpcode, Opcode, Sqe, SqeFlags};
use treefs::{Store, TimeSpec};
use treefs_server::{Requests, Server};

/// A file system that is served. `LONGEST` is how much of a request is looked at: longer writes to files are done
/// in part. `HEADROOM` is how much memory a change takes at most, see [`Handler::HEADROOM`].
pub struct Service<S, const LONGEST: usize, const HEADROOM: usize> {
    server: Server<S>,
    now: fn() -> TimeSpec,
    /// What is read is kept for the next time.
    keeps_read: bool,
    waiting: Memory,
}

impl<S: Store, const LONGEST: usize, const HEADROOM: usize> Service<S, LONGEST, HEADROOM> {
    /// Serves a file system, by a clock; `keeps_read` says that what is read takes memory.
    pub const fn new(server: Server<S>, now: fn() -> TimeSpec, keeps_read: bool) -> Self {
        Self {
            keeps_read,
            server,
            now,
            waiting: Memory {
                current: None,
                kept: BTreeMap::new(),
            },
        }
    }

    /// What serves.
    pub const fn server_mut(&mut self) -> &mut Server<S> {
        &mut self.server
    }

    fn say(&mut self, cqe: Cqe, out: &mut Answers<'_>) -> Result<()> {
        // From here on its caller's memory is no longer lent.
        if cqe.flags & OPCODE != CqeOpcode::SendFevent as u8 {
            self.waiting.kept.remove(&cqe.tag);
        }
        out.push(cqe)
    }
}

/// The bits of a completion's flags that say which it is.
const OPCODE: u8 = 0b111;

impl<S: Store, const LONGEST: usize, const HEADROOM: usize> Handler
    for Service<S, LONGEST, HEADROOM>
{
    const LONGEST_INPUT: usize = LONGEST;
    const HEADROOM: usize = HEADROOM;

    fn takes_memory_for(&self, sqe: &Sqe) -> Option<u32> {
        let [handle, _, _, flags, ..] = sqe.args;
        let caller = user_of(sqe).0;
        match Opcode::try_from_raw(sqe.opcode)? {
            Opcode::Write | Opcode::MmapPrep | Opcode::Ftruncate => Some(caller),
            Opcode::Read | Opcode::Fsync => self.keeps_read.then_some(caller),
            Opcode::OpenAt => (flags as usize & O_CREAT != 0).then_some(caller),
            // Pages move back to where they were; whose mapping it was is not told.
            Opcode::Munmap => Some(u32::MAX),
            // Neither is whose call it is.
            Opcode::StdFsCall => Some(self.server.opener(handle as usize).uid),
            _ => None,
        }
    }

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        let memory = payload_of(sqe);
        // A payload that is only the beginning of the memory is a copy, so that nobody here refers to that.
        self.waiting.current = (payload.len() < memory.len).then_some((sqe.tag, memory));
        let said = self
            .server
            .handle(sqe, payload, (self.now)(), &mut self.waiting);
        self.waiting.current = None;
        if said.is_none() && !sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            self.waiting.kept.insert(sqe.tag, memory);
        }
        if let Some(cqe) = said {
            self.say(cqe, out)?;
        }
        while let Some(cqe) = self.server.next_ready() {
            self.say(cqe, out)?;
        }
        Ok(())
    }
}

/// The memory of requests that have no answer yet.
struct Memory {
    /// That of the one at hand, if there is more of it than what is shown.
    current: Option<(u32, Payload)>,
    /// Those that wait.
    kept: BTreeMap<u32, Payload>,
}

impl Memory {
    /// The address of a part of a request's memory, if all of it is there.
    fn part(&self, tag: u32, offset: usize, len: usize) -> Option<*mut u8> {
        let current = self.current.filter(|current| current.0 == tag);
        let payload = match current {
            Some((_, payload)) => payload,
            None => *self.kept.get(&tag)?,
        };
        let end = offset.checked_add(len)?;
        (end <= payload.len)
            .then(|| with_exposed_provenance_mut(payload.address.wrapping_add(offset)))
    }
}

impl Requests for Memory {
    fn take(&mut self, tag: u32, offset: usize, into: &mut [u8]) -> bool {
        let Some(from) = self.part(tag, offset, into.len()) else {
            return false;
        };
        // SAFETY: 1. The kernel gives a request's memory until it is answered. What is kept is taken out in
        // `say`, before the answer is pushed, and what is current is not answered before `handle` returns.
        // 2. `part` has checked that all of it is within the request's. 3. Nobody here has a reference to it:
        // of a kept one the payload was given back, of the current one it is a copy. 4. Its owner may write to
        // it meanwhile, so that what is copied is bytes that mean nothing. `into` is memory of this program,
        // which payloads are not.
        unsafe { core::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        true
    }

    fn give(&mut self, tag: u32, offset: usize, from: &[u8]) -> bool {
        let Some(to) = self.part(tag, offset, from.len()) else {
            return false;
        };
        // SAFETY: as for `take`.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        true
    }
}
