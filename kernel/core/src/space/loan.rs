//! Pages that one space lends and another maps.
//!
//! Lending and mapping are two steps, so that a caller needs only one space at a time and both may
//! be the same one. A [`Loan`] holds references; it must end in [`AddrSpace::map_loan`] or
//! [`Loan::release`].

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::{
    AddrSpace, Kind, OnRelease, Region, Request, SpaceError, Terms, drop_entry, drop_pages, own,
    present,
};
use crate::NoMemory;
use crate::frames::{Frame, MAX_ORDER, Owner};
use crate::machine::Machine;
use crate::paging::{Cache, Entry, PAGE_SHIFT, PAGE_SIZE, PageRange, PageTable, Prot};
use syscall::MapFlags;

/// The first physical address that no page-table entry can name.
const PHYSICAL_END: u64 = 1 << 52;

/// In which way pages are lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lend {
    /// Both sides see each other's writes.
    Shared,
    /// The receiver sees the pages, and copies one before it writes to it. Whether it sees what the
    /// lender writes later is unspecified.
    Snapshot,
    /// As [`Lend::Shared`], for the time of the call of this number: the receiver can lend the pages on
    /// only in this way, cannot move them, and a copy of its space does not have them. What is lent on
    /// keeps the number of the call that it was first lent for, with whose end it ends
    /// ([`AddrSpace::revoke`]).
    Call(NonZeroU32),
}

#[derive(Debug)]
enum Pages {
    Frames {
        frames: Vec<Frame>,
        contiguous: bool,
    },
    Device {
        base: u64,
        pages: usize,
        cache: Cache,
    },
}

/// Pages on their way from one space to another.
#[derive(Debug)]
#[must_use = "a loan holds references until it is mapped or released"]
pub struct Loan {
    pages: Pages,
    way: Lend,
    max: Prot,
}

impl Loan {
    /// A device's pages.
    pub(super) fn of_device(base: u64, pages: usize, cache: Cache) -> Option<Self> {
        let size = (pages as u64).checked_mul(PAGE_SIZE as u64)?;
        let fits = base.checked_add(size)? <= PHYSICAL_END;
        (fits && pages > 0 && base.is_multiple_of(PAGE_SIZE as u64)).then_some(Self {
            pages: Pages::Device { base, pages, cache },
            way: Lend::Shared,
            max: Prot::ALL,
        })
    }

    /// Frames of the kernel's own, to be shared with a space.
    ///
    /// # Errors
    /// No memory for the list, or a frame with too many references.
    pub fn of_frames<M: Machine>(m: &mut M, frames: &[Frame]) -> Result<Self, NoMemory> {
        let mut loan = Self::with_capacity(frames.len())?;
        for &frame in frames {
            if !m.retain(frame) {
                loan.release(m);
                return Err(NoMemory);
            }
            loan.push(frame);
        }
        Ok(loan)
    }

    /// New zeroed frames, adjacent in physical memory.
    ///
    /// # Errors
    /// No memory, or more pages than can be adjacent.
    pub fn contiguous<M: Machine>(m: &mut M, pages: usize) -> Result<Self, NoMemory> {
        let order = pages
            .checked_next_power_of_two()
            .ok_or(NoMemory)?
            .trailing_zeros();
        let order = u8::try_from(order).ok().filter(|&order| order <= MAX_ORDER);
        let order = order.ok_or(NoMemory)?;
        let mut loan = Self::with_capacity(pages)?;
        let first = m.alloc_contiguous(order, Owner::User).ok_or(NoMemory)?;
        for n in 0..1_u32 << order {
            let frame = first.offset(n);
            if (n as usize) < pages {
                m.zero(frame);
                loan.push(frame);
            } else {
                m.release(frame);
            }
        }
        if let Pages::Frames { contiguous, .. } = &mut loan.pages {
            *contiguous = true;
        }
        Ok(loan)
    }

    /// The same pages, for the time of a call.
    pub fn for_call(self, number: NonZeroU32) -> Self {
        Self {
            way: Lend::Call(number),
            ..self
        }
    }

    /// The call that the pages are lent for.
    pub const fn call(&self) -> Option<NonZeroU32> {
        match self.way {
            Lend::Call(number) => Some(number),
            Lend::Shared | Lend::Snapshot => None,
        }
    }

    fn with_capacity(pages: usize) -> Result<Self, NoMemory> {
        let mut frames = Vec::new();
        frames.try_reserve_exact(pages)?;
        Ok(Self {
            pages: Pages::Frames {
                frames,
                contiguous: false,
            },
            way: Lend::Shared,
            max: Prot::ALL,
        })
    }

    /// Adds a frame and its reference; there must be capacity.
    fn push(&mut self, frame: Frame) {
        if let Pages::Frames { frames, .. } = &mut self.pages {
            frames.push(frame);
        }
    }

    /// How many pages there are.
    pub fn len(&self) -> usize {
        match &self.pages {
            Pages::Frames { frames, .. } => frames.len(),
            Pages::Device { pages, .. } => *pages,
        }
    }

