//! Waiting on descriptors with the kernel's event scheme.

use syscall::Event;
use syscall::error::Result;
use syscall::flag::{EventFlags, O_RDWR};

use crate::context::{ContextRef, Status, read_status};
use crate::fd::Fd;

/// An event queue.
#[derive(Debug)]
pub struct Queue(Fd);

impl Queue {
    /// A new queue, from the root of the event scheme.
    pub fn new(root: &Fd) -> Result<Self> {
        root.open(b"", O_RDWR).map(Self)
    }

    /// A queue that was opened elsewhere.
    #[must_use]
    pub const fn from_fd(fd: Fd) -> Self {
        Self(fd)
    }

    /// Asks for events of `fd`, which come with `data`. Replaces what was asked before.
    pub fn watch(&self, fd: usize, flags: EventFlags, data: usize) -> Result<()> {
        self.0.write_exact(&Event {
            id: fd,
            flags,
            data,
        })
    }

    /// Waits for the next event.
    pub fn next(&self) -> Result<Event> {
        let mut event = Event::default();
        loop {
            match self.0.read_exact(&mut event) {
                Ok(()) => return Ok(event),
                Err(e) if e.errno == syscall::EINTR => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The queue's descriptor.
    #[must_use]
    pub const fn fd(&self) -> &Fd {
        &self.0
    }
}

/// Waits until a context has ended, and answers how. `root` is the root of the event scheme.
pub fn wait_for_end(root: &Fd, context: ContextRef) -> Result<Status> {
    let handle = context.handle(b"status")?;
    let queue = Queue::new(root)?;
    queue.watch(handle.raw(), EventFlags::EVENT_READ, 0)?;
    loop {
        match read_status(&handle)? {
            Status::Alive | Status::New | Status::Stopped => drop(queue.next()?),
            ended => return Ok(ended),
        }
    }
}
