//! Memory that others map: the pages of a file while it is mapped.

use crate::data::{FileData, PAGE, SparsePages};
use crate::error::Error;

/// Memory at an address of this process, zeros at first, which others can map and change at any time.
pub trait Region: Sized {
    /// Memory of `len` bytes, whole pages. What is never touched should cost nothing.
    fn reserve(len: usize) -> Option<Self>;

    /// Its address.
    fn address(&self) -> usize;

    /// Its length.
    fn capacity(&self) -> usize;

    /// Copies out what is at `at`, as far as it reaches.
    fn read(&self, at: usize, buf: &mut [u8]);

    /// Copies in, as far as it reaches.
    fn write(&mut self, at: usize, data: &[u8]);
}

/// The region of file systems whose files nobody maps: there is none.
#[derive(Debug)]
pub enum NoRegion {}

impl Region for NoRegion {
    fn reserve(_: usize) -> Option<Self> {
        None
    }

    fn address(&self) -> usize {
        match *self {}
    }

    fn capacity(&self) -> usize {
        match *self {}
    }

    fn read(&self, _: usize, _: &mut [u8]) {}

    fn write(&mut self, _: usize, _: &[u8]) {}
}

const PAGE_MASK: u64 = PAGE as u64 - 1;
/// Least that a region holds, so that a file can grow under its mappings.
const LEAST: u64 = 1 << 20;
/// A region holds so many times what is mapped first.
const ROOM: u64 = 8;
/// Longest file that can be mapped: all of it is looked through when it is, and nobody else is served meanwhile.
const MOST: u64 = 1 << 30;

/// The beginning of a file while it is mapped.
///
/// It stays where it is until the last mapping is gone; a mapping of what lies beyond it is refused until
/// then.
#[derive(Debug)]
pub struct Window<R> {
    region: R,
    maps: u64,
    /// Behind this nobody can have written: there are zeros, and nothing is looked at, so that it costs nothing.
    touched: u64,
}

impl<R: Region> Window<R> {
    /// Room for a file's first `end` bytes and more, with nothing in it.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(end: u64) -> Result<Self, Error> {
        if end > MOST {
            return Err(Error::NoMemory);
        }
        let len = end.saturating_mul(ROOM).clamp(LEAST, MOST);
        let len = len.next_multiple_of(PAGE as u64) as usize;
        let region = R::reserve(len).ok_or(Error::NoMemory)?;
        Ok(Self {
            region,
            maps: 0,
            touched: 0,
        })
    }

    /// The end of what it holds of the file.
    pub fn end(&self) -> u64 {
        self.region.capacity() as u64
    }

    /// The end of what may be other than zeros.
    pub const fn touched(&self) -> u64 {
        self.touched
    }

    /// One more mapping; its address.
    ///
    /// # Errors
    /// [`Error::NoMemory`] beyond its end.
    pub fn map(&mut self, offset: u64, len: u64) -> Result<usize, Error> {
        let end = offset.checked_add(len).filter(|end| *end <= self.end());
        self.touched = self.touched.max(end.ok_or(Error::NoMemory)?);
        self.maps = self.maps.saturating_add(1);
        Ok(self.region.address().wrapping_add(offset as usize))
    }

    /// One mapping less; whether it was the last.
    pub const fn unmap(&mut self) -> bool {
        self.maps = self.maps.saturating_sub(1);
        self.maps == 0
    }

    /// How many of `len` bytes at `offset` it holds.
    pub fn holds(&self, offset: u64, len: usize) -> usize {
        let rest = self.end().saturating_sub(offset);
        usize::try_from(rest).map_or(len, |rest| rest.min(len))
    }

    /// Copies out.
    pub fn read(&self, offset: u64, buf: &mut [u8]) {
        let held = self.holds(offset, buf.len());
        let held = buf.get_mut(..held).unwrap_or_default();
        let there = self.touched.saturating_sub(offset).min(held.len() as u64);
        let (there, zeros) = held
            .split_at_mut_checked(there as usize)
            .unwrap_or_default();
        if !there.is_empty() {
            self.region.read(offset as usize, there);
        }
        zeros.fill(0);
    }

    /// Copies in.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let held = self.holds(offset, data.len());
        if held > 0 {
            self.region.write(offset as usize, data);
            let end = offset.saturating_add(held as u64);
            self.touched = self.touched.max(end);
        }
    }

    /// The file ends at `size`: what is beyond is zeros.
    pub fn cut(&mut self, size: u64, old_size: u64) {
        let zeros = [0; PAGE];
        let mut at = size;
        let end = old_size.min(self.touched);
        while at < end {
            let len = (end.saturating_sub(at)).min(PAGE as u64);
            self.write(at, zeros.get(..len as usize).unwrap_or(&zeros));
            at = at.saturating_add(len);
        }
    }
}

