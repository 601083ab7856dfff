//! Files in memory that can be mapped.

use alloc::vec::Vec;

use crate::data::{FileData, PAGE, SparsePages};
use crate::error::Error;
use crate::region::{Region, Window};

const PAGE_MASK: u64 = PAGE as u64 - 1;
/// How much of a window is moved back before its memory is given back.
const MOVED: u64 = 64 * PAGE as u64;

/// Bytes in pages, of which those are in one piece that somebody maps.
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
    /// The pieces of a range, and whether they are in the window.
    fn pieces(&self, offset: u64, len: usize) -> Vec<(usize, bool)> {
        match &self.window {
            Some(window) => window.pieces(offset, len).collect(),
            None => [(len, false)].into(),
        }
    }

    /// Moves what is in the window back to single pages, holes left out. What there is no memory for stays.
    fn close_window(&mut self) -> Result<(), Error> {
        let mut page = [0; PAGE];
        let size = self.pages.size();
        while let Some(window) = &mut self.window
            && let Some(held) = window.held(0, size)
        {
            let end = held.end.min(held.start.saturating_add(MOVED));
            if !R::room(MOVED as usize) {
                return Err(Error::NoMemory);
            }
            let mut at = held.start;
            while at < end {
                let len = end.saturating_sub(at).min(PAGE as u64);
                let bytes = page.get_mut(..len as usize).unwrap_or_default();
                window.read(at, bytes);
                if bytes.iter().any(|byte| *byte != 0)
                    && let Err(error) = self.pages.write(at, bytes)
                {
                    self.pages
                        .forget(held.start, end.saturating_sub(held.start));
                    return Err(error);
                }
                at = at.saturating_add(len);
            }
            window.release(held.start..end.next_multiple_of(PAGE as u64));
        }
        self.window = None;
        Ok(())
    }
}

impl<R: Region> FileData for MappedPages<R> {
    fn size(&self) -> u64 {
        self.pages.size()
    }

    fn allocated(&self) -> u64 {
        self.pages.allocated()
    }

    #[inline]
    fn mapped_bytes(&self) -> u64 {
        self.window.as_ref().map_or(0, Window::bytes)
    }

    fn mapped(&self) -> Vec<(u32, u64)> {
        let payers = self.window.as_ref().map(Window::payers);
        payers.into_iter().flatten().collect()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let len = self.pages.read(offset, buf);
        if let Some(window) = &self.window {
            window.read(offset, buf.get_mut(..len).unwrap_or_default());
        }
        len
    }

    fn fits(&self, offset: u64, len: usize, budget: u64) -> usize {
        let (mut at, mut left, mut fit) = (offset, budget, 0_usize);
        for (len, held) in self.pieces(offset, len) {
            let fitting = if held {
                len
            } else {
                self.pages.fits(at, len, left)
            };
            fit = fit.saturating_add(fitting);
            if fitting < len {
                break;
            }
            if !held {
                left = left.saturating_sub(self.pages.missing(at, len));
            }
            at = at.saturating_add(len as u64);
        }
        fit
    }

