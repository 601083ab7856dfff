//! The PVH entry: what `qemu -kernel` jumps to.
//!
//! The CPU arrives in 32-bit protected mode without paging, EBX holding the address of a structure
//! that `xen/include/public/arch-x86/hvm/start_info.h` describes. The stub makes page tables that
//! map the first 4 GiB by identity, and the first gigabyte again at the kernel's link address,
//! enters long mode and calls Rust.

use super::cpu::{BOOT_AREA, STACK_TOP_OFFSET};
use super::{boot, kmap};
use boot_info::{BootInfo, MAX_REGIONS, MemoryKind, MemoryRegion, Region};
use core::arch::global_asm;
use core::fmt;
use kernel_boot_core::memmap;

const LINK_OFFSET: u64 = 0xffff_ffff_8000_0000;
const MAGIC: u32 = 0x336e_c578;
/// The longest command line accepted.
const COMMAND_LINE: u64 = 4096;

global_asm!(
    // XEN_ELFNOTE_PHYS32_ENTRY.
    ".pushsection .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4, 4, 18",
    ".asciz \"Xen\"",
    ".long pvh_entry - {offset}",
    ".popsection",
    // Seven zero pages: the root, one level-3 table for low and one for high addresses, four
    // level-2 tables of 2 MiB pages.
    ".pushsection .bss.pvh, \"aw\", @nobits",
    ".balign 4096",
    "pvh_tables: .skip 7 * 4096",
    ".popsection",
    ".pushsection .rodata.pvh, \"a\"",
    ".balign 16",
    "pvh_gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    "pvh_gdt_pointer:",
    ".word 23",
    ".long pvh_gdt - {offset}",
    ".popsection",
    ".pushsection .text.boot, \"ax\"",
    ".code32",
    ".global pvh_entry",
    "pvh_entry:",
    "cli",
    "cld",
    "movl %ebx, %edi",
    ".set tables, pvh_tables - {offset}",
    // Root entries 0 and 511, low entries 0 to 3, high entry 510.
    "movl $(tables + 4096 + 3), tables",
    "movl $(tables + 2 * 4096 + 3), tables + 511 * 8",
    "movl $(tables + 3 * 4096 + 3), tables + 4096",
    "movl $(tables + 4 * 4096 + 3), tables + 4096 + 8",
    "movl $(tables + 5 * 4096 + 3), tables + 4096 + 16",
    "movl $(tables + 6 * 4096 + 3), tables + 4096 + 24",
    "movl $(tables + 3 * 4096 + 3), tables + 2 * 4096 + 510 * 8",
    // 2,048 pages of 2 MiB: present, writable, large.
    "movl $0x83, %eax",
    "movl $(tables + 3 * 4096), %ecx",
    "1: movl %eax, (%ecx)",
    "addl $8, %ecx",
    "addl $0x200000, %eax",
    "jnc 1b",
    "movl $tables, %eax",
    "movl %eax, %cr3",
    "movl %cr4, %eax",
    "orl $0x20, %eax",
    "movl %eax, %cr4",
    "movl $0xc0000080, %ecx",
    "rdmsr",
    "orl $0x100, %eax",
    "wrmsr",
    "movl %cr0, %eax",
    "orl $0x80010001, %eax",
    "movl %eax, %cr0",
    "lgdtl pvh_gdt_pointer - {offset}",
    "ljmpl $8, $(pvh_long - {offset})",
    ".code64",
    "pvh_long:",
    "movabsq $pvh_high, %rax",
    "jmpq *%rax",
    "pvh_high:",
    "xorl %eax, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    "leaq {area} + {top}(%rip), %rsp",
    "xorl %ebp, %ebp",
    "movl %edi, %edi",
    "call {boot}",
    "ud2",
    ".popsection",
    offset = const LINK_OFFSET,
    area = sym BOOT_AREA,
    top = const STACK_TOP_OFFSET,
    boot = sym boot::boot_from_pvh,
    options(att_syntax),
);

/// The structure at the address in EBX.
#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    // From version 1 on.
    memory_map: u64,
    memory_map_len: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// What is wrong with a start info.
#[derive(Clone, Copy, Debug)]
pub(super) enum Error {
    Magic(u32),
    NoMemoryMap(u32),
    MapTooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Magic(magic) => write!(f, "magic is {magic:#x}, not {MAGIC:#x}"),
            Self::NoMemoryMap(version) => write!(f, "version {version} has no memory map"),
            Self::MapTooLong => write!(f, "more than {MAX_REGIONS} memory regions"),
        }
    }
}

fn kind(e820: u32) -> MemoryKind {
    match e820 {
        1 => MemoryKind::Usable,
        3 => MemoryKind::AcpiReclaimable,
        4 => MemoryKind::AcpiNvs,
        _ => MemoryKind::Reserved,
    }
}

/// Reads the start info and what it points to into our own record.
///
/// # Safety
/// `address` is that of a start info, and it and all that it names is mapped by identity.
pub(super) unsafe fn read(address: u64) -> Result<BootInfo, Error> {
    // SAFETY: the caller's promise, here and below; every type read is made of integers.
    let start = unsafe { (address as *const StartInfo).read_unaligned() };
    if start.magic != MAGIC {
        return Err(Error::Magic(start.magic));
    }
    if start.version < 1 || start.memory_map == 0 {
        return Err(Error::NoMemoryMap(start.version));
    }
    let mut raw = [MemoryRegion::default(); MAX_REGIONS];
    let count = start.memory_map_len as usize;
    let slots = raw.get_mut(..count).ok_or(Error::MapTooLong)?;
    let entries = start.memory_map as *const MapEntry;
    for (i, slot) in slots.iter_mut().enumerate() {
        // SAFETY: see above; `i` is below the count that the structure gives.
        let entry = unsafe { entries.wrapping_add(i).read_unaligned() };
        *slot = MemoryRegion {
            region: Region {
                base: entry.address,
                len: entry.size,
            },
            kind_raw: kind(entry.kind) as u32,
            reserved: 0,
        };
    }
    let mut memory = [MemoryRegion::default(); MAX_REGIONS];
    let memory_len = memmap::normalise(slots, &mut memory).map_err(|_| Error::MapTooLong)?;
    let initfs = if start.module_count == 0 || start.modules == 0 {
        Region::default()
    } else {
        // SAFETY: see above.
        let module = unsafe { (start.modules as *const Module).read_unaligned() };
        Region {
            base: module.address,
            len: module.size,
        }
    };
    let command_line_len = |base: u64| {
        // SAFETY: see above; the text is terminated by a zero.
        let is_end = |i: &u64| unsafe { (base.wrapping_add(*i) as *const u8).read() } == 0;
        (0..COMMAND_LINE).find(is_end).unwrap_or(COMMAND_LINE)
    };
    let cmdline = match start.command_line {
        0 => Region::default(),
        base => Region {
            base,
            len: command_line_len(base),
        },
    };
    let (link_base, len) = kmap::image();
    Ok(BootInfo {
        magic: boot_info::MAGIC,
        version: boot_info::VERSION,
        memory_len: memory_len as u32,
        kernel: Region {
            base: link_base.wrapping_sub(LINK_OFFSET),
            len,
        },
        initfs,
        cmdline,
        rsdp: start.rsdp,
        reserved: [0; 4],
        memory,
    })
}
