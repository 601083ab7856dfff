//! Control and model-specific registers, and the few instructions that have no other home.

use core::arch::asm;
pub use core::arch::x86_64::CpuidResult;
use x86_64::registers::model_specific::Msr;

/// Model-specific register numbers.
pub mod msr {
    pub const APIC_BASE: u32 = 0x1b;
    pub const TSC_DEADLINE: u32 = 0x6e0;
    pub const PAT: u32 = 0x277;
    pub const X2APIC: u32 = 0x800;
    pub const EFER: u32 = 0xc000_0080;
    pub const STAR: u32 = 0xc000_0081;
    pub const LSTAR: u32 = 0xc000_0082;
    pub const CSTAR: u32 = 0xc000_0083;
    pub const FMASK: u32 = 0xc000_0084;
    pub const FS_BASE: u32 = 0xc000_0100;
    pub const GS_BASE: u32 = 0xc000_0101;
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
}

/// The CPU's answer for a leaf, zeros when it has no such leaf.
pub fn cpuid(leaf: u32, sub: u32) -> CpuidResult {
    let range = leaf & 0xffff_0000;
    let max = core::arch::x86_64::__cpuid(range).eax;
    // A range that does not exist answers with the data of another.
    if leaf > max || max & 0xffff_0000 != range {
        return CpuidResult {
            eax: 0,
            ebx: 0,
            ecx: 0,
            edx: 0,
        };
    }
    core::arch::x86_64::__cpuid_count(leaf, sub)
}

/// Reads a model-specific register.
///
/// # Safety
/// The register exists on this CPU and reading it changes nothing.
#[inline]
pub unsafe fn read_msr(number: u32) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { Msr::new(number).read() }
}

/// Writes a model-specific register.
///
/// # Safety
/// The register exists on this CPU and the value is one that keeps the kernel's assumptions.
#[inline]
pub unsafe fn write_msr(number: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe { Msr::new(number).write(value) }
}

/// Sets the base address of GS while in the kernel.
///
/// # Safety
/// `base` is this CPU's [`super::cpu::CpuBlock`].
pub unsafe fn write_gs_base(base: u64) {
    // SAFETY: the register exists in long mode; the caller vouches for the value.
    unsafe { write_msr(msr::GS_BASE, base) }
}

/// The time-stamp counter, read after all earlier instructions have completed.
#[inline]
pub fn tsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: both instructions exist on every x86-64 CPU and only write registers; CR4.TSD does not
    // concern kernel mode.
    unsafe {
        asm!("lfence", "rdtsc", out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    (u64::from(high) << 32) | u64::from(low)
}

/// The time-stamp counter, without waiting for anything: cheap enough for every switch.
#[inline]
pub fn ticks() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: as in `tsc`.
    unsafe {
        asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    (u64::from(high) << 32) | u64::from(low)
}

/// The address that the last page fault was about.
#[inline]
pub fn fault_address() -> u64 {
    let value: u64;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Physical address of the active page table.
#[inline]
pub fn root() -> u64 {
    let value: u64;
    // SAFETY: reading CR3 has no effect.
    unsafe { asm!("mov {}, cr3", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value & !0xfff
}

/// Loads a page table, forgetting all translations that are not global.
///
/// # Safety
/// The table maps the running code, its stack and its data as they are.
#[inline]
pub unsafe fn load_root(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// Forgets the translation of one page on this CPU.
#[inline]
pub fn flush_page(address: u64) {
    // SAFETY: forgetting a translation makes the CPU read the tables again and nothing else.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Reads a port.
///
/// # Safety
/// Reading has no side effect that other code does not expect.
#[inline]
pub unsafe fn inb(port: u16) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { x86_64::instructions::port::Port::new(port).read() }
}

/// Writes a port.
///
/// # Safety
/// The device there belongs to the caller and the write cannot break memory safety.
#[inline]
pub unsafe fn outb(port: u16, value: u8) {
    // SAFETY: the caller's promise.
    unsafe { x86_64::instructions::port::Port::new(port).write(value) }
}
