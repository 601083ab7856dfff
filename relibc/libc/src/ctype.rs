//! `<ctype.h>` and `<wctype.h>`.

use core::ffi::{c_char, c_int, c_ulong, c_void};
use relibc_core::ctype::{self, Class};

macro_rules! classes {
    ($(($class:ident, fn $narrow:ident, fn $narrow_l:ident, fn $wide:ident, fn $wide_l:ident))*) => {
        $(c_api! {
            fn $narrow(c: c_int) -> c_int { c_int::from(ctype::is(Class::$class, c)) }
            fn $narrow_l(c: c_int, _locale: *mut c_void) -> c_int { c_int::from(ctype::is(Class::$class, c)) }
            fn $wide(c: u32) -> c_int { c_int::from(ctype::is_wide(Class::$class, c)) }
            fn $wide_l(c: u32, _locale: *mut c_void) -> c_int { c_int::from(ctype::is_wide(Class::$class, c)) }
        })*
    };
}

classes! {
    (Alnum, fn isalnum, fn isalnum_l, fn iswalnum, fn iswalnum_l)
    (Alpha, fn isalpha, fn isalpha_l, fn iswalpha, fn iswalpha_l)
    (Blank, fn isblank, fn isblank_l, fn iswblank, fn iswblank_l)
    (Cntrl, fn iscntrl, fn iscntrl_l, fn iswcntrl, fn iswcntrl_l)
    (Digit, fn isdigit, fn isdigit_l, fn iswdigit, fn iswdigit_l)
    (Graph, fn isgraph, fn isgraph_l, fn iswgraph, fn iswgraph_l)
    (Lower, fn islower, fn islower_l, fn iswlower, fn iswlower_l)
    (Print, fn isprint, fn isprint_l, fn iswprint, fn iswprint_l)
    (Punct, fn ispunct, fn ispunct_l, fn iswpunct, fn iswpunct_l)
    (Space, fn isspace, fn isspace_l, fn iswspace, fn iswspace_l)
    (Upper, fn isupper, fn isupper_l, fn iswupper, fn iswupper_l)
    (Xdigit, fn isxdigit, fn isxdigit_l, fn iswxdigit, fn iswxdigit_l)
}

/// Lower case of an ASCII letter; anything else as it is.
pub fn lower(c: c_int) -> c_int {
    if (65..=90).contains(&c) { c | 0x20 } else { c }
}

fn upper(c: c_int) -> c_int {
    if (97..=122).contains(&c) { c & 0x5f } else { c }
}

c_api! {
    fn tolower(c: c_int) -> c_int { lower(c) }
    fn toupper(c: c_int) -> c_int { upper(c) }
    fn tolower_l(c: c_int, _locale: *mut c_void) -> c_int { lower(c) }
    fn toupper_l(c: c_int, _locale: *mut c_void) -> c_int { upper(c) }
    fn isascii(c: c_int) -> c_int { c_int::from(c & !0x7f == 0) }
    fn toascii(c: c_int) -> c_int { c & 0x7f }
    fn towlower(c: u32) -> u32 { ctype::to_lower(c) }
    fn towupper(c: u32) -> u32 { ctype::to_upper(c) }
    fn towlower_l(c: u32, _locale: *mut c_void) -> u32 { ctype::to_lower(c) }
    fn towupper_l(c: u32, _locale: *mut c_void) -> u32 { ctype::to_upper(c) }

    fn wctype(name: *const c_char) -> c_ulong {
        Class::by_name(core::ffi::CStr::from_ptr(name).to_bytes()).map_or(0, |c| c as c_ulong)
    }
    fn wctype_l(name: *const c_char, _locale: *mut c_void) -> c_ulong { wctype(name) }
    fn iswctype(c: u32, kind: c_ulong) -> c_int {
        c_int::from(u32::try_from(kind).ok().and_then(Class::by_number).is_some_and(|k| ctype::is_wide(k, c)))
    }
    fn iswctype_l(c: u32, kind: c_ulong, _locale: *mut c_void) -> c_int { iswctype(c, kind) }
    fn wctrans(name: *const c_char) -> c_ulong {
        match core::ffi::CStr::from_ptr(name).to_bytes() {
            b"tolower" => 1,
            b"toupper" => 2,
            _ => 0,
        }
    }
    fn wctrans_l(name: *const c_char, _locale: *mut c_void) -> c_ulong { wctrans(name) }
    fn towctrans(c: u32, mapping: c_ulong) -> u32 {
        match mapping {
            1 => ctype::to_lower(c),
            2 => ctype::to_upper(c),
            _ => c,
        }
    }
    fn towctrans_l(c: u32, mapping: c_ulong, _locale: *mut c_void) -> u32 { towctrans(c, mapping) }
}
