//! From the loader's last instruction to the kernel's first: the two ways in, and the order in
//! which the machine is set up.

use super::cpu::{BOOT_AREA, STACK_TOP_OFFSET};
use super::kmap::{self, RANGES, Ranges};
use super::{
    cpu, descriptors, entry, fpu, irq, lapic, platform, power, pvh, regs, serial, switch, time,
};
use boot_info::{BootInfo, Region};
use core::arch::global_asm;
use kernel_boot_core::memmap;
use spin::Once;

/// Memory below this stays out of the allocator: firmware is known to write there, and it is where
/// other CPUs can start.
const LOW_MEMORY: u64 = 0x1_0000;
/// The PVH stub maps this much by identity; a 64-bit loader maps all RAM.
const IDENTITY: u64 = 1 << 32;

static INFO: Once<BootInfo> = Once::new();
static FREE: Once<(Ranges, usize)> = Once::new();

global_asm!(
    ".pushsection .text.boot, \"ax\"",
    ".global entry64",
    "entry64:",
    "cli",
    "cld",
    "lea rsp, [rip + {area} + {top}]",
    "xor ebp, ebp",
    "call {boot}",
    "ud2",
    ".popsection",
    area = sym BOOT_AREA,
    top = const STACK_TOP_OFFSET,
    boot = sym boot_from_loader,
);

/// The 64-bit entry, with the physical address of the loader's record.
extern "C" fn boot_from_loader(info: *const BootInfo) -> ! {
    serial::init();
    // SAFETY: the loader's side of the bargain (see `boot-info`): a record, mapped by identity, that
    // nobody changes any more. Every field is an integer, so any bytes are a valid value.
    let copy = unsafe { info.read_unaligned() };
    if copy.magic != boot_info::MAGIC || copy.version != boot_info::VERSION {
        fail(format_args!(
            "boot record has magic {:#x}, version {}; this kernel wants {:#x}, version {}",
            copy.magic,
            copy.version,
            boot_info::MAGIC,
            boot_info::VERSION
        ));
    }
    boot(INFO.call_once(|| copy))
}

/// The PVH entry, with the physical address of `hvm_start_info`.
pub(super) extern "C" fn boot_from_pvh(start_info: u64) -> ! {
    serial::init();
    // SAFETY: QEMU's side of the bargain; the stub maps the first 4 GiB by identity, and all
    // addresses in the structure are below that, since they were written by 32-bit firmware.
    match unsafe { pvh::read(start_info) } {
        Ok(info) => boot(INFO.call_once(|| info)),
        Err(error) => fail(format_args!("PVH start info at {start_info:#x}: {error}")),
    }
}

fn fail(why: core::fmt::Arguments) -> ! {
    serial::print_in_panic(format_args!("kernel: cannot boot: {why}\n"));
    power::debug_exit(super::fault::FAILED)
}

/// Sets the machine up and starts the kernel. What is written here is the order; each step's
/// reasons are in its own module.
fn boot(info: &'static BootInfo) -> ! {
    // SAFETY: the boot CPU, once, interrupts off, on the main stack of the area.
    unsafe {
        BOOT_AREA.adopt(0);
        descriptors::load(&BOOT_AREA);
    }
    memory(info);
    platform::discover(info.rsdp);
    // SAFETY: once on this CPU, interrupts off; the descriptors above are in place.
    unsafe {
        syscall_registers();
        fpu::init();
        lapic::init();
        irq::init();
    }
    switch::init();
    time::init();
    serial::enable_input();
    crate::start(info)
}

