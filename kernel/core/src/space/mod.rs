//! An address space: its map, its page tables, and what can be done with them.
//!
//! The invariants:
//!
//! 1. An entry exists only for a page that the map grants. Every entry that does not say
//!    [`Entry::DEVICE`] holds one reference to its frame.
//! 2. A writable entry in a region that is not shared names a frame that nobody else may expect to
//!    keep its contents: either the only reference is this one, or the page is lent
//!    ([`Entry::LENT`]) and the others want to see the writes, or they took a snapshot that they
//!    copy before writing.
//! 3. An entry marked [`Entry::COW`] is never writable. Writing to it first makes the frame its own:
//!    without copying if no other reference is left.
//! 4. No table is empty but the root.
//!
//! Every operation either succeeds or leaves the space in a state in which the invariants hold and
//! everything that it did not name is as before. What it did name is as before, too, except where
//! `MAP_FIXED` or `FIXED_REPLACE` had to unmap the range first.

mod copy;
mod loan;
mod moving;
mod region;

use crate::NoMemory;
use crate::frames::{Frame, Owner};
use crate::machine::Machine;
use crate::paging::{
    Cache, Entry, PAGE_SHIFT, PAGE_SIZE, PageRange, PageTable, Prot, USER_END, pages_for,
};
use crate::vmap::VMap;

pub use copy::{Copying, Progress};
pub use loan::{Lend, Loan};
pub use region::{
    Access, Kind, Mapped, OnRelease, Region, Request, STANDING, Segv, SpaceError, Terms,
};

use syscall::MapFlags;

/// With more pages than this the whole translation cache is forgotten instead of single entries.
const FLUSH_LIMIT: usize = 32;

/// Pages whose cached translations are to be forgotten at the end of an operation. Frames may be
/// released before that: nobody else can get them before the operation ends.
struct Stale {
    pages: [usize; FLUSH_LIMIT],
    count: usize,
}

impl Stale {
    const fn new() -> Self {
        Self {
            pages: [0; FLUSH_LIMIT],
            count: 0,
        }
    }

    fn add(&mut self, page: usize) {
        if let Some(slot) = self.pages.get_mut(self.count) {
            *slot = page;
        }
        self.count = self.count.saturating_add(1);
    }

    fn flush<M: Machine>(self, m: &mut M, root: Frame) {
        match self.pages.get(..self.count) {
            Some(pages) => {
                for page in pages {
                    m.flush_page(root, page << PAGE_SHIFT);
                }
            }
            None => m.flush_all(root),
        }
    }
}

/// An address space.
#[derive(Debug)]
pub struct AddrSpace {
    table: PageTable,
    map: VMap<Region>,
}

impl AddrSpace {
    /// An empty space.
    ///
    /// # Errors
    /// No memory.
    pub fn new<M: Machine>(m: &mut M) -> Result<Self, SpaceError> {
        Ok(Self {
            table: PageTable::new(m)?,
            map: VMap::new(),
        })
    }

    /// The root page table: what the processor is given to switch to this space.
    pub const fn root(&self) -> Frame {
        self.table.root()
    }

    /// What is mapped, ascending.
    pub fn grants(&self) -> impl Iterator<Item = syscall::GrantDesc> {
        self.map
            .iter()
            .map(|grant| grant.content.describe(grant.range))
    }

    /// How many regions there are.
    pub fn region_count(&self) -> usize {
        self.map.len()
    }

    /// How many pages are mapped, touched or not.
    pub const fn page_count(&self) -> usize {
        self.map.pages()
    }

    /// Whether all of a range is mapped with at least this protection.
    pub fn allows(&self, base: usize, size: usize, prot: Prot) -> bool {
        PageRange::of_bytes(base, size).is_some_and(|range| {
            self.map.is_covered(range)
                && self
                    .map
                    .overlapping(range)
                    .all(|grant| grant.content.prot.contains(prot))
        })
    }

    /// The region that an address is in, and its pages.
    pub fn region_at(&self, address: usize) -> Option<(PageRange, &Region)> {
        let grant = self.map.find(address >> PAGE_SHIFT)?;
        Some((grant.range, &grant.content))
    }

