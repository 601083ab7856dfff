//! Anonymous memory.

use core::ptr::NonNull;

use rt_core::page_ceil;
use syscall::error::{Error, Result};
use syscall::flag::MapFlags;
use syscall::{ENOMEM, Map};

use crate::sys;

/// Maps `len` bytes (rounded up to pages) of zeroed memory for reading and writing.
pub fn map_anonymous(len: usize) -> Result<NonNull<[u8]>> {
    let size = page_ceil(len.max(1)).ok_or(Error::new(ENOMEM))?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::PROT_READ | MapFlags::PROT_WRITE;
    let map = Map {
        offset: 0,
        size,
        flags,
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
