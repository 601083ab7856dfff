//! The system's part: what asks `redox-rt`, the kernel or a scheme.
//!
//! Structures have the layout of the `libc` crate for this target, which `std` is compiled with.
//! A function here turns C's arguments into Rust's and an error into `errno`; what it does is in
//! `redox-rt`, or in `relibc-core` where it can be tested on a host.

mod cwd;
mod directory;
mod environment;
mod file;
mod fork;
mod glob;
mod heap;
mod limits;
mod log;
mod memory;
mod named_semaphore;
mod names;
mod network;
mod openat2;
mod path;
mod poll;
mod popen;
mod process;
mod random;
mod schedule;
mod semaphore;
mod signal;
mod socket;
mod spawn;
mod start;
mod temporary;
mod terminal;
mod thread;
mod time;
mod timer;
mod two_paths;
mod unwind;
mod users;
mod walk;
mod words;

use core::ffi::{CStr, c_char, c_int};

use redox_rt::{Error, Result};
use relibc_core::errno::Errno;

use crate::sys::set_errno;

/// An error of this number.
pub(crate) const fn fail<T>(errno: i32) -> Result<T> {
    Err(Error::new(errno))
}

/// Reports an error in `errno`.
pub(crate) fn report(error: Error) {
    set_errno(Errno(error.errno));
}

/// What C's functions of type `int` answer.
pub(crate) fn int(result: Result<usize>) -> c_int {
    match result {
        Ok(value) => value as c_int,
        Err(e) => {
            report(e);
            -1
        }
    }
}

/// 0, or -1 with `errno`.
pub(crate) fn unit(result: Result<()>) -> c_int {
    int(result.map(|()| 0))
}

/// What functions of type `ssize_t` answer.
pub(crate) fn size(result: Result<usize>) -> isize {
    match result {
        Ok(value) => value as isize,
        Err(e) => {
            report(e);
            -1
        }
    }
}

/// What functions answer that return their error instead of setting `errno`.
pub(crate) fn code(result: Result<()>) -> c_int {
    result.err().map_or(0, |e| e.errno)
}

/// A pointer, or null with `errno`.
pub(crate) fn pointer<T>(result: Result<*mut T>) -> *mut T {
    result.unwrap_or_else(|e| {
        report(e);
        core::ptr::null_mut()
    })
}

/// A descriptor's number as the kernel takes it.
pub(crate) fn fd(number: c_int) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::new(syscall::EBADF))
}

/// A string's bytes; `EFAULT` for null.
pub(crate) unsafe fn text<'a>(string: *const c_char) -> Result<&'a [u8]> {
    if string.is_null() {
        return fail(syscall::EFAULT);
    }
    Ok(CStr::from_ptr(string).to_bytes())
}

/// A buffer to read from; `EFAULT` for null unless it is empty.
pub(crate) unsafe fn bytes<'a>(base: *const core::ffi::c_void, len: usize) -> Result<&'a [u8]> {
    match (base.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => fail(syscall::EFAULT),
        _ if len > isize::MAX as usize => fail(syscall::EINVAL),
        _ => Ok(core::slice::from_raw_parts(base.cast(), len)),
    }
}

/// A buffer to write to; as [`bytes`].
pub(crate) unsafe fn bytes_mut<'a>(
    base: *mut core::ffi::c_void,
    len: usize,
) -> Result<&'a mut [u8]> {
    match (base.is_null(), len) {
        (_, 0) => Ok(&mut []),
        (true, _) => fail(syscall::EFAULT),
        _ if len > isize::MAX as usize => fail(syscall::EINVAL),
        _ => Ok(core::slice::from_raw_parts_mut(base.cast(), len)),
    }
}

/// Copies text into a caller's buffer with a NUL behind it; `ERANGE` when it does not fit.
pub(crate) unsafe fn give_text(text: &[u8], buffer: *mut c_char, len: usize) -> Result<()> {
    if text.len() >= len {
        return fail(syscall::ERANGE);
    }
    core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len());
    buffer.add(text.len()).write(0);
    Ok(())
}

/// A copy of text that the caller releases with `free`.
pub(crate) unsafe fn allocate_text(text: &[u8]) -> Result<*mut c_char> {
    allocate_for_text(text, text.len() + 1)
}

/// [`allocate_text`] with `room` bytes, which are enough for the text and its end.
pub(crate) unsafe fn allocate_for_text(text: &[u8], room: usize) -> Result<*mut c_char> {
    let memory = heap::malloc(room).cast::<c_char>();
    if memory.is_null() {
        return fail(syscall::ENOMEM);
    }
    give_text(text, memory, room)?;
    Ok(memory)
}

/// Calls again what a handler with `SA_RESTART` has interrupted, unless the thread is to end.
pub(crate) fn restartable<T>(call: impl FnMut() -> Result<T>) -> Result<T> {
    redox_rt::signal::restartable_unless(thread::cancel::is_wanted, call)
}

/// Opens a scheme's root as a private descriptor, which nothing makes wait: no signal interrupts it.
pub(crate) fn open_scheme(path: &[u8], flags: usize) -> Result<redox_rt::Fd> {
    let open = || redox_rt::namespace::open(path, flags, redox_rt::sys::FD_ANY_UPPER);
    redox_rt::signal::again(open).map(redox_rt::Fd::from_raw)
}
