//! The kernel's half of every address space, built once at boot:
//!
//! | addresses | what |
//! |---|---|
//! | `0xffff_8000_0000_0000` + p | the direct map: every byte p of RAM but the kernel image; writable, not executable |
//! | `0xffff_ffff_8000_0000` … | the kernel image: code read-only, constants read-only and not executable, data not executable |
//! | `0xffff_ffff_c000_0000` … | 2 MiB for device registers and for a look at firmware tables |
//!
//! All of it is global and none is for user mode. The top-level entries 256 to 511 never change
//! after boot, so that a new address space only copies them.
//!
//! The page attribute table is set so that, of an entry's cache bits, none means write-back, PWT
//! (bit 3) alone write-combining, and PWT and PCD (bits 3 and 4) uncached.

use super::cpu::{BOOT_AREA, features};
use super::regs::{self, cpuid, msr};
use boot_info::{BootInfo, MemoryKind, Region};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use kernel_boot_core::memmap::{self, PAGE, page_ceil, page_floor};
use kernel_core::paging::PAT;

/// Where physical address 0 is in the direct map: the first of top-level slot 256.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// What the direct map has room for: top-level slots 256 to 383, 64 TiB.
pub const DIRECT_MAP_LEN: u64 = 1 << 46;
/// The device window: the last gigabyte's first 2 MiB.
const WINDOW: u64 = 0xffff_ffff_c000_0000;
/// Pages of the window for lasting mappings; the others are for temporary ones.
const LASTING: usize = 256;
const WINDOW_PAGES: usize = 512;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

const KERNEL_PAGE: u64 = PRESENT | ACCESSED | DIRTY | GLOBAL;
const UNCACHED: u64 = WRITE_THROUGH | CACHE_DISABLE;

static ROOT: AtomicU64 = AtomicU64::new(0);
/// Physical address of the window's page table.
static WINDOW_TABLE: AtomicU64 = AtomicU64::new(0);
/// Lasting pages of the window in use.
static WINDOW_USED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static __kernel_start: [u8; 0];
    static __text_end: [u8; 0];
    static __rodata_end: [u8; 0];
    static __kernel_end: [u8; 0];
}

/// Addresses that the image's sections end at, from its start.
fn image_bounds() -> [u64; 4] {
    [
        (&raw const __kernel_start) as u64,
        (&raw const __text_end) as u64,
        (&raw const __rodata_end) as u64,
        (&raw const __kernel_end) as u64,
    ]
}

/// Link address and size of the image.
pub(super) fn image() -> (u64, u64) {
    let [start, .., end] = image_bounds();
    (start, end.wrapping_sub(start))
}

/// Physical address of the page table that maps the kernel and nothing else. Its top-level entries
/// 256 to 511 belong into every other table.
pub fn kernel_root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}

/// Why the tables could not be built.
#[derive(Clone, Copy, Debug)]
pub(super) enum Error {
    /// Less free memory than the tables take.
    NoMemory,
    /// Two sizes of page for one address; the ranges to map were not disjoint.
    Conflict,
}

/// Table frames taken off the end of a free region that is mapped by identity.
struct Builder {
    region: Region,
    root: u64,
}

impl Builder {
    fn new(region: Region) -> Result<Self, Error> {
        let mut this = Self { region, root: 0 };
        this.root = this.frame()?;
        Ok(this)
    }

    fn frame(&mut self) -> Result<u64, Error> {
        let len = self.region.len.checked_sub(PAGE).ok_or(Error::NoMemory)?;
        self.region.len = len;
        let frame = self.region.base.saturating_add(len);
        // SAFETY: the frame is free RAM, below what the loader's tables map by identity, and page
        // aligned as both ends of the region are.
        unsafe { core::ptr::write_bytes(frame as *mut u8, 0, PAGE as usize) };
        Ok(frame)
    }

