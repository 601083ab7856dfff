//! The map of an address space: which pages are granted, and as what.
//!
//! Grants are ordered, never overlap and are as few as possible: neighbours that continue each
//! other are one grant. The map is a sorted array; the number of grants is limited so that no
//! operation takes longer than moving [`MAX_GRANTS`] records.

use alloc::vec::Vec;

use crate::NoMemory;
use crate::paging::{PageRange, USER_END_PAGE, USER_FIRST_PAGE};

/// The most grants that a map can hold.
pub const MAX_GRANTS: usize = 16_384;

/// What a grant says about its pages.
pub trait Content: Clone {
    /// The content of the part that starts `pages` further on.
    #[must_use]
    fn advance(&self, pages: usize) -> Self;

    /// Whether `next`, coming right after `pages` pages of this, continues it, so that both can be one
    /// grant.
    fn continued_by(&self, pages: usize, next: &Self) -> bool;
}

/// A run of pages with the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant<C> {
    /// Which pages.
    pub range: PageRange,
    /// What they are.
    pub content: C,
}

/// Why a grant could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// A page is granted already.
    Overlap,
    /// No memory for the record, or too many grants.
    NoMemory,
}

impl From<NoMemory> for InsertError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// An ordered map of grants.
#[derive(Debug, PartialEq, Eq)]
pub struct VMap<C> {
    grants: Vec<Grant<C>>,
    /// How many pages they have.
    pages: usize,
}

impl<C> Default for VMap<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> VMap<C> {
    /// An empty map; takes no memory.
    pub const fn new() -> Self {
        Self {
            grants: Vec::new(),
            pages: 0,
        }
    }

    /// The grants, ascending.
    pub fn iter(&self) -> core::slice::Iter<'_, Grant<C>> {
        self.grants.iter()
    }

    /// How many pages are granted.
    pub const fn pages(&self) -> usize {
        self.pages
    }

    /// How many grants there are.
    pub fn len(&self) -> usize {
        self.grants.len()
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    /// Index of the first grant that ends after `page`.
    fn position(&self, page: usize) -> usize {
        self.grants
            .partition_point(|grant| grant.range.end() <= page)
    }

    /// The grant that a page is in.
    pub fn find(&self, page: usize) -> Option<&Grant<C>> {
        self.grants
            .get(self.position(page))
            .filter(|grant| grant.range.contains(page))
    }

    /// The grants that have pages in `range`, ascending.
    pub fn overlapping(&self, range: PageRange) -> impl Iterator<Item = &Grant<C>> {
        self.grants
            .get(self.position(range.start())..)
            .unwrap_or_default()
            .iter()
            .take_while(move |grant| grant.range.start() < range.end())
    }

    /// Whether no page of `range` is granted.
    pub fn is_free(&self, range: PageRange) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether every page of `range` is granted.
    pub fn is_covered(&self, range: PageRange) -> bool {
        let mut next = range.start();
        for grant in self.overlapping(range) {
            if grant.range.start() > next {
                return false;
            }
            next = grant.range.end();
        }
        next >= range.end()
    }

    /// A free run of `pages` pages: at `hint` if that is possible, otherwise the lowest that is not
    /// below `min` (a page number; at least the first user page).
    pub fn find_free(&self, pages: usize, hint: Option<usize>, min: usize) -> Option<PageRange> {
        let hinted = hint
            .and_then(|hint| PageRange::with_len(hint, pages))
            .filter(|&range| self.is_free(range));
        if hinted.is_some() {
            return hinted;
        }
        let mut start = min.max(USER_FIRST_PAGE);
        for grant in self.grants.get(self.position(start)..).unwrap_or_default() {
            if grant.range.start().saturating_sub(start) >= pages {
                break;
            }
            start = start.max(grant.range.end());
        }
        PageRange::with_len(start, pages).filter(|range| range.end() <= USER_END_PAGE)
    }
}

impl<C: Content> VMap<C> {
    /// Makes sure that `more` grants can be added. Adding a grant takes one, a run as many as it has, [`Self::remove`] takes one,
    /// [`Self::update`] two.
    ///
    /// # Errors
    /// No memory, or more than [`MAX_GRANTS`].
    pub fn reserve(&mut self, more: usize) -> Result<(), NoMemory> {
        let total = self.grants.len().saturating_add(more);
        if total > MAX_GRANTS {
            return Err(NoMemory);
        }
        if total > self.grants.capacity() {
            self.grants.try_reserve(more)?;
        }
        Ok(())
    }

