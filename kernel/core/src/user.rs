//! Memory of user programs as the kernel sees it: ranges that were checked once, and copies that go
//! through the page tables.
//!
//! A user address is never used as a pointer. Each page is translated in software and reached by its
//! physical address; a page that was never touched, or is to be copied before writing, is
//! resolved on the spot. So a copy never faults: it succeeds or says [`BadAddress`].

use crate::machine::Machine;
use crate::paging::{Entry, PAGE_SIZE, USER_END};
use crate::space::{Access, AddrSpace, Segv, SpaceError};

/// A range of user addresses inside the user half. Nothing is known about what is mapped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSlice {
    base: usize,
    len: usize,
}

/// A range that is not in the user half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

impl From<BadAddress> for SpaceError {
    fn from(_: BadAddress) -> Self {
        Self::Fault
    }
}

impl From<BadAddress> for syscall::Error {
    fn from(_: BadAddress) -> Self {
        Self::new(syscall::EFAULT)
    }
}

impl UserSlice {
    /// The only way to make one from what a program says. An empty range may be anywhere.
    ///
    /// # Errors
    /// The range wraps or leaves the user half.
    #[inline]
    pub const fn new(base: usize, len: usize) -> Result<Self, BadAddress> {
        if len == 0 {
            return Ok(Self { base: 0, len: 0 });
        }
        match base.checked_add(len) {
            Some(end) if end <= USER_END => Ok(Self { base, len }),
            _ => Err(BadAddress),
        }
    }

    /// The first address.
    pub const fn base(self) -> usize {
        self.base
    }

    /// Length in bytes.
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The first `len` bytes, or all if there are fewer.
    #[must_use]
    pub const fn truncated(self, len: usize) -> Self {
        Self {
            base: self.base,
            len: if len < self.len { len } else { self.len },
        }
    }

    /// What is left without the first `n` bytes.
    #[must_use]
    pub const fn advanced(self, n: usize) -> Self {
        let n = if n < self.len { n } else { self.len };
        Self {
            base: self.base.wrapping_add(n),
            len: self.len.wrapping_sub(n),
        }
    }

    /// How many bytes of the range are in its first page.
    #[inline]
    const fn in_first_page(self) -> usize {
        let room = PAGE_SIZE.wrapping_sub(self.base % PAGE_SIZE);
        if room < self.len { room } else { self.len }
    }
}

impl AddrSpace {
    /// The physical address of a user address that the kernel is to read or write.
    ///
    /// # Errors
    /// The access is not possible. A device is not accessed on behalf of a program:
    /// [`Segv::Protection`].
    #[inline]
    pub fn reach<M: Machine>(
        &mut self,
        m: &mut M,
        address: usize,
        write: bool,
    ) -> Result<u64, Segv> {
        match self.translate(m, address, write) {
            Some(physical) => Ok(physical),
            None => self.reach_slowly(m, address, write),
        }
    }

    #[cold]
    fn reach_slowly<M: Machine>(
        &mut self,
        m: &mut M,
        address: usize,
        write: bool,
    ) -> Result<u64, Segv> {
        let access = if write { Access::Write } else { Access::Read };
        let entry = self.resolve_entry(m, address, access)?;
        if entry.has(Entry::DEVICE) {
            return Err(Segv::Protection);
        }
        Ok(entry.address() | (address % PAGE_SIZE) as u64)
    }

    /// Calls `f` with the physical address and length of each part of a range that is in one page, in
    /// order. The parts before a failure have been visited.
    ///
    /// # Errors
    /// [`SpaceError::Fault`] or [`SpaceError::NoMemory`] for the first page that cannot be reached,
    /// or what `f` says.
    #[inline]
    pub fn for_each_page<M: Machine>(
        &mut self,
        m: &mut M,
        slice: UserSlice,
        write: bool,
        mut f: impl FnMut(&mut M, u64, usize) -> Result<(), SpaceError>,
    ) -> Result<(), SpaceError> {
        let mut rest = slice;
        while !rest.is_empty() {
            let len = rest.in_first_page();
            let physical = self.reach(m, rest.base, write)?;
            f(m, physical, len)?;
            rest = rest.advanced(len);
        }
        Ok(())
    }

    /// Copies user memory to the kernel: the shorter of both lengths, which is returned.
    ///
    /// # Errors
    /// [`SpaceError::Fault`] or [`SpaceError::NoMemory`]; part may have been copied.
    pub fn copy_in<M: Machine>(
        &mut self,
        m: &mut M,
        from: UserSlice,
        into: &mut [u8],
    ) -> Result<usize, SpaceError> {
        let from = from.truncated(into.len());
        let mut rest = into;
        self.for_each_page(m, from, false, |m, physical, len| {
            let (part, after) = core::mem::take(&mut rest)
                .split_at_mut_checked(len)
                .ok_or(SpaceError::Fault)?;
            m.read(physical, part);
            rest = after;
            Ok(())
        })?;
        Ok(from.len)
    }

