//! Calls and answers that go straight from one program to the other.
//!
//! Most calls find a thread of the daemon waiting, and most answers end the daemon's turn. Then all that takes
//! part is looked up once, all that could be against it is looked at first, and nothing is done unless all of
//! it can be. What is done here, [`submit`](super::submit), [`reply`](super::reply) and
//! [`socket`](super::socket) do as well, in every case: `None` says that they have to.

use super::{
    Call, Node, Open, Scheme, Stage, TAG_INDEX_MASK, Then,
    payload::{Direction, Payload, Placed},
    submit::one_way,
};
use crate::{
    context::{Context, ReadForm, SocketRead, Status, Wait},
    descriptor::{Description, Entry},
    kernel::{Kernel, Space},
    memory::{
        Frame, Memory, PAGE_SIZE,
        user::{Source, Span, Target, UserSlice},
    },
    scheme::Kind,
    syscall::open::{O_CLOEXEC, PATH_MAX},
};
use cap_abi::{
    Rights,
    resolve::{RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_MASK},
    scheme::{CQE_REDIRECT, FEATURE_RESOLVE, REDIRECT_LIMIT, SQE_BENEATH},
};
use core::mem::size_of;
use kernel_core::{
    lease::LeaseId,
    queue::Queue,
    rights,
    slab::{Id, Slab},
    wire::{self, counted, demux, mux, sqe_words},
};
use syscall::{
    flag::{CallFlags, O_ACCMODE, O_FCNTL_MASK},
    schemev2::{Cqe, CqeOpcode, NewFdFlags, Opcode, Sqe, SqeFlags},
};

/// The opcode of an answer that is a number.
const REGULAR: u8 = CqeOpcode::RespondRegular as u8;
/// Length of a request in bytes.
const SQE_SIZE: usize = size_of::<Sqe>();
/// Words of a submission entry, and of two.
const SQE: usize = wire::SQE_WORDS;
const TWO_SQES: usize = 2 * SQE;

/// A descriptor that a call is to make.
struct Opens {
    /// Where: any free number of either half.
    number: usize,
    /// Flags of the description.
    mode: usize,
    /// At most these rights.
    rights: Rights,
    /// The lease that it is opened under.
    lease: Option<LeaseId>,
    /// Close on exec.
    cloexec: bool,
}

