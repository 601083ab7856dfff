//! Functions that take a path, relative to a directory descriptor or the current directory.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_long};

use cap_abi::Rights;
use cap_abi::resolve::{C_AT_RESOLVE_BENEATH, RESOLVE_BENEATH};
use redox_rt::signal::again;
use redox_rt::{Error, Fd, Result, fs, namespace, process, sys};
use relibc_core::elsewhere::{LINKS_MAX, Links, onward};
use syscall::flag::{
    O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_STAT, O_SYMLINK, O_WRONLY,
};
use syscall::{EACCES, EINVAL, ENOENT, EPERM, EXDEV, TimeSpec};

use super::{bytes_mut, fail, fd, size, text, unit};
use crate::sys::Timespec;

/// Where a path is asked.
#[derive(Clone, Copy, Debug)]
enum Place {
    Current,
    Given(usize),
}

impl Place {
    fn of(dir: c_int) -> Result<Self> {
        Ok(match dir {
            libc::AT_FDCWD => Self::Current,
            _ => Self::Given(fd(dir)?),
        })
    }

    /// Whether what is asked here may lead out of the directory.
    fn is_free(self) -> bool {
        match self {
            Self::Current => !namespace::is_confined(),
            Self::Given(fd) => sys::rights(fd).is_ok_and(|rights| rights.contains(Rights::ESCAPE)),
        }
    }
}

/// What is done with a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Followed,
    Itself,
}

impl Last {
    /// Of an open with these flags.
    pub(crate) const fn of(flags: usize) -> Self {
        let itself =
            flags & (O_NOFOLLOW | O_SYMLINK) != 0 || flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
        if itself { Self::Itself } else { Self::Followed }
    }
}

/// Calls `ask` with a descriptor and the path to ask it for. A relative path is asked of `dir` or the
/// current directory, an absolute one of the namespace. With `beneath`, and of a directory that may
/// not be left, everything is asked of the directory itself, which refuses what leads out of it.
///
/// Where a link leads to another scheme's files, the path is asked of the namespace from there on; `last` says
/// whether `ask` follows a link at its end. What may not leave a directory is never asked anything else.
pub(crate) fn at<T>(
    dir: c_int,
    path: &[u8],
    beneath: bool,
    last: Last,
    ask: impl FnMut(usize, &[u8]) -> Result<T>,
) -> Result<T> {
    at_place(|| Place::of(dir), path, beneath, last, ask)
}

/// [`at`] with a directory's descriptor, or the current directory without one, for an `ask` that follows links.
pub(crate) fn at_directory<T>(
    directory: Option<&Fd>,
    path: &[u8],
    ask: impl FnMut(usize, &[u8]) -> Result<T>,
) -> Result<T> {
    let place = directory.map_or(Place::Current, |fd| Place::Given(fd.raw()));
    at_place(|| Ok(place), path, false, Last::Followed, ask)
}

/// `place` is not asked for of an absolute path that needs none.
fn at_place<T>(
    place: impl Fn() -> Result<Place>,
    path: &[u8],
    beneath: bool,
    last: Last,
    mut ask: impl FnMut(usize, &[u8]) -> Result<T>,
) -> Result<T> {
    match within(&place, path, beneath, &mut ask) {
        Err(e) if e.errno == EXDEV && !beneath => elsewhere(place, path, last, e, ask),
        answer => answer,
    }
}

fn within<T>(
    place: impl Fn() -> Result<Place>,
    path: &[u8],
    beneath: bool,
    mut ask: impl FnMut(usize, &[u8]) -> Result<T>,
) -> Result<T> {
    if path.is_empty() {
        return fail(ENOENT);
    }
    if path.len() > rt_core::path::MAX_LEN {
        return fail(syscall::ENAMETOOLONG);
    }
    let relative = path.first() != Some(&b'/') || beneath;
    match place() {
        Ok(Place::Current) if beneath => {
            ask(namespace::directory().ok_or(Error::new(ENOENT))?, path)
        }
        Ok(Place::Given(fd)) if relative => ask(fd, path),
        Err(e) if relative => Err(e),
        Ok(Place::Given(fd)) => match sys::rights(fd) {
            Ok(rights) if !rights.contains(Rights::ESCAPE) => ask(fd, path),
            _ => namespace::with_text_route(path, ask),
        },
        Ok(Place::Current) | Err(_) => namespace::with_text_route(path, ask),
    }
}

