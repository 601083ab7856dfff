//! Anonymous schemes that live in user space.
//!
//! A scheme is made by `dup(capability, "create-scheme")`, which gives its socket. Through the socket
//! the daemon makes root descriptors, reads requests (SQEs) and writes replies (CQEs). The scheme is
//! its id: it has no name here, and a path is bytes that are passed on.
//!
//! A request lives in the context that makes it ([`Request`]), so that calling allocates nothing. It
//! waits in the scheme's queue, or, when a thread of the daemon is waiting, goes straight to that
//! thread, which then runs next. When the socket closes, every caller is answered `ENODEV`.

pub mod call;
pub mod direct;
pub mod fds;
pub mod payload;
pub mod queue;
pub mod receive;
pub mod reply;
pub mod socket;
pub mod submit;
pub mod window;

use crate::{
    context::Context,
    descriptor::{Description, Entry},
    kernel::Space,
    memory::space::Prot,
    scheme::memory::MapRecord,
};
use alloc::vec::Vec;
pub use call::Call;
use cap_abi::{Rights, resolve::RESOLVE_MASK, scheme::FEATURE_RESOLVE};
use kernel_core::{
    event::QueueId,
    lease::LeaseId,
    list::List,
    queue::Queue,
    slab::{Id, Slab},
};
use payload::{Payload, Placed};
use syscall::{flag::EventFlags, schemev2::Sqe};

/// A scheme whose daemon holds its socket.
pub struct Scheme {
    /// The space that the daemon's window is mapped in.
    pub space: Id<Space>,
    /// The space's root, to see at a glance whether a reader has the window.
    pub window: window::Window,
    /// Declared `cap_abi::scheme::FEATURE_*` bits.
    pub features: usize,
    /// A descriptor of the scheme exists, so the features stand.
    pub rooted: bool,
    /// Messages that wait to be read.
    pub queue: Queue<Node>,
    /// Threads of the daemon that wait for messages.
    pub readers: Readers,
    /// The socket's description.
    pub socket: Id<Description>,
    /// Event queues watch the socket.
    pub watched: bool,
    /// How many requests under way have buffers that are mapped into the daemon.
    pub lent: u32,
    /// Replies that answered no request under way.
    pub stray_replies: u64,
}

/// How a request can get to a scheme's daemon now.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The thread of the daemon that waits.
    pub reader: Option<Id<Context>>,
    /// All that is queued: the message of this description's end.
    pub ahead: Option<Id<Description>>,
    /// Nothing is queued.
    pub empty: bool,
}

impl Scheme {
    /// Whether its daemon has declared that it honours what of these flags limits resolution.
    #[inline(always)]
    pub const fn honours(&self, flags: usize) -> bool {
        flags & RESOLVE_MASK == 0 || self.features & FEATURE_RESOLVE != 0
    }

    /// How a request can get to the daemon now.
    #[inline]
    pub fn route(&self) -> Route {
        Route {
            reader: self.readers.front(),
            ahead: match self.queue.only() {
                Some(Node::Close(id)) => Some(id),
                _ => None,
            },
            empty: self.queue.is_empty(),
        }
    }
}

/// Threads of a daemon that wait for messages. The first stands apart from the list, since most daemons
/// have one thread, and it comes and goes with every request.
#[derive(Default)]
pub struct Readers {
    first: Option<Id<Context>>,
    others: List<Context>,
}

impl Readers {
    /// The one to be served next.
    #[inline]
    pub const fn front(&self) -> Option<Id<Context>> {
        self.first
    }

    /// The one that waits, if no other does.
    #[inline]
    pub const fn only(&self) -> Option<Id<Context>> {
        if self.others.is_empty() {
            self.first
        } else {
            None
        }
    }

    /// Takes out the one that [`Readers::only`] has found.
    #[inline]
    pub const fn take_only(&mut self) {
        self.first = None;
    }

    /// Puts in a thread where none is.
    #[inline]
    pub const fn put_only(&mut self, id: Id<Context>) {
        self.first = Some(id);
    }

    /// Whether nobody waits.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds a thread, behind the others.
    #[inline]
    pub fn push(&mut self, contexts: &mut Slab<Context>, id: Id<Context>) {
        if self.first.is_none() {
            self.first = Some(id);
        } else {
            self.others.push_back(contexts, id);
        }
    }

    /// Takes a thread out, wherever among them it is.
    #[inline]
    pub fn remove(&mut self, contexts: &mut Slab<Context>, id: Id<Context>) {
        if self.first == Some(id) {
            self.first = None;
            if !self.others.is_empty() {
                self.first = self.others.pop_front(contexts);
            }
        } else {
            self.others.remove(contexts, id);
        }
    }
}

/// An element of a scheme's message queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The request of this context.
    Call(Id<Context>),
    /// The request under way of this context is to be abandoned.
    Cancel(Id<Context>),
    /// The last descriptor of this description is closed.
    Close(Id<Description>),
    /// A mapping or a descriptor of some process went away.
    Note(Id<MapRecord>),
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is none.
    Idle,
    /// In the scheme's queue.
    Pending,
    /// With the daemon.
    UnderWay,
}