/// Bytes in pages, which are in one piece while somebody maps them.
#[derive(Debug)]
pub struct MappedPages<R> {
    /// What is not in the window; of the size of the file.
    pages: SparsePages,
    window: Option<Window<R>>,
}

impl<R> Default for MappedPages<R> {
    fn default() -> Self {
        Self {
            pages: SparsePages::default(),
            window: None,
        }
    }
}

impl<R: Region> MappedPages<R> {
    /// How much of the window the file reaches.
    fn counted(&self) -> u64 {
        let window = self.window.as_ref().map_or(0, Window::end);
        let size = self.pages.size().checked_next_multiple_of(PAGE as u64);
        window.min(size.unwrap_or(u64::MAX))
    }

    /// Moves what is in the window back to single pages, holes left out.
    fn close_window(&mut self) -> Result<(), Error> {
        let Some(window) = self.window.take() else {
            return Ok(());
        };
        let mut page = [0; PAGE];
        let size = self.pages.size();
        let mut at = 0;
        while at < size.min(window.touched()) {
            let len = size.saturating_sub(at).min(PAGE as u64) as usize;
            let bytes = page.get_mut(..len).unwrap_or_default();
            window.read(at, bytes);
            if bytes.iter().any(|byte| *byte != 0) {
                self.pages.write(at, bytes)?;
            }
            at = at.saturating_add(PAGE as u64);
        }
        Ok(())
    }
}

impl<R: Region> FileData for MappedPages<R> {
    fn size(&self) -> u64 {
        self.pages.size()
    }

    fn allocated(&self) -> u64 {
        self.pages.allocated().saturating_add(self.counted())
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let len = self.pages.read(offset, buf);
        if let Some(window) = &self.window {
            let held = window.holds(offset, len);
            window.read(offset, buf.get_mut(..held).unwrap_or_default());
        }
        len
    }

    fn fits(&self, offset: u64, len: usize, budget: u64) -> usize {
        let Some(window) = &self.window else {
            return self.pages.fits(offset, len, budget);
        };
        // Of the window, what the file reaches is counted.
        let end = self.counted().saturating_add(budget & !PAGE_MASK);
        let held = window.holds(offset, len);
        let fitting = end.saturating_sub(offset).min(held as u64) as usize;
        if fitting < held {
            return fitting;
        }
        let after = offset.saturating_add(held as u64);
        let left = budget.saturating_sub(self.cost_of_size(after));
        let rest = len.saturating_sub(held);
        held.saturating_add(self.pages.fits(after, rest, left))
    }

    fn cost_of_size(&self, size: u64) -> u64 {
        let Some(window) = &self.window else {
            return 0;
        };
        let size = size.checked_next_multiple_of(PAGE as u64);
        let end = size.unwrap_or(u64::MAX).min(window.end());
        end.saturating_sub(self.counted())
    }

    fn cost_of_map(&self, offset: u64, len: u64) -> u64 {
        if self.window.is_some() {
            return 0;
        }
        // Whoever maps it may write to all of the pages, also to those behind the file's end.
        let end = offset.saturating_add(len).max(self.size());
        end.checked_next_multiple_of(PAGE as u64)
            .unwrap_or(u64::MAX)
            .saturating_sub(self.pages.allocated())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let held = self
            .window
            .as_ref()
            .map_or(0, |w| w.holds(offset, data.len()));
        let (inside, beyond) = data.split_at_checked(held).unwrap_or((data, &[]));
        if let Some(window) = self.window.as_mut().filter(|_| held > 0) {
            window.write(offset, inside);
            let end = offset.saturating_add(held as u64);
            if end > self.pages.size() {
                self.pages.set_size(end)?;
            }
        }
        self.pages.write(offset.saturating_add(held as u64), beyond)
    }

    fn set_size(&mut self, size: u64) -> Result<(), Error> {
        let old = self.pages.size();
        if let Some(window) = &mut self.window {
            window.cut(size, old);
        }
        self.pages.set_size(size)
    }

