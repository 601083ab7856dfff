//! Opening, reading, writing, and what else is done with an open descriptor.

use core::ffi::{c_char, c_int, c_long, c_ulong, c_void};

use alloc::vec::Vec;
use cap_abi::fcntl as caps;
use cap_abi::resolve::{C_O_RESOLVE_BENEATH, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_MASK};
use cap_abi::scheme::LOCK_WAIT;
use redox_rt::signal::again;
use redox_rt::{Error, Fd, Result, fs, namespace, process, sys};
use syscall::flag::{O_CREAT, O_DIRECTORY, O_RDONLY, StdFsCallKind};
use syscall::{EBADF, EINVAL, ENOLCK, ENOMEM, EOVERFLOW, ESPIPE};

use super::path::{self, Last, at};
use super::poll;
use super::restartable;
use super::thread::cancel::cancellable;
use super::{bytes, bytes_mut, fail, fd, int, open_scheme, size, text, unit};
use crate::sys::Timespec;

/// C's flags that mean nothing here.
const IGNORED: u32 = libc::O_NOCTTY as u32;

/// Opens; `mode` counts with `O_CREAT`.
pub(crate) fn open_at(dir: c_int, path: &[u8], flags: c_int, mode: c_int) -> Result<usize> {
    open_resolving(dir, path, flags, mode, 0)
}

/// [`open_at`] with resolution flags. Where they keep the path in `dir`, it is asked of `dir` itself,
/// absolute ones too.
pub(crate) fn open_resolving(
    dir: c_int,
    path: &[u8],
    flags: c_int,
    mode: c_int,
    resolve: usize,
) -> Result<usize> {
    let raw = kernel_flags(flags, mode)? | resolve;
    let inside = raw & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) != 0;
    // What a resolution flag speaks of has no path to be resolved.
    if raw & RESOLVE_MASK == 0
        && let Some(own) = namespace::open_own(path, sys::FD_ANY_UPPER)
    {
        return to_lowest(&Fd::from_raw(own?), flags & libc::O_CLOEXEC != 0);
    }
    restartable(|| {
        at(dir, path, inside, Last::of(raw), |base, rest| {
            sys::openat(base, rest, raw, sys::FD_ANY)
        })
    })
}

/// Has all that was written to the files below `/` put on their disk. Files of other schemes have `fsync` of their
/// own descriptors.
pub(super) fn sync_files() -> Result<()> {
    let root = namespace::open(b"/", O_RDONLY | O_DIRECTORY, sys::FD_ANY_UPPER)?;
    let root = Fd::from_raw(root);
    restartable(|| sys::fsync(root.raw())).map(drop)
}

/// `open`'s flags and mode as a scheme gets them.
pub(crate) fn kernel_flags(flags: c_int, mode: c_int) -> Result<usize> {
    let flags = flags as u32;
    let mut raw = (flags & !(IGNORED | C_O_RESOLVE_BENEATH)) as usize & !0xffff;
    if raw & O_CREAT != 0 {
        raw |= mode as usize & 0o7777 & !usize::from(process::umask());
        // O_DIRECTORY with O_CREAT would make a directory; POSIX's open makes files only.
        if raw & O_DIRECTORY != 0 {
            return fail(EINVAL);
        }
    }
    if flags & C_O_RESOLVE_BENEATH != 0 {
        raw |= RESOLVE_BENEATH;
    }
    Ok(raw)
}

/// Where shared memory has its names.
const SHARED: &[u8] = b"/scheme/shm/";

unsafe fn shared_path(name: *const c_char) -> Result<Vec<u8>> {
    let name = text(name)?;
    let name = name.strip_prefix(b"/").unwrap_or(name);
    if name.is_empty() || name.contains(&b'/') {
        return fail(EINVAL);
    }
    Ok([SHARED, name].concat())
}

pub(crate) unsafe fn open_shared(name: *const c_char, flags: c_int, mode: c_int) -> c_int {
    int(shared_path(name).and_then(|p| open_at(libc::AT_FDCWD, &p, flags | libc::O_CLOEXEC, mode)))
}

pub(crate) unsafe fn unlink_shared(name: *const c_char) -> c_int {
    unit(shared_path(name).and_then(|p| path::unlink_at(libc::AT_FDCWD, &p, 0)))
}

