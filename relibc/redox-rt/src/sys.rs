//! Every system call of `redox_syscall::number`, typed, and what `cap-abi` adds to `fcntl`.
//!
//! A function that makes a descriptor takes the number it shall have: a number, [`FD_ANY`] (the
//! lowest free one, as POSIX wants) or [`FD_ANY_UPPER`] (a private one), and answers the number.
//! Functions are unsafe where the kernel writes to or reads from memory that the types do not prove
//! to be valid, or where the caller's memory may vanish.

use cap_abi::fcntl::LeaseParams;
pub use cap_abi::{FD_ANY, FD_ANY_UPPER, Rights};
use syscall::error::{Error, Result};
use syscall::flag::{CallFlags, EventFlags, MapFlags, MremapFlags, RwFlags};
use syscall::number::*;
use syscall::{Map, Stat, TimeSpec};

/// A system call with up to six arguments.
///
/// # Safety
/// The call must be one whose effect on this address space the caller can answer for.
#[inline]
pub unsafe fn raw(number: usize, args: [usize; 6]) -> Result<usize> {
    let [a, b, c, d, e, f] = args;
    let result: usize;
    // SAFETY: the kernel preserves every register but rax (the answer), rcx and r11 (which the
    // instruction itself destroys); memory is not declared untouched; the caller answers for the call.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    demux(result)
}

/// The kernel's answer: the last 4095 values are negated error numbers.
#[inline]
pub fn demux(result: usize) -> Result<usize> {
    match result.wrapping_neg() {
        errno @ 1..=4095 => Err(Error::new(errno as i32)),
        _ => Ok(result),
    }
}

/// Arguments of a call, the rest zero.
macro_rules! call {
    ($number:expr $(, $arg:expr)*) => {{
        let given = [$($arg as usize),*];
        let mut args = [0usize; 6];
        args[..given.len()].copy_from_slice(&given);
        // SAFETY: each wrapper below passes buffers that it borrows for the time of the call, or is
        // itself unsafe and hands the duty on.
        unsafe { raw($number, args) }
    }};
}

/// Opens `path` below `dir`. `flags` are `O_*`; their status part (`O_FCNTL_MASK`) is told to the
/// kernel as well as to the scheme.
#[inline]
pub fn openat(dir: usize, path: &[u8], flags: usize, out: usize) -> Result<usize> {
    openat_with(dir, path, flags, flags, out)
}

/// [`openat`] with separate status flags for the new descriptor.
#[inline]
pub fn openat_with(
    dir: usize,
    path: &[u8],
    flags: usize,
    fcntl_flags: usize,
    out: usize,
) -> Result<usize> {
    let len = path.len() | (fcntl_flags & syscall::O_FCNTL_MASK);
    call!(SYS_OPENAT_INTO2, dir, path.as_ptr(), len, flags, out)
}

/// Opens `path` below `dir` by the older call, which knows no separate status flags.
pub fn openat_old(dir: usize, path: &[u8], flags: usize, out: usize) -> Result<usize> {
    call!(SYS_OPENAT_INTO, dir, path.as_ptr(), path.len(), flags, out)
}

/// Removes `path` below `dir`; `AT_REMOVEDIR` removes an empty directory.
pub fn unlinkat(dir: usize, path: &[u8], flags: usize) -> Result<()> {
    call!(SYS_UNLINKAT, dir, path.as_ptr(), path.len(), flags).map(drop)
}

/// Closes.
#[inline]
pub fn close(fd: usize) -> Result<()> {
    call!(SYS_CLOSE, fd).map(drop)
}

/// A copy of `fd`, or with a payload whatever its scheme makes of it.
#[inline]
pub fn dup(fd: usize, payload: &[u8], out: usize) -> Result<usize> {
    call!(SYS_DUP_INTO, fd, payload.as_ptr(), payload.len(), out)
}

/// [`dup`] to a number that is closed first if it is open.
pub fn dup2(fd: usize, out: usize, payload: &[u8]) -> Result<usize> {
    call!(SYS_DUP2, fd, out, payload.as_ptr(), payload.len())
}

