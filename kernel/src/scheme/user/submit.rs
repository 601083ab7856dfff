//! Requests on their way to a scheme.

use super::{Call, Node, Request, Route, Scheme, Stage, Then, payload::Payload};
use crate::{
    context::{Context, ReadForm, Status, Wait},
    descriptor::Description,
    error::{Halt, Outcome, fail, mux},
    kernel::{Kernel, Space},
    memory::user,
};
use cap_abi::scheme::SQE_BENEATH;
use core::mem::size_of;
use kernel_core::{queue::Queue, slab::Id, wire::sqe_words};
use syscall::{
    error::*,
    flag::EventFlags,
    schemev2::{Opcode, Sqe, SqeFlags},
};

/// What became of an attempt to hand a request to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    /// The daemon has it.
    Delivered,
    /// It could not be made presentable; its caller has been told so.
    Answered,
    /// The reader's own buffer is bad.
    ReaderFault,
}

impl Kernel {
    /// Makes a call of a user scheme on behalf of the running context, which then waits.
    ///
    /// # Errors
    /// `ENODEV` when the scheme is gone; what `call.then` holds is given up.
    pub fn call_scheme(&mut self, call: Call) -> Outcome {
        let Some(caller) = self.current else {
            return fail(ESRCH);
        };
        let Some(target) = self.schemes.get(call.scheme) else {
            self.give_up(call.then);
            return fail(ENODEV);
        };
        let (window, route) = (target.window.base(), target.route());
        let Some(context) = self.contexts.get_mut(caller) else {
            return fail(ESRCH);
        };
        let request = &mut context.request;
        request.scheme = Some(call.scheme);
        request.sequence = request.sequence.wrapping_add(1) & 0xfff;
        request.redirects = 0;
        request.cancelled = false;
        request.payload = call.payload;
        request.then = call.then;
        let mut flags = 0;
        if call.beneath {
            flags |= SQE_BENEATH;
        }
        if call.multiple_ids {
            flags |= SqeFlags::MULTIPLE_IDS.bits();
        }
        request.sqe = Sqe {
            opcode: call.opcode as u8,
            sqe_flags: SqeFlags::from_bits_retain(flags),
            _rsvd: 0,
            tag: request.tag(caller.index()),
            args: call.args,
            caller: u64::from(context.attrs.pid),
        };
        if let Payload::Bytes { len: 0, .. } = call.payload {
            // Nothing to place; the pointer only has to be one that a slice may have.
            request.payload = Payload::None;
            let [_, pointer, ..] = &mut request.sqe.args;
            *pointer = window as u64;
        }
        if call.credentials {
            let [.., last] = &mut request.sqe.args;
            *last = u64::from(context.attrs.euid) | u64::from(context.attrs.egid) << 32;
        }
        let has_payload = request.payload != Payload::None;
        context.status = Status::Blocked;
        context.wait = Wait::Request;
        self.attention = true;
        self.send_by(caller, call.scheme, route, has_payload);
        Err(Halt::Blocked)
    }

    /// Gets the prepared request of `caller` on its way: to a waiting thread of the daemon, which
    /// runs next, or into the queue.
    #[inline]
    pub fn send(&mut self, caller: Id<Context>, scheme: Id<Scheme>) {
        let Some(target) = self.schemes.get(scheme) else {
            return self.finish(caller, Err(ENODEV));
        };
        let route = target.route();
        let has_payload = self
            .contexts
            .get(caller)
            .is_some_and(|c| c.request.payload != Payload::None);
        self.send_by(caller, scheme, route, has_payload);
    }

    /// The same, by what is known of the scheme and the request.
    pub(super) fn send_by(
        &mut self,
        caller: Id<Context>,
        scheme: Id<Scheme>,
        route: Route,
        has_payload: bool,
    ) {
        let Route {
            reader,
            ahead,
            empty,
        } = route;
        let direct = empty || ahead.is_some() && self.reads_several(reader);
        let Some(reader) = reader.filter(|_| direct) else {
            self.queue_call(caller, scheme);
            if reader.is_some() {
                self.feed(scheme, true);
            }
            return;
        };
        if has_payload && let Err(errno) = self.present_payload(caller, scheme) {
            return self.finish(caller, Err(errno));
        }
        if self.hand_over_now(caller, scheme, reader, ahead).is_some() {
            return;
        }
        let _ = self.unplace_payload(caller, None);
        self.complete_reader(reader, Err(EFAULT), false);
        self.queue_call(caller, scheme);
        // Other threads of the daemon may be waiting.
        self.feed(scheme, true);
    }

