//! The `event` scheme: queues that say what can be read or written.
//!
//! Writing an [`Event`] to a queue registers an interest in a descriptor; reading gives what became
//! possible. An object of a user scheme is asked first (`Fevent`), and its daemon announces changes.

use super::{
    Kind,
    ops::Opened,
    user::{Call, Scheme, Then, Watch},
};
use crate::{
    context::sched::Alarm,
    descriptor::Description,
    error::{Halt, Outcome, fail},
    kernel::{Kernel, WaitKey},
};
use cap_abi::Rights;
use core::mem::size_of;
use kernel_core::{
    event::{QueueId, RegisterError},
    list::List,
    slab::Id,
};
use syscall::{data::Event, error::*, flag::*, schemev2::Opcode};

/// How many registrations a queue can have.
const QUEUE_LIMIT: usize = 16_384;
/// At most so many events are read or registered by one call.
const BATCH: usize = 64;
const BUCKETS: usize = 256;
/// Length of an event in bytes.
const EVENT: usize = size_of::<Event>();

/// Descriptions that event queues watch, by their object, so that a change of the object finds them.
pub struct WatchTable {
    buckets: [List<Description>; BUCKETS],
}

impl Default for WatchTable {
    fn default() -> Self {
        Self::new()
    }
}

impl WatchTable {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            buckets: [const { List::new() }; BUCKETS],
        }
    }

    fn bucket(&mut self, kind: Kind) -> &mut List<Description> {
        let value = match kind {
            Kind::User { scheme, number } => scheme.raw().rotate_left(32) ^ number,
            Kind::Pipe(id, _) => id.raw(),
            Kind::Event(id) => id.raw() ^ 1,
            Kind::Irq(line) => u64::from(line),
            Kind::Proc(handle) => handle.watch_key(),
            _ => 0,
        };
        let index = (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize;
        let [first, rest @ ..] = &mut self.buckets;
        match index.checked_sub(1).and_then(|index| rest.get_mut(index)) {
            Some(bucket) => bucket,
            None => first,
        }
    }
}

impl From<RegisterError> for Halt {
    fn from(error: RegisterError) -> Self {
        Self::Errno(match error {
            RegisterError::NoQueue => EBADF,
            RegisterError::Full => ENOSPC,
            RegisterError::NoMemory => ENOMEM,
        })
    }
}

impl Kernel {
    /// A new queue.
    pub fn event_open(&mut self) -> Outcome<Opened> {
        let queue = self.events.create(QUEUE_LIMIT)?;
        Ok(Opened::plain(Kind::Event(queue)))
    }

    /// `read`: events, at least one.
    pub fn event_read(
        &mut self,
        queue: QueueId,
        base: usize,
        len: usize,
        nonblocking: bool,
    ) -> Outcome {
        let room = (len / EVENT).min(BATCH);
        if room == 0 {
            return fail(EINVAL);
        }
        if self.events.pending(queue) == 0 {
            return if nonblocking {
                fail(EAGAIN)
            } else {
                self.wait_for(WaitKey::Event(queue))
            };
        }
        // The whole room is probed first, so that no event is taken that cannot be told.
        let space = self.current_space;
        let wanted = room.min(self.events.pending(queue));
        for index in 0..wanted {
            let at = base.wrapping_add(index.wrapping_mul(EVENT));
            self.write_bytes(space, at, &[0; EVENT])?;
        }
        let mut count = 0_usize;
        while count < wanted
            && let Some(ready) = self.events.read(queue)
        {
            let at = base.wrapping_add(count.wrapping_mul(EVENT));
            self.write_word(space, at, ready.number)?;
            self.write_word(space, at.wrapping_add(8), ready.flags.bits())?;
            self.write_word(space, at.wrapping_add(16), ready.data)?;
            count = count.wrapping_add(1);
        }
        Ok(count.wrapping_mul(EVENT))
    }

    /// `write`: registers one interest. The result is the size of what was taken.
    pub fn event_write(&mut self, queue: QueueId, base: usize, len: usize) -> Outcome {
        if len < EVENT {
            return fail(EINVAL);
        }
        let mut words = [0; 3];
        self.read_words(self.current_space, base, &mut words)?;
        let [number, flags, data] = words.map(|word| word as usize);
        if number == EVENT_TIMEOUT_ID {
            return self.event_timer(queue, data);
        }
        let interest = EventFlags::from_bits(flags).ok_or(Halt::Errno(EINVAL))?;
        let entry = self.entry(number, Rights::EVENT)?;
        let id = entry.desc;
        let kind = self.description(id)?.kind;
        if kind == Kind::Event(queue) {
            return fail(ELOOP);
        }
        let ready = self.kernel_readiness(id, kind) & interest;
        let subject = self.description(id)?.subject;
        let previous = self.events.registered(queue, subject, number);
        let description = self.descriptions.get_mut(id).ok_or(Halt::Errno(EBADF))?;
        let had = description.subject.is_some();
        self.events.register(
            queue,
            &mut description.subject,
            number,
            interest,
            data,
            ready,
        )?;
        let has = description.subject.is_some();
        if has && !had {
            if let Kind::Socket(scheme) = kind
                && let Some(scheme) = self.schemes.get_mut(scheme)
            {
                scheme.watched = true;
            }
            self.watched
                .bucket(kind)
                .push_back(&mut self.descriptions, id);
        }
        self.wake_queues();
        let Kind::User {
            scheme,
            number: object,
        } = kind
        else {
            return Ok(EVENT);
        };
        if interest.is_empty() {
            return Ok(EVENT);
        }
        let args = [object, interest.bits() as u64, 0, 0, 0, 0];
        let call = Call::plain(scheme, &entry, Opcode::Fevent, args);
        self.call_scheme(call.then(Then::Watch(Watch {
            description: id,
            queue,
            number,
            previous,
        })))
    }

