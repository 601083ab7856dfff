//! Taking requests apart.

use alloc::vec::Vec;

use gen_slab::Key;
use scheme_core::{Incoming, incoming, reply, user_of, waits};
use syscall::{
    Stat, StdFsCallKind, error as errno,
    flag::{EventFlags, MODE_SOCK, O_DIRECTORY},
    schemev2::{Cqe, CqeOpcode, NewFdFlags, Opcode, Sqe},
};
use uds_api::{DESCRIPTORS, flag, verb};

use crate::{
    Result, Server, World,
    quota::{Of, Passed},
    socket::{Credentials, Handle, Role, What},
    waiting::Step,
};

/// What a handle is, without what it holds.
#[derive(Clone, Copy)]
enum Target {
    Root,
    Socket(Key),
    Ticket(Key),
    Available(Key),
}

impl<F> Server<F> {
    /// Answers a request at a time in nanoseconds, unless it waits or wants no answer. What else is to be
    /// said: [`Server::take_effects`].
    pub fn handle(
        &mut self,
        sqe: &Sqe,
        payload: &mut [u8],
        now: u64,
        world: &mut impl World<Fd = F>,
    ) -> Option<Cqe> {
        let [handle, ..] = sqe.args;
        let opcode = match incoming(sqe) {
            Incoming::Asked(opcode) => opcode,
            message => {
                match message {
                    Incoming::Closed(handle) => self.close(handle),
                    Incoming::Cancelled(tag) => self.cancel(tag),
                    _ => {}
                }
                if let Incoming::Closed(_) = message {
                    self.collect_if_due(world);
                }
                self.settle(now);
                return None;
            }
        };
        let step = match opcode {
            Ok(Opcode::Recvfd) => {
                let given = self.give(handle, sqe, world);
                self.settle(now);
                return Some(match given {
                    Ok(count) => Cqe {
                        flags: CqeOpcode::RespondWithMultipleFds as u8,
                        ..reply::value(sqe.tag, Ok(count))
                    },
                    Err(error) => reply::value(sqe.tag, Err(error)),
                });
            }
            opcode => opcode.and_then(|opcode| self.answer(opcode, sqe, payload, now, world)),
        };
        self.settle(now);
        Some(match step {
            Ok(Step::Waits) => return None,
            Ok(Step::Opened(handle)) => reply::opened(sqe.tag, handle, NewFdFlags::empty()),
            Ok(Step::Done(result, bytes)) => {
                for (place, byte) in payload.iter_mut().zip(bytes) {
                    *place = byte;
                }
                reply::value(sqe.tag, result)
            }
            Err(error) => reply::value(sqe.tag, Err(error)),
        })
    }

    /// Whose the socket behind a handle is.
    #[must_use]
    pub fn owner_of(&self, handle: u64) -> Option<u32> {
        match self.target(handle).ok()? {
            Target::Root => None,
            Target::Socket(key) | Target::Ticket(key) | Target::Available(key) => {
                self.sockets.get(key).map(|socket| socket.owner.uid)
            }
        }
    }

    fn target(&self, handle: u64) -> Result<Target> {
        let handle = self.handles.get(Key::from_raw(handle));
        Ok(match handle.map(|handle| &handle.role) {
            Some(Role::Root) => Target::Root,
            Some(Role::Socket(key)) => Target::Socket(*key),
            Some(Role::Ticket(key, _)) => Target::Ticket(*key),
            Some(Role::Available(key)) => Target::Available(*key),
            None => return Err(errno::EBADF),
        })
    }

    fn close(&mut self, handle: u64) {
        let handle = self.handles.remove(Key::from_raw(handle));
        if let Some(Role::Socket(key)) = handle.map(|handle| handle.role) {
            self.end_socket(key);
        }
    }