/// Makes a descriptor at the lowest free number. If it is to be closed by `exec`, it has its number not a moment
/// without being marked: another thread may be starting a program.
pub(super) fn lowest(cloexec: bool, make: impl FnOnce(usize) -> Result<usize>) -> Result<Fd> {
    if !cloexec {
        return make(sys::FD_ANY).map(Fd::from_raw);
    }
    let private = Fd::from_raw(make(sys::FD_ANY_UPPER)?);
    to_lowest(&private, true).map(Fd::from_raw)
}

/// A copy at the lowest free number, which is marked from the beginning if `cloexec` says so.
fn to_lowest(private: &Fd, cloexec: bool) -> Result<usize> {
    let command = if cloexec {
        libc::F_DUPFD_CLOEXEC
    } else {
        libc::F_DUPFD
    };
    // SAFETY: the argument is a number.
    unsafe { sys::fcntl(private.raw(), command as usize, 0) }
}

/// A pipe's two ends, reading end first.
pub(crate) fn make_pipe(flags: c_int) -> Result<[Fd; 2]> {
    if flags & !(libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
        return fail(EINVAL);
    }
    let root = open_scheme(b"/scheme/pipe", O_RDONLY)?;
    let status = (flags & libc::O_NONBLOCK) as usize;
    let cloexec = flags & libc::O_CLOEXEC != 0;
    let reader = lowest(cloexec, |at| sys::dup(root.raw(), b"", at))?;
    drop(root);
    let writer = lowest(cloexec, |at| sys::dup(reader.raw(), b"write", at))?;
    for end in [&reader, &writer] {
        if status != 0 {
            // SAFETY: the command takes a mask.
            unsafe { sys::fcntl(end.raw(), libc::F_SETFL as usize, status) }?;
        }
    }
    Ok([reader, writer])
}

/// Sets or clears the close-on-exec mark.
pub(crate) fn control_cloexec(number: c_int, on: bool) -> Result<()> {
    let mark = if on { caps::FD_CLOEXEC } else { 0 };
    // SAFETY: the argument is a mask.
    unsafe { sys::fcntl(fd(number)?, libc::F_SETFD as usize, mark) }.map(drop)
}

unsafe fn duplicate(old: c_int, new: c_int, flags: c_int) -> Result<usize> {
    let (old, new) = (fd(old)?, fd(new)?);
    if flags & !libc::O_CLOEXEC != 0 {
        return fail(EINVAL);
    }
    let mark = if flags != 0 { caps::DUP2_CLOEXEC } else { 0 };
    sys::dup2(old, new | mark, b"")?;
    poll::forget(new as c_int);
    Ok(copied(old, new))
}

/// A copy has been made: of a queue of `epoll` it is the same queue.
fn copied(old: usize, new: usize) -> usize {
    poll::copied(old as c_int, new as c_int);
    new
}

