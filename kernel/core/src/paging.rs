//! Page tables in the format of x86-64: four levels of 512 entries of eight bytes.
//!
//! The arithmetic (indices, ranges), the entries' bits and the walk are here; the tables themselves
//! are reached through a [`Machine`]. A table that holds nothing is given back at once: every entry
//! that points to a table counts that table's own entries in its bits 52..=61, which the
//! processor ignores there.
//!
//! An entry may be remembered without being present: a page with no access still belongs to the
//! space. All zeros means that there is no page.

mod entry;
mod table;

pub use entry::{Cache, Entry, PAT, Prot};
pub use table::PageTable;

/// log2 of the page size.
pub const PAGE_SHIFT: u32 = 12;
/// The page size in bytes.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Entries of one table.
pub const ENTRIES: usize = 512;
/// Levels of tables; level 0 holds the pages' entries, level `LEVELS - 1` is the root.
pub const LEVELS: usize = 4;

const INDEX_BITS: u32 = 9;
const ADDRESS_MASK: u64 = 0x000f_ffff_ffff_f000;
const COUNT_SHIFT: u32 = 52;
const COUNT_ONE: u64 = 1 << COUNT_SHIFT;
const COUNT_MASK: u64 = 0x3ff << COUNT_SHIFT;

/// The lowest user address that can be mapped; what is below catches null pointers.
pub const USER_START: usize = 0x1_0000;
/// The end of user addresses. The last page of the lower half stays empty, so that no instruction
/// can end at the non-canonical hole.
pub const USER_END: usize = 0x0000_7fff_ffff_f000;
/// Number of the first user page.
pub const USER_FIRST_PAGE: usize = USER_START >> PAGE_SHIFT;
/// Number of the page after the last user page.
pub const USER_END_PAGE: usize = USER_END >> PAGE_SHIFT;

/// Whether an address is canonical: bits 47..=63 are equal.
pub const fn is_canonical(address: usize) -> bool {
    let high = (address as i64) >> 47;
    high == 0 || high == -1
}

/// The index into the table of `level` for a page number.
pub const fn index_of(page: usize, level: usize) -> usize {
    (page >> (INDEX_BITS as usize).wrapping_mul(level)) & (ENTRIES - 1)
}

/// How many pages one entry of a table of `level` covers.
pub const fn pages_of(level: usize) -> usize {
    1_usize.wrapping_shl(INDEX_BITS.wrapping_mul(level as u32))
}

/// A run of whole user pages, by number. Never empty, never outside the user half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    start: usize,
    end: usize,
}

impl PageRange {
    /// The pages `start..end`; `None` if that is empty or leaves the user half.
    pub const fn new(start: usize, end: usize) -> Option<Self> {
        if start >= USER_FIRST_PAGE && start < end && end <= USER_END_PAGE {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// The pages of `size` bytes at `base`: `size` is rounded up to whole pages, `base` must be
    /// a page boundary. `None` if the range is empty, unaligned, overflows or leaves the user half.
    pub fn of_bytes(base: usize, size: usize) -> Option<Self> {
        if !base.is_multiple_of(PAGE_SIZE) {
            return None;
        }
        let pages = pages_for(size)?;
        Self::with_len(base >> PAGE_SHIFT, pages)
    }

    /// `len` pages from `start`.
    pub fn with_len(start: usize, len: usize) -> Option<Self> {
        Self::new(start, start.checked_add(len)?)
    }

    /// What of the range is not before a page; `None` for nothing.
    #[must_use]
    pub fn rest_from(self, page: usize) -> Option<Self> {
        Self::new(self.start.max(page), self.end)
    }

    /// Number of the first page.
    pub const fn start(self) -> usize {
        self.start
    }

    /// Number of the page after the last.
    pub const fn end(self) -> usize {
        self.end
    }

    /// How many pages; at least 1.
    pub const fn len(self) -> usize {
        self.end.wrapping_sub(self.start)
    }

    /// Never.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Address of the first byte.
    pub const fn base(self) -> usize {
        self.start << PAGE_SHIFT
    }

    /// Length in bytes.
    pub const fn size(self) -> usize {
        self.len() << PAGE_SHIFT
    }

    /// Whether a page is inside.
    pub const fn contains(self, page: usize) -> bool {
        self.start <= page && page < self.end
    }

    /// The common part.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// Whether there is a common part.
    pub fn overlaps(self, other: Self) -> bool {
        self.intersection(other).is_some()
    }

    /// The page numbers.
    pub fn pages(self) -> core::ops::Range<usize> {
        self.start..self.end
    }
}

/// How many whole pages hold `size` bytes; `None` when that overflows.
pub const fn pages_for(size: usize) -> Option<usize> {
    match size.checked_add(PAGE_SIZE - 1) {
        Some(up) => Some(up >> PAGE_SHIFT),
        None => None,
    }
}

#[cfg(test)]
mod tests;