    /// Pointer to the entry for `address` in `table` of `level` (0: page table, 3: the root).
    fn entry(table: u64, address: u64, level: u32) -> *mut u64 {
        let shift = level.wrapping_mul(9).wrapping_add(12);
        let index = (address >> shift) & 511;
        table.wrapping_add(index.wrapping_mul(8)) as *mut u64
    }

    /// Maps one page of `4 KiB << 9 level`.
    fn map(&mut self, address: u64, phys: u64, level: u32, flags: u64) -> Result<(), Error> {
        let mut table = self.root;
        for upper in (level.wrapping_add(1)..=3).rev() {
            let entry = Self::entry(table, address, upper);
            // SAFETY: `table` is one of this builder's zeroed frames, mapped by identity; the index
            // is below 512.
            let value = unsafe { entry.read() };
            table = if value & PRESENT == 0 {
                let frame = self.frame()?;
                // SAFETY: as above.
                unsafe { entry.write(frame | PRESENT | WRITE | ACCESSED) };
                frame
            } else if value & LARGE != 0 {
                return Err(Error::Conflict);
            } else {
                value & ADDRESS
            };
        }
        let large = if level == 0 { 0 } else { LARGE };
        let entry = Self::entry(table, address, level);
        // SAFETY: as above.
        unsafe {
            if entry.read() != 0 {
                return Err(Error::Conflict);
            }
            entry.write(phys | flags | large);
        }
        Ok(())
    }

    /// Maps whole pages from `address` to `end`, each of the largest size up to `top_level` that
    /// fits. `offset` is what an address exceeds its physical address by.
    fn map_range(
        &mut self,
        address: u64,
        end: u64,
        offset: u64,
        flags: u64,
        top_level: u32,
    ) -> Result<(), Error> {
        let mut at = address;
        while at < end {
            let phys = at.wrapping_sub(offset);
            let fits = |level: &u32| {
                let size = PAGE << level.wrapping_mul(9);
                (at | phys) & size.wrapping_sub(1) == 0 && size <= end.wrapping_sub(at)
            };
            let level = (0..=top_level).rev().find(fits).unwrap_or(0);
            self.map(at, phys, level, flags)?;
            at = at.wrapping_add(PAGE << level.wrapping_mul(9));
        }
        Ok(())
    }
}

/// A disjoint list of ranges of memory.
pub(super) type Ranges = [Region; RANGES];
/// More than a memory map can have, holes included.
pub(super) const RANGES: usize = boot_info::MAX_REGIONS + 16;

/// All RAM that the direct map covers: usable and ACPI memory and what the loader left for us,
/// without the kernel image.
fn direct_ranges(info: &BootInfo, ranges: &mut Ranges) -> Result<usize, memmap::TooMany> {
    // Whatever we may want to look at counts as usable here; where the loader's own regions lie in
    // memory of another kind they are added, rounded out to pages.
    let mut map = [boot_info::MemoryRegion::default(); RANGES];
    let ram = info
        .regions()
        .iter()
        .filter(|r| r.kind() != MemoryKind::Reserved)
        .map(|r| r.region);
    let left = [info.initfs, info.cmdline]
        .into_iter()
        .filter(|r| r.len != 0);
    let rounded = left.map(|r| {
        let base = page_floor(r.base);
        Region {
            base,
            len: page_ceil(memmap::end(&r)).saturating_sub(base),
        }
    });
    for (slot, region) in map.iter_mut().zip(ram.chain(rounded)) {
        let len = memmap::end(&region)
            .min(DIRECT_MAP_LEN)
            .saturating_sub(region.base);
        slot.region = Region {
            base: region.base,
            len,
        };
        slot.kind_raw = MemoryKind::Usable as u32;
    }
    memmap::free_pages(&map, &[info.kernel], ranges)
}

