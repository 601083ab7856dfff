//! Moving pages: within a space (`mremap`) and from one space to another.

use alloc::vec::Vec;

use super::{
    AddrSpace, Kind, Lend, OnRelease, Region, Request, SpaceError, Terms, drop_entry, drop_pages,
};
use crate::NoMemory;
use crate::machine::Machine;
use crate::paging::{Entry, PAGE_SHIFT, PageRange, PageTable, Prot, pages_for};
use crate::vmap::VMap;
use syscall::{MapFlags, MremapFlags};

/// The regions of a range with their place relative to its start.
struct Pieces(Vec<(usize, usize, Region)>);

impl Pieces {
    /// Of a range without holes, with `prot` instead of their own protection.
    fn of(map: &VMap<Region>, range: PageRange, prot: Option<Prot>) -> Result<Self, SpaceError> {
        use crate::vmap::Content;
        if !map.is_covered(range) {
            return Err(SpaceError::Fault);
        }
        let mut pieces = Vec::new();
        pieces
            .try_reserve_exact(map.overlapping(range).count())
            .map_err(NoMemory::from)?;
        for grant in map.overlapping(range) {
            let Some(part) = grant.range.intersection(range) else {
                continue;
            };
            if grant.content.lent.is_some() {
                return Err(SpaceError::Access);
            }
            let skipped = part.start().saturating_sub(grant.range.start());
            let mut region = grant.content.advance(skipped);
            if let Some(prot) = prot {
                if !region.max.contains(prot) {
                    return Err(SpaceError::Access);
                }
                region.prot = prot;
            }
            pieces.push((
                part.start().saturating_sub(range.start()),
                part.len(),
                region,
            ));
        }
        Ok(Self(pieces))
    }

    /// Adds them to a map that has room for them, from page `start` on.
    fn insert(self, map: &mut VMap<Region>, start: usize) -> Result<(), SpaceError> {
        Ok(map.insert_run(start, self.0)?)
    }
}

/// Enters the pages of `range` into another place as well, from page `start` on, each with a new
/// reference. `from` is the other space's table, if it is another. On failure nothing has been
/// entered.
fn duplicate<M: Machine>(
    m: &mut M,
    from: Option<&PageTable>,
    range: PageRange,
    to: &mut PageTable,
    start: usize,
    prot: Option<Prot>,
) -> Result<(), SpaceError> {
    let target = PageRange::with_len(start, range.len()).ok_or(SpaceError::Invalid)?;
    let mut rest = Some(range);
    while let Some(part) = rest {
        let Some((page, entry)) = from.unwrap_or(to).next(m, part) else {
            break;
        };
        let place = start.saturating_add(page.saturating_sub(range.start()));
        let entry = prot.map_or(entry, |prot| entry.with_prot(prot));
        let counted = match entry.frame() {
            Some(frame) if !entry.has(Entry::DEVICE) => m.retain(frame),
            _ => true,
        };
        if !counted {
            drop_pages(m, to, target);
            return Err(SpaceError::NoMemory);
        }
        if to.set(m, place, entry).is_err() {
            drop_entry(m, entry);
            drop_pages(m, to, target);
            return Err(SpaceError::NoMemory);
        }
        rest = PageRange::new(page.saturating_add(1), range.end());
    }
    Ok(())
}

impl AddrSpace {
    /// Moves, grows or shrinks what is mapped at `old` (`mremap`). With
    /// [`MremapFlags::KEEP_OLD`] the old range stays and both ranges are the same frames.
    ///
    /// `FIXED` puts it at `new` if that is free, `FIXED_REPLACE` in any case; otherwise `new` is a
    /// hint, and 0 means to stay if possible. `prot` replaces the protection. Only anonymous memory can grow. Returns the address.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`] (also for ranges that overlap, and for growing what cannot);
    /// [`SpaceError::Fault`] for holes in the old range; [`SpaceError::Access`], also for what is lent;
    /// [`SpaceError::Exists`]; [`SpaceError::NoMemory`].
    pub fn remap<M: Machine>(
        &mut self,
        m: &mut M,
        old: (usize, usize),
        new: &Request,
        flags: MremapFlags,
        prot: Option<Prot>,
        on_release: OnRelease<'_>,
    ) -> Result<usize, SpaceError> {
        let from = PageRange::of_bytes(old.0, old.1).ok_or(SpaceError::Invalid)?;
        let pages = pages_for(new.size).filter(|&pages| pages > 0);
        let pages = pages.ok_or(SpaceError::Invalid)?;
        let fixed = flags.contains(MremapFlags::FIXED);
        let mut placement = MapFlags::empty();
        if flags.contains(MremapFlags::FIXED_REPLACE) {
            placement = MapFlags::MAP_FIXED;
        } else if fixed {
            placement = MapFlags::MAP_FIXED_NOREPLACE;
        }
        if fixed {
            let to = PageRange::of_bytes(new.address, new.size).ok_or(SpaceError::Invalid)?;
            if to.overlaps(from) {
                return Err(SpaceError::Invalid);
            }
        }
        let request = Request {
            flags: placement,
            ..*new
        };
        if flags.contains(MremapFlags::KEEP_OLD) {
            return self.alias(m, from, pages, &request, prot, on_release);
        }
        let kept = from.len().min(pages);
        let kept = PageRange::with_len(from.start(), kept).ok_or(SpaceError::Invalid)?;
        let pieces = Pieces::of(&self.map, kept, prot)?;
        let grown = self.growth(from, pages)?;
        let in_place = !fixed && (new.address == 0 || new.address == from.base());
        if in_place && let Some(()) = self.resize(m, from, pages, grown, prot, on_release)? {
            return Ok(from.base());
        }
        // Room for the pieces, for what is added, and for the cut that takes out the old range.
        let records = pieces.0.len().saturating_add(2);
        let range = self.place(m, &request, records, on_release)?;
        duplicate(m, None, kept, &mut self.table, range.start(), prot)?;
        pieces.insert(&mut self.map, range.start())?;
        if let Some(mut region) = grown
            && let Some(added) =
                PageRange::new(range.start().saturating_add(kept.len()), range.end())
        {
            region.prot = prot.unwrap_or(region.prot);
            self.map.insert(added, region)?;
        }
        self.forget(m, kept)?;
        if let Some(tail) = PageRange::new(kept.end(), from.end()) {
            self.clear(m, tail, on_release)?;
        }
        self.map.trim();
        Ok(range.base())
    }