/// Reads at the descriptor's position.
pub fn read(fd: usize, buf: &mut [u8]) -> Result<usize> {
    call!(SYS_READ, fd, buf.as_mut_ptr(), buf.len())
}

/// Reads at `offset`. `flags` replaces the descriptor's status flags for this call.
pub fn read_at(fd: usize, buf: &mut [u8], offset: u64, flags: Option<RwFlags>) -> Result<usize> {
    call!(
        SYS_READ2,
        fd,
        buf.as_mut_ptr(),
        buf.len(),
        offset,
        rw_flags(flags)
    )
}

/// Writes at the descriptor's position.
pub fn write(fd: usize, buf: &[u8]) -> Result<usize> {
    call!(SYS_WRITE, fd, buf.as_ptr(), buf.len())
}

/// Writes at `offset`. `flags` replaces the descriptor's status flags for this call.
pub fn write_at(fd: usize, buf: &[u8], offset: u64, flags: Option<RwFlags>) -> Result<usize> {
    call!(
        SYS_WRITE2,
        fd,
        buf.as_ptr(),
        buf.len(),
        offset,
        rw_flags(flags)
    )
}

fn rw_flags(flags: Option<RwFlags>) -> usize {
    flags.map_or(usize::MAX, |f| f.bits() as usize)
}

/// Moves the position; `whence` is `SEEK_*`.
pub fn lseek(fd: usize, offset: i64, whence: usize) -> Result<u64> {
    call!(SYS_LSEEK, fd, offset, whence).map(|v| v as u64)
}

/// Changes owner and group; `u32::MAX` leaves one as it is.
pub fn fchown(fd: usize, uid: u32, gid: u32) -> Result<()> {
    call!(SYS_FCHOWN, fd, uid, gid).map(drop)
}

/// # Safety
/// `arg` must be what the command expects; where that is an address, it must be valid for it.
pub unsafe fn fcntl(fd: usize, command: usize, arg: usize) -> Result<usize> {
    call!(SYS_FCNTL, fd, command, arg)
}

/// Asks for events of a descriptor; the answer is those that hold already.
pub fn fevent(fd: usize, flags: EventFlags) -> Result<EventFlags> {
    call!(SYS_FEVENT, fd, flags.bits()).map(EventFlags::from_bits_retain)
}

/// Renames what `fd` is open on to an absolute path of its scheme.
pub fn frename(fd: usize, path: &[u8]) -> Result<()> {
    call!(SYS_FRENAME, fd, path.as_ptr(), path.len()).map(drop)
}

/// Links what `fd` is open on at an absolute path of its scheme.
pub fn flink(fd: usize, path: &[u8]) -> Result<()> {
    call!(SYS_FLINK, fd, path.as_ptr(), path.len()).map(drop)
}

/// The descriptor's path as its scheme tells it; for showing, not for opening.
pub fn fpath(fd: usize, buf: &mut [u8]) -> Result<usize> {
    call!(SYS_FPATH, fd, buf.as_mut_ptr(), buf.len())
}

/// Metadata.
pub fn fstat(fd: usize) -> Result<Stat> {
    let mut stat = Stat::default();
    call!(SYS_FSTAT, fd, &raw mut stat, size_of::<Stat>())?;
    Ok(stat)
}

/// Waits until what was written is on the medium.
pub fn fsync(fd: usize) -> Result<()> {
    call!(SYS_FSYNC, fd).map(drop)
}

/// Maps a descriptor, or with `fd` = [`ANONYMOUS`] zeroed memory.
///
/// # Safety
/// With `MAP_FIXED` the range is replaced: nothing may refer to it. The mapped object's contents
/// may change at any time.
pub unsafe fn fmap(fd: usize, map: &Map) -> Result<usize> {
    call!(SYS_FMAP, fd, core::ptr::from_ref(map), size_of::<Map>())
}

/// As the descriptor of [`fmap`]: none, the memory is anonymous.
pub const ANONYMOUS: usize = usize::MAX;

/// # Safety
/// Nothing may refer to the range any more.
pub unsafe fn funmap(address: usize, len: usize) -> Result<()> {
    call!(SYS_FUNMAP, address, len).map(drop)
}

