//! One pipe.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use syscall::{TimeSpec, flag::EventFlags};

use crate::{ATOMIC, CAPACITY, Error, Mode, Requests, Said, Shared, TOTAL, Times};

/// Bytes that are copied at a time.
const PIECE: usize = 1024;

/// A handle.
#[derive(Debug)]
pub struct End {
    pub mode: Mode,
    /// The events that it wants to be told of.
    asked: EventFlags,
    /// How many had opened the pipe to write before this was opened, if nobody had it open then. Until
    /// another does, nobody has gone whose end it could be told of.
    since: Option<u64>,
}

/// A request that waits.
#[derive(Debug)]
pub struct Waiting {
    pub tag: u32,
    pub handle: usize,
    pub what: What,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The other end.
    Open,
    /// Bytes, or the end.
    Read { room: usize },
    /// Room for what is not done of it.
    Write { len: usize, done: usize },
}

/// What is behind a name.
#[derive(Debug, Default)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    ends: BTreeMap<usize, End>,
    /// Those that want to be told of events.
    watching: BTreeSet<usize>,
    readers: usize,
    writers: usize,
    /// How many have opened it to write so far.
    writers_ever: u64,
    /// In the order in which they came.
    pub waiting: VecDeque<Waiting>,
    /// The time of the last request.
    pub now: TimeSpec,
    pub times: Times,
}

impl Pipe {
    pub const fn readers(&self) -> usize {
        self.readers
    }

