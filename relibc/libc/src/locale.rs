//! `<locale.h>` and `<langinfo.h>`: the locales `C` (also `POSIX`) and `C.UTF-8`.

use crate::string::bytes;
use crate::sys::{getenv, set_errno};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};
use relibc_core::errno;
use relibc_core::multibyte::Charset;

/// Only `LC_CTYPE` differs between the two; the other categories remember what was set.
static UTF8: [AtomicBool; 6] = [const { AtomicBool::new(false) }; 6];
const LC_CTYPE: usize = 1;
const LC_ALL: usize = 6;

/// A thread's own locale: null for the global one, else a [`locale_t`](newlocale) value.
#[thread_local]
static mut OWN: usize = 0;
/// The two locale objects are the numbers 1 (`C`) and 2 (`C.UTF-8` in `LC_CTYPE`).
const OBJECT_C: usize = 1;
const OBJECT_UTF8: usize = 2;

/// The character set of the calling thread's locale.
pub fn charset() -> Charset {
    // SAFETY: a thread-local of this thread.
    let utf8 = match unsafe { OWN } {
        OBJECT_C => false,
        OBJECT_UTF8 => true,
        _ => UTF8[LC_CTYPE].load(Ordering::Relaxed),
    };
    if utf8 { Charset::Utf8 } else { Charset::C }
}

/// Whether a name means UTF-8; `None` if there is no such locale. `category` resolves the empty name.
unsafe fn resolve(name: &[u8], category: usize) -> Option<bool> {
    const VARIABLES: [&CStr; 6] = [
        c"LC_COLLATE",
        c"LC_CTYPE",
        c"LC_MESSAGES",
        c"LC_MONETARY",
        c"LC_NUMERIC",
        c"LC_TIME",
    ];
    match name {
        b"" => {
            for variable in [c"LC_ALL", VARIABLES[category.min(5)], c"LANG"] {
                let value = getenv(variable.as_ptr());
                if !value.is_null() && *value != 0 {
                    return resolve(bytes(value), category);
                }
            }
            Some(false)
        }
        b"C" | b"POSIX" => Some(false),
        // The texts of other languages are not there; their character set is.
        _ => {
            let lower = name.to_ascii_lowercase();
            (lower.ends_with(b".utf-8") || lower.ends_with(b".utf8")).then_some(true)
        }
    }
}

fn name_of(utf8: bool) -> &'static CStr {
    if utf8 { c"C.UTF-8" } else { c"C" }
}

/// `struct lconv`, in the order the `libc` crate gives, with C's later members at the end.
#[repr(C)]
pub struct Lconv {
    currency_symbol: *const c_char,
    decimal_point: *const c_char,
    frac_digits: c_char,
    grouping: *const c_char,
    int_curr_symbol: *const c_char,
    int_frac_digits: c_char,
    mon_decimal_point: *const c_char,
    mon_grouping: *const c_char,
    mon_thousands_sep: *const c_char,
    negative_sign: *const c_char,
    national_negative: [c_char; 3],
    positive_sign: *const c_char,
    national_positive: [c_char; 3],
    thousands_sep: *const c_char,
    international: [c_char; 6],
}

const EMPTY: *const c_char = c"".as_ptr();
const NONE: c_char = c_char::MAX;
static mut CONVENTIONS: Lconv = Lconv {
    currency_symbol: EMPTY,
    decimal_point: c".".as_ptr(),
    frac_digits: NONE,
    grouping: EMPTY,
    int_curr_symbol: EMPTY,
    int_frac_digits: NONE,
    mon_decimal_point: EMPTY,
    mon_grouping: EMPTY,
    mon_thousands_sep: EMPTY,
    negative_sign: EMPTY,
    national_negative: [NONE; 3],
    positive_sign: EMPTY,
    national_positive: [NONE; 3],
    thousands_sep: EMPTY,
    international: [NONE; 6],
};