    /// Gives a request, whose buffer is placed, to the first reader, which runs next. The message of a
    /// description that was closed goes ahead of the request. `None`: the reader's own buffer is bad; no
    /// message was delivered.
    fn hand_over_now(
        &mut self,
        caller: Id<Context>,
        scheme: Id<Scheme>,
        reader: Id<Context>,
        ahead: Option<Id<Description>>,
    ) -> Option<()> {
        let (context, daemon) = self.contexts.get2_mut(caller, reader)?;
        let Wait::Socket(read) = daemon.wait else {
            return None;
        };
        let space = self.spaces.get_mut(daemon.space?)?;
        let mut buffer = read.buffer;
        if let Some(closed) = ahead {
            let number = self.descriptions.get(closed)?.kind.user_number();
            let words = sqe_words(&one_way(Opcode::CloseMsg, [number, 0, 0, 0, 0, 0], 0));
            user::write(&mut space.memory, &mut self.memory, buffer, &words).ok()?;
            buffer = buffer.wrapping_add(size_of::<Sqe>());
        }
        let words = sqe_words(&context.request.sqe);
        user::write(&mut space.memory, &mut self.memory, buffer, &words).ok()?;
        let count = if ahead.is_some() { 2 } else { 1 };
        context.request.stage = Stage::UnderWay;
        daemon.waiting_in = None;
        daemon.wait = Wait::None;
        daemon.status = Status::Ready;
        daemon.state.frame.set_result(read.form.result(count));
        let stopped = daemon.stopped;
        let target = self.schemes.get_mut(scheme)?;
        target.readers.remove(&mut self.contexts, reader);
        if let Some(closed) = ahead {
            target.queue = Queue::new();
            self.descriptions.discard(closed);
        }
        if self.handoff.is_none() && !stopped {
            self.handoff = Some(reader);
            self.attention = true;
        } else {
            self.enqueue_ready(reader);
        }
        Some(())
    }

    /// Whether a reader has room for more than one message.
    fn reads_several(&self, reader: Option<Id<Context>>) -> bool {
        matches!(
            reader.and_then(|id| self.contexts.get(id)).map(|context| context.wait),
            Some(Wait::Socket(read)) if read.capacity > 1
        )
    }

    fn queue_call(&mut self, caller: Id<Context>, scheme: Id<Scheme>) {
        if let Some(context) = self.contexts.get_mut(caller) {
            context.request.stage = Stage::Pending;
        }
        let Some(target) = self.enqueue(scheme, Node::Call(caller)) else {
            return;
        };
        if target.watched {
            let socket = target.socket;
            self.notify_description(socket, EventFlags::EVENT_READ);
        }
    }

    /// Gives what waits in the queue to the threads that wait for it. With `handoff`, the first of them
    /// runs next.
    pub fn feed(&mut self, scheme: Id<Scheme>, handoff: bool) {
        while let Some(target) = self.schemes.get(scheme) {
            if target.queue.is_empty() {
                return;
            }
            let Some(reader) = target.readers.front() else {
                return;
            };
            let Some(context) = self.contexts.get(reader) else {
                return;
            };
            let (Wait::Socket(read), Some(space)) = (context.wait, context.space) else {
                return;
            };
            match self.drain(scheme, space, read.buffer, read.capacity) {
                Ok(0) => return,
                Ok(count) => self.complete_reader(reader, Ok(read.form.result(count)), handoff),
                Err(errno) => self.complete_reader(reader, Err(errno), false),
            }
        }
    }

