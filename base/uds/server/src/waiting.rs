//! Requests that wait, and how they go on.

use alloc::{collections::VecDeque, vec::Vec};

use gen_slab::Key;
use syscall::{error as errno, flag::EventFlags};
use uds_api::{DESCRIPTORS, HEADER, Header, flag};

use crate::{
    Effect, Kind, Result, Server,
    inbox::{Message, Taken},
    socket::{Role, Sending, Socket, State, Waiting, What},
};

/// How far a request is.
pub enum Step {
    /// It has its answer, with bytes.
    Done(Result<usize>, Vec<u8>),
    /// It has a handle as its answer.
    Opened(u64),
    /// It goes on when something changes.
    Waits,
}

impl Step {
    const fn failed(error: i32) -> Self {
        Self::Done(Err(error), Vec::new())
    }

    const fn value(value: usize) -> Self {
        Self::Done(Ok(value), Vec::new())
    }
}

impl<F> Server<F> {
    /// Goes on with a request of a socket as far as it can.
    pub(crate) fn advance(&mut self, key: Key, what: &mut What<F>) -> Step {
        match what {
            What::Accept => self.accept(key),
            What::Connect(to) => self.connect_to(key, *to),
            What::Receive(room, plain, flags, most) => {
                self.receive(key, *room, *plain, *flags, *most)
            }
            What::Send(sending) => self.send(key, sending),
        }
    }

    /// Does something at once, or, if that is wanted, later.
    pub(crate) fn start(
        &mut self,
        key: Key,
        tag: u32,
        mut what: What<F>,
        wait: bool,
        now: u64,
    ) -> Result<Step> {
        let busy = self.sockets.get(key).is_some_and(|socket| {
            let same = |one: &Waiting<F>| {
                core::mem::discriminant(&one.what) == core::mem::discriminant(&what)
            };
            socket.waiting.iter().any(same)
        });
        // Who came first is served first.
        let step = if busy {
            Step::Waits
        } else {
            self.advance(key, &mut what)
        };
        if !matches!(step, Step::Waits) {
            return Ok(step);
        }
        let partly = match &what {
            What::Send(sending) => sending.done,
            _ => 0,
        };
        match (wait, partly) {
            (false, 0) => return Err(errno::EAGAIN),
            (false, done) => return Ok(Step::value(done)),
            (true, _) => {}
        }
        let socket = self.sockets.get_mut(key).ok_or(errno::EBADF)?;
        let time = match what {
            What::Send(_) | What::Connect(_) => socket.send_time,
            _ => socket.receive_time,
        };
        let deadline = (time > 0).then(|| now.saturating_add(time));
        socket.waiting.try_reserve(1).map_err(|_| errno::ENOMEM)?;
        let one = Waiting {
            tag,
            what,
            deadline,
        };
        let target = target(&one);
        socket.waiting.push_back(one);
        if let Some(target) = target.and_then(|target| self.sockets.get_mut(target)) {
            target.tell(key);
        }
        Ok(Step::Waits)
    }

    fn accept(&mut self, key: Key) -> Step {
        let Some(socket) = self.sockets.get_mut(key) else {
            return Step::failed(errno::EBADF);
        };
        let uid = socket.owner.uid;
        let State::Listening { queue, .. } = &mut socket.state else {
            return Step::failed(errno::EINVAL);
        };
        let Some(new) = queue.pop_front() else {
            return Step::Waits;
        };
        self.changed.extend(socket.interested.drain(..));
        match self.open_handle(uid, Role::Socket(new)) {
            Ok(handle) => {
                if let Some(socket) = self.sockets.get_mut(new) {
                    socket.handle = Some(handle);
                }
                Step::Opened(handle)
            }
            Err(error) => {
                self.end_socket(new);
                Step::failed(error)
            }
        }
    }

    /// Connects a stream socket with one that listens.
    fn connect_to(&mut self, key: Key, to: Key) -> Step {
        let Some(client) = self.sockets.get(key) else {
            return Step::failed(errno::EBADF);
        };
        if !matches!(client.state, State::Idle) {
            return Step::failed(errno::EISCONN);
        }
        let who = client.owner;
        let Some(listener) = self.sockets.get(to) else {
            return Step::failed(errno::ECONNREFUSED);
        };
        let State::Listening { backlog, queue } = &listener.state else {
            return Step::failed(errno::ECONNREFUSED);
        };
        if queue.len() >= *backlog {
            return Step::Waits;
        }
        let (owner, name) = (listener.owner, listener.name.clone());
        let accepted = match self.new_socket(owner) {
            Ok(accepted) => accepted,
            Err(error) => return Step::failed(error),
        };
        if let Some(socket) = self.sockets.get_mut(accepted) {
            socket.state = State::Connected(Some(key));
            socket.name = name;
            socket.peer = who;
        }
        if let Some(client) = self.sockets.get_mut(key) {
            client.state = State::Connected(Some(accepted));
            client.peer = owner;
        }
        if let Some(socket) = self.sockets.get_mut(to)
            && let State::Listening { queue, .. } = &mut socket.state
        {
            queue.push_back(accepted);
        }
        self.changed.push_back(to);
        Step::value(0)
    }

