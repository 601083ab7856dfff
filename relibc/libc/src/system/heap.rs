//! The memory allocator: `talc` for small blocks, mappings of their own for large ones.
//!
//! In front of every block stand two words: its size, and how far in front of it the allocation
//! begins, which is also the allocation's alignment.

use core::alloc::Layout;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use redox_rt::futex::Mutex;
use redox_rt::memory::map_anonymous;
use redox_rt::signal::without_delivery;
use redox_rt::sys;
use relibc_core::errno::{EINVAL, ENOMEM};
use rt_core::PAGE_SIZE;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use crate::sys::set_errno;

/// How much is asked of the kernel at once for small blocks, in bytes; untouched pages cost nothing.
const CHUNK: usize = 1 << 20;
/// From this size on a block is a mapping of its own, so that it goes back to the kernel when freed.
const LARGE: usize = 256 << 10;
/// Alignment of every block, and length of what stands in front of it.
const ALIGN: usize = 16;

#[derive(Debug)]
struct Anonymous;

// SAFETY: `acquire` touches only the allocator it is handed, and what it claims is freshly mapped
// memory that nothing else knows of and that stays mapped.
unsafe impl Source for Anonymous {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let need = layout
            .size()
            .checked_add(layout.align())
            .and_then(|n| n.checked_add(CHUNK / 16))
            .ok_or(())?;
        let memory = map_anonymous(need.max(CHUNK)).map_err(drop)?;
        // SAFETY: see the implementation's reason above.
        unsafe { talc.claim(memory.as_ptr().cast(), memory.len()) }
            .map(drop)
            .ok_or(())
    }
}

type Heap = Talc<Anonymous, talc::DefaultBinning>;

static HEAP: Mutex<Heap> = Mutex::new(Talc::new(Anonymous));

/// Changes the heap. A handler that comes in between would wait for its own thread if it allocated, as `execve`
/// does, which it may call.
fn with_heap<T>(change: impl FnOnce(&mut Heap) -> T) -> T {
    without_delivery(|| change(&mut HEAP.lock()))
}

/// What stands in front of a block.
#[repr(C)]
struct Head {
    size: usize,
    offset: usize,
}

unsafe fn head(block: *mut c_void) -> *mut Head {
    block.cast::<Head>().sub(1)
}

/// The allocation that a block of this size and offset is in.
fn outer(size: usize, offset: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(offset)?, offset).ok()
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE_SIZE
}

/// A block, or null. `align` is a power of two.
unsafe fn allocate(size: usize, align: usize) -> *mut c_void {
    let offset = align.max(ALIGN);
    let Some(layout) = outer(size, offset) else {
        return null_mut();
    };
    let base = if is_large(layout) {
        map_anonymous(layout.size()).map_or(null_mut(), |memory| memory.as_ptr().cast::<u8>())
    } else {
        with_heap(|heap| heap.allocate(layout).map_or(null_mut(), |p| p.as_ptr()))
    };
    if base.is_null() {
        return null_mut();
    }
    let block = base.add(offset).cast::<c_void>();
    head(block).write(Head { size, offset });
    block
}

fn or_no_memory(block: *mut c_void) -> *mut c_void {
    if block.is_null() {
        set_errno(ENOMEM);
    }
    block
}

/// Runs a fork, which must not allocate, while no thread changes the heap.
pub(crate) fn while_quiet<T>(fork: impl FnOnce() -> T) -> T {
    with_heap(|_| fork())
}

c_api! {
    fn malloc(size: usize) -> *mut c_void { or_no_memory(allocate(size, ALIGN)) }
    fn free(block: *mut c_void) {
        if block.is_null() {
            return;
        }
        let Head { size, offset } = head(block).read();
        let base = block.cast::<u8>().sub(offset);
        // It was valid when the block was made.
        let layout = Layout::from_size_align_unchecked(size + offset, offset);
        if is_large(layout) {
            let _ = sys::funmap(base as usize, layout.size().next_multiple_of(PAGE_SIZE));
        } else {
            with_heap(|heap| heap.deallocate(base, layout));
        }
    }
    fn calloc(count: usize, size: usize) -> *mut c_void {
        let Some(len) = count.checked_mul(size) else {
            return or_no_memory(null_mut());
        };
        let block = malloc(len);
        // A fresh mapping is zero.
        if !block.is_null() && !outer(len, ALIGN).is_some_and(is_large) {
            block.write_bytes(0, len);
        }
        block
    }
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
        if block.is_null() {
            return malloc(size);
        }
        let Head { size: old, offset } = head(block).read();
        let base = block.cast::<u8>().sub(offset);
        let old_layout = Layout::from_size_align_unchecked(old + offset, offset);
        if let Some(new_layout) = outer(size, offset) && !is_large(old_layout) && !is_large(new_layout) {
            let in_place = with_heap(|heap| heap.try_realloc_in_place(base, old_layout, new_layout.size()));
            if in_place {
                (*head(block)).size = size;
                return block;
            }
        }
        let new = malloc(size);
        if !new.is_null() {
            core::ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast(), old.min(size));
            free(block);
        }
        new
    }
    fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void {
        match count.checked_mul(size) {
            Some(len) => realloc(block, len),
            None => or_no_memory(null_mut()),
        }
    }
    fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
        if !align.is_power_of_two() || !align.is_multiple_of(size_of::<usize>()) {
            return EINVAL.0;
        }
        let block = allocate(size, align);
        if block.is_null() {
            return ENOMEM.0;
        }
        out.write(block);
        0
    }
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
        if !align.is_power_of_two() {
            set_errno(EINVAL);
            return null_mut();
        }
        or_no_memory(allocate(size, align))
    }
    fn memalign(align: usize, size: usize) -> *mut c_void { aligned_alloc(align, size) }
    fn valloc(size: usize) -> *mut c_void { aligned_alloc(PAGE_SIZE, size) }
    fn malloc_usable_size(block: *mut c_void) -> usize {
        if block.is_null() { 0 } else { (*head(block)).size }
    }
}
