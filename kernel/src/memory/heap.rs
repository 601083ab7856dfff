//! The kernel's global allocator: [`kernel_core::heap`] on frames of the direct map.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{null_mut, with_exposed_provenance, with_exposed_provenance_mut};

use kernel_core::frames::{Buddy, Frame, Owner};
use kernel_core::heap::{Heap, Pages};

use super::{CORE, Core};
use crate::arch::paging::{self, phys_to_virt};

/// Frames as the heap wants them: by their addresses in the direct map.
struct DirectFrames<'a> {
    frames: &'a mut Buddy<'static>,
    kept: usize,
}

/// What the allocators are for an allocation.
fn parts(core: &mut Core) -> (DirectFrames<'_>, &mut Heap) {
    let Core { frames, heap, kept } = core;
    let kept = *kept;
    (DirectFrames { frames, kept }, heap)
}

impl Pages for DirectFrames<'_> {
    fn take(&mut self, order: u8) -> Option<usize> {
        let frame = super::take(self.frames, self.kept, order, Owner::Heap)?;
        Some(phys_to_virt(frame.address()).expose_provenance())
    }

    fn give(&mut self, address: usize, order: u8) {
        let result = Frame::containing(paging::virt_to_phys(address))
            .map(|frame| self.frames.release(frame));
        debug_assert!(
            matches!(result, Some(Ok(0))),
            "heap: frames of order {order} at {address:#x}"
        );
    }

    #[inline]
    fn load(&self, address: usize) -> usize {
        // SAFETY: the heap asks only for aligned words in blocks that it took and holds: headers and
        // free objects, to which there are no references.
        unsafe { with_exposed_provenance::<usize>(address).read() }
    }

    #[inline]
    fn store(&mut self, address: usize, value: usize) {
        // SAFETY: as for `load`.
        unsafe { with_exposed_provenance_mut::<usize>(address).write(value) }
    }
}

/// The allocator behind `alloc`'s types.
struct KernelHeap;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

// SAFETY: what `Heap::alloc` returns is memory of the layout's size and alignment that nobody else has
// until `Heap::free`; the host tests of `kernel_core::heap` check that against a model. No method
// unwinds.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut core = CORE.lock();
        let (mut frames, heap) = parts(&mut core);
        heap.alloc(&mut frames, layout)
            .map_or(null_mut(), with_exposed_provenance_mut)
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        let mut core = CORE.lock();
        let (mut frames, heap) = parts(&mut core);
        let result = heap.free(&mut frames, object.expose_provenance(), layout);
        debug_assert!(result.is_ok(), "{result:?}");
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else {
            return null_mut();
        };
        if CORE.lock().heap.resize(layout, new) {
            return object;
        }
        // SAFETY: the caller promises that `size` is not 0.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            let len = layout.size().min(size);
            // SAFETY: both are live allocations of at least `len` bytes, and different ones.
            unsafe { paging::copy_bytes(object, moved, len) };
            // SAFETY: the caller promises that `object` has this layout, and gives it up.
            unsafe { self.dealloc(object, layout) };
        }
        moved
    }
}

/// Gives back slabs without objects.
pub(super) fn trim(core: &mut Core) {
    let (mut frames, heap) = parts(core);
    heap.trim(&mut frames);
}
