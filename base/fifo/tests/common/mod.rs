//! Callers, for tests.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::HashMap;

use fifo::{Error, Fifos, Mode, Requests, Said, Step};
use syscall::{TimeSpec, flag::EventFlags};

pub const READ: Mode = Mode {
    read: true,
    write: false,
};
pub const WRITE: Mode = Mode {
    read: false,
    write: true,
};
pub const BOTH: Mode = Mode {
    read: true,
    write: true,
};
pub const NODE: u64 = 7;

/// The memory of those who wait.
#[derive(Default)]
pub struct Memory(pub HashMap<u32, Vec<u8>>);

impl Requests for Memory {
    fn take(&mut self, tag: u32, offset: usize, into: &mut [u8]) -> bool {
        let bytes = self.0.get(&tag).and_then(|all| all.get(offset..));
        let Some(bytes) = bytes.and_then(|bytes| bytes.get(..into.len())) else {
            return false;
        };
        into.copy_from_slice(bytes);
        true
    }

    fn give(&mut self, tag: u32, offset: usize, from: &[u8]) -> bool {
        let bytes = self.0.get_mut(&tag).and_then(|all| all.get_mut(offset..));
        let Some(bytes) = bytes.and_then(|bytes| bytes.get_mut(..from.len())) else {
            return false;
        };
        bytes.copy_from_slice(from);
        true
    }
}

/// How a request came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Waits(u32),
    Opened(usize),
    Read(Vec<u8>),
    Wrote(usize),
    Refused(Error),
}

/// By tag.
pub type Answers = Vec<(u32, Outcome)>;
/// By handle.
pub type Events = Vec<(usize, EventFlags)>;

/// What a tag was given for.
enum Asked {
    Open,
    Read,
    Write,
}

/// Pipes, and callers with memory.
#[derive(Default)]
pub struct World {
    pub fifos: Fifos,
    pub memory: Memory,
    asked: HashMap<u32, Asked>,
    next: u32,
    next_handle: usize,
    pub now: TimeSpec,
}

impl World {
    fn tag(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub fn open(&mut self, mode: Mode, wait: bool) -> (usize, Outcome) {
        let tag = self.tag();
        self.next_handle += 1;
        let handle = self.next_handle;
        let request = (tag, wait);
        let step = self
            .fifos
            .open(request, handle, NODE, mode, &mut self.memory);
        let outcome = match step {
            Ok(Step::Done(_)) => Outcome::Opened(handle),
            Ok(Step::Waits) => {
                self.asked.insert(tag, Asked::Open);
                Outcome::Waits(tag)
            }
            Err(error) => Outcome::Refused(error),
        };
        (handle, outcome)
    }

    /// An open that does not wait, and succeeds.
    pub fn end(&mut self, mode: Mode) -> usize {
        let (handle, outcome) = self.open(mode, false);
        assert_eq!(outcome, Outcome::Opened(handle));
        handle
    }

    pub fn read(&mut self, handle: usize, room: usize, wait: bool) -> Outcome {
        let tag = self.tag();
        let mut into = vec![0; room];
        let request = (tag, wait);
        let step = self
            .fifos
            .read(request, handle, &mut into, self.now, &mut self.memory);
        match step {
            Ok(Step::Done(count)) => {
                into.truncate(count);
                Outcome::Read(into)
            }
            Ok(Step::Waits) => {
                self.memory.0.insert(tag, into);
                self.asked.insert(tag, Asked::Read);
                Outcome::Waits(tag)
            }
            Err(error) => Outcome::Refused(error),
        }
    }

    /// Writes; the daemon is shown no more than `shown` bytes at first.
    pub fn write_shown(
        &mut self,
        handle: usize,
        bytes: &[u8],
        wait: bool,
        shown: usize,
    ) -> Outcome {
        let tag = self.tag();
        self.memory.0.insert(tag, bytes.to_vec());
        let from = &bytes[..shown.min(bytes.len())];
        let (request, what) = ((tag, wait), (from, bytes.len()));
        let step = self
            .fifos
            .write(request, handle, what, self.now, &mut self.memory);
        if step == Ok(Step::Waits) {
            self.asked.insert(tag, Asked::Write);
        } else {
            self.memory.0.remove(&tag);
        }
        match step {
            Ok(Step::Done(count)) => Outcome::Wrote(count),
            Ok(Step::Waits) => Outcome::Waits(tag),
            Err(error) => Outcome::Refused(error),
        }
    }

    pub fn write(&mut self, handle: usize, bytes: &[u8], wait: bool) -> Outcome {
        self.write_shown(handle, bytes, wait, bytes.len())
    }

    pub fn close(&mut self, handle: usize) {
        self.fifos.close(handle, &mut self.memory);
    }

    pub fn cancel(&mut self, tag: u32) -> bool {
        self.fifos.cancel(tag, &mut self.memory)
    }

    /// What was said since this was last asked: answers by tag, and events.
    pub fn said(&mut self) -> (Answers, Events) {
        let (mut answers, mut events) = (Vec::new(), Vec::new());
        while let Some(said) = self.fifos.next_said() {
            let (tag, outcome) = match said {
                Said::Event(handle, flags) => {
                    events.push((handle, flags));
                    continue;
                }
                Said::Opened(tag, handle) => (tag, Outcome::Opened(handle)),
                Said::NotOpened(tag, _) => (tag, Outcome::Refused(Error::Interrupted)),
                Said::Answer(tag, Err(error)) => (tag, Outcome::Refused(error)),
                Said::Answer(tag, Ok(count)) => {
                    let memory = self.memory.0.remove(&tag);
                    match (self.asked.get(&tag), memory) {
                        (Some(Asked::Read), Some(mut bytes)) => {
                            bytes.truncate(count);
                            (tag, Outcome::Read(bytes))
                        }
                        (Some(Asked::Write), _) => (tag, Outcome::Wrote(count)),
                        _ => panic!("{tag} did not read or write"),
                    }
                }
            };
            self.memory.0.remove(&tag);
            assert!(self.asked.remove(&tag).is_some(), "{tag} did not wait");
            answers.push((tag, outcome));
        }
        (answers, events)
    }

    /// The answers only.
    pub fn answers(&mut self) -> Answers {
        self.said().0
    }
}

/// The tag of what must wait.
#[track_caller]
pub fn waits(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Waits(tag) => tag,
        other => panic!("not waiting: {other:?}"),
    }
}
