//! What callers and daemons have of a request: its tag, the notices, and the part in the caller.

use crate::list::{HasLink, Link};
use crate::slab::{Id, Slab};

const INDEX_BITS: u32 = 20;
const GENERATION_MASK: u32 = (1 << (u32::BITS - INDEX_BITS)) - 1;

/// The slab of callers must not be larger than this ([`Slab::with_limit`]).
pub const MAX_CALLERS: u32 = 1 << INDEX_BITS;

/// The kind of list that calls are in.
pub const CALL_LINK: usize = 0x100;
/// The kind of list that notices to be delivered are in.
pub(super) const QUEUED: usize = 0x101;
/// The kind of list that keeps the tags of callers that died.
pub(super) const ABANDONED: usize = 0x102;

/// Names a request in flight to the daemon that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(super) u32);

impl Tag {
    pub(super) const fn new(index: u32, generation: u32) -> Option<Self> {
        if index >= MAX_CALLERS {
            return None;
        }
        Some(Self((generation & GENERATION_MASK) << INDEX_BITS | index))
    }

    /// A tag as the daemon wrote it. Means nothing until a [`super::Queue`] has found its caller.
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The tag as the daemon sees it.
    pub const fn raw(self) -> u32 {
        self.0
    }

    pub(super) const fn index(self) -> u32 {
        self.0 & (MAX_CALLERS - 1)
    }
}

/// Names a notice.
pub type NoticeId<P> = Id<Notice<P>>;

/// Something to tell a daemon that expects no answer.
pub struct Notice<P> {
    queued: Link<Self>,
    abandoned: Link<Self>,
    pub(super) what: What<P>,
}

pub(super) enum What<P> {
    Cancel(Tag),
    Body(P),
}

impl<P> Notice<P> {
    /// A notice to be posted later, with what it says.
    pub const fn new(body: P) -> Self {
        Self::with(What::Body(body))
    }

    pub(super) const fn with(what: What<P>) -> Self {
        Self {
            queued: Link::new(),
            abandoned: Link::new(),
            what,
        }
    }

    /// What the notice says; `None` for those that belong to calls.
    pub const fn body_mut(&mut self) -> Option<&mut P> {
        match &mut self.what {
            What::Body(body) => Some(body),
            What::Cancel(_) => None,
        }
    }

    /// Whether it waits to be delivered.
    pub const fn is_posted(&self) -> bool {
        self.queued.is_linked()
    }
}

impl<P> HasLink<QUEUED> for Notice<P> {
    fn link(&self) -> &Link<Self> {
        &self.queued
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.queued
    }
}

impl<P> HasLink<ABANDONED> for Notice<P> {
    fn link(&self) -> &Link<Self> {
        &self.abandoned
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.abandoned
    }
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    Idle,
    /// Submitted, not yet read by the daemon.
    Pending,
    /// Read by the daemon under this tag, not yet answered.
    InFlight(Tag),
}

/// The call that a caller has under way.
pub struct Call<C, P> {
    link: Link<C>,
    pub(super) notice: Option<NoticeId<P>>,
    pub(super) phase: Phase,
    pub(super) socket: u64,
    pub(super) cancelled: bool,
}

impl<C, P> Default for Call<C, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C, P> Call<C, P> {
    /// No call under way.
    pub const fn new() -> Self {
        Self {
            link: Link::new(),
            notice: None,
            phase: Phase::Idle,
            socket: 0,
            cancelled: false,
        }
    }

    /// Where the call is.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The key of the socket that the call is queued at, unless idle.
    pub const fn socket(&self) -> Option<u64> {
        match self.phase {
            Phase::Idle => None,
            _ => Some(self.socket),
        }
    }

    /// Whether the daemon has been asked to give up the call.
    pub const fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Gives back what a call keeps ready. To be called when the caller goes for good, idle.
    pub fn dispose(&mut self, notices: &mut Slab<Notice<P>>) {
        if let Some(notice) = self.notice.take() {
            notices.remove(notice);
        }
    }
}

/// An object that can call.
pub trait Caller: Sized {
    /// What notices to daemons say.
    type Body;
    /// The call under way.
    fn call(&self) -> &Call<Self, Self::Body>;
    /// The call under way.
    fn call_mut(&mut self) -> &mut Call<Self, Self::Body>;
}

impl<C: Caller> HasLink<CALL_LINK> for C {
    fn link(&self) -> &Link<Self> {
        &self.call().link
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.call_mut().link
    }
}
