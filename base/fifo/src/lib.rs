//! Named pipes: who has them open, what is in them, and who waits.
//!
//! What a file system keeps of a named pipe is its name. What is behind that is here, from the first open to
//! the last close, for as many nodes as there are open. Nothing here waits: a request that cannot be answered
//! is kept, and its answer said ([`Fifos::next_said`]) when what it waits for has happened, or it is cancelled.
//! The bytes of a request that waits stay with its caller ([`Requests`]); a pipe takes no more than it holds.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod pipe;

use alloc::collections::{BTreeMap, VecDeque};
use core::fmt;

use syscall::{
    TimeSpec,
    error::{EAGAIN, EBADF, EFAULT, EINTR, ENOMEM, ENXIO, EPIPE},
    flag::EventFlags,
};

use pipe::{End, Pipe, Waiting, What};

/// Bytes that a pipe holds.
pub const CAPACITY: usize = 1 << 16;
/// `PIPE_BUF`: a write of at most so many bytes is never mixed with others.
pub const ATOMIC: usize = 4096;
/// Bytes that all pipes hold together. While they hold more, a pipe holds [`ATOMIC`], and all go on.
pub const TOTAL: usize = 16 << 20;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody has it open for reading, and who opens it for writing does not wait (`ENXIO`).
    NobodyReads,
    /// Nobody has it open for reading any more (`EPIPE`).
    Broken,
    /// It would have to wait (`EAGAIN`).
    WouldBlock,
    /// It was cancelled while it waited (`EINTR`).
    Interrupted,
    /// The handle is no end of a pipe, or not that one (`EBADF`).
    BadHandle,
    /// There is no memory for what is written (`ENOMEM`).
    NoMemory,
    /// The caller's memory cannot be reached (`EFAULT`).
    Fault,
}

impl Error {
    /// The error number.
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            Self::NobodyReads => ENXIO,
            Self::Broken => EPIPE,
            Self::WouldBlock => EAGAIN,
            Self::Interrupted => EINTR,
            Self::BadHandle => EBADF,
            Self::NoMemory => ENOMEM,
            Self::Fault => EFAULT,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NobodyReads => "nobody has it open for reading",
            Self::Broken => "nobody reads from it any more",
            Self::WouldBlock => "it would have to wait",
            Self::Interrupted => "cancelled",
            Self::BadHandle => "not an end of a pipe that is open for this",
            Self::NoMemory => "out of memory",
            Self::Fault => "the caller's memory cannot be reached",
        })
    }
}

impl core::error::Error for Error {}

/// The memory of the callers whose requests wait.
pub trait Requests {
    /// Copies what a request is to write, from `offset` on. `false` if it is not there.
    fn take(&mut self, tag: u32, offset: usize, into: &mut [u8]) -> bool;
    /// Copies to where a request is to read, from `offset` on. `false` if there is no room.
    fn give(&mut self, tag: u32, offset: usize, from: &[u8]) -> bool;
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is done; the number of bytes, or 0.
    Done(usize),
    /// Its answer comes later.
    Waits,
}

/// What is said to a request that waited, or to nobody in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The answer to a read or a write.
    Answer(u32, Result<usize, Error>),
    /// The answer to an open: the handle it was for.
    Opened(u32, usize),
    /// An open was cancelled, and its handle is no end of a pipe any more.
    NotOpened(u32, usize),
    /// These events hold of a handle from now on.
    Event(usize, EventFlags),
}

/// What an open asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// To read.
    pub read: bool,
    /// To write.
    pub write: bool,
}

/// When bytes were last read and written, if they were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Read.
    pub read: Option<TimeSpec>,
    /// Written.
    pub written: Option<TimeSpec>,
}

/// The pipes that are open.
#[derive(Debug, Default)]
pub struct Fifos {
    /// By node.
    pipes: BTreeMap<u64, Pipe>,
    /// The node of a handle.
    ends: BTreeMap<usize, u64>,
    shared: Shared,
}

/// What is not of one pipe.
#[derive(Debug, Default)]
struct Shared {
    said: VecDeque<Said>,
    /// The node of what a request waits for.
    waiting: BTreeMap<u32, u64>,
    /// Bytes in all pipes.
    total: usize,
}

