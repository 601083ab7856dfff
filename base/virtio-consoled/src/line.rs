//! A port: bytes on their way, and who waits for them.

use alloc::{collections::VecDeque, vec::Vec};

use redox_rt::Result;
use scheme_loop::{Answers, events::Request};
use syscall::{EAGAIN, ECANCELED, EFAULT, ENOMEM, flag::EventFlags};
use virtio::{Device, Problem};
use virtio_consoled_core::stream::{Input, Output};

use crate::direction::Direction;

/// Buffers for what comes, and their length in bytes.
const IN_SLOTS: usize = 32;
const IN_LEN: usize = 4096;
/// Buffers for what goes, and their length in bytes.
const OUT_SLOTS: usize = 8;
const OUT_LEN: usize = 16 << 10;
/// What a port's buffers take.
pub const MEMORY: usize = IN_SLOTS * IN_LEN + OUT_SLOTS * OUT_LEN;

/// A write that is not done.
struct Writer {
    request: Request,
    done: usize,
}

/// A port.
pub struct Line {
    incoming: Direction,
    outgoing: Direction,
    input: Input,
    output: Output,
    readers: VecDeque<Request>,
    writers: VecDeque<Writer>,
    syncs: Vec<Request>,
}

impl Line {
    /// A port with these queues, ready to receive.
    pub fn new(
        mut incoming: Direction,
        mut outgoing: Direction,
    ) -> core::result::Result<Self, Problem> {
        incoming.add_slots(IN_SLOTS, IN_LEN)?;
        outgoing.add_slots(OUT_SLOTS, OUT_LEN)?;
        for slot in 0..IN_SLOTS {
            incoming.hand(slot, IN_LEN);
        }
        Ok(Self {
            incoming,
            outgoing,
            input: Input::new(IN_SLOTS),
            output: Output::new(OUT_SLOTS),
            readers: VecDeque::new(),
            writers: VecDeque::new(),
            syncs: Vec::new(),
        })
    }

    /// What can be done without waiting.
    pub fn ready(&self) -> EventFlags {
        let mut ready = EventFlags::empty();
        ready.set(EventFlags::EVENT_READ, !self.input.is_empty());
        let room = self.writers.is_empty() && !self.output.is_full();
        ready.set(EventFlags::EVENT_WRITE, room);
        ready
    }

    /// Takes what the device has done; gives what can be done since.
    pub fn look(&mut self, out: &mut Answers<'_>) -> Result<EventFlags> {
        let before = self.ready();
        let mut came = false;
        while let Some((slot, len)) = self.incoming.next_done()? {
            if self.input.push(slot, len) {
                came = true;
            } else {
                self.incoming.hand(slot, IN_LEN);
            }
        }
        while let Some((slot, _)) = self.outgoing.next_done()? {
            self.output.done(slot);
        }
        self.serve_readers(out)?;
        self.serve_writers(out)?;
        // What has come is news also to those who have not read what was there before.
        let mut news = self.ready();
        if !came {
            news.remove(EventFlags::EVENT_READ);
        }
        news.remove(before & EventFlags::EVENT_WRITE);
        Ok(news)
    }

    /// Gives a reader what there is; how much that was.
    fn fill(&mut self, request: &mut Request) -> core::result::Result<usize, i32> {
        let mut done = 0;
        while let Some(piece) = self.input.take(request.payload_len() - done) {
            let end = piece.start + piece.len;
            let bytes = self.incoming.bytes(piece.slot);
            let given = bytes
                .and_then(|bytes| bytes.get(piece.start..end))
                .is_some_and(|bytes| request.write(done, bytes));
            if piece.last {
                // There is a place in the queue for every slot.
                self.incoming.hand(piece.slot, IN_LEN);
            }
            if !given {
                return Err(EFAULT);
            }
            done += piece.len;
        }
        Ok(done)
    }