/// What is to happen with the answer.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The caller gets it as it is.
    Value,
    /// It counts bytes of the caller's buffer.
    Count,
    /// It is the number of a new object, to be put behind a new descriptor.
    Open(Open),
    /// It counts bytes: the description's position moves by it.
    Advance(Id<Description>),
    /// It is the size of the file: the position becomes that plus a displacement.
    SeekEnd(Id<Description>, i64),
    /// It is an address in the daemon's space, to be mapped into the caller's.
    Map(MapIntent),
    /// It is the readiness of a description that an event queue now watches.
    Watch(Watch),
    /// The caller sent descriptors, of which those not taken are dropped.
    SendFd,
    /// The caller receives descriptors.
    RecvFd(RecvIntent),
}

/// A descriptor that is to be made when the daemon answers.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Where the caller wants it: a number, or [`cap_abi::FD_ANY`], [`cap_abi::FD_ANY_UPPER`].
    pub number: usize,
    /// What is there is closed first.
    pub replace: bool,
    /// The description, already made, with one reference, waiting for its object's number.
    pub description: Id<Description>,
    /// At most these rights.
    pub rights: Rights,
    /// The lease it falls under; holds a reference.
    pub lease: Option<LeaseId>,
    /// Close on exec.
    pub cloexec: bool,
}

/// A mapping that is to be made when the daemon answers.
#[derive(Clone, Copy, Debug)]
pub struct MapIntent {
    /// The record that will tell the scheme of the mapping's end.
    pub record: Id<MapRecord>,
    /// Address hint or demand.
    pub address: usize,
    /// Length in bytes.
    pub size: usize,
    /// Protection and kind.
    pub flags: syscall::MapFlags,
    /// What the caller's rights allow it to be, now and later.
    pub limit: Prot,
}

/// An interest that was registered before its scheme was asked, and stays only if that agrees.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// What is watched.
    pub description: Id<Description>,
    /// The queue.
    pub queue: QueueId,
    /// The number that the interest is registered under.
    pub number: usize,
    /// Interest and data of the registration that this one took the place of.
    pub previous: Option<(EventFlags, usize)>,
}

/// Descriptors that the caller is to receive.
#[derive(Clone, Copy, Debug)]
pub struct RecvIntent {
    /// User address of the array of numbers.
    pub buffer: usize,
    /// How many fit.
    pub count: usize,
    /// A description for the case that the daemon answers with an object of its own.
    pub description: Id<Description>,
    /// Into the private table.
    pub upper: bool,
    /// Close on exec.
    pub cloexec: bool,
    /// The array says where.
    pub manual: bool,
    /// At most these rights.
    pub rights: Rights,
    /// The lease they fall under; holds a reference.
    pub lease: Option<LeaseId>,
}

/// The call that a context makes of a user scheme.
pub struct Request {
    /// Of which scheme.
    pub scheme: Option<Id<Scheme>>,
    /// Where it is.
    pub stage: Stage,
    /// The submission entry. Buffer pointers are put in when it is delivered.
    pub sqe: Sqe,
    /// The caller's buffer.
    pub payload: Payload,
    /// Where the buffer is in the daemon's space while the request is under way.
    pub placed: Placed,
    /// What to do with the answer.
    pub then: Then,
    /// Distinguishes this call's tag from the context's earlier ones, and from those of the context that had
    /// its slot before: 12 bits.
    pub sequence: u16,
    /// How often it has been redirected.
    pub redirects: u8,
    /// The daemon has been, or will be, told that nobody waits for the answer as such.
    pub cancelled: bool,
    /// The caller is dead; the answer only frees the record.
    pub abandoned: bool,
    /// Descriptors on their way to the scheme, or from it.
    pub transfer: Vec<Entry>,
}

impl Request {
    /// No request, of a context the number of whose first call is one more than this.
    pub const fn idle(sequence: u16) -> Self {
        Self {
            scheme: None,
            stage: Stage::Idle,
            sqe: Sqe {
                opcode: 0,
                sqe_flags: syscall::schemev2::SqeFlags::empty(),
                _rsvd: 0,
                tag: 0,
                args: [0; 6],
                caller: 0,
            },
            payload: Payload::None,
            placed: Placed::Nowhere,
            then: Then::Value,
            sequence,
            redirects: 0,
            cancelled: false,
            abandoned: false,
            transfer: Vec::new(),
        }
    }

    /// The tag of the present call of the context at `index`.
    pub const fn tag(&self, index: u32) -> u32 {
        tag(index, self.sequence)
    }
}

/// The tag of the call of the context at `index` that has this number among its calls.
#[inline]
pub const fn tag(index: u32, sequence: u16) -> u32 {
    (index & TAG_INDEX_MASK) | ((sequence as u32) << TAG_INDEX_BITS)
}

/// Bits of a tag that hold the context's slab index; the rest hold [`Request::sequence`].
pub const TAG_INDEX_BITS: u32 = 20;
/// Mask of those bits.
pub const TAG_INDEX_MASK: u32 = (1 << TAG_INDEX_BITS) - 1;
/// How many contexts there can be, so that every index fits a tag.
pub const MAX_CONTEXTS: u32 = 1 << TAG_INDEX_BITS;
