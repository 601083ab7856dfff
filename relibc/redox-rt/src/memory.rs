//! Anonymous memory.

use core::ops::Range;
use core::ptr::NonNull;

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
