//! The standard file system requests that travel in `SYS_CALL` (`StdFsCallKind`). None of them ends when a signal comes.

use syscall::error::{Error, Result};
use syscall::flag::{CallFlags, O_NOFOLLOW, O_STAT, StdFsCallKind};
use syscall::{EBADF, EINVAL, ENAMETOOLONG, EOPNOTSUPP, StatVfs, TimeSpec};

use crate::fd::Fd;
use crate::signal::again;
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
    again(|| match *fds {
        // SAFETY: the caller answers for the payload.
        [fd] => unsafe { sys::call_raw(fd, payload, len, flags, &metadata) },
        // SAFETY: as above.
        _ => unsafe { sys::call_multiple(fds, payload, len, flags, &metadata) },
    })
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
/// (`EXDEV`). A daemon that does not know how is asked by the path that its own `fpath` gives. `flags` are `RENAME_*` and `cap_abi::resolve::AT_FLAG_BENEATH`.
pub fn renameat(old_dir: usize, old: &[u8], new_dir: usize, new: &[u8], flags: u32) -> Result<()> {
    let mut names = Names::new();
    names.push(old)?;
    names.push(&[0])?;
    names.push(new)?;
    if old.contains(&0) || new.contains(&0) {
        return Err(Error::new(EINVAL));
    }
    // SAFETY: the payload is local.
    let renamed = unsafe {
        call(
            &[old_dir, new_dir],
            StdFsCallKind::Frenameat,
            u64::from(flags),
            0,
            names.buf.as_mut_ptr(),
            names.len,
        )
    };
    match renamed {
        Err(e) if e.errno == EOPNOTSUPP && flags == 0 => {
            let named = O_STAT | O_NOFOLLOW;
            let old = again(|| sys::openat(old_dir, old, named, sys::FD_ANY_UPPER))?;
            let old = Fd::from_raw(old);
            let new = Names::in_scheme(new_dir, new)?;
            again(|| sys::frename(old.raw(), new.get()))
        }
        other => other.map(drop),
    }
}

/// Links what `fd` is open on as `path` below `dir`.
pub fn linkat(fd: usize, dir: usize, path: &[u8], flags: u32) -> Result<()> {
    let mut names = Names::new();
    names.push(path)?;
    // SAFETY: the payload is local.
    let linked = unsafe {
        call(
            &[fd, dir],
            StdFsCallKind::Flinkat,
            u64::from(flags),
            0,
            names.buf.as_mut_ptr(),
            names.len,
        )
    };
    match linked {
        Err(e) if e.errno == EOPNOTSUPP && flags == 0 => {
            let path = Names::in_scheme(dir, path)?;
            again(|| sys::flink(fd, path.get()))
        }
        other => other.map(drop),
    }
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

    /// A path below a directory as its scheme knows it, for daemons that take nothing else.
    fn in_scheme(dir: usize, path: &[u8]) -> Result<Self> {
        let mut names = Self::new();
        if !path.starts_with(b"/") {
            let mut place = [0; rt_core::path::MAX_LEN];
            let len = match again(|| sys::fpath(dir, &mut place)) {
                // The kernel knows the descriptor: it is the root, which such a daemon only opens through.
                Err(e) if e.errno == EBADF => 0,
                other => other?,
            };
            // `/scheme/NAME/REST`
            let place = place.get(..len).unwrap_or(&[]);
            if !place.is_empty() {
                let scheme = place.strip_prefix(b"/scheme/");
                let below = scheme.ok_or(Error::new(EOPNOTSUPP))?;
                if let Some(at) = below.iter().position(|byte| *byte == b'/') {
                    names.push(below.get(at..).unwrap_or(&[]))?;
                }
            }
            names.push(b"/")?;
        }
        names.push(path)?;
        Ok(names)
    }

    fn get(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
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
