//! The standard file system requests that travel in `SYS_CALL` (`StdFsCallKind`).

use syscall::error::{Error, Result};
use syscall::flag::{CallFlags, StdFsCallKind};
use syscall::{EINVAL, ENAMETOOLONG, StatVfs, TimeSpec};

use crate::sys;

/// # Safety
/// `payload` must be writable for `len` bytes.
unsafe fn call(
    fds: &[usize],
    kind: StdFsCallKind,
    arg1: u64,
    arg2: u64,
    payload: *mut u8,
    len: usize,
) -> Result<usize> {
    let metadata = [kind as u64, arg1, arg2];
    let flags = CallFlags::STD_FS | CallFlags::READ | CallFlags::WRITE;
    match *fds {
        // SAFETY: the caller answers for the payload.
        [fd] => unsafe { sys::call_raw(fd, payload, len, flags, &metadata) },
        // SAFETY: as above.
        _ => unsafe { sys::call_multiple(fds, payload, len, flags, &metadata) },
    }
}

fn call_plain(fd: usize, kind: StdFsCallKind, arg1: u64) -> Result<()> {
    // SAFETY: there is no payload.
    unsafe { call(&[fd], kind, arg1, 0, core::ptr::null_mut(), 0) }.map(drop)
}

/// Changes the permission bits.
pub fn fchmod(fd: usize, mode: u16) -> Result<()> {
    call_plain(fd, StdFsCallKind::Fchmod, u64::from(mode))
}

/// Changes the length.
pub fn ftruncate(fd: usize, len: u64) -> Result<()> {
    call_plain(fd, StdFsCallKind::Ftruncate, len)
}

/// Sets access and modification time.
pub fn futimens(fd: usize, times: &[TimeSpec; 2]) -> Result<()> {
    let mut times = *times;
    // SAFETY: the payload is a local array.
    unsafe {
        call(
            &[fd],
            StdFsCallKind::Futimens,
            0,
            0,
            times.as_mut_ptr().cast(),
            size_of_val(&times),
        )
    }
    .map(drop)
}

/// Figures of the file system.
pub fn fstatvfs(fd: usize) -> Result<StatVfs> {
    let mut stat = StatVfs::default();
    // SAFETY: the payload is a local structure that any bytes are valid for.
    unsafe {
        call(
            &[fd],
            StdFsCallKind::Fstatvfs,
            0,
            0,
            (&raw mut stat).cast(),
            size_of::<StatVfs>(),
        )
    }?;
    Ok(stat)
}

/// Reads directory entries (`DirentHeader`s with names) that come after `opaque`, the last entry's
/// `next_opaque_id` or 0. Answers the length, 0 at the end.
pub fn getdents(fd: usize, buf: &mut [u8], opaque: u64) -> Result<usize> {
    let header = size_of::<syscall::dirent::DirentHeader>() as u64;
    // SAFETY: the payload is borrowed for the time of the call.
    unsafe {
        call(
            &[fd],
            StdFsCallKind::Getdents,
            opaque,
            header,
            buf.as_mut_ptr(),
            buf.len(),
        )
    }
}

/// The path from directory `dir` to what `fd` is open on, as their scheme tells it.
pub fn relpathat(dir: usize, fd: usize, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: the payload is borrowed for the time of the call.
    unsafe {
        call(
            &[fd, dir],
            StdFsCallKind::Relpathat,
            0,
            0,
            buf.as_mut_ptr(),
            buf.len(),
        )
    }
}

/// Renames `old` below `old_dir` to `new` below `new_dir`; both directories are of one scheme
/// (`EXDEV`). `flags` are `RENAME_*` and `cap_abi::resolve::AT_FLAG_BENEATH`.
pub fn renameat(old_dir: usize, old: &[u8], new_dir: usize, new: &[u8], flags: u32) -> Result<()> {
    let mut names = Names::new();
    names.push(old)?;
    names.push(&[0])?;
    names.push(new)?;
    if old.contains(&0) || new.contains(&0) {
        return Err(Error::new(EINVAL));
    }
    // SAFETY: the payload is local.
    unsafe {
        call(
            &[old_dir, new_dir],
            StdFsCallKind::Frenameat,
            u64::from(flags),
            0,
            names.buf.as_mut_ptr(),
            names.len,
        )
    }
    .map(drop)
}

/// Links what `fd` is open on as `path` below `dir`.
pub fn linkat(fd: usize, dir: usize, path: &[u8], flags: u32) -> Result<()> {
    let mut names = Names::new();
    names.push(path)?;
    // SAFETY: the payload is local.
    unsafe {
        call(
            &[fd, dir],
            StdFsCallKind::Flinkat,
            u64::from(flags),
            0,
            names.buf.as_mut_ptr(),
            names.len,
        )
    }
    .map(drop)
}

/// A writable copy of paths for a payload.
struct Names {
    buf: [u8; 2 * rt_core::path::MAX_LEN + 1],
    len: usize,
}

impl Names {
    const fn new() -> Self {
        Self {
            buf: [0; _],
            len: 0,
        }
    }

    fn push(&mut self, part: &[u8]) -> Result<()> {
        if part.len() > rt_core::path::MAX_LEN {
            return Err(Error::new(ENAMETOOLONG));
        }
        let end = self.len + part.len();
        self.buf
            .get_mut(self.len..end)
            .ok_or(Error::new(ENAMETOOLONG))?
            .copy_from_slice(part);
        self.len = end;
        Ok(())
    }
}
