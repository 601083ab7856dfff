//! Pipes: a ring of bytes between writers and readers.
//!
//! A pipe holds up to [`CAPACITY`] bytes in pages that it takes from a [`Pages`] source when bytes
//! come and gives back when they are read, all but one. What is written in one piece of at most
//! [`ATOMIC`] bytes stays in one piece. The caller copies, straight between the pages and the
//! memory of the process, and decides about waiting: an operation that cannot go on says so.

use syscall::flag::EventFlags;

/// Bytes in a page.
pub const PAGE: usize = 4096;
const PAGE_COUNT: usize = 16;
/// Bytes that a pipe holds (64 KiB).
pub const CAPACITY: usize = PAGE * PAGE_COUNT;
/// `PIPE_BUF`: writes up to this size are never mixed with others.
pub const ATOMIC: usize = 4096;

/// Where pages of memory come from.
pub trait Pages {
    /// One page, owned.
    type Page;
    /// A page with any content, or `None` when there is no memory.
    fn allocate(&mut self) -> Option<Self::Page>;
    /// Gives a page back.
    fn free(&mut self, page: Self::Page);
    /// The bytes of a page.
    fn bytes<'a>(&'a self, page: &'a Self::Page) -> &'a [u8; PAGE];
    /// The bytes of a page.
    fn bytes_mut<'a>(&'a mut self, page: &'a mut Self::Page) -> &'a mut [u8; PAGE];
}

/// Why nothing was transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeError<E> {
    /// Not now: wait, or answer `EAGAIN`.
    WouldBlock,
    /// There is no reader any more (`EPIPE`).
    NoReader,
    /// No memory for the bytes (`ENOMEM`).
    NoMemory,
    /// The caller's copy function failed before the first byte.
    Copy(E),
}

/// One side of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where bytes come out.
    Read,
    /// Where bytes go in.
    Write,
}

/// A pipe over pages of type `P`.
pub struct Pipe<P> {
    pages: [Option<P>; PAGE_COUNT],
    /// A page that is kept, so that byte-wise use does not allocate.
    spare: Option<P>,
    /// Position of the first byte in the ring.
    start: usize,
    len: usize,
    readers: u32,
    writers: u32,
}

impl<P> Default for Pipe<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Pipe<P> {
    /// An empty pipe with one reader and one writer, without memory.
    pub const fn new() -> Self {
        Self {
            pages: [const { None }; PAGE_COUNT],
            spare: None,
            start: 0,
            len: 0,
            readers: 1,
            writers: 1,
        }
    }

