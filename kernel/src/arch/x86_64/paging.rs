//! What of user page tables only the processor can do: the direct map, the translation cache, and
//! copies by string instructions. Entries, walks and tables are in [`kernel_core::paging`].

use core::arch::asm;

use kernel_core::frames::Frame;
use kernel_core::paging::Entry;

use super::cpu::features;
use super::kmap::DIRECT_MAP;
use super::{regs, switch};

/// The kernel's address of a physical address. The caller of whatever is done with it has to know
/// that it is RAM, which the direct map maps.
#[inline]
pub const fn phys_to_virt(physical: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(DIRECT_MAP.wrapping_add(physical) as usize)
}

/// The physical address of an address in the direct map.
#[inline]
pub const fn virt_to_phys(address: usize) -> u64 {
    (address as u64).wrapping_sub(DIRECT_MAP)
}

/// The bits of an entry that this processor knows or ignores: without the feature, the bit that
/// forbids execution is reserved.
pub fn entry_mask() -> u64 {
    if features().nx {
        u64::MAX
    } else {
        !Entry::NO_EXECUTE
    }
}

/// Forgets the cached translation of one address if the space with this root is active.
#[inline]
pub fn flush_page(root: Frame, address: usize) {
    if switch::loaded_root() == root.address() {
        regs::flush_page(address as u64);
    }
}

/// Forgets where the tables of the space with this root are, if it is active.
#[inline]
pub fn flush_tables(root: Frame) {
    // The instruction forgets all that is cached of tables, whatever address it is about (Intel SDM 3A, 4.10.4.1).
    flush_page(root, 0);
}

/// Forgets all cached translations of the user half if the space with this root is active.
#[inline]
pub fn flush_all(root: Frame) {
    if switch::loaded_root() == root.address() {
        // SAFETY: the root stays what it is; loading it again drops cached translations.
        unsafe { regs::load_root(root.address()) };
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

/// Fills `words` words of eight bytes with zeros.
///
/// # Safety
/// `to` must be valid for writes of that many words.
#[inline]
pub unsafe fn zero_words(to: *mut u8, words: usize) {
    // SAFETY: the caller vouches for the words at `to`; the direction flag is clear in Rust code.
    unsafe {
        asm!(
            "rep stosq",
            inout("rcx") words => _,
            inout("rdi") to => _,
            in("rax") 0_usize,
            options(nostack, preserves_flags)
        );
    }
}