    pub const fn writers(&self) -> usize {
        self.writers
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no handle refers to it.
    pub fn is_unused(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn end(&self, handle: usize) -> Option<&End> {
        self.ends.get(&handle)
    }

    pub fn add(&mut self, handle: usize, mode: Mode) {
        let since = (self.writers == 0).then_some(self.writers_ever);
        if mode.read {
            self.readers = self.readers.saturating_add(1);
        }
        if mode.write {
            self.writers = self.writers.saturating_add(1);
            self.writers_ever = self.writers_ever.saturating_add(1);
        }
        let end = End {
            mode,
            asked: EventFlags::empty(),
            since,
        };
        self.ends.insert(handle, end);
    }

    /// Takes an end away; gives what is new to the other ends.
    pub fn remove(&mut self, handle: usize, shared: &mut Shared) -> EventFlags {
        let Some(End { mode, .. }) = self.ends.remove(&handle) else {
            return EventFlags::empty();
        };
        self.watching.remove(&handle);
        self.waiting.retain(|one| {
            if one.handle == handle {
                shared.waiting.remove(&one.tag);
                let answer = Said::Answer(one.tag, Err(Error::BadHandle));
                shared.said.push_back(answer);
            }
            one.handle != handle
        });
        let mut news = EventFlags::empty();
        if mode.read {
            self.readers = self.readers.saturating_sub(1);
            news.set(EventFlags::EVENT_WRITE, self.readers == 0);
        }
        if mode.write {
            self.writers = self.writers.saturating_sub(1);
            news.set(EventFlags::EVENT_READ, self.writers == 0);
        }
        news
    }

    /// Bytes that there is room for, when so many are in all pipes.
    fn room(&self, total: usize) -> usize {
        let others = total.saturating_sub(self.len());
        let capacity = if others < TOTAL { CAPACITY } else { ATOMIC };
        capacity.saturating_sub(self.len())
    }

    fn readiness(&self, end: &End, total: usize) -> EventFlags {
        let mut ready = EventFlags::empty();
        let at_end = self.writers == 0 && end.since != Some(self.writers_ever);
        let comes = end.mode.read && (!self.bytes.is_empty() || at_end);
        let goes = end.mode.write && (self.room(total) >= ATOMIC || self.readers == 0);
        ready.set(EventFlags::EVENT_READ, comes);
        ready.set(EventFlags::EVENT_WRITE, goes);
        ready
    }

    pub fn watch(&mut self, handle: usize, asked: EventFlags, total: usize) -> Option<EventFlags> {
        self.ends.get_mut(&handle)?.asked = asked;
        if asked.is_empty() {
            self.watching.remove(&handle);
        } else {
            self.watching.insert(handle);
        }
        Some(self.readiness(self.ends.get(&handle)?, total) & asked)
    }

    /// Goes on with all requests that can, and tells who watches of what is new.
    pub fn settle(
        &mut self,
        shared: &mut Shared,
        mut news: EventFlags,
        requests: &mut impl Requests,
    ) {
        if self.readers > 0 && self.writers > 0 {
            self.waiting.retain(|one| {
                let opens = one.what == What::Open;
                if opens {
                    shared.waiting.remove(&one.tag);
                    shared.said.push_back(Said::Opened(one.tag, one.handle));
                }
                !opens
            });
        }
        loop {
            let came = self.serve_write(shared, requests);
            let went = self.serve_read(shared, requests);
            if came {
                news |= EventFlags::EVENT_READ;
            }
            if went {
                news |= EventFlags::EVENT_WRITE;
            }
            if !came && !went {
                break;
            }
        }
        for handle in &self.watching {
            let Some(end) = self.ends.get(handle) else {
                continue;
            };
            let told = news & end.asked & self.readiness(end, shared.total);
            if !told.is_empty() {
                shared.said.push_back(Said::Event(*handle, told));
            }
        }
    }

    fn first(&self, is_wanted: fn(&What) -> bool) -> Option<usize> {
        self.waiting.iter().position(|one| is_wanted(&one.what))
    }

    fn answer(&mut self, place: usize, result: Result<usize, Error>, shared: &mut Shared) {
        if let Some(one) = self.waiting.remove(place) {
            shared.waiting.remove(&one.tag);
            shared.said.push_back(Said::Answer(one.tag, result));
        }
    }

    /// Goes on with the first request that reads. Whether it did.
    fn serve_read(&mut self, shared: &mut Shared, requests: &mut impl Requests) -> bool {
        let Some(place) = self.first(|what| matches!(what, What::Read { .. })) else {
            return false;
        };
        let Some(&Waiting {
            tag,
            what: What::Read { room },
            ..
        }) = self.waiting.get(place)
        else {
            return false;
        };
        if self.bytes.is_empty() {
            if self.writers == 0 {
                self.answer(place, Ok(0), shared);
            }
            return self.writers == 0;
        }
        let count = room.min(self.len());
        let (first, second) = self.bytes.as_slices();
        let (first, rest) = (
            first.get(..count).unwrap_or(first),
            count.saturating_sub(first.len()),
        );
        let second = second.get(..rest).unwrap_or(second);
        let given = requests.give(tag, 0, first)
            && (second.is_empty() || requests.give(tag, first.len(), second));
        if !given {
            self.answer(place, Err(Error::Fault), shared);
            return true;
        }
        self.bytes.drain(..count);
        shared.total = shared.total.saturating_sub(count);
        if self.bytes.is_empty() {
            self.bytes.shrink_to(ATOMIC);
        }
        self.times.read = Some(self.now);
        self.answer(place, Ok(count), shared);
        true
    }

    /// Goes on with the first request that writes. Whether it did.
    fn serve_write(&mut self, shared: &mut Shared, requests: &mut impl Requests) -> bool {
        let Some(place) = self.first(|what| matches!(what, What::Write { .. })) else {
            return false;
        };
        let Some(&Waiting {
            tag,
            what: What::Write { len, done },
            ..
        }) = self.waiting.get(place)
        else {
            return false;
        };
        let so_far = |error| if done > 0 { Ok(done) } else { Err(error) };
        if self.readers == 0 {
            self.answer(place, so_far(Error::Broken), shared);
            return true;
        }
        let rest = len.saturating_sub(done);
        let room = self.room(shared.total);
        let count = rest.min(room);
        if count == 0 || len <= ATOMIC && count < rest {
            return false;
        }
        let before = self.len();
        let put = self.put((tag, done), count, requests);
        let came = self.len().saturating_sub(before);
        shared.total = shared.total.saturating_add(came);
        if let Err(error) = put {
            self.answer(place, so_far(error), shared);
            return true;
        }
        self.times.written = Some(self.now);
        let done = done.saturating_add(came);
        if done >= len {
            self.answer(place, Ok(done), shared);
        } else if let Some(one) = self.waiting.get_mut(place) {
            one.what = What::Write { len, done };
        }
        true
    }

    /// Takes bytes of a request, all or none.
    fn put(
        &mut self,
        (tag, offset): (u32, usize),
        count: usize,
        requests: &mut impl Requests,
    ) -> Result<(), Error> {
        let before = self.len();
        self.bytes.try_reserve(count).map_err(|_| Error::NoMemory)?;
        let mut piece = [0; PIECE];
        let mut taken = 0;
        while taken < count {
            let len = count.saturating_sub(taken).min(PIECE);
            let part = piece.get_mut(..len).unwrap_or(&mut []);
            if !requests.take(tag, offset.saturating_add(taken), part) {
                self.bytes.truncate(before);
                return Err(Error::Fault);
            }
            self.bytes.extend(part.iter());
            taken = taken.saturating_add(len);
        }
        Ok(())
    }
}
