//! Answers: that a call has come to something, and that it is to be asked elsewhere.

use super::place::{Place, give_out, take_in};
use crate::{
    context::{ReadForm, SocketRead, Wait, sched::Loaded},
    descriptor::Entry,
    kernel::Kernel,
    memory::user::Source,
    scheme::{
        Kind,
        user::{
            Open, Scheme, Stage, TAG_INDEX_MASK, Then,
            payload::{Direction, Payload, Placed},
        },
    },
};
use cap_abi::{
    resolve::RESOLVE_BENEATH,
    scheme::{CQE_REDIRECT, REDIRECT_LIMIT, SQE_BENEATH},
};
use kernel_core::{
    queue::Queue,
    rights,
    slab::Id,
    wire::{self, counted, demux, mux, sqe_words},
};
use syscall::schemev2::{Cqe, CqeOpcode, NewFdFlags, Opcode, SqeFlags};

/// The opcode of an answer that is a number.
const REGULAR: u8 = CqeOpcode::RespondRegular as u8;

impl Kernel {
    /// Takes one answer from a daemon's thread, makes that wait for requests, of which there are none, and
    /// lets the caller that was answered run. The metadata is three words: 0, how many answers there are, and
    /// how many requests are wished for.
    #[inline(always)]
    pub fn answer_at_once(
        &mut self,
        id: Id<Scheme>,
        buffer: usize,
        room: usize,
        metadata: usize,
    ) -> Option<()> {
        if !self.nothing_else_is_due() {
            return None;
        }
        let current = self.current?;
        let target = self.schemes.get_mut(id)?;
        if target.space != self.current_space
            || !target.queue.is_empty()
            || !target.readers.is_empty()
        {
            return None;
        }
        let space = self.spaces.get_mut(self.current_space)?;
        let space = &mut space.memory;
        let [verb, answers, wished] =
            Source::<[u64; 3]>::find(space, &self.memory, metadata)?.read();
        let capacity = wished as usize;
        if verb != 0 || answers != 1 || capacity == 0 || capacity > room {
            return None;
        }
        let cqe = wire::cqe(Source::find(space, &self.memory, buffer)?.read());
        match cqe.flags & 7 {
            REGULAR => {}
            CQE_REDIRECT => return self.redirect_at_once(id, buffer, capacity, cqe),
            _ => return None,
        }
        let index = cqe.tag & TAG_INDEX_MASK;
        let (daemon, caller_id, caller) = self.contexts.get_and_by_index_mut(current, index)?;
        let request = &mut caller.request;
        if request.stage != Stage::UnderWay
            || request.sqe.tag != cqe.tag
            || request.scheme != Some(id)
            || request.cancelled
        {
            return None;
        }
        let (free, table) = (
            !(caller.stopped | caller.repeats.is_some() | caller.interrupted),
            caller.table?,
        );
        if !free {
            return None;
        }
        let slot = match request.placed {
            Placed::Nowhere => None,
            Placed::Slot(index) => Some(index),
            Placed::Mapped(_) => return None,
        };
        let caller_space = caller.space?;
        let result = demux(cqe.result);
        let word = match request.then {
            Then::Value => {
                if let (Some(slot), Ok(_)) = (slot, result)
                    && let Payload::Bytes {
                        base,
                        len,
                        direction,
                        ..
                    } = request.payload
                    && direction != Direction::In
                {
                    let frame = target.window.frame(slot)?;
                    let space = self.spaces.get_mut(caller_space)?;
                    give_out(space, &mut self.memory, base, len, frame)?;
                }
                cqe.result as usize
            }
            Then::Open(open) => {
                if open.replace {
                    return None;
                }
                match result {
                    Ok(number) => {
                        let table = self.tables.get_mut(table)?;
                        let description = self.descriptions.get_mut(open.description)?;
                        let entry = Entry {
                            desc: open.description,
                            rights: open.rights,
                            lease: open.lease,
                            cloexec: open.cloexec,
                        };
                        let fd = table.place(open.number, entry).ok()?;
                        description.kind.set_user_number(number as u64);
                        let [flags, ..] = cqe.extra_raw;
                        description.positioned =
                            NewFdFlags::from_bits_truncate(flags).contains(NewFdFlags::POSITIONED);
                        fd
                    }
                    Err(errno) => {
                        self.descriptions.discard(open.description);
                        if let Some(lease) = open.lease {
                            self.leases.release(lease);
                        }
                        mux(Err(errno))
                    }
                }
            }
            Then::Count | Then::Advance(_) => {
                let (
                    Payload::Bytes {
                        base, direction, ..
                    },
                    result,
                ) = (request.payload, counted(result, request.payload.size()))
                else {
                    return None;
                };
                if let (Ok(count), Direction::Out, Some(slot)) = (result, direction, slot)
                    && count > 0
                {
                    let frame = target.window.frame(slot)?;
                    let space = self.spaces.get_mut(caller_space)?;
                    give_out(space, &mut self.memory, base, count, frame)?;
                }
                if let (Ok(count), Then::Advance(id)) = (result, request.then)
                    && let Some(description) = self.descriptions.get_mut(id)
                {
                    description.offset = description.offset.saturating_add(count as u64);
                }
                mux(result)
            }
            _ => return None,
        };
        if let Some(slot) = slot {
            target.window.give(slot);
        }
        request.placed = Placed::Nowhere;
        request.then = Then::Value;
        request.stage = Stage::Idle;
        caller.goes_on_with(word);
        daemon.await_messages(SocketRead {
            scheme: id,
            buffer,
            capacity,
            form: ReadForm::Count { written: 1 },
        });
        target.readers.put_only(current);
        daemon.give_over_at_once(caller);
        let loaded = Loaded {
            space: caller_space,
            table,
            euid: caller.attrs.euid,
        };
        self.now_runs(caller_id, loaded);
        Some(())
    }

