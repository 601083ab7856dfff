//! Event queues: who is told that something can be read or written.
//!
//! A *queue* has *registrations*; each names a *subject* (whatever can be ready: a description),
//! what of it is of interest, and what the reader of the queue is to be given. When a subject
//! changes, its registrations that are interested become *pending* on their queues, once each,
//! until read. A registration also becomes pending at once if its subject is ready when it is made.
//! Whether a pending event still holds when it is read is not checked here.
//!
//! Everything is constant time per registration concerned. Changing a subject without any
//! registration costs one comparison: a subject exists here only while somebody is interested, and
//! whoever owns the real thing keeps an `Option<SubjectId>`.

use syscall::flag::EventFlags;

use crate::NoMemory;
use crate::list::{HasLink, Link, List};
use crate::slab::{Id, Slab};

const OF_QUEUE: usize = 0;
const OF_SUBJECT: usize = 1;
const PENDING: usize = 2;

/// How many registrations one subject can have: bounds the cost of [`Events::trigger`].
pub const MAX_PER_SUBJECT: usize = 1024;

/// Names a queue.
pub type QueueId = Id<Queue>;
/// Names something that events are about.
pub type SubjectId = Id<Subject>;
/// Names a registration.
pub type RegistrationId = Id<Registration>;

/// An event queue; only its id is of use outside.
pub struct Queue {
    registrations: List<Registration, OF_QUEUE>,
    pending: List<Registration, PENDING>,
    woken: Link<Queue>,
    limit: usize,
}

/// Something that events are about; only its id is of use outside.
pub struct Subject {
    registrations: List<Registration, OF_SUBJECT>,
}

/// An interest; only its id is of use outside.
pub struct Registration {
    of_queue: Link<Registration>,
    of_subject: Link<Registration>,
    pending: Link<Registration>,
    queue: QueueId,
    subject: Option<SubjectId>,
    /// What the reader knows the subject by, such as its descriptor number.
    number: usize,
    interest: EventFlags,
    ready: EventFlags,
    data: usize,
    /// The caller's name for what will fire it.
    alarm: Option<u64>,
}

impl HasLink<0> for Queue {
    fn link(&self) -> &Link<Self> {
        &self.woken
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.woken
    }
}

macro_rules! registration_link {
    ($kind:expr, $field:ident) => {
        impl HasLink<{ $kind }> for Registration {
            fn link(&self) -> &Link<Self> {
                &self.$field
            }
            fn link_mut(&mut self) -> &mut Link<Self> {
                &mut self.$field
            }
        }
    };
}
registration_link!(OF_QUEUE, of_queue);
registration_link!(OF_SUBJECT, of_subject);
registration_link!(PENDING, pending);

/// What is read from a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number the registration was made with.
    pub number: usize,
    /// What has become possible.
    pub flags: EventFlags,
    /// The data the registration was made with.
    pub data: usize,
    /// What the event is about; `None` for an alarm.
    pub subject: Option<SubjectId>,
}

/// Why a registration was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// The queue is gone (`EBADF`).
    NoQueue,
    /// The queue, or the subject, has as many registrations as it may have (`ENOSPC`).
    Full,
    /// No memory (`ENOMEM`).
    NoMemory,
}

impl From<NoMemory> for RegisterError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// Every event queue of the system.
pub struct Events {
    queues: Slab<Queue>,
    subjects: Slab<Subject>,
    registrations: Slab<Registration>,
    woken: List<Queue>,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// No queue, no memory.
    pub const fn new() -> Self {
        Self {
            queues: Slab::new(),
            subjects: Slab::new(),
            registrations: Slab::new(),
            woken: List::new(),
        }
    }

    /// How many queues, subjects and registrations there are.
    pub const fn counts(&self) -> (usize, usize, usize) {
        (
            self.queues.len(),
            self.subjects.len(),
            self.registrations.len(),
        )
    }

