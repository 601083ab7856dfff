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
/// in part. `HEADROOM` is how much memory a change takes at most, see [`Handler::HEADROOM`]; `KEEPS_READ` says that
/// reading is one.
pub struct Service<S, const LONGEST: usize, const HEADROOM: usize, const KEEPS_READ: bool> {
    server: Server<S>,
    now: fn() -> TimeSpec,
    waiting: Memory,
}

impl<S: Store, const LONGEST: usize, const HEADROOM: usize, const KEEPS_READ: bool>
    Service<S, LONGEST, HEADROOM, KEEPS_READ>
{
    /// Serves a file system, by a clock.
    pub const fn new(server: Server<S>, now: fn() -> TimeSpec) -> Self {
        Self {
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

impl<S: Store, const LONGEST: usize, const HEADROOM: usize, const KEEPS_READ: bool> Handler
    for Service<S, LONGEST, HEADROOM, KEEPS_READ>
{
    const LONGEST_INPUT: usize = LONGEST;
    const HEADROOM: usize = HEADROOM;

    #[inline(always)]
    fn takes_memory(sqe: &Sqe) -> bool {
        const OPEN: u8 = Opcode::OpenAt as u8;
        const WRITE: u8 = Opcode::Write as u8;
        const CUT: u8 = Opcode::Ftruncate as u8;
        const MAP: u8 = Opcode::MmapPrep as u8;
        // Its pages move back to where they were.
        const UNMAP: u8 = Opcode::Munmap as u8;
        const STANDARD: u8 = Opcode::StdFsCall as u8;
        const READ: u8 = Opcode::Read as u8;
        const SYNC: u8 = Opcode::Fsync as u8;
        match sqe.opcode {
            OPEN => {
                let [_, _, _, flags, ..] = sqe.args;
                flags as usize & O_CREAT != 0
            }
            WRITE | CUT | MAP | UNMAP | STANDARD => true,
            READ | SYNC => KEEPS_READ,
            _ => false,
        }
    }

    fn user_of(&self, sqe: &Sqe) -> u32 {
        let [handle, ..] = sqe.args;
        match Opcode::try_from_raw(sqe.opcode) {
            // Whose call it is, is not told.
            Some(Opcode::StdFsCall) => self.server.opener(handle as usize).uid,
            // Neither is whose mapping it was.
            Some(Opcode::Munmap) => u32::MAX,
            _ => user_of(sqe).0,
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
