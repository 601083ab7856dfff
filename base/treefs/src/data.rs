//! What is in a file.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::error::Error;

/// Bytes of a page: the unit in which files take memory.
pub const PAGE: usize = 4096;
const PAGE_BYTES: u64 = PAGE as u64;
/// Size of the largest file.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// The bytes of one file.
///
/// A daemon that maps files into other processes supplies its own, over memory it can hand out.
pub trait FileData: Default {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Bytes of memory it takes, in whole pages, but for what others have mapped.
    fn allocated(&self) -> u64;

    /// Bytes of memory that it takes because others have it mapped, or had, in whole pages.
    fn mapped_bytes(&self) -> u64 {
        0
    }

    /// Who pays for those, and for how many.
    fn mapped(&self) -> Vec<(u32, u64)> {
        Vec::new()
    }

    /// Reads at `offset` as much as there is; returns how much.
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize;

    /// How many of `len` bytes (at most [`MAX_SIZE`] with the offset) can be written at `offset`
    /// while taking at most `budget` more bytes of memory.
    fn fits(&self, offset: u64, len: usize, budget: u64) -> usize;

    /// Writes all of `data` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::ReadOnly`]; what was written before the error stays.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Error>;

    /// Makes the file `size` bytes (at most [`MAX_SIZE`]) long. What is added is a hole that reads
    /// as zeros.
    ///
    /// # Errors
    /// [`Error::ReadOnly`].
    fn set_size(&mut self, size: u64) -> Result<(), Error>;

    /// How many bytes more are [`FileData::mapped`] when this of it is mapped, and how many of them are no longer
    /// [`FileData::allocated`] then.
    fn cost_of_map(&self, _offset: u64, _len: u64) -> (u64, u64) {
        (0, 0)
    }

    /// See [`crate::Store::map`].
    ///
    /// # Errors
    /// [`Error::Invalid`], unless it can be mapped.
    fn map(&mut self, _offset: u64, _len: u64, _payer: u32) -> Result<usize, Error> {
        Err(Error::Invalid("kind of file: it cannot be mapped"))
    }

    /// A mapping is gone; for what nobody pays any more.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: nothing is lost, and what is paid for is [`FileData::mapped`] as before.
    fn unmapped(&mut self) -> Result<Vec<(u32, u64)>, Error> {
        Ok(Vec::new())
    }
}

/// Bytes in pages; a page that was never written takes no memory.
#[derive(Debug, Default)]
pub struct SparsePages {
    size: u64,
    // Bytes of the last page beyond `size` are zero, so that growing needs no clearing.
    pages: BTreeMap<u64, Box<[u8]>>,
}

/// The pages that `len` bytes at `offset` touch: of each its number, where in it they begin, and
/// how many there are.
fn spans(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    let mut left = len;
    core::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let page = at.checked_div(PAGE_BYTES)?;
        let begin = (at & (PAGE_BYTES.wrapping_sub(1))) as usize;
        let count = left.min(PAGE.saturating_sub(begin));
        at = at.saturating_add(count as u64);
        left = left.saturating_sub(count);
        Some((page, begin, count))
    })
}

impl SparsePages {
    /// How many bytes of memory more it takes when this is written.
    pub(crate) fn missing(&self, offset: u64, len: usize) -> u64 {
        let without = spans(offset, len).filter(|span| !self.pages.contains_key(&span.0));
        (without.count() as u64).saturating_mul(PAGE_BYTES)
    }

    /// The pages that a range touches and that take memory.
    fn in_range(&self, offset: u64, len: u64) -> impl Iterator<Item = u64> {
        let first = offset.checked_div(PAGE_BYTES).unwrap_or(0);
        let end = offset.saturating_add(len).div_ceil(PAGE_BYTES);
        self.pages
            .range(first..end.max(first))
            .map(|(number, _)| *number)
    }

    /// How much memory a range of whole pages takes.
    pub(crate) fn allocated_in(&self, offset: u64, len: u64) -> u64 {
        (self.in_range(offset, len).count() as u64).saturating_mul(PAGE_BYTES)
    }

    /// Makes a range of whole pages a hole.
    pub(crate) fn forget(&mut self, offset: u64, len: u64) {
        let numbers: Vec<u64> = self.in_range(offset, len).collect();
        for number in numbers {
            self.pages.remove(&number);
        }
    }
}

fn zeroed_page() -> Result<Box<[u8]>, Error> {
    let mut page = Vec::new();
    page.try_reserve_exact(PAGE).map_err(|_| Error::NoMemory)?;
    page.resize(PAGE, 0);
    Ok(page.into_boxed_slice())
}

impl FileData for SparsePages {
    fn size(&self) -> u64 {
        self.size
    }

    fn allocated(&self) -> u64 {
        (self.pages.len() as u64).saturating_mul(PAGE_BYTES)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let rest = self.size.saturating_sub(offset);
        let len = usize::try_from(rest).map_or(buf.len(), |rest| rest.min(buf.len()));
        let mut into = buf;
        for (page, begin, count) in spans(offset, len) {
            let Some((now, later)) = into.split_at_mut_checked(count) else {
                break;
            };
            let from = self.pages.get(&page);
            match from.and_then(|page| page.get(begin..begin.saturating_add(count))) {
                Some(bytes) => now.copy_from_slice(bytes),
                None => now.fill(0),
            }
            into = later;
        }
        len
    }

