//! `<getopt.h>`.

use crate::stdio::{fputs, stderr};
use crate::string::bytes;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::ptr::{null, null_mut};
use relibc_core::getopt::{self, Found, Long, Position, Value};

/// Argument of the option found.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut optarg: *mut c_char = null_mut();
/// Index of the next argument.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut optind: c_int = 1;
/// Whether messages are printed.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut opterr: c_int = 1;
/// The option that was wrong.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut optopt: c_int = 0;

/// `struct option`.
#[repr(C)]
pub struct COption {
    pub name: *const c_char,
    pub has_arg: c_int,
    pub flag: *mut c_int,
    pub val: c_int,
}

static mut POSITION: Position = Position {
    index: 0,
    letter: 0,
    first: 0,
    last: 0,
};

#[derive(Clone, Copy)]
struct Argument(*mut c_char);

impl AsRef<[u8]> for Argument {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the elements of `argv` are C strings.
        unsafe { bytes(self.0) }
    }
}

unsafe fn parse(
    argc: c_int,
    argv: *mut Argument,
    short: *const c_char,
    long: *const COption,
    index: *mut c_int,
    long_only: bool,
) -> c_int {
    let Ok(argc) = usize::try_from(argc) else {
        return -1;
    };
    if argc == 0 {
        return -1;
    }
    let args = core::slice::from_raw_parts_mut(argv, argc);
    let short = bytes(short);
    let mut options = Vec::new();
    while !long.is_null() && !(*long.add(options.len())).name.is_null() {
        let o = &*long.add(options.len());
        options.push(Long {
            name: bytes(o.name),
            argument: o.has_arg,
            identity: (o.flag as usize, o.val, o.has_arg),
        });
    }
    let at = &mut POSITION;
    // The program may move the index; inside a cluster that starts over.
    if optind <= 0 {
        *at = Position::default();
    } else if at.index != optind as usize {
        let start = optind as usize;
        *at = Position {
            index: start,
            letter: 0,
            first: start,
            last: start,
        };
    }
    let posix = !crate::sys::getenv(c"POSIXLY_CORRECT".as_ptr()).is_null();
    let found = getopt::next(args, short, &options, long_only, posix, at);
    optind = at.index as c_int;
    optarg = null_mut();
    let quiet = short
        .trim_ascii_start()
        .strip_prefix(b"-")
        .or(short.strip_prefix(b"+"))
        .unwrap_or(short)
        .starts_with(b":");
    let text = |v: Value| -> *mut c_char { args[v.index].0.add(v.offset) };
    let complain = |message: String| {
        if opterr != 0 && !quiet {
            let line = alloc::format!(
                "{}: {message}\n\0",
                String::from_utf8_lossy(args[0].as_ref())
            );
            fputs(line.as_ptr().cast(), stderr);
        }
    };
    let name = |i: usize| String::from_utf8_lossy(options[i].name).into_owned();
    let missing = if quiet {
        c_int::from(b':')
    } else {
        c_int::from(b'?')
    };
    match found {
        Found::End => -1,
        Found::Operand(v) => {
            optarg = text(v);
            1
        }
        Found::Short(c, v) => {
            optarg = v.map_or(null_mut(), text);
            c_int::from(c)
        }
        Found::Long(i, v) => {
            optarg = v.map_or(null_mut(), text);
            if !index.is_null() {
                *index = i as c_int;
            }
            let option = &*long.add(i);
            if option.flag.is_null() {
                return option.val;
            }
            *option.flag = option.val;
            0
        }
        Found::Unknown(c) => {
            optopt = c_int::from(c);
            complain(alloc::format!("invalid option -- '{}'", c as char));
            c_int::from(b'?')
        }
        Found::UnknownLong(v) | Found::Ambiguous(v) => {
            optopt = 0;
            let what = if matches!(found, Found::Ambiguous(_)) {
                "ambiguous"
            } else {
                "unrecognized"
            };
            complain(alloc::format!(
                "{what} option '{}'",
                String::from_utf8_lossy(args[v.index].as_ref())
            ));
            c_int::from(b'?')
        }
        Found::MissingShort(c) => {
            optopt = c_int::from(c);
            complain(alloc::format!(
                "option requires an argument -- '{}'",
                c as char
            ));
            missing
        }
        Found::MissingLong(i) => {
            optopt = (*long.add(i)).val;
            complain(alloc::format!(
                "option '--{}' requires an argument",
                name(i)
            ));
            missing
        }
        Found::Unexpected(i) => {
            optopt = (*long.add(i)).val;
            complain(alloc::format!(
                "option '--{}' doesn't allow an argument",
                name(i)
            ));
            c_int::from(b'?')
        }
    }
}

c_api! {
    fn getopt(argc: c_int, argv: *const *mut c_char, short: *const c_char) -> c_int {
        parse(argc, argv.cast_mut().cast(), short, null(), null_mut(), false)
    }
    fn getopt_long(argc: c_int, argv: *const *mut c_char, short: *const c_char, long: *const COption, index: *mut c_int) -> c_int {
        parse(argc, argv.cast_mut().cast(), short, long, index, false)
    }
    fn getopt_long_only(argc: c_int, argv: *const *mut c_char, short: *const c_char, long: *const COption, index: *mut c_int) -> c_int {
        parse(argc, argv.cast_mut().cast(), short, long, index, true)
    }
}