    /// Makes a queue that can have up to `limit` registrations.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn create(&mut self, limit: usize) -> Result<QueueId, NoMemory> {
        self.queues.insert(Queue {
            registrations: List::new(),
            pending: List::new(),
            woken: Link::new(),
            limit,
        })
    }

    /// Removes a queue and its registrations. Reserved events of it are gone too.
    pub fn destroy(&mut self, queue: QueueId) {
        self.destroy_with(queue, |_| {});
    }

    /// As [`Events::destroy`]; `unfired` gets what [`Events::name_alarm`] was told of each reserved event
    /// that will not be fired any more.
    pub fn destroy_with(&mut self, queue: QueueId, mut unfired: impl FnMut(u64)) {
        while let Some(id) = self
            .queues
            .get(queue)
            .and_then(|queue| queue.registrations.front())
        {
            if let Some(alarm) = self.registrations.get(id).and_then(|r| r.alarm) {
                unfired(alarm);
            }
            self.unregister(id);
        }
        self.woken.remove(&mut self.queues, queue);
        self.queues.remove(queue);
    }

    /// Registers an interest, replacing the one that `queue` has in the same subject under the same
    /// number. No interest at all removes that one.
    ///
    /// `subject` is the subject's place with its owner; it is filled when this is the first
    /// interest. `ready` is what is possible right now.
    ///
    /// # Errors
    /// Every [`RegisterError`]; what there was stays.
    pub fn register(
        &mut self,
        queue: QueueId,
        subject: &mut Option<SubjectId>,
        number: usize,
        interest: EventFlags,
        data: usize,
        ready: EventFlags,
    ) -> Result<(), RegisterError> {
        if !self.queues.contains(queue) {
            return Err(RegisterError::NoQueue);
        }
        if let Some(id) = self.find(queue, *subject, number) {
            if interest.is_empty() {
                self.unregister(id);
                return Ok(());
            }
            if let Some(registration) = self.registrations.get_mut(id) {
                registration.interest = interest;
                registration.data = data;
                registration.ready &= interest;
            }
            self.retract_if_idle(id);
            self.make_pending(id, ready);
            return Ok(());
        }
        if interest.is_empty() {
            return Ok(());
        }
        let others = subject
            .and_then(|id| self.subjects.get(id))
            .map_or(0, |subject| subject.registrations.len());
        if others >= MAX_PER_SUBJECT {
            return Err(RegisterError::Full);
        }
        let (of, new) = match subject.filter(|&id| self.subjects.contains(id)) {
            Some(id) => (id, false),
            None => {
                let registrations = List::new();
                (self.subjects.insert(Subject { registrations })?, true)
            }
        };
        let id = match self.add(queue, Some(of), number, interest, data) {
            Ok(id) => id,
            Err(error) => {
                if new {
                    self.subjects.remove(of);
                }
                return Err(error);
            }
        };
        *subject = Some(of);
        if let Some(of) = self.subjects.get_mut(of) {
            of.registrations.push_back(&mut self.registrations, id);
        }
        self.make_pending(id, ready);
        Ok(())
    }

    /// Interest and data of the registration that `queue` has in a subject under a number.
    pub fn registered(
        &self,
        queue: QueueId,
        subject: Option<SubjectId>,
        number: usize,
    ) -> Option<(EventFlags, usize)> {
        let id = self.find(queue, subject, number)?;
        let registration = self.registrations.get(id)?;
        Some((registration.interest, registration.data))
    }

    /// Makes a registration what [`Events::registered`] told before it was changed: gone, or with
    /// that interest and data. What is pending of it and not wanted then is pending no more.
    pub fn restore(
        &mut self,
        queue: QueueId,
        subject: Option<SubjectId>,
        number: usize,
        previous: Option<(EventFlags, usize)>,
    ) {
        let Some(id) = self.find(queue, subject, number) else {
            return;
        };
        let Some((interest, data)) = previous else {
            self.unregister(id);
            return;
        };
        if let Some(registration) = self.registrations.get_mut(id) {
            registration.interest = interest;
            registration.data = data;
            registration.ready &= interest;
        }
        self.retract_if_idle(id);
    }

    /// Reserves an event without a subject, such as the expiry of a timer: [`Events::fire`] cannot
    /// fail then.
    ///
    /// # Errors
    /// Every [`RegisterError`].
    pub fn arm(
        &mut self,
        queue: QueueId,
        number: usize,
        data: usize,
    ) -> Result<RegistrationId, RegisterError> {
        self.add(queue, None, number, EventFlags::all(), data)
    }

    /// Remembers the caller's name for what will fire a reserved event.
    pub fn name_alarm(&mut self, alarm: RegistrationId, name: u64) {
        if let Some(registration) = self.registrations.get_mut(alarm) {
            registration.alarm = Some(name);
        }
    }

    /// Makes a reserved event pending. It is gone once it is read. `false` when its queue is gone
    /// or it has been disarmed.
    pub fn fire(&mut self, alarm: RegistrationId, flags: EventFlags) -> bool {
        self.make_pending(alarm, flags);
        match self.registrations.get_mut(alarm) {
            Some(registration) => {
                registration.alarm = None;
                true
            }
            None => false,
        }
    }

    /// Takes a reserved event back, pending or not. `false` when it is gone.
    pub fn disarm(&mut self, alarm: RegistrationId) -> bool {
        self.unregister(alarm)
    }

    /// Something about a subject has changed: what has become possible.
    #[inline]
    pub fn trigger(&mut self, subject: Option<SubjectId>, flags: EventFlags) {
        if let Some(subject) = subject {
            self.notify(subject, flags);
        }
    }

    fn notify(&mut self, subject: SubjectId, flags: EventFlags) {
        let mut at = self
            .subjects
            .get(subject)
            .and_then(|subject| subject.registrations.front());
        while let Some(id) = at {
            at = self
                .registrations
                .get(id)
                .and_then(|registration| registration.of_subject.next());
            self.make_pending(id, flags);
        }
    }

    /// A subject ceases to exist: nobody is told of it any more, not even of what is pending.
    pub fn forget(&mut self, subject: Option<SubjectId>) {
        while let Some(id) = subject
            .and_then(|id| self.subjects.get(id))
            .and_then(|subject| subject.registrations.front())
        {
            self.unregister(id);
        }
    }

    /// Takes the oldest pending event out of a queue.
    pub fn read(&mut self, queue: QueueId) -> Option<Ready> {
        let id = self
            .queues
            .get_mut(queue)?
            .pending
            .pop_front(&mut self.registrations)?;
        let registration = self.registrations.get_mut(id)?;
        let ready = Ready {
            number: registration.number,
            flags: core::mem::take(&mut registration.ready),
            data: registration.data,
            subject: registration.subject,
        };
        if ready.subject.is_none() {
            self.unregister(id);
        }
        Some(ready)
    }

    /// How many events are pending on a queue.
    pub fn pending(&self, queue: QueueId) -> usize {
        self.queues
            .get(queue)
            .map_or(0, |queue| queue.pending.len())
    }

    /// A queue on which something has become pending since it was empty: whoever waits to read it
    /// is to be woken, and if it is a subject itself it is to be triggered. To be asked after every
    /// function that makes events pending, until there is none.
    pub fn next_woken(&mut self) -> Option<QueueId> {
        self.woken.pop_front(&mut self.queues)
    }

    fn find(
        &self,
        queue: QueueId,
        subject: Option<SubjectId>,
        number: usize,
    ) -> Option<RegistrationId> {
        let subject = self.subjects.get(subject?)?;
        subject.registrations.iter(&self.registrations).find(|&id| {
            self.registrations
                .get(id)
                .is_some_and(|r| r.queue == queue && r.number == number)
        })
    }

    fn add(
        &mut self,
        queue: QueueId,
        subject: Option<SubjectId>,
        number: usize,
        interest: EventFlags,
        data: usize,
    ) -> Result<RegistrationId, RegisterError> {
        let owner = self.queues.get_mut(queue).ok_or(RegisterError::NoQueue)?;
        if owner.registrations.len() >= owner.limit {
            return Err(RegisterError::Full);
        }
        let id = self.registrations.insert(Registration {
            of_queue: Link::new(),
            of_subject: Link::new(),
            pending: Link::new(),
            queue,
            subject,
            number,
            interest,
            ready: EventFlags::empty(),
            data,
            alarm: None,
        })?;
        owner.registrations.push_back(&mut self.registrations, id);
        Ok(id)
    }

    fn make_pending(&mut self, id: RegistrationId, flags: EventFlags) {
        let Some(registration) = self.registrations.get_mut(id) else {
            return;
        };
        let flags = flags & registration.interest;
        if flags.is_empty() {
            return;
        }
        registration.ready |= flags;
        let queue_id = registration.queue;
        let Some(queue) = self.queues.get_mut(queue_id) else {
            return;
        };
        let was_empty = queue.pending.is_empty();
        if queue.pending.push_back(&mut self.registrations, id) && was_empty {
            self.woken.push_back(&mut self.queues, queue_id);
        }
    }

    /// Takes a registration out of its queue's pending ones if nothing it wants is ready.
    fn retract_if_idle(&mut self, id: RegistrationId) {
        let Some(registration) = self.registrations.get(id) else {
            return;
        };
        if registration.ready.is_empty()
            && let Some(queue) = self.queues.get_mut(registration.queue)
        {
            queue.pending.remove(&mut self.registrations, id);
        }
    }

    fn unregister(&mut self, id: RegistrationId) -> bool {
        let Some(registration) = self.registrations.get(id) else {
            return false;
        };
        let (queue, subject) = (registration.queue, registration.subject);
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.pending.remove(&mut self.registrations, id);
            queue.registrations.remove(&mut self.registrations, id);
        }
        if let Some(subject_id) = subject
            && let Some(subject) = self.subjects.get_mut(subject_id)
        {
            subject.registrations.remove(&mut self.registrations, id);
            if subject.registrations.is_empty() {
                self.subjects.remove(subject_id);
            }
        }
        self.registrations.remove(id).is_some()
    }
}