/// # Safety
/// Nothing may refer to the old range any more (unless `KEEP_OLD`), nor to the new one.
pub unsafe fn mremap(
    old: usize,
    old_len: usize,
    new: usize,
    new_len: usize,
    flags: MremapFlags,
    protection: MapFlags,
) -> Result<usize> {
    call!(
        SYS_MREMAP,
        old,
        old_len,
        new,
        new_len,
        flags.bits() | protection.bits()
    )
}

/// # Safety
/// Nothing may rely on an access to the range that the new protection forbids.
pub unsafe fn mprotect(address: usize, len: usize, protection: MapFlags) -> Result<()> {
    call!(SYS_MPROTECT, address, len, protection.bits()).map(drop)
}

/// # Safety
/// The addresses must be valid for the operation; see [`crate::futex`] for safe ones.
pub unsafe fn futex(
    address: *mut i32,
    op: usize,
    value: i32,
    value2: usize,
    address2: *mut i32,
) -> Result<usize> {
    call!(SYS_FUTEX, address, op, value as isize, value2, address2)
}

/// The time of a clock (`CLOCK_*`).
pub fn clock_gettime(clock: usize) -> Result<TimeSpec> {
    let mut time = TimeSpec::default();
    call!(SYS_CLOCK_GETTIME, clock, &raw mut time)?;
    Ok(time)
}

/// Sleeps. On `EINTR` the second value is what was left.
pub fn nanosleep(time: &TimeSpec) -> core::result::Result<(), (Error, TimeSpec)> {
    let mut left = TimeSpec::default();
    match call!(SYS_NANOSLEEP, core::ptr::from_ref(time), &raw mut left) {
        Ok(_) => Ok(()),
        Err(e) => Err((e, left)),
    }
}

/// Lets another context run. It cannot fail.
pub fn sched_yield() {
    let _ = call!(SYS_YIELD);
}

/// `SYS_CALL` whose payload the scheme reads.
#[inline]
pub fn call_write(fd: usize, payload: &[u8], flags: CallFlags, metadata: &[u64]) -> Result<usize> {
    let flags = (flags | CallFlags::WRITE).bits() | metadata_len(metadata)?;
    call!(
        SYS_CALL,
        fd,
        payload.as_ptr(),
        payload.len(),
        flags,
        metadata.as_ptr()
    )
}

/// `SYS_CALL` whose payload the scheme writes.
pub fn call_read(
    fd: usize,
    payload: &mut [u8],
    flags: CallFlags,
    metadata: &[u64],
) -> Result<usize> {
    let flags = (flags | CallFlags::READ).bits() | metadata_len(metadata)?;
    call!(
        SYS_CALL,
        fd,
        payload.as_mut_ptr(),
        payload.len(),
        flags,
        metadata.as_ptr()
    )
}

/// `SYS_CALL` whose payload the scheme reads and writes.
#[inline]
pub fn call_read_write(
    fd: usize,
    payload: &mut [u8],
    flags: CallFlags,
    metadata: &[u64],
) -> Result<usize> {
    let flags = (flags | CallFlags::READ | CallFlags::WRITE).bits() | metadata_len(metadata)?;
    call!(
        SYS_CALL,
        fd,
        payload.as_mut_ptr(),
        payload.len(),
        flags,
        metadata.as_ptr()
    )
}

/// `SYS_CALL` without a payload.
pub fn call(fd: usize, flags: CallFlags, metadata: &[u64]) -> Result<usize> {
    let flags = flags.bits() | metadata_len(metadata)?;
    call!(SYS_CALL, fd, 0, 0, flags, metadata.as_ptr())
}

/// # Safety
/// The payload must be valid for what `flags` say: readable with `WRITE`, writable with `READ`.
pub unsafe fn call_raw(
    fd: usize,
    payload: *mut u8,
    len: usize,
    flags: CallFlags,
    metadata: &[u64],
) -> Result<usize> {
    let flags = flags.bits() | metadata_len(metadata)?;
    call!(SYS_CALL, fd, payload, len, flags, metadata.as_ptr())
}