    fn cost_of_map(&self, offset: u64, len: u64) -> (u64, u64) {
        let whole = len.saturating_add(PAGE_MASK) & !PAGE_MASK;
        let more = match &self.window {
            Some(window) => window.missing(offset, len).unwrap_or(0),
            None => whole,
        };
        (more, self.pages.allocated_in(offset, whole))
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let (mut at, mut rest) = (offset, data);
        for (len, held) in self.pieces(offset, data.len()) {
            let (now, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            let end = at.saturating_add(len as u64);
            match self.window.as_mut().filter(|_| held) {
                Some(window) => {
                    window.write(at, now);
                    if end > self.pages.size() {
                        self.pages.set_size(end)?;
                    }
                }
                None => self.pages.write(at, now)?,
            }
            (at, rest) = (end, later);
        }
        Ok(())
    }

    fn set_size(&mut self, size: u64) -> Result<(), Error> {
        let old = self.pages.size();
        if let Some(window) = &mut self.window {
            window.cut(size, old);
        }
        self.pages.set_size(size)
    }

    fn map(&mut self, offset: u64, len: u64, payer: u32) -> Result<usize, Error> {
        let end = offset.checked_add(len).ok_or(Error::NoMemory)?;
        let fresh = match self.window {
            Some(_) => None,
            None => Some(Window::new(end, self.pages.size())?),
        };
        let window = match (fresh, &mut self.window) {
            (Some(fresh), place) => place.insert(fresh),
            (None, Some(window)) => window,
            (None, None) => return Err(Error::NoMemory),
        };
        let pages = &self.pages;
        let mapped = window.map(offset, len, payer, |at, piece| {
            pages.read(at, piece);
            Ok(())
        });
        match mapped {
            Ok(_) => self.pages.forget(offset, len),
            Err(_) if window.bytes() == 0 => self.window = None,
            Err(_) => {}
        }
        mapped
    }

    fn unmapped(&mut self) -> Result<Vec<(u32, u64)>, Error> {
        let last = self.window.as_mut().is_some_and(Window::unmap);
        if !last {
            return Ok(Vec::new());
        }
        let paid = self.mapped();
        self.close_window()?;
        Ok(paid)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::{Caller, Config, Fs, TimeSpec, Tree};
    use alloc::vec;
    use core::cell::Cell;
    use core::ops::Range;
    use rand::{Rng, SeedableRng, rngs::SmallRng};
    use syscall::flag::{O_CREAT, O_RDWR};

    std::thread_local! {
        /// How many more pages can be committed.
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// Memory that nobody else sees, of which only what is committed can be used.
    struct Own {
        bytes: Vec<u8>,
        committed: Vec<bool>,
    }

    impl Own {
        fn pages(range: Range<usize>) -> Range<usize> {
            range.start / PAGE..range.end.div_ceil(PAGE)
        }
    }

    impl Region for Own {
        fn reserve(len: usize) -> Option<Self> {
            Some(Self {
                bytes: vec![0xee; len],
                committed: vec![false; len / PAGE],
            })
        }

        fn address(&self) -> usize {
            0x1000
        }

        fn capacity(&self) -> usize {
            self.bytes.len()
        }

        fn commit(&mut self, range: Range<usize>) -> bool {
            for page in Self::pages(range) {
                assert!(!self.committed[page]);
                let Some(left) = LEFT.get().checked_sub(1) else {
                    return false;
                };
                LEFT.set(left);
                self.committed[page] = true;
            }
            true
        }

        fn room(_: usize) -> bool {
            LEFT.get() > 0
        }

        fn release(&mut self, range: Range<usize>) {
            for page in Self::pages(range) {
                if core::mem::take(&mut self.committed[page]) {
                    LEFT.set(LEFT.get().saturating_add(1));
                }
            }
        }

        fn read(&self, at: usize, buf: &mut [u8]) {
            let range = at..at + buf.len();
            assert!(
                self.committed[Self::pages(range.clone())]
                    .iter()
                    .all(|it| *it)
            );
            buf.copy_from_slice(&self.bytes[range]);
        }

        fn write(&mut self, at: usize, data: &[u8]) {
            let range = at..at + data.len();
            assert!(
                self.committed[Self::pages(range.clone())]
                    .iter()
                    .all(|it| *it)
            );
            self.bytes[range].copy_from_slice(data);
        }
    }

    const P: u64 = PAGE as u64;
    const USER: u32 = 5;

    fn content(file: &impl FileData) -> Vec<u8> {
        let mut bytes = vec![0xee; file.size() as usize];
        assert_eq!(file.read(0, &mut bytes), bytes.len());
        bytes
    }

    /// Whatever is mapped, a file is what it would be if nothing were, and who has it mapped sees it.
    #[test]
    fn a_mapped_file_is_the_same_file() {
        for seed in 0..300 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut mapped = MappedPages::<Own>::default();
            let mut plain = SparsePages::default();
            let mut maps = 0;
            for step in 0..60 {
                let at = rng.random_range(0..20 * P);
                match rng.random_range(0..7) {
                    0 | 1 => {
                        let data = vec![rng.random(); rng.random_range(1..5 * PAGE)];
                        mapped.write(at, &data).unwrap();
                        plain.write(at, &data).unwrap();
                    }
                    2 => {
                        mapped.set_size(at).unwrap();
                        plain.set_size(at).unwrap();
                    }
                    3 => {
                        let page = at & !PAGE_MASK;
                        let address = mapped.map(page, rng.random_range(1..4 * P), USER);
                        assert_eq!(address, Ok(0x1000 + page as usize));
                        maps += 1;
                    }
                    4 if maps > 0 => {
                        let paid = mapped.unmapped().unwrap();
                        maps -= 1;
                        assert_eq!(paid.is_empty(), maps > 0);
                    }
                    // Somebody writes to a page that is mapped.
                    5 => {
                        if let Some(window) = &mut mapped.window
                            && let Some(held) = window.held(at, plain.size())
                        {
                            let end = held.end.min(held.start + 9);
                            let data = vec![rng.random(); (end - held.start) as usize];
                            window.write(held.start, &data);
                            plain.write(held.start, &data).unwrap();
                        }
                    }
                    _ => {
                        let len = rng.random_range(1..6 * PAGE);
                        let budget = rng.random_range(0..6 * P);
                        let fits = mapped.fits(at, len, budget);
                        assert!(fits >= plain.fits(at, len, budget).min(len));
                    }
                }
                assert!(content(&mapped) == content(&plain), "{seed} {step}");
                assert!(mapped.allocated() <= plain.allocated());
            }
            for _ in 0..maps {
                mapped.unmapped().unwrap();
            }
            assert!(mapped.window.is_none());
            assert!(content(&mapped) == content(&plain), "{seed}");
        }
    }

    #[test]
    fn mapped_files_take_no_more_than_there_is() {
        const MAX: u64 = 16 * P;
        let now = TimeSpec::default();
        let user = Caller {
            uid: USER,
            gid: USER,
        };
        // A user has half.
        for (caller, pages) in [(Caller::SUPERUSER, 15), (user, 7)] {
            let room = pages * P;
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
            fs.ftruncate(file, 100 * P, caller, now).unwrap();
            let map = |fs: &mut Fs<Tree<MappedPages<Own>>>, at: u64, len: u64| {
                fs.mmap(file, (at, len), true, caller)
            };
            assert_eq!(map(&mut fs, 0, room + 1), Err(Error::NoMemory));
            assert!(map(&mut fs, 50 * P, 1).is_ok());
            assert_eq!(fs.usage().0.bytes, used + P);
            assert_eq!(map(&mut fs, 0, room), Err(Error::NoMemory));
            assert!(map(&mut fs, 50 * P, room).is_ok());
            assert_eq!(fs.usage().0.bytes, used + room);
            let more = fs.write(file, b"x", 0, 0, caller, now);
            assert_eq!(more, Err(Error::NoSpace));
            assert_eq!(fs.write(file, &[1; PAGE], 51 * P, 0, caller, now), Ok(PAGE));
            for _ in 0..2 {
                fs.munmap(file).unwrap();
            }
            assert_eq!(fs.usage().0.bytes, used + P);
            // What its pages took is taken by what is mapped of them.
            let long = vec![1; room as usize];
            fs.ftruncate(file, 0, caller, now).unwrap();
            assert_eq!(fs.write(file, &long, 0, 0, caller, now), Ok(long.len()));
            assert!(map(&mut fs, 0, room).is_ok());
            assert_eq!(fs.usage().0.bytes, used + room);
            assert_eq!(map(&mut fs, room, 1), Err(Error::NoMemory));
            fs.munmap(file).unwrap();
            assert_eq!(fs.usage().0.bytes, used + room);
            fs.ftruncate(file, 0, caller, now).unwrap();
            assert_eq!(fs.usage().0.bytes, used);
        }
    }

    #[test]
    fn whoever_maps_a_file_of_somebody_elses_pays() {
        let now = TimeSpec::default();
        let config = Config {
            max_bytes: 32 * P,
            root_mode: 0o777,
            ..Config::default()
        };
        let mut fs: Fs<Tree<MappedPages<Own>>> = Fs::new(config, Caller::SUPERUSER, now).unwrap();
        let root = fs.open_root().unwrap().handle;
        let flags = O_CREAT | O_RDWR | 0o600;
        let file = fs
            .openat(root, "f", flags, Caller::SUPERUSER, now)
            .unwrap()
            .handle;
        let user = Caller {
            uid: USER,
            gid: USER,
        };
        let used = fs.usage().0.bytes;
        assert_eq!(
            fs.mmap(file, (0, 17 * P), false, user),
            Err(Error::NoMemory)
        );
        assert!(fs.mmap(file, (0, 15 * P), false, user).is_ok());
        assert_eq!(
            fs.mmap(file, (15 * P, 2 * P), false, user),
            Err(Error::NoMemory)
        );
        assert!(
            fs.mmap(file, (15 * P, 2 * P), false, Caller::SUPERUSER)
                .is_ok()
        );
        assert_eq!(fs.usage().0.bytes, used + 17 * P);
        for _ in 0..2 {
            fs.munmap(file).unwrap();
        }
        assert_eq!(fs.usage().0.bytes, used);
    }

    #[test]
    fn where_there_is_no_memory_nothing_is_mapped() {
        let mut mapped = MappedPages::<Own>::default();
        mapped.write(0, &[7; 8 * PAGE]).unwrap();
        let all = content(&mapped);
        LEFT.set(5);
        assert_eq!(mapped.map(0, 6 * P, USER), Err(Error::NoMemory));
        assert!(mapped.window.is_none());
        LEFT.set(5);
        mapped.map(2 * P, P, USER).unwrap();
        // Two gaps, of which there is memory for the first.
        assert_eq!(mapped.map(0, 8 * P, USER), Err(Error::NoMemory));
        assert_eq!(LEFT.get(), 4);
        assert_eq!(mapped.mapped(), [(USER, P)]);
        assert_eq!(content(&mapped), all);
        mapped.map(0, 3 * P, USER).unwrap();
        assert_eq!(LEFT.get(), 2);
        mapped.unmapped().unwrap();
        // What cannot be moved back stays where it is, and is paid for.
        LEFT.set(0);
        assert_eq!(mapped.unmapped(), Err(Error::NoMemory));
        assert_eq!(content(&mapped), all);
        assert_eq!(mapped.mapped(), [(USER, 3 * P)]);
        LEFT.set(1);
        mapped.map(P, P, USER).unwrap();
        assert_eq!(mapped.unmapped().unwrap(), [(USER, 3 * P)]);
        assert_eq!(content(&mapped), all);
        assert_eq!(mapped.allocated(), 8 * P);
        LEFT.set(usize::MAX);
    }

    #[test]
    fn what_cannot_be_mapped_is_refused() {
        let mut mapped = MappedPages::<Own>::default();
        for (offset, len, error) in [
            (u64::MAX, 4096, Error::NoMemory),
            (1 << 33, 4096, Error::NoMemory),
            (5, 4096, Error::Invalid("range to be mapped")),
            (0, 0, Error::Invalid("range to be mapped")),
        ] {
            assert_eq!(mapped.map(offset, len, USER), Err(error), "{offset} {len}");
        }
        mapped.map(0, 4096, USER).unwrap();
        // Its place does not change while it is mapped.
        assert_eq!(mapped.map(1 << 20, 4096, USER), Err(Error::NoMemory));
        let mut never = MappedPages::<crate::NoRegion>::default();
        assert_eq!(never.map(0, 4096, USER), Err(Error::NoMemory));
        never.unmapped().unwrap();
    }
}
