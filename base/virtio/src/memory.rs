//! Memory that the device reaches.
//!
//! There is one block for the process, given out once and for as long as the process lives: what the device
//! was told stays valid until it is reset, which is somebody else's to do when this process has ended.

use alloc::format;
use core::{
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use redox_rt::{Fd, sys};
use syscall::{
    Map,
    flag::{CallFlags, MapFlags, O_RDWR},
};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::{Problem, refused};

const PAGE: usize = 4096;

static OPENED: AtomicBool = AtomicBool::new(false);
static BASE: AtomicUsize = AtomicUsize::new(0);
static PHYSICAL: AtomicU64 = AtomicU64::new(0);
static LEN: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

/// The block, as `virtio-drivers` asks for it.
#[derive(Debug)]
pub struct Memory;

impl Memory {
    pub(crate) fn open(function: &Fd, len: usize) -> Result<(), Problem> {
        if OPENED.swap(true, Ordering::AcqRel) {
            return Err(Problem::Device("its memory is open already"));
        }
        let len = len.next_multiple_of(PAGE);
        let block = function
            .open(format!("dma/{len:x}").as_bytes(), O_RDWR)
            .map_err(refused("memory for the device"))?;
        let mut physical = [0; size_of::<u64>()];
        sys::call_read(block.raw(), &mut physical, CallFlags::empty(), &[])
            .map_err(refused("the memory's address"))?;
        let map = Map {
            offset: 0,
            size: len,
            flags: MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
            address: 0,
        };
        // SAFETY: without MAP_FIXED the kernel chooses a range that nothing uses.
        let base =
            unsafe { sys::fmap(block.raw(), &map) }.map_err(refused("mapping the memory"))?;
        BASE.store(base, Ordering::Relaxed);
        PHYSICAL.store(u64::from_ne_bytes(physical), Ordering::Relaxed);
        LEN.store(len, Ordering::Release);
        Ok(())
    }

    /// Takes whole pages.
    fn take(len: usize) -> Option<NonNull<u8>> {
        let len = len.checked_next_multiple_of(PAGE)?;
        let whole = LEN.load(Ordering::Acquire);
        let at = USED
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(len).filter(|end| *end <= whole)
            })
            .ok()?;
        NonNull::new((BASE.load(Ordering::Relaxed) + at) as *mut u8)
    }

    /// The physical address of something in the block.
    fn physical(address: usize) -> Option<PhysAddr> {
        let offset = address.checked_sub(BASE.load(Ordering::Relaxed))?;
        (offset < LEN.load(Ordering::Acquire))
            .then(|| PHYSICAL.load(Ordering::Relaxed) + offset as u64)
    }

    /// A buffer of so many bytes, zeroed, on pages of its own.
    ///
    /// # Errors
    /// [`Problem::Device`] when the block has no room for it.
    pub fn buffer(len: usize) -> Result<Buffer, Problem> {
        let start = Self::take(len).ok_or(Problem::Device("its memory is too small"))?;
        Ok(Buffer { start, len })
    }
}

/// Bytes of the block, nobody else's.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<u8>,
    len: usize,
}

impl Buffer {
    /// The bytes.
    ///
    /// # Safety
    /// The device must not be using them.
    pub unsafe fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the range is this value's alone, mapped for as long as the process lives; that the
        // device leaves it alone is the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

// SAFETY: memory is given out once, from the start of the block on, in whole pages, mapped, zeroed by the kernel
// and adjacent in physical memory, since all of the block is. The physical addresses are the kernel's.
unsafe impl Hal for Memory {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let taken = pages.checked_mul(PAGE).and_then(Self::take);
        let found = taken.and_then(|start| Some((Self::physical(start.as_ptr() as usize)?, start)));
        // A physical address of 0 says that there is none.
        found.unwrap_or((0, NonNull::dangling()))
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        // Kept until the process ends.
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        // Asked by a transport that is not used here: ours has its registers mapped already.
        NonNull::dangling()
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        let start = buffer.cast::<u8>().as_ptr() as usize;
        match Self::physical(start) {
            Some(address) => address,
            // The device would write to somebody else's memory.
            None => panic!("a buffer outside of the device's memory"),
        }
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