fn memory(info: &BootInfo) {
    let (_, image_len) = kmap::image();
    if !info.kernel.base.is_multiple_of(memmap::PAGE) || info.kernel.len < image_len {
        fail(format_args!(
            "kernel image at {:#x}, {:#x} bytes",
            info.kernel.base, info.kernel.len
        ));
    }
    let low = Region {
        base: 0,
        len: LOW_MEMORY,
    };
    let holes = [low, info.kernel, info.initfs, info.cmdline];
    let free = |holes: &[Region]| {
        let mut ranges = [Region::default(); RANGES];
        match memmap::free_pages(info.regions(), holes, &mut ranges) {
            Ok(len) => (ranges, len),
            Err(_) => fail(format_args!("memory map in more than {RANGES} pieces")),
        }
    };
    let (ranges, len) = free(&holes);
    let below = ranges.iter().take(len).map(|r| {
        let end = memmap::end(r).min(IDENTITY);
        Region {
            base: r.base,
            len: end.saturating_sub(r.base),
        }
    });
    let Some(largest) = below.max_by_key(|r| r.len) else {
        fail(format_args!("no free memory below 4 GiB"));
    };
    // SAFETY: once; the range is free RAM below what both loaders map by identity.
    let rest = match unsafe { kmap::build(info, largest) } {
        Ok(rest) => rest,
        Err(error) => fail(format_args!("page tables: {error:?}")),
    };
    let taken = Region {
        base: memmap::end(&rest),
        len: memmap::end(&largest).saturating_sub(memmap::end(&rest)),
    };
    FREE.call_once(|| free(&[low, info.kernel, info.initfs, info.cmdline, taken]));
}

/// The physical memory that is free when the kernel starts, in whole pages, ascending: everything
/// usable but the kernel, the initfs, the command line, the first 64 KiB, and the kernel's page
/// tables. All of it is in the direct map.
pub fn free_memory() -> impl Iterator<Item = Region> {
    let (ranges, len): (&[Region], usize) = FREE.get().map_or((&[], 0), |(r, len)| (r, *len));
    let addressable = |r: &Region| Region {
        base: r.base,
        len: memmap::end(r)
            .min(kmap::DIRECT_MAP_LEN)
            .saturating_sub(r.base),
    };
    ranges
        .iter()
        .take(len)
        .map(addressable)
        .filter(|r| r.len != 0)
}

/// Physical memory that no mapping by address may give away: all RAM that is or was free for the
/// kernel, what the loader left for it, the interrupt controllers' registers, and the range where an
/// access means an interrupt message. May overlap.
pub fn managed_ranges() -> impl Iterator<Item = Region> {
    /// Registers of an interrupt controller.
    const CONTROLLER: u64 = 4096;
    const MESSAGES: Region = Region {
        base: 0xfee0_0000,
        len: 1 << 20,
    };
    let usable = memmap::usable_pages(INFO.get().map_or(&[], BootInfo::regions));
    let loaded = INFO
        .get()
        .map(|info| [info.kernel, info.initfs, info.cmdline]);
    let controllers = platform::platform().io_apics.iter().flatten();
    let registers = controllers
        .map(|(base, _)| *base)
        .chain([platform::platform().local_apic])
        .map(|base| Region {
            base,
            len: CONTROLLER,
        });
    usable
        .chain(loaded.into_iter().flatten().filter(|r| r.len != 0))
        .chain(registers)
        .chain([MESSAGES])
        .map(|r| memmap::pages_of(&r))
}

/// Points the `syscall` instruction at the kernel.
///
/// # Safety
/// The descriptor tables of this CPU are loaded.
unsafe fn syscall_registers() {
    use regs::msr;
    // SAFETY: the selectors match the descriptor table, the entry is the one made for this; 32-bit
    // `syscall` cannot be reached, there being no 32-bit user code segment.
    unsafe {
        regs::write_msr(msr::STAR, descriptors::STAR);
        regs::write_msr(msr::LSTAR, entry::syscall_address());
        regs::write_msr(msr::CSTAR, 0);
        regs::write_msr(msr::FMASK, entry::FMASK);
        regs::write_msr(msr::FS_BASE, 0);
        regs::write_msr(msr::KERNEL_GS_BASE, 0);
    }
    debug_assert_eq!(cpu::cpu_id(), 0);
}