    /// Finds room for a request and reserves `records` in the map; unmaps what is there if the
    /// request says so.
    fn place<M: Machine>(
        &mut self,
        m: &mut M,
        request: &Request,
        records: usize,
        on_release: OnRelease<'_>,
    ) -> Result<PageRange, SpaceError> {
        let flags = request.flags;
        if flags.contains(MapFlags::MAP_SHARED | MapFlags::MAP_PRIVATE) {
            return Err(SpaceError::Invalid);
        }
        let pages = pages_for(request.size).filter(|&pages| pages > 0);
        let pages = pages.ok_or(SpaceError::Invalid)?;
        if !flags.contains(MapFlags::MAP_FIXED) {
            self.map.reserve(records)?;
            let hint = Some(request.address >> PAGE_SHIFT).filter(|&page| page != 0);
            let min = pages_for(request.min).ok_or(SpaceError::Invalid)?;
            return self
                .map
                .find_free(pages, hint, min)
                .ok_or(SpaceError::NoMemory);
        }
        let range = PageRange::of_bytes(request.address, request.size);
        let range = range.ok_or(SpaceError::Invalid)?;
        // The bit of MAP_FIXED is part of MAP_FIXED_NOREPLACE.
        if flags.contains(MapFlags::MAP_FIXED_NOREPLACE) {
            self.map.reserve(records)?;
            if !self.map.is_free(range) {
                return Err(SpaceError::Exists);
            }
        } else {
            self.map.reserve(records.saturating_add(1))?;
            self.clear(m, range, on_release)?;
        }
        Ok(range)
    }

    /// Maps zeroed memory that is allocated page by page when it is first touched. Returns the address.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`], [`SpaceError::Exists`], [`SpaceError::NoMemory`].
    pub fn map_anon<M: Machine>(
        &mut self,
        m: &mut M,
        request: &Request,
        on_release: OnRelease<'_>,
    ) -> Result<usize, SpaceError> {
        let range = self.place(m, request, 1, on_release)?;
        let region = Region {
            kind: Kind::Anon,
            prot: Prot::from_map_flags(request.flags),
            max: Prot::ALL,
            shared: request.flags.contains(MapFlags::MAP_SHARED),
            lent: None,
            record: None,
            offset: 0,
        };
        self.map.insert(range, region)?;
        Ok(range.base())
    }

    /// Maps a device's physical addresses from `physical`, which is a page boundary, with never more than
    /// `max`. Returns the address.
    ///
    /// # Errors
    /// [`SpaceError::Access`], [`SpaceError::Invalid`], [`SpaceError::Exists`], [`SpaceError::NoMemory`].
    pub fn map_device<M: Machine>(
        &mut self,
        m: &mut M,
        request: &Request,
        physical: u64,
        cache: Cache,
        max: Prot,
        on_release: OnRelease<'_>,
    ) -> Result<usize, SpaceError> {
        let pages = pages_for(request.size).ok_or(SpaceError::Invalid)?;
        let loan = Loan::of_device(physical, pages, cache).ok_or(SpaceError::Invalid)?;
        let terms = Terms {
            record: None,
            offset: 0,
            max,
        };
        self.map_loan(m, request, loan, &terms, on_release)
    }

    /// Maps zeroed memory that is adjacent in physical memory, for devices, with never more than `max`.
    /// Copies of the space share it. Returns the address and the physical address.
    ///
    /// # Errors
    /// [`SpaceError::Access`], [`SpaceError::Invalid`], [`SpaceError::Exists`], [`SpaceError::NoMemory`].
    pub fn map_contiguous<M: Machine>(
        &mut self,
        m: &mut M,
        request: &Request,
        max: Prot,
        on_release: OnRelease<'_>,
    ) -> Result<(usize, u64), SpaceError> {
        let pages = pages_for(request.size).filter(|&pages| pages > 0);
        let pages = pages.ok_or(SpaceError::Invalid)?;
        let loan = Loan::contiguous(m, pages)?;
        let physical = loan.first_address();
        let terms = Terms {
            record: None,
            offset: 0,
            max,
        };
        let base = self.map_loan(m, request, loan, &terms, on_release)?;
        Ok((base, physical))
    }

    /// Unmaps every page of a range; holes in it do not matter. `base` must be a page boundary,
    /// `size` is rounded up.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`]; [`SpaceError::NoMemory`] if a region had to be cut in two and there
    /// was no memory for the record (nothing has changed).
    pub fn unmap<M: Machine>(
        &mut self,
        m: &mut M,
        base: usize,
        size: usize,
        on_release: OnRelease<'_>,
    ) -> Result<(), SpaceError> {
        let range = PageRange::of_bytes(base, size).ok_or(SpaceError::Invalid)?;
        self.clear(m, range, on_release)?;
        self.map.trim();
        Ok(())
    }