impl Fifos {
    /// Without pipes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pipes: BTreeMap::new(),
            ends: BTreeMap::new(),
            shared: Shared {
                said: VecDeque::new(),
                waiting: BTreeMap::new(),
                total: 0,
            },
        }
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pipes.is_empty()
    }

    /// The node of the pipe that a handle is an end of.
    #[must_use]
    pub fn node_of(&self, handle: usize) -> Option<u64> {
        if self.ends.is_empty() {
            return None;
        }
        self.ends.get(&handle).copied()
    }

    /// What is to be said next.
    pub fn next_said(&mut self) -> Option<Said> {
        self.shared.said.pop_front()
    }

    /// How many pipes, handles and waiting requests there are, and bytes in all pipes.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        [
            self.pipes.len(),
            self.ends.len(),
            self.shared.waiting.len(),
            self.shared.total,
        ]
    }

    /// Opens the pipe of a node: `handle` is an end of it from now on, also while this waits for the other
    /// end.
    ///
    /// # Errors
    /// [`Error::NobodyReads`] for one that is to write and does not wait.
    pub fn open(
        &mut self,
        (tag, wait): (u32, bool),
        handle: usize,
        node: u64,
        mode: Mode,
        requests: &mut impl Requests,
    ) -> Result<Step, Error> {
        let pipe = self.pipes.entry(node).or_default();
        let alone = match mode {
            Mode { read: true, write } => !write && pipe.writers() == 0,
            Mode { .. } => pipe.readers() == 0,
        };
        if alone && mode.write && !wait {
            if pipe.is_unused() {
                self.pipes.remove(&node);
            }
            return Err(Error::NobodyReads);
        }
        pipe.add(handle, mode);
        self.ends.insert(handle, node);
        let waits = alone && wait;
        if waits {
            pipe.waiting.push_back(Waiting {
                tag,
                handle,
                what: What::Open,
            });
            self.shared.waiting.insert(tag, node);
        }
        // Whoever waits for this end opens now; no bytes move by that.
        pipe.settle(&mut self.shared, EventFlags::empty(), requests);
        Ok(if waits { Step::Waits } else { Step::Done(0) })
    }

    /// Makes a handle another end like one there is.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn copy(&mut self, like: usize, handle: usize) -> Result<(), Error> {
        let node = self.node_of(like).ok_or(Error::BadHandle)?;
        let pipe = self.pipes.get_mut(&node).ok_or(Error::BadHandle)?;
        let mode = pipe.end(like).ok_or(Error::BadHandle)?.mode;
        pipe.add(handle, mode);
        self.ends.insert(handle, node);
        Ok(())
    }

    /// A handle is gone. With the last of a pipe goes what is in it.
    pub fn close(&mut self, handle: usize, requests: &mut impl Requests) {
        let Some(node) = self.ends.remove(&handle) else {
            return;
        };
        let Some(pipe) = self.pipes.get_mut(&node) else {
            return;
        };
        let news = pipe.remove(handle, &mut self.shared);
        if pipe.is_unused() {
            self.shared.total = self.shared.total.saturating_sub(pipe.len());
            self.pipes.remove(&node);
        } else {
            pipe.settle(&mut self.shared, news, requests);
        }
    }

    /// The pipe of a handle, which is open for this.
    fn pipe(&mut self, handle: usize, is_fit: fn(&End) -> bool) -> Result<(u64, &mut Pipe), Error> {
        let node = self.node_of(handle).ok_or(Error::BadHandle)?;
        let pipe = self.pipes.get_mut(&node).ok_or(Error::BadHandle)?;
        if !pipe.end(handle).is_some_and(is_fit) {
            return Err(Error::BadHandle);
        }
        Ok((node, pipe))
    }

    /// Reads. `into` is all the room that the caller has.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::BadHandle`].
    pub fn read(
        &mut self,
        (tag, wait): (u32, bool),
        handle: usize,
        into: &mut [u8],
        now: TimeSpec,
        requests: &mut impl Requests,
    ) -> Result<Step, Error> {
        let (node, pipe) = self.pipe(handle, |end| end.mode.read)?;
        let room = into.len();
        if room == 0 {
            return Ok(Step::Done(0));
        }
        pipe.now = now;
        let what = What::Read { room };
        let mut requests = WithOne::Reads(tag, into, requests);
        self.advance(node, Waiting { tag, handle, what }, wait, &mut requests)
    }

    /// Writes `len` bytes, the first of which are `from`, and the rest of which can be taken.
    ///
    /// # Errors
    /// [`Error::Broken`], [`Error::WouldBlock`], [`Error::BadHandle`], [`Error::NoMemory`].
    pub fn write(
        &mut self,
        (tag, wait): (u32, bool),
        handle: usize,
        (from, len): (&[u8], usize),
        now: TimeSpec,
        requests: &mut impl Requests,
    ) -> Result<Step, Error> {
        let (node, pipe) = self.pipe(handle, |end| end.mode.write)?;
        if len == 0 {
            return Ok(Step::Done(0));
        }
        pipe.now = now;
        let what = What::Write { len, done: 0 };
        let mut requests = WithOne::Writes(tag, from, requests);
        self.advance(node, Waiting { tag, handle, what }, wait, &mut requests)
    }

    /// Queues a request and goes on with all that there are.
    fn advance(
        &mut self,
        node: u64,
        request: Waiting,
        wait: bool,
        requests: &mut impl Requests,
    ) -> Result<Step, Error> {
        let tag = request.tag;
        let pipe = self.pipes.get_mut(&node).ok_or(Error::BadHandle)?;
        pipe.waiting.try_reserve(1).map_err(|_| Error::NoMemory)?;
        pipe.waiting.push_back(request);
        self.shared.waiting.insert(tag, node);
        pipe.settle(&mut self.shared, EventFlags::empty(), requests);
        let own = |said: &Said| matches!(said, Said::Answer(of, _) if *of == tag);
        if let Some(place) = self.shared.said.iter().position(own)
            && let Some(Said::Answer(_, result)) = self.shared.said.remove(place)
        {
            return result.map(Step::Done);
        }
        if wait {
            return Ok(Step::Waits);
        }
        match self.take_back(tag) {
            Some(What::Write { done, .. }) if done > 0 => Ok(Step::Done(done)),
            _ => Err(Error::WouldBlock),
        }
    }

    /// Takes a request that waits out of its queue.
    fn take_back(&mut self, tag: u32) -> Option<What> {
        let node = self.shared.waiting.remove(&tag)?;
        let pipe = self.pipes.get_mut(&node)?;
        let place = pipe.waiting.iter().position(|one| one.tag == tag)?;
        Some(pipe.waiting.remove(place)?.what)
    }

    /// Whoever asked does not wait any longer. Whether it was a request that waited here.
    pub fn cancel(&mut self, tag: u32, requests: &mut impl Requests) -> bool {
        let Some(node) = self.shared.waiting.get(&tag).copied() else {
            return false;
        };
        let waiting = self.pipes.get(&node).map(|pipe| &pipe.waiting);
        let handle = waiting.and_then(|waiting| waiting.iter().find(|one| one.tag == tag));
        let handle = handle.map(|one| one.handle);
        let said = match (self.take_back(tag), handle) {
            (Some(What::Open), Some(handle)) => {
                self.close(handle, requests);
                Said::NotOpened(tag, handle)
            }
            (Some(What::Write { done, .. }), _) if done > 0 => Said::Answer(tag, Ok(done)),
            _ => Said::Answer(tag, Err(Error::Interrupted)),
        };
        self.shared.said.push_back(said);
        // Who waited behind it may go on.
        if let Some(pipe) = self.pipes.get_mut(&node) {
            pipe.settle(&mut self.shared, EventFlags::empty(), requests);
        }
        true
    }

    /// Sets of which events a handle wants to be told, and gives those that hold.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn watch(&mut self, handle: usize, asked: EventFlags) -> Result<EventFlags, Error> {
        let total = self.shared.total;
        let (_, pipe) = self.pipe(handle, |_| true)?;
        pipe.watch(handle, asked, total).ok_or(Error::BadHandle)
    }

    /// When bytes moved in the pipe of a node since this was last asked.
    pub fn take_times(&mut self, node: u64) -> Times {
        let pipe = self.pipes.get_mut(&node);
        pipe.map_or_else(Times::default, |pipe| core::mem::take(&mut pipe.times))
    }
}