    /// Sends what there is room for; whether that was all.
    fn send(&mut self, writer: &mut Writer) -> core::result::Result<bool, i32> {
        let len = writer.request.payload_len();
        while writer.done < len {
            let Some(slot) = self.output.take() else {
                return Ok(false);
            };
            let part = (len - writer.done).min(OUT_LEN);
            let bytes = self.outgoing.bytes(slot);
            let filled = bytes
                .and_then(|bytes| bytes.get_mut(..part))
                .is_some_and(|bytes| writer.request.read(writer.done, bytes));
            if !filled || !self.outgoing.hand(slot, part) {
                self.output.done(slot);
                return Err(EFAULT);
            }
            writer.done += part;
        }
        Ok(true)
    }

    fn serve_readers(&mut self, out: &mut Answers<'_>) -> Result<()> {
        while !self.input.is_empty()
            && let Some(mut request) = self.readers.pop_front()
        {
            let result = self.fill(&mut request);
            request.answer(result, out)?;
        }
        Ok(())
    }

    fn serve_writers(&mut self, out: &mut Answers<'_>) -> Result<()> {
        while !self.output.is_full()
            && let Some(mut writer) = self.writers.pop_front()
        {
            match self.send(&mut writer) {
                Ok(true) => writer.request.answer(Ok(writer.done), out)?,
                Ok(false) => self.writers.push_front(writer),
                Err(errno) => writer.request.answer(Err(errno), out)?,
            }
        }
        if self.is_idle() {
            for request in core::mem::take(&mut self.syncs) {
                request.answer(Ok(0), out)?;
            }
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.output.is_idle() && self.writers.is_empty()
    }

    /// A request to read.
    pub fn read(&mut self, mut request: Request, waits: bool, out: &mut Answers<'_>) -> Result<()> {
        if !self.input.is_empty() && self.readers.is_empty() {
            let result = self.fill(&mut request);
            return request.answer(result, out);
        }
        match (waits, self.readers.try_reserve(1)) {
            (false, _) => request.answer(Err(EAGAIN), out),
            (true, Err(_)) => request.answer(Err(ENOMEM), out),
            (true, Ok(())) => {
                self.readers.push_back(request);
                Ok(())
            }
        }
    }

    /// A request to write.
    pub fn write(&mut self, request: Request, waits: bool, out: &mut Answers<'_>) -> Result<()> {
        let mut writer = Writer { request, done: 0 };
        if self.writers.is_empty() {
            match self.send(&mut writer) {
                Ok(true) => return writer.request.answer(Ok(writer.done), out),
                Ok(false) => {}
                Err(errno) => return writer.request.answer(Err(errno), out),
            }
        }
        match (waits, self.writers.try_reserve(1)) {
            (false, _) if writer.done == 0 => writer.request.answer(Err(EAGAIN), out),
            (false, _) => writer.request.answer(Ok(writer.done), out),
            (true, Err(_)) => writer.request.answer(Err(ENOMEM), out),
            (true, Ok(())) => {
                self.writers.push_back(writer);
                Ok(())
            }
        }
    }

    /// A request to wait until everything written is with the host.
    pub fn sync(&mut self, request: Request, out: &mut Answers<'_>) -> Result<()> {
        if self.is_idle() {
            return request.answer(Ok(0), out);
        }
        if self.syncs.try_reserve(1).is_err() {
            return request.answer(Err(ENOMEM), out);
        }
        self.syncs.push(request);
        Ok(())
    }

    /// Gives up a request that waits here, if it does.
    pub fn cancel(&mut self, tag: u32, out: &mut Answers<'_>) -> Result<()> {
        let is = |request: &Request| request.sqe().tag == tag;
        if let Some(index) = self.readers.iter().position(is)
            && let Some(request) = self.readers.remove(index)
        {
            return request.answer(Err(ECANCELED), out);
        }
        if let Some(index) = self.syncs.iter().position(is) {
            return self.syncs.swap_remove(index).answer(Err(ECANCELED), out);
        }
        if let Some(index) = self.writers.iter().position(|w| is(&w.request))
            && let Some(writer) = self.writers.remove(index)
        {
            let result = if writer.done > 0 {
                Ok(writer.done)
            } else {
                Err(ECANCELED)
            };
            return writer.request.answer(result, out);
        }
        Ok(())
    }

    /// Tells the device what it has not been told of.
    pub fn notify(&mut self, device: &mut Device) {
        self.incoming.notify(device);
        self.outgoing.notify(device);
    }
}
