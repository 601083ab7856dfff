//! What address spaces ask of the machine they run on.
//!
//! The kernel implements [`Machine`] by its direct map of physical memory; tests implement it by
//! vectors, with an allocator that fails when told to.

use crate::frames::{Frame, Owner};
use crate::paging::ENTRIES;

/// Physical memory and the translation caches.
///
/// Frames handed in are frames that this machine handed out and that are still referenced; an
/// implementation may answer nonsense (but must not misbehave) for others.
pub trait Machine {
    /// A frame with one reference and unspecified contents, or `None` when memory is exhausted.
    fn alloc(&mut self, owner: Owner) -> Option<Frame>;
    /// `2^order` contiguous frames, aligned to their size, as single frames with one reference each;
    /// the first is returned.
    fn alloc_contiguous(&mut self, order: u8, owner: Owner) -> Option<Frame>;
    /// Adds a reference; `false` when the count is at its limit.
    #[must_use]
    fn retain(&mut self, frame: Frame) -> bool;
    /// Drops a reference; the last one frees the frame.
    fn release(&mut self, frame: Frame);
    /// How many references the frame has; 0 for a frame that is not allocated.
    fn references(&self, frame: Frame) -> u32;

    /// Fills the frame with zeros.
    fn zero(&mut self, frame: Frame);
    /// Copies a whole frame.
    fn copy_frame(&mut self, from: Frame, to: Frame);

    /// Reads entry `index` (below 512) of a page table.
    fn load(&self, table: Frame, index: usize) -> u64;
    /// The first of the entries `from..end` (at most 512) of a page table that is not zero; `end` when all
    /// are. Most entries of most tables are, so eight are looked at together.
    fn find_entry(&self, table: Frame, from: usize, end: usize) -> usize {
        const GROUP: usize = 8;
        let end = end.min(ENTRIES);
        let mut index = from;
        while index < end {
            let after = index.wrapping_add(GROUP);
            if after <= end {
                let any = (0..GROUP).fold(0, |any, offset| {
                    any | self.load(table, index.wrapping_add(offset))
                });
                if any == 0 {
                    index = after;
                    continue;
                }
            }
            if self.load(table, index) != 0 {
                return index;
            }
            index = index.wrapping_add(1);
        }
        end
    }
    /// Writes entry `index` (below 512) of a page table.
    fn store(&mut self, table: Frame, index: usize, entry: u64);
    /// Makes a frame a root table: the user half empty, the kernel's half as in every other.
    fn init_root(&mut self, root: Frame);

    /// Copies memory out of a user page at a physical address; the range stays in one frame.
    fn read(&self, address: u64, into: &mut [u8]);
    /// Copies memory into a user page at a physical address; the range stays in one frame.
    fn write(&mut self, address: u64, from: &[u8]);
    /// Copies between user pages; both ranges stay in one frame each and may be in the same one.
    fn copy(&mut self, from: u64, to: u64, len: usize);

    /// Forgets the cached translation of one page in the space with this root table.
    fn flush_page(&mut self, root: Frame, address: usize);
    /// Forgets where the tables of the space with this root table are: one has been taken out. A processor may
    /// keep the way to a table that no present page was ever found through.
    fn flush_tables(&mut self, root: Frame);
    /// Forgets every cached translation of the space with this root table.
    fn flush_all(&mut self, root: Frame);
}

#[cfg(any(test, feature = "sim"))]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
pub mod sim;
