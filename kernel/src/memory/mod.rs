//! Memory of the machine: frames, the kernel's heap, address spaces and copies from and to them.
//!
//! What there is to decide is in `kernel_core` ([`kernel_core::frames`], [`kernel_core::heap`],
//! [`kernel_core::paging`], [`kernel_core::space`], [`kernel_core::user`]) and tested on the host; this
//! module gives it real memory through the direct map.
//!
//! The frame allocator is behind a lock of its own and not in [`Memory`], since the heap needs it
//! in the middle of anything. Nothing is called with that lock held but the two pure allocators, which
//! allocate nothing, so it cannot be taken twice.

mod heap;
mod shared;
pub mod space;
pub mod user;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use boot_info::{MAX_REGIONS, Region};
pub use kernel_core::frames::Frame;
use kernel_core::frames::{
    Buddy, FRAME_SHIFT, FRAME_SIZE, FrameError, FrameRange, MAX_ZONES, Owner, Record, plan_zones,
};
use kernel_core::heap::{Heap, HeapStats};
use kernel_core::machine::Machine;
use kernel_core::paging::ENTRIES;
pub use kernel_core::paging::PAGE_SIZE;
use kernel_core::space::Remains;
pub use shared::{KernelPages, boot_region, from_boot};
use spin::Mutex;

use crate::arch::paging::{self, phys_to_virt};

/// The allocators.
struct Core {
    frames: Buddy<'static>,
    heap: Heap,
    /// So many frames are kept for the superuser's programs.
    kept: usize,
}

impl Core {
    #[inline]
    fn take(&mut self, order: u8, owner: Owner) -> Option<Frame> {
        take(&mut self.frames, self.kept, order, owner)
    }
}

/// `2^order` frames, unless what is left, which is no more than `kept`, is not for whoever runs now.
#[inline]
fn take(frames: &mut Buddy<'static>, kept: usize, order: u8, owner: Owner) -> Option<Frame> {
    if frames.free_count() <= kept && RUNS_FOR.load(Ordering::Relaxed) != 0 {
        return None;
    }
    frames.alloc(order, owner)
}

/// The effective user of who runs now. If that is not the superuser, it is not to take the memory without which
/// programs that everybody needs would end.
static RUNS_FOR: AtomicU32 = AtomicU32::new(0);

/// Tells who runs now.
#[inline]
pub fn runs_for(euid: u32) {
    RUNS_FOR.store(euid, Ordering::Relaxed);
}

/// Does something with the memory that nobody is kept from, whoever runs.
pub fn for_somebody_else<T>(f: impl FnOnce() -> T) -> T {
    let euid = RUNS_FOR.swap(u32::MAX, Ordering::Relaxed);
    let done = f();
    RUNS_FOR.store(euid, Ordering::Relaxed);
    done
}

static CORE: Mutex<Core> = Mutex::new(Core {
    frames: Buddy::new(),
    heap: Heap::new(),
    kept: 0,
});

/// One of so many frames is kept.
const KEPT: usize = 32;

/// How many pages of spaces that have ended are given back at a time.
const REMAINS_PART: usize = 1024;

/// The right to allocate frames and to reach physical memory. There is one, made at start.
pub struct Memory {
    /// A root table with the kernel half that every space shares.
    kernel_root: Frame,
    /// The bits that may be set in a page-table entry.
    entry_mask: u64,
    /// What is left of spaces that have ended.
    remains: Vec<Remains>,
}

/// Why memory could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitError {
    /// No range has room for the records of all frames; this many bytes are needed.
    NoRoom(usize),
    /// The ranges overlap or are not ascending.
    Ranges(FrameError),
}

impl From<FrameError> for InitError {
    fn from(error: FrameError) -> Self {
        Self::Ranges(error)
    }
}

/// How memory is used, in frames unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// All that the kernel was given.
    pub total: usize,
    /// Free.
    pub free: usize,
    /// Held by the kernel's heap.
    pub heap: usize,
    /// Page tables.
    pub tables: usize,
    /// Pages of user memory.
    pub user: usize,
    /// Allocated by the kernel outside its heap.
    pub kernel: usize,
    /// Live heap allocations, and the bytes that they asked for.
    pub objects: HeapStats,
}

