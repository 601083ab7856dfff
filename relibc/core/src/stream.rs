//! The state machine of a `FILE`: buffering, push-back, position, end and error indicators.

use crate::errno::{self, Errno};
use alloc::vec::Vec;

/// What a stream reads from and writes to.
pub trait Device {
    /// Reads into `buffer`; 0 is the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno>;
    /// Writes some of `data`; never 0 for non-empty data without an error.
    fn write(&mut self, data: &[u8]) -> Result<usize, Errno>;
    /// Moves the position and returns the new one.
    fn seek(&mut self, to: Seek) -> Result<u64, Errno>;
}

/// Where to seek.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// From the beginning.
    Start(i64),
    /// From the current position.
    Current(i64),
    /// From the end.
    End(i64),
}

/// When output goes to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffering {
    /// `_IOFBF`
    Full,
    /// `_IOLBF`
    Line,
    /// `_IONBF`
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Idle,
    Reading,
    Writing,
}

/// The buffer size of a new stream. `BUFSIZ` is what a caller's own buffer has; ours may be larger.
pub const DEFAULT_BUFFER: usize = 4096;

/// A stream over a device.
#[derive(Debug)]
pub struct Stream<D> {
    device: D,
    buffer: Vec<u8>,
    /// When reading, the unread part is `buffer[start..end]`; when writing, `buffer[..end]` waits.
    start: usize,
    end: usize,
    capacity: usize,
    mode: Mode,
    buffering: Buffering,
    /// Bytes pushed back, last one first to be read. They are not in the device's position.
    pushed: Vec<u8>,
    readable: bool,
    writable: bool,
    append: bool,
    eof: bool,
    error: bool,
}

impl<D> Stream<D> {
    /// A stream with the given permissions, fully buffered.
    pub const fn new(device: D, readable: bool, writable: bool, append: bool) -> Self {
        Stream {
            device,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            capacity: DEFAULT_BUFFER,
            mode: Mode::Idle,
            buffering: Buffering::Full,
            pushed: Vec::new(),
            readable,
            writable,
            append,
            eof: false,
            error: false,
        }
    }
}

impl<D: Device> Stream<D> {
    /// The device behind.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device behind, for changes that the stream need not know of.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Gives the device back. Data not yet written are lost: [`flush`](Self::flush) first.
    pub fn into_device(self) -> D {
        self.device
    }

    /// `feof`
    #[must_use]
    pub fn is_eof(&self) -> bool {
        self.eof
    }