    fn fits(&self, offset: u64, len: usize, budget: u64) -> usize {
        let mut left = budget;
        let mut fit = 0_usize;
        for (page, _, count) in spans(offset, len) {
            if !self.pages.contains_key(&page) {
                match left.checked_sub(PAGE_BYTES) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
            fit = fit.saturating_add(count);
        }
        fit
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut from = data;
        for (number, begin, count) in spans(offset, data.len()) {
            let Some((now, later)) = from.split_at_checked(count) else {
                break;
            };
            let page = match self.pages.entry(number) {
                alloc::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                alloc::collections::btree_map::Entry::Vacant(entry) => entry.insert(zeroed_page()?),
            };
            if let Some(bytes) = page.get_mut(begin..begin.saturating_add(count)) {
                bytes.copy_from_slice(now);
            }
            let page_start = number.saturating_mul(PAGE_BYTES);
            let end = page_start
                .saturating_add(begin as u64)
                .saturating_add(count as u64);
            self.size = self.size.max(end);
            from = later;
        }
        Ok(())
    }

    fn set_size(&mut self, size: u64) -> Result<(), Error> {
        if size < self.size {
            let keep = size.div_ceil(PAGE_BYTES);
            self.pages.split_off(&keep);
            let tail = (size & PAGE_BYTES.wrapping_sub(1)) as usize;
            if let Some(last) = keep.checked_sub(1)
                && tail != 0
                && let Some(page) = self.pages.get_mut(&last)
                && let Some(bytes) = page.get_mut(tail..)
            {
                bytes.fill(0);
            }
        }
        self.size = size;
        Ok(())
    }
}

/// Bytes that are somewhere already, such as in a boot image: they can be read and take no memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Borrowed<'a>(pub &'a [u8]);

impl FileData for Borrowed<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn allocated(&self) -> u64 {
        0
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..));
        let rest = rest.unwrap_or(&[]);
        let len = rest.len().min(buf.len());
        if let (Some(into), Some(from)) = (buf.get_mut(..len), rest.get(..len)) {
            into.copy_from_slice(from);
        }
        len
    }

    fn fits(&self, _offset: u64, _len: usize, _budget: u64) -> usize {
        0
    }

    fn write(&mut self, _offset: u64, _data: &[u8]) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    fn set_size(&mut self, size: u64) -> Result<(), Error> {
        let shorter = usize::try_from(size)
            .ok()
            .and_then(|size| self.0.get(..size));
        self.0 = shorter.ok_or(Error::ReadOnly)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn holes_cost_nothing_and_read_as_zeros() {
        let mut file = SparsePages::default();
        file.set_size(1 << 40).unwrap();
        assert_eq!((file.size(), file.allocated()), (1 << 40, 0));
        let far = (1 << 39) + 5;
        file.write(far, b"abc").unwrap();
        assert_eq!((file.size(), file.allocated()), (1 << 40, PAGE_BYTES));
        let mut buf = [9; 7];
        assert_eq!(file.read(far - 2, &mut buf), 7);
        assert_eq!(&buf, b"\0\0abc\0\0");
        assert_eq!(file.read((1 << 40) - 3, &mut buf), 3);
        assert_eq!(file.read(1 << 40, &mut buf), 0);
        assert_eq!(file.read(u64::MAX, &mut buf), 0);
    }

    #[test]
    fn shrinking_and_growing_uncovers_nothing() {
        for cut in [0, 1, 4095, 4096, 4097, 8191] {
            let mut file = SparsePages::default();
            file.write(0, &[7; 8192]).unwrap();
            file.set_size(cut).unwrap();
            file.set_size(8192).unwrap();
            let mut buf = vec![1; 8192];
            assert_eq!(file.read(0, &mut buf), 8192);
            let cut = cut as usize;
            assert!(buf[..cut].iter().all(|byte| *byte == 7));
            assert!(buf[cut..].iter().all(|byte| *byte == 0), "{cut}");
            assert_eq!(file.allocated(), (cut as u64).div_ceil(4096) * 4096);
        }
    }

    #[test]
    fn a_budget_is_kept_to_the_page() {
        let mut file = SparsePages::default();
        file.write(4096, b"x").unwrap();
        for (offset, len, budget, want) in [
            (0, 10, 0, 0),
            (0, 10, 4095, 0),
            (0, 10, 4096, 10),
            (4096, 4096, 0, 4096),
            (4090, 20, 0, 0),
            (4100, 8192, 0, 4092),
            (4100, 8192, 4096, 8188),
            (0, 3 * 4096, 4096, 8192),
        ] {
            assert_eq!(
                file.fits(offset, len, budget),
                want,
                "{offset} {len} {budget}"
            );
        }
    }

    #[test]
    fn borrowed_bytes() {
        let mut file = Borrowed(b"hello");
        let mut buf = [0; 8];
        assert_eq!(file.read(1, &mut buf), 4);
        assert_eq!(&buf[..4], b"ello");
        assert_eq!(file.read(u64::MAX, &mut buf), 0);
        assert_eq!(file.write(0, b"x"), Err(Error::ReadOnly));
        assert_eq!(file.set_size(9), Err(Error::ReadOnly));
        file.set_size(0).unwrap();
        assert_eq!(file.size(), 0);
    }
}
