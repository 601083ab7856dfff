//! The environment: `environ` and what reads and changes it.
//!
//! A program may replace `environ` or write into it; so the array it names is the truth, and every
//! change makes it ours first. Strings that were handed out are never freed, as nobody can know who
//! still has them.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int};
use core::ptr::null_mut;

use redox_rt::Result;
use redox_rt::start::Start;
use syscall::{EINVAL, ENOMEM};

use super::fork::Mutex;
use super::{allocate_text, fail, text, unit};

/// The strings, `NAME=VALUE`, and a null pointer behind them.
#[unsafe(no_mangle)]
pub static mut environ: *mut *mut c_char = null_mut();

/// The array that `environ` names if it is ours, its null pointer included.
static OWN: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    OWN.try_hold()
}

pub(crate) unsafe fn set(start: &Start) {
    environ = start.envp().cast_mut().cast();
}

/// The array as it is now.
pub(crate) fn current() -> *mut *mut c_char {
    // SAFETY: a word that is read; who changes `environ` while others read it breaks C's rule.
    unsafe { environ }
}

unsafe fn entries() -> impl Iterator<Item = *mut c_char> {
    let array = environ;
    (0..).map_while(move |i| {
        if array.is_null() {
            return None;
        }
        let entry = *array.add(i);
        (!entry.is_null()).then_some(entry)
    })
}

/// The value in `entry` if it is the one of `name`.
unsafe fn value_of(entry: *mut c_char, name: &[u8]) -> Option<*mut c_char> {
    let rest = CStr::from_ptr(entry).to_bytes().strip_prefix(name)?;
    (rest.first() == Some(&b'=')).then(|| entry.add(name.len() + 1))
}

pub(crate) unsafe fn get(name: &[u8]) -> Option<&'static [u8]> {
    let value = entries().find_map(|entry| value_of(entry, name))?;
    Some(CStr::from_ptr(value).to_bytes())
}

/// Changes a copy of the list and makes it the environment.
unsafe fn change(edit: impl FnOnce(&mut Vec<usize>)) -> Result<()> {
    let mut own = OWN.lock();
    let mut new: Vec<usize> = Vec::new();
    let count = entries().count();
    if new.try_reserve(count + 2).is_err() {
        return fail(ENOMEM);
    }
    new.extend(entries().map(|entry| entry as usize));
    edit(&mut new);
    new.push(0);
    environ = new.as_mut_ptr().cast();
    *own = new;
    Ok(())
}

/// Puts an entry in the place of those of its name.
unsafe fn put(entry: *mut c_char, name: &[u8]) -> Result<()> {
    change(|list| {
        let mut placed = false;
        list.retain_mut(|old| {
            if value_of(*old as *mut c_char, name).is_none() {
                return true;
            }
            *old = entry as usize;
            !core::mem::replace(&mut placed, true)
        });
        if !placed {
            list.push(entry as usize);
        }
    })
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.contains(&b'=')
}

unsafe fn set_value(name: *const c_char, value: *const c_char, overwrite: bool) -> Result<()> {
    let (name, value) = (text(name)?, text(value)?);
    if !is_name(name) {
        return fail(EINVAL);
    }
    if !overwrite && get(name).is_some() {
        return Ok(());
    }
    let mut entry = Vec::new();
    if entry.try_reserve(name.len() + value.len() + 1).is_err() {
        return fail(ENOMEM);
    }
    entry.extend_from_slice(name);
    entry.push(b'=');
    entry.extend_from_slice(value);
    put(allocate_text(&entry)?, name)
}

c_api! {
    fn getenv(name: *const c_char) -> *mut c_char {
        let Ok(name) = text(name) else { return null_mut() };
        entries().find_map(|entry| value_of(entry, name)).unwrap_or(null_mut())
    }
    fn secure_getenv(name: *const c_char) -> *mut c_char { getenv(name) }
    fn setenv(name: *const c_char, value: *const c_char, overwrite: c_int) -> c_int {
        unit(set_value(name, value, overwrite != 0))
    }
    fn unsetenv(name: *const c_char) -> c_int {
        unit(text(name).and_then(|name| {
            if !is_name(name) {
                return fail(EINVAL);
            }
            change(|list| list.retain(|&entry| value_of(entry as *mut c_char, name).is_none()))
        }))
    }
    fn putenv(entry: *mut c_char) -> c_int {
        unit(text(entry).and_then(|bytes| match bytes.iter().position(|&b| b == b'=') {
            Some(end) if end > 0 => put(entry, &bytes[..end]),
            Some(_) => fail(EINVAL),
            None => change(|list| list.retain(|&old| value_of(old as *mut c_char, bytes).is_none())),
        }))
    }
    fn clearenv() -> c_int { unit(change(Vec::clear)) }
}