    /// Bytes written and not yet read.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte to read.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    const fn free(&self) -> usize {
        CAPACITY.saturating_sub(self.len)
    }

    /// Another description of one end was opened.
    pub const fn open(&mut self, end: End) {
        let count = match end {
            End::Read => &mut self.readers,
            End::Write => &mut self.writers,
        };
        *count = count.saturating_add(1);
    }

    /// A description of one end was closed. Whether it was the last: those who wait at the other
    /// end are then to be woken, for the end of file or [`PipeError::NoReader`], and its readiness
    /// has changed. When both are gone the pipe is to be disposed of ([`Pipe::dispose`]).
    pub const fn close(&mut self, end: End) -> bool {
        let count = match end {
            End::Read => &mut self.readers,
            End::Write => &mut self.writers,
        };
        *count = count.saturating_sub(1);
        *count == 0
    }

    /// Whether both ends are closed.
    pub const fn is_closed(&self) -> bool {
        self.readers == 0 && self.writers == 0
    }

    /// What can be done at an end without waiting. A closed opposite end counts as ready: the
    /// operation has an answer. Writable means that [`ATOMIC`] bytes fit.
    pub fn poll(&self, end: End) -> EventFlags {
        match end {
            End::Read if self.len > 0 || self.writers == 0 => EventFlags::EVENT_READ,
            End::Write if self.free() >= ATOMIC || self.readers == 0 => EventFlags::EVENT_WRITE,
            _ => EventFlags::EVENT_NONE,
        }
    }

    /// Writes up to `len` bytes and returns how many. `copy` is called with successive parts of the
    /// ring and how many bytes went before, and fills each.
    ///
    /// After success everyone who waits to read is to be woken, and the reading end has changed.
    ///
    /// # Errors
    /// [`PipeError::WouldBlock`] when `len` is at most [`ATOMIC`] and does not fit whole, or
    /// nothing fits; [`PipeError::NoReader`]; [`PipeError::NoMemory`]; [`PipeError::Copy`]. Nothing
    /// was written. A copy that fails, or memory that runs out, after the first part makes the
    /// write shorter, unless it is one that must stay whole: that has no effect.
    pub fn write<S: Pages<Page = P>, E>(
        &mut self,
        pages: &mut S,
        len: usize,
        mut copy: impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<usize, PipeError<E>> {
        if self.readers == 0 {
            return Err(PipeError::NoReader);
        }
        if len == 0 {
            return Ok(0);
        }
        let whole = len <= ATOMIC;
        let count = len.min(self.free());
        if count == 0 || (whole && count < len) {
            return Err(PipeError::WouldBlock);
        }
        let mut done = 0usize;
        let mut result = Ok(());
        while done < count {
            let at = self.position(self.len.saturating_add(done));
            let rest = count.saturating_sub(done);
            let Some(part) = self.page_for_writing(pages, at) else {
                result = Err(PipeError::NoMemory);
                break;
            };
            let offset = at % PAGE;
            let end = offset.saturating_add(rest).min(PAGE);
            let Some(part) = pages.bytes_mut(part).get_mut(offset..end) else {
                break;
            };
            let size = part.len();
            if let Err(error) = copy(done, part) {
                result = Err(PipeError::Copy(error));
                break;
            }
            done = done.saturating_add(size);
        }
        if let Err(error) = result
            && (done == 0 || whole)
        {
            self.drop_unused(pages);
            return Err(error);
        }
        self.len = self.len.saturating_add(done);
        self.drop_unused(pages);
        Ok(done)
    }

    /// Reads up to `len` bytes and returns how many; 0 with `len` above 0 is the end of file.
    /// `copy` is called with successive parts of the ring and how many bytes went before.
    ///
    /// After a result above 0 everyone who waits to write is to be woken, and the writing end may
    /// have changed.
    ///
    /// # Errors
    /// [`PipeError::WouldBlock`] when the pipe is empty but has a writer, [`PipeError::Copy`].
    /// Nothing was read. A copy that fails after the first part makes the read shorter.
    pub fn read<S: Pages<Page = P>, E>(
        &mut self,
        pages: &mut S,
        len: usize,
        mut copy: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<usize, PipeError<E>> {
        if len == 0 {
            return Ok(0);
        }
        if self.len == 0 {
            return match self.writers {
                0 => Ok(0),
                _ => Err(PipeError::WouldBlock),
            };
        }
        let count = len.min(self.len);
        let mut done = 0usize;
        while done < count {
            let at = self.position(done);
            let rest = count.saturating_sub(done);
            let offset = at % PAGE;
            let end = offset.saturating_add(rest).min(PAGE);
            let page = self.pages.get(at / PAGE).and_then(Option::as_ref);
            let Some(part) = page.and_then(|page| pages.bytes(page).get(offset..end)) else {
                break;
            };
            match copy(done, part) {
                Ok(()) => done = done.saturating_add(part.len()),
                Err(error) if done == 0 => return Err(PipeError::Copy(error)),
                Err(_) => break,
            }
        }
        self.start = self.position(done);
        self.len = self.len.saturating_sub(done);
        if self.len == 0 {
            self.start = 0;
        }
        self.drop_unused(pages);
        Ok(done)
    }

    /// Gives every page back; bytes that were not read are lost.
    pub fn dispose<S: Pages<Page = P>>(&mut self, pages: &mut S) {
        self.len = 0;
        let all = self.pages.iter_mut().chain(Some(&mut self.spare));
        for page in all.filter_map(Option::take) {
            pages.free(page);
        }
    }

    /// Where in the ring the byte `ahead` of the first one is.
    const fn position(&self, ahead: usize) -> usize {
        self.start.saturating_add(ahead) % CAPACITY
    }

    fn page_for_writing<S: Pages<Page = P>>(&mut self, pages: &mut S, at: usize) -> Option<&mut P> {
        let slot = self.pages.get_mut(at / PAGE)?;
        if slot.is_none() {
            *slot = match self.spare.take() {
                Some(page) => Some(page),
                None => pages.allocate(),
            };
        }
        slot.as_mut()
    }

    /// Gives back the pages that hold no byte, but for one.
    fn drop_unused<S: Pages<Page = P>>(&mut self, pages: &mut S) {
        let first = self.start / PAGE;
        // Pages from the one with the first byte to the one with the last.
        let used = (self.start % PAGE).saturating_add(self.len).div_ceil(PAGE);
        for (number, slot) in self.pages.iter_mut().enumerate() {
            // Distance from the first page in the direction of the ring.
            let ahead = number.saturating_add(PAGE_COUNT).saturating_sub(first) % PAGE_COUNT;
            // A ring that wraps within its first page uses that page at both ends.
            if ahead < used {
                continue;
            }
            if let Some(page) = slot.take() {
                match self.spare {
                    None => self.spare = Some(page),
                    Some(_) => pages.free(page),
                }
            }
        }
    }
}