    /// Takes the answer that an open is to be asked of what is behind a descriptor of the answering thread, makes
    /// that wait for requests, of which there are none, and lets the thread that is asked run.
    #[inline(never)]
    fn redirect_at_once(
        &mut self,
        id: Id<Scheme>,
        buffer: usize,
        capacity: usize,
        cqe: Cqe,
    ) -> Option<()> {
        let current = self.current?;
        let entry = self.live_entry(cqe.result as usize)?;
        let Kind::User {
            scheme: next,
            number,
        } = self.descriptions.get(entry.desc)?.kind
        else {
            return None;
        };
        let index = cqe.tag & TAG_INDEX_MASK;
        let (caller_id, caller) = self.contexts.by_index_mut(index)?;
        let request = &caller.request;
        let (
            Payload::Bytes {
                base,
                len,
                direction: Direction::In,
                text: true,
            },
            Then::Open(open),
            Placed::Slot(slot),
        ) = (request.payload, request.then, request.placed)
        else {
            return None;
        };
        let possible = request.stage == Stage::UnderWay
            && request.sqe.tag == cqe.tag
            && request.scheme == Some(id)
            && request.sqe.opcode == Opcode::OpenAt as u8
            && !request.cancelled
            && request.redirects < REDIRECT_LIMIT
            && open.lease.is_none();
        let suffix = cqe.extra() as usize;
        let rest = len.checked_sub(suffix).filter(|rest| *rest > 0)?;
        let [_, _, _, flags, ..] = request.sqe.args;
        let flags = flags as usize;
        if !possible || !entry.rights.contains(rights::open(flags)) {
            return None;
        }
        let flags = rights::resolution(entry.rights, flags);
        let base = base.wrapping_add(suffix);
        let target = self.schemes.get_mut(next)?;
        if !target.honours(flags) {
            return None;
        }
        let (reader, ahead) = target.way()?;
        let next_slot = target.window.next()?;
        let space = self.spaces.get_mut(caller.space?)?;
        take_in(space, &mut self.memory, base, rest, next_slot.frame)?;
        if !self.memory.is_text(next_slot.frame, rest) {
            return None;
        }
        let daemon = self.contexts.get(reader)?;
        let Wait::Socket(read) = daemon.wait else {
            return None;
        };
        let loaded = daemon.could_go_on()?;
        let space = self.spaces.get_mut(loaded.space)?;
        let place = Place::find(space, &self.memory, &self.descriptions, read, ahead)?;
        let lease = match entry.lease {
            None => None,
            Some(lease) => self.leases.for_opened(lease).ok()?,
        };
        // From here on nothing fails.
        if let Some(description) = self.descriptions.get_mut(open.description) {
            description.kind = Kind::User {
                scheme: next,
                number: 0,
            };
        }
        let caller = self.contexts.get_mut(caller_id)?;
        let request = &mut caller.request;
        let sequence = request.sequence.wrapping_add(1) & 0xfff;
        request.redirects = request.redirects.wrapping_add(1);
        request.sequence = sequence;
        request.scheme = Some(next);
        request.payload = Payload::Bytes {
            base,
            len: rest,
            direction: Direction::In,
            text: true,
        };
        request.placed = Placed::Slot(next_slot.index);
        request.then = Then::Open(Open {
            rights: open.rights & entry.rights,
            lease,
            ..open
        });
        request.sqe.tag = crate::scheme::user::tag(caller_id.index(), sequence);
        if flags & RESOLVE_BENEATH != 0 {
            let bits = request.sqe.sqe_flags.bits() | SQE_BENEATH;
            request.sqe.sqe_flags = SqeFlags::from_bits_retain(bits);
        }
        let [object, address, length, word, ..] = &mut request.sqe.args;
        *object = number;
        *address = next_slot.address as u64;
        *length = rest as u64;
        *word = flags as u64;
        let count = place.write(sqe_words(&request.sqe));
        if let Some(target) = self.schemes.get_mut(next) {
            if let Some(closed) = ahead {
                target.queue = Queue::new();
                self.descriptions.discard(closed);
            }
            target.window.take();
            target.readers.take_only();
        }
        if let Some(source) = self.schemes.get_mut(id) {
            source.window.give(slot);
            source.readers.put_only(current);
        }
        let (from, daemon) = self.contexts.get2_mut(current, reader)?;
        daemon.waiting_in = None;
        daemon.goes_on_with(read.form.result(count));
        from.await_messages(SocketRead {
            scheme: id,
            buffer,
            capacity,
            form: ReadForm::Count { written: 1 },
        });
        from.give_over_at_once(daemon);
        self.now_runs(reader, loaded);
        Some(())
    }
}