    /// The region that a growing range is continued by; `None` if it does not grow.
    fn growth(&self, from: PageRange, pages: usize) -> Result<Option<Region>, SpaceError> {
        if pages <= from.len() {
            return Ok(None);
        }
        let last = self
            .map
            .find(from.end().saturating_sub(1))
            .ok_or(SpaceError::Fault)?;
        let region = last.content;
        if region.kind == Kind::Anon {
            Ok(Some(region))
        } else {
            Err(SpaceError::Invalid)
        }
    }

    /// Resizes without moving; `None` if there is no room.
    fn resize<M: Machine>(
        &mut self,
        m: &mut M,
        from: PageRange,
        pages: usize,
        grown: Option<Region>,
        prot: Option<Prot>,
        on_release: OnRelease<'_>,
    ) -> Result<Option<()>, SpaceError> {
        self.map.reserve(4)?;
        if let Some(region) = grown {
            let added = from.start().checked_add(pages);
            let added = added.and_then(|end| PageRange::new(from.end(), end));
            let Some(added) = added.filter(|&added| self.map.is_free(added)) else {
                return Ok(None);
            };
            self.map.insert(added, region)?;
        } else if let Some(tail) = PageRange::new(from.start().saturating_add(pages), from.end()) {
            self.clear(m, tail, on_release)?;
        }
        if let Some(prot) = prot {
            let size = pages << PAGE_SHIFT;
            self.protect(m, from.base(), size, prot.map_flags())?;
        }
        Ok(Some(()))
    }

    /// Maps the first pages of a range a second time.
    fn alias<M: Machine>(
        &mut self,
        m: &mut M,
        from: PageRange,
        pages: usize,
        request: &Request,
        prot: Option<Prot>,
        on_release: OnRelease<'_>,
    ) -> Result<usize, SpaceError> {
        let size = pages << PAGE_SHIFT;
        if pages > from.len() {
            return Err(SpaceError::Invalid);
        }
        let region = self
            .map
            .find(from.start())
            .ok_or(SpaceError::Fault)?
            .content;
        let prot = prot.unwrap_or(region.prot);
        let loan = self.lend(m, from.base(), size, Lend::Shared)?;
        let request = Request {
            flags: request.flags | prot.map_flags(),
            ..*request
        };
        let terms = Terms {
            record: None,
            offset: 0,
            max: Prot::ALL,
        };
        self.map_pages(m, &request, loan, &terms, region.shared, on_release)
    }

    /// Removes a range without reporting its records.
    fn forget<M: Machine>(&mut self, m: &mut M, range: PageRange) -> Result<(), NoMemory> {
        self.map.remove(range, &mut |_, _| {})?;
        drop_pages(m, &mut self.table, range);
        Ok(())
    }

    /// Takes the pages of a range out of `source` and maps them here, as `request` says (its size is
    /// ignored), with its protection. Records go with the pages and are not reported. Returns the address.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`]; [`SpaceError::Fault`] for holes; [`SpaceError::Access`] if
    /// a region can never allow the protection or is lent; [`SpaceError::Exists`]; [`SpaceError::NoMemory`].
    /// The source is unchanged.
    pub fn take_from<M: Machine>(
        &mut self,
        m: &mut M,
        source: &mut Self,
        base: usize,
        size: usize,
        request: &Request,
        on_release: OnRelease<'_>,
    ) -> Result<usize, SpaceError> {
        let from = PageRange::of_bytes(base, size).ok_or(SpaceError::Invalid)?;
        let prot = Prot::from_map_flags(request.flags);
        let pieces = Pieces::of(&source.map, from, Some(prot))?;
        source.map.reserve(1)?;
        let request = Request {
            size: from.size(),
            ..*request
        };
        let range = self.place(m, &request, pieces.0.len(), on_release)?;
        duplicate(
            m,
            Some(&source.table),
            from,
            &mut self.table,
            range.start(),
            Some(prot),
        )?;
        pieces.insert(&mut self.map, range.start())?;
        source.forget(m, from)?;
        source.map.trim();
        Ok(range.base())
    }
}
