//! The request queue of a scheme socket, as a state machine.
//!
//! A caller has at most one call under way, so the request lives in the caller: a [`Call`] embedded
//! in each object that can call (a context). A call is
//!
//! ```text
//! idle --submit--> pending --next--> in flight --reply--> idle
//!                     |                  |
//!                     +--cancel--> idle  +--cancel--> in flight, and the daemon is told
//!                     +--abandon-> idle  +--abandon-> idle, and the daemon is told
//!                     +--close---> idle  +--close---> idle
//! ```
//!
//! What the daemon is told without being asked for an answer (closed, detached, unmapped,
//! cancelled) is a [`Notice`]. Notices are reserved when the obligation to tell arises (when a
//! descriptor is opened, a mapping made, a call submitted), so that telling cannot fail. Notices
//! are delivered before requests: a request that was submitted after a `close` never arrives before
//! it.
//!
//! # Tags
//!
//! A request in flight is known to the daemon by a [`Tag`]: the caller's slab index and 12 bits of
//! the socket's count of deliveries. A reply counts if a caller with that index is in flight *on
//! this socket* with that very tag; anything else is ignored and counted. When a caller dies in
//! flight its tag is remembered until the daemon answers, and given to nobody else meanwhile. The
//! memory of a socket is bounded: at most [`MAX_ABANDONED`] tags are remembered, then the oldest is
//! forgotten.

use crate::NoMemory;
use crate::list::List;
use crate::slab::{Id, Slab};

mod call;

use call::{ABANDONED, QUEUED, What};
pub use call::{CALL_LINK, Call, Caller, MAX_CALLERS, Notice, NoticeId, Phase, Tag};

/// How many tags of callers that died in flight a socket remembers.
pub const MAX_ABANDONED: usize = 256;

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The socket is closed (`ENODEV`).
    Closed,
    /// The caller has a call under way already.
    Busy,
    /// The caller does not exist.
    NoCaller,
    /// No memory to keep a cancellation ready (`ENOMEM`).
    NoMemory,
}

impl From<NoMemory> for SubmitError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// What a daemon reads next.
pub enum Delivery<C, P> {
    /// A request, in flight from now on.
    Request {
        /// Who asked.
        caller: Id<C>,
        /// What the reply has to carry.
        tag: Tag,
    },
    /// The caller does not want the answer to this request any more. A reply is still expected.
    Cancel(Tag),
    /// A one-way message.
    Notice(P),
}

/// What became of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The daemon had not seen the request and never will; the call is idle. The caller is to be
    /// answered (`EINTR`).
    Withdrawn,
    /// The daemon will be told; the caller waits on for its answer.
    Asked,
    /// The daemon has been told before.
    AlreadyAsked,
    /// The caller has no call under way at this socket.
    NoCall,
}

/// The queue of one socket.
pub struct Queue<C: Caller> {
    key: u64,
    pending: List<C, CALL_LINK>,
    in_flight: List<C, CALL_LINK>,
    notices: List<Notice<C::Body>, QUEUED>,
    abandoned: List<Notice<C::Body>, ABANDONED>,
    delivered: u32,
    ignored: u64,
    closed: bool,
}

impl<C: Caller> Queue<C> {
    /// An empty queue. `key` must differ between sockets that exist at the same time: the raw id of
    /// the socket.
    pub const fn new(key: u64) -> Self {
        Self {
            key,
            pending: List::new(),
            in_flight: List::new(),
            notices: List::new(),
            abandoned: List::new(),
            delivered: 0,
            ignored: 0,
            closed: false,
        }
    }

    /// Whether the daemon would be given something.
    pub const fn is_ready(&self) -> bool {
        !self.notices.is_empty() || !self.pending.is_empty()
    }

    /// Whether the socket is closed.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Requests submitted and not yet read.
    pub const fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Requests read and not yet answered, those of callers that died excepted.
    pub const fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Replies without a request that they could answer, so far.
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Queues a request of an idle caller.
    ///
    /// # Errors
    /// Every [`SubmitError`]; the caller stays as it was.
    pub fn submit(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
        id: Id<C>,
    ) -> Result<(), SubmitError> {
        self.prepare(callers, notices, id)?;
        if let Some(caller) = callers.get_mut(id) {
            caller.call_mut().phase = Phase::Pending;
        }
        self.pending.push_back(callers, id);
        Ok(())
    }

    /// Delivers a request of an idle caller at once: [`Queue::submit`] and [`Queue::next`] in one
    /// step, for a daemon that waits. `None` when something else is to be delivered first; nothing
    /// is done then.
    ///
    /// # Errors
    /// Every [`SubmitError`]; the caller stays as it was.
    pub fn submit_direct(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
        id: Id<C>,
    ) -> Result<Option<Tag>, SubmitError> {
        if self.is_ready() {
            return Ok(None);
        }
        self.prepare(callers, notices, id)?;
        let tag = self.start(callers, notices, id);
        Ok(tag)
    }