/// The request at hand, whose bytes are here, and those that wait.
enum WithOne<'a, R> {
    Reads(u32, &'a mut [u8], &'a mut R),
    Writes(u32, &'a [u8], &'a mut R),
}

impl<R: Requests> Requests for WithOne<'_, R> {
    fn take(&mut self, tag: u32, offset: usize, into: &mut [u8]) -> bool {
        match self {
            Self::Writes(own, from, others) if *own == tag => {
                let here = from.get(offset..).unwrap_or(&[]);
                let (first, behind) = into.split_at_mut(here.len().min(into.len()));
                for (place, byte) in first.iter_mut().zip(here) {
                    *place = *byte;
                }
                behind.is_empty() || others.take(tag, offset.saturating_add(first.len()), behind)
            }
            Self::Reads(_, _, others) => others.take(tag, offset, into),
            Self::Writes(_, _, others) => others.take(tag, offset, into),
        }
    }

    fn give(&mut self, tag: u32, offset: usize, from: &[u8]) -> bool {
        match self {
            Self::Reads(own, into, _) if *own == tag => {
                let place = into
                    .get_mut(offset..)
                    .and_then(|into| into.get_mut(..from.len()));
                place.map(|place| place.copy_from_slice(from)).is_some()
            }
            Self::Reads(_, _, others) => others.give(tag, offset, from),
            Self::Writes(_, _, others) => others.give(tag, offset, from),
        }
    }
}
