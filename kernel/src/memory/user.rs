//! Copies between the kernel and user memory: plain values, and the word-wise copy below them. Ranges and
//! the walk are in [`kernel_core::user`].

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use kernel_core::machine::Machine;
use kernel_core::paging::PAGE_SIZE;
use kernel_core::space::{AddrSpace, SpaceError};

pub use kernel_core::user::{BadAddress, UserSlice};

use super::{Frame, Memory};
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

/// A value of a program's that was found readable, as long as nothing is done to its space.
pub struct Source<'a, T> {
    physical: u64,
    space: PhantomData<(&'a mut AddrSpace, T)>,
}

impl<'a, T: Plain> Source<'a, T> {
    /// Finds a value that can be read as it is, in one page. `None`: [`read`] finds out why not, or how.
    #[inline(always)]
    pub fn find(space: &'a mut AddrSpace, memory: &Memory, address: usize) -> Option<Self> {
        let physical = in_one_page::<T>(address)
            .then(|| space.translate(memory, address, false))
            .flatten()?;
        Some(Self {
            physical,
            space: PhantomData,
        })
    }

    /// The value.
    #[inline(always)]
    pub fn read(&self) -> T {
        // SAFETY: as in `read`: the value is inside one page, which was found readable and which the direct
        // map maps; the space, which is borrowed, has not been changed since.
        unsafe { phys_to_virt(self.physical).cast::<T>().read_unaligned() }
    }
}

/// A value of a program's that was found writable, as long as nothing is done to its space.
pub struct Target<'a, T> {
    physical: u64,
    space: PhantomData<(&'a mut AddrSpace, T)>,
}

impl<'a, T: Plain> Target<'a, T> {
    /// Finds a value that can be written as it is, in one page. `None`: [`write`] finds out why not, or how.
    #[inline(always)]
    pub fn find(space: &'a mut AddrSpace, memory: &Memory, address: usize) -> Option<Self> {
        let physical = in_one_page::<T>(address)
            .then(|| space.translate(memory, address, true))
            .flatten()?;
        Some(Self {
            physical,
            space: PhantomData,
        })
    }

    /// Writes the value.
    #[inline(always)]
    pub fn write(self, value: &T) {
        // SAFETY: as in `write`: the value is inside one page, which was found writable and which the direct
        // map maps; the space, which is borrowed, has not been changed since; the kernel holds no
        // references to it.
        unsafe {
            phys_to_virt(self.physical)
                .cast::<T>()
                .write_unaligned(*value)
        };
    }
}

/// Bytes of a program's, all in one page that was found readable or writable, as long as nothing is done to
/// its space.
pub struct Span<'a> {
    physical: u64,
    len: usize,
    space: PhantomData<&'a mut AddrSpace>,
}

impl<'a> Span<'a> {
    /// Finds bytes that can be read (`write`: written) as they are, in one page.
    #[inline(always)]
    pub fn find(
        space: &'a mut AddrSpace,
        memory: &Memory,
        base: usize,
        len: usize,
        write: bool,
    ) -> Option<Self> {
        if (base % PAGE_SIZE).checked_add(len)? > PAGE_SIZE {
            return None;
        }
        let physical = space.translate(memory, base, write)?;
        Some(Self {
            physical,
            len,
            space: PhantomData,
        })
    }

    /// Copies the bytes to the beginning of a frame of the kernel's.
    #[inline(always)]
    pub fn copy_to(&self, memory: &mut Memory, frame: Frame) {
        memory.copy(self.physical, frame.address(), self.len);
    }

    /// Copies the beginning of a frame of the kernel's to the bytes, which were found writable.
    #[inline(always)]
    pub fn copy_from(self, memory: &mut Memory, frame: Frame) {
        memory.copy(frame.address(), self.physical, self.len);
    }
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
#[inline(always)]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    if len > SHORT {
        // SAFETY: the caller's promise.
        unsafe { paging::copy_bytes(from, to, len) };
        return;
    }
    let Some(last) = len.checked_sub(8) else {
        for offset in 0..len {
            // SAFETY: inside both ranges.
            unsafe { to.add(offset).write(from.add(offset).read()) };
        }
        return;
    };
    let mut offset = 0_usize;
    while offset < last {
        // SAFETY: the word ends before the last one does, inside both ranges.
        unsafe { copy_word(from.add(offset), to.add(offset)) };
        offset = offset.wrapping_add(8);
    }
    // The last word may have bytes in common with the one before.
    // SAFETY: it ends where the ranges end, which have at least eight bytes.
    unsafe { copy_word(from.add(last), to.add(last)) };
}

/// Copies eight bytes.
///
/// # Safety
/// `from` must be valid for reading them and `to` for writing.
#[inline(always)]
unsafe fn copy_word(from: *const u8, to: *mut u8) {
    // SAFETY: the caller's promise; neither has to be aligned.
    unsafe {
        let word = from.cast::<u64>().read_unaligned();
        to.cast::<u64>().write_unaligned(word);
    }
}