    /// What the daemon is to read next, if anything. It counts as delivered.
    pub fn next(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
    ) -> Option<Delivery<C, C::Body>> {
        if self.closed {
            return None;
        }
        if let Some(id) = self.notices.pop_front(notices) {
            let tag = match notices.get(id)?.what {
                // The notice stays: it belongs to the call, or keeps an abandoned tag.
                What::Cancel(tag) => Some(tag),
                What::Body(_) => None,
            };
            if let Some(tag) = tag {
                return Some(Delivery::Cancel(tag));
            }
            return match notices.remove(id)?.what {
                What::Body(body) => Some(Delivery::Notice(body)),
                What::Cancel(tag) => Some(Delivery::Cancel(tag)),
            };
        }
        let caller = self.pending.pop_front(callers)?;
        let tag = self.start(callers, notices, caller)?;
        Some(Delivery::Request { caller, tag })
    }

    /// The caller whose request is in flight under a tag, without answering it.
    pub fn caller(&self, callers: &Slab<C>, tag: Tag) -> Option<Id<C>> {
        let (id, caller) = callers.by_index(tag.index())?;
        let call = caller.call();
        (call.phase == Phase::InFlight(tag) && call.socket == self.key).then_some(id)
    }

    /// Takes the daemon's reply: the caller to be answered, idle from now on. `None`, and counted,
    /// when there is none.
    pub fn reply(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
        tag: Tag,
    ) -> Option<Id<C>> {
        let Some(id) = self.caller(callers, tag) else {
            self.ignore(notices, tag);
            return None;
        };
        self.in_flight.remove(callers, id);
        self.finish(callers, notices, id);
        Some(id)
    }

    /// The caller no longer wants the answer, but waits for it.
    pub fn cancel(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
        id: Id<C>,
    ) -> Cancelled {
        match self.phase_of(callers, id) {
            Phase::Idle => Cancelled::NoCall,
            Phase::Pending => {
                self.pending.remove(callers, id);
                self.finish(callers, notices, id);
                Cancelled::Withdrawn
            }
            Phase::InFlight(tag) => {
                let Some(call) = callers.get_mut(id).map(Caller::call_mut) else {
                    return Cancelled::NoCall;
                };
                if core::mem::replace(&mut call.cancelled, true) {
                    return Cancelled::AlreadyAsked;
                }
                let notice = call.notice;
                self.post_cancel(notices, notice, tag);
                Cancelled::Asked
            }
        }
    }

    /// The caller goes away, or must not wait for the answer any longer: its call is idle
    /// afterwards, and a reply will be ignored. `false` when it had no call under way here.
    pub fn abandon(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
        id: Id<C>,
    ) -> bool {
        match self.phase_of(callers, id) {
            Phase::Idle => false,
            Phase::Pending => {
                self.pending.remove(callers, id);
                self.finish(callers, notices, id);
                true
            }
            Phase::InFlight(tag) => {
                self.in_flight.remove(callers, id);
                let Some(call) = callers.get_mut(id).map(Caller::call_mut) else {
                    return false;
                };
                let told = call.cancelled;
                // The notice becomes the queue's: from now on it keeps the tag from being reused.
                let notice = call.notice.take();
                call.phase = Phase::Idle;
                call.cancelled = false;
                if !told {
                    self.post_cancel(notices, notice, tag);
                }
                if let Some(notice) = notice {
                    self.abandoned.push_back(notices, notice);
                }
                if self.abandoned.len() > MAX_ABANDONED
                    && let Some(oldest) = self.abandoned.pop_front(notices)
                {
                    self.notices.remove(notices, oldest);
                    notices.remove(oldest);
                }
                true
            }
        }
    }

    /// Queues a reserved notice, which is the queue's from now on. `false` when the socket is
    /// closed; the notice is removed then, for there is nobody to be told.
    pub fn post(&mut self, notices: &mut Slab<Notice<C::Body>>, notice: NoticeId<C::Body>) -> bool {
        if self.closed {
            notices.remove(notice);
            return false;
        }
        self.notices.push_back(notices, notice)
    }

    /// Closes the socket: nothing is accepted or delivered any more. Every caller under way is then
    /// to be fetched with [`Queue::next_orphan`] and answered (`ENODEV`), and every notice with
    /// [`Queue::next_untold`].
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// After closing: a caller that is to be told so, idle from now on. Each comes exactly once.
    pub fn next_orphan(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
    ) -> Option<Id<C>> {
        if !self.closed {
            return None;
        }
        let id = match self.in_flight.pop_front(callers) {
            Some(id) => id,
            None => self.pending.pop_front(callers)?,
        };
        self.finish(callers, notices, id);
        Some(id)
    }