    /// As [`Self::unmap`], from the beginning of the range, and at most `limit` (not 0) pages of it that
    /// hold something; so that unmapping much can be done in parts, by the same call again. `false`:
    /// there is more.
    ///
    /// # Errors
    /// As [`Self::unmap`].
    pub fn unmap_part<M: Machine>(
        &mut self,
        m: &mut M,
        base: usize,
        size: usize,
        limit: usize,
        on_release: OnRelease<'_>,
    ) -> Result<bool, SpaceError> {
        let range = PageRange::of_bytes(base, size).ok_or(SpaceError::Invalid)?;
        let mut end = range.end();
        if range.len() > limit {
            // What fails at the end of the range for want of a record is to fail before anything is done.
            self.map.reserve(1)?;
            let mut left = limit.max(1);
            // Ends early with the first page that is too many.
            let counted = self.table.visit(m, range, &mut |_, page, entry| {
                left = left.checked_sub(1).ok_or(page)?;
                Ok::<_, usize>(entry)
            });
            end = counted.err().unwrap_or(end);
        }
        if let Some(part) = PageRange::new(range.start(), end) {
            self.clear(m, part, on_release)?;
        }
        self.map.trim();
        Ok(end == range.end())
    }

    /// Unmaps a range.
    fn clear<M: Machine>(
        &mut self,
        m: &mut M,
        range: PageRange,
        on_release: OnRelease<'_>,
    ) -> Result<(), NoMemory> {
        self.map.remove(range, &mut |part, region: &Region| {
            if let Some(mapped) = region.report(part) {
                on_release(mapped);
            }
        })?;
        drop_pages(m, &mut self.table, range);
        Ok(())
    }

    /// Changes the protection of a range to the `PROT_*` bits of `flags`.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`]; [`SpaceError::NoMemory`] if the range has holes or there was no
    /// memory for records; [`SpaceError::Access`] if a region can never allow that. Nothing
    /// has changed then.
    pub fn protect<M: Machine>(
        &mut self,
        m: &mut M,
        base: usize,
        size: usize,
        flags: MapFlags,
    ) -> Result<(), SpaceError> {
        let range = PageRange::of_bytes(base, size).ok_or(SpaceError::Invalid)?;
        let prot = Prot::from_map_flags(flags);
        if !self.map.is_covered(range) {
            return Err(SpaceError::NoMemory);
        }
        if !self
            .map
            .overlapping(range)
            .all(|grant| grant.content.max.contains(prot))
        {
            return Err(SpaceError::Access);
        }
        self.map.update(range, &mut |region| region.prot = prot)?;
        let mut stale = Stale::new();
        let Ok(()) = self.table.visit(m, range, &mut |_, page, entry| {
            let new = entry.with_prot(prot);
            if new != entry && entry.has(Entry::PRESENT) {
                stale.add(page);
            }
            Ok::<_, core::convert::Infallible>(new)
        });
        stale.flush(m, self.root());
        Ok(())
    }

    /// Makes every page of a range one of the space's own that can be written to.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`]; [`SpaceError::NoMemory`] if the range has holes or there was no memory for all of the
    /// pages; [`SpaceError::Access`] if some cannot be written to. The pages before are as wished then.
    pub fn commit<M: Machine>(
        &mut self,
        m: &mut M,
        base: usize,
        size: usize,
    ) -> Result<(), SpaceError> {
        let range = PageRange::of_bytes(base, size).ok_or(SpaceError::Invalid)?;
        for page in range.pages() {
            self.resolve_entry(m, page << PAGE_SHIFT, Access::Write)
                .map_err(|error| match error {
                    Segv::Protection => SpaceError::Access,
                    _ => SpaceError::NoMemory,
                })?;
        }
        Ok(())
    }

    /// Makes an access possible that the page tables did not allow: allocates a page that was never
    /// touched, copies one that is shared until written.
    ///
    /// # Errors
    /// Why the access is not possible.
    pub fn fault<M: Machine>(
        &mut self,
        m: &mut M,
        address: usize,
        access: Access,
    ) -> Result<(), Segv> {
        self.resolve(m, address, access).map(|_| ())
    }

    /// The physical address of a user address, if it is memory that the page tables allow to be
    /// accessed as they are.
    #[inline(always)]
    pub fn translate<M: Machine>(&mut self, m: &M, address: usize, write: bool) -> Option<u64> {
        let page = self.table.translate(m, address >> PAGE_SHIFT, write)?;
        Some(page | (address % PAGE_SIZE) as u64)
    }

    /// The physical address of a user address, of memory or a device, after making the access
    /// possible as [`Self::fault`] does. Valid until the space is changed.
    ///
    /// # Errors
    /// Why the access is not possible.
    pub fn resolve<M: Machine>(
        &mut self,
        m: &mut M,
        address: usize,
        access: Access,
    ) -> Result<u64, Segv> {
        let entry = self.resolve_entry(m, address, access)?;
        Ok(entry.address() | (address % PAGE_SIZE) as u64)
    }

