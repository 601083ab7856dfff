//! `<wordexp.h>`.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use relibc_core::words::{Error, Options, Shell, expand};

use super::{environment, glob, popen, users};
use crate::string::bytes;
use crate::sys;

const DOOFFS: c_int = 1;
const APPEND: c_int = 2;
const NOCMD: c_int = 4;
const REUSE: c_int = 8;
const SHOWERR: c_int = 16;
const UNDEF: c_int = 32;
const NOSPACE: c_int = 1;

/// `wordexp_t`.
#[repr(C)]
pub struct Words {
    we_wordc: usize,
    we_wordv: *mut *mut c_char,
    we_offs: usize,
}

struct System {
    show_errors: bool,
}

impl Shell for System {
    fn variable(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        // SAFETY: the environment's strings are valid as C's rule has it.
        unsafe { environment::get(name) }.map(<[u8]>::to_vec)
    }
    fn assign(&mut self, name: &[u8], value: &[u8]) {
        let (name, value) = ([name, b"\0"].concat(), [value, b"\0"].concat());
        // SAFETY: two strings that end with a zero.
        unsafe { environment::setenv(name.as_ptr().cast(), value.as_ptr().cast(), 1) };
    }
    fn home(&mut self, user: &[u8]) -> Option<Vec<u8>> {
        if user.is_empty()
            && let Some(home) = self.variable(b"HOME")
        {
            return Some(home);
        }
        users::home_of(user)
    }
    fn command(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        // SAFETY: the text gets its zero there.
        unsafe { popen::output_of(text, self.show_errors) }.ok()
    }
    fn paths(&mut self, pattern: &[u8]) -> Vec<Vec<u8>> {
        glob::paths(pattern)
    }
    fn complain(&mut self, text: &[u8]) {
        if self.show_errors {
            redox_rt::eprintln!("{}", text.escape_ascii());
        }
    }
}

unsafe fn copy(word: &[u8]) -> Option<*mut c_char> {
    let memory = sys::malloc(word.len() + 1).cast::<u8>();
    if memory.is_null() {
        return None;
    }
    memory.copy_from_nonoverlapping(word.as_ptr(), word.len());
    memory.add(word.len()).write(0);
    Some(memory.cast())
}

unsafe fn add(out: &mut Words, words: &[Vec<u8>], offset: usize) -> c_int {
    let first = out.we_wordv.is_null();
    let size = (offset + out.we_wordc + words.len() + 1) * size_of::<*mut c_char>();
    let list = sys::realloc(out.we_wordv.cast(), size).cast::<*mut c_char>();
    if list.is_null() {
        return NOSPACE;
    }
    if first {
        list.write_bytes(0, offset);
    }
    out.we_wordv = list;
    let mut status = 0;
    for word in words {
        let Some(text) = copy(word) else {
            status = NOSPACE;
            break;
        };
        list.add(offset + out.we_wordc).write(text);
        out.we_wordc += 1;
    }
    list.add(offset + out.we_wordc).write(null_mut());
    status
}

c_api! {
    fn wordexp(text: *const c_char, out: *mut Words, flags: c_int) -> c_int {
        let out = &mut *out;
        let options = Options { no_commands: flags & NOCMD != 0, undefined: flags & UNDEF != 0, charset: crate::locale::charset() };
        let mut system = System { show_errors: flags & SHOWERR != 0 };
        let words = expand(bytes(text), options, &mut system);
        if flags & REUSE != 0 && flags & APPEND == 0 {
            wordfree(out);
        }
        if flags & DOOFFS == 0 {
            out.we_offs = 0;
        }
        if flags & APPEND == 0 {
            out.we_wordc = 0;
            out.we_wordv = null_mut();
        }
        match words {
            Ok(words) => add(out, &words, out.we_offs),
            Err(error @ (Error::BadCharacter | Error::Undefined | Error::Command | Error::Syntax)) => error as c_int,
        }
    }
    fn wordfree(out: *mut Words) {
        let out = &mut *out;
        if out.we_wordv.is_null() {
            return;
        }
        for i in 0..out.we_wordc {
            sys::free((*out.we_wordv.add(out.we_offs + i)).cast());
        }
        sys::free(out.we_wordv.cast());
        out.we_wordc = 0;
        out.we_wordv = null_mut();
    }
}
