//! `<regex.h>` and `<fnmatch.h>`.

use crate::locale::charset;
use crate::string::bytes;
use alloc::boxed::Box;
use core::ffi::{c_char, c_int, c_long};
use core::ptr::null_mut;
use core::slice::{from_raw_parts, from_raw_parts_mut};
use relibc_core::fnmatch::{Flags, characters, matches};
use relibc_core::regex::{self, MESSAGES, Options, Regex};

struct Compiled {
    regex: Regex,
    no_sub: bool,
}

/// `regex_t`.
#[repr(C)]
pub struct CRegex {
    pub re_nsub: usize,
    program: *mut Compiled,
}

/// `regmatch_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CMatch {
    pub rm_so: c_long,
    pub rm_eo: c_long,
}

const STARTEND: c_int = 64;

c_api! {
    fn regcomp(out: *mut CRegex, pattern: *const c_char, flags: c_int) -> c_int {
        let options = Options { extended: flags & 1 != 0, ignore_case: flags & 2 != 0, newline: flags & 8 != 0, charset: charset() };
        match Regex::new(bytes(pattern), options) {
            Ok(regex) => {
                (*out).re_nsub = regex.groups();
                (*out).program = Box::into_raw(Box::new(Compiled { regex, no_sub: flags & 4 != 0 }));
                0
            }
            Err(e) => {
                (*out).program = null_mut();
                e as c_int
            }
        }
    }
    fn regexec(regex: *const CRegex, text: *const c_char, count: usize, out: *mut CMatch, flags: c_int) -> c_int {
        let Some(compiled) = (*regex).program.as_ref() else { return regex::Error::BadPattern as c_int };
        let (text, base) = if flags & STARTEND != 0 {
            let (start, end) = ((*out).rm_so, (*out).rm_eo);
            (from_raw_parts(text.offset(start as isize).cast::<u8>(), (end - start).max(0) as usize), start)
        } else {
            (bytes(text), 0)
        };
        let wanted = if compiled.no_sub { 0 } else { count };
        let flags = regex::Flags { not_begin: flags & 16 != 0, not_end: flags & 32 != 0 };
        match compiled.regex.find(text, wanted, flags) {
            Ok(Some(spans)) => {
                if wanted > 0 {
                    for (i, slot) in from_raw_parts_mut(out, wanted).iter_mut().enumerate() {
                        *slot = match spans.get(i).copied().flatten() {
                            Some((start, end)) => CMatch { rm_so: base + start as c_long, rm_eo: base + end as c_long },
                            None => CMatch { rm_so: -1, rm_eo: -1 },
                        };
                    }
                }
                0
            }
            Ok(None) => 1,
            Err(e) => e as c_int,
        }
    }
    fn regerror(error: c_int, _regex: *const CRegex, buffer: *mut c_char, size: usize) -> usize {
        let text = usize::try_from(error).ok().and_then(|e| MESSAGES.get(e)).unwrap_or(&"Unknown error").as_bytes();
        if size > 0 {
            let n = text.len().min(size - 1);
            core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), n);
            *buffer.add(n) = 0;
        }
        text.len() + 1
    }
    fn regfree(regex: *mut CRegex) {
        if !(*regex).program.is_null() {
            drop(Box::from_raw((*regex).program));
            (*regex).program = null_mut();
        }
    }
    fn fnmatch(pattern: *const c_char, text: *const c_char, flags: c_int) -> c_int {
        let set = charset();
        let flags = Flags {
            pathname: flags & 1 != 0, no_escape: flags & 2 != 0, period: flags & 4 != 0, leading_dir: flags & 8 != 0, case_fold: flags & 16 != 0,
        };
        c_int::from(!matches(&characters(bytes(pattern), set), &characters(bytes(text), set), flags))
    }
}