    /// `ferror`
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.error
    }

    /// Sets the error indicator.
    pub fn set_error(&mut self) {
        self.error = true;
    }

    /// `clearerr`
    pub fn clear_indicators(&mut self) {
        self.eof = false;
        self.error = false;
    }

    /// Whether reading is allowed.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether writing is allowed.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether the last operation was a read, or only reading is allowed (`__freading`).
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.mode == Mode::Reading || !self.writable
    }

    /// Whether the last operation was a write, or only writing is allowed (`__fwriting`).
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.mode == Mode::Writing || !self.readable
    }

    /// The buffering mode.
    #[must_use]
    pub fn buffering(&self) -> Buffering {
        self.buffering
    }

    /// Size of the buffer (`__fbufsize`).
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes waiting to be written (`__fpending`).
    #[must_use]
    pub fn pending(&self) -> usize {
        if self.mode == Mode::Writing {
            self.end
        } else {
            0
        }
    }

    /// Forgets everything buffered (`__fpurge`).
    pub fn purge(&mut self) {
        self.start = 0;
        self.end = 0;
        self.pushed.clear();
        self.mode = Mode::Idle;
    }

    /// `setvbuf`: what waits to be written goes out first. Refused while there is read-ahead.
    pub fn set_buffering(&mut self, buffering: Buffering, size: usize) -> Result<(), Errno> {
        if self.mode == Mode::Writing {
            self.flush()?;
        }
        if self.start < self.end {
            return Err(errno::EBUSY);
        }
        self.buffering = buffering;
        if size > 0 {
            self.capacity = size;
        }
        self.buffer = Vec::new();
        self.start = 0;
        self.end = 0;
        Ok(())
    }

    fn reserve(&mut self) -> Result<(), Errno> {
        let want = if self.buffering == Buffering::None && self.mode != Mode::Writing {
            1
        } else {
            self.capacity
        };
        if self.buffer.len() < want {
            self.buffer
                .try_reserve_exact(want - self.buffer.len())
                .map_err(|_| errno::ENOMEM)?;
            self.buffer.resize(want, 0);
        }
        Ok(())
    }

    fn fail<T>(&mut self, e: Errno) -> Result<T, Errno> {
        self.error = true;
        Err(e)
    }

    fn begin_reading(&mut self) -> Result<(), Errno> {
        if !self.readable {
            return self.fail(errno::EBADF);
        }
        if self.mode == Mode::Writing {
            self.flush()?;
        }
        if self.mode != Mode::Reading {
            self.mode = Mode::Reading;
            self.start = 0;
            self.end = 0;
        }
        Ok(())
    }

    fn begin_writing(&mut self) -> Result<(), Errno> {
        if !self.writable {
            return self.fail(errno::EBADF);
        }
        if self.mode == Mode::Reading {
            self.leave_reading()?;
        }
        if self.mode != Mode::Writing {
            self.mode = Mode::Writing;
            self.start = 0;
            self.end = 0;
        }
        Ok(())
    }

    /// Puts the device's position where the program's is, which each byte pushed back has moved back
    /// (from the beginning it cannot go). A device that cannot seek keeps its read-ahead: there is no
    /// position to restore.
    fn leave_reading(&mut self) -> Result<(), Errno> {
        let ahead = (self.end - self.start + self.pushed.len()) as i64;
        if ahead > 0 {
            let mut moved = self.device.seek(Seek::Current(-ahead));
            if moved == Err(errno::EINVAL) && !self.pushed.is_empty() {
                moved = self.device.seek(Seek::Start(0));
            }
            match moved {
                Ok(_) => {}
                Err(e) if e == errno::ESPIPE => return Ok(()),
                Err(e) => return self.fail(e),
            }
        }
        self.pushed.clear();
        self.start = 0;
        self.end = 0;
        self.mode = Mode::Idle;
        Ok(())
    }

    /// Writes out what waits; for a stream last read from, gives the read-ahead back to the device.
    pub fn flush(&mut self) -> Result<(), Errno> {
        match self.mode {
            Mode::Idle => Ok(()),
            Mode::Reading => self.leave_reading(),
            Mode::Writing => {
                let mut done = 0;
                while done < self.end {
                    match self.device.write(&self.buffer[done..self.end]) {
                        Ok(0) => return self.unwritten(done, errno::EIO),
                        Ok(n) => done += n.min(self.end - done),
                        Err(e) => return self.unwritten(done, e),
                    }
                }
                self.end = 0;
                self.mode = Mode::Idle;
                Ok(())
            }
        }
    }

    /// Keeps what could not be written, so that a later flush can.
    fn unwritten(&mut self, done: usize, e: Errno) -> Result<(), Errno> {
        self.buffer.copy_within(done..self.end, 0);
        self.end -= done;
        self.fail(e)
    }

    /// Whether reading the next byte would go to the device.
    #[must_use]
    pub fn would_fill(&self) -> bool {
        self.pushed.is_empty() && (self.mode != Mode::Reading || self.start >= self.end)
    }

    /// The unread bytes at hand, reading from the device if there are none. Empty at the end.
    pub fn fill(&mut self) -> Result<&[u8], Errno> {
        self.begin_reading()?;
        if let Some(last) = self.pushed.len().checked_sub(1) {
            return Ok(&self.pushed[last..]);
        }
        if self.start >= self.end {
            if self.eof {
                return Ok(&[]);
            }
            self.reserve()?;
            self.start = 0;
            self.end = 0;
            let limit = if self.buffering == Buffering::None {
                1
            } else {
                self.buffer.len()
            };
            match self.device.read(&mut self.buffer[..limit]) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end = n.min(limit),
                Err(e) => return self.fail(e),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Consumes `n` of the bytes [`fill`](Self::fill) showed.
    pub fn consume(&mut self, n: usize) {
        if n > 0 && self.pushed.pop().is_some() {
            return;
        }
        self.start = (self.start + n).min(self.end);
    }

    /// One byte, or `None` at the end.
    pub fn get(&mut self) -> Result<Option<u8>, Errno> {
        let byte = self.fill()?.first().copied();
        if byte.is_some() {
            self.consume(1);
        }
        Ok(byte)
    }

    /// Reads until `out` is full or the input ends. On an error gives what was read before it, too.
    pub fn read(&mut self, out: &mut [u8]) -> (usize, Result<(), Errno>) {
        let mut done = 0;
        while done < out.len() {
            let want = out.len() - done;
            // Large reads go around the buffer.
            if self.would_fill() && want >= self.capacity && !self.eof {
                if let Err(e) = self.begin_reading() {
                    return (done, Err(e));
                }
                match self.device.read(&mut out[done..]) {
                    Ok(0) => {
                        self.eof = true;
                        break;
                    }
                    Ok(n) => done += n.min(want),
                    Err(e) => {
                        self.error = true;
                        return (done, Err(e));
                    }
                }
                continue;
            }
            let part = match self.fill() {
                Ok([]) => break,
                Ok(data) => {
                    let n = data.len().min(want);
                    out[done..done + n].copy_from_slice(&data[..n]);
                    n
                }
                Err(e) => return (done, Err(e)),
            };
            self.consume(part);
            done += part;
        }
        (done, Ok(()))
    }

    /// Appends to `out` up to and including `delimiter`, at most `limit` bytes. Nothing appended and
    /// `Ok` means the end.
    ///
    /// On an error nothing is appended. POSIX does not say what becomes of what came before it; here it
    /// is read again, so that who tries once more (`EAGAIN`, `EINTR`) gets a line whole.
    pub fn read_until(
        &mut self,
        delimiter: u8,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let begin = out.len();
        let result = self.append_until(delimiter, limit, out);
        if result.is_err() {
            let read = out.get(begin..).unwrap_or(&[]);
            if self.pushed.try_reserve(read.len()).is_ok() {
                self.pushed.extend(read.iter().rev());
            }
            out.truncate(begin);
        }
        result
    }

    fn append_until(
        &mut self,
        delimiter: u8,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let mut left = limit;
        while left > 0 {
            let data = self.fill()?;
            if data.is_empty() {
                break;
            }
            let window = &data[..data.len().min(left)];
            let (n, found) = match window.iter().position(|b| *b == delimiter) {
                Some(i) => (i + 1, true),
                None => (window.len(), false),
            };
            out.try_reserve(n).map_err(|_| errno::ENOMEM)?;
            out.extend_from_slice(&window[..n]);
            self.consume(n);
            left -= n;
            if found {
                break;
            }
        }
        Ok(())
    }

    /// `ungetc`: pushes a byte back. At least as many as memory allows.
    pub fn unget(&mut self, byte: u8) -> Result<(), Errno> {
        if !self.readable {
            return Err(errno::EBADF);
        }
        self.begin_reading()?;
        if self.pushed.is_empty() && self.start > 0 && self.buffer[self.start - 1] == byte {
            self.start -= 1;
        } else {
            self.pushed.try_reserve(1).map_err(|_| errno::ENOMEM)?;
            self.pushed.push(byte);
        }
        self.eof = false;
        Ok(())
    }

    /// Writes `data` by the buffering mode. On an error gives how much was accepted before it.
    pub fn write(&mut self, data: &[u8]) -> (usize, Result<(), Errno>) {
        let lines = match data.iter().rposition(|&b| b == b'\n') {
            Some(last) if self.buffering == Buffering::Line => last + 1,
            _ => return self.put_bytes(data),
        };
        // What follows the last line waits for the end of its own.
        let (whole, rest) = data.split_at(lines);
        let (done, result) = self.put_bytes(whole);
        if let Err(e) = result.and_then(|()| self.flush()) {
            return (done, Err(e));
        }
        let (more, result) = self.put_bytes(rest);
        (done + more, result)
    }

    fn put_bytes(&mut self, data: &[u8]) -> (usize, Result<(), Errno>) {
        if data.is_empty() {
            return (0, Ok(()));
        }
        if let Err(e) = self.begin_writing().and_then(|()| self.reserve()) {
            return (0, Err(e));
        }
        let mut done = 0;
        while done < data.len() {
            let rest = &data[done..];
            // What exceeds an empty buffer goes out directly.
            if self.end == 0
                && (rest.len() >= self.buffer.len() || self.buffering == Buffering::None)
            {
                match self.device.write(rest) {
                    Ok(0) => {
                        self.error = true;
                        return (done, Err(errno::EIO));
                    }
                    Ok(n) => done += n.min(rest.len()),
                    Err(e) => {
                        self.error = true;
                        return (done, Err(e));
                    }
                }
                continue;
            }
            let n = rest.len().min(self.buffer.len() - self.end);
            self.buffer[self.end..self.end + n].copy_from_slice(&rest[..n]);
            self.end += n;
            done += n;
            if self.end == self.buffer.len() {
                if let Err(e) = self.flush() {
                    return (done, Err(e));
                }
                self.mode = Mode::Writing;
            }
        }
        (done, Ok(()))
    }

    /// `ftello`
    pub fn tell(&mut self) -> Result<u64, Errno> {
        let waiting = self.mode == Mode::Writing && self.end > 0;
        let base = if waiting && self.append {
            self.device.seek(Seek::End(0))?
        } else {
            self.device.seek(Seek::Current(0))?
        };
        Ok(match self.mode {
            Mode::Writing => base + self.end as u64,
            Mode::Reading => {
                base.saturating_sub((self.end - self.start + self.pushed.len()) as u64)
            }
            Mode::Idle => base,
        })
    }

    /// `fseeko`: writes out, forgets read-ahead and push-back, moves.
    pub fn seek(&mut self, to: Seek) -> Result<u64, Errno> {
        if self.mode == Mode::Writing {
            self.flush()?;
        }
        let to = match to {
            Seek::Current(offset) if self.mode == Mode::Reading => {
                let ahead = (self.end - self.start + self.pushed.len()) as i64;
                Seek::Current(offset.checked_sub(ahead).ok_or(errno::EOVERFLOW)?)
            }
            other => other,
        };
        let position = self.device.seek(to)?;
        self.start = 0;
        self.end = 0;
        self.pushed.clear();
        self.mode = Mode::Idle;
        self.eof = false;
        Ok(position)
    }
}

/// Memory with a position: the device of `fmemopen` over a buffer the caller owns. The owner of the
/// buffer is reached through a closure's worth of trait: see [`Memory`].
pub trait Memory {
    /// Capacity in bytes.
    fn capacity(&self) -> usize;
    /// Copies bytes out, starting at `at`; the range is within the capacity.
    fn load(&self, at: usize, out: &mut [u8]);
    /// Copies bytes in, starting at `at`; the range is within the capacity.
    fn save(&mut self, at: usize, data: &[u8]);
    /// Makes room for `size` bytes, new ones zero. An error if the memory has a fixed size.
    fn grow(&mut self, size: usize) -> Result<(), Errno>;
}

/// Whether a zero byte is kept after the contents of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// None is: the memory's owner does that.
    None,
    /// Where there is room, as in memory that is read as well as written.
    WithRoom,
    /// Always, at the cost of the last byte: whoever only writes has text in the end.
    Always,
}