    /// Whether there are no pages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same pages once more.
    ///
    /// # Errors
    /// No memory for the list, or a frame with too many references.
    pub fn again<M: Machine>(&self, m: &mut M) -> Result<Self, NoMemory> {
        let pages = match &self.pages {
            Pages::Frames { frames, contiguous } => {
                let mut copy = Self::of_frames(m, frames)?;
                if let Pages::Frames {
                    contiguous: mark, ..
                } = &mut copy.pages
                {
                    *mark = *contiguous;
                }
                copy.pages
            }
            &Pages::Device { base, pages, cache } => Pages::Device { base, pages, cache },
        };
        Ok(Self {
            pages,
            way: self.way,
            max: self.max,
        })
    }

    /// Physical address of the first page.
    pub fn first_address(&self) -> u64 {
        match &self.pages {
            Pages::Frames { frames, .. } => frames.first().map_or(0, |frame| frame.address()),
            Pages::Device { base, .. } => *base,
        }
    }

    /// Gives the pages back.
    pub fn release<M: Machine>(self, m: &mut M) {
        if let Pages::Frames { frames, .. } = self.pages {
            for frame in frames {
                m.release(frame);
            }
        }
    }
}

impl AddrSpace {
    /// Lends the pages of a range. Pages that were never touched are allocated; for
    /// what both sides write, pages that are to be copied before writing are copied. Takes a step for
    /// every page.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`]; [`SpaceError::Fault`] if the range has holes;
    /// [`SpaceError::Access`] for a snapshot of a device or of pages that can never be read, and for
    /// what was itself lent for a call, except for another, and then not together with anything else;
    /// [`SpaceError::NoMemory`].
    pub fn lend<M: Machine>(
        &mut self,
        m: &mut M,
        base: usize,
        size: usize,
        way: Lend,
    ) -> Result<Loan, SpaceError> {
        let range = PageRange::of_bytes(base, size).ok_or(SpaceError::Invalid)?;
        if !self.map.is_covered(range) {
            return Err(SpaceError::Fault);
        }
        let outer = self.map.find(range.start());
        let outer = outer.and_then(|grant| grant.content.lent);
        let way = match (way, outer) {
            (Lend::Call(_), Some(outer)) => Lend::Call(outer),
            (_, None) => way,
            (_, Some(_)) => return Err(SpaceError::Access),
        };
        if let Some(grant) = self.map.find(range.start())
            && let Kind::Device { base, cache } = grant.content.kind
        {
            let whole = grant.range.end() >= range.end();
            if way == Lend::Snapshot || !whole {
                return Err(SpaceError::Access);
            }
            let skip = range.start().saturating_sub(grant.range.start()) as u64;
            let base = base.saturating_add(skip << PAGE_SHIFT);
            let loan = Loan::of_device(base, range.len(), cache).ok_or(SpaceError::Invalid)?;
            return Ok(Loan {
                way,
                max: grant.content.max,
                ..loan
            });
        }
        let mut loan = Loan {
            way,
            ..Loan::with_capacity(range.len())?
        };
        for grant in self.map.overlapping(range) {
            let region = &grant.content;
            let Some(part) = grant.range.intersection(range) else {
                continue;
            };
            let device = matches!(region.kind, Kind::Device { .. });
            if device || region.lent != outer || !region.max.contains(Prot::READ) {
                loan.release(m);
                return Err(SpaceError::Access);
            }
            if way != Lend::Snapshot {
                loan.max = loan.max.intersection(region.max);
            }
            let ready = lend_ready(m, &mut self.table, region, part, way, &mut loan);
            for page in part.pages().skip(ready) {
                match lend_page(m, &mut self.table, region, page, way) {
                    Ok(frame) => loan.push(frame),
                    Err(error) => {
                        loan.release(m);
                        return Err(error);
                    }
                }
            }
        }
        Ok(loan)
    }

    /// Maps lent pages. The region is as long as the loan; `request.size` is ignored. Whether it is
    /// shared follows from the loan, not from the request. Returns the address.
    ///
    /// # Errors
    /// [`SpaceError::Access`] if the request wants more than the terms or the lender allow;
    /// [`SpaceError::Invalid`], [`SpaceError::Exists`], [`SpaceError::NoMemory`]. The loan is released.
    pub fn map_loan<M: Machine>(
        &mut self,
        m: &mut M,
        request: &Request,
        loan: Loan,
        terms: &Terms,
        on_release: OnRelease<'_>,
    ) -> Result<usize, SpaceError> {
        let shared = loan.way != Lend::Snapshot;
        self.map_pages(m, request, loan, terms, shared, on_release)
    }