    fn answer(
        &mut self,
        opcode: Opcode,
        sqe: &Sqe,
        payload: &mut [u8],
        now: u64,
        world: &mut impl World<Fd = F>,
    ) -> Result<Step> {
        let [handle, first, _, a, b, ids] = sqe.args;
        let (caller, tag) = (sqe.caller as u32, sqe.tag);
        let wait = waits(sqe);
        let value = |value: usize| Ok(Step::Done(Ok(value), Vec::new()));
        match (opcode, self.target(handle)?) {
            (Opcode::OpenAt, Target::Root) => {
                if a as usize & O_DIRECTORY == O_DIRECTORY {
                    return Err(errno::ENOTDIR);
                }
                if payload.iter().any(|byte| *byte != b'/') {
                    return Err(errno::ENOENT);
                }
                let (uid, gid) = user_of(sqe);
                let owner = Credentials {
                    pid: caller,
                    uid,
                    gid,
                };
                self.open_socket(owner)
                    .map(|(_, handle)| Step::Opened(handle))
            }
            (Opcode::Dup, Target::Socket(key)) => match &*payload {
                b"accept" => self.start(key, tag, What::Accept, true, now),
                b"accept-nonblock" => self.start(key, tag, What::Accept, false, now),
                b"pair" => self.pair(key, caller).map(Step::Opened),
                b"ticket" => {
                    let uid = self.socket(key)?.owner.uid;
                    let opened = self.open_handle(uid, Role::Ticket(key, Vec::new()));
                    opened.map(Step::Opened)
                }
                b"nread" => {
                    let uid = self.socket(key)?.owner.uid;
                    let opened = self.open_handle(uid, Role::Available(key));
                    opened.map(Step::Opened)
                }
                _ => Err(errno::EINVAL),
            },
            (Opcode::Read, Target::Socket(key)) => {
                let what = What::Receive(payload.len(), true, 0, 0);
                self.start(key, tag, what, wait, now)
            }
            (Opcode::Read, Target::Available(key)) => {
                let socket = self.sockets.get(key).ok_or(errno::EBADF)?;
                let whole = self.kind.keeps_messages();
                let count = socket.inbox.available(whole) as u32;
                let bytes = Vec::from(count.to_ne_bytes());
                Ok(Step::Done(Ok(payload.len().min(bytes.len())), bytes))
            }
            (Opcode::Write, Target::Socket(key)) => {
                let to = self.peer_of(key)?;
                self.send_bytes(key, to, payload, Vec::new(), tag, wait, now)
            }
            (Opcode::Call, Target::Socket(key)) => {
                self.call(key, [a, b, ids], payload, caller, tag, now, world)
            }
            (Opcode::Call, Target::Ticket(key)) if a == verb::SEND => {
                let fds = core::mem::take(self.ticket(handle)?);
                let wait = b & flag::NONBLOCK == 0;
                self.send_call(key, payload, fds, tag, wait, now)
            }
            (Opcode::Sendfd, Target::Ticket(key)) => {
                let count = usize::try_from(a).map_err(|_| errno::EINVAL)?;
                if count.saturating_add(self.ticket(handle)?.len()) > DESCRIPTORS {
                    return Err(errno::EINVAL);
                }
                let uid = self.socket(key)?.owner.uid;
                let fds = world.obtain(tag, count)?;
                let passed = self.pass(uid, fds, world)?;
                self.ticket(handle)?.extend(passed);
                value(count)
            }
            (Opcode::Fevent, Target::Socket(key)) => {
                let all = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
                let asked = EventFlags::from_bits_truncate(first as usize) & all;
                if let Some(socket) = self.sockets.get_mut(key) {
                    socket.asked = asked;
                }
                value((self.readiness(key) & asked).bits())
            }
            (Opcode::Fstat, target) => self.stat(target, payload),
            (Opcode::StdFsCall, target) => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => self.stat(target, payload),
                _ => Err(errno::EINVAL),
            },
            (Opcode::Fsize, _) => Err(errno::ESPIPE),
            (Opcode::Close, _) => value(0),
            (Opcode::Fsync | Opcode::Fcntl, _) => Err(errno::EINVAL),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    /// Hands over what came with a message.
    fn give(&mut self, handle: u64, sqe: &Sqe, world: &mut impl World<Fd = F>) -> Result<usize> {
        let [_, _, count, ticket, ..] = sqe.args;
        let Target::Socket(key) = self.target(handle)? else {
            return Err(errno::EBADF);
        };
        let socket = self.sockets.get_mut(key).ok_or(errno::EBADF)?;
        let mut taken = socket.taken.iter();
        let place = taken.position(|(number, _)| u64::from(*number) == ticket);
        let taken = place.and_then(|place| socket.taken.remove(place));
        let (_, mut fds) = taken.ok_or(errno::EINVAL)?;
        fds.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let count = fds.len();
        if count == 0 {
            return Err(errno::EINVAL);
        }
        let fds = fds.into_iter().map(|passed| passed.fd).collect();
        world.give(sqe.tag, fds)?;
        Ok(count)
    }

    /// Takes descriptors that a user sends; all of them, or none.
    fn pass(
        &mut self,
        uid: u32,
        fds: Vec<F>,
        world: &impl World<Fd = F>,
    ) -> Result<Vec<Passed<F>>> {
        if self.quota.room(uid, Of::Descriptor) < fds.len() {
            self.collect(world);
        }
        let passed = fds.into_iter().map(|fd| {
            let own = world.own(&fd);
            self.quota.pass(uid, fd, own)
        });
        passed.collect()
    }

    /// The descriptors that will go with a message.
    fn ticket(&mut self, handle: u64) -> Result<&mut Vec<Passed<F>>> {
        match self.handles.get_mut(Key::from_raw(handle)) {
            Some(Handle {
                role: Role::Ticket(_, fds),
                ..
            }) => Ok(fds),
            _ => Err(errno::EBADF),
        }
    }

    fn stat(&self, target: Target, payload: &mut [u8]) -> Result<Step> {
        let owner = match target {
            Target::Socket(key) => self.sockets.get(key).map(|socket| socket.owner),
            _ => None,
        };
        let owner = owner.unwrap_or_default();
        let stat = Stat {
            st_mode: MODE_SOCK | 0o777,
            st_nlink: 1,
            st_uid: owner.uid,
            st_gid: owner.gid,
            st_blksize: 4096,
            ..Stat::default()
        };
        let done = reply::stat(payload, &stat)?;
        Ok(Step::Done(Ok(done), Vec::new()))
    }
}
