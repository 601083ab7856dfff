//! The global allocator of programs without the C library: `talc` over anonymous memory.

use core::alloc::Layout;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use crate::futex::RawMutex;

/// How much is asked of the kernel at once, in bytes; pages that are not touched cost nothing.
const CHUNK: usize = 1 << 20;

/// Grows the heap by mapping memory.
#[derive(Debug)]
struct Anonymous;

// SAFETY: `acquire` touches only the allocator it is handed, and what it claims is freshly mapped
// memory that nothing else knows of and that stays mapped.
unsafe impl Source for Anonymous {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // Room for the block, its alignment, and the allocator's own records.
        let need = layout
            .size()
            .checked_add(layout.align())
            .and_then(|n| n.checked_add(CHUNK / 16))
            .ok_or(())?;
        let memory = crate::memory::map_anonymous(need.max(CHUNK)).map_err(drop)?;
        // SAFETY: see the implementation's reason above.
        unsafe { talc.claim(memory.as_ptr().cast(), memory.len()) }
            .map(drop)
            .ok_or(())
    }
}

#[global_allocator]
static HEAP: talc::TalcLock<RawMutex, Anonymous> = talc::TalcLock::new(Anonymous);
