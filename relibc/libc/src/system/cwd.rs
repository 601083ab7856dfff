//! The current directory's text, and paths as text.
//!
//! The directory itself is a descriptor (`redox_rt::namespace`). The text is for showing: it is what
//! the directory's scheme said when it became the current one, or what the starter said; and what the scheme says
//! when that has changed, because the directory was moved.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};

use cap_abi::auxv;
use redox_rt::signal::{again, without_delivery};
use redox_rt::start::Start;
use redox_rt::{Error, Fd, Result, namespace, sys};
use syscall::flag::{O_DIRECTORY, O_STAT};
use syscall::{EINVAL, ENOENT, ERANGE};

use super::fork::Mutex;
use super::path::{Last, at, find, named};
use super::{allocate_text, fail, fd, give_text, pointer, text, unit};

struct Text {
    shown: Vec<u8>,
    /// What the scheme called the directory meanwhile; empty if it was not asked.
    told: Vec<u8>,
}

static TEXT: Mutex<Text> = Mutex::new(Text {
    shown: Vec::new(),
    told: Vec::new(),
});

pub(crate) fn set(start: &Start) {
    if let Some(bytes) = start.aux_bytes(auxv::AT_REDOX_CWD_PTR, auxv::AT_REDOX_CWD_LEN) {
        TEXT.lock().shown = bytes.to_vec();
    }
}

/// Uses the text. A handler that changes the directory, as POSIX allows, has to wait for the end.
fn texts<T>(then: impl FnOnce(&mut Text) -> T) -> T {
    without_delivery(|| then(&mut TEXT.lock()))
}

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    TEXT.try_hold()
}

/// The text, for a program that is started; empty when there is none.
pub(crate) fn text_for_exec() -> Vec<u8> {
    let known = texts(|text| text.shown.clone());
    if known.is_empty() {
        return shown().unwrap_or_default();
    }
    known
}

/// What a descriptor's scheme calls it. Paths of the scheme `file` are shown without it.
pub(crate) fn path_of(number: usize) -> Result<Vec<u8>> {
    let mut buffer = [0u8; rt_core::path::MAX_LEN];
    let len = again(|| sys::fpath(number, &mut buffer))?;
    let path = buffer.get(..len).ok_or(Error::new(syscall::EIO))?;
    let path = match path.strip_prefix(rt_core::path::FILE_PREFIX) {
        Some(b"") => b"/",
        Some(rest) if rest.first() == Some(&b'/') => rest,
        _ => path,
    };
    Ok(path.to_vec())
}

fn shown() -> Result<Vec<u8>> {
    let directory = namespace::directory().ok_or(Error::new(ENOENT))?;
    let told = path_of(directory);
    let is_gone = || again(|| sys::fstat(directory)).is_ok_and(|stat| stat.st_nlink == 0);
    texts(|text| match told {
        Ok(told) => {
            let has_moved = !text.told.is_empty() && text.told != told;
            if text.shown.is_empty() || has_moved {
                text.shown = told.clone();
            }
            text.told = told;
            Ok(text.shown.clone())
        }
        Err(error) if text.shown.is_empty() || error.errno == ENOENT && is_gone() => Err(error),
        // Its scheme does not say what it is called, or not to those who may reach only a part of it.
        Err(_) => Ok(text.shown.clone()),
    })
}

/// Makes a directory the current one.
fn change_to(directory: Fd) -> Result<()> {
    let told = path_of(directory.raw()).unwrap_or_default();
    let text = Text {
        shown: told.clone(),
        told,
    };
    let former = texts(|known| {
        namespace::enter(directory)?;
        Ok(core::mem::replace(known, text))
    });
    former.map(drop)
}

pub(crate) fn change(path: &[u8]) -> Result<()> {
    let raw = O_DIRECTORY | O_STAT;
    let open = |base, rest: &[u8]| named(base, rest, raw);
    change_to(Fd::from_raw(at(
        libc::AT_FDCWD,
        path,
        false,
        Last::Followed,
        open,
    )?))
}

pub(crate) fn change_fd(number: c_int) -> Result<()> {
    let number = fd(number)?;
    if again(|| sys::fstat(number))?.st_mode & syscall::MODE_TYPE != syscall::MODE_DIR {
        return fail(syscall::ENOTDIR);
    }
    let copy = sys::dup(number, b"", sys::FD_ANY_UPPER)?;
    change_to(Fd::from_raw(copy))
}

unsafe fn current(buffer: *mut c_char, len: usize) -> Result<*mut c_char> {
    if !buffer.is_null() && len == 0 {
        return fail(EINVAL);
    }
    let text = shown()?;
    if !buffer.is_null() {
        give_text(&text, buffer, len)?;
        return Ok(buffer);
    }
    if len != 0 && text.len() >= len {
        return fail(ERANGE);
    }
    if len != 0 {
        // As long as was asked for: the program may make the path longer in place.
        return super::allocate_for_text(&text, len);
    }
    allocate_text(&text)
}

unsafe fn real(path: *const c_char, buffer: *mut c_char) -> Result<*mut c_char> {
    if path.is_null() {
        return fail(EINVAL);
    }
    let real = path_of(find(libc::AT_FDCWD, text(path)?, 0)?.raw())?;
    if buffer.is_null() {
        return allocate_text(&real);
    }
    // The caller's buffer has PATH_MAX bytes.
    give_text(&real, buffer, libc::PATH_MAX as usize)
        .map_err(|_| Error::new(syscall::ENAMETOOLONG))?;
    Ok(buffer)
}

c_api! {
    fn chdir(path: *const c_char) -> c_int { unit(text(path).and_then(change)) }
    fn fchdir(number: c_int) -> c_int { unit(change_fd(number)) }
    fn getcwd(buffer: *mut c_char, len: usize) -> *mut c_char { pointer(current(buffer, len)) }
    fn realpath(path: *const c_char, buffer: *mut c_char) -> *mut c_char { pointer(real(path, buffer)) }
    fn chroot(_path: *const c_char) -> c_int {
        // A process's root is its namespace, which is exchanged, not moved.
        unit(fail(syscall::EPERM))
    }
}
