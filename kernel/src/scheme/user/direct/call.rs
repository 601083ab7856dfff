//! Calls, and the system calls that make them.

use super::place::{Place, take_in};
use crate::{
    context::{Status, Wait},
    descriptor::Description,
    kernel::Kernel,
    memory::{PAGE_SIZE, user::Source},
    scheme::{
        Kind,
        user::{
            Call, Node, Open, Stage, Then,
            payload::{Direction, Payload, Placed},
        },
    },
    syscall::open::{O_CLOEXEC, PATH_MAX},
};
use cap_abi::{Rights, scheme::SQE_BENEATH};
use core::mem::size_of;
use kernel_core::{lease::LeaseId, queue::Queue, rights, wire::sqe_words};
use syscall::{
    flag::{CallFlags, O_ACCMODE, O_FCNTL_MASK},
    schemev2::{Cqe, Opcode, Sqe, SqeFlags},
};

/// Length of a request in bytes.
const SQE_SIZE: usize = size_of::<Sqe>();

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

impl Kernel {
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
        let flags = rights::resolution(entry.rights, flags);
        let call = Call::open(scheme, &entry, object, (flags, status), (path, len));
        let opens = Opens {
            number,
            mode: (flags & O_ACCMODE) | status,
            rights: entry.rights,
            lease: entry.lease,
            cloexec: flags & O_CLOEXEC != 0,
        };
        self.call_at_once(call, flags, Some(opens))
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
        let args = [object, 0, 0, 0, 0, 0];
        let call = Call::plain(scheme, &entry, Opcode::Dup, args).with(base, len, Direction::In);
        let opens = Opens {
            number,
            mode: status,
            rights: entry.rights,
            lease: entry.lease,
            cloexec: false,
        };
        self.call_at_once(call, 0, Some(opens))
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
                let refused = !entry.rights.contains(rights::socket_call(1, 1));
                if refused || count != 3 || len < size_of::<Cqe>() || description.nonblocking() {
                    return None;
                }
                let room = len / SQE_SIZE;
                self.answer_at_once(scheme, base, room, metadata)
            }
            Kind::User { scheme, number } => {
                if !entry.rights.contains(Rights::CALL) {
                    return None;
                }
                let words = match count {
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
                let call = Call::verb(scheme, &entry, Opcode::Call, number, words);
                let call = call.with(base, len, direction);
                self.call_at_once(call, 0, None)
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
        let right = match direction {
            Direction::In => Rights::WRITE,
            _ => Rights::READ,
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
        let status = description.flags as usize;
        let (mut at, mut then) = (offset as u64, Then::Count);
        if description.positioned && at == u64::MAX {
            at = description.offset;
            then = Then::Advance(entry.desc);
        }
        let call = Call::transfer(scheme, &entry, number, (at, status), (base, len), direction);
        self.call_at_once(call.then(then), 0, None)
    }

    /// Makes a call, of which at most a page has to be copied, of a scheme that one thread waits for, and lets
    /// that run. If it opens something, its answer is the object to be put behind a new descriptor. The scheme must
    /// have declared that it honours what of the flags limits resolution.
    #[inline(always)]
    fn call_at_once(&mut self, call: Call, flags: usize, opens: Option<Opens>) -> Option<()> {
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
        if !target.honours(flags) {
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
            tag: crate::scheme::user::tag(caller_id.index(), sequence),
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
        daemon.goes_on_with(read.form.result(count));
        caller.give_over_at_once(daemon);
        self.now_runs(reader, loaded);
        Some(())
    }
}