    /// Adds a grant, joining it with neighbours that it continues.
    ///
    /// # Errors
    /// The map is unchanged.
    pub fn insert(&mut self, range: PageRange, content: C) -> Result<(), InsertError> {
        if !self.is_free(range) {
            return Err(InsertError::Overlap);
        }
        self.reserve(1)?;
        let at = self.position(range.start());
        self.grants.insert(at, Grant { range, content });
        self.pages = self.pages.saturating_add(range.len());
        self.join(at, at.saturating_add(1));
        Ok(())
    }

    /// Cuts the grant that `page` is inside of in two at `page`. Takes one reserved record.
    fn cut(&mut self, page: usize) {
        let at = self.position(page);
        let Some(grant) = self.grants.get_mut(at) else {
            return;
        };
        let (Some(left), Some(right)) = (
            PageRange::new(grant.range.start(), page),
            PageRange::new(page, grant.range.end()),
        ) else {
            return;
        };
        grant.range = left;
        let content = grant.content.advance(left.len());
        self.grants.insert(
            at.saturating_add(1),
            Grant {
                range: right,
                content,
            },
        );
    }

    /// Joins what continues each other at the boundaries before the grants `first..=last`.
    fn join(&mut self, first: usize, last: usize) {
        let first = first.max(1);
        let end = last.saturating_add(1).min(self.grants.len());
        // The last that is kept so far; what has been joined is moved behind those that are kept.
        let mut kept = first.saturating_sub(1);
        for at in first..end {
            let (Some(left), Some(right)) = (self.grants.get(kept), self.grants.get(at)) else {
                break;
            };
            let joined = PageRange::new(left.range.start(), right.range.end()).filter(|_| {
                left.range.end() == right.range.start()
                    && left.content.continued_by(left.range.len(), &right.content)
            });
            match joined {
                Some(range) => {
                    if let Some(left) = self.grants.get_mut(kept) {
                        left.range = range;
                    }
                }
                None => {
                    kept = kept.saturating_add(1);
                    self.grants.swap(kept, at);
                }
            }
        }
        let kept_end = kept.saturating_add(1);
        if kept_end < end {
            self.grants.drain(kept_end..end);
        }
    }

    /// Adds grants that follow each other, with a place relative to `start` and a length, where nothing is
    /// granted from the first to the last, joining them with neighbours.
    ///
    /// # Errors
    /// The map is unchanged.
    pub fn insert_run(
        &mut self,
        start: usize,
        run: Vec<(usize, usize, C)>,
    ) -> Result<(), InsertError> {
        let place = |offset, len| PageRange::with_len(start.saturating_add(offset), len);
        let mut end = start;
        for &(offset, len, _) in &run {
            let range = place(offset, len).filter(|range| range.start() >= end);
            end = range.ok_or(InsertError::Overlap)?.end();
        }
        if PageRange::new(start, end).is_some_and(|whole| !self.is_free(whole)) {
            return Err(InsertError::Overlap);
        }
        let count = run.len();
        self.reserve(count)?;
        let at = self.position(start);
        for (offset, len, content) in run {
            if let Some(range) = place(offset, len) {
                self.grants.push(Grant { range, content });
                self.pages = self.pages.saturating_add(len);
            }
        }
        // What comes after is moved once, not for each of them.
        if let Some(tail) = self.grants.get_mut(at..) {
            tail.rotate_right(count);
        }
        self.join(at, at.saturating_add(count));
        Ok(())
    }

    /// Removes every page of `range`, calling `removed` with each part that was granted, ascending.
    ///
    /// # Errors
    /// No memory for the record of a part that is left over; the map is unchanged. Cannot happen after
    /// [`Self::reserve`]`(1)`.
    pub fn remove(
        &mut self,
        range: PageRange,
        removed: &mut dyn FnMut(PageRange, &C),
    ) -> Result<(), NoMemory> {
        let mut gone = 0_usize;
        let result = self.cut_out(range, &mut |part, content| {
            gone = gone.saturating_add(part.len());
            removed(part, content);
        });
        self.pages = self.pages.saturating_sub(gone);
        result
    }

