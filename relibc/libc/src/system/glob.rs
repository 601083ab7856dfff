//! `<glob.h>`.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use redox_rt::{Error, Result};
use relibc_core::glob::{self, Options};
use syscall::{ENOENT, ENOTDIR};

use super::directory::DIR;
use super::{directory, path};
use crate::locale::charset;
use crate::string::bytes;
use crate::sys;

const ERR: c_int = 1;
const MARK: c_int = 2;
const NOSORT: c_int = 4;
const DOOFFS: c_int = 8;
const NOCHECK: c_int = 16;
const APPEND: c_int = 32;
const NOESCAPE: c_int = 64;
const NOSPACE: c_int = 1;
const ABORTED: c_int = 2;
const NOMATCH: c_int = 3;

type Report = unsafe extern "C" fn(*const c_char, c_int) -> c_int;

/// `glob_t`.
#[repr(C)]
pub struct Found {
    gl_pathc: usize,
    gl_pathv: *mut *mut c_char,
    gl_offs: usize,
    /// How many null pointers stand in front of the paths.
    before: usize,
    reserved: [usize; 3],
}

/// The search was given up.
struct Aborted;

struct Search {
    always: bool,
    report: Option<Report>,
}

fn with_zero(path: &[u8]) -> Vec<u8> {
    [path, b"\0"].concat()
}

impl Search {
    unsafe fn list(&self, folder: &[u8]) -> Result<Vec<Vec<u8>>> {
        let folder = with_zero(folder);
        let open: *mut DIR = directory::opendir(folder.as_ptr().cast());
        if open.is_null() {
            return Err(Error::new(sys::errno()));
        }
        let mut names = Vec::new();
        let result = loop {
            match (*open).next() {
                Ok(Some(entry)) => names.push(bytes(entry.d_name.as_ptr()).to_vec()),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        directory::closedir(open);
        result.map(|()| names)
    }
}

impl glob::Files for Search {
    type Error = Aborted;

    fn names(&mut self, folder: &[u8]) -> core::result::Result<Vec<Vec<u8>>, Aborted> {
        // SAFETY: the path ends with a zero; the handle is this function's.
        match unsafe { self.list(folder) } {
            Ok(names) => Ok(names),
            Err(e) if matches!(e.errno, ENOENT | ENOTDIR) => Ok(Vec::new()),
            Err(e) => {
                let path = with_zero(folder);
                let stop = self.report.is_some_and(|report| {
                    // SAFETY: the program gave the function to `glob` for calls of this form; the path ends with a zero
                    // and lives until the function has returned.
                    unsafe { report(path.as_ptr().cast(), e.errno) != 0 }
                });
                if stop || self.always {
                    Err(Aborted)
                } else {
                    Ok(Vec::new())
                }
            }
        }
    }
    fn exists(&mut self, path: &[u8]) -> bool {
        path::find(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW).is_ok()
    }
    fn is_folder(&mut self, path: &[u8]) -> bool {
        path::find(libc::AT_FDCWD, path, 0)
            .and_then(|file| file.stat())
            .is_ok_and(|stat| stat.st_mode & syscall::MODE_TYPE == syscall::MODE_DIR)
    }
}

/// The sorted paths that match a pattern; none when a folder cannot be read.
pub(crate) fn paths(pattern: &[u8]) -> Vec<Vec<u8>> {
    let options = Options {
        no_escape: false,
        mark: false,
        charset: charset(),
    };
    let mut search = Search {
        always: false,
        report: None,
    };
    let mut found = glob::expand(pattern, options, &mut search).unwrap_or_default();
    found.sort();
    found
}

/// Adds paths at the end of the array.
unsafe fn add(out: &mut Found, paths: &[Vec<u8>]) -> core::result::Result<(), ()> {
    let old = out.before + out.gl_pathc;
    let size = (old + paths.len() + 1) * size_of::<*mut c_char>();
    let list = sys::realloc(out.gl_pathv.cast(), size).cast::<*mut c_char>();
    if list.is_null() {
        return Err(());
    }
    if out.gl_pathv.is_null() {
        list.write_bytes(0, old);
    }
    out.gl_pathv = list;
    for path in paths {
        let copy = sys::malloc(path.len() + 1).cast::<u8>();
        if copy.is_null() {
            break;
        }
        copy.copy_from_nonoverlapping(path.as_ptr(), path.len());
        copy.add(path.len()).write(0);
        list.add(out.before + out.gl_pathc).write(copy.cast());
        out.gl_pathc += 1;
    }
    list.add(out.before + out.gl_pathc).write(null_mut());
    if out.before + out.gl_pathc == old + paths.len() {
        Ok(())
    } else {
        Err(())
    }
}

c_api! {
    fn glob(pattern: *const c_char, flags: c_int, report: Option<Report>, out: *mut Found) -> c_int {
        let out = &mut *out;
        if flags & APPEND == 0 {
            out.gl_pathc = 0;
            out.gl_pathv = null_mut();
            out.before = if flags & DOOFFS != 0 { out.gl_offs } else { 0 };
        }
        let options = Options { no_escape: flags & NOESCAPE != 0, mark: flags & MARK != 0, charset: charset() };
        let mut search = Search { always: flags & ERR != 0, report };
        let Ok(mut paths) = glob::expand(bytes(pattern), options, &mut search) else {
            return ABORTED;
        };
        if paths.is_empty() {
            if flags & NOCHECK == 0 {
                return NOMATCH;
            }
            paths.push(bytes(pattern).to_vec());
        }
        if flags & NOSORT == 0 {
            paths.sort();
        }
        add(out, &paths).map_or(NOSPACE, |()| 0)
    }
    fn globfree(out: *mut Found) {
        let out = &mut *out;
        for i in 0..out.gl_pathc {
            sys::free((*out.gl_pathv.add(out.before + i)).cast());
        }
        sys::free(out.gl_pathv.cast());
        out.gl_pathc = 0;
        out.gl_pathv = null_mut();
    }
}
