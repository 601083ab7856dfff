//! Memory of the kernel's that programs see as well, or that a loader left.

use super::{CORE, InitError, Memory, PAGE_SIZE};
use crate::arch::{self, paging::phys_to_virt};
use boot_info::Region;
use core::sync::atomic::{AtomicU64, AtomicUsize};
use kernel_core::frames::{Frame, Owner};

/// Sets up memory with what the machine has left free at boot.
///
/// # Errors
/// [`InitError`].
pub fn from_boot() -> Result<Memory, InitError> {
    let root = Frame::containing(arch::kernel_root()).ok_or(InitError::NoRoom(0))?;
    // SAFETY: called once, by the start of the kernel proper; `free_memory` gives ranges that nothing
    // else uses, in ascending order, all in the direct map; the kernel's root table lives for ever.
    unsafe { Memory::init(arch::free_memory(), root) }
}

/// The bytes of a region that the loader left and that stays out of the allocator.
pub fn boot_region(region: &Region) -> &'static [u8] {
    if region.len == 0 {
        return &[];
    }
    // SAFETY: the regions of the boot record are in RAM, so in the direct map; the machine-dependent
    // layer keeps them out of the free memory, and nobody writes to them.
    unsafe { core::slice::from_raw_parts(phys_to_virt(region.base), region.len as usize) }
}

/// Records that programs and the kernel change together: all of their fields are atomic.
///
/// # Safety
/// Every bit pattern must be valid, and every field an atomic.
unsafe trait Shared {}
// SAFETY: fields of the signal ABI are `AtomicU64`, `AtomicUsize` and transparent wrappers of these.
unsafe impl Shared for syscall::Sigcontrol {}
// SAFETY: as above.
unsafe impl Shared for syscall::SigProcControl {}

const _: () = assert!(size_of::<AtomicU64>() == 8 && size_of::<AtomicUsize>() == 8);

impl Memory {
    /// The thread's signal record at an offset of a frame that the caller holds a reference to; `None`
    /// if it is not all inside or not aligned.
    pub fn thread_signals(&self, frame: Frame, offset: usize) -> Option<&syscall::Sigcontrol> {
        self.shared(frame, offset)
    }

    /// The process's signal record, which is a frame's beginning.
    pub fn process_signals(&self, frame: Frame) -> Option<&syscall::SigProcControl> {
        self.shared(frame, 0)
    }

    fn shared<T: Shared>(&self, frame: Frame, offset: usize) -> Option<&T> {
        let end = offset.checked_add(size_of::<T>())?;
        // A page-aligned type is as long as its pages, but what is used of it ends in the first.
        let fits = end <= PAGE_SIZE || offset == 0 && size_of::<T>() == PAGE_SIZE;
        if !fits || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        let address = phys_to_virt(frame.address()).wrapping_add(offset);
        // SAFETY: inside one frame, which the direct map maps and which the caller keeps; aligned, as
        // checked; programs may change it at any time, which is what atomic fields are for.
        Some(unsafe { &*address.cast::<T>() })
    }

    /// Whether the first `len` bytes of a frame are UTF-8 now.
    #[inline(always)]
    pub fn is_text(&self, frame: Frame, len: usize) -> bool {
        // SAFETY: inside the frame. A daemon that has it mapped could write meanwhile; it is not running
        // (one CPU is in the kernel at a time, and with it the only one), so nobody does.
        let bytes = unsafe {
            core::slice::from_raw_parts(phys_to_virt(frame.address()), len.min(PAGE_SIZE))
        };
        bytes.is_ascii() || core::str::from_utf8(bytes).is_ok()
    }
}

/// Frames for the kernel's own data, such as what is in a pipe.
pub struct KernelPages;

impl kernel_core::pipe::Pages for KernelPages {
    type Page = Frame;

    fn allocate(&mut self) -> Option<Frame> {
        CORE.lock().frames.alloc(0, Owner::Kernel)
    }

    fn free(&mut self, page: Frame) {
        let result = CORE.lock().frames.release(page);
        debug_assert!(result.is_ok(), "pipe page: {result:?}");
    }

    fn bytes<'a>(&'a self, page: &'a Frame) -> &'a [u8; PAGE_SIZE] {
        // SAFETY: the frame was allocated by `allocate`, and its owner lends it for as long as the slice
        // is used; nobody else knows it. Its contents, whatever they are, are bytes.
        unsafe { &*phys_to_virt(page.address()).cast() }
    }

    fn bytes_mut<'a>(&'a mut self, page: &'a mut Frame) -> &'a mut [u8; PAGE_SIZE] {
        // SAFETY: as above, and exclusively.
        unsafe { &mut *phys_to_virt(page.address()).cast() }
    }
}
