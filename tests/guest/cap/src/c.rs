//! The C library's functions as C programs call them, with errors as numbers.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

pub const CWD: c_int = libc::AT_FDCWD;
/// `<fcntl.h>`.
pub const O_RESOLVE_BENEATH: c_int = 0x1000;
pub const AT_RESOLVE_BENEATH: c_int = 0x8000;
pub const F_CAP_BENEATH: c_int = 0x4002;
/// `<sys/openat2.h>`.
pub const RESOLVE_NO_XDEV: u64 = 0x01;
pub const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
pub const RESOLVE_NO_SYMLINKS: u64 = 0x04;
pub const RESOLVE_BENEATH: u64 = 0x08;
pub const RESOLVE_IN_ROOT: u64 = 0x10;
pub const RESOLVE_CACHED: u64 = 0x20;

/// `struct open_how`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct OpenHow {
    pub flags: u64,
    pub mode: u64,
    pub resolve: u64,
}

unsafe extern "C" {
    #[link_name = "openat2"]
    fn c_openat2(dir: c_int, path: *const c_char, how: *const c_void, size: usize) -> c_int;
    #[link_name = "mkdirat2"]
    fn c_mkdirat2(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int;
    #[link_name = "symlinkat2"]
    fn c_symlinkat2(target: *const c_char, dir: c_int, path: *const c_char, flags: c_int) -> c_int;
    #[link_name = "readlinkat2"]
    fn c_readlinkat2(
        dir: c_int,
        path: *const c_char,
        out: *mut u8,
        len: usize,
        flags: c_int,
    ) -> isize;
    #[link_name = "linkat"]
    fn c_linkat(a: c_int, from: *const c_char, b: c_int, to: *const c_char, flags: c_int) -> c_int;
    #[link_name = "renameat2"]
    fn c_renameat2(
        a: c_int,
        from: *const c_char,
        b: c_int,
        to: *const c_char,
        flags: c_uint,
    ) -> c_int;
    #[link_name = "faccessat"]
    fn c_faccessat(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int;
}

/// What a call answers: a number, or an error number.
pub type Answer<T = ()> = Result<T, c_int>;

pub fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn number(answer: c_int) -> Answer<c_int> {
    if answer == -1 {
        Err(errno())
    } else {
        Ok(answer)
    }
}

fn unit(answer: c_int) -> Answer {
    number(answer).map(drop)
}

fn owned(answer: c_int) -> Answer<OwnedFd> {
    // SAFETY: it has just been opened, for the caller.
    number(answer).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

fn text(path: &str) -> CString {
    CString::new(path).expect("a path without NUL")
}

pub fn openat(dir: RawFd, path: &str, flags: c_int) -> Answer<OwnedFd> {
    let path = text(path);
    // SAFETY: a C string.
    owned(unsafe { libc::openat(dir, path.as_ptr(), flags, 0o666) })
}

pub fn open(path: &str, flags: c_int) -> Answer<OwnedFd> {
    let path = text(path);
    // SAFETY: a C string.
    owned(unsafe { libc::open(path.as_ptr(), flags, 0o666) })
}

pub fn openat2(dir: RawFd, path: &str, how: OpenHow) -> Answer<OwnedFd> {
    openat2_sized(dir, path, &[how], size_of::<OpenHow>())
}

/// With a size of the caller's choice, at most that of the list.
pub fn openat2_sized(dir: RawFd, path: &str, how: &[OpenHow], size: usize) -> Answer<OwnedFd> {
    assert!(size <= size_of_val(how));
    let path = text(path);
    // SAFETY: a C string, and a structure of that size.
    owned(unsafe { c_openat2(dir, path.as_ptr(), how.as_ptr().cast(), size) })
}

pub fn resolving(dir: RawFd, path: &str, flags: c_int, resolve: u64) -> Answer<OwnedFd> {
    let how = OpenHow {
        flags: u64::from(flags.cast_unsigned()),
        mode: 0,
        resolve,
    };
    openat2(dir, path, how)
}

/// Device and inode number of what a path names.
pub fn stat(dir: RawFd, path: &str, flags: c_int) -> Answer<(u64, u64)> {
    let path = text(path);
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a C string, room for the structure, which is filled in on success.
    unsafe {
        unit(libc::fstatat(dir, path.as_ptr(), stat.as_mut_ptr(), flags))?;
        let stat = stat.assume_init();
        Ok((stat.st_dev, stat.st_ino))
    }
}

/// Device and inode number of what is open.
pub fn fstat(fd: RawFd) -> Answer<(u64, u64)> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: as above.
    unsafe {
        unit(libc::fstat(fd, stat.as_mut_ptr()))?;
        let stat = stat.assume_init();
        Ok((stat.st_dev, stat.st_ino))
    }
}

pub fn confine(fd: RawFd) -> Answer {
    // SAFETY: a command without an argument.
    number(unsafe { libc::fcntl(fd, F_CAP_BENEATH, 0) }).map(drop)
}

pub fn mkdirat(dir: RawFd, path: &str, flags: c_int) -> Answer {
    let path = text(path);
    // SAFETY: a C string.
    unit(unsafe { c_mkdirat2(dir, path.as_ptr(), 0o777, flags) })
}

pub fn symlinkat(target: &str, dir: RawFd, path: &str, flags: c_int) -> Answer {
    let (target, path) = (text(target), text(path));
    // SAFETY: C strings.
    unit(unsafe { c_symlinkat2(target.as_ptr(), dir, path.as_ptr(), flags) })
}

pub fn readlinkat(dir: RawFd, path: &str, flags: c_int) -> Answer<String> {
    let path = text(path);
    let mut out = [0u8; 256];
    // SAFETY: a C string, and room for that many bytes.
    let len = unsafe { c_readlinkat2(dir, path.as_ptr(), out.as_mut_ptr(), out.len(), flags) };
    match usize::try_from(len) {
        Ok(len) => Ok(String::from_utf8_lossy(&out[..len]).into_owned()),
        Err(_) => Err(errno()),
    }
}

pub fn linkat(a: RawFd, from: &str, b: RawFd, to: &str, flags: c_int) -> Answer {
    let (from, to) = (text(from), text(to));
    // SAFETY: C strings.
    unit(unsafe { c_linkat(a, from.as_ptr(), b, to.as_ptr(), flags) })
}

pub fn renameat(a: RawFd, from: &str, b: RawFd, to: &str, flags: c_int) -> Answer {
    let (from, to) = (text(from), text(to));
    // SAFETY: C strings.
    unit(unsafe { c_renameat2(a, from.as_ptr(), b, to.as_ptr(), flags.cast_unsigned()) })
}

pub fn unlinkat(dir: RawFd, path: &str, flags: c_int) -> Answer {
    let path = text(path);
    // SAFETY: a C string.
    unit(unsafe { libc::unlinkat(dir, path.as_ptr(), flags) })
}

pub fn faccessat(dir: RawFd, path: &str, flags: c_int) -> Answer {
    let path = text(path);
    // SAFETY: a C string.
    unit(unsafe { c_faccessat(dir, path.as_ptr(), libc::R_OK, flags) })
}

pub fn fchmodat(dir: RawFd, path: &str, flags: c_int) -> Answer {
    let path = text(path);
    // SAFETY: a C string.
    unit(unsafe { libc::fchmodat(dir, path.as_ptr(), 0o644, flags) })
}

pub fn fchownat(dir: RawFd, path: &str, flags: c_int) -> Answer {
    let path = text(path);
    let (user, group) = (libc::uid_t::MAX, libc::gid_t::MAX);
    // SAFETY: a C string.
    unit(unsafe { libc::fchownat(dir, path.as_ptr(), user as _, group as _, flags) })
}

pub fn utimensat(dir: RawFd, path: &str, flags: c_int) -> Answer {
    let path = text(path);
    // SAFETY: a C string; no times mean now.
    unit(unsafe { libc::utimensat(dir, path.as_ptr(), std::ptr::null(), flags) })
}

pub fn fchdir(fd: RawFd) -> Answer {
    // SAFETY: a call on a number.
    unit(unsafe { libc::fchdir(fd) })
}
