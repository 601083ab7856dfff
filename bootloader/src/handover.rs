//! The last steps: everything in its place, firmware gone, kernel entered.

use alloc::format;
use core::arch::asm;
use core::ptr::{self, NonNull};

use boot_core::PAGE;
use boot_core::kernel::Plan;
use boot_core::memory::{Descriptor, Map};
use boot_core::paging::{Space, Tables};
use boot_info::{BootInfo, MAGIC, MAX_REGIONS, MemoryRegion, Region, VERSION};
use uefi::boot::{self, AllocateType, MemoryType};
use uefi::mem::memory_map::MemoryMap;
use uefi::table::cfg::ConfigTableEntry;

use crate::Result;

/// Pages of the stack on which the kernel begins.
const STACK_PAGES: u64 = 8;
/// Mapped by identity even where there is no RAM, for devices that firmware puts there.
const LOW_MEMORY: u64 = 4 << 30;
const CR4_LA57: u64 = 1 << 12;

/// Everything the kernel needs, in physical memory.
pub struct Boot {
    info: NonNull<BootInfo>,
    entry: u64,
    stack_top: u64,
    page_tables: u64,
}

impl Boot {
    /// Places the kernel by its `plan`, copies of `initfs` and `cmdline`, page tables and a stack.
    pub fn new(plan: &Plan, kernel: &[u8], initfs: &[u8], cmdline: &[u8]) -> Result<Self> {
        // SAFETY: reading CR4 has no effect.
        let cr4 = unsafe {
            let cr4: u64;
            asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack, preserves_flags));
            cr4
        };
        if cr4 & CR4_LA57 != 0 {
            return Err(
                "the firmware runs with five-level page tables, which it cannot leave".into(),
            );
        }

        let image = Block::new(plan.size, "the kernel", MemoryType::LOADER_DATA)?;
        plan.load(kernel, image.bytes());
        let initfs = Block::copy_of(initfs, "the initfs")?;
        let cmdline = Block::copy_of(cmdline, "the command line")?;

        // The kernel runs on this stack and these tables until it has its own: firmware's name for
        // "not to be given out" keeps them whole.
        let stack = Block::new(STACK_PAGES * PAGE, "the stack", MemoryType::RESERVED)?;
        let page_tables = page_tables(plan, image.base())?;

        let info = Block::new(
            size_of::<BootInfo>() as u64,
            "the boot record",
            MemoryType::LOADER_DATA,
        )?;
        let info_at = info.start.cast::<BootInfo>();
        let record = BootInfo {
            magic: MAGIC,
            version: VERSION,
            memory_len: 0,
            kernel: image.region(),
            initfs: initfs.region(),
            cmdline: cmdline.region(),
            rsdp: rsdp(),
            reserved: [0; 4],
            memory: [MemoryRegion::default(); MAX_REGIONS],
        };
        // SAFETY: the block is page-aligned, as long as the record, and this loader's.
        unsafe { info_at.write(record) };
        Ok(Self {
            info: info_at,
            entry: plan.entry,
            stack_top: stack.base() + STACK_PAGES * PAGE,
            page_tables,
        })
    }

    /// Ends the firmware's services and enters the kernel.
    pub fn start(self) -> ! {
        // SAFETY: from here on nothing uses a boot service: no allocation, no console, and protocols
        // opened before are closed or will not be dropped, since this does not return.
        let firmware_map = unsafe { boot::exit_boot_services(None) };
        let map = Map::new(descriptors(&firmware_map));
        // SAFETY: written in `new`, and nothing else refers to it.
        let info = unsafe { &mut *self.info.as_ptr() };
        let regions = map.regions();
        for (slot, region) in info.memory.iter_mut().zip(regions) {
            *slot = *region;
        }
        info.memory_len = regions.len() as u32;
        core::mem::forget(firmware_map);

        // SAFETY: 1. Boot services are over, so interrupts may be off for good and the firmware's
        // tables may be left. 2. The tables map all RAM by identity, hence this code, the record and
        // the stack, and the kernel at its link addresses, `entry` among them. 3. The registers and
        // stack are as `boot_info` promises, with a null return address below the stack's top, as
        // after a call. 4. Nothing of this program runs again.
        unsafe {
            asm!(
                "cli",
                "cld",
                "mov cr3, {tables}",
                "mov rsp, {stack}",
                "xor ebp, ebp",
                "push rbp",
                "jmp {entry}",
                tables = in(reg) self.page_tables,
                stack = in(reg) self.stack_top,
                entry = in(reg) self.entry,
                in("rdi") self.info.as_ptr(),
                options(noreturn),
            )
        }
    }
}