    /// As [`Self::map_loan`], but a copy of the space gets copies of the pages unless `shared`.
    pub(super) fn map_pages<M: Machine>(
        &mut self,
        m: &mut M,
        request: &Request,
        loan: Loan,
        terms: &Terms,
        shared: bool,
        on_release: OnRelease<'_>,
    ) -> Result<usize, SpaceError> {
        let prot = Prot::from_map_flags(request.flags);
        let max = loan.max.intersection(terms.max);
        if !max.contains(prot) {
            loan.release(m);
            return Err(SpaceError::Access);
        }
        let size = loan.len().saturating_mul(PAGE_SIZE);
        let flags = request
            .flags
            .difference(MapFlags::MAP_SHARED | MapFlags::MAP_PRIVATE);
        let request = Request {
            size,
            flags,
            ..*request
        };
        let range = match self.place(m, &request, 1, on_release) {
            Ok(range) => range,
            Err(error) => {
                loan.release(m);
                return Err(error);
            }
        };
        let marks = match (loan.way, shared) {
            (Lend::Snapshot, _) => Entry::COW,
            (Lend::Shared | Lend::Call(_), true) => 0,
            (Lend::Shared | Lend::Call(_), false) => Entry::LENT,
        };
        let lent = loan.call();
        let kind = match &loan.pages {
            Pages::Frames {
                contiguous: true, ..
            } => Kind::Contiguous,
            Pages::Frames { .. } => Kind::Frames,
            &Pages::Device { base, cache, .. } => Kind::Device { base, cache },
        };
        let set = match loan.pages {
            Pages::Frames { frames, .. } => self.set_all(
                m,
                range,
                frames
                    .iter()
                    .map(|frame| Entry::page(frame.address(), prot, Cache::WriteBack, marks)),
            ),
            Pages::Device { base, cache, .. } => self.set_all(
                m,
                range,
                (base..)
                    .step_by(PAGE_SIZE)
                    .take(range.len())
                    .map(|address| Entry::page(address, prot, cache, Entry::DEVICE)),
            ),
        };
        set?;
        let record = terms.record;
        let offset = if record.is_some() { terms.offset } else { 0 };
        // Reserved by `place`.
        self.map.insert(
            range,
            Region {
                kind,
                prot,
                max,
                shared,
                lent,
                record,
                offset,
            },
        )?;
        Ok(range.base())
    }

    /// Ends what was lent for a call, in a range that holds all of it: the pages become memory of zeros
    /// that nobody else sees, so that whoever is still using them does no harm and comes to none. Needs no
    /// memory.
    pub fn revoke<M: Machine>(&mut self, m: &mut M, base: usize, size: usize, call: NonZeroU32) {
        let Some(range) = PageRange::of_bytes(base, size) else {
            return;
        };
        for grant in self.map.overlapping(range) {
            if grant.content.lent == Some(call) {
                drop_pages(m, &mut self.table, grant.range);
            }
        }
        self.map.alter(range, &mut |region| {
            if region.lent == Some(call) {
                region.kind = Kind::Anon;
            }
        });
    }

    /// Sets the entries of a free range, in order; on failure drops them all.
    fn set_all<M: Machine>(
        &mut self,
        m: &mut M,
        range: PageRange,
        mut entries: impl Iterator<Item = Entry>,
    ) -> Result<(), NoMemory> {
        if self.table.set_run(m, range, &mut entries).is_err() {
            for rest in entries {
                drop_entry(m, rest);
            }
            drop_pages(m, &mut self.table, range);
            return Err(NoMemory);
        }
        Ok(())
    }
}

/// Lends one page: its frame, with a reference.
fn lend_page<M: Machine>(
    m: &mut M,
    table: &mut PageTable,
    region: &Region,
    page: usize,
    way: Lend,
) -> Result<Frame, SpaceError> {
    let mut entry = present(m, table, region, page)?;
    if way != Lend::Snapshot && !region.shared {
        if entry.has(Entry::COW) && region.max.contains(Prot::WRITE) {
            entry = own(m, table, region, page, entry)?;
        }
        if !entry.has(Entry::LENT) {
            table.set(m, page, entry.with(Entry::LENT))?;
        }
    }
    let frame = entry.frame().ok_or(SpaceError::Fault)?;
    if !m.retain(frame) {
        return Err(SpaceError::NoMemory);
    }
    Ok(frame)
}

/// Lends the pages at the start of `part` that need no preparation, in one walk: how many these are.
fn lend_ready<M: Machine>(
    m: &mut M,
    table: &mut PageTable,
    region: &Region,
    part: PageRange,
    way: Lend,
    loan: &mut Loan,
) -> usize {
    let keep = way == Lend::Snapshot || region.shared;
    let may_write = region.max.contains(Prot::WRITE);
    let mut next = part.start();
    // Ends early at the first page that is not ready.
    let _ = table.visit(m, part, &mut |m, page, entry| {
        let ready = page == next && (keep || !(entry.has(Entry::COW) && may_write));
        match entry.frame() {
            Some(frame) if ready && m.retain(frame) => loan.push(frame),
            _ => return Err(()),
        }
        next = next.saturating_add(1);
        Ok(if keep { entry } else { entry.with(Entry::LENT) })
    });
    next.saturating_sub(part.start())
}