    /// The entry of a user address after making the access possible.
    pub(crate) fn resolve_entry<M: Machine>(
        &mut self,
        m: &mut M,
        address: usize,
        access: Access,
    ) -> Result<Entry, Segv> {
        if address >= USER_END {
            return Err(Segv::Unmapped);
        }
        let page = address >> PAGE_SHIFT;
        let grant = self.map.find(page).ok_or(Segv::Unmapped)?;
        let region = &grant.content;
        let allowed = match access {
            Access::Read => !region.prot.is_none(),
            Access::Write => region.prot.contains(Prot::WRITE),
            Access::Exec => region.prot.contains(Prot::EXEC),
        };
        if !allowed {
            return Err(Segv::Protection);
        }
        let entry = present(m, &mut self.table, region, page)?;
        if access == Access::Write && !entry.has(Entry::WRITE) {
            return own(m, &mut self.table, region, page, entry);
        }
        Ok(entry)
    }

    /// Unmaps everything and gives back every frame. The space must not be active on any processor.
    pub fn destroy<M: Machine>(self, m: &mut M, on_release: OnRelease<'_>) {
        self.end(on_release).free_part(m, usize::MAX);
    }

    /// Ends the space: nothing is mapped any more. What was has to be given back, which may take long and
    /// can be done in parts. The space must not be active on any processor.
    pub fn end(self, on_release: OnRelease<'_>) -> Remains {
        for grant in self.map.iter() {
            if let Some(mapped) = grant.content.report(grant.range) {
                on_release(mapped);
            }
        }
        Remains { table: self.table }
    }
}

/// What a space that has ended still holds.
#[derive(Debug)]
pub struct Remains {
    table: PageTable,
}

impl Remains {
    /// Gives back `limit` (not 0) pages, or up to 511 more. `true`: that was all, and this is only to be
    /// dropped.
    pub fn free_part<M: Machine>(&mut self, m: &mut M, limit: usize) -> bool {
        self.table.free_part(m, limit, &mut drop_entry)
    }
}

/// Gives up the reference that an entry holds.
fn drop_entry<M: Machine>(m: &mut M, entry: Entry) {
    if !entry.has(Entry::DEVICE)
        && let Some(frame) = entry.frame()
    {
        m.release(frame);
    }
}

/// Removes the entries of a range and what they refer to.
fn drop_pages<M: Machine>(m: &mut M, table: &mut PageTable, range: PageRange) {
    let mut stale = Stale::new();
    let Ok(()) = table.visit(m, range, &mut |m, page, entry| {
        if entry.has(Entry::PRESENT) {
            stale.add(page);
        }
        drop_entry(m, entry);
        Ok::<_, core::convert::Infallible>(Entry::EMPTY)
    });
    stale.flush(m, table.root());
}

/// The entry of a page of `region`, allocated if it was never touched.
fn present<M: Machine>(
    m: &mut M,
    table: &mut PageTable,
    region: &Region,
    page: usize,
) -> Result<Entry, Segv> {
    let entry = table.get(m, page);
    if !entry.is_empty() {
        return Ok(entry);
    }
    if region.kind != Kind::Anon {
        return Err(Segv::Protection);
    }
    let frame = m.alloc(Owner::User).ok_or(Segv::NoMemory)?;
    m.zero(frame);
    let entry = Entry::page(frame.address(), region.prot, Cache::WriteBack, 0);
    if table.set(m, page, entry).is_err() {
        m.release(frame);
        return Err(Segv::NoMemory);
    }
    Ok(entry)
}

/// Makes a page its region's own, so that it can be written without anybody noticing who
/// should not. The protection stays the region's.
fn own<M: Machine>(
    m: &mut M,
    table: &mut PageTable,
    region: &Region,
    page: usize,
    entry: Entry,
) -> Result<Entry, Segv> {
    let frame = entry.frame().ok_or(Segv::Protection)?;
    let shared = entry.has(Entry::COW) && m.references(frame) > 1;
    let new = if shared {
        let copy = m.alloc(Owner::User).ok_or(Segv::NoMemory)?;
        m.copy_frame(frame, copy);
        Entry::page(copy.address(), region.prot, Cache::WriteBack, 0)
    } else {
        entry.without(Entry::COW).with_prot(region.prot)
    };
    // The tables are there, so that this does not allocate.
    if table.set(m, page, new).is_err() {
        return Err(Segv::NoMemory);
    }
    if shared {
        m.release(frame);
    }
    m.flush_page(table.root(), page << PAGE_SHIFT);
    Ok(new)
}

#[cfg(test)]
mod tests;