/// Builds the final page table from frames at the end of `free`, and loads it. Returns what remains
/// of `free`.
///
/// # Safety
/// Once, on the boot CPU; `free` is unused RAM mapped by identity with whole pages, `info.kernel`
/// says where the running image is.
pub(super) unsafe fn build(info: &BootInfo, free: Region) -> Result<Region, Error> {
    let nx = if features().nx { NO_EXECUTE } else { 0 };
    let mut builder = Builder::new(free)?;
    let mut ranges = [Region::default(); RANGES];
    let len = direct_ranges(info, &mut ranges).map_err(|_| Error::NoMemory)?;
    let top_level = if features().gib_pages { 2 } else { 1 };
    for range in ranges.iter().take(len) {
        let start = DIRECT_MAP.wrapping_add(range.base);
        let end = DIRECT_MAP.wrapping_add(memmap::end(range));
        builder.map_range(start, end, DIRECT_MAP, KERNEL_PAGE | WRITE | nx, top_level)?;
    }
    let [start, text_end, rodata_end, end] = image_bounds();
    let offset = start.wrapping_sub(info.kernel.base);
    builder.map_range(start, text_end, offset, KERNEL_PAGE, 0)?;
    builder.map_range(text_end, rodata_end, offset, KERNEL_PAGE | nx, 0)?;
    let mut data = rodata_end;
    for guard in BOOT_AREA.guards() {
        builder.map_range(data, guard, offset, KERNEL_PAGE | WRITE | nx, 0)?;
        data = guard.wrapping_add(PAGE);
    }
    builder.map_range(data, end, offset, KERNEL_PAGE | WRITE | nx, 0)?;
    // One page makes the window's tables; it is taken away again at once.
    builder.map(WINDOW, 0, 0, 0)?;
    let mut table = builder.root;
    for level in (1..=3).rev() {
        // SAFETY: the tables on the way to the window exist since the call above.
        table = unsafe { Builder::entry(table, WINDOW, level).read() } & ADDRESS;
    }
    WINDOW_TABLE.store(table, Ordering::Relaxed);
    ROOT.store(builder.root, Ordering::Relaxed);
    // SAFETY: the table maps the image where it runs, with its data and stacks, as the loader's did.
    unsafe { activate() };
    Ok(builder.region)
}

/// Switches this CPU to the kernel's page table and its protections on.
///
/// # Safety
/// [`build`] has made the table; interrupts are off.
pub(super) unsafe fn activate() {
    const EFER_SYSCALL: u64 = 1;
    const EFER_NX: u64 = 1 << 11;
    /// Protected mode, paging, write protection also for the kernel, native floating-point errors,
    /// no emulation, caches on.
    const CR0: u64 = 0x8001_0033;
    /// Debugging extensions, physical address extension.
    const CR4_ALWAYS: u64 = 1 << 3 | 1 << 5;
    const CR4_MACHINE_CHECK: u64 = 1 << 6;
    const CR4_GLOBAL: u64 = 1 << 7;
    const CR4_UMIP: u64 = 1 << 11;
    const CR4_FSGSBASE: u64 = 1 << 16;
    const CR4_SMEP: u64 = 1 << 20;
    const CR4_SMAP: u64 = 1 << 21;
    let f = features();
    let optional = [
        (f.machine_check, CR4_MACHINE_CHECK),
        (f.global_pages, CR4_GLOBAL),
        (f.umip, CR4_UMIP),
        (f.fsgsbase, CR4_FSGSBASE),
        (f.smep, CR4_SMEP),
        (f.smap, CR4_SMAP),
    ];
    let present = optional.iter().filter(|(has, _)| *has);
    let cr4 = present.fold(CR4_ALWAYS, |bits, (_, bit)| bits | bit);
    let root = kernel_root();
    // SAFETY: each bit is set only if CPUID has its feature; NX goes on before a table that uses it
    // is loaded, global pages after. The caller vouches for the table. The identity mapping, which
    // SMEP and SMAP could forbid, is not used from the load on.
    unsafe {
        let mut efer = regs::read_msr(msr::EFER) | EFER_SYSCALL;
        if f.nx {
            efer |= EFER_NX;
        }
        regs::write_msr(msr::EFER, efer);
        if f.pat {
            regs::write_msr(msr::PAT, PAT);
        }
        // Whole values, so that nothing which the firmware switched on stays. Without global pages
        // for a moment, so that no translation of its tables stays either.
        asm!("mov cr4, {}", in(reg) CR4_ALWAYS, options(nostack, preserves_flags));
        regs::load_root(root);
        asm!("mov cr0, {}", in(reg) CR0, options(nostack, preserves_flags));
        asm!("mov cr4, {}", in(reg) cr4, options(nostack, preserves_flags));
    }
    super::cpu::current().root().store(root, Ordering::Relaxed);
}

