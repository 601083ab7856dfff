//! `<sys/mman.h>`.

use core::ffi::{c_char, c_int, c_void};

use redox_rt::signal::again;
use redox_rt::{Error, Result, sys};
use rt_core::{PAGE_SIZE, page_ceil};
use syscall::flag::MapFlags;
use syscall::{EINVAL, EIO, ENOMEM, Map};

use super::file::sync_files;
use super::{fail, fd, unit};

const KNOWN: c_int = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;

/// The kernel's protection bits are C's, 16 bits further up.
fn protection(bits: c_int) -> Result<MapFlags> {
    if bits & !KNOWN != 0 {
        return fail(EINVAL);
    }
    MapFlags::from_bits((bits as usize) << 16).ok_or(Error::new(EINVAL))
}

fn whole(address: *const c_void, len: usize) -> Result<(usize, usize)> {
    let start = address as usize;
    match page_ceil(len) {
        Some(len) if start.is_multiple_of(PAGE_SIZE) => Ok((start, len)),
        _ => fail(EINVAL),
    }
}

unsafe fn map(
    address: *mut c_void,
    len: usize,
    bits: c_int,
    flags: c_int,
    number: c_int,
    offset: i64,
) -> Result<*mut c_void> {
    let kinds = libc::MAP_SHARED | libc::MAP_PRIVATE;
    if len == 0 || matches!(flags & kinds, 0 | 3) {
        return fail(EINVAL);
    }
    let anonymous = flags & libc::MAP_ANON != 0;
    let mode = MapFlags::from_bits((flags & !libc::MAP_ANON) as usize).ok_or(Error::new(EINVAL))?;
    let offset = if anonymous { 0 } else { offset };
    let offset = usize::try_from(offset).map_err(|_| Error::new(EINVAL))?;
    if !offset.is_multiple_of(PAGE_SIZE) {
        return fail(EINVAL);
    }
    let request = Map {
        offset,
        size: page_ceil(len).ok_or(Error::new(ENOMEM))?,
        flags: mode | protection(bits)?,
        // Without MAP_FIXED an address is a wish.
        address: if flags & libc::MAP_FIXED != 0 {
            address as usize
        } else {
            address as usize & !(PAGE_SIZE - 1)
        },
    };
    let target = if anonymous {
        sys::ANONYMOUS
    } else {
        fd(number)?
    };
    again(|| sys::fmap(target, &request)).map(|at| at as *mut c_void)
}

c_api! {
    fn mmap(address: *mut c_void, len: usize, protection: c_int, flags: c_int, number: c_int, offset: i64) -> *mut c_void {
        match map(address, len, protection, flags, number, offset) {
            Ok(at) => at,
            Err(e) => {
                super::report(e);
                libc::MAP_FAILED
            }
        }
    }
    fn munmap(address: *mut c_void, len: usize) -> c_int {
        unit(whole(address, len).and_then(|(start, len)| {
            if len == 0 { fail(EINVAL) } else { sys::funmap(start, len) }
        }))
    }
    fn mprotect(address: *mut c_void, len: usize, bits: c_int) -> c_int {
        unit(whole(address, len).and_then(|(start, len)| sys::mprotect(start, len, protection(bits)?)))
    }
    fn msync(address: *mut c_void, len: usize, flags: c_int) -> c_int {
        // What is mapped shared is the file's own pages, so that others see it at once; but they are on the disk
        // only when they have been written there, with all else: which file they are of is not known here.
        let known = libc::MS_ASYNC | libc::MS_INVALIDATE | libc::MS_SYNC;
        let both = libc::MS_ASYNC | libc::MS_SYNC;
        unit(whole(address, len).and_then(|_| {
            if flags & !known != 0 || flags & both == both { return fail(EINVAL); }
            if flags & libc::MS_SYNC == 0 { return Ok(()); }
            match sync_files() {
                Err(error) if error.errno == EIO => Err(error),
                // Who has no files has nothing to be written.
                _ => Ok(()),
            }
        }))
    }
    fn madvise(address: *mut c_void, len: usize, advice: c_int) -> c_int {
        // Advice: heeding none of it is right.
        unit(whole(address, len).and_then(|_| if (0..=4).contains(&advice) { Ok(()) } else { fail(EINVAL) }))
    }
    fn posix_madvise(address: *mut c_void, len: usize, advice: c_int) -> c_int {
        match whole(address, len) {
            Ok(_) if (0..=4).contains(&advice) => 0,
            _ => EINVAL,
        }
    }
    fn mlock(address: *const c_void, len: usize) -> c_int {
        // Nothing is ever paged out.
        if page_ceil(address as usize % PAGE_SIZE + len).is_some() { 0 } else { unit(fail(ENOMEM)) }
    }
    fn munlock(address: *const c_void, len: usize) -> c_int { mlock(address, len) }
    fn mlockall(flags: c_int) -> c_int { unit(if flags & !3 == 0 && flags != 0 { Ok(()) } else { fail(EINVAL) }) }
    fn munlockall() -> c_int { 0 }
    fn shm_open(name: *const c_char, flags: c_int, mode: c_int) -> c_int {
        super::file::open_shared(name, flags, mode)
    }
    fn shm_unlink(name: *const c_char) -> c_int { super::file::unlink_shared(name) }
}