impl Memory {
    /// Sets up the allocators with the usable memory of the machine: ascending, without overlaps,
    /// mapped by the direct map. The records of the frames are put at the start of the
    /// largest range.
    ///
    /// # Errors
    /// [`InitError`]; nothing can be allocated then.
    ///
    /// # Safety
    /// To be called once. Nobody else may use the memory in `ranges`. `kernel_root` must be a root table
    /// with the kernel's half, which is never changed at that level afterwards.
    pub unsafe fn init(
        ranges: impl IntoIterator<Item = Region>,
        kernel_root: Frame,
    ) -> Result<Self, InitError> {
        let mut usable = [FrameRange::default(); MAX_REGIONS];
        for (slot, range) in usable.iter_mut().zip(ranges) {
            *slot = FrameRange::inside(range.base, range.len);
        }
        let mut zones = [FrameRange::default(); MAX_ZONES];
        let count = plan_zones(&usable, &mut zones);
        let zones = zones.get(..count).unwrap_or(&[]);
        let records = zones
            .iter()
            .fold(0_usize, |sum, zone| sum.saturating_add(zone.count as usize));
        let bytes = records.saturating_mul(size_of::<Record>());
        let taken = bytes.div_ceil(FRAME_SIZE);
        let home = usable
            .iter()
            .max_by_key(|range| range.count)
            .copied()
            .unwrap_or_default();
        if taken > home.count as usize {
            return Err(InitError::NoRoom(bytes));
        }
        // Not more than `home.count`, so it fits.
        let taken = taken as u32;
        let first = phys_to_virt(u64::from(home.first) << FRAME_SHIFT).cast::<Record>();
        for n in 0..records {
            // SAFETY: the records lie inside the range `home`, which the caller gave us and the
            // direct map maps; it starts at a page boundary, which aligns the records.
            unsafe { first.add(n).write(Record::default()) };
        }
        // SAFETY: the same memory, initialised above; it is never handed out, as `taken` frames are
        // kept from the allocator, and the only reference to it is this one.
        let mut rest = unsafe { core::slice::from_raw_parts_mut(first, records) };
        let mut core = CORE.lock();
        for zone in zones {
            let Some((mine, others)) = rest.split_at_mut_checked(zone.count as usize) else {
                break;
            };
            core.frames.add_zone(Frame::new(zone.first), mine)?;
            rest = others;
        }
        for range in usable.iter().filter(|range| range.count > 0) {
            let skipped = if *range == home { taken } else { 0 };
            let free = range.count.saturating_sub(skipped);
            if free > 0 {
                core.frames
                    .add_free(Frame::new(range.first.saturating_add(skipped)), free)?;
            }
        }
        core.kept = core.frames.free_count() / KEPT;
        Ok(Self {
            kernel_root,
            entry_mask: paging::entry_mask(),
            remains: Vec::new(),
        })
    }

    /// A frame for the kernel, with one reference and unspecified contents.
    pub fn alloc_frame(&mut self) -> Option<Frame> {
        self.alloc(Owner::Kernel)
    }

    /// A frame for the kernel, filled with zeros.
    pub fn alloc_zeroed(&mut self) -> Option<Frame> {
        let frame = self.alloc_frame()?;
        self.zero(frame);
        Some(frame)
    }

    /// `2^order` frames for the kernel that are released as one.
    pub fn alloc_block(&mut self, order: u8) -> Option<Frame> {
        let block = CORE.lock().take(order, Owner::Kernel);
        block.or_else(|| self.alloc_from_remains(order, Owner::Kernel))
    }

    /// Takes what a space that has ended still holds, to be given back part by part.
    pub fn clear_away(&mut self, mut remains: Remains) {
        if self.remains.try_reserve(1).is_ok() {
            self.remains.push(remains);
        } else {
            remains.free_part(self, usize::MAX);
        }
    }

    /// Whether spaces that have ended still hold something.
    pub fn has_remains(&self) -> bool {
        !self.remains.is_empty()
    }

    /// Gives a part back of what such spaces hold. `true`: there is more.
    pub fn free_remains(&mut self) -> bool {
        if let Some(mut remains) = self.remains.pop()
            && !remains.free_part(self, REMAINS_PART)
        {
            // There is the room that it had.
            self.remains.push(remains);
        }
        self.has_remains()
    }

    #[cold]
    fn alloc_from_remains(&mut self, order: u8, owner: Owner) -> Option<Frame> {
        while self.has_remains() {
            self.free_remains();
            let block = CORE.lock().take(order, owner);
            if block.is_some() {
                return block;
            }
        }
        None
    }

    /// How memory is used. Slabs that the heap keeps without objects are given back first, so that
    /// equal contents mean equal numbers.
    pub fn stats(&mut self) -> Stats {
        let mut core = CORE.lock();
        heap::trim(&mut core);
        let frames = core.frames.stats();
        Stats {
            total: frames.total,
            free: frames.free,
            heap: frames.used_by(Owner::Heap),
            tables: frames.used_by(Owner::Table),
            user: frames.used_by(Owner::User),
            kernel: frames.used_by(Owner::Kernel),
            objects: core.heap.stats(),
        }
    }
}

