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

    /// Reads a word; one outside reads as ones.
    pub fn read32(&self, offset: usize) -> u32 {
        // SAFETY: the place is in registers that this value keeps mapped, and aligned.
        self.place(offset)
            .map_or(u32::MAX, |place: *mut u32| unsafe { place.read_volatile() })
    }

    /// Writes a word; one outside is not written.
    pub fn write32(&self, offset: usize, value: u32) {
        if let Some(place) = self.place::<u32>(offset) {
            // SAFETY: as for `read32`. What the write does is between this program and the device.
            unsafe { place.write_volatile(value) };
        }
    }

    /// Reads a byte; one outside reads as ones.
    pub fn read8(&self, offset: usize) -> u8 {
        // SAFETY: as for `read32`.
        self.place(offset)
            .map_or(u8::MAX, |place: *mut u8| unsafe { place.read_volatile() })
    }

    /// Writes a byte; one outside is not written.
    pub fn write8(&self, offset: usize, value: u8) {
        if let Some(place) = self.place::<u8>(offset) {
            // SAFETY: as for `write32`.
            unsafe { place.write_volatile(value) };
        }
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        // SAFETY: nobody else knows the address. An error leaves it mapped.
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
    // SAFETY: the mapping has `skip + len` bytes from `base` on, and is unmapped only after the copy.
    unsafe {
        core::ptr::copy_nonoverlapping((base + skip) as *const u8, bytes.as_mut_ptr(), len);
        let _ = sys::funmap(base, whole);
    }
    Ok(bytes)
}