    /// Copies kernel memory to a user: the shorter of both lengths, which is returned.
    ///
    /// # Errors
    /// [`SpaceError::Fault`] or [`SpaceError::NoMemory`]; part may have been copied.
    pub fn copy_out<M: Machine>(
        &mut self,
        m: &mut M,
        to: UserSlice,
        from: &[u8],
    ) -> Result<usize, SpaceError> {
        let to = to.truncated(from.len());
        let mut rest = from;
        self.for_each_page(m, to, true, |m, physical, len| {
            let (part, after) = rest.split_at_checked(len).ok_or(SpaceError::Fault)?;
            m.write(physical, part);
            rest = after;
            Ok(())
        })?;
        Ok(to.len)
    }

    /// Copies text to the kernel: exactly `from.len()` bytes of UTF-8 into the start of `into`.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`] if it does not fit or is not UTF-8; otherwise as [`Self::copy_in`].
    pub fn copy_text<'a, M: Machine>(
        &mut self,
        m: &mut M,
        from: UserSlice,
        into: &'a mut [u8],
    ) -> Result<&'a str, SpaceError> {
        let into = into.get_mut(..from.len).ok_or(SpaceError::Invalid)?;
        self.copy_in(m, from, into)?;
        core::str::from_utf8(into).map_err(|_| SpaceError::Invalid)
    }

    /// Copies from this space to another: the shorter of both lengths, which is returned.
    ///
    /// # Errors
    /// [`SpaceError::Fault`] or [`SpaceError::NoMemory`]; part may have been copied.
    pub fn copy_to<M: Machine>(
        &mut self,
        m: &mut M,
        from: UserSlice,
        target: &mut Self,
        to: UserSlice,
    ) -> Result<usize, SpaceError> {
        let len = from.len.min(to.len);
        let (mut from, mut to) = (from.truncated(len), to.truncated(len));
        while !from.is_empty() {
            let part = from.in_first_page().min(to.in_first_page());
            let source = self.reach(m, from.base, false)?;
            let place = target.reach(m, to.base, true)?;
            m.copy(source, place, part);
            from = from.advanced(part);
            to = to.advanced(part);
        }
        Ok(len)
    }

    /// As [`Self::copy_to`], inside one space. The result is unspecified if the ranges overlap.
    ///
    /// # Errors
    /// [`SpaceError::Fault`] or [`SpaceError::NoMemory`]; part may have been copied.
    pub fn copy_within<M: Machine>(
        &mut self,
        m: &mut M,
        from: UserSlice,
        to: UserSlice,
    ) -> Result<usize, SpaceError> {
        let len = from.len.min(to.len);
        let (mut from, mut to) = (from.truncated(len), to.truncated(len));
        while !from.is_empty() {
            let part = from.in_first_page().min(to.in_first_page());
            // Writing may replace a page that was to be read; reading replaces none.
            let place = self.reach(m, to.base, true)?;
            let source = self.reach(m, from.base, false)?;
            m.copy(source, place, part);
            from = from.advanced(part);
            to = to.advanced(part);
        }
        Ok(len)
    }

    /// Copies user memory to kernel memory at a physical address, all in one frame.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`] if it does not fit into that frame; otherwise as [`Self::copy_in`].
    pub fn copy_in_frame<M: Machine>(
        &mut self,
        m: &mut M,
        from: UserSlice,
        physical: u64,
    ) -> Result<(), SpaceError> {
        let mut to = in_one_frame(physical, from.len)?;
        self.for_each_page(m, from, false, |m, source, len| {
            m.copy(source, to, len);
            to = to.saturating_add(len as u64);
            Ok(())
        })
    }

    /// Copies kernel memory at a physical address, all in one frame, to a user.
    ///
    /// # Errors
    /// [`SpaceError::Invalid`] if it is not all in that frame; otherwise as [`Self::copy_out`].
    pub fn copy_out_frame<M: Machine>(
        &mut self,
        m: &mut M,
        to: UserSlice,
        physical: u64,
    ) -> Result<(), SpaceError> {
        let mut from = in_one_frame(physical, to.len)?;
        self.for_each_page(m, to, true, |m, place, len| {
            m.copy(from, place, len);
            from = from.saturating_add(len as u64);
            Ok(())
        })
    }

    /// Fills a range with zeros.
    ///
    /// # Errors
    /// [`SpaceError::Fault`] or [`SpaceError::NoMemory`]; part may have been filled.
    pub fn clear_bytes<M: Machine>(
        &mut self,
        m: &mut M,
        slice: UserSlice,
    ) -> Result<(), SpaceError> {
        const ZEROS: [u8; 512] = [0; 512];
        self.for_each_page(m, slice, true, |m, physical, len| {
            let mut at = physical;
            let mut left = len;
            while let Some(part) = ZEROS.get(..left.min(ZEROS.len())).filter(|p| !p.is_empty()) {
                m.write(at, part);
                at = at.saturating_add(part.len() as u64);
                left = left.saturating_sub(part.len());
            }
            Ok(())
        })
    }
}

/// The address, if `len` bytes from it are in one frame.
fn in_one_frame(physical: u64, len: usize) -> Result<u64, SpaceError> {
    let room = PAGE_SIZE.saturating_sub(physical as usize % PAGE_SIZE);
    if len <= room {
        Ok(physical)
    } else {
        Err(SpaceError::Invalid)
    }
}