impl Machine for Memory {
    #[inline]
    fn alloc(&mut self, owner: Owner) -> Option<Frame> {
        let frame = CORE.lock().take(0, owner);
        frame.or_else(|| self.alloc_from_remains(0, owner))
    }

    fn alloc_contiguous(&mut self, order: u8, owner: Owner) -> Option<Frame> {
        let first = CORE.lock().take(order, owner);
        let first = first.or_else(|| self.alloc_from_remains(order, owner))?;
        CORE.lock().frames.split(first).ok()?;
        Some(first)
    }

    #[inline]
    fn retain(&mut self, frame: Frame) -> bool {
        CORE.lock().frames.retain(frame).is_ok()
    }

    #[inline]
    fn release(&mut self, frame: Frame) {
        let result = CORE.lock().frames.release(frame);
        // A wrong frame changes nothing; it would be a mistake in the kernel.
        debug_assert!(result.is_ok(), "release: {result:?}");
    }

    fn references(&self, frame: Frame) -> u32 {
        CORE.lock().frames.references(frame).unwrap_or(0)
    }

    fn zero(&mut self, frame: Frame) {
        // SAFETY: an allocated frame is whole, mapped by the direct map, and no reference to it is
        // held by anybody: its owner reaches it only through `Machine`, with `&mut Memory`.
        unsafe { paging::zero_words(phys_to_virt(frame.address()), ENTRIES) };
    }

    fn copy_frame(&mut self, from: Frame, to: Frame) {
        if from != to {
            let (from, to) = (phys_to_virt(from.address()), phys_to_virt(to.address()));
            // SAFETY: as for `zero`; two different frames do not overlap.
            unsafe { paging::copy_bytes(from, to, FRAME_SIZE) };
        }
    }

    #[inline]
    fn load(&self, table: Frame, index: usize) -> u64 {
        let entries = phys_to_virt(table.address()).cast::<u64>();
        // SAFETY: the index is kept inside the frame, which is aligned and mapped by the direct map. The
        // processor may set the accessed and dirty bits at any time, hence volatile.
        unsafe { entries.add(index % ENTRIES).read_volatile() }
    }

    #[inline]
    fn store(&mut self, table: Frame, index: usize, entry: u64) {
        let entries = phys_to_virt(table.address()).cast::<u64>();
        // SAFETY: as for `load`. Only tables of the user half are written, so that whatever the
        // entry says, the kernel's own memory stays mapped as it is.
        unsafe {
            entries
                .add(index % ENTRIES)
                .write_volatile(entry & self.entry_mask)
        };
    }

    fn init_root(&mut self, root: Frame) {
        let to = phys_to_virt(root.address());
        let from = phys_to_virt(self.kernel_root.address());
        // SAFETY: both are whole frames, mapped by the direct map, and different ones: the kernel's
        // root is never handed out. The first half of `root` is zeroed, the second copied.
        unsafe {
            paging::zero_words(to, ENTRIES / 2);
            paging::copy_bytes(
                from.add(FRAME_SIZE / 2),
                to.add(FRAME_SIZE / 2),
                FRAME_SIZE / 2,
            );
        }
    }

    #[inline]
    fn read(&self, address: u64, into: &mut [u8]) {
        // SAFETY: the range is in a user page, mapped by the direct map, to which there are no
        // references; so it cannot overlap `into`.
        unsafe { user::copy(phys_to_virt(address), into.as_mut_ptr(), into.len()) };
    }

    #[inline]
    fn write(&mut self, address: u64, from: &[u8]) {
        // SAFETY: as for `read`.
        unsafe { user::copy(from.as_ptr(), phys_to_virt(address), from.len()) };
    }

    #[inline]
    fn copy(&mut self, from: u64, to: u64, len: usize) {
        // SAFETY: both ranges are in user pages, mapped by the direct map, to which there are no
        // references. If they overlap, bytes are copied in ascending order by instructions
        // for which that is defined; the result is unspecified, but nothing else is touched.
        unsafe { user::copy(phys_to_virt(from), phys_to_virt(to), len) };
    }

    fn flush_page(&mut self, root: Frame, address: usize) {
        paging::flush_page(root, address);
    }

    fn flush_tables(&mut self, root: Frame) {
        paging::flush_tables(root);
    }

    fn flush_all(&mut self, root: Frame) {
        paging::flush_all(root);
    }
}