    /// Whether nothing more will come to a socket. A datagram socket whose other side has ended may be connected anew.
    pub(crate) fn is_at_end(&self, key: Key) -> bool {
        let Some(socket) = self.sockets.get(key) else {
            return true;
        };
        if !socket.receives {
            return true;
        }
        match socket.state {
            State::Connected(None) => self.kind.connects(),
            State::Connected(Some(other)) => {
                self.kind.connects() && self.sockets.get(other).is_none_or(|other| !other.sends)
            }
            _ => false,
        }
    }

    fn receive(&mut self, key: Key, room: usize, plain: bool, flags: u64, most: usize) -> Step {
        let (whole, connects) = (self.kind.keeps_messages(), self.kind.connects());
        let at_end = self.is_at_end(key);
        let ticket = self.next_ticket;
        let Some(socket) = self.sockets.get_mut(key) else {
            return Step::failed(errno::EBADF);
        };
        if connects && !matches!(socket.state, State::Connected(_)) {
            return Step::failed(errno::ENOTCONN);
        }
        let room = if plain {
            room
        } else {
            room.saturating_sub(HEADER)
        };
        if room == 0 && !whole {
            return Step::value(0);
        }
        let peeks = flags & flag::PEEK != 0;
        let taken = if peeks {
            socket.inbox.peek(room, whole)
        } else {
            socket.inbox.take(room, whole)
        };
        let taken = match taken {
            Some(taken) => taken,
            None if at_end => Taken {
                bytes: Vec::new(),
                whole: 0,
                fds: Vec::new(),
                from: Vec::new(),
            },
            None => return Step::Waits,
        };
        if !peeks {
            self.changed.extend(socket.interested.drain(..));
            self.changed.extend(socket.other());
        }
        if plain {
            // Nobody can ask for descriptors that came with it.
            return Step::Done(Ok(taken.bytes.len()), taken.bytes);
        }
        let mut fds = taken.fds;
        let lost = fds.len().saturating_sub(most);
        fds.truncate(most);
        let header = Header {
            len: taken.bytes.len() as u32,
            whole: taken.whole as u32,
            descriptors: fds.len() as u32,
            lost: lost as u32,
            ticket,
            name: &taken.from,
        };
        let mut bytes = Vec::from(header.to_bytes());
        bytes.extend_from_slice(&taken.bytes);
        if !fds.is_empty() {
            socket.keep(ticket, fds);
        }
        if !peeks {
            self.next_ticket = ticket.wrapping_add(1).max(1);
        }
        Step::Done(Ok(bytes.len()), bytes)
    }

    /// Whether a socket has chosen another to have datagrams from, even if that has ended.
    pub(crate) fn is_barred(&self, to: &Socket<F>, from: Key) -> bool {
        let connected = matches!(to.state, State::Connected(_));
        self.kind == Kind::Datagram && connected && to.other() != Some(from)
    }

    fn send(&mut self, key: Key, sending: &mut Sending<F>) -> Step {
        let whole = self.kind.keeps_messages();
        let Some(socket) = self.sockets.get(key) else {
            return Step::failed(errno::EBADF);
        };
        let gone = if self.kind.connects() {
            errno::EPIPE
        } else {
            errno::ECONNREFUSED
        };
        let from = socket.name.clone();
        let sends = socket.sends;
        // It may have been connected while this waited.
        let barred = self.sockets.get(sending.to);
        if sends && barred.is_some_and(|to| to.receives && self.is_barred(to, key)) {
            return Step::failed(errno::EPERM);
        }
        let Some(to) = self
            .sockets
            .get_mut(sending.to)
            .filter(|to| to.receives && sends)
        else {
            let gone = if sends { gone } else { errno::EPIPE };
            return match sending.done {
                0 => Step::failed(gone),
                done => Step::value(done),
            };
        };
        let rest = sending.bytes.get(sending.done..).unwrap_or(&[]);
        let count = match whole {
            true if to.inbox.fits(rest.len()) => rest.len(),
            true if to.inbox.is_too_long(rest.len()) => return Step::failed(errno::ENOBUFS),
            true => return Step::Waits,
            false => rest.len().min(to.inbox.stream_room()),
        };
        if !whole && count == 0 && !rest.is_empty() {
            return Step::Waits;
        }
        let empty = !whole && rest.is_empty();
        if !empty {
            let mut bytes = VecDeque::new();
            if bytes.try_reserve(count).is_err() {
                return Step::failed(errno::ENOMEM);
            }
            bytes.extend(rest.iter().take(count));
            let message = Message {
                bytes,
                fds: core::mem::take(&mut sending.fds),
                from,
            };
            if to.inbox.put(message, whole).is_err() {
                return Step::failed(errno::ENOMEM);
            }
            self.changed.push_back(sending.to);
        }
        sending.done = sending.done.saturating_add(count);
        if sending.done >= sending.bytes.len() {
            Step::value(sending.done)
        } else {
            Step::Waits
        }
    }

