//! Physical memory.

use alloc::{format, vec, vec::Vec};

use redox_rt::{Error, Fd, Result, sys};
use syscall::{
    EINVAL, Map,
    flag::{CallFlags, MapFlags, O_DIRECTORY, O_RDONLY, O_RDWR},
};

use crate::open;

const PAGE: u64 = 4096;

/// Device registers, mapped.
pub struct Registers {
    base: usize,
    len: usize,
}

impl Registers {
    /// Maps physical addresses, uncached.
    pub fn map(base: u64, len: usize) -> Result<Self> {
        let window = window("physical@uc", base, len as u64)?;
        let address = map(&window, len, MapFlags::PROT_READ | MapFlags::PROT_WRITE)?;
        Ok(Self { base: address, len })
    }

    /// The address of a register, which must lie inside, aligned.
    fn place<T>(&self, offset: usize) -> Option<*mut T> {
        let inside = offset.checked_add(size_of::<T>())? <= self.len;
        let aligned = offset.is_multiple_of(align_of::<T>());
        (inside && aligned).then(|| (self.base + offset) as *mut T)
    }

    fn read<T>(&self, offset: usize) -> Option<T> {
        let place = self.place::<T>(offset)?;
        // SAFETY: (1) the place is inside the mapping and aligned (`place`); (2) the mapping is there as long as
        // this value; (3) registers are read as whole words or bytes, which any bits are.
        Some(unsafe { place.read_volatile() })
    }

    fn write<T>(&self, offset: usize, value: T) {
        if let Some(place) = self.place::<T>(offset) {
            // SAFETY: (1) and (2) as for `read`; (3) nothing of this program is there, so that what the write does
            // is between it and the device.
            unsafe { place.write_volatile(value) };
        }
    }

    /// Reads a word; one outside reads as ones.
    pub fn read32(&self, offset: usize) -> u32 {
        self.read(offset).unwrap_or(u32::MAX)
    }

    /// Writes a word; one outside is not written.
    pub fn write32(&self, offset: usize, value: u32) {
        self.write(offset, value);
    }

    /// Reads a byte; one outside reads as ones.
    pub fn read8(&self, offset: usize) -> u8 {
        self.read(offset).unwrap_or(u8::MAX)
    }

    /// Writes a byte; one outside is not written.
    pub fn write8(&self, offset: usize, value: u8) {
        self.write(offset, value);
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        // SAFETY: the range is this value's own mapping, whose address nobody else has, and no access follows. An
        // error leaves it mapped, which harms nobody.
        let _ = unsafe { sys::funmap(self.base, self.len) };
    }
}

/// A window on physical addresses, which are whole pages.
pub fn window(kind: &str, base: u64, len: u64) -> Result<Fd> {
    open(
        format!("/scheme/memory/{kind}/{base:x}/{len:x}").as_bytes(),
        O_RDWR,
    )
}

/// Memory for a device.
pub fn block(len: u64) -> Result<Fd> {
    open(format!("/scheme/memory/dma/{len:x}").as_bytes(), O_RDWR)
}

/// Frees blocks that nobody has any more. No device may be writing to one.
pub fn reclaim() -> Result<()> {
    let root = open(b"/scheme/memory", O_RDONLY | O_DIRECTORY)?;
    sys::call(root.raw(), CallFlags::empty(), &[cap_abi::memory::RECLAIM]).map(drop)
}

fn map(fd: &Fd, size: usize, protection: MapFlags) -> Result<usize> {
    let map = Map {
        offset: 0,
        size,
        flags: MapFlags::MAP_SHARED | protection,
        address: 0,
    };
    // SAFETY: without MAP_FIXED the kernel chooses a range that nothing uses.
    unsafe { sys::fmap(fd.raw(), &map) }
}

/// Copies physical memory that the firmware has left there.
pub fn read(address: u64, len: usize) -> Result<Vec<u8>> {
    let wrong = Error::new(EINVAL);
    let first = address & !(PAGE - 1);
    let skip = (address - first) as usize;
    let whole = skip
        .checked_add(len)
        .and_then(|len| len.checked_next_multiple_of(PAGE as usize))
        .ok_or(wrong)?;
    let window = window("physical@wb", first, whole as u64)?;
    let base = map(&window, whole, MapFlags::PROT_READ)?;
    let mut bytes = vec![0; len];
    let from = (base + skip) as *const u8;
    // SAFETY: (1) the mapping has `whole` bytes from `base` on, at least `skip + len`; (2) `bytes` has `len`; (3) one
    // is mapped, the other on the heap, so that they do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), len) };
    // SAFETY: the range is the mapping made above, and nothing refers to it any more. An error leaves it mapped.
    let _ = unsafe { sys::funmap(base, whole) };
    Ok(bytes)
}