    fn cut_out(
        &mut self,
        range: PageRange,
        removed: &mut dyn FnMut(PageRange, &C),
    ) -> Result<(), NoMemory> {
        let first = self.position(range.start());
        let Some(grant) = self.grants.get(first) else {
            return Ok(());
        };
        if grant.range.start() < range.start() && grant.range.end() > range.end() {
            self.reserve(1)?;
            self.cut(range.start());
            let at = first.saturating_add(1);
            if let Some(grant) = self.grants.get_mut(at) {
                let rest = PageRange::new(range.end(), grant.range.end());
                removed(range, &grant.content);
                if let Some(rest) = rest {
                    grant.content = grant.content.advance(range.len());
                    grant.range = rest;
                }
            }
            return Ok(());
        }
        let mut drop_from = first;
        if let Some(grant) = self.grants.get_mut(first)
            && let Some(keep) = PageRange::new(grant.range.start(), range.start())
        {
            if let Some(part) = PageRange::new(range.start(), grant.range.end()) {
                removed(part, &grant.content.advance(keep.len()));
            }
            grant.range = keep;
            drop_from = first.saturating_add(1);
        }
        let mut drop_to = drop_from;
        while let Some(grant) = self.grants.get_mut(drop_to) {
            let Some(part) = grant.range.intersection(range) else {
                break;
            };
            removed(part, &grant.content);
            if let Some(keep) = PageRange::new(part.end(), grant.range.end()) {
                grant.content = grant.content.advance(part.len());
                grant.range = keep;
                break;
            }
            drop_to = drop_to.saturating_add(1);
        }
        self.grants.drain(drop_from..drop_to);
        Ok(())
    }

    /// Removes the grants that `keep` says no of. Needs no memory.
    pub fn retain(&mut self, mut keep: impl FnMut(&C) -> bool) {
        let mut gone = 0_usize;
        self.grants.retain(|grant| {
            let kept = keep(&grant.content);
            if !kept {
                gone = gone.saturating_add(grant.range.len());
            }
            kept
        });
        self.pages = self.pages.saturating_sub(gone);
    }

    /// Changes the content of every grant that has pages in `range`, as a whole, and joins none. Needs no
    /// memory.
    pub fn alter(&mut self, range: PageRange, change: &mut dyn FnMut(&mut C)) {
        let first = self.position(range.start());
        for grant in self.grants.get_mut(first..).unwrap_or_default() {
            if !grant.range.overlaps(range) {
                break;
            }
            change(&mut grant.content);
        }
    }

    /// Changes the content of every granted page of `range`.
    ///
    /// # Errors
    /// No memory for the records of parts; the map is unchanged. Cannot happen after
    /// [`Self::reserve`]`(2)`.
    pub fn update(
        &mut self,
        range: PageRange,
        change: &mut dyn FnMut(&mut C),
    ) -> Result<(), NoMemory> {
        self.reserve(2)?;
        self.cut(range.start());
        self.cut(range.end());
        let first = self.position(range.start());
        let mut last = first;
        while let Some(grant) = self.grants.get_mut(last) {
            if !grant.range.overlaps(range) {
                break;
            }
            change(&mut grant.content);
            last = last.saturating_add(1);
        }
        self.join(first, last);
        Ok(())
    }

    /// Gives memory back when most of the array is unused. Ends every earlier reservation.
    pub fn trim(&mut self) {
        let len = self.grants.len();
        if len == 0 {
            self.grants = Vec::new();
        } else if self.grants.capacity() > 64 && len < self.grants.capacity() / 4 {
            let mut smaller = Vec::new();
            if smaller.try_reserve_exact(len.saturating_mul(2)).is_ok() {
                smaller.append(&mut self.grants);
                self.grants = smaller;
            }
        }
    }

    /// A copy.
    ///
    /// # Errors
    /// No memory.
    pub fn try_clone(&self) -> Result<Self, NoMemory> {
        let mut grants = Vec::new();
        grants.try_reserve_exact(self.grants.len())?;
        grants.extend_from_slice(&self.grants);
        Ok(Self {
            grants,
            pages: self.pages,
        })
    }
}

#[cfg(test)]
mod tests;