/// The largest number of descriptors of one scheme that [`call_multiple`] takes: the count travels
/// in the low bits of the array's address.
pub const MAX_MULTIPLE: usize = align_of::<usize>() - 1;

/// `SYS_CALL` on several descriptors of one scheme at once.
///
/// # Safety
/// As [`call_raw`].
pub unsafe fn call_multiple(
    fds: &[usize],
    payload: *mut u8,
    len: usize,
    flags: CallFlags,
    metadata: &[u64],
) -> Result<usize> {
    if fds.len() > MAX_MULTIPLE {
        return Err(Error::new(syscall::EINVAL));
    }
    let target = fds.as_ptr() as usize | fds.len();
    let flags = (flags | CallFlags::MULTIPLE_FDS2).bits() | metadata_len(metadata)?;
    call!(SYS_CALL, target, payload, len, flags, metadata.as_ptr())
}

/// The metadata's length goes into the 8 low bits of the flags.
#[inline]
fn metadata_len(metadata: &[u64]) -> Result<usize> {
    if metadata.len() < 256 {
        Ok(metadata.len())
    } else {
        Err(Error::new(syscall::EINVAL))
    }
}

/// Sends descriptors to the scheme behind `fd`. They leave this process's table unless `flags` has
/// `FD_CLONE`.
pub fn send_fds(fd: usize, fds: &[usize], flags: CallFlags, metadata: &[u64]) -> Result<usize> {
    call_write(fd, bytes_of(fds), CallFlags::FD | flags, metadata)
}

/// Receives descriptors from the scheme behind `fd`; their numbers are written to `fds`.
pub fn receive_fds(
    fd: usize,
    fds: &mut [usize],
    flags: CallFlags,
    metadata: &[u64],
) -> Result<usize> {
    call_read(fd, bytes_of_mut(fds), CallFlags::FD | flags, metadata)
}

/// Words as the bytes they are made of.
#[must_use]
pub fn bytes_of(words: &[usize]) -> &[u8] {
    // SAFETY: every byte of an integer is initialised, and bytes need no alignment.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

fn bytes_of_mut(words: &mut [usize]) -> &mut [u8] {
    // SAFETY: as above, and any bytes make integers.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// The rights of a descriptor.
pub fn rights(fd: usize) -> Result<Rights> {
    // SAFETY: the command's argument is ignored.
    unsafe { fcntl(fd, cap_abi::fcntl::F_CAP_GET_RIGHTS, 0) }
        .map(|v| Rights::from_bits_truncate(v as u32))
}

/// Takes away every right that is not in `keep`, for good.
pub fn limit(fd: usize, keep: Rights) -> Result<()> {
    // SAFETY: the argument is a mask.
    unsafe { fcntl(fd, cap_abi::fcntl::F_CAP_LIMIT, keep.bits() as usize) }.map(drop)
}

/// Makes resolution beneath sticky on a directory descriptor, for good.
pub fn limit_beneath(fd: usize) -> Result<()> {
    // SAFETY: the command takes no argument.
    unsafe { fcntl(fd, cap_abi::fcntl::F_CAP_BENEATH, 0) }.map(drop)
}

/// Derives a revocable copy; see [`LeaseParams`].
pub fn lease(fd: usize, params: &mut LeaseParams) -> Result<()> {
    // SAFETY: the structure is borrowed for the time of the call.
    unsafe {
        fcntl(
            fd,
            cap_abi::fcntl::F_CAP_LEASE,
            core::ptr::from_mut(params) as usize,
        )
    }
    .map(drop)
}

/// Revokes a lease.
pub fn revoke(lease: usize) -> Result<()> {
    // SAFETY: the command takes no argument.
    unsafe { fcntl(lease, cap_abi::fcntl::F_CAP_REVOKE, 0) }.map(drop)
}

/// Declares the features of a scheme socket (`cap_abi::scheme::FEATURE_*`), before its first
/// descriptor.
pub fn declare_features(socket: usize, features: usize) -> Result<()> {
    // SAFETY: the argument is a mask.
    unsafe { fcntl(socket, cap_abi::fcntl::F_SCHEME_DECLARE, features) }.map(drop)
}
