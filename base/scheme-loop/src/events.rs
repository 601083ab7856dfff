//! The loop of a daemon that waits for other things than requests as well, and answers when those
//! have come.

use redox_rt::{Error, Result, event::Queue, fd::Fd, sys};
use scheme_core::{Payload, payload_of};
use syscall::{
    EAGAIN, EINTR, Event,
    flag::{CallFlags, EventFlags, F_SETFL, O_NONBLOCK, O_RDWR, RwFlags},
    schemev2::{Cqe, Sqe},
};

use crate::{ANSWERS, Answers, Buffer, REQUESTS, request};

/// What the queue says about the socket.
const SOCKET: usize = usize::MAX;

/// A request, which can be kept until there is an answer.
#[derive(Debug)]
pub struct Request {
    sqe: Sqe,
    payload: Payload,
}

impl Request {
    /// What is asked.
    #[must_use]
    pub const fn sqe(&self) -> &Sqe {
        &self.sqe
    }

    /// How many bytes the caller has given, or has room for.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.payload.len
    }

    /// The memory of a part of the payload; `None` if not all of it is there.
    fn part(&self, offset: usize, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len)?;
        (end <= self.payload.len).then(|| {
            core::ptr::with_exposed_provenance_mut(self.payload.address.wrapping_add(offset))
        })
    }

    /// Copies a part of the payload. `false` if not all of it is there.
    #[must_use]
    pub fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(from) = self.part(offset, into.len()) else {
            return false;
        };
        // SAFETY: the kernel has given this memory for the time until the request is answered, which
        // takes `self`. Its owner may write to it meanwhile, so that what is copied is bytes that
        // mean nothing. `into` is memory of this program, which payloads are not.
        unsafe { core::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        true
    }

    /// Writes to a part of the payload. `false` if not all of it is there.
    #[must_use]
    pub fn write(&mut self, offset: usize, from: &[u8]) -> bool {
        let Some(to) = self.part(offset, from.len()) else {
            return false;
        };
        // SAFETY: as for `read`; nobody here has a reference to a payload.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        true
    }

    /// Says this to it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn answer(
        self,
        result: core::result::Result<usize, i32>,
        out: &mut Answers<'_>,
    ) -> Result<()> {
        out.push(scheme_core::reply::value(self.sqe.tag, result))
    }

    /// Says an entry to it that was made for its tag.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn answer_with(self, cqe: Cqe, out: &mut Answers<'_>) -> Result<()> {
        out.push(cqe)
    }
}

/// What a daemon does.
pub trait EventHandler {
    /// Takes a request. One that is dropped is never answered: that is for those that want none.
    ///
    /// # Errors
    /// Those of the socket, which end the loop.
    fn request(&mut self, request: Request, out: &mut Answers<'_>) -> Result<()>;

    /// Something that the queue watches has happened; `data` is what it is watched with.
    ///
    /// # Errors
    /// Those that end the loop.
    fn event(&mut self, data: usize, out: &mut Answers<'_>) -> Result<()>;

    /// What was fetched has been looked at; the daemon is about to fetch more, or to wait.
    ///
    /// # Errors
    /// Those that end the loop.
    fn pause(&mut self, out: &mut Answers<'_>) -> Result<()>;
}

/// Serves until the socket ends. What else is to be waited for, `queue` watches already.
///
/// # Errors
/// Those of the socket and of the queue, and what the handler ends it with.
pub fn serve<H: EventHandler>(socket: &Fd, queue: &Queue, handler: &mut H) -> Result<()> {
    // SAFETY: this command takes no pointer.
    unsafe { sys::fcntl(socket.raw(), F_SETFL, O_RDWR | O_NONBLOCK) }?;
    queue.watch(socket.raw(), EventFlags::EVENT_READ, SOCKET)?;
    let mut answers = Answers {
        socket,
        list: [Cqe::default(); ANSWERS],
        count: 0,
    };
    loop {
        let more = fetch(socket, handler, &mut answers)?;
        handler.pause(&mut answers)?;
        // Whoever asks without end keeps nobody from hearing of the device.
        let event = if more {
            poll(queue)?
        } else {
            answers.flush()?;
            Some(queue.next()?)
        };
        if let Some(event) = event
            && event.data != SOCKET
        {
            handler.event(event.data, &mut answers)?;
        }
    }
}

/// The next event, if there is one.
fn poll(queue: &Queue) -> Result<Option<Event>> {
    /// The queue has no offset.
    const NOWHERE: u64 = u64::MAX;
    let mut event = Event::default();
    match sys::read_at(
        queue.fd().raw(),
        &mut event,
        NOWHERE,
        Some(RwFlags::NONBLOCK),
    ) {
        Ok(_) => Ok(Some(event)),
        Err(error) if matches!(error.errno, EAGAIN | EINTR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes answers and fetches requests without waiting. Whether there may be more.
fn fetch<H: EventHandler>(socket: &Fd, handler: &mut H, answers: &mut Answers<'_>) -> Result<bool> {
    let mut buffer = Buffer::new();
    let staged = answers.stage(&mut buffer);
    let metadata = [0, staged as u64, REQUESTS as u64];
    let done = match sys::call_read_write(
        socket.raw(),
        buffer.bytes_mut(),
        CallFlags::empty(),
        &metadata,
    ) {
        Ok(done) => done,
        // Nothing has been written then.
        Err(error) if error.errno == EINTR => {
            answers.count = staged;
            return Ok(true);
        }
        Err(error) if error.errno == EAGAIN && staged == 0 => return Ok(false),
        Err(error) => return Err(error),
    };
    let fetched = done.checked_sub(staged).ok_or(Error::new(syscall::EIO))?;
    for bytes in buffer.0.iter().take(fetched) {
        let sqe = request(bytes);
        let payload = payload_of(&sqe);
        handler.request(Request { sqe, payload }, answers)?;
    }
    Ok(fetched > 0)
}