/// Opens what never waits, as a private descriptor: what is only named, or is made. No signal interrupts it.
pub(super) fn named(base: usize, path: &[u8], flags: usize) -> Result<usize> {
    again(|| sys::openat(base, path, flags, sys::FD_ANY_UPPER))
}

/// Paths as they are asked of a directory.
struct Asked(Place);

impl Asked {
    fn open(&self, path: &[u8], flags: usize) -> Result<Fd> {
        let ask = |base, rest: &[u8]| named(base, rest, flags);
        within(|| Ok(self.0), path, false, ask).map(Fd::from_raw)
    }
}

impl Links for Asked {
    fn target(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        let found = self.open(path, O_STAT | O_SYMLINK).ok()?;
        if found.stat().ok()?.st_mode & syscall::MODE_TYPE != syscall::MODE_SYMLINK {
            return None;
        }
        let mut target = alloc::vec![0; rt_core::path::MAX_LEN];
        let link = self.open(path, O_RDONLY | O_SYMLINK).ok()?;
        let len = again(|| link.read(&mut target)).ok()?;
        target.truncate(len);
        Some(target)
    }
    fn leaves(&mut self, path: &[u8]) -> bool {
        self.open(path, O_STAT).is_err_and(|e| e.errno == EXDEV)
    }
}

/// Asks for what is meant by a path that leads from one scheme to another.
#[cold]
fn elsewhere<T>(
    place: impl Fn() -> Result<Place>,
    path: &[u8],
    last: Last,
    refused: Error,
    mut ask: impl FnMut(usize, &[u8]) -> Result<T>,
) -> Result<T> {
    let place = place().unwrap_or(Place::Current);
    if !place.is_free() {
        return Err(refused);
    }
    let mut left = LINKS_MAX;
    let mut asked = Asked(place);
    let mut path = path.to_vec();
    loop {
        let onward = onward(&mut asked, &path, last == Last::Followed, &mut left);
        let Some(meant) = onward.map_err(Error::new)? else {
            return Err(refused);
        };
        match namespace::with_text_route(&meant, &mut ask) {
            Err(e) if e.errno == EXDEV => {}
            answer => return answer,
        }
        path = meant;
        asked = Asked(Place::Current);
    }
}

pub(super) const CWD: c_int = libc::AT_FDCWD;
pub(super) const NOFOLLOW: c_int = libc::AT_SYMLINK_NOFOLLOW;
pub(crate) const AT_BENEATH: c_int = C_AT_RESOLVE_BENEATH as c_int;

pub(super) const fn is_beneath(flags: c_int) -> bool {
    flags & AT_BENEATH != 0
}

const fn resolve_bits(flags: c_int) -> usize {
    if is_beneath(flags) {
        RESOLVE_BENEATH
    } else {
        0
    }
}

/// Refuses flags that a function does not know.
pub(super) fn only(flags: c_int, known: c_int) -> Result<()> {
    if flags & !known == 0 {
        Ok(())
    } else {
        fail(EINVAL)
    }
}

/// Opens what a path names, for asking about it or changing its attributes.
pub(crate) fn find(dir: c_int, path: &[u8], flags: c_int) -> Result<Fd> {
    only(flags, NOFOLLOW | libc::AT_EMPTY_PATH | AT_BENEATH)?;
    if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
        let base = match dir {
            libc::AT_FDCWD => namespace::directory().ok_or(Error::new(ENOENT))?,
            _ => fd(dir)?,
        };
        return sys::dup(base, b"", sys::FD_ANY_UPPER).map(Fd::from_raw);
    }
    if !is_beneath(flags)
        && let Some(own) = namespace::open_own(path, sys::FD_ANY_UPPER)
    {
        return own.map(Fd::from_raw);
    }
    let mut raw = O_STAT | resolve_bits(flags);
    if flags & libc::AT_SYMLINK_NOFOLLOW != 0 {
        raw |= O_NOFOLLOW;
    }
    let open = |base, rest: &[u8]| named(base, rest, raw);
    at(dir, path, is_beneath(flags), Last::of(raw), open).map(Fd::from_raw)
}

