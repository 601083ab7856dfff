//! `<ftw.h>`.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};

use redox_rt::{Fd, Result};
use relibc_core::walk::{End, Files, Kind, Options, Visit, walk};
use syscall::{EINVAL, Stat};

use super::{directory, fail, file, path, text};

/// `struct FTW`.
#[repr(C)]
pub struct Place {
    base: c_int,
    level: c_int,
}

type OldVisitor = unsafe extern "C" fn(*const c_char, *const libc::stat, c_int) -> c_int;
type Visitor = unsafe extern "C" fn(*const c_char, *const libc::stat, c_int, *const Place) -> c_int;

const PHYS: c_int = 1;
const MOUNT: c_int = 2;
const CHDIR: c_int = 4;
const DEPTH: c_int = 8;

/// Paths are asked of the directory that the walk began in, wherever the process goes meanwhile.
struct Tree {
    start: Option<Fd>,
}

impl Tree {
    fn base(&self) -> c_int {
        self.start
            .as_ref()
            .map_or(libc::AT_FDCWD, |fd| fd.raw() as c_int)
    }
}

impl Files for Tree {
    type Status = Stat;

    fn status(&mut self, path: &[u8], follow: bool) -> core::result::Result<Stat, i32> {
        let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
        let found = path::find(self.base(), path, flags).and_then(|file| file.stat());
        found.map_err(|e| e.errno)
    }
    fn names(&mut self, path: &[u8]) -> core::result::Result<Vec<Vec<u8>>, i32> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let names = file::open_at(self.base(), path, flags, 0)
            .and_then(|fd| directory::names(Fd::from_raw(fd)));
        names.map_err(|e| e.errno)
    }
    fn kind(status: &Stat) -> Kind {
        match status.st_mode & syscall::MODE_TYPE {
            syscall::MODE_DIR => Kind::Folder,
            syscall::MODE_SYMLINK => Kind::Link,
            _ => Kind::Other,
        }
    }
    fn identity(status: &Stat) -> (u64, u64) {
        (status.st_dev, status.st_ino)
    }
    fn enter(&mut self, path: &[u8]) -> core::result::Result<(), i32> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let entered = file::open_at(self.base(), path, flags, 0)
            .map(Fd::from_raw)
            .and_then(|fd| super::cwd::change_fd(fd.raw() as c_int));
        entered.map_err(|e| e.errno)
    }
}

unsafe fn tree(
    path: *const c_char,
    options: Options,
    mut visit: impl FnMut(*const c_char, *const libc::stat, c_int, Place) -> c_int,
) -> Result<c_int> {
    let path = text(path)?;
    if path.is_empty() {
        return fail(syscall::ENOENT);
    }
    let start = if options.change_directory {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        Some(Fd::from_raw(file::open_at(libc::AT_FDCWD, b".", flags, 0)?))
    } else {
        None
    };
    let mut files = Tree { start };
    let result = walk(
        path,
        options,
        &mut files,
        &mut |_, path, status, what, base, level| {
            let path = [path, b"\0"].concat();
            // SAFETY: all bytes zero is a valid structure.
            let mut told: libc::stat = unsafe { core::mem::zeroed() };
            if let Some(status) = status {
                told = path::convert(status);
            }
            let place = Place {
                base: base as c_int,
                level: level as c_int,
            };
            visit(path.as_ptr().cast(), &told, what as c_int, place)
        },
    );
    if let Some(start) = &files.start {
        super::cwd::change_fd(start.raw() as c_int)?;
    }
    match result {
        Ok(()) => Ok(0),
        Err(End::Answer(answer)) => Ok(answer),
        Err(End::Error(error)) => fail(error),
    }
}

fn answer(result: Result<c_int>) -> c_int {
    result.unwrap_or_else(|e| {
        super::report(e);
        -1
    })
}

c_api! {
    fn ftw(path: *const c_char, visit: OldVisitor, _fds: c_int) -> c_int {
        let options = Options { old: true, ..Options::default() };
        answer(tree(path, options, |path, status, what, _| {
            let what = if what == Visit::Link as c_int { Visit::File as c_int } else { what };
            visit(path, status, what)
        }))
    }
    fn nftw(path: *const c_char, visit: Visitor, _fds: c_int, flags: c_int) -> c_int {
        if flags & !(PHYS | MOUNT | CHDIR | DEPTH) != 0 {
            return answer(fail(EINVAL));
        }
        let options = Options {
            physical: flags & PHYS != 0,
            one_file_system: flags & MOUNT != 0,
            change_directory: flags & CHDIR != 0,
            contents_first: flags & DEPTH != 0,
            old: false,
        };
        answer(tree(path, options, |path, status, what, place| visit(path, status, what, &place)))
    }
}

/// Copies of a folder's entries that a filter lets through, sorted.
unsafe fn scan(
    path: *const c_char,
    out: *mut *mut *mut libc::dirent,
    select: Option<unsafe extern "C" fn(*const libc::dirent) -> c_int>,
    compare: Option<Compare>,
) -> Result<c_int> {
    let open = directory::opendir(path);
    if open.is_null() {
        return fail(crate::sys::errno());
    }
    let mut list: Vec<*mut libc::dirent> = Vec::new();
    let result = loop {
        let entry = match (*open).next() {
            Ok(Some(entry)) => entry,
            Ok(None) => break Ok(()),
            Err(e) => break Err(e),
        };
        if select.is_some_and(|select| select(entry) == 0) {
            continue;
        }
        let copy = crate::sys::malloc(size_of::<libc::dirent>()).cast::<libc::dirent>();
        if copy.is_null() || list.try_reserve(1).is_err() {
            crate::sys::free(copy.cast());
            break fail(syscall::ENOMEM);
        }
        copy.write(*entry);
        list.push(copy);
    };
    directory::closedir(open);
    let array = crate::sys::malloc((list.len().max(1)) * size_of::<*mut libc::dirent>())
        .cast::<*mut libc::dirent>();
    let failed = if array.is_null() {
        fail(syscall::ENOMEM)
    } else {
        result
    };
    if let Err(e) = failed {
        for entry in list {
            crate::sys::free(entry.cast());
        }
        crate::sys::free(array.cast());
        return Err(e);
    }
    core::ptr::copy_nonoverlapping(list.as_ptr(), array, list.len());
    if let Some(compare) = compare {
        let sort: crate::stdlib::Compare =
            core::mem::transmute::<Compare, crate::stdlib::Compare>(compare);
        crate::stdlib::qsort(
            array.cast(),
            list.len(),
            size_of::<*mut libc::dirent>(),
            sort,
        );
    }
    out.write(array);
    Ok(list.len() as c_int)
}

type Compare = unsafe extern "C" fn(*mut *const libc::dirent, *mut *const libc::dirent) -> c_int;

c_api! {
    fn scandir(path: *const c_char, out: *mut *mut *mut libc::dirent, select: Option<unsafe extern "C" fn(*const libc::dirent) -> c_int>, compare: Option<Compare>) -> c_int {
        answer(scan(path, out, select, compare))
    }
    fn alphasort(a: *mut *const libc::dirent, b: *mut *const libc::dirent) -> c_int {
        crate::string::strcoll((**a).d_name.as_ptr(), (**b).d_name.as_ptr())
    }
    fn versionsort(a: *mut *const libc::dirent, b: *mut *const libc::dirent) -> c_int {
        crate::string::strverscmp((**a).d_name.as_ptr(), (**b).d_name.as_ptr())
    }
}