/// The items of `<langinfo.h>` in order, the code set's place first.
const ITEMS: [&CStr; 55] = [
    c"",
    c".",
    c"",
    c"^[yY]",
    c"^[nN]",
    c"-",
    c"%a %b %e %H:%M:%S %Y",
    c"%m/%d/%y",
    c"%H:%M:%S",
    c"%I:%M:%S %p",
    c"AM",
    c"PM",
    c"",
    c"",
    c"",
    c"",
    c"",
    c"Sunday",
    c"Monday",
    c"Tuesday",
    c"Wednesday",
    c"Thursday",
    c"Friday",
    c"Saturday",
    c"Sun",
    c"Mon",
    c"Tue",
    c"Wed",
    c"Thu",
    c"Fri",
    c"Sat",
    c"January",
    c"February",
    c"March",
    c"April",
    c"May",
    c"June",
    c"July",
    c"August",
    c"September",
    c"October",
    c"November",
    c"December",
    c"Jan",
    c"Feb",
    c"Mar",
    c"Apr",
    c"May",
    c"Jun",
    c"Jul",
    c"Aug",
    c"Sep",
    c"Oct",
    c"Nov",
    c"Dec",
];

fn item(number: c_int, charset: Charset) -> *mut c_char {
    let text = match (number, charset) {
        (0, Charset::Utf8) => c"UTF-8",
        (0, Charset::C) => c"ANSI_X3.4-1968",
        _ => usize::try_from(number)
            .ok()
            .and_then(|n| ITEMS.get(n))
            .copied()
            .unwrap_or(c""),
    };
    text.as_ptr().cast_mut()
}

c_api! {
    fn setlocale(category: c_int, name: *const c_char) -> *mut c_char {
        static mut MIXED: [u8; 128] = [0; 128];
        let Some(category) = usize::try_from(category).ok().filter(|c| *c <= LC_ALL) else { return null_mut() };
        let range = if category == LC_ALL { 0..6 } else { category..category + 1 };
        if !name.is_null() {
            let name = bytes(name);
            let mut wanted = [false; 6];
            for (i, part) in (0..6).zip(core::iter::repeat(name)) {
                // What a mixed setting was reported as is understood again.
                let part = if category == LC_ALL && name.contains(&b';') { name.split(|c| *c == b';').nth(i).unwrap_or(b"?") } else { part };
                let Some(utf8) = resolve(part, i) else { return null_mut() };
                wanted[i] = utf8;
            }
            for i in range.clone() {
                UTF8[i].store(wanted[i], Ordering::Relaxed);
            }
        }
        let first = UTF8[range.start].load(Ordering::Relaxed);
        if range.clone().all(|i| UTF8[i].load(Ordering::Relaxed) == first) {
            return name_of(first).as_ptr().cast_mut();
        }
        let mut at = 0;
        let text = &mut MIXED;
        for i in range {
            let part = name_of(UTF8[i].load(Ordering::Relaxed)).to_bytes();
            text[at..at + part.len()].copy_from_slice(part);
            text[at + part.len()] = b';';
            at += part.len() + 1;
        }
        text[at - 1] = 0;
        (&raw mut MIXED).cast()
    }
    fn localeconv() -> *mut Lconv { &raw mut CONVENTIONS }
    fn nl_langinfo(number: c_int) -> *mut c_char { item(number, charset()) }
    fn nl_langinfo_l(number: c_int, locale: *mut c_void) -> *mut c_char {
        item(number, if locale as usize == OBJECT_UTF8 { Charset::Utf8 } else { Charset::C })
    }
    fn newlocale(mask: c_int, name: *const c_char, base: *mut c_void) -> *mut c_void {
        let Some(utf8) = resolve(bytes(name), LC_CTYPE) else {
            set_errno(errno::ENOENT);
            return null_mut();
        };
        let ctype = if mask & 1 << LC_CTYPE != 0 { utf8 } else { base as usize == OBJECT_UTF8 };
        (if ctype { OBJECT_UTF8 } else { OBJECT_C }) as *mut c_void
    }
    fn duplocale(locale: *mut c_void) -> *mut c_void {
        if locale as isize == -1 {
            return (if UTF8[LC_CTYPE].load(Ordering::Relaxed) { OBJECT_UTF8 } else { OBJECT_C }) as *mut c_void;
        }
        locale
    }
    fn freelocale(_locale: *mut c_void) {}
    fn uselocale(locale: *mut c_void) -> *mut c_void {
        let old = if OWN == 0 { usize::MAX } else { OWN };
        if !locale.is_null() {
            OWN = if locale as isize == -1 { 0 } else { locale as usize };
        }
        old as *mut c_void
    }
    fn __mb_cur_max() -> usize { if charset() == Charset::Utf8 { 4 } else { 1 } }
}