/// Where a request goes to in the daemon's memory.
enum Place<'a> {
    /// Alone.
    One(Target<'a, [u64; SQE]>),
    /// Behind the message that a description of this object is closed.
    Two(Target<'a, [u64; TWO_SQES]>, u64),
}

impl<'a> Place<'a> {
    /// Finds the place for a request, and for the message that goes along.
    #[inline(always)]
    fn find(
        space: &'a mut Space,
        memory: &Memory,
        descriptions: &Slab<Description>,
        read: SocketRead,
        ahead: Option<Id<Description>>,
    ) -> Option<Self> {
        let space = &mut space.memory;
        let Some(closed) = ahead else {
            return Target::find(space, memory, read.buffer).map(Self::One);
        };
        if read.capacity < 2 {
            return None;
        }
        let number = descriptions.get(closed)?.kind.user_number();
        let target = Target::find(space, memory, read.buffer)?;
        Some(Self::Two(target, number))
    }

    /// Writes the request, and tells how many entries there are.
    #[inline(always)]
    fn write(self, request: [u64; SQE]) -> usize {
        match self {
            Self::One(place) => {
                place.write(&request);
                1
            }
            Self::Two(place, number) => {
                let message = one_way(Opcode::CloseMsg, [number, 0, 0, 0, 0, 0], 0);
                place.write(&both(sqe_words(&message), request));
                2
            }
        }
    }
}

impl Scheme {
    /// The thread that waits for requests, if it is one, and the description of whose end it is to be told
    /// first. `None`: more is queued.
    #[inline(always)]
    fn way(&self) -> Option<(Id<Context>, Option<Id<Description>>)> {
        let reader = self.readers.only()?;
        match self.queue.front() {
            None => Some((reader, None)),
            Some(Node::Close(id)) => {
                self.queue.only()?;
                Some((reader, Some(id)))
            }
            Some(_) => None,
        }
    }
}

impl Kernel {
    /// Whether a program can go on in another's place: nothing else is to be done on the way out. (Where
    /// somebody has been handed something, there is attention to be paid.)
    #[inline(always)]
    const fn nothing_else_is_due(&self) -> bool {
        !(self.attention | self.chores.due)
    }

    /// The entry of a descriptor, if its lease is live.
    #[inline(always)]
    fn live_entry(&mut self, fd: usize) -> Option<Entry> {
        let entry = *self.tables.get(self.current_table)?.entries.get(fd)?;
        let live = entry.lease.is_none() || self.leases.is_live(entry.lease);
        live.then_some(entry)
    }

    /// `SYS_OPENAT_INTO2` of an object of a user scheme's, to any free number.
    #[inline(always)]
    pub fn open_directly(
        &mut self,
        fd: usize,
        path: usize,
        len_and_status: usize,
        flags: usize,
        number: usize,
    ) -> Option<()> {
        let status = len_and_status & O_FCNTL_MASK;
        let len = len_and_status & !O_FCNTL_MASK;
        if len > PATH_MAX || number < cap_abi::FD_ANY_UPPER {
            return None;
        }
        let entry = self.live_entry(fd)?;
        let Kind::User {
            scheme,
            number: object,
        } = self.descriptions.get(entry.desc)?.kind
        else {
            return None;
        };
        if !entry.rights.contains(rights::open(flags)) {
            return None;
        }
        let beneath = !entry.rights.contains(Rights::ESCAPE) && flags & RESOLVE_IN_ROOT == 0;
        let flags = if beneath {
            flags | RESOLVE_BENEATH
        } else {
            flags
        };
        let limited = flags & RESOLVE_MASK != 0;
        let call = Call {
            scheme,
            opcode: Opcode::OpenAt,
            args: [object, 0, 0, flags as u64, status as u64, 0],
            credentials: true,
            multiple_ids: false,
            beneath: flags & RESOLVE_BENEATH != 0,
            payload: Payload::Bytes {
                base: path,
                len,
                direction: Direction::In,
                text: true,
            },
            then: Then::Value,
        };
        let opens = Opens {
            number,
            mode: (flags & O_ACCMODE) | status,
            rights: entry.rights,
            lease: entry.lease,
            cloexec: flags & O_CLOEXEC != 0,
        };
        self.call_at_once(call, limited, Some(opens))
    }

    /// `SYS_CLOSE` of the only descriptor of an object of a user scheme's, whose message of that is then all
    /// that is queued.
    #[inline(always)]
    pub fn close_directly(&mut self, fd: usize) -> Option<()> {
        let table = self.tables.get_mut(self.current_table)?;
        let entry = *table.entries.get(fd)?;
        let description = self.descriptions.get_mut(entry.desc)?;
        let Kind::User { scheme, .. } = description.kind else {
            return None;
        };
        let concerns_others =
            description.refs != 1 || description.notify_detach || description.is_entangled();
        let target = self.schemes.get_mut(scheme)?;
        if concerns_others || target.watched || !target.queue.is_empty() {
            return None;
        }
        table.entries.remove(fd)?;
        description.refs = 0;
        target.queue = Queue::of(Node::Close(entry.desc));
        let awaited = !target.readers.is_empty();
        if let Some(lease) = entry.lease {
            self.leases.release(lease);
        }
        if awaited {
            self.note_message(scheme);
        }
        Some(())
    }

    /// `SYS_DUP_INTO` with a payload, of an object of a user scheme's, to any free number.
    #[inline(always)]
    pub fn duplicate_directly(
        &mut self,
        fd: usize,
        base: usize,
        len: usize,
        number: usize,
    ) -> Option<()> {
        if len == 0 || len > PATH_MAX || number < cap_abi::FD_ANY_UPPER {
            return None;
        }
        let entry = self.live_entry(fd)?;
        let description = self.descriptions.get(entry.desc)?;
        let status = description.flags as usize;
        let Kind::User {
            scheme,
            number: object,
        } = description.kind
        else {
            return None;
        };
        if !entry.rights.contains(Rights::DUP) {
            return None;
        }
        let call = Call {
            scheme,
            opcode: Opcode::Dup,
            args: [object, 0, 0, 0, 0, 0],
            credentials: true,
            multiple_ids: false,
            beneath: !entry.rights.contains(Rights::ESCAPE),
            payload: Payload::Bytes {
                base,
                len,
                direction: Direction::In,
                text: false,
            },
            then: Then::Value,
        };
        let opens = Opens {
            number,
            mode: status,
            rights: entry.rights,
            lease: entry.lease,
            cloexec: false,
        };
        self.call_at_once(call, false, Some(opens))
    }

    /// `SYS_CALL`: a scheme's own verbs, and a daemon's answer together with its wish for the next request.
    #[inline(always)]
    pub fn call_directly(
        &mut self,
        fd: usize,
        base: usize,
        len: usize,
        flags_and_count: usize,
        metadata: usize,
    ) -> Option<()> {
        const KNOWN: usize = CallFlags::READ.bits() | CallFlags::WRITE.bits();
        let (flags, count) = (flags_and_count & !0xff, flags_and_count & 0xff);
        if flags & !KNOWN != 0 {
            return None;
        }
        let entry = self.live_entry(fd)?;
        let description = self.descriptions.get(entry.desc)?;
        match description.kind {
            Kind::Socket(scheme) => {
                if count != 3 || len < size_of::<Cqe>() || description.nonblocking() {
                    return None;
                }
                let room = len / SQE_SIZE;
                self.answer_at_once(scheme, base, room, metadata)
            }
            Kind::User { scheme, number } => {
                if !entry.rights.contains(Rights::CALL) {
                    return None;
                }
                let [a, b, c] = match count {
                    0 => [0; 3],
                    3 => {
                        let space = self.spaces.get_mut(self.current_space)?;
                        Source::<[u64; 3]>::find(&mut space.memory, &self.memory, metadata)?.read()
                    }
                    _ => return None,
                };
                let direction = match flags {
                    0 | KNOWN => Direction::Both,
                    _ if flags == CallFlags::WRITE.bits() => Direction::In,
                    // What only comes back begins as zeros.
                    _ => return None,
                };
                let call = Call {
                    scheme,
                    opcode: Opcode::Call,
                    args: [number, 0, 0, a, b, c],
                    credentials: false,
                    multiple_ids: false,
                    beneath: !entry.rights.contains(Rights::ESCAPE),
                    payload: Payload::Bytes {
                        base,
                        len,
                        direction,
                        text: false,
                    },
                    then: Then::Value,
                };
                self.call_at_once(call, false, None)
            }
            _ => None,
        }
    }

    /// `SYS_READ2` (`Direction::Out`) and `SYS_WRITE2` (`Direction::In`), and with all ones for `offset` and
    /// `flags` `SYS_READ` and `SYS_WRITE`, of an object of a user scheme's.
    #[inline(always)]
    pub fn transfer_directly(
        &mut self,
        fd: usize,
        base: usize,
        len: usize,
        (offset, flags): (usize, usize),
        direction: Direction,
    ) -> Option<()> {
        let (opcode, right) = match direction {
            Direction::In => (Opcode::Write, Rights::WRITE),
            _ => (Opcode::Read, Rights::READ),
        };
        if flags != usize::MAX {
            return None;
        }
        let entry = self.live_entry(fd)?;
        let description = self.descriptions.get(entry.desc)?;
        let Kind::User { scheme, number } = description.kind else {
            return None;
        };
        if !entry.rights.contains(rights::positioned(right, offset)) {
            return None;
        }
        let status = description.flags as usize & O_FCNTL_MASK;
        let (mut at, mut then) = (offset as u64, Then::Count);
        if description.positioned && at == u64::MAX {
            at = description.offset;
            then = Then::Advance(entry.desc);
        }
        let call = Call {
            scheme,
            opcode,
            args: [number, 0, 0, at, status as u64, 0],
            credentials: true,
            multiple_ids: false,
            beneath: !entry.rights.contains(Rights::ESCAPE),
            payload: Payload::Bytes {
                base,
                len,
                direction,
                text: false,
            },
            then,
        };
        self.call_at_once(call, false, None)
    }

    /// Makes a call, of which at most a page has to be copied, of a scheme that one thread waits for, and lets
    /// that run. If it opens something, its answer is the object to be put behind a new descriptor. With
    /// `limited`, the scheme must have declared that it honours limits of resolution.
    #[inline(always)]
    fn call_at_once(&mut self, call: Call, limited: bool, opens: Option<Opens>) -> Option<()> {
        if !self.nothing_else_is_due() {
            return None;
        }
        let Payload::Bytes {
            base,
            len,
            direction,
            text,
        } = call.payload
        else {
            return None;
        };
        let caller_id = self.current?;
        let target = self.schemes.get_mut(call.scheme)?;
        if limited && target.features & FEATURE_RESOLVE == 0 {
            return None;
        }
        let (reader, ahead) = target.way()?;
        let (mut address, mut placed) = (target.window.base(), Placed::Nowhere);
        if len > 0 {
            if len > PAGE_SIZE {
                return None;
            }
            let slot = target.window.next()?;
            if matches!(direction, Direction::In | Direction::Both) {
                // The slot is not in use, so that it does not matter if this comes to nothing.
                let space = self.spaces.get_mut(self.current_space)?;
                take_in(space, &mut self.memory, base, len, slot.frame)?;
                if text && !self.memory.is_text(slot.frame, len) {
                    return None;
                }
            }
            (address, placed) = (slot.address, Placed::Slot(slot.index));
        }
        let (caller, daemon) = self.contexts.get2_mut(caller_id, reader)?;
        let Wait::Socket(read) = daemon.wait else {
            return None;
        };
        let loaded = daemon.could_go_on()?;
        let space = self.spaces.get_mut(loaded.space)?;
        let place = Place::find(space, &self.memory, &self.descriptions, read, ahead)?;
        let then = match opens {
            None => call.then,
            Some(opens) => {
                let kind = Kind::User {
                    scheme: call.scheme,
                    number: 0,
                };
                let description = self
                    .descriptions
                    .insert_with(|_| Description::new(kind, opens.mode))
                    .ok()?;
                let mut lease = None;
                if let Some(id) = opens.lease {
                    let Ok(opened) = self.leases.for_opened(id) else {
                        self.descriptions.discard(description);
                        return None;
                    };
                    lease = opened;
                }
                Then::Open(Open {
                    number: opens.number,
                    replace: false,
                    description,
                    rights: opens.rights,
                    lease,
                    cloexec: opens.cloexec,
                })
            }
        };
        // From here on nothing fails.
        let [object, _, _, d, e, mut f] = call.args;
        if call.credentials {
            f = u64::from(caller.attrs.euid) | u64::from(caller.attrs.egid) << 32;
        }
        let request = &mut caller.request;
        let sequence = request.sequence.wrapping_add(1) & 0xfff;
        request.then = then;
        request.sequence = sequence;
        request.sqe = Sqe {
            opcode: call.opcode as u8,
            sqe_flags: SqeFlags::from_bits_retain(if call.beneath { SQE_BENEATH } else { 0 }),
            _rsvd: 0,
            tag: super::tag(caller_id.index(), sequence),
            args: [object, address as u64, len as u64, d, e, f],
            caller: u64::from(caller.attrs.pid),
        };
        let words = sqe_words(&request.sqe);
        let count = place.write(words);
        if let Some(closed) = ahead {
            target.queue = Queue::new();
            self.descriptions.discard(closed);
        }
        request.scheme = Some(call.scheme);
        request.redirects = 0;
        request.cancelled = false;
        request.payload = if len > 0 { call.payload } else { Payload::None };
        request.placed = placed;
        request.stage = Stage::UnderWay;
        if len > 0 {
            target.window.take();
        }
        target.readers.take_only();
        caller.status = Status::Blocked;
        caller.wait = Wait::Request;
        daemon.waiting_in = None;
        daemon.wait = Wait::None;
        daemon.status = Status::Ready;
        daemon.state.frame.set_result(read.form.result(count));
        caller.give_over_at_once(daemon);
        self.now_runs(reader, loaded);
        Some(())
    }

    /// Takes one answer from a daemon's thread, makes that wait for requests, of which there are none, and
    /// lets the caller that was answered run. The metadata is three words: 0, how many answers there are, and
    /// how many requests are wished for.
    #[inline(always)]
    fn answer_at_once(
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
            !(caller.stopped | caller.retry | caller.interrupted),
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
        caller.state.frame.set_result(word);
        caller.wait = Wait::None;
        caller.status = Status::Ready;
        daemon.await_messages(SocketRead {
            scheme: id,
            buffer,
            capacity,
            form: ReadForm::Count { written: 1 },
        });
        target.readers.put_only(current);
        daemon.give_over_at_once(caller);
        let loaded = crate::context::sched::Loaded {
            space: caller_space,
            table,
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
        let mut flags = flags as usize;
        if !possible || !entry.rights.contains(rights::open(flags)) {
            return None;
        }
        let beneath = !entry.rights.contains(Rights::ESCAPE) && flags & RESOLVE_IN_ROOT == 0;
        if beneath {
            flags |= RESOLVE_BENEATH;
        }
        let base = base.wrapping_add(suffix);
        let target = self.schemes.get_mut(next)?;
        if flags & RESOLVE_MASK != 0 && target.features & FEATURE_RESOLVE == 0 {
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
        request.sqe.tag = super::tag(caller_id.index(), sequence);
        if beneath {
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
        daemon.wait = Wait::None;
        daemon.status = Status::Ready;
        daemon.state.frame.set_result(read.form.result(count));
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

/// Copies a caller's bytes, a page at most, to a slot.
#[inline(always)]
fn take_in(
    space: &mut Space,
    memory: &mut Memory,
    base: usize,
    len: usize,
    frame: Frame,
) -> Option<()> {
    if let Some(span) = Span::find(&mut space.memory, memory, base, len, false) {
        span.copy_to(memory, frame);
        return Some(());
    }
    let slice = UserSlice::new(base, len).ok()?;
    let copied = space.memory.copy_in_frame(memory, slice, frame.address());
    copied.ok()
}

/// Copies bytes of a slot, a page at most, to the caller.
#[inline(always)]
fn give_out(
    space: &mut Space,
    memory: &mut Memory,
    base: usize,
    len: usize,
    frame: Frame,
) -> Option<()> {
    if let Some(span) = Span::find(&mut space.memory, memory, base, len, true) {
        span.copy_from(memory, frame);
        return Some(());
    }
    let slice = UserSlice::new(base, len).ok()?;
    let copied = space.memory.copy_out_frame(memory, slice, frame.address());
    copied.ok()
}

/// Two entries, one behind the other.
#[inline(always)]
fn both(first: [u64; SQE], second: [u64; SQE]) -> [u64; TWO_SQES] {
    let [a, b, c, d, e, f, g, h] = first;
    let [i, j, k, l, m, n, o, p] = second;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}