    fn map(&mut self, offset: u64, len: u64) -> Result<usize, Error> {
        let end = offset.checked_add(len).ok_or(Error::NoMemory)?;
        let Some(window) = &mut self.window else {
            let size = self.pages.size();
            let mut window = Window::new(end.max(size))?;
            let address = window.map(offset, len)?;
            let mut page = [0; PAGE];
            let mut at = 0;
            while at < size.min(window.end()) {
                let got = self.pages.read(at, &mut page);
                let bytes = page.get(..got).unwrap_or(&[]);
                if bytes.iter().any(|byte| *byte != 0) {
                    window.write(at, bytes);
                }
                at = at.saturating_add(PAGE as u64);
            }
            self.pages.set_size(0)?;
            self.pages.set_size(size)?;
            self.window = Some(window);
            return Ok(address);
        };
        window.map(offset, len)
    }

    fn unmapped(&mut self) -> Result<(), Error> {
        if self.window.as_mut().is_some_and(Window::unmap) {
            return self.close_window();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    /// Memory that nobody else sees.
    struct Own(Vec<u8>);

    impl Region for Own {
        fn reserve(len: usize) -> Option<Self> {
            Some(Self(vec![0; len]))
        }

        fn address(&self) -> usize {
            0x1000
        }

        fn capacity(&self) -> usize {
            self.0.len()
        }

        fn read(&self, at: usize, buf: &mut [u8]) {
            let len = buf.len().min(self.0.len() - at);
            buf[..len].copy_from_slice(&self.0[at..at + len]);
        }

        fn write(&mut self, at: usize, data: &[u8]) {
            let len = data.len().min(self.0.len() - at);
            self.0[at..at + len].copy_from_slice(&data[..len]);
        }
    }

    fn content(file: &impl FileData) -> Vec<u8> {
        let mut bytes = vec![0xee; file.size() as usize];
        assert_eq!(file.read(0, &mut bytes), bytes.len());
        bytes
    }

    #[test]
    fn a_mapped_file_is_the_same_file() {
        let mut mapped = MappedPages::<Own>::default();
        let mut plain = SparsePages::default();
        let both = |mapped: &mut MappedPages<Own>, plain: &mut SparsePages, at, data: &[u8]| {
            mapped.write(at, data).unwrap();
            plain.write(at, data).unwrap();
            assert_eq!(content(mapped), content(plain));
        };
        both(&mut mapped, &mut plain, 100, &[1; 9000]);
        assert_eq!(mapped.map(4096, 4096).unwrap(), 0x2000);
        assert_eq!(content(&mapped), content(&plain));
        // Inside, over the end of the file, over the end of the window, beyond it.
        let end = (1 << 20) - 5;
        for (at, data) in [
            (0, &[2; 50][..]),
            (9000, &[3; 500]),
            (end, &[4; 10]),
            (end + 99, &[5; 9]),
        ] {
            both(&mut mapped, &mut plain, at, data);
        }
        for size in [5000, 3, 1 << 20, 20_000] {
            mapped.set_size(size).unwrap();
            plain.set_size(size).unwrap();
            assert_eq!(content(&mapped), content(&plain), "{size}");
        }
        // What the others write is in the file, and stays.
        mapped.window.as_mut().unwrap().write(7, b"others");
        plain.write(7, b"others").unwrap();
        assert_eq!(mapped.map(0, 4096).unwrap(), 0x1000);
        assert_eq!(mapped.map(1 << 20, 4096), Err(Error::NoMemory));
        mapped.unmapped().unwrap();
        assert_eq!(content(&mapped), content(&plain));
        mapped.unmapped().unwrap();
        assert!(mapped.window.is_none());
        assert_eq!(content(&mapped), content(&plain));
        assert_eq!(mapped.allocated(), plain.allocated());
    }

    #[test]
    fn mapped_files_take_no_more_than_there_is() {
        use crate::{Caller, Config, Fs, TimeSpec, Tree};
        use syscall::flag::{O_CREAT, O_RDWR};
        const MAX: u64 = 16 * PAGE as u64;
        let now = TimeSpec::default();
        let user = Caller { uid: 5, gid: 5 };
        // A user has half.
        for (caller, pages) in [(Caller::SUPERUSER, 15), (user, 7)] {
            let room = pages * PAGE as u64;
            let config = Config {
                max_bytes: MAX,
                root_mode: 0o777,
                ..Config::default()
            };
            let mut fs: Fs<Tree<MappedPages<Own>>> =
                Fs::new(config, Caller::SUPERUSER, now).unwrap();
            let root = fs.open_root().unwrap().handle;
            let flags = O_CREAT | O_RDWR | 0o600;
            let file = fs.openat(root, "f", flags, caller, now).unwrap().handle;
            let used = fs.usage().0.bytes;
            // Holes take nothing until they are mapped.
            fs.ftruncate(file, 100 * PAGE as u64, caller, now).unwrap();
            assert_eq!(fs.mmap(file, 0, 1, true), Err(Error::NoMemory));
            fs.ftruncate(file, 100, caller, now).unwrap();
            // Nor may what is behind the end take more.
            assert_eq!(fs.mmap(file, 0, room + 1, true), Err(Error::NoMemory));
            fs.mmap(file, 0, room, true).unwrap();
            assert_eq!(fs.usage().0.bytes, used + PAGE as u64);
            // What is in the window is there when the file reaches it.
            fs.ftruncate(file, room, caller, now).unwrap();
            assert_eq!(fs.usage().0.bytes, used + room);
            let more = fs.ftruncate(file, room + 1, caller, now);
            assert_eq!(more, Err(Error::NoSpace));
            let more = fs.write(file, b"x", room, 0, caller, now);
            assert_eq!(more, Err(Error::NoSpace));
            fs.ftruncate(file, 0, caller, now).unwrap();
            let long = vec![1; room as usize + 10];
            let written = fs.write(file, &long, 0, 0, caller, now);
            assert_eq!(written, Ok(room as usize));
            fs.munmap(file).unwrap();
            assert_eq!(fs.usage().0.bytes, used + room);
            fs.ftruncate(file, 0, caller, now).unwrap();
            assert_eq!(fs.usage().0.bytes, used);
        }
    }

    std::thread_local! {
        static REACHED: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
    }

    /// Memory that tells how far somebody has looked at it or written to it.
    struct Watched(Own);

    fn reach(at: usize, len: usize) {
        REACHED.set(REACHED.get().max(at + len));
    }

    impl Region for Watched {
        fn reserve(len: usize) -> Option<Self> {
            Own::reserve(len).map(Self)
        }

        fn address(&self) -> usize {
            self.0.address()
        }

        fn capacity(&self) -> usize {
            self.0.capacity()
        }

        fn read(&self, at: usize, buf: &mut [u8]) {
            reach(at, buf.len());
            self.0.read(at, buf);
        }

        fn write(&mut self, at: usize, data: &[u8]) {
            reach(at, data.len());
            self.0.write(at, data);
        }
    }

    #[test]
    fn what_nobody_has_mapped_or_written_is_not_touched() {
        let mut mapped = MappedPages::<Watched>::default();
        mapped.set_size(100 * PAGE as u64).unwrap();
        mapped.write(2 * PAGE as u64, &[7; 10]).unwrap();
        mapped.map(0, PAGE as u64).unwrap();
        let mut wanted = vec![0; 100 * PAGE];
        wanted[2 * PAGE..][..10].fill(7);
        assert_eq!(content(&mapped), wanted);
        for size in [90, 100] {
            mapped.set_size(size * PAGE as u64).unwrap();
        }
        assert_eq!(content(&mapped), wanted);
        assert_eq!(REACHED.get(), 3 * PAGE);
        mapped.write(5 * PAGE as u64, &[8]).unwrap();
        wanted[5 * PAGE] = 8;
        assert_eq!(content(&mapped), wanted);
        mapped.unmapped().unwrap();
        assert_eq!(content(&mapped), wanted);
        assert!(REACHED.get() <= 6 * PAGE);
    }

    #[test]
    fn what_cannot_be_mapped_is_refused() {
        let mut mapped = MappedPages::<Own>::default();
        assert_eq!(mapped.map(u64::MAX, 4096), Err(Error::NoMemory));
        assert_eq!(mapped.map(MOST, 4096), Err(Error::NoMemory));
        let mut never = MappedPages::<NoRegion>::default();
        assert_eq!(never.map(0, 4096), Err(Error::NoMemory));
        never.unmapped().unwrap();
    }
}
