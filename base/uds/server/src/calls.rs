//! What is asked of a socket by `SYS_CALL`.

use alloc::vec::Vec;

use gen_slab::Key;
use syscall::error as errno;
use uds_api::{Address, TOKEN, flag, option, verb};

use crate::{
    Bound, Kind, Result, Server, World,
    inbox::{DATAGRAM, STREAM},
    quota::{Of, Passed},
    socket::{Credentials, Handle, Role, Sending, Socket, State, What},
    waiting::{Step, given_up},
};

/// Longest queue of connections.
const BACKLOG: usize = 128;

impl<F> Server<F> {
    pub(crate) fn new_socket(&mut self, owner: Credentials) -> Result<Key> {
        let charge = self.quota.charge(owner.uid, Of::Socket)?;
        let memory = self.quota.memory(owner.uid);
        self.sockets
            .insert(Socket::new(owner, charge, memory))
            .map_err(|_| errno::ENOMEM)
    }

    /// A handle of a user's.
    pub(crate) fn open_handle(&mut self, uid: u32, role: Role<F>) -> Result<u64> {
        let charge = self.quota.charge(uid, Of::Handle)?;
        let handle = Handle {
            role,
            _charge: charge,
        };
        self.handles
            .insert(handle)
            .map(Key::raw)
            .map_err(|_| errno::ENOMEM)
    }

    /// A socket with a handle.
    pub(crate) fn open_socket(&mut self, owner: Credentials) -> Result<(Key, u64)> {
        let key = self.new_socket(owner)?;
        match self.open_handle(owner.uid, Role::Socket(key)) {
            Ok(handle) => {
                if let Some(socket) = self.sockets.get_mut(key) {
                    socket.handle = Some(handle);
                }
                Ok((key, handle))
            }
            Err(error) => {
                self.sockets.remove(key);
                Err(error)
            }
        }
    }

    pub(crate) fn socket(&mut self, key: Key) -> Result<&mut Socket<F>> {
        self.sockets.get_mut(key).ok_or(errno::EBADF)
    }

    /// A new socket that is connected with another.
    pub(crate) fn pair(&mut self, key: Key, pid: u32) -> Result<u64> {
        let socket = self.socket(key)?;
        if !matches!(socket.state, State::Idle) {
            return Err(errno::EISCONN);
        }
        socket.owner.pid = pid;
        let owner = socket.owner;
        let (other, handle) = self.open_socket(owner)?;
        for (one, two) in [(key, other), (other, key)] {
            let socket = self.socket(one)?;
            socket.state = State::Connected(Some(two));
            socket.peer = owner;
        }
        Ok(handle)
    }

    /// A socket's last descriptor is gone.
    pub(crate) fn end_socket(&mut self, key: Key) {
        let Some(socket) = self.sockets.remove(key) else {
            return;
        };
        if let Some(bound) = &socket.bound {
            self.bound.remove(bound);
        }
        // A thread may close what another of its process waits at.
        for one in &socket.waiting {
            self.effects.push(given_up(one, errno::EBADF));
        }
        let mut others = socket.interested;
        let name = socket.name;
        match socket.state {
            State::Listening { queue, .. } => {
                for waiting in queue {
                    self.end_socket(waiting);
                }
            }
            State::Connected(Some(other)) => others.push(other),
            _ => {}
        }
        if self.kind == Kind::Datagram {
            // Any number of them may be connected with it.
            let all = self.sockets.iter();
            let connected = all.filter(|(_, socket)| socket.other() == Some(key));
            others.extend(connected.map(|(key, _)| key));
        }
        for other in others {
            if let Some(socket) = self.sockets.get_mut(other)
                && let State::Connected(peer) = &mut socket.state
                && *peer == Some(key)
            {
                *peer = None;
                socket.peer_name.clone_from(&name);
            }
            self.changed.push_back(other);
        }
    }

    /// The socket that an address is of.
    fn find(&self, address: &Address<'_>, who: Credentials) -> Result<Key> {
        let bound = if address.is_abstract() {
            Bound::Abstract(Vec::from(address.name))
        } else {
            Bound::Token(address.token)
        };
        let key = self.bound.get(&bound).copied();
        let key = key.ok_or(errno::ECONNREFUSED)?;
        let socket = self.sockets.get(key).ok_or(errno::ECONNREFUSED)?;
        if socket.admits(who) {
            Ok(key)
        } else {
            Err(errno::EACCES)
        }
    }