fn descriptors(map: &impl MemoryMap) -> impl Iterator<Item = Descriptor> + Clone {
    (0..map.len()).filter_map(|index| {
        let found = map.get(index)?;
        Some(Descriptor::from_uefi(
            found.ty.0,
            found.phys_start,
            found.page_count,
        ))
    })
}

fn page_tables(plan: &Plan, image: u64) -> Result<u64> {
    let firmware_map = boot::memory_map(MemoryType::LOADER_DATA)
        .map_err(|error| format!("the firmware gives no memory map: {error}"))?;
    let ram = Map::new(descriptors(&firmware_map)).end_of_ram();
    let identity = ram.max(LOW_MEMORY).next_multiple_of(boot_core::LARGE_PAGE);

    let mut tables = Firmware;
    let failed = |error| format!("cannot build page tables: {error:?}");
    let space = Space::new(&mut tables).map_err(failed)?;
    space.map(&mut tables, 0, 0, identity).map_err(failed)?;
    for segment in &plan.segments {
        let Some(virt) = segment.virt else { continue };
        let inside = virt % PAGE;
        let phys = image + segment.offset - inside;
        let len = (segment.len + inside).next_multiple_of(PAGE);
        space
            .map(&mut tables, virt - inside, phys, len)
            .map_err(failed)?;
    }
    Ok(space.root())
}

/// ACPI's root pointer: that of ACPI 2.0 and later, otherwise that of 1.0, otherwise 0.
fn rsdp() -> u64 {
    uefi::system::with_config_table(|entries| {
        [ConfigTableEntry::ACPI2_GUID, ConfigTableEntry::ACPI_GUID]
            .iter()
            .find_map(|guid| entries.iter().find(|entry| entry.guid == *guid))
            .map_or(0, |entry| entry.address as u64)
    })
}

/// Table frames from the firmware, reached through its identity mapping.
struct Firmware;

impl Tables for Firmware {
    fn allocate(&mut self) -> Option<u64> {
        let frame = Block::new(PAGE, "a page table", MemoryType::RESERVED).ok()?;
        Some(frame.base())
    }

    fn read(&self, table: u64, index: usize) -> u64 {
        debug_assert!(index < 512);
        // SAFETY: `Space` passes only frames that `allocate` gave it and indices below 512.
        unsafe {
            ptr::with_exposed_provenance::<u64>(table as usize)
                .add(index)
                .read()
        }
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        debug_assert!(index < 512);
        // SAFETY: as in `read`; nothing holds a reference into the frame.
        unsafe {
            ptr::with_exposed_provenance_mut::<u64>(table as usize)
                .add(index)
                .write(entry)
        }
    }
}

/// Physically contiguous pages, zeroed, kept for the kernel: never freed, unless the firmware takes
/// everything back because the loader fails.
struct Block {
    start: NonNull<u8>,
    len: u64,
}

impl Block {
    fn new(len: u64, purpose: &str, kind: MemoryType) -> Result<Self> {
        let pages = len.div_ceil(PAGE);
        let start = usize::try_from(pages)
            .ok()
            .and_then(|pages| boot::allocate_pages(AllocateType::AnyPages, kind, pages).ok())
            .ok_or_else(|| format!("no memory for {purpose}: {pages} contiguous pages"))?;
        // SAFETY: just allocated with at least this many bytes, referred to by nothing else.
        unsafe { start.write_bytes(0, (pages * PAGE) as usize) };
        start.as_ptr().expose_provenance();
        Ok(Self { start, len })
    }

    fn copy_of(contents: &[u8], purpose: &str) -> Result<Self> {
        let len = contents.len() as u64;
        let block = Self::new(len.max(1), purpose, MemoryType::LOADER_DATA)?;
        let block = Self { len, ..block };
        block.bytes().copy_from_slice(contents);
        Ok(block)
    }

    #[expect(
        clippy::mut_from_ref,
        reason = "the block owns its pages; see the safety comment"
    )]
    fn bytes(&self) -> &mut [u8] {
        // SAFETY: the pages are allocated, initialised by `new`, and this module calls `bytes` once
        // per block, for a reference that ends within the statement.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len as usize) }
    }

    fn base(&self) -> u64 {
        self.start.as_ptr().expose_provenance() as u64
    }

    fn region(&self) -> Region {
        if self.len == 0 {
            return Region::default();
        }
        Region {
            base: self.base(),
            len: self.len,
        }
    }
}