    /// Ends a daemon thread's wait; with `handoff`, it runs next.
    fn complete_reader(&mut self, reader: Id<Context>, result: Result<usize, i32>, handoff: bool) {
        self.leave_wait(reader);
        let Some(context) = self.contexts.get_mut(reader) else {
            return;
        };
        context.state.frame.set_result(mux(result));
        context.wait = Wait::None;
        context.status = Status::Ready;
        if handoff && self.handoff.is_none() && !context.stopped {
            self.handoff = Some(reader);
            self.attention = true;
        } else {
            self.enqueue_ready(reader);
        }
    }

    /// Moves messages from the queue to the daemon's memory, as many as fit; gives their number.
    ///
    /// # Errors
    /// `EFAULT` when the daemon's buffer is not its to write; the message stays in the queue.
    pub fn drain(
        &mut self,
        scheme: Id<Scheme>,
        space: Id<Space>,
        buffer: usize,
        capacity: usize,
    ) -> Result<usize, i32> {
        let mut count = 0_usize;
        while count < capacity {
            let Some(node) = self
                .schemes
                .get(scheme)
                .and_then(|scheme| scheme.queue.front())
            else {
                break;
            };
            let at = buffer.wrapping_add(count.wrapping_mul(size_of::<Sqe>()));
            let handed = match node {
                Node::Call(caller) => self.hand_over(caller, scheme, space, at),
                Node::Cancel(caller) => self.hand_cancel(caller, space, at),
                Node::Close(id) => {
                    let number = self
                        .descriptions
                        .get(id)
                        .map_or(0, |description| description.kind.user_number());
                    self.hand_message(Opcode::CloseMsg, [number, 0, 0, 0, 0, 0], 0, space, at)
                }
                Node::Note(id) => {
                    let Some(record) = self.maps.get(id) else {
                        break;
                    };
                    let (opcode, args, pid) = record.message();
                    self.hand_message(opcode, args, pid, space, at)
                }
            };
            match handed {
                Handed::Delivered => count = count.wrapping_add(1),
                Handed::Answered => {}
                Handed::ReaderFault if count > 0 => break,
                Handed::ReaderFault => return Err(EFAULT),
            }
            self.dequeue(scheme);
            match node {
                Node::Close(id) => {
                    self.descriptions.discard(id);
                }
                Node::Note(id) => {
                    self.maps.remove(id);
                }
                Node::Call(_) | Node::Cancel(_) => {}
            }
        }
        Ok(count)
    }

    /// Copies the request of `caller` and its payload to the daemon.
    #[inline]
    fn hand_over(
        &mut self,
        caller: Id<Context>,
        scheme: Id<Scheme>,
        space: Id<Space>,
        at: usize,
    ) -> Handed {
        let Some(context) = self.contexts.get(caller) else {
            return Handed::Answered;
        };
        if context.request.payload != Payload::None
            && let Err(errno) = self.present_payload(caller, scheme)
        {
            self.finish(caller, Err(errno));
            return Handed::Answered;
        }
        let Some(context) = self.contexts.get_mut(caller) else {
            return Handed::Answered;
        };
        let Some(daemon) = self.spaces.get_mut(space) else {
            return Handed::ReaderFault;
        };
        let words = sqe_words(&context.request.sqe);
        if user::write(&mut daemon.memory, &mut self.memory, at, &words).is_err() {
            let _ = self.unplace_payload(caller, None);
            return Handed::ReaderFault;
        }
        context.request.stage = Stage::UnderWay;
        Handed::Delivered
    }

    /// Places the buffer of a request and notes in its entry where it is.
    fn present_payload(&mut self, caller: Id<Context>, scheme: Id<Scheme>) -> Result<(), i32> {
        let Some(context) = self.contexts.get(caller) else {
            return Err(ESRCH);
        };
        let Some(space) = context.space else {
            return Err(EFAULT);
        };
        let payload = context.request.payload;
        match self.place_payload(space, payload, scheme) {
            Ok((address, len, placed)) => {
                if let Some(context) = self.contexts.get_mut(caller) {
                    context.request.placed = placed;
                    let [_, pointer, length, ..] = &mut context.request.sqe.args;
                    *pointer = address as u64;
                    *length = len as u64;
                }
                Ok(())
            }
            Err(Halt::Errno(errno)) => Err(errno),
            Err(_) => Err(EIO),
        }
    }

