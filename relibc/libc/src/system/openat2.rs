//! `<sys/openat2.h>`: Linux's `openat2`.

use core::ffi::{c_char, c_int};

use cap_abi::resolve::{
    C_O_RESOLVE_BENEATH, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
};
use redox_rt::{Error, Result};
use syscall::flag::O_CREAT;
use syscall::{E2BIG, EAGAIN, EFAULT, EINVAL};

use super::{fail, file, int, text};

/// `struct open_how`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Linux's flags, and ours. That links of `/proc` are not followed is always true: there are none.
const FLAGS: [(u64, usize); 5] = [
    (0x01, RESOLVE_NO_XDEV),
    (NO_MAGICLINKS, 0),
    (0x04, RESOLVE_NO_SYMLINKS),
    (BENEATH, RESOLVE_BENEATH),
    (IN_ROOT, RESOLVE_IN_ROOT),
];
const NO_MAGICLINKS: u64 = 0x02;
const BENEATH: u64 = 0x08;
const IN_ROOT: u64 = 0x10;
/// Only what can be told without waiting.
const CACHED: u64 = 0x20;

impl OpenHow {
    /// Reads the structure in whichever version the caller knows: what is beyond ours has to be zero.
    unsafe fn read(how: *const Self, size: usize) -> Result<Self> {
        if how.is_null() {
            return fail(EFAULT);
        }
        if size < size_of::<Self>() {
            return fail(EINVAL);
        }
        let more = size - size_of::<Self>();
        if more > 4096 {
            return fail(E2BIG);
        }
        let beyond = core::slice::from_raw_parts(how.add(1).cast::<u8>(), more);
        if beyond.iter().any(|&byte| byte != 0) {
            return fail(E2BIG);
        }
        Ok(how.read_unaligned())
    }

    /// Flags and mode as `open` has them, and the resolution flags.
    fn check(self) -> Result<(c_int, c_int, usize)> {
        let bad = Error::new(EINVAL);
        // C's flags are an `int`, whose uppermost bit is O_NOFOLLOW: sign-extended by some callers.
        let flags = match u32::try_from(self.flags) {
            Ok(flags) => flags,
            Err(_) => i32::try_from(self.flags.cast_signed())
                .map_err(|_| bad)?
                .cast_unsigned(),
        };
        let known = KNOWN as u32 | C_O_RESOLVE_BENEATH;
        let creates = flags as usize & O_CREAT != 0;
        if flags & !known != 0
            || self.mode & !0o7777 != 0
            || (!creates && self.mode != 0)
            || self.resolve & !(0x3f) != 0
            || self.resolve & (BENEATH | IN_ROOT) == BENEATH | IN_ROOT
        {
            return Err(bad);
        }
        if self.resolve & CACHED != 0 {
            // Every open asks a scheme, which may have to wait: Linux's answer to that.
            return fail(EAGAIN);
        }
        let chosen = FLAGS
            .iter()
            .filter(|(theirs, _)| self.resolve & theirs != 0);
        let resolve = chosen.fold(0, |all, (_, ours)| all | ours);
        Ok((flags.cast_signed(), self.mode as c_int, resolve))
    }
}

/// What `open` knows: the upper half, and `O_NOCTTY`.
const KNOWN: c_int = !0xffff | libc::O_NOCTTY;

unsafe fn open(dir: c_int, path: *const c_char, how: *const OpenHow, size: usize) -> Result<usize> {
    let (flags, mode, resolve) = OpenHow::read(how, size)?.check()?;
    file::open_resolving(dir, text(path)?, flags, mode, resolve)
}

c_api! {
    fn openat2(dir: c_int, path: *const c_char, how: *const OpenHow, size: usize) -> c_int {
        int(open(dir, path, how, size))
    }
}
