//! Copies between the kernel and user memory: plain values, and the word-wise copy below them. Ranges and
//! the walk are in [`kernel_core::user`].

use core::mem::MaybeUninit;

use kernel_core::paging::PAGE_SIZE;
use kernel_core::space::{AddrSpace, SpaceError};

pub use kernel_core::user::{BadAddress, UserSlice};

use super::Memory;
use crate::arch::paging::{self, phys_to_virt};

/// Up to this many bytes are copied without a string instruction, whose start-up would cost more.
const SHORT: usize = 128;

/// Values that are nothing but their bytes.
///
/// # Safety
/// Every pattern of bits must be a valid value, and there must be no padding: padding would carry
/// whatever was in the kernel's memory to the user.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        // SAFETY: integers, and structures of the ABI that consist of integers and transparent
        // wrappers of integers with every bit pattern, laid out by repr(C) without gaps.
        $(unsafe impl Plain for $type {})*
    };
}

plain!(
    u8,
    u16,
    u32,
    u64,
    usize,
    i8,
    i16,
    i32,
    i64,
    isize,
    syscall::Map,
    syscall::GrantDesc,
    syscall::SetSighandlerData,
);

// SAFETY: an array has no padding of its own.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Reads a value from a user address, which need not be aligned.
///
/// # Errors
/// [`SpaceError::Fault`] or [`SpaceError::NoMemory`].
#[inline]
pub fn read<T: Plain>(
    space: &mut AddrSpace,
    memory: &mut Memory,
    address: usize,
) -> Result<T, SpaceError> {
    if in_one_page::<T>(address) {
        let physical = space.reach(memory, address, false)?;
        // SAFETY: the value is inside one page, which the walk has just found and the direct map
        // maps; any bytes are a valid `T`.
        return Ok(unsafe { phys_to_virt(physical).cast::<T>().read_unaligned() });
    }
    let mut value = MaybeUninit::<T>::zeroed();
    let slice = UserSlice::new(address, size_of::<T>())?;
    let place = value.as_mut_ptr().cast::<u8>();
    // SAFETY: the zeroed memory of `value` is `size_of::<T>()` initialised bytes, borrowed only here.
    let bytes = unsafe { core::slice::from_raw_parts_mut(place, size_of::<T>()) };
    space.copy_in(memory, slice, bytes)?;
    // SAFETY: any bytes are a valid `T`.
    Ok(unsafe { value.assume_init() })
}

/// Writes a value to a user address, which need not be aligned.
///
/// # Errors
/// [`SpaceError::Fault`] or [`SpaceError::NoMemory`]; part may have been written if the value lies in
/// two pages.
#[inline]
pub fn write<T: Plain>(
    space: &mut AddrSpace,
    memory: &mut Memory,
    address: usize,
    value: &T,
) -> Result<(), SpaceError> {
    if in_one_page::<T>(address) {
        let physical = space.reach(memory, address, true)?;
        // SAFETY: the value is inside one page, which the walk has just found writable and the
        // direct map maps, and to which the kernel holds no references.
        unsafe { phys_to_virt(physical).cast::<T>().write_unaligned(*value) };
        return Ok(());
    }
    let slice = UserSlice::new(address, size_of::<T>())?;
    let place = (&raw const *value).cast::<u8>();
    // SAFETY: a `T` without padding is `size_of::<T>()` initialised bytes.
    let bytes = unsafe { core::slice::from_raw_parts(place, size_of::<T>()) };
    space.copy_out(memory, slice, bytes)?;
    Ok(())
}

#[inline]
const fn in_one_page<T>(address: usize) -> bool {
    (address % PAGE_SIZE).wrapping_add(size_of::<T>()) <= PAGE_SIZE
}

/// Copies bytes by words.
///
/// # Safety
/// `from` must be valid for reads and `to` for writes of `len` bytes; if they overlap, the result is
/// unspecified.
#[inline]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    if len > SHORT {
        // SAFETY: the caller's promise.
        unsafe { paging::copy_bytes(from, to, len) };
        return;
    }
    let words = len / 8;
    for n in 0..words {
        let offset = n.wrapping_mul(8);
        // SAFETY: inside the first `words * 8` bytes of both ranges.
        unsafe {
            let word = from.add(offset).cast::<u64>().read_unaligned();
            to.add(offset).cast::<u64>().write_unaligned(word);
        }
    }
    for offset in words.wrapping_mul(8)..len {
        // SAFETY: inside both ranges.
        unsafe { to.add(offset).write(from.add(offset).read()) };
    }
}