    /// After closing, and after the last orphan: what a notice would have said. `None` when there
    /// is no more, and the queue keeps no memory.
    pub fn next_untold(&mut self, notices: &mut Slab<Notice<C::Body>>) -> Option<C::Body> {
        if !self.closed {
            return None;
        }
        while let Some(id) = self.abandoned.pop_front(notices) {
            self.notices.remove(notices, id);
            notices.remove(id);
        }
        while let Some(id) = self.notices.pop_front(notices) {
            // One that belongs to a call goes with its caller.
            let cancels = notices
                .get(id)
                .is_some_and(|n| matches!(n.what, What::Cancel(_)));
            if !cancels && let Some(What::Body(body)) = notices.remove(id).map(|n| n.what) {
                return Some(body);
            }
        }
        None
    }

    /// Makes sure that the caller is idle and that its call can be cancelled, and binds it here.
    fn prepare(
        &mut self,
        callers: &mut Slab<C>,
        notices: &mut Slab<Notice<C::Body>>,
        id: Id<C>,
    ) -> Result<(), SubmitError> {
        if self.closed {
            return Err(SubmitError::Closed);
        }
        if Tag::new(id.index(), 0).is_none() {
            return Err(SubmitError::NoCaller);
        }
        let call = callers.get_mut(id).ok_or(SubmitError::NoCaller)?.call_mut();
        if call.phase != Phase::Idle {
            return Err(SubmitError::Busy);
        }
        if call.notice.is_none() {
            let unused = What::Cancel(Tag(0));
            call.notice = Some(notices.insert(Notice::with(unused))?);
        }
        call.socket = self.key;
        call.cancelled = false;
        Ok(())
    }

    /// Puts a prepared caller in flight.
    fn start(
        &mut self,
        callers: &mut Slab<C>,
        notices: &Slab<Notice<C::Body>>,
        id: Id<C>,
    ) -> Option<Tag> {
        let tag = self.fresh_tag(notices, id.index())?;
        callers.get_mut(id)?.call_mut().phase = Phase::InFlight(tag);
        self.in_flight.push_back(callers, id);
        Some(tag)
    }

    /// A tag that no caller which died in flight has had. There is one: fewer are remembered than
    /// there are generations.
    fn fresh_tag(&mut self, notices: &Slab<Notice<C::Body>>, index: u32) -> Option<Tag> {
        loop {
            self.delivered = self.delivered.wrapping_add(1);
            let tag = Tag::new(index, self.delivered)?;
            if self.abandoned.is_empty() || self.find_abandoned(notices, tag).is_none() {
                return Some(tag);
            }
        }
    }

    fn find_abandoned(
        &self,
        notices: &Slab<Notice<C::Body>>,
        tag: Tag,
    ) -> Option<NoticeId<C::Body>> {
        self.abandoned.iter(notices).find(|&id| {
            notices
                .get(id)
                .is_some_and(|n| matches!(n.what, What::Cancel(kept) if kept == tag))
        })
    }

    /// A reply that answers nobody. If it is to a request that was abandoned, its tag is free
    /// again.
    #[cold]
    #[inline(never)]
    fn ignore(&mut self, notices: &mut Slab<Notice<C::Body>>, tag: Tag) {
        self.ignored = self.ignored.saturating_add(1);
        if let Some(id) = self.find_abandoned(notices, tag) {
            self.abandoned.remove(notices, id);
            self.notices.remove(notices, id);
            notices.remove(id);
        }
    }

    fn post_cancel(
        &mut self,
        notices: &mut Slab<Notice<C::Body>>,
        notice: Option<NoticeId<C::Body>>,
        tag: Tag,
    ) {
        let Some(id) = notice else { return };
        if let Some(notice) = notices.get_mut(id) {
            notice.what = What::Cancel(tag);
            self.notices.push_back(notices, id);
        }
    }

    fn phase_of(&self, callers: &Slab<C>, id: Id<C>) -> Phase {
        callers
            .get(id)
            .map(Caller::call)
            .filter(|call| call.socket == self.key)
            .map_or(Phase::Idle, Call::phase)
    }

    /// Makes a call idle and takes back a cancellation that the daemon has not read yet.
    fn finish(&mut self, callers: &mut Slab<C>, notices: &mut Slab<Notice<C::Body>>, id: Id<C>) {
        let Some(call) = callers.get_mut(id).map(Caller::call_mut) else {
            return;
        };
        call.phase = Phase::Idle;
        if core::mem::replace(&mut call.cancelled, false)
            && let Some(notice) = call.notice
        {
            self.notices.remove(notices, notice);
        }
    }
}
