//! A socket.

use alloc::{collections::VecDeque, vec::Vec};

use gen_slab::Key;
use syscall::flag::EventFlags;

use crate::{
    Bound,
    inbox::Inbox,
    quota::{Charge, Memory, Passed},
};

/// What a descriptor of the scheme's stands for.
pub struct Handle<F> {
    pub role: Role<F>,
    pub _charge: Charge,
}

/// What a handle is.
pub enum Role<F> {
    /// What sockets are opened through.
    Root,
    /// A socket.
    Socket(Key),
    /// Descriptors that will go with a message of this socket.
    Ticket(Key, Vec<Passed<F>>),
    /// How much waits to be received.
    Available(Key),
}

/// Who somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
}

/// So many received messages' descriptors wait to be fetched; each of the threads that receive has its own.
const FETCHES: usize = 16;

/// What a socket does.
#[derive(Debug)]
pub enum State {
    /// Nothing yet; a datagram socket that sends to whom it likes.
    Idle,
    /// It lets connections come, which wait here.
    Listening {
        backlog: usize,
        queue: VecDeque<Key>,
    },
    /// It is connected with another one, as long as that is there.
    Connected(Option<Key>),
}

/// A request that waits.
pub struct Waiting<F> {
    pub tag: u32,
    pub what: What<F>,
    /// When it is answered at the latest, in nanoseconds.
    pub deadline: Option<u64>,
}

pub enum What<F> {
    Accept,
    Connect(Key),
    /// Room, whether only bytes are wanted, flags, most descriptors.
    Receive(usize, bool, u64, usize),
    Send(Sending<F>),
}

/// A message on its way.
pub struct Sending<F> {
    pub bytes: Vec<u8>,
    pub done: usize,
    pub fds: Vec<Passed<F>>,
    pub to: Key,
}

/// A socket.
pub struct Socket<F> {
    pub owner: Credentials,
    pub _charge: Charge,
    /// None while the connection has not been accepted.
    pub handle: Option<u64>,
    pub state: State,
    pub name: Vec<u8>,
    pub bound: Option<Bound>,
    pub mode: u16,
    pub inbox: Inbox<Passed<F>>,
    /// Who is at the other side.
    pub peer: Credentials,
    /// What the other side was called, when it is gone.
    pub peer_name: Vec<u8>,
    pub receives: bool,
    pub sends: bool,
    pub waiting: VecDeque<Waiting<F>>,
    /// Sockets that wait for room here, in the order of their coming.
    pub interested: Vec<Key>,
    pub asked: EventFlags,
    pub receive_time: u64,
    pub send_time: u64,
    /// What came with messages and has not been fetched, with the number by which it is, in the order of their coming.
    pub taken: VecDeque<(u32, Vec<Passed<F>>)>,
}

impl<F> Socket<F> {
    pub fn new(owner: Credentials, charge: Charge, memory: Memory) -> Self {
        Self {
            owner,
            _charge: charge,
            handle: None,
            state: State::Idle,
            name: Vec::new(),
            bound: None,
            mode: 0o777,
            inbox: Inbox::new(memory),
            peer: Credentials::default(),
            peer_name: Vec::new(),
            receives: true,
            sends: true,
            waiting: VecDeque::new(),
            interested: Vec::new(),
            asked: EventFlags::empty(),
            receive_time: 0,
            send_time: 0,
            taken: VecDeque::new(),
        }
    }

    /// When the first of the requests that wait is answered at the latest.
    pub fn deadline(&self) -> Option<u64> {
        self.waiting.iter().filter_map(|one| one.deadline).min()
    }

    /// Whether somebody may connect or send to it.
    pub fn admits(&self, who: Credentials) -> bool {
        let shift = match (who.uid == self.owner.uid, who.gid == self.owner.gid) {
            (true, _) => 6,
            (_, true) => 3,
            _ => 0,
        };
        who.uid == 0 || self.mode.wrapping_shr(shift) & 0o2 != 0
    }

    /// Keeps what came with a message until it is fetched by a number.
    pub fn keep(&mut self, number: u32, fds: Vec<Passed<F>>) {
        if self.taken.len() >= FETCHES {
            self.taken.pop_front();
        }
        self.taken.push_back((number, fds));
    }

    /// Has a socket told of what happens here.
    pub fn tell(&mut self, key: Key) {
        if !self.interested.contains(&key) {
            self.interested.push(key);
        }
    }

    /// The socket at the other side, if it is there.
    pub const fn other(&self) -> Option<Key> {
        match self.state {
            State::Connected(other) => other,
            _ => None,
        }
    }
}