pub(crate) fn convert(s: &syscall::Stat) -> libc::stat {
    // SAFETY: all bytes zero is a valid `stat`.
    let mut out: libc::stat = unsafe { core::mem::zeroed() };
    out.st_dev = s.st_dev;
    out.st_ino = s.st_ino;
    out.st_nlink = u64::from(s.st_nlink);
    out.st_mode = c_int::from(s.st_mode);
    out.st_uid = s.st_uid as _;
    out.st_gid = s.st_gid as _;
    out.st_size = s.st_size as i64;
    out.st_blksize = i64::from(s.st_blksize);
    out.st_blocks = s.st_blocks as i64;
    out.st_atime = s.st_atime as i64;
    out.st_atime_nsec = i64::from(s.st_atime_nsec);
    out.st_mtime = s.st_mtime as i64;
    out.st_mtime_nsec = i64::from(s.st_mtime_nsec);
    out.st_ctime = s.st_ctime as i64;
    out.st_ctime_nsec = i64::from(s.st_ctime_nsec);
    out
}

unsafe fn stat_at(
    dir: c_int,
    path: *const c_char,
    out: *mut libc::stat,
    flags: c_int,
) -> Result<()> {
    let stat = find(dir, text(path)?, flags)?.stat()?;
    out.write(convert(&stat));
    Ok(())
}

/// Times as `utimensat` takes them; null means now.
pub(crate) unsafe fn set_times(target: usize, times: *const [Timespec; 2]) -> Result<()> {
    const NOW: c_long = libc::UTIME_NOW;
    const OMIT: c_long = libc::UTIME_OMIT;
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: NOW,
    };
    let given = if times.is_null() { [now, now] } else { *times };
    if given.iter().all(|t| t.tv_nsec == OMIT) {
        return Ok(());
    }
    let old = again(|| sys::fstat(target))?;
    let former = [
        (old.st_atime, old.st_atime_nsec),
        (old.st_mtime, old.st_mtime_nsec),
    ];
    let mut new = [TimeSpec::default(); 2];
    for ((place, time), (seconds, nanoseconds)) in new.iter_mut().zip(given).zip(former) {
        *place = match time.tv_nsec {
            NOW => sys::clock_gettime(syscall::CLOCK_REALTIME)?,
            OMIT => TimeSpec {
                tv_sec: seconds as i64,
                tv_nsec: nanoseconds as i32,
            },
            n @ 0..=999_999_999 => TimeSpec {
                tv_sec: time.tv_sec,
                tv_nsec: n as i32,
            },
            _ => return fail(EINVAL),
        };
    }
    fs::futimens(target, &new)
}

unsafe fn times_at(
    dir: c_int,
    path: *const c_char,
    times: *const [Timespec; 2],
    flags: c_int,
) -> Result<()> {
    set_times(find(dir, text(path)?, flags)?.raw(), times)
}

fn times_of(times: *const [libc::timeval; 2]) -> Result<Option<[Timespec; 2]>> {
    if times.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's array.
    let given = unsafe { &*times };
    let mut new = [Timespec::default(); 2];
    for (place, time) in new.iter_mut().zip(given) {
        if !(0..1_000_000).contains(&time.tv_usec) {
            return fail(EINVAL);
        }
        *place = Timespec {
            tv_sec: time.tv_sec,
            tv_nsec: c_long::from(time.tv_usec) * 1000,
        };
    }
    Ok(Some(new))
}

unsafe fn old_times(
    dir: c_int,
    path: *const c_char,
    times: *const [libc::timeval; 2],
    flags: c_int,
) -> Result<()> {
    let times = times_of(times)?;
    times_at(
        dir,
        path,
        times
            .as_ref()
            .map_or(core::ptr::null(), core::ptr::from_ref),
        flags,
    )
}

fn permitted(stat: &syscall::Stat, mode: c_int, effective: bool) -> Result<()> {
    let who = process::credentials()?;
    let (user, group) = if effective {
        (who.euid, who.egid)
    } else {
        (who.ruid, who.rgid)
    };
    let bits = c_int::from(stat.st_mode);
    let directory = stat.st_mode & syscall::MODE_TYPE == syscall::MODE_DIR;
    let have = match () {
        () if user == 0 => 6 | c_int::from(directory || bits & 0o111 != 0),
        () if user == stat.st_uid => bits >> 6 & 7,
        () if group == stat.st_gid => bits >> 3 & 7,
        () => bits & 7,
    };
    if mode & !have == 0 {
        Ok(())
    } else {
        fail(EACCES)
    }
}

