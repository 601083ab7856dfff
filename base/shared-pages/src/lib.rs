//! Memory of a file system's daemon that its clients map.
#![no_std]

use core::ops::Range;

use redox_rt::memory::Mapping;
use treefs::Region;

/// Fresh memory of this process. Clients that map it change it whenever they like, so that it is only ever
/// copied from and to, never referred to.
#[derive(Debug)]
pub struct SharedPages {
    memory: Mapping,
    len: usize,
}

impl SharedPages {
    /// How many of `len` bytes at `at` there are.
    fn reach(&self, at: usize, len: usize) -> usize {
        self.len.saturating_sub(at).min(len)
    }
}

impl Region for SharedPages {
    fn reserve(len: usize) -> Option<Self> {
        let memory = Mapping::new(len).ok()?;
        Some(Self { memory, len })
    }

    fn address(&self) -> usize {
        self.memory.address()
    }

    fn capacity(&self) -> usize {
        self.len
    }

    fn commit(&mut self, range: Range<usize>) -> bool {
        self.memory.commit(range).is_ok()
    }

    fn room(len: usize) -> bool {
        Mapping::new(len).is_ok_and(|memory| memory.commit(0..len).is_ok())
    }

    fn release(&mut self, range: Range<usize>) {
        // What could not be given back goes with the rest.
        let _ = self.memory.renew(range);
    }

    fn read(&self, at: usize, buf: &mut [u8]) {
        let len = self.reach(at, buf.len());
        let from = core::ptr::with_exposed_provenance::<u8>(self.memory.address().wrapping_add(at));
        // SAFETY: `at` and `len` are inside the mapping, which lives as long as this, and `buf` has room. Others
        // may write to the memory meanwhile: it is copied as bytes that mean nothing, through a pointer.
        unsafe { core::ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), len) };
    }

    fn write(&mut self, at: usize, data: &[u8]) {
        let len = self.reach(at, data.len());
        let to =
            core::ptr::with_exposed_provenance_mut::<u8>(self.memory.address().wrapping_add(at));
        // SAFETY: as above, the other way round.
        unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), to, len) };
    }
}
