//! Memory that others map: the pages of a file that are mapped.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use rangemap::RangeSet;

use crate::data::PAGE;
use crate::error::Error;

/// Memory at an address of this process, which others can map and change at any time. Ranges of it that are committed or
/// released are whole pages.
pub trait Region: Sized {
    /// Room for `len` bytes, whole pages, of which nothing is committed.
    fn reserve(len: usize) -> Option<Self>;

    /// Its address.
    fn address(&self) -> usize;

    /// Its length.
    fn capacity(&self) -> usize;

    /// Has memory for a range, whatever is in it; `false` if there is not enough of what users may have.
    fn commit(&mut self, range: Range<usize>) -> bool;

    /// Whether so many bytes could be committed now, anywhere.
    fn room(len: usize) -> bool;

    /// Gives the memory of a range back, if that can be done, also of one that was committed in part.
    fn release(&mut self, range: Range<usize>);

    /// Copies out what is at `at`, where it is committed.
    fn read(&self, at: usize, buf: &mut [u8]);

    /// Copies in, where it is committed.
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

    fn commit(&mut self, _: Range<usize>) -> bool {
        match *self {}
    }

    fn room(_: usize) -> bool {
        false
    }

    fn release(&mut self, _: Range<usize>) {}

    fn read(&self, _: usize, _: &mut [u8]) {}

    fn write(&mut self, _: usize, _: &[u8]) {}
}

/// Least that a region has room for, so that a file can grow under its mappings.
const LEAST: u64 = 1 << 20;
/// A region has room for so many times what is mapped first.
const ROOM: u64 = 8;
/// Most that a region has room for: what can be mapped of a file. It takes addresses, of which a process has 2^47.
const MOST: u64 = 1 << 32;
/// How much is filled at once.
const PIECE: u64 = 1 << 17;

const fn bytes(range: &Range<u64>) -> usize {
    range.end.saturating_sub(range.start) as usize
}