unsafe fn access_at(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> Result<()> {
    if mode & !7 != 0 {
        return fail(EINVAL);
    }
    let stat = find(dir, text(path)?, flags & !libc::AT_EACCESS)?.stat()?;
    if mode == libc::F_OK {
        return Ok(());
    }
    permitted(&stat, mode, flags & libc::AT_EACCESS != 0)
}

pub(crate) fn unlink_at(dir: c_int, path: &[u8], flags: c_int) -> Result<()> {
    only(flags, libc::AT_REMOVEDIR | AT_BENEATH)?;
    let raw = (flags & libc::AT_REMOVEDIR) as usize | resolve_bits(flags);
    at(dir, path, is_beneath(flags), Last::Itself, |base, rest| {
        again(|| sys::unlinkat(base, rest, raw))
    })
}

/// Makes something by opening it.
pub(crate) fn make(dir: c_int, path: &[u8], kind: usize, mode: c_int, flags: c_int) -> Result<Fd> {
    only(flags, AT_BENEATH)?;
    let mode = mode as usize & 0o7777 & !usize::from(process::umask());
    let raw = O_CREAT | O_EXCL | kind | mode | resolve_bits(flags);
    let open = |base, rest: &[u8]| named(base, rest, raw);
    let made = at(dir, path, is_beneath(flags), Last::Itself, open).map(Fd::from_raw);
    // A root has no name in a directory that it could be refused by.
    let root = !path.is_empty() && path.iter().all(|&b| b == b'/');
    match made {
        Err(e) if e.errno == ENOENT && root && find(dir, path, flags).is_ok() => {
            fail(syscall::EEXIST)
        }
        other => other,
    }
}

fn make_directory(dir: c_int, path: &[u8], mode: c_int, flags: c_int) -> Result<()> {
    make(dir, path, O_DIRECTORY | O_STAT, mode, flags).map(drop)
}

fn make_node(dir: c_int, path: &[u8], mode: c_int, flags: c_int) -> Result<()> {
    let kind = mode & libc::S_IFMT;
    match kind {
        0 | libc::S_IFREG => make(dir, path, O_STAT, mode, flags).map(drop),
        libc::S_IFIFO => make(dir, path, O_STAT | kind as usize, mode, flags).map(drop),
        libc::S_IFCHR | libc::S_IFBLK | libc::S_IFSOCK => fail(EPERM),
        _ => fail(EINVAL),
    }
}

fn symlink_at(target: &[u8], dir: c_int, path: &[u8], flags: c_int) -> Result<()> {
    if target.is_empty() {
        return fail(ENOENT);
    }
    if target.len() > rt_core::path::MAX_LEN {
        return fail(syscall::ENAMETOOLONG);
    }
    let link = make(dir, path, O_SYMLINK | O_WRONLY, 0o777, flags)?;
    again(|| link.write_exact(target))?;
    link.close()
}

unsafe fn readlink_at(
    dir: c_int,
    path: *const c_char,
    out: *mut c_char,
    len: usize,
    flags: c_int,
) -> Result<usize> {
    only(flags, AT_BENEATH)?;
    if len == 0 {
        return fail(EINVAL);
    }
    let path = text(path)?;
    if !is_beneath(flags)
        && let Some(own) = namespace::open_own(path, sys::FD_ANY_UPPER)
    {
        drop(Fd::from_raw(own?));
        return fail(EINVAL);
    }
    // A scheme need not know `O_SYMLINK`: its named pipes are not waited for, its devices not read from.
    let raw = O_SYMLINK | O_RDONLY | O_NONBLOCK | resolve_bits(flags);
    let open = |base, rest: &[u8]| named(base, rest, raw);
    let link = Fd::from_raw(at(dir, path, is_beneath(flags), Last::Itself, open)?);
    if link.stat()?.st_mode & syscall::MODE_TYPE != syscall::MODE_SYMLINK {
        return fail(EINVAL);
    }
    let out = bytes_mut(out.cast(), len)?;
    again(|| link.read(out))
}

unsafe fn statvfs_of(target: usize, out: *mut libc::statvfs) -> Result<()> {
    let s = fs::fstatvfs(target)?;
    let mut new: libc::statvfs = core::mem::zeroed();
    new.f_bsize = u64::from(s.f_bsize);
    new.f_frsize = u64::from(s.f_bsize);
    new.f_blocks = s.f_blocks;
    new.f_bfree = s.f_bfree;
    new.f_bavail = s.f_bavail;
    new.f_namemax = 255;
    out.write(new);
    Ok(())
}

/// `struct statfs` of `<sys/statfs.h>`.
#[repr(C)]
pub struct StatFs {
    kind: c_long,
    block: c_long,
    blocks: u64,
    free: u64,
    available: u64,
    files: u64,
    free_files: u64,
    id: [c_int; 2],
    longest_name: c_long,
    fragment: c_long,
    flags: c_long,
    spare: [c_long; 4],
}

unsafe fn statfs_of(target: usize, out: *mut StatFs) -> Result<()> {
    let s = fs::fstatvfs(target)?;
    out.write(StatFs {
        kind: 0,
        block: c_long::from(s.f_bsize),
        blocks: s.f_blocks,
        free: s.f_bfree,
        available: s.f_bavail,
        files: 0,
        free_files: 0,
        id: [0; 2],
        longest_name: 255,
        fragment: c_long::from(s.f_bsize),
        flags: 0,
        spare: [0; 4],
    });
    Ok(())
}

c_api! {
    fn stat(path: *const c_char, out: *mut libc::stat) -> c_int { unit(stat_at(CWD, path, out, 0)) }
    fn lstat(path: *const c_char, out: *mut libc::stat) -> c_int { unit(stat_at(CWD, path, out, NOFOLLOW)) }
    fn fstatat(dir: c_int, path: *const c_char, out: *mut libc::stat, flags: c_int) -> c_int { unit(stat_at(dir, path, out, flags)) }
    fn fstat(number: c_int, out: *mut libc::stat) -> c_int {
        unit(fd(number).and_then(|n| again(|| sys::fstat(n))).map(|s| out.write(convert(&s))))
    }
    fn statvfs(path: *const c_char, out: *mut libc::statvfs) -> c_int {
        unit(text(path).and_then(|p| statvfs_of(find(CWD, p, 0)?.raw(), out)))
    }
    fn statfs(path: *const c_char, out: *mut StatFs) -> c_int {
        unit(text(path).and_then(|p| statfs_of(find(CWD, p, 0)?.raw(), out)))
    }
    fn fstatfs(number: c_int, out: *mut StatFs) -> c_int { unit(fd(number).and_then(|n| statfs_of(n, out))) }
    fn fstatvfs(number: c_int, out: *mut libc::statvfs) -> c_int { unit(fd(number).and_then(|n| statvfs_of(n, out))) }
    fn access(path: *const c_char, mode: c_int) -> c_int { unit(access_at(CWD, path, mode, 0)) }
    fn faccessat(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int { unit(access_at(dir, path, mode, flags)) }
    fn unlink(path: *const c_char) -> c_int { unit(text(path).and_then(|p| unlink_at(CWD, p, 0))) }
    fn rmdir(path: *const c_char) -> c_int { unit(text(path).and_then(|p| unlink_at(CWD, p, libc::AT_REMOVEDIR))) }
    fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int { unit(text(path).and_then(|p| unlink_at(dir, p, flags))) }
    fn remove(path: *const c_char) -> c_int {
        unit(text(path).and_then(|p| match unlink_at(CWD, p, 0) {
            // EPERM is either a folder's or a file's that may not be removed, which stays the answer.
            Err(e) if matches!(e.errno, syscall::EISDIR | EPERM) => {
                let removed = unlink_at(CWD, p, libc::AT_REMOVEDIR);
                removed.map_err(|other| if other.errno == syscall::ENOTDIR { e } else { other })
            }
            other => other,
        }))
    }
    fn mkdir(path: *const c_char, mode: c_int) -> c_int { mkdirat(CWD, path, mode) }
    fn mkdirat(dir: c_int, path: *const c_char, mode: c_int) -> c_int {
        unit(text(path).and_then(|p| make_directory(dir, p, mode, 0)))
    }
    fn mkdirat2(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
        unit(text(path).and_then(|p| make_directory(dir, p, mode, flags)))
    }
    fn mkfifo(path: *const c_char, mode: c_int) -> c_int { mkfifoat(CWD, path, mode) }
    fn mkfifoat(dir: c_int, path: *const c_char, mode: c_int) -> c_int { unit(text(path).and_then(|p| make_node(dir, p, mode & 0o7777 | libc::S_IFIFO, 0))) }
    fn mknod(path: *const c_char, mode: c_int, _device: u64) -> c_int { unit(text(path).and_then(|p| make_node(CWD, p, mode, 0))) }
    fn mknodat(dir: c_int, path: *const c_char, mode: c_int, _device: u64) -> c_int { unit(text(path).and_then(|p| make_node(dir, p, mode, 0))) }
    fn symlink(target: *const c_char, path: *const c_char) -> c_int { symlinkat(target, CWD, path) }
    fn symlinkat(target: *const c_char, dir: c_int, path: *const c_char) -> c_int { symlinkat2(target, dir, path, 0) }
    fn symlinkat2(target: *const c_char, dir: c_int, path: *const c_char, flags: c_int) -> c_int {
        unit(text(target).and_then(|t| symlink_at(t, dir, text(path)?, flags)))
    }
    fn readlink(path: *const c_char, out: *mut c_char, len: usize) -> isize { size(readlink_at(CWD, path, out, len, 0)) }
    fn readlinkat(dir: c_int, path: *const c_char, out: *mut c_char, len: usize) -> isize { size(readlink_at(dir, path, out, len, 0)) }
    fn readlinkat2(dir: c_int, path: *const c_char, out: *mut c_char, len: usize, flags: c_int) -> isize { size(readlink_at(dir, path, out, len, flags)) }
    fn truncate(path: *const c_char, len: i64) -> c_int {
        unit(text(path).and_then(|p| {
            let len = u64::try_from(len).map_err(|_| Error::new(EINVAL))?;
            // A named pipe is refused, not waited for.
            let flags = O_WRONLY | O_NONBLOCK;
            let open = |base, rest: &[u8]| named(base, rest, flags);
            match at(CWD, p, false, Last::Followed, open) {
                Err(e) if e.errno == syscall::ENXIO => fail(EINVAL),
                file => fs::ftruncate(Fd::from_raw(file?).raw(), len),
            }
        }))
    }
    fn chmod(path: *const c_char, mode: c_int) -> c_int { fchmodat(CWD, path, mode, 0) }
    fn lchmod(path: *const c_char, mode: c_int) -> c_int { fchmodat(CWD, path, mode, NOFOLLOW) }
    fn fchmodat(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
        unit(text(path).and_then(|p| fs::fchmod(find(dir, p, flags)?.raw(), mode as u16 & 0o7777)))
    }
    fn chown(path: *const c_char, owner: c_int, group: c_int) -> c_int { fchownat(CWD, path, owner, group, 0) }
    fn lchown(path: *const c_char, owner: c_int, group: c_int) -> c_int { fchownat(CWD, path, owner, group, NOFOLLOW) }
    fn fchownat(dir: c_int, path: *const c_char, owner: c_int, group: c_int, flags: c_int) -> c_int {
        unit(text(path).and_then(|p| {
            let file = find(dir, p, flags)?;
            again(|| sys::fchown(file.raw(), owner as u32, group as u32))
        }))
    }
    fn utimensat(dir: c_int, path: *const c_char, times: *const [Timespec; 2], flags: c_int) -> c_int {
        if path.is_null() && dir != CWD {
            return super::file::futimens(dir, times);
        }
        unit(times_at(dir, path, times, flags))
    }
    fn utimes(path: *const c_char, times: *const [libc::timeval; 2]) -> c_int { unit(old_times(CWD, path, times, 0)) }
    fn lutimes(path: *const c_char, times: *const [libc::timeval; 2]) -> c_int { unit(old_times(CWD, path, times, NOFOLLOW)) }
    fn futimes(number: c_int, times: *const [libc::timeval; 2]) -> c_int {
        unit(times_of(times).and_then(|times| set_times(fd(number)?, times.as_ref().map_or(core::ptr::null(), core::ptr::from_ref))))
    }
    fn utime(path: *const c_char, times: *const [i64; 2]) -> c_int {
        let new = (!times.is_null()).then(|| (*times).map(|tv_sec| Timespec { tv_sec, tv_nsec: 0 }));
        unit(times_at(CWD, path, new.as_ref().map_or(core::ptr::null(), core::ptr::from_ref), 0))
    }
    fn pathconf(path: *const c_char, name: c_int) -> c_long {
        match text(path).and_then(|p| find(CWD, p, 0)) {
            Ok(_) => super::limits::of_path(name),
            Err(e) => { super::report(e); -1 }
        }
    }
    fn umask(mask: c_int) -> c_int { c_int::from(process::set_umask(mask as u16)) }
}
