//! The record that a boot loader hands to the kernel, and the state in which it does so.
//!
//! A 64-bit loader jumps to the kernel's ELF entry point with interrupts off, long mode on, RDI the
//! physical address of a [`BootInfo`], a stack of at least 16 KiB, and page tables that map all RAM
//! it names by identity and the kernel's segments at their link addresses. The kernel image is
//! physically contiguous at [`BootInfo::kernel`]. The kernel builds its own tables and uses nothing
//! of the loader's afterwards but the regions named here.
//!
//! The PVH entry (QEMU's `-kernel`) builds the same record from `hvm_start_info`.
#![no_std]
#![forbid(unsafe_code)]

/// First field of every [`BootInfo`]: "CUPRITE\0" in little-endian ASCII.
pub const MAGIC: u64 = u64::from_le_bytes(*b"CUPRITE\0");
/// Version of the layout below.
pub const VERSION: u32 = 1;
/// How many memory regions fit.
pub const MAX_REGIONS: usize = 256;

/// A range of physical memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// Physical address of the first byte.
    pub base: u64,
    /// Length in bytes; 0 when there is none.
    pub len: u64,
}

/// What a memory region is.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryKind {
    /// Not to be touched.
    #[default]
    Reserved = 0,
    /// Free for the kernel.
    Usable = 1,
    /// ACPI tables, free after they are read.
    AcpiReclaimable = 2,
    /// ACPI non-volatile storage.
    AcpiNvs = 3,
}

/// A typed region of the machine's memory map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryRegion {
    /// Where.
    pub region: Region,
    /// What. An unknown value reads as [`MemoryKind::Reserved`]; see [`MemoryRegion::kind`].
    pub kind_raw: u32,
    /// Zero.
    pub reserved: u32,
}

impl MemoryRegion {
    /// The region's kind, an unknown one being reserved.
    pub const fn kind(&self) -> MemoryKind {
        match self.kind_raw {
            1 => MemoryKind::Usable,
            2 => MemoryKind::AcpiReclaimable,
            3 => MemoryKind::AcpiNvs,
            _ => MemoryKind::Reserved,
        }
    }
}

/// Everything the kernel learns from its loader. Addresses are physical. The regions of kernel,
/// initfs, command line and of this record may lie inside usable memory; the kernel keeps them out
/// of its allocator.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// How many of `memory` are filled.
    pub memory_len: u32,
    /// The kernel's loaded image.
    pub kernel: Region,
    /// The initfs image.
    pub initfs: Region,
    /// The command line, UTF-8.
    pub cmdline: Region,
    /// ACPI's root pointer, 0 when unknown.
    pub rsdp: u64,
    /// Zero.
    pub reserved: [u64; 4],
    /// The memory map, in ascending order, without overlaps.
    pub memory: [MemoryRegion; MAX_REGIONS],
}

impl BootInfo {
    /// The filled part of the memory map.
    pub fn regions(&self) -> &[MemoryRegion] {
        let len = (self.memory_len as usize).min(MAX_REGIONS);
        self.memory.get(..len).unwrap_or(&[])
    }
}
