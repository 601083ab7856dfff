//! What of paging only the processor can do: the direct map of physical memory, the table register
//! and the translation cache. Entries, walks and tables are in [`kernel_core::paging`].

use core::arch::asm;

use kernel_core::frames::Frame;

/// Where all physical memory is mapped for the kernel: slot 256 of every root table.
pub const DIRECT_MAP: usize = 0xffff_8000_0000_0000;

/// The kernel's address of a physical address. The caller of whatever is done with it has to know that
/// memory, or a device, is there.
#[inline]
pub const fn phys_to_virt(physical: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(DIRECT_MAP.wrapping_add(physical as usize))
}

/// The root table that the processor uses.
#[inline]
pub fn active_root() -> Frame {
    let cr3: u64;
    // SAFETY: reading CR3 in ring 0 has no effect.
    unsafe { asm!("mov {}, cr3", out(reg) cr3, options(nomem, nostack, preserves_flags)) };
    // The root was given to us as a frame, so its number fits.
    Frame::new((cr3 >> 12) as u32)
}

/// Makes the processor use another root table, and forgets cached translations of the user half.
///
/// # Safety
/// `root` must be a root table whose kernel half is the kernel's, and must not be freed while it is
/// in use.
#[inline]
pub unsafe fn activate(root: Frame) {
    // SAFETY: the caller vouches for the table; the kernel, its stack and its data are mapped by its
    // kernel half as they are now. Not `nomem`: what user addresses mean changes.
    unsafe { asm!("mov cr3, {}", in(reg) root.address(), options(nostack, preserves_flags)) };
}

/// Forgets the cached translation of one address if the space with this root is active.
#[inline]
pub fn flush_page(root: Frame, address: usize) {
    if active_root() == root {
        // SAFETY: INVLPG only drops a cached translation, which the processor may do at any time.
        unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
    }
}

/// Forgets all cached translations of the user half if the space with this root is active.
#[inline]
pub fn flush_all(root: Frame) {
    if active_root() == root {
        // SAFETY: the root stays what it is; loading it drops cached translations.
        unsafe { activate(root) };
    }
}

/// Copies bytes, by words of eight as far as that goes. A word of a string instruction costs as much
/// as a byte of one.
///
/// # Safety
/// `from` must be valid for reads and `to` for writes of `len` bytes, and they must not overlap.
#[inline]
pub unsafe fn copy_bytes(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller vouches for both ranges; the direction flag is clear in Rust code; the second
    // instruction goes on where the first ended, and both together move `len` bytes.
    unsafe {
        asm!(
            "rep movsq",
            "mov ecx, {rest:e}",
            "rep movsb",
            rest = in(reg) len & 7,
            inout("rcx") len >> 3 => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Fills a frame with zeros.
///
/// # Safety
/// `to` must be valid for writes of a page and be aligned to eight bytes.
#[inline]
pub unsafe fn zero_page(to: *mut u8) {
    // SAFETY: the caller vouches for 512 words at `to`; the direction flag is clear in Rust code.
    unsafe {
        asm!(
            "rep stosq",
            inout("rcx") 512_usize => _,
            inout("rdi") to => _,
            in("rax") 0_usize,
            options(nostack, preserves_flags)
        );
    }
}