    /// The scheme has said what is possible at a description that a queue now watches.
    pub fn watch_answered(&mut self, id: Id<Description>, ready: EventFlags) -> usize {
        if !ready.is_empty() {
            self.notify_description(id, ready);
        }
        EVENT
    }

    /// The scheme will not announce what a queue was to hear: the registration is again what it was.
    pub fn watch_refused(&mut self, watch: &Watch) {
        let subject = self
            .descriptions
            .get(watch.description)
            .and_then(|description| description.subject);
        self.events
            .restore(watch.queue, subject, watch.number, watch.previous);
    }

    /// Arms a one-time event: `data` is the address of an absolute time of the monotonic clock, and
    /// comes back as the event's data.
    fn event_timer(&mut self, queue: QueueId, address: usize) -> Outcome {
        let deadline = self.read_timespec(self.current_space, address)?;
        let registration = self.events.arm(queue, EVENT_TIMEOUT_ID, address)?;
        match self.timers.set(deadline, Alarm::Event(registration)) {
            Ok(timer) => self.events.name_alarm(registration, timer.raw()),
            Err(_) => {
                self.events.disarm(registration);
                return fail(ENOMEM);
            }
        }
        self.arm();
        Ok(EVENT)
    }

    /// A one-time event is due.
    pub fn event_timeout(&mut self, registration: kernel_core::event::RegistrationId) {
        self.events.fire(registration, EventFlags::EVENT_READ);
        self.wake_queues();
    }

    /// Wakes who waits for queues that have something now.
    fn wake_queues(&mut self) {
        // A queue can be watched by another; a cycle ends since a queue that has events already is
        // not woken again.
        while let Some(queue) = self.events.next_woken() {
            self.wake_waiters(WaitKey::Event(queue));
            self.trigger_kind(Kind::Event(queue), EventFlags::EVENT_READ);
        }
    }

    fn trigger_kind(&mut self, kind: Kind, flags: EventFlags) {
        let mut at = self.watched.bucket(kind).front();
        while let Some(id) = at {
            let Some(description) = self.descriptions.get(id) else {
                return;
            };
            at = description.watch.next();
            if description.kind == kind {
                self.events.trigger(description.subject, flags);
            }
        }
    }

    /// An object has changed.
    #[inline]
    pub fn notify_kind(&mut self, kind: Kind, flags: EventFlags) {
        if self.watched.bucket(kind).is_empty() {
            return;
        }
        self.trigger_kind(kind, flags);
        self.wake_queues();
    }

    /// An object of a user scheme has changed.
    pub fn notify_number(&mut self, scheme: Id<Scheme>, number: u64, flags: EventFlags) {
        self.notify_kind(Kind::User { scheme, number }, flags);
    }

    /// A user scheme has ended: whoever waits for something of its objects is to look, and will be told.
    pub fn notify_end_of(&mut self, ended: Id<Scheme>) {
        for bucket in 0..BUCKETS {
            let mut at = self.watched.buckets.get(bucket).and_then(List::front);
            while let Some(id) = at {
                let Some(description) = self.descriptions.get(id) else {
                    break;
                };
                at = description.watch.next();
                if let Kind::User { scheme, .. } = description.kind
                    && scheme == ended
                {
                    let both = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
                    self.events.trigger(description.subject, both);
                }
            }
        }
        self.wake_queues();
    }

    /// What is behind a description has changed.
    pub fn notify_description(&mut self, id: Id<Description>, flags: EventFlags) {
        let subject = self
            .descriptions
            .get(id)
            .and_then(|description| description.subject);
        self.events.trigger(subject, flags);
        self.wake_queues();
    }

    /// A watched description is about to go.
    pub fn forget_description(&mut self, id: Id<Description>) {
        let Some(description) = self.descriptions.get_mut(id) else {
            return;
        };
        let (subject, kind) = (description.subject.take(), description.kind);
        self.events.forget(subject);
        self.watched.bucket(kind).remove(&mut self.descriptions, id);
    }

    /// Whether a queue has events.
    pub fn event_readiness(&self, queue: QueueId) -> EventFlags {
        if self.events.pending(queue) > 0 {
            EventFlags::EVENT_READ
        } else {
            EventFlags::empty()
        }
    }

    /// The last descriptor of a queue is gone.
    pub fn event_close(&mut self, queue: QueueId) {
        let timers = &mut self.timers;
        self.events.destroy_with(queue, |alarm| {
            if let Some(timer) = Id::from_raw(alarm) {
                timers.cancel(timer);
            }
        });
    }
}