/// Writes the window's entry `index` and forgets its old translation. Returns its address.
fn set_window(index: usize, value: u64) -> u64 {
    let index = index.min(WINDOW_PAGES.wrapping_sub(1)) as u64;
    let table = DIRECT_MAP.wrapping_add(WINDOW_TABLE.load(Ordering::Relaxed));
    let entry = table.wrapping_add(index.wrapping_mul(8)) as *mut u64;
    let address = WINDOW.wrapping_add(index.wrapping_mul(PAGE));
    // SAFETY: the window's table is RAM, so it is in the direct map; the index is below 512, and
    // only this module writes the window's entries.
    unsafe { entry.write_volatile(value) };
    regs::flush_page(address);
    address
}

/// Maps device registers for good, uncached, and returns their address; `None` when the window is
/// full.
pub(super) fn map_device(phys: u64, len: u64) -> Option<*mut u8> {
    let nx = if features().nx { NO_EXECUTE } else { 0 };
    let first = page_floor(phys);
    let end = phys.checked_add(len).filter(|end| *end <= physical_end())?;
    let count = page_ceil(end).checked_sub(first)? / PAGE;
    let count = usize::try_from(count).ok()?;
    let at = WINDOW_USED.load(Ordering::Relaxed);
    let end = at.checked_add(count).filter(|end| *end <= LASTING)?;
    WINDOW_USED.store(end, Ordering::Relaxed);
    for (index, page) in (at..end).zip((first..).step_by(PAGE as usize)) {
        set_window(index, page | KERNEL_PAGE | WRITE | UNCACHED | nx);
    }
    let base = WINDOW.wrapping_add((at as u64).wrapping_mul(PAGE));
    Some(base.wrapping_add(phys & PAGE.wrapping_sub(1)) as *mut u8)
}

/// The address after the last that this processor can give to memory. An entry with a higher one is a fault.
fn physical_end() -> u64 {
    const LEAF: u32 = 0x8000_0008;
    match cpuid(LEAF, 0).eax & 0xff {
        0 => 1 << 36,
        bits => memmap::PHYS_END.min(1 << bits.min(52)),
    }
}

/// Shows `len` bytes of physical memory to `look`; `None` if they are more than the window takes, or where no memory
/// can be.
/// Used while booting, for firmware tables. Not to be nested.
pub(super) fn with_physical<R>(phys: u64, len: usize, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let nx = if features().nx { NO_EXECUTE } else { 0 };
    let first = page_floor(phys);
    let end = phys
        .checked_add(len as u64)
        .filter(|end| *end <= physical_end())?;
    let count = usize::try_from(page_ceil(end).checked_sub(first)? / PAGE).ok()?;
    let last = LASTING
        .checked_add(count)
        .filter(|last| *last <= WINDOW_PAGES)?;
    for (index, page) in (LASTING..last).zip((first..).step_by(PAGE as usize)) {
        set_window(index, page | KERNEL_PAGE | nx);
    }
    let base = WINDOW.wrapping_add((LASTING as u64).wrapping_mul(PAGE));
    let start = base.wrapping_add(phys & PAGE.wrapping_sub(1)) as *const u8;
    // SAFETY: the pages have just been mapped read-only. They are firmware's memory, which nobody
    // writes while the kernel boots; the slice does not outlive the mapping.
    let result = look(unsafe { core::slice::from_raw_parts(start, len) });
    for index in LASTING..last {
        set_window(index, 0);
    }
    Some(result)
}