/// A device over [`Memory`]: `fmemopen` and `open_memstream`.
#[derive(Debug)]
pub struct MemoryDevice<M> {
    /// The memory itself.
    pub memory: M,
    position: usize,
    size: usize,
    append: bool,
    terminator: Terminator,
}

impl<M: Memory> MemoryDevice<M> {
    /// A device with `size` bytes of contents. `append` writes at the end always.
    pub fn new(memory: M, size: usize, append: bool, terminator: Terminator) -> Self {
        MemoryDevice {
            memory,
            position: if append { size } else { 0 },
            size,
            append,
            terminator,
        }
    }

    /// Bytes of contents.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The current position.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<M: Memory> Device for MemoryDevice<M> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let n = buffer.len().min(self.size.saturating_sub(self.position));
        self.memory.load(self.position, &mut buffer[..n]);
        self.position += n;
        Ok(n)
    }

    fn write(&mut self, data: &[u8]) -> Result<usize, Errno> {
        if self.append {
            self.position = self.size;
        }
        let wanted = self.position.checked_add(data.len()).ok_or(errno::ENOSPC)?;
        if wanted > self.memory.capacity() {
            // A fixed buffer takes what fits.
            if let Err(e) = self.memory.grow(wanted)
                && e != errno::ENOSPC
            {
                return Err(e);
            }
        }
        let n = data
            .len()
            .min(self.memory.capacity().saturating_sub(self.position));
        if n == 0 {
            return Err(errno::ENOSPC);
        }
        self.memory.save(self.position, &data[..n]);
        self.position += n;
        if self.position > self.size {
            self.size = self.position;
            if self.terminator != Terminator::None && self.size < self.memory.capacity() {
                self.memory.save(self.size, &[0]);
            }
        }
        if self.terminator == Terminator::Always && self.position == self.memory.capacity() {
            self.memory.save(self.position - 1, &[0]);
        }
        Ok(n)
    }

    fn seek(&mut self, to: Seek) -> Result<u64, Errno> {
        let (base, offset) = match to {
            Seek::Start(o) => (0, o),
            Seek::Current(o) => (self.position, o),
            Seek::End(o) => (self.size, o),
        };
        let target = i64::try_from(base)
            .ok()
            .and_then(|b| b.checked_add(offset))
            .and_then(|t| usize::try_from(t).ok())
            .ok_or(errno::EINVAL)?;
        if target > self.memory.capacity() && self.memory.grow(target).is_err() {
            return Err(errno::EINVAL);
        }
        self.position = target;
        Ok(target as u64)
    }
}
