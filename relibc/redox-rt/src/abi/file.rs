//! Files, memory and calls to schemes.

use libredox::protocol::{O_CLOEXEC, SocketCall};
use rt_core::page_ceil;
use syscall::error::{Error, Result};
use syscall::flag::{CallFlags, MapFlags};
use syscall::{EINVAL, Map, TimeSpec};

use super::{Raw, bytes, bytes_mut, err, mux, mux_unit};
use crate::signal::again;
use crate::sys::{self, FD_ANY};
use crate::{fs, namespace, process};

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_open_v1(path: *const u8, len: usize, flags: u32, mode: u16) -> Raw {
    // SAFETY: the caller's contract.
    let path = unsafe { bytes(path, len) };
    let flags = flags as usize | usize::from(mode & !process::umask() & 0o777);
    mux(namespace::open(path, flags, FD_ANY))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_openat_v1(
    fd: usize,
    path: *const u8,
    len: usize,
    flags: u32,
    fcntl_flags: u32,
) -> Raw {
    // SAFETY: the caller's contract.
    let path = unsafe { bytes(path, len) };
    mux(sys::openat_with(
        fd,
        path,
        flags as usize,
        fcntl_flags as usize,
        FD_ANY,
    ))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_dup_v1(fd: usize, payload: *const u8, len: usize) -> Raw {
    // SAFETY: the caller's contract.
    mux(sys::dup(fd, unsafe { bytes(payload, len) }, FD_ANY))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_dup2_v1(
    old: usize,
    new: usize,
    payload: *const u8,
    len: usize,
) -> Raw {
    // SAFETY: the caller's contract.
    mux(sys::dup2(old, new, unsafe { bytes(payload, len) }))
}

/// Like `redox_dup2_v1` without a payload.
#[unsafe(no_mangle)]
pub extern "C" fn redox_dup2_v2(old: usize, new: usize) -> Raw {
    mux(sys::dup2(old, new, b""))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_read_v1(fd: usize, base: *mut u8, len: usize) -> Raw {
    // SAFETY: the caller's contract.
    mux(sys::read(fd, unsafe { bytes_mut(base, len) }))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_write_v1(fd: usize, base: *const u8, len: usize) -> Raw {
    // SAFETY: the caller's contract.
    mux(sys::write(fd, unsafe { bytes(base, len) }))
}

/// Closes.
#[unsafe(no_mangle)]
pub extern "C" fn redox_close_v1(fd: usize) -> Raw {
    mux_unit(sys::close(fd))
}

/// Changes the permission bits.
#[unsafe(no_mangle)]
pub extern "C" fn redox_fchmod_v1(fd: usize, mode: u16) -> Raw {
    mux_unit(fs::fchmod(fd, mode))
}

/// Changes the owner.
#[unsafe(no_mangle)]
pub extern "C" fn redox_fchown_v1(fd: usize, uid: u32, gid: u32) -> Raw {
    mux_unit(again(|| sys::fchown(fd, uid, gid)))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_getdents_v0(
    fd: usize,
    buf: *mut u8,
    len: usize,
    opaque: u64,
) -> Raw {
    // SAFETY: the caller's contract.
    mux(fs::getdents(fd, unsafe { bytes_mut(buf, len) }, opaque))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_fstat_v1(fd: usize, out: *mut libc::stat) -> Raw {
    mux_unit(again(|| sys::fstat(fd)).map(|s| {
        // SAFETY: the caller's contract; all bytes zero is a valid `stat`.
        unsafe {
            out.write_bytes(0, 1);
            (*out).st_dev = s.st_dev;
            (*out).st_ino = s.st_ino;
            (*out).st_nlink = u64::from(s.st_nlink);
            (*out).st_mode = i32::from(s.st_mode);
            (*out).st_uid = s.st_uid;
            (*out).st_gid = s.st_gid;
            (*out).st_size = s.st_size as i64;
            (*out).st_blksize = i64::from(s.st_blksize);
            (*out).st_blocks = s.st_blocks as i64;
            (*out).st_atime = s.st_atime as i64;
            (*out).st_atime_nsec = i64::from(s.st_atime_nsec);
            (*out).st_mtime = s.st_mtime as i64;
            (*out).st_mtime_nsec = i64::from(s.st_mtime_nsec);
            (*out).st_ctime = s.st_ctime as i64;
            (*out).st_ctime_nsec = i64::from(s.st_ctime_nsec);
        }
    }))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_fstatvfs_v1(fd: usize, out: *mut libc::statvfs) -> Raw {
    mux_unit(fs::fstatvfs(fd).map(|s| {
        // SAFETY: the caller's contract; all bytes zero is a valid `statvfs`.
        unsafe {
            out.write_bytes(0, 1);
            (*out).f_bsize = u64::from(s.f_bsize);
            (*out).f_frsize = u64::from(s.f_bsize);
            (*out).f_blocks = s.f_blocks;
            (*out).f_bfree = s.f_bfree;
            (*out).f_bavail = s.f_bavail;
            (*out).f_namemax = 255;
        }
    }))
}

/// Waits until everything is on the medium.
#[unsafe(no_mangle)]
pub extern "C" fn redox_fsync_v1(fd: usize) -> Raw {
    mux_unit(sys::fsync(fd))
}

/// Waits until the contents are on the medium; schemes make no difference between the two.
#[unsafe(no_mangle)]
pub extern "C" fn redox_fdatasync_v1(fd: usize) -> Raw {
    mux_unit(sys::fsync(fd))
}

/// Changes the length.
#[unsafe(no_mangle)]
pub extern "C" fn redox_ftruncate_v0(fd: usize, len: usize) -> Raw {
    mux_unit(fs::ftruncate(fd, len as u64))
}

/// # Safety
/// The caller's contract: two times.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_futimens_v1(fd: usize, times: *const libc::timespec) -> Raw {
    // SAFETY: the caller's contract.
    let times = unsafe { &*times.cast::<[libc::timespec; 2]>() };
    let convert = |t: &libc::timespec| TimeSpec {
        tv_sec: t.tv_sec,
        tv_nsec: t.tv_nsec as i32,
    };
    mux_unit(fs::futimens(fd, &times.each_ref().map(convert)))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_unlinkat_v0(
    fd: usize,
    path: *const u8,
    len: usize,
    flags: u32,
) -> Raw {
    // SAFETY: the caller's contract.
    let path = unsafe { bytes(path, len) };
    mux_unit(again(|| sys::unlinkat(fd, path, flags as usize)))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_fpath_v1(fd: usize, base: *mut u8, len: usize) -> Raw {
    // SAFETY: the caller's contract.
    let place = unsafe { bytes_mut(base, len) };
    mux(again(|| sys::fpath(fd, place)))
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_relpathat_v0(
    dir: usize,
    fd: usize,
    base: *mut u8,
    len: usize,
) -> Raw {
    // SAFETY: the caller's contract.
    mux(fs::relpathat(dir, fd, unsafe { bytes_mut(base, len) }))
}

/// # Safety
/// The caller's contract: what `MAP_FIXED` replaces is unused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_mmap_v1(
    address: *mut (),
    len: usize,
    prot: u32,
    flags: u32,
    fd: usize,
    offset: u64,
) -> Raw {
    // SAFETY: the caller's contract.
    mux(unsafe { mmap(address as usize, len, prot, flags, fd, offset) })
}

/// # Safety
/// As [`sys::fmap`].
unsafe fn mmap(
    address: usize,
    len: usize,
    prot: u32,
    flags: u32,
    fd: usize,
    offset: u64,
) -> Result<usize> {
    const KNOWN: u32 = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u32;
    if prot & !KNOWN != 0 || len == 0 {
        return err(EINVAL);
    }
    // The kernel's protection bits are C's, 16 bits further up; its map flags are C's.
    let kernel_flags =
        MapFlags::from_bits((prot as usize) << 16 | (flags & !(libc::MAP_ANON as u32)) as usize);
    let map = Map {
        offset: usize::try_from(offset).map_err(|_| Error::new(EINVAL))?,
        size: page_ceil(len).ok_or(Error::new(EINVAL))?,
        flags: kernel_flags.ok_or(Error::new(EINVAL))?,
        address,
    };
    let fd = if flags & libc::MAP_ANON as u32 != 0 {
        sys::ANONYMOUS
    } else {
        fd
    };
    // SAFETY: the caller answers for it.
    again(|| unsafe { sys::fmap(fd, &map) })
}

/// # Safety
/// The caller's contract: the range is unused from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_munmap_v1(address: *mut (), len: usize) -> Raw {
    let Some(len) = page_ceil(len) else {
        return mux(err(EINVAL));
    };
    // SAFETY: the caller's contract.
    mux_unit(unsafe { sys::funmap(address as usize, len) })
}

/// # Safety
/// The caller's contract: what the command expects.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_fcntl_v0(fd: usize, command: usize, arg: usize) -> Raw {
    use libredox::protocol::{F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD};
    mux(match command {
        // The kernel gives the lowest free number; only a search from 0 on can be asked of it.
        F_DUPFD if arg == 0 => sys::dup(fd, b"", FD_ANY),
        F_DUPFD_CLOEXEC if arg == 0 => sys::dup(fd, b"", FD_ANY).inspect(|&new| {
            // SAFETY: the argument is a mask. A fresh descriptor takes the flag.
            let _ = unsafe { sys::fcntl(new, F_SETFD, O_CLOEXEC) };
        }),
        // SAFETY: the caller's contract.
        _ => unsafe { sys::fcntl(fd, command, arg) },
    })
}

/// # Safety
/// The caller's contract: payload and metadata.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_sys_call_v0(
    fd: usize,
    payload: *mut u8,
    len: usize,
    flags: usize,
    metadata: *const u64,
    metadata_len: usize,
) -> Raw {
    // SAFETY: the caller's contract.
    mux(unsafe {
        sys::call_raw(
            fd,
            payload,
            len,
            CallFlags::from_bits_retain(flags),
            words(metadata, metadata_len),
        )
    })
}

/// # Safety
/// The caller's contract: descriptors, payload and metadata.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_sys_call_multiple_v0(
    fds: *const usize,
    fds_len: usize,
    payload: *mut u8,
    len: usize,
    flags: usize,
    metadata: *const u64,
    metadata_len: usize,
) -> Raw {
    let flags = CallFlags::from_bits_retain(flags);
    // SAFETY: the caller's contract.
    mux(unsafe {
        let fds = if fds_len == 0 {
            &[]
        } else {
            core::slice::from_raw_parts(fds, fds_len)
        };
        sys::call_multiple(fds, payload, len, flags, words(metadata, metadata_len))
    })
}

/// # Safety
/// The caller's contract: readable for `len` words, or empty.
unsafe fn words<'a>(base: *const u64, len: usize) -> &'a [u64] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller answers for it.
    unsafe { core::slice::from_raw_parts(base, len) }
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_get_socket_token_v0(fd: usize, payload: *mut u8, len: usize) -> Raw {
    // SAFETY: the caller's contract.
    let payload = unsafe { bytes_mut(payload, len) };
    mux(sys::call_read(
        fd,
        payload,
        CallFlags::empty(),
        &[SocketCall::GetToken as u64],
    ))
}
