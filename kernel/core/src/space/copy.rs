//! Copies of an address space.

use super::{AddrSpace, Kind, Mapped, Region, Remains, SpaceError, Stale, present};
use crate::NoMemory;
use crate::frames::{Frame, Owner};
use crate::machine::Machine;
use crate::paging::{Cache, Entry, PageTable};

impl AddrSpace {
    /// A copy as `fork` wants it: shared regions are the same pages, all others become copy-on-write on both
    /// sides; what is here for the time of a call is left out. Calls `retained` for every run of pages with a
    /// record that the copy maps as well.
    ///
    /// Shared anonymous memory that was never touched is allocated now, so that both sides
    /// see the same. Takes a step for every page that is present.
    ///
    /// # Errors
    /// No memory: there is no copy, and `retained` was not called.
    pub fn clone_cow<M: Machine>(
        &mut self,
        m: &mut M,
        retained: &mut dyn FnMut(Mapped),
    ) -> Result<Self, SpaceError> {
        let mut copying = self.begin_copy(m)?;
        match self.copy_part(m, &mut copying, usize::MAX) {
            // Without a limit it is done at once.
            Ok(_) => Ok(copying.finish(retained)),
            Err(error) => {
                copying.give_up().free_part(m, usize::MAX);
                Err(error)
            }
        }
    }

    /// Begins a copy as [`Self::clone_cow`] makes it, to be made in parts by [`Self::copy_part`].
    ///
    /// # Errors
    /// No memory.
    pub fn begin_copy<M: Machine>(&mut self, m: &mut M) -> Result<Copying, SpaceError> {
        let map = self.map.try_clone()?;
        Ok(Copying {
            copy: Self {
                table: PageTable::new(m)?,
                map,
            },
            prepared: 0,
            copied: 0,
        })
    }

    /// Copies at most `limit` (not 0) pages more. Every part sees the pages as they are then; what is
    /// mapped must not have changed.
    ///
    /// # Errors
    /// No memory: nothing of this space has changed, and the copy is to be given up.
    pub fn copy_part<M: Machine>(
        &mut self,
        m: &mut M,
        copying: &mut Copying,
        limit: usize,
    ) -> Result<Progress, SpaceError> {
        if copying.copy.map != self.map {
            return Ok(Progress::Stale);
        }
        let mut left = limit.max(1);
        for grant in self.map.iter() {
            let region = &grant.content;
            if !region.shared || region.kind != Kind::Anon || region.lent.is_some() {
                continue;
            }
            let Some(rest) = grant.range.rest_from(copying.prepared) else {
                continue;
            };
            for page in rest.pages() {
                copying.prepared = page;
                left = match left.checked_sub(1) {
                    Some(left) => left,
                    None => return Ok(Progress::More),
                };
                present(m, &mut self.table, region, page)?;
            }
            copying.prepared = rest.end();
        }
        let mut stale = Stale::new();
        let mut result = Ok(Progress::Done);
        for grant in self.map.iter() {
            let region = &grant.content;
            if region.lent.is_some() {
                continue;
            }
            let Some(rest) = grant.range.rest_from(copying.copied) else {
                continue;
            };
            let child = &mut copying.copy.table;
            let visited = self
                .table
                .visit_into(m, rest, child, &mut |m, page, entry| {
                    left = left.checked_sub(1).ok_or(Stop::Before(page))?;
                    let (ours, theirs) = divide(m, region, entry)?;
                    if entry.has(Entry::WRITE) && ours != entry {
                        stale.add(page);
                    }
                    Ok((ours, theirs))
                });
            copying.copied = rest.end();
            match visited {
                Ok(()) => {}
                Err(Stop::Before(page)) => {
                    copying.copied = page;
                    result = Ok(Progress::More);
                    break;
                }
                Err(Stop::NoMemory) => {
                    result = Err(SpaceError::NoMemory);
                    break;
                }
            }
        }
        stale.flush(m, self.root());
        result
    }
}

/// A copy that is being made.
#[derive(Debug)]
pub struct Copying {
    copy: AddrSpace,
    /// Shared memory before this page has been allocated.
    prepared: usize,
    /// Pages before this one have been copied.
    copied: usize,
}

impl Copying {
    /// The copy, when all parts are done. Calls `retained` as [`AddrSpace::clone_cow`] does.
    pub fn finish(mut self, retained: &mut dyn FnMut(Mapped)) -> AddrSpace {
        self.copy.map.retain(|region| region.lent.is_none());
        for grant in self.copy.map.iter() {
            if let Some(mapped) = grant.content.report(grant.range) {
                retained(mapped);
            }
        }
        self.copy
    }

    /// What has been copied so far, to be given back.
    pub fn give_up(self) -> Remains {
        self.copy.end(&mut |_| {})
    }
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is complete.
    Done,
    /// There is more to copy.
    More,
    /// What is mapped is not what it was at the beginning. The copy is to be given up.
    Stale,
}

/// Why a walk over pages to copy ended early.
enum Stop {
    /// Enough for this time.
    Before(usize),
    NoMemory,
}

impl From<NoMemory> for Stop {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}
/// Divides a page between a space and its copy: the entries of both. The second one's
/// reference has been taken.
#[inline]
fn divide<M: Machine>(
    m: &mut M,
    region: &Region,
    entry: Entry,
) -> Result<(Entry, Entry), NoMemory> {
    if entry.has(Entry::DEVICE) {
        return Ok((entry, entry));
    }
    let frame = entry.frame().ok_or(NoMemory)?;
    if entry.has(Entry::LENT) && !region.shared && m.references(frame) > 1 {
        return divide_lent(m, region, entry, frame);
    }
    if !m.retain(frame) {
        return Err(NoMemory);
    }
    if region.shared {
        return Ok((entry, entry));
    }
    let both = entry.without(Entry::LENT | Entry::WRITE).with(Entry::COW);
    Ok((both, both))
}

/// The same of a page that others see, and go on seeing: the copy gets a copy.
#[cold]
fn divide_lent<M: Machine>(
    m: &mut M,
    region: &Region,
    entry: Entry,
    frame: Frame,
) -> Result<(Entry, Entry), NoMemory> {
    let copy = m.alloc(Owner::User).ok_or(NoMemory)?;
    m.copy_frame(frame, copy);
    let theirs = Entry::page(copy.address(), region.prot, Cache::WriteBack, 0);
    Ok((entry, theirs))
}
