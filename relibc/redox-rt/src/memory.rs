//! Anonymous memory.

use core::ops::Range;
use core::ptr::NonNull;

use cap_abi::memory::{COMMIT, COMMIT_MOST};
use rt_core::page_ceil;
use syscall::error::{Error, Result};
use syscall::flag::MapFlags;
use syscall::{EINVAL, ENOMEM, Map};

use crate::sys;

/// What memory is for.
const PLAIN: MapFlags = MapFlags::MAP_PRIVATE
    .union(MapFlags::PROT_READ)
    .union(MapFlags::PROT_WRITE);
/// How much is renewed by one call: the kernel does not pause in it.
const RENEWED_AT_ONCE: usize = 16 << 20;

/// Maps `len` bytes (rounded up to pages) of zeroed memory for reading and writing.
pub fn map_anonymous(len: usize) -> Result<NonNull<[u8]>> {
    let size = page_ceil(len.max(1)).ok_or(Error::new(ENOMEM))?;
    let map = Map {
        offset: 0,
        size,
        flags: PLAIN,
        address: 0,
    };
    // SAFETY: without MAP_FIXED the kernel chooses a range that nothing uses.
    let address = unsafe { sys::fmap(sys::ANONYMOUS, &map) }?;
    let base = NonNull::new(address as *mut u8).ok_or(Error::new(ENOMEM))?;
    Ok(NonNull::slice_from_raw_parts(base, size))
}

/// Has memory for each page of this program's from `address`, which is a page's, to behind `len` bytes.
pub(crate) fn commit(address: usize, len: usize) -> Result<()> {
    let protection = MapFlags::PROT_READ | MapFlags::PROT_WRITE;
    let flags = protection.union(MapFlags::from_bits_retain(COMMIT));
    for at in (0..len).step_by(COMMIT_MOST) {
        // SAFETY: the pages can be read and written as before; their content stays.
        unsafe { sys::mprotect(address + at, COMMIT_MOST.min(len - at), flags) }?;
    }
    Ok(())
}

/// Anonymous memory that is unmapped when it is dropped.
#[derive(Debug)]
pub struct Mapping(NonNull<[u8]>);

impl Mapping {
    /// Zeroed memory of at least `len` bytes.
    pub fn new(len: usize) -> Result<Self> {
        map_anonymous(len).map(Self)
    }

    /// Address of the first byte.
    #[must_use]
    pub fn address(&self) -> usize {
        self.0.as_ptr() as *mut u8 as usize
    }

    /// Length in bytes: whole pages.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: a mapping has at least one page.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is this value's alone, readable and writable, and lives as long as it.
        unsafe { self.0.as_mut() }
    }

    /// Has memory for each page of a range, relative to the first byte, before it is used: out of what the kernel keeps
    /// for nobody, so that a program of the superuser's that does this for somebody else hears in time that there is
    /// none.
    ///
    /// # Errors
    /// `EINVAL` for a range that is not inside. `ENOMEM`; some of the pages may have got some.
    pub fn commit(&self, range: Range<usize>) -> Result<()> {
        if range.start > range.end || range.end > self.len() {
            return Err(Error::new(EINVAL));
        }
        let first = range.start - range.start % syscall::PAGE_SIZE;
        commit(self.address() + first, range.end - first)
    }

    /// Puts fresh pages in place of some, whose memory is free then: zeros, which take memory when they are
    /// used. The range, relative to the first byte, is whole pages.
    ///
    /// # Errors
    /// `EINVAL` for another range. After others some of the pages are fresh, and the rest as they were.
    pub fn renew(&mut self, range: Range<usize>) -> Result<()> {
        let whole = |place: usize| place.is_multiple_of(syscall::PAGE_SIZE);
        if !whole(range.start) || !whole(range.end) || range.end > self.len() {
            return Err(Error::new(EINVAL));
        }
        for start in range.clone().step_by(RENEWED_AT_ONCE) {
            let map = Map {
                offset: 0,
                size: RENEWED_AT_ONCE.min(range.end - start),
                flags: PLAIN | MapFlags::MAP_FIXED,
                address: self.address() + start,
            };
            // SAFETY: the pages are inside this value's own mapping, and nothing refers to its bytes: they are
            // reached through a borrow of it, and this is the only one. What was at the place, and is now,
            // is memory for reading and writing of which any bytes are valid.
            unsafe { sys::fmap(sys::ANONYMOUS, &map) }?;
        }
        Ok(())
    }

    /// Gives the range up without unmapping it.
    pub const fn forget(self) {
        core::mem::forget(self);
    }
}

// SAFETY: it owns plain memory.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the only references to it came from borrows of this value, which have ended.
        let _ = unsafe { sys::funmap(self.address(), self.len()) };
    }
}