    /// Goes on with what waits for something that has changed, and tells who watches.
    pub(crate) fn settle(&mut self, now: u64) {
        while let Some(key) = self.changed.pop_front() {
            let Some(socket) = self.sockets.get_mut(key) else {
                continue;
            };
            let waiting = core::mem::take(&mut socket.waiting);
            let mut still = VecDeque::new();
            let mut stuck = [false; 4];
            for mut one in waiting {
                let place = match one.what {
                    What::Accept => 0,
                    What::Connect(_) => 1,
                    What::Receive(..) => 2,
                    What::Send(_) => 3,
                };
                let is_stuck = stuck.get(place).copied().unwrap_or(false);
                let step = if is_stuck {
                    Step::Waits
                } else {
                    self.advance(key, &mut one.what)
                };
                let late = one.deadline.is_some_and(|at| at <= now);
                match step {
                    Step::Done(result, bytes) => {
                        self.effects.push(Effect::Reply(one.tag, result, bytes));
                    }
                    Step::Opened(handle) => self.effects.push(Effect::Opened(one.tag, handle)),
                    Step::Waits if late => self.effects.push(given_up(&one, errno::EAGAIN)),
                    Step::Waits => {
                        if let Some(place) = stuck.get_mut(place) {
                            *place = true;
                        }
                        still.push_back(one);
                    }
                }
            }
            // Whoever woke this one has forgotten it.
            for target in still.iter().filter_map(target) {
                if let Some(target) = self.sockets.get_mut(target) {
                    target.tell(key);
                }
            }
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.waiting = still;
            }
            self.report(key);
        }
    }

    pub(crate) fn readiness(&self, key: Key) -> EventFlags {
        let mut ready = EventFlags::empty();
        let Some(socket) = self.sockets.get(key) else {
            return ready;
        };
        let comes = match &socket.state {
            State::Listening { queue, .. } => !queue.is_empty(),
            State::Idle if self.kind.connects() => false,
            _ => !socket.inbox.is_empty() || self.is_at_end(key),
        };
        let goes = match socket.state {
            State::Listening { .. } => false,
            State::Idle => !self.kind.connects(),
            State::Connected(other) => {
                let other = other.and_then(|other| self.sockets.get(other));
                other.is_none_or(|other| {
                    !socket.sends
                        || !other.receives
                        || match self.kind {
                            Kind::Datagram | Kind::Packet => other.inbox.fits(1),
                            Kind::Stream => other.inbox.stream_room() > 0,
                        }
                })
            }
        };
        ready.set(EventFlags::EVENT_READ, comes);
        ready.set(EventFlags::EVENT_WRITE, goes);
        ready
    }

    fn report(&mut self, key: Key) {
        let ready = self.readiness(key);
        if let Some(socket) = self.sockets.get(key)
            && let Some(handle) = socket.handle
        {
            let told = ready & socket.asked;
            if !told.is_empty() {
                self.effects.push(Effect::Event(handle, told));
            }
        }
    }

    /// Whoever asked does not wait any longer.
    pub(crate) fn cancel(&mut self, tag: u32) {
        let found = self.sockets.iter().find_map(|(key, socket)| {
            let place = socket.waiting.iter().position(|one| one.tag == tag)?;
            Some((key, place))
        });
        let Some((key, place)) = found else {
            return;
        };
        let one = self
            .sockets
            .get_mut(key)
            .and_then(|socket| socket.waiting.remove(place));
        if let Some(one) = one {
            self.effects.push(given_up(&one, errno::EINTR));
        }
        // Who waits behind it may go on.
        self.changed.push_back(key);
    }
}

/// The socket that a request waits for.
const fn target<F>(one: &Waiting<F>) -> Option<Key> {
    match &one.what {
        What::Connect(to) => Some(*to),
        What::Send(sending) => Some(sending.to),
        _ => None,
    }
}

pub fn given_up<F>(one: &Waiting<F>, error: i32) -> Effect {
    let result = match &one.what {
        What::Send(sending) if sending.done > 0 => Ok(sending.done),
        _ => Err(error),
    };
    Effect::Reply(one.tag, result, Vec::new())
}

// A message's descriptors are counted in a header's field.
const _: () = assert!(DESCRIPTORS < u32::MAX as usize);