/// An operation on a range of vectors, piece by piece until one is short.
unsafe fn vectored(
    vectors: *const libc::iovec,
    count: c_int,
    mut one: impl FnMut(*mut c_void, usize, usize) -> Result<usize>,
) -> Result<usize> {
    let count = usize::try_from(count).map_err(|_| Error::new(EINVAL))?;
    if count > 1024 || (count > 0 && vectors.is_null()) {
        return fail(EINVAL);
    }
    let vectors = if count == 0 {
        &[]
    } else {
        core::slice::from_raw_parts(vectors, count)
    };
    let total = vectors
        .iter()
        .try_fold(0usize, |sum, v| sum.checked_add(v.iov_len));
    if total.is_none_or(|total| total > isize::MAX as usize) {
        return fail(EINVAL);
    }
    let mut done = 0;
    for v in vectors.iter().filter(|v| v.iov_len > 0) {
        match one(v.iov_base, v.iov_len, done) {
            Ok(n) => {
                done += n;
                if n < v.iov_len {
                    break;
                }
            }
            // What was done already counts.
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// How much is read in one piece before it is handed out, and the most that one message has.
const AT_ONCE: usize = 1 << 16;

/// Reads once, whatever number of parts it is for: a second read would wait although there is something, or take
/// another message. A file's data may be more than is handed out from one piece.
unsafe fn read_vectors(number: c_int, vectors: *const libc::iovec, count: c_int) -> Result<usize> {
    let target = fd(number)?;
    if (2..=1024).contains(&count) && !vectors.is_null() {
        let list = core::slice::from_raw_parts(vectors, count as usize);
        let total = list
            .iter()
            .fold(0usize, |sum, v| sum.saturating_add(v.iov_len));
        let parts = list.iter().filter(|v| v.iov_len > 0).count();
        let at_once =
            parts > 1 && total <= isize::MAX as usize && (total <= AT_ONCE || !is_file(target)?);
        if at_once {
            let mut buffer = Vec::new();
            let len = total.min(AT_ONCE);
            if buffer.try_reserve_exact(len).is_err() {
                return fail(ENOMEM);
            }
            buffer.resize(len, 0u8);
            let done = restartable(|| sys::read(target, &mut buffer))?;
            let mut rest = buffer.get(..done).unwrap_or(&[]);
            for v in list {
                let (now, later) = rest.split_at(v.iov_len.min(rest.len()));
                bytes_mut(v.iov_base, now.len())?.copy_from_slice(now);
                rest = later;
            }
            return Ok(done);
        }
    }
    vectored(vectors, count, |base, len, _| {
        let buffer = bytes_mut(base, len)?;
        restartable(|| sys::read(target, buffer))
    })
}

fn is_file(target: usize) -> Result<bool> {
    let stat = again(|| sys::fstat(target))?;
    Ok(stat.st_mode & syscall::MODE_TYPE == syscall::MODE_FILE)
}

/// Goes on until all is written, as POSIX wants of a write that may wait: a pipe takes at once what it has room for. An
/// error ends it, and is the next write's unless it came before the first byte.
pub(crate) fn written_whole(
    data: &[u8],
    mut write: impl FnMut(&[u8]) -> Result<usize>,
) -> Result<usize> {
    let mut done = write(data)?;
    while done > 0 && done < data.len() {
        match write(&data[done..]) {
            Ok(0) | Err(_) => break,
            Ok(count) => done += count,
        }
    }
    Ok(done)
}

/// Gathers small pieces, so that what is written in one call arrives in one piece.
unsafe fn write_vectors(number: c_int, vectors: *const libc::iovec, count: c_int) -> Result<usize> {
    const GATHERED: usize = 4096;
    let target = fd(number)?;
    if (2..=1024).contains(&count) && !vectors.is_null() {
        let list = core::slice::from_raw_parts(vectors, count as usize);
        let total = list
            .iter()
            .try_fold(0usize, |sum, v| sum.checked_add(v.iov_len));
        if total.is_some_and(|total| total <= GATHERED) {
            let mut buffer = [0u8; GATHERED];
            let mut len = 0;
            for v in list {
                let piece = bytes(v.iov_base, v.iov_len)?;
                buffer[len..len + piece.len()].copy_from_slice(piece);
                len += piece.len();
            }
            let write = |rest: &[u8]| restartable(|| sys::write(target, rest));
            return written_whole(&buffer[..len], write);
        }
        if super::socket::has_messages(target) {
            let mut message = Vec::new();
            for v in list {
                // What is longer than any message is refused by its length.
                let room = (AT_ONCE + 1).saturating_sub(message.len());
                let piece = bytes(v.iov_base, v.iov_len.min(room))?;
                if message.try_reserve(piece.len()).is_err() {
                    return fail(ENOMEM);
                }
                message.extend_from_slice(piece);
            }
            return restartable(|| sys::write(target, &message));
        }
    }
    vectored(vectors, count, |base, len, _| {
        let piece = bytes(base, len)?;
        written_whole(piece, |rest| restartable(|| sys::write(target, rest)))
    })
}

unsafe fn control(number: c_int, command: c_int, argument: usize) -> Result<usize> {
    if number == libc::AT_FDCWD && command as usize == caps::F_CAP_BENEATH {
        return namespace::confine_directory().map(|()| 0);
    }
    if number == libc::AT_FDCWD && command as usize == caps::F_CAP_GET_RIGHTS {
        let directory = namespace::directory().ok_or(Error::new(EBADF))?;
        return sys::fcntl(directory, command as usize, argument);
    }
    let target = fd(number)?;
    match command {
        libc::F_GETLK | libc::F_SETLK | libc::F_SETLKW => {
            lock(target, command, argument as *mut FileLock)
        }
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC
            if argument as c_int as isize != argument as isize =>
        {
            fail(EINVAL)
        }
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
            let new = again(|| sys::fcntl(target, command as usize, argument))?;
            Ok(copied(target, new))
        }
        _ => again(|| sys::fcntl(target, command as usize, argument)),
    }
}

/// Record locks are asked of the descriptor's scheme, as a range from the file's beginning.
unsafe fn lock(target: usize, command: c_int, record: *mut FileLock) -> Result<usize> {
    if record.is_null() {
        return fail(syscall::EFAULT);
    }
    let record = &mut *record;
    let (start, len) = range_of(target, record)?;
    let exclusive = match i32::from(record.l_type) {
        F_RDLCK => 0,
        F_WRLCK => LOCK_EXCLUSIVE,
        F_UNLCK if command != libc::F_GETLK => {
            return lock_call(target, StdFsCallKind::Unlock, [start, len], &mut []);
        }
        _ => return fail(EINVAL),
    };
    if command == libc::F_GETLK {
        let mut found = [0; 2];
        match lock_call(
            target,
            StdFsCallKind::GetLock,
            [start, len | exclusive],
            &mut found,
        ) {
            Ok(process) => {
                let [start, word] = found;
                let exclusive = word & LOCK_EXCLUSIVE != 0;
                *record = FileLock {
                    l_type: if exclusive { F_WRLCK } else { F_RDLCK } as i16,
                    l_whence: libc::SEEK_SET as i16,
                    l_start: start as i64,
                    l_len: (word & !LOCK_EXCLUSIVE) as i64,
                    // A lock of an open file is no process's.
                    l_pid: if process == 0 { -1 } else { process as c_int },
                };
            }
            Err(e) if e.errno == syscall::ESRCH => record.l_type = F_UNLCK as i16,
            Err(e) => return Err(e),
        }
        return Ok(0);
    }
    let wait = if command == libc::F_SETLKW {
        LOCK_WAIT
    } else {
        0
    };
    let words = [start, len | exclusive | wait];
    lock_call(target, StdFsCallKind::Lock, words, &mut [])
}

/// Where the range of a record begins, and its length, 0 if that is all there is.
unsafe fn range_of(target: usize, record: &FileLock) -> Result<(u64, u64)> {
    let from = match c_int::from(record.l_whence) {
        libc::SEEK_SET => 0,
        libc::SEEK_CUR => sys::lseek(target, 0, syscall::SEEK_CUR)? as i64,
        libc::SEEK_END => sys::fstat(target)?.st_size as i64,
        _ => return fail(EINVAL),
    };
    let overflow = Error::new(syscall::EOVERFLOW);
    let start = from.checked_add(record.l_start).ok_or(overflow)?;
    // A negative length is that of what is before.
    let start = start.checked_add(record.l_len.min(0)).ok_or(overflow)?;
    let (start, len) = (offset_of(start)?, record.l_len.unsigned_abs());
    if len > 0 && start > i64::MAX as u64 - (len - 1) {
        return Err(overflow);
    }
    Ok((start, len))
}

unsafe fn lock_call(
    target: usize,
    kind: StdFsCallKind,
    [first, second]: [u64; 2],
    found: &mut [u64],
) -> Result<usize> {
    let flags = syscall::CallFlags::STD_FS | syscall::CallFlags::READ | syscall::CallFlags::WRITE;
    let metadata = [kind as u64, first, second];
    let mut ask = || {
        let len = size_of_val(found);
        sys::call_raw(target, found.as_mut_ptr().cast(), len, flags, &metadata)
    };
    // Only a wait may be ended by a signal, and if its handler says so.
    let answer = if matches!(kind, StdFsCallKind::Lock) && second & LOCK_WAIT != 0 {
        restartable(ask)
    } else {
        again(&mut ask)
    };
    match answer {
        Err(e) if matches!(e.errno, syscall::EOPNOTSUPP | syscall::ENOSYS) => fail(ENOLCK),
        other => other,
    }
}

/// In the words of a request for a lock: it is exclusive.
const LOCK_EXCLUSIVE: u64 = 1 << 63;
/// It is the open file's, not the process's.
const LOCK_OF_THE_FILE: u64 = 1 << 63;
const F_RDLCK: i32 = 0;
const F_WRLCK: i32 = 1;
const F_UNLCK: i32 = 2;

/// `struct flock`.
#[repr(C)]
#[derive(Default)]
struct FileLock {
    l_type: i16,
    l_whence: i16,
    l_start: i64,
    l_len: i64,
    l_pid: c_int,
}

/// A lock of the open file on all of it.
unsafe fn lock_whole(number: c_int, operation: c_int) -> Result<usize> {
    let wait = if operation & libc::LOCK_NB != 0 {
        0
    } else {
        LOCK_WAIT
    };
    let (kind, word) = match operation & !libc::LOCK_NB {
        libc::LOCK_SH => (StdFsCallKind::Lock, wait),
        libc::LOCK_EX => (StdFsCallKind::Lock, wait | LOCK_EXCLUSIVE),
        libc::LOCK_UN => (StdFsCallKind::Unlock, 0),
        _ => return fail(EINVAL),
    };
    lock_call(fd(number)?, kind, [LOCK_OF_THE_FILE, word], &mut [])
}

/// Who writes to a pipe that nobody reads gets `SIGPIPE`, then the error.
pub(crate) fn signalled(result: Result<usize>) -> Result<usize> {
    if matches!(result, Err(e) if e.errno == syscall::EPIPE) {
        // Where nobody can be signalled there is still the error.
        let _ = redox_rt::signal::raise(libc::SIGPIPE);
    }
    result
}

fn offset_of(offset: i64) -> Result<u64> {
    u64::try_from(offset).map_err(|_| Error::new(EINVAL))
}

c_variadic_api! {
    fn open(path: *const c_char, flags: c_int; list) -> c_int {
        let mode = if flags & libc::O_CREAT != 0 { (*list).word() as c_int } else { 0 };
        int(text(path).and_then(|p| cancellable(|| open_at(libc::AT_FDCWD, p, flags, mode))))
    }
    fn openat(dir: c_int, path: *const c_char, flags: c_int; list) -> c_int {
        let mode = if flags & libc::O_CREAT != 0 { (*list).word() as c_int } else { 0 };
        int(text(path).and_then(|p| cancellable(|| open_at(dir, p, flags, mode))))
    }
    fn fcntl(number: c_int, command: c_int; list) -> c_int {
        let argument = (*list).word() as usize;
        int(if command == libc::F_SETLKW {
            cancellable(|| control(number, command, argument))
        } else {
            control(number, command, argument)
        })
    }
    fn ioctl(number: c_int, request: c_ulong; list) -> c_int {
        int(super::terminal::control(number, request, (*list).pointer()))
    }
}

c_api! {
    fn creat(path: *const c_char, mode: c_int) -> c_int {
        int(text(path).and_then(|p| cancellable(|| open_at(libc::AT_FDCWD, p, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, mode))))
    }
    fn close(number: c_int) -> c_int {
        super::thread::cancel::look();
        poll::forget(number);
        unit(fd(number).and_then(sys::close))
    }
    fn read(number: c_int, buffer: *mut c_void, len: usize) -> isize {
        size(fd(number).and_then(|target| {
            let buffer = bytes_mut(buffer, len)?;
            cancellable(|| restartable(|| sys::read(target, buffer)))
        }))
    }
    fn write(number: c_int, buffer: *const c_void, len: usize) -> isize {
        size(fd(number).and_then(|target| {
            let buffer = bytes(buffer, len)?;
            let write = |rest: &[u8]| restartable(|| sys::write(target, rest));
            signalled(cancellable(|| written_whole(buffer, write)))
        }))
    }
    fn pread(number: c_int, buffer: *mut c_void, len: usize, offset: i64) -> isize {
        size(fd(number).and_then(|target| {
            let (buffer, offset) = (bytes_mut(buffer, len)?, offset_of(offset)?);
            cancellable(|| restartable(|| sys::read_at(target, buffer, offset, None)))
        }))
    }
    fn pwrite(number: c_int, buffer: *const c_void, len: usize, offset: i64) -> isize {
        size(fd(number).and_then(|target| {
            let (buffer, offset) = (bytes(buffer, len)?, offset_of(offset)?);
            cancellable(|| restartable(|| sys::write_at(target, buffer, offset, None)))
        }))
    }
    fn readv(number: c_int, vectors: *const libc::iovec, count: c_int) -> isize {
        size(cancellable(|| read_vectors(number, vectors, count)))
    }
    fn writev(number: c_int, vectors: *const libc::iovec, count: c_int) -> isize {
        size(signalled(cancellable(|| write_vectors(number, vectors, count))))
    }
    fn preadv(number: c_int, vectors: *const libc::iovec, count: c_int, offset: i64) -> isize {
        size(fd(number).and_then(|target| {
            let start = offset_of(offset)?;
            vectored(vectors, count, |base, len, done| {
                let buffer = bytes_mut(base, len)?;
                restartable(|| sys::read_at(target, buffer, start + done as u64, None))
            })
        }))
    }
    fn pwritev(number: c_int, vectors: *const libc::iovec, count: c_int, offset: i64) -> isize {
        size(fd(number).and_then(|target| {
            let start = offset_of(offset)?;
            vectored(vectors, count, |base, len, done| {
                let buffer = bytes(base, len)?;
                restartable(|| sys::write_at(target, buffer, start + done as u64, None))
            })
        }))
    }
    fn lseek(number: c_int, offset: i64, whence: c_int) -> i64 {
        let answer = fd(number).and_then(|target| {
            let whence = usize::try_from(whence).map_err(|_| Error::new(EINVAL))?;
            i64::try_from(again(|| sys::lseek(target, offset, whence))?).map_err(|_| Error::new(EOVERFLOW))
        });
        answer.unwrap_or_else(|e| { super::report(e); -1 })
    }
    fn dup(number: c_int) -> c_int { int(fd(number).and_then(|old| Ok(copied(old, sys::dup(old, b"", sys::FD_ANY)?)))) }
    fn dup2(old: c_int, new: c_int) -> c_int {
        if old == new {
            // Only whether it is open is asked.
            return int(fd(old).and_then(|n| sys::fcntl(n, libc::F_GETFD as usize, 0).map(|_| n)));
        }
        int(duplicate(old, new, 0))
    }
    fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
        int(if old == new { fail(EINVAL) } else { duplicate(old, new, flags) })
    }
    fn pipe(ends: *mut [c_int; 2]) -> c_int { pipe2(ends, 0) }
    fn pipe2(ends: *mut [c_int; 2], flags: c_int) -> c_int {
        unit(make_pipe(flags).map(|pair| ends.write(pair.map(|end| end.into_raw() as c_int))))
    }
    fn fsync(number: c_int) -> c_int { unit(fd(number).and_then(|n| cancellable(|| restartable(|| sys::fsync(n))))) }
    fn fdatasync(number: c_int) -> c_int { fsync(number) }
    fn ftruncate(number: c_int, len: i64) -> c_int {
        unit(fd(number).and_then(|n| fs::ftruncate(n, offset_of(len)?)))
    }
    fn posix_fallocate(number: c_int, offset: i64, len: i64) -> c_int {
        super::code((|| {
            let end = offset_of(offset)?.checked_add(offset_of(len)?).ok_or(Error::new(syscall::EFBIG))?;
            if len == 0 {
                return fail(EINVAL);
            }
            let n = fd(number)?;
            if again(|| sys::fstat(n))?.st_size < end { fs::ftruncate(n, end) } else { Ok(()) }
        })())
    }
    fn posix_fadvise(number: c_int, _offset: i64, _len: i64, advice: c_int) -> c_int {
        // Advice: heeding none of it is right.
        super::code(fd(number).and_then(|n| {
            if again(|| sys::fstat(n))?.st_mode & syscall::MODE_TYPE == syscall::MODE_FIFO { return fail(ESPIPE); }
            if (0..=5).contains(&advice) { Ok(()) } else { fail(EINVAL) }
        }))
    }
    fn flock(number: c_int, operation: c_int) -> c_int { unit(lock_whole(number, operation).map(drop)) }
    fn lockf(number: c_int, command: c_int, len: i64) -> c_int {
        let mut record = FileLock { l_type: 1, l_whence: libc::SEEK_CUR as i16, l_len: len, ..FileLock::default() };
        let how = match command {
            libc::F_ULOCK => { record.l_type = F_UNLCK as _; libc::F_SETLK }
            libc::F_LOCK => libc::F_SETLKW,
            libc::F_TLOCK => libc::F_SETLK,
            libc::F_TEST => libc::F_GETLK,
            _ => return unit(fail(EINVAL)),
        };
        let answer = fd(number).and_then(|n| lock(n, how, &mut record));
        match answer {
            Ok(_) if command == libc::F_TEST && i32::from(record.l_type) != F_UNLCK => unit(fail(syscall::EACCES)),
            other => unit(other.map(drop)),
        }
    }
    fn sync() {
        // It has no way to say that it has failed.
        let _ = sync_files();
    }
    fn futimens(number: c_int, times: *const [Timespec; 2]) -> c_int {
        unit(fd(number).and_then(|n| path::set_times(n, times)))
    }
    fn fchmod(number: c_int, mode: c_int) -> c_int { unit(fd(number).and_then(|n| fs::fchmod(n, mode as u16 & 0o7777))) }
    fn fchown(number: c_int, owner: c_int, group: c_int) -> c_int {
        unit(fd(number).and_then(|n| again(|| sys::fchown(n, owner as u32, group as u32))))
    }
    fn fpathconf(number: c_int, name: c_int) -> c_long {
        match fd(number).and_then(|n| again(|| sys::fstat(n))) {
            Ok(_) => super::limits::of_path(name),
            Err(e) => { super::report(e); -1 }
        }
    }
}