    fn hand_cancel(&mut self, caller: Id<Context>, space: Id<Space>, at: usize) -> Handed {
        let Some(context) = self.contexts.get(caller) else {
            return Handed::Answered;
        };
        if context.request.stage != Stage::UnderWay {
            return Handed::Answered;
        }
        let sqe = Sqe {
            opcode: Opcode::Cancel as u8,
            sqe_flags: SqeFlags::ONEWAY,
            _rsvd: 0,
            tag: context.request.sqe.tag,
            args: [0; 6],
            caller: context.request.sqe.caller,
        };
        match self.write_sqe(space, at, &sqe) {
            Ok(()) => Handed::Delivered,
            Err(_) => Handed::ReaderFault,
        }
    }

    fn hand_message(
        &mut self,
        opcode: Opcode,
        args: [u64; 6],
        pid: u64,
        space: Id<Space>,
        at: usize,
    ) -> Handed {
        match self.write_sqe(space, at, &one_way(opcode, args, pid)) {
            Ok(()) => Handed::Delivered,
            Err(_) => Handed::ReaderFault,
        }
    }

    /// Abandons the request that `caller` waits for. One that the daemon has not seen ends here, with
    /// `EINTR`; otherwise the daemon is told, and the caller waits on for its answer.
    pub fn cancel_request(&mut self, caller: Id<Context>) {
        let Some(context) = self.contexts.get_mut(caller) else {
            return;
        };
        let request = &mut context.request;
        let (stage, scheme) = (request.stage, request.scheme);
        let Some(scheme) = scheme else { return };
        match stage {
            Stage::Idle => {}
            Stage::Pending => {
                self.unqueue(scheme, Node::Call(caller));
                self.finish(caller, Err(EINTR));
            }
            Stage::UnderWay if request.cancelled => {}
            Stage::UnderWay => {
                request.cancelled = true;
                self.post(scheme, Node::Cancel(caller));
            }
        }
    }

    /// Queues a one-way message. It rides along with the next request, or goes when this CPU has
    /// nothing else handed to it. `false`: the scheme is gone, and the message still the caller's.
    pub fn post(&mut self, scheme: Id<Scheme>, node: Node) -> bool {
        let Some(target) = self.enqueue(scheme, node) else {
            return false;
        };
        let (awaited, watched, socket) =
            (!target.readers.is_empty(), target.watched, target.socket);
        if awaited {
            self.note_message(scheme);
        }
        if watched {
            self.notify_description(socket, EventFlags::EVENT_READ);
        }
        true
    }

    /// Gives up what an unanswered call's continuation holds.
    pub fn give_up(&mut self, then: Then) {
        match then {
            Then::Open(open) => {
                self.descriptions.remove(open.description);
                if let Some(lease) = open.lease {
                    self.leases.release(lease);
                }
            }
            Then::Map(map) => {
                self.maps.remove(map.record);
            }
            Then::RecvFd(recv) => {
                self.descriptions.remove(recv.description);
                if let Some(lease) = recv.lease {
                    self.leases.release(lease);
                }
            }
            Then::Watch(watch) => self.watch_refused(&watch),
            Then::Value | Then::Count | Then::Advance(_) | Then::SeekEnd(..) | Then::SendFd => {}
        }
    }
}

/// A message that expects no answer.
#[inline]
pub(super) fn one_way(opcode: Opcode, args: [u64; 6], pid: u64) -> Sqe {
    // No context has the index of all ones, so an answer to this tag finds nobody.
    Sqe {
        opcode: opcode as u8,
        sqe_flags: SqeFlags::ONEWAY,
        _rsvd: 0,
        tag: u32::MAX,
        args,
        caller: pid,
    }
}

impl ReadForm {
    /// What a reader is told when `count` requests were read.
    pub const fn result(self, count: usize) -> usize {
        match self {
            Self::Bytes => count.saturating_mul(size_of::<Sqe>()),
            Self::Count { written } => written.saturating_add(count),
        }
    }
}

impl Request {
    /// Drops what the request holds of the caller's intentions, leaving it idle.
    pub fn reset(&mut self) {
        self.stage = Stage::Idle;
        self.payload = Payload::None;
        self.then = Then::Value;
        self.scheme = None;
    }
}
