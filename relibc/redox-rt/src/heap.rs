//! The global allocator of programs without the C library: `talc` over anonymous memory.

use core::alloc::Layout;
use core::ptr::NonNull;

use syscall::ENOMEM;
use syscall::error::{Error, Result};
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

/// Memory that is sure to be there: so much of the heap is kept free, in one piece, and no page of it is of what the
/// kernel keeps for the superuser's programs.
///
/// A daemon of the superuser's that does something for somebody else takes memory, and where all but the kept memory
/// has gone it would take that, until there is nothing left for the programs without which the machine is lost. With a
/// headroom it finds out before it begins ([`Headroom::ensure`]), has it while it works ([`Headroom::give`]), and
/// looks for another one after.
#[derive(Debug)]
pub struct Headroom {
    layout: Layout,
    block: Option<NonNull<u8>>,
    /// Where the last one was; memory of the heap stays.
    committed: Option<NonNull<u8>>,
}

// SAFETY: it owns its block.
unsafe impl Send for Headroom {}

impl Headroom {
    /// So many bytes, which are not there yet.
    #[must_use]
    pub const fn new(size: usize) -> Self {
        let size = if size == 0 { 1 } else { size };
        Self {
            layout: match Layout::from_size_align(size, 1) {
                Ok(layout) => layout,
                Err(_) => Layout::new::<u8>(),
            },
            block: None,
            committed: None,
        }
    }

    /// Has it, if it is not there.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn ensure(&mut self) -> Result<()> {
        if self.block.is_some() {
            return Ok(());
        }
        // SAFETY: the layout is of one byte at least.
        let block = NonNull::new(unsafe { alloc::alloc::alloc(self.layout) });
        let block = block.ok_or(Error::new(ENOMEM))?;
        if self.committed != Some(block) {
            let address = block.as_ptr() as usize;
            let first = address - address % syscall::PAGE_SIZE;
            let end = address + self.layout.size();
            if let Err(error) = crate::memory::commit(first, end - first) {
                // SAFETY: it was allocated above, with this layout.
                unsafe { alloc::alloc::dealloc(block.as_ptr(), self.layout) };
                return Err(error);
            }
            self.committed = Some(block);
        }
        self.block = Some(block);
        Ok(())
    }

    /// Gives it to whatever is allocated next.
    pub fn give(&mut self) {
        if let Some(block) = self.block.take() {
            // SAFETY: it was allocated in `ensure`, with this layout, and nobody else knows of it.
            unsafe { alloc::alloc::dealloc(block.as_ptr(), self.layout) };
        }
    }
}

impl Drop for Headroom {
    fn drop(&mut self) {
        self.give();
    }
}