    /// Answers a call; what it writes back is put into the payload.
    #[expect(clippy::too_many_arguments, reason = "a call and who makes it")]
    pub(crate) fn call(
        &mut self,
        key: Key,
        metadata: [u64; 3],
        payload: &mut [u8],
        caller: u32,
        tag: u32,
        now: u64,
        world: &mut impl World<Fd = F>,
    ) -> Result<Step> {
        let [asked, a, b] = metadata;
        let wait = a & flag::NONBLOCK == 0;
        match asked {
            verb::BIND => self.bind(key, a as u16, payload, world),
            verb::CONNECT => self.connect(key, payload, caller, tag, wait, now),
            verb::LISTEN => self.listen(key, a, caller),
            verb::SHUT_DOWN => self.shut_down(key, a),
            verb::SEND => self.send_call(key, payload, Vec::new(), tag, wait, now),
            verb::RECEIVE => {
                let most = usize::try_from(b).unwrap_or(usize::MAX);
                let what = What::Receive(payload.len(), false, a, most);
                self.start(key, tag, what, wait, now)
            }
            verb::PEER_NAME => {
                let socket = self.socket(key)?;
                let other = match socket.state {
                    State::Connected(other) => other,
                    _ => return Err(errno::ENOTCONN),
                };
                let gone = socket.peer_name.clone();
                let other = other.and_then(|other| self.sockets.get(other));
                let name = other.map_or(gone, |other| other.name.clone());
                Ok(Step::Done(Ok(name.len()), name))
            }
            verb::NAME => {
                let name = self.socket(key)?.name.clone();
                Ok(Step::Done(Ok(name.len()), name))
            }
            verb::GET_OPTION => self.get_option(key, a),
            verb::SET_OPTION => self.set_option(key, a, b),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn bind(
        &mut self,
        key: Key,
        mode: u16,
        payload: &mut [u8],
        world: &mut impl World<Fd = F>,
    ) -> Result<Step> {
        let (address, _) = Address::split(payload).ok_or(errno::EINVAL)?;
        let name = Vec::from(address.name);
        if name.is_empty() {
            return Err(errno::EINVAL);
        }
        if self.socket(key)?.bound.is_some() {
            return Err(errno::EINVAL);
        }
        let bound = if address.is_abstract() {
            Bound::Abstract(name.clone())
        } else {
            Bound::Token(world.token()?)
        };
        if self.bound.contains_key(&bound) {
            return Err(errno::EADDRINUSE);
        }
        if let Bound::Token(token) = &bound
            && let Some(place) = payload.get_mut(..TOKEN)
        {
            place.copy_from_slice(token);
        }
        let socket = self.socket(key)?;
        socket.name = name;
        socket.mode = mode & 0o777;
        socket.bound = Some(bound.clone());
        self.bound.insert(bound, key);
        Ok(Step::Done(Ok(0), Vec::new()))
    }

    fn listen(&mut self, key: Key, backlog: u64, caller: u32) -> Result<Step> {
        if self.kind == Kind::Datagram {
            return Err(errno::EOPNOTSUPP);
        }
        let socket = self.socket(key)?;
        if socket.bound.is_none() {
            return Err(errno::EDESTADDRREQ);
        }
        socket.owner.pid = caller;
        let new = usize::try_from(backlog).map_or(BACKLOG, |backlog| backlog.clamp(1, BACKLOG));
        match &mut socket.state {
            State::Idle => {
                socket.state = State::Listening {
                    backlog: new,
                    queue: Default::default(),
                };
            }
            State::Listening { backlog, .. } => *backlog = new,
            State::Connected(_) => return Err(errno::EINVAL),
        }
        self.changed.push_back(key);
        Ok(Step::Done(Ok(0), Vec::new()))
    }

    fn connect(
        &mut self,
        key: Key,
        payload: &[u8],
        caller: u32,
        tag: u32,
        wait: bool,
        now: u64,
    ) -> Result<Step> {
        let datagram = self.kind == Kind::Datagram;
        let (address, _) = Address::split(payload).ok_or(errno::EINVAL)?;
        let socket = self.socket(key)?;
        if address.is_empty() {
            if !datagram {
                return Err(errno::EINVAL);
            }
            socket.state = State::Idle;
            return Ok(Step::Done(Ok(0), Vec::new()));
        }
        if !datagram && matches!(socket.state, State::Connected(_)) {
            return Err(errno::EISCONN);
        }
        socket.owner.pid = caller;
        let who = socket.owner;
        let to = self.find(&address, who)?;
        if !datagram {
            return self.start(key, tag, What::Connect(to), wait, now);
        }
        let other = self.sockets.get(to).ok_or(errno::ECONNREFUSED)?;
        if self.is_barred(other, key) {
            return Err(errno::EPERM);
        }
        let owner = other.owner;
        let socket = self.socket(key)?;
        socket.state = State::Connected(Some(to));
        socket.peer = owner;
        // Whoever waits for room here may not send to it any more.
        let barred = core::mem::take(&mut socket.interested);
        self.changed.extend(barred);
        Ok(Step::Done(Ok(0), Vec::new()))
    }

    fn shut_down(&mut self, key: Key, how: u64) -> Result<Step> {
        let socket = self.socket(key)?;
        let State::Connected(other) = socket.state else {
            return Err(errno::ENOTCONN);
        };
        let (receiving, sending) = match how {
            0 => (true, false),
            1 => (false, true),
            2 => (true, true),
            _ => return Err(errno::EINVAL),
        };
        socket.receives &= !receiving;
        socket.sends &= !sending;
        self.changed.push_back(key);
        self.changed.extend(other);
        Ok(Step::Done(Ok(0), Vec::new()))
    }

    /// Sends what a call says, with descriptors.
    pub(crate) fn send_call(
        &mut self,
        key: Key,
        payload: &[u8],
        fds: Vec<Passed<F>>,
        tag: u32,
        wait: bool,
        now: u64,
    ) -> Result<Step> {
        let (address, bytes) = Address::split(payload).ok_or(errno::EINVAL)?;
        let to = if address.is_empty() {
            self.peer_of(key)?
        } else if self.kind.connects() {
            return Err(errno::EISCONN);
        } else {
            let who = self.socket(key)?.owner;
            self.find(&address, who)?
        };
        self.send_bytes(key, to, bytes, fds, tag, wait, now)
    }

    /// The socket that a socket is connected with.
    pub(crate) fn peer_of(&mut self, key: Key) -> Result<Key> {
        let kind = self.kind;
        match (&self.socket(key)?.state, kind) {
            (State::Connected(Some(other)), _) => Ok(*other),
            (State::Connected(None), Kind::Stream | Kind::Packet) => Err(errno::EPIPE),
            (State::Connected(None), Kind::Datagram) => Err(errno::ECONNREFUSED),
            (_, Kind::Stream | Kind::Packet) => Err(errno::ENOTCONN),
            (_, Kind::Datagram) => Err(errno::EDESTADDRREQ),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a message and how it is sent")]
    pub(crate) fn send_bytes(
        &mut self,
        key: Key,
        to: Key,
        bytes: &[u8],
        fds: Vec<Passed<F>>,
        tag: u32,
        wait: bool,
        now: u64,
    ) -> Result<Step> {
        if self.kind.keeps_messages() && bytes.len() > DATAGRAM {
            return Err(errno::EMSGSIZE);
        }
        let mut copy = Vec::new();
        copy.try_reserve(bytes.len()).map_err(|_| errno::ENOMEM)?;
        copy.extend_from_slice(bytes);
        let sending = Sending {
            bytes: copy,
            done: 0,
            fds,
            to,
        };
        self.start(key, tag, What::Send(sending), wait, now)
    }

    fn get_option(&mut self, key: Key, asked: u64) -> Result<Step> {
        let kind = self.kind;
        let socket = self.socket(key)?;
        let value = match asked {
            option::TYPE => match kind {
                Kind::Stream => 1,
                Kind::Datagram => 2,
                Kind::Packet => 5,
            },
            option::ERROR => 0,
            option::SEND_BUFFER | option::RECEIVE_BUFFER => STREAM,
            option::RECEIVE_TIME => usize::try_from(socket.receive_time).unwrap_or(0),
            option::SEND_TIME => usize::try_from(socket.send_time).unwrap_or(0),
            option::ACCEPTS => usize::from(matches!(socket.state, State::Listening { .. })),
            option::PEER_CREDENTIALS => {
                if !matches!(socket.state, State::Connected(_)) {
                    return Err(errno::ENOTCONN);
                }
                let Credentials { pid, uid, gid } = socket.peer;
                let words = [pid, uid, gid].map(u32::to_ne_bytes);
                return Ok(Step::Done(Ok(12), words.concat()));
            }
            _ => return Err(errno::ENOPROTOOPT),
        };
        Ok(Step::Done(Ok(value), Vec::new()))
    }

    fn set_option(&mut self, key: Key, asked: u64, value: u64) -> Result<Step> {
        let socket = self.socket(key)?;
        match asked {
            option::RECEIVE_TIME => socket.receive_time = value,
            option::SEND_TIME => socket.send_time = value,
            // Room is the same for everybody.
            option::SEND_BUFFER | option::RECEIVE_BUFFER => {}
            _ => return Err(errno::ENOPROTOOPT),
        }
        Ok(Step::Done(Ok(0), Vec::new()))
    }
}
