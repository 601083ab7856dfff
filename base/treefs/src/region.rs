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
    fn len(&self) -> usize;

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

    fn len(&self) -> usize {
        match *self {}
    }

    fn read(&self, _: usize, _: &mut [u8]) {}

    fn write(&mut self, _: usize, _: &[u8]) {}
}

/// Least that a region holds, so that a file can grow under its mappings.
const LEAST: u64 = 1 << 20;
/// A region holds so many times what is mapped first.
const ROOM: u64 = 8;
/// Most of a file that can be mapped.
const MOST: u64 = 1 << 40;

/// The beginning of a file while it is mapped.
///
/// It stays where it is until the last mapping is gone; a mapping of what lies beyond it is refused until
/// then.
#[derive(Debug)]
pub struct Window<R> {
    region: R,
    maps: u64,
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
        Ok(Self { region, maps: 0 })
    }

    /// The end of what it holds of the file.
    pub fn end(&self) -> u64 {
        self.region.len() as u64
    }

    /// One more mapping; its address.
    ///
    /// # Errors
    /// [`Error::NoMemory`] beyond its end.
    pub fn map(&mut self, offset: u64, len: u64) -> Result<usize, Error> {
        if offset.checked_add(len).is_none_or(|end| end > self.end()) {
            return Err(Error::NoMemory);
        }
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
        if offset < self.end() {
            self.region.read(offset as usize, buf);
        }
    }

    /// Copies in.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if offset < self.end() {
            self.region.write(offset as usize, data);
        }
    }

    /// The file ends at `size`: what is beyond is zeros.
    pub fn cut(&mut self, size: u64, old_size: u64) {
        let zeros = [0; PAGE];
        let mut at = size;
        let end = old_size.min(self.end());
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
    /// Moves what is in the window back to single pages, holes left out.
    fn close_window(&mut self) -> Result<(), Error> {
        let Some(window) = self.window.take() else {
            return Ok(());
        };
        let mut page = [0; PAGE];
        let size = self.pages.size();
        let mut at = 0;
        while at < size.min(window.end()) {
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
        let window = self.window.as_ref().map_or(0, Window::end);
        let there = window.min(self.size().next_multiple_of(PAGE as u64));
        self.pages.allocated().saturating_add(there)
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
        let held = self.window.as_ref().map_or(0, |w| w.holds(offset, len));
        let rest = len.saturating_sub(held);
        let after = offset.saturating_add(held as u64);
        held.saturating_add(self.pages.fits(after, rest, budget))
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

        fn len(&self) -> usize {
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
    fn what_cannot_be_mapped_is_refused() {
        let mut mapped = MappedPages::<Own>::default();
        assert_eq!(mapped.map(u64::MAX, 4096), Err(Error::NoMemory));
        assert_eq!(mapped.map(MOST, 4096), Err(Error::NoMemory));
        let mut never = MappedPages::<NoRegion>::default();
        assert_eq!(never.map(0, 4096), Err(Error::NoMemory));
        never.unmapped().unwrap();
    }
}