const fn places(range: &Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// The pages of a file that are mapped, or have been since it was first.
///
/// They stay where they are until the last mapping is gone; a mapping of what lies beyond the end of it is refused
/// until then.
#[derive(Debug)]
pub struct Window<R> {
    region: R,
    maps: u64,
    /// What of the file is here: whole pages.
    held: RangeSet<u64>,
    /// Who pays for how much of it.
    payers: BTreeMap<u32, u64>,
}

impl<R: Region> Window<R> {
    /// Room for the first `end` bytes and more of a file of `size` bytes, with nothing in it.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(end: u64, size: u64) -> Result<Self, Error> {
        if end > MOST {
            return Err(Error::NoMemory);
        }
        let len = end.max(size).saturating_mul(ROOM).clamp(LEAST, MOST);
        let len = len.next_multiple_of(PAGE as u64) as usize;
        let region = R::reserve(len).ok_or(Error::NoMemory)?;
        Ok(Self {
            region,
            maps: 0,
            held: RangeSet::new(),
            payers: BTreeMap::new(),
        })
    }

    /// The end of what it has room for of the file.
    pub fn end(&self) -> u64 {
        self.region.capacity() as u64
    }

    /// How many bytes it holds.
    pub fn bytes(&self) -> u64 {
        self.payers
            .values()
            .fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Who pays for it, and how much.
    pub fn payers(&self) -> impl Iterator<Item = (u32, u64)> {
        self.payers.iter().map(|(user, bytes)| (*user, *bytes))
    }

    /// Whether anybody has it mapped.
    pub const fn is_mapped(&self) -> bool {
        self.maps > 0
    }

    /// What a mapping is of, if it is inside: whole pages.
    fn range(&self, offset: u64, len: u64) -> Result<Range<u64>, Error> {
        let end = offset
            .checked_add(len)
            .and_then(|end| end.checked_next_multiple_of(PAGE as u64))
            .filter(|end| *end <= self.end())
            .ok_or(Error::NoMemory)?;
        if len == 0 || !offset.is_multiple_of(PAGE as u64) {
            return Err(Error::Invalid("range to be mapped"));
        }
        Ok(offset..end)
    }

    /// How many bytes more it holds when this is mapped.
    ///
    /// # Errors
    /// As [`Window::map`], but for want of memory.
    pub fn missing(&self, offset: u64, len: u64) -> Result<u64, Error> {
        let wanted = self.range(offset, len)?;
        let gaps = self.held.gaps(&wanted);
        Ok(gaps.fold(0, |sum: u64, gap| sum.saturating_add(bytes(&gap) as u64)))
    }

    /// One more mapping, of which `payer` pays for what nobody had mapped; its address. `fill` tells what is in the file
    /// at a place.
    ///
    /// # Errors
    /// [`Error::NoMemory`], also beyond its end; [`Error::Invalid`] for what are not pages; those of `fill`.
    pub fn map(
        &mut self,
        offset: u64,
        len: u64,
        payer: u32,
        mut fill: impl FnMut(u64, &mut [u8]) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let wanted = self.range(offset, len)?;
        let mut piece = Vec::new();
        let longest = PIECE.min(bytes(&wanted) as u64) as usize;
        piece
            .try_reserve_exact(longest)
            .map_err(|_| Error::NoMemory)?;
        piece.resize(longest, 0);
        let gaps: Vec<Range<u64>> = self.held.gaps(&wanted).collect();
        for (place, gap) in gaps.iter().enumerate() {
            if let Err(error) = self.take_in(gap, &mut piece, &mut fill) {
                for gap in gaps.iter().take(place.saturating_add(1)) {
                    self.region.release(places(gap));
                }
                return Err(error);
            }
        }
        for gap in gaps {
            let paid = self.payers.entry(payer).or_insert(0);
            *paid = paid.saturating_add(bytes(&gap) as u64);
            self.held.insert(gap);
        }
        self.maps = self.maps.saturating_add(1);
        Ok(self.region.address().wrapping_add(offset as usize))
    }

    /// Commits a range and fills it.
    fn take_in(
        &mut self,
        range: &Range<u64>,
        piece: &mut [u8],
        fill: &mut impl FnMut(u64, &mut [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.region.commit(places(range)) {
            return Err(Error::NoMemory);
        }
        let mut at = range.start;
        while at < range.end {
            let len = bytes(&(at..range.end)).min(piece.len());
            let now = piece.get_mut(..len).unwrap_or_default();
            if now.is_empty() {
                break;
            }
            now.fill(0);
            fill(at, now)?;
            self.region.write(at as usize, now);
            at = at.saturating_add(len as u64);
        }
        Ok(())
    }

    /// One mapping less; whether it was the last.
    pub const fn unmap(&mut self) -> bool {
        self.maps = self.maps.saturating_sub(1);
        self.maps == 0
    }

    /// The pieces of `len` bytes at `offset`: how long each is, and whether it is here.
    pub fn pieces(&self, offset: u64, len: usize) -> impl Iterator<Item = (usize, bool)> {
        let end = offset.saturating_add(len as u64);
        let mut at = offset;
        core::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (to, held) = match self.held.get(&at) {
                Some(range) => (range.end.min(end), true),
                None => {
                    let next = self.held.overlapping(at..end).next();
                    (next.map_or(end, |range| range.start), false)
                }
            };
            let len = bytes(&(at..to));
            at = to;
            Some((len, held))
        })
    }

    /// What of the file's first `size` bytes is here, beginning at `from`.
    pub fn held(&self, from: u64, size: u64) -> Option<Range<u64>> {
        if from >= size {
            return None;
        }
        let range = self.held.overlapping(from..size).next()?;
        Some(range.start.max(from)..range.end.min(size))
    }

    /// Copies out what is here.
    pub fn read(&self, offset: u64, buf: &mut [u8]) {
        let (mut at, mut rest) = (offset, buf);
        for (len, held) in self.pieces(offset, rest.len()) {
            let (now, later) = rest.split_at_mut_checked(len).unwrap_or_default();
            if held {
                self.region.read(at as usize, now);
            }
            at = at.saturating_add(len as u64);
            rest = later;
        }
    }

    /// Copies in what is here.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let end = offset.saturating_add(data.len() as u64);
        let mut at = offset;
        while let Some(range) = self.held(at, end) {
            let from = range.start.saturating_sub(offset) as usize;
            let to = range.end.saturating_sub(offset) as usize;
            self.region
                .write(range.start as usize, data.get(from..to).unwrap_or(&[]));
            at = range.end;
        }
    }

    /// The file ends at `size`: what is beyond is zeros.
    pub fn cut(&mut self, size: u64, old_size: u64) {
        let zeros = [0; PAGE];
        let mut at = size;
        while let Some(range) = self.held(at, old_size) {
            let len = bytes(&range).min(PAGE);
            let bytes = zeros.get(..len).unwrap_or(&zeros);
            self.region.write(range.start as usize, bytes);
            at = range.start.saturating_add(len as u64);
        }
    }

    /// Gives back the memory of a range that is here, whole pages. Who paid for it pays on.
    pub fn release(&mut self, range: Range<u64>) {
        self.region.release(places(&range));
        self.held.remove(range);
    }
}
