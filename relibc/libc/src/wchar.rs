//! `<wchar.h>` and `<uchar.h>` without the streams, and the multibyte functions of `<stdlib.h>`.

use crate::locale::charset;
use crate::stdlib::{read_float, read_signed, read_unsigned};
use crate::sys::{malloc, set_errno};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::{copy, copy_nonoverlapping, null, null_mut};
use core::slice::from_raw_parts;
use relibc_core::ctype::to_lower;
use relibc_core::errno;
use relibc_core::float::{F32, F64};
use relibc_core::multibyte::{Decoded, State, decode, encode, width};

const INVALID: usize = usize::MAX;
const INCOMPLETE: usize = usize::MAX - 1;

/// A wide string as a slice.
pub(crate) unsafe fn wide<'s>(text: *const i32) -> &'s [i32] {
    from_raw_parts(text, wcslen(text))
}

unsafe fn state_or(state: *mut State, own: *mut State) -> &'static mut State {
    if state.is_null() {
        &mut *own
    } else {
        &mut *state
    }
}

unsafe fn compare(a: *const i32, b: *const i32, limit: usize, fold: bool) -> c_int {
    for i in 0..limit {
        let (mut x, mut y) = (*a.add(i), *b.add(i));
        if fold {
            (x, y) = (to_lower(x as u32) as i32, to_lower(y as u32) as i32);
        }
        if x != y {
            return if x < y { -1 } else { 1 };
        }
        if x == 0 {
            break;
        }
    }
    0
}

unsafe fn find(text: &[i32], mut test: impl FnMut(i32) -> bool) -> Option<usize> {
    text.iter().position(|c| test(*c))
}

c_api! {
    fn btowc(c: c_int) -> u32 {
        match u8::try_from(c) {
            Ok(b) => match decode(charset(), &mut State::default(), &[b]) {
                Decoded::Char(c, _) => c,
                _ => u32::MAX,
            },
            Err(_) => u32::MAX,
        }
    }
    fn wctob(c: u32) -> c_int {
        let mut buffer = [0; 4];
        match encode(charset(), c, &mut buffer) {
            Some(1) => c_int::from(buffer[0]),
            _ => -1,
        }
    }
    fn mbsinit(state: *const State) -> c_int { c_int::from(state.is_null() || *state == State::default()) }
    fn mbrtowc(to: *mut i32, text: *const c_char, size: usize, state: *mut State) -> usize {
        #[thread_local]
        static mut OWN: State = State { partial: 0, missing: 0 };
        let state = state_or(state, &raw mut OWN);
        if text.is_null() {
            return mbrtowc(null_mut(), c"".as_ptr(), 1, state);
        }
        if size == 0 {
            return INCOMPLETE;
        }
        // No more bytes than a character can have are looked at.
        let mut n = 1;
        while n < size.min(4) && *text.add(n - 1) as u8 >= 0x80 {
            n += 1;
        }
        match decode(charset(), state, from_raw_parts(text.cast(), n)) {
            Decoded::Char(c, used) => {
                if !to.is_null() {
                    *to = c as i32;
                }
                if c == 0 { 0 } else { used }
            }
            Decoded::Incomplete => INCOMPLETE,
            Decoded::Invalid => {
                set_errno(errno::EILSEQ);
                INVALID
            }
        }
    }
    fn mbrlen(text: *const c_char, size: usize, state: *mut State) -> usize {
        #[thread_local]
        static mut OWN: State = State { partial: 0, missing: 0 };
        mbrtowc(null_mut(), text, size, state_or(state, &raw mut OWN))
    }
    fn wcrtomb(text: *mut c_char, c: i32, state: *mut State) -> usize {
        if !state.is_null() {
            *state = State::default();
        }
        if text.is_null() {
            return 1;
        }
        let mut buffer = [0; 4];
        match encode(charset(), c as u32, &mut buffer) {
            Some(n) => {
                copy_nonoverlapping(buffer.as_ptr(), text.cast(), n);
                n
            }
            None => {
                set_errno(errno::EILSEQ);
                INVALID
            }
        }
    }
    fn mbsnrtowcs(to: *mut i32, from: *mut *const c_char, size: usize, count: usize, state: *mut State) -> usize {
        #[thread_local]
        static mut OWN: State = State { partial: 0, missing: 0 };
        let state = state_or(state, &raw mut OWN);
        let (mut at, mut left, mut n) = (*from, size, 0);
        let mut scratch = *state;
        let state = if to.is_null() { &mut scratch } else { state };
        while to.is_null() || n < count {
            let mut c = 0;
            let used = if left == 0 { INCOMPLETE } else { mbrtowc(&mut c, at, left, state) };
            match used {
                INVALID => {
                    if !to.is_null() {
                        *from = at;
                    }
                    return INVALID;
                }
                INCOMPLETE => {
                    at = at.wrapping_add(left);
                    break;
                }
                0 => {
                    if !to.is_null() {
                        *to.add(n) = 0;
                        *from = null();
                    }
                    return n;
                }
                used => {
                    if !to.is_null() {
                        *to.add(n) = c;
                    }
                    at = at.add(used);
                    left -= used;
                    n += 1;
                }
            }
        }
        if !to.is_null() {
            *from = at;
        }
        n
    }
    fn mbsrtowcs(to: *mut i32, from: *mut *const c_char, count: usize, state: *mut State) -> usize {
        mbsnrtowcs(to, from, usize::MAX / 2, count, state)
    }
    fn wcsnrtombs(to: *mut c_char, from: *mut *const i32, count: usize, size: usize, _state: *mut State) -> usize {
        let (mut at, mut written) = (*from, 0);
        for _ in 0..count {
            let mut buffer = [0; 4];
            let Some(n) = encode(charset(), *at as u32, &mut buffer) else {
                if !to.is_null() {
                    *from = at;
                }
                set_errno(errno::EILSEQ);
                return INVALID;
            };
            if !to.is_null() {
                if written + n > size {
                    break;
                }
                copy_nonoverlapping(buffer.as_ptr(), to.cast::<u8>().add(written), n);
            }
            if *at == 0 {
                if !to.is_null() {
                    *from = null();
                }
                return written;
            }
            written += n;
            at = at.add(1);
        }
        if !to.is_null() {
            *from = at;
        }
        written
    }
    fn wcsrtombs(to: *mut c_char, from: *mut *const i32, size: usize, state: *mut State) -> usize {
        wcsnrtombs(to, from, usize::MAX, size, state)
    }
    fn mblen(text: *const c_char, size: usize) -> c_int { mbtowc(null_mut(), text, size) }
    fn mbtowc(to: *mut i32, text: *const c_char, size: usize) -> c_int {
        if text.is_null() {
            return 0;
        }
        match mbrtowc(to, text, size, &mut State::default()) {
            INCOMPLETE => {
                set_errno(errno::EILSEQ);
                -1
            }
            n => n as c_int,
        }
    }
    fn wctomb(text: *mut c_char, c: i32) -> c_int { if text.is_null() { 0 } else { wcrtomb(text, c, null_mut()) as c_int } }
    fn mbstowcs(to: *mut i32, from: *const c_char, count: usize) -> usize { mbsrtowcs(to, &mut { from }, count, &mut State::default()) }
    fn wcstombs(to: *mut c_char, from: *const i32, size: usize) -> usize { wcsrtombs(to, &mut { from }, size, null_mut()) }
    fn mbrtoc32(to: *mut i32, text: *const c_char, size: usize, state: *mut State) -> usize {
        #[thread_local]
        static mut OWN: State = State { partial: 0, missing: 0 };
        mbrtowc(to, text, size, state_or(state, &raw mut OWN))
    }
    fn c32rtomb(text: *mut c_char, c: i32, state: *mut State) -> usize { wcrtomb(text, c, state) }
    fn mbrtoc16(to: *mut u16, text: *const c_char, size: usize, state: *mut State) -> usize {
        #[thread_local]
        static mut OWN: State = State { partial: 0, missing: 0 };
        const LOW: u32 = 0xff;
        let state = state_or(state, &raw mut OWN);
        // A low surrogate waiting to be delivered is marked by an impossible count.
        if state.missing == LOW {
            if !to.is_null() {
                *to = state.partial as u16;
            }
            *state = State::default();
            return usize::MAX - 2;
        }
        let mut c = 0;
        let n = mbrtowc(&mut c, text, size, state);
        if n < INCOMPLETE - 1 {
            let c = c as u32;
            let first = if c >= 0x1_0000 {
                *state = State { partial: 0xDC00 | (c & 0x3ff), missing: LOW };
                0xD800 | ((c - 0x1_0000) >> 10)
            } else {
                c
            };
            if !to.is_null() {
                *to = first as u16;
            }
        }
        n
    }
    fn c16rtomb(text: *mut c_char, c: u16, state: *mut State) -> usize {
        #[thread_local]
        static mut OWN: State = State { partial: 0, missing: 0 };
        let state = state_or(state, &raw mut OWN);
        if text.is_null() {
            *state = State::default();
            return 1;
        }
        let unit = u32::from(c);
        if state.partial != 0 {
            let high = core::mem::take(&mut state.partial);
            if (0xDC00..0xE000).contains(&unit) {
                return wcrtomb(text, (0x1_0000 + ((high & 0x3ff) << 10 | (unit & 0x3ff))) as i32, null_mut());
            }
            set_errno(errno::EILSEQ);
            return INVALID;
        }
        if (0xD800..0xDC00).contains(&unit) {
            state.partial = unit;
            return 0;
        }
        wcrtomb(text, unit as i32, null_mut())
    }

    fn wcslen(text: *const i32) -> usize {
        let mut n = 0;
        while *text.add(n) != 0 {
            n += 1;
        }
        n
    }
    fn wcsnlen(text: *const i32, count: usize) -> usize { (0..count).find(|i| *text.add(*i) == 0).unwrap_or(count) }
    fn wcpcpy(to: *mut i32, from: *const i32) -> *mut i32 {
        let n = wcslen(from);
        copy_nonoverlapping(from, to, n + 1);
        to.add(n)
    }
    fn wcscpy(to: *mut i32, from: *const i32) -> *mut i32 {
        wcpcpy(to, from);
        to
    }
    fn wcpncpy(to: *mut i32, from: *const i32, count: usize) -> *mut i32 {
        let n = wcsnlen(from, count);
        copy_nonoverlapping(from, to, n);
        to.add(n).write_bytes(0, count - n);
        to.add(n)
    }
    fn wcsncpy(to: *mut i32, from: *const i32, count: usize) -> *mut i32 {
        wcpncpy(to, from, count);
        to
    }
    fn wcscat(to: *mut i32, from: *const i32) -> *mut i32 {
        wcscpy(to.add(wcslen(to)), from);
        to
    }
    fn wcsncat(to: *mut i32, from: *const i32, count: usize) -> *mut i32 {
        let (at, n) = (to.add(wcslen(to)), wcsnlen(from, count));
        copy_nonoverlapping(from, at, n);
        *at.add(n) = 0;
        to
    }
    fn wcscmp(a: *const i32, b: *const i32) -> c_int { compare(a, b, usize::MAX, false) }
    fn wcsncmp(a: *const i32, b: *const i32, count: usize) -> c_int { compare(a, b, count, false) }
    fn wcscasecmp(a: *const i32, b: *const i32) -> c_int { compare(a, b, usize::MAX, true) }
    fn wcsncasecmp(a: *const i32, b: *const i32, count: usize) -> c_int { compare(a, b, count, true) }
    fn wcscasecmp_l(a: *const i32, b: *const i32, _locale: *mut c_void) -> c_int { compare(a, b, usize::MAX, true) }
    fn wcsncasecmp_l(a: *const i32, b: *const i32, count: usize, _locale: *mut c_void) -> c_int { compare(a, b, count, true) }
    fn wcscoll(a: *const i32, b: *const i32) -> c_int { compare(a, b, usize::MAX, false) }
    fn wcscoll_l(a: *const i32, b: *const i32, _locale: *mut c_void) -> c_int { compare(a, b, usize::MAX, false) }
    fn wcsxfrm(to: *mut i32, from: *const i32, count: usize) -> usize {
        let text = wide(from);
        if let Some(room) = count.checked_sub(1) {
            let n = text.len().min(room);
            copy_nonoverlapping(from, to, n);
            *to.add(n) = 0;
        }
        text.len()
    }
    fn wcsxfrm_l(to: *mut i32, from: *const i32, count: usize, _locale: *mut c_void) -> usize { wcsxfrm(to, from, count) }
    fn wcschr(text: *const i32, c: i32) -> *mut i32 { wmemchr(text, c, wcslen(text) + 1) }
    fn wcsrchr(text: *const i32, c: i32) -> *mut i32 {
        (0..=wcslen(text)).rev().find(|i| *text.add(*i) == c).map_or(null_mut(), |i| text.add(i).cast_mut())
    }
    fn wcsspn(text: *const i32, accept: *const i32) -> usize {
        let set = wide(accept);
        find(wide(text), |c| !set.contains(&c)).unwrap_or(wcslen(text))
    }
    fn wcscspn(text: *const i32, reject: *const i32) -> usize {
        let set = wide(reject);
        find(wide(text), |c| set.contains(&c)).unwrap_or(wcslen(text))
    }
    fn wcspbrk(text: *const i32, accept: *const i32) -> *mut i32 {
        let at = text.add(wcscspn(text, accept));
        if *at == 0 { null_mut() } else { at.cast_mut() }
    }
    fn wcsstr(text: *const i32, part: *const i32) -> *mut i32 {
        let (t, p) = (wide(text), wide(part));
        if p.is_empty() {
            return text.cast_mut();
        }
        t.windows(p.len()).position(|w| w == p).map_or(null_mut(), |i| text.add(i).cast_mut())
    }
    fn wcswcs(text: *const i32, part: *const i32) -> *mut i32 { wcsstr(text, part) }
    fn wcstok(text: *mut i32, separators: *const i32, state: *mut *mut i32) -> *mut i32 {
        let mut at = if text.is_null() { *state } else { text };
        if at.is_null() {
            return null_mut();
        }
        at = at.add(wcsspn(at, separators));
        if *at == 0 {
            *state = null_mut();
            return null_mut();
        }
        let end = at.add(wcscspn(at, separators));
        *state = if *end == 0 { null_mut() } else { end.add(1) };
        *end = 0;
        at
    }
    fn wcsdup(text: *const i32) -> *mut i32 {
        let n = wcslen(text) + 1;
        let memory = malloc(n * 4).cast::<i32>();
        if !memory.is_null() {
            copy_nonoverlapping(text, memory, n);
        }
        memory
    }
    fn wmemchr(memory: *const i32, c: i32, count: usize) -> *mut i32 {
        (0..count).find(|i| *memory.add(*i) == c).map_or(null_mut(), |i| memory.add(i).cast_mut())
    }
    fn wmemcmp(a: *const i32, b: *const i32, count: usize) -> c_int { from_raw_parts(a, count).cmp(from_raw_parts(b, count)) as c_int }
    fn wmemcpy(to: *mut i32, from: *const i32, count: usize) -> *mut i32 {
        copy_nonoverlapping(from, to, count);
        to
    }
    fn wmempcpy(to: *mut i32, from: *const i32, count: usize) -> *mut i32 {
        copy_nonoverlapping(from, to, count);
        to.add(count)
    }
    fn wmemmove(to: *mut i32, from: *const i32, count: usize) -> *mut i32 {
        copy(from, to, count);
        to
    }
    fn wmemset(memory: *mut i32, c: i32, count: usize) -> *mut i32 {
        for i in 0..count {
            *memory.add(i) = c;
        }
        memory
    }
    fn wcwidth(c: i32) -> c_int { width(c as u32) }
    fn wcswidth(text: *const i32, count: usize) -> c_int {
        let mut total = 0;
        for i in 0..count {
            match *text.add(i) {
                0 => break,
                c => match width(c as u32) {
                    -1 => return -1,
                    w => total += w,
                },
            }
        }
        total
    }
    fn wcstol(text: *const i32, end: *mut *mut i32, base: c_int) -> i64 { read_signed(text, end, base) }
    fn wcstoll(text: *const i32, end: *mut *mut i32, base: c_int) -> i64 { read_signed(text, end, base) }
    fn wcstoimax(text: *const i32, end: *mut *mut i32, base: c_int) -> i64 { read_signed(text, end, base) }
    fn wcstoul(text: *const i32, end: *mut *mut i32, base: c_int) -> u64 { read_unsigned(text, end, base) }
    fn wcstoull(text: *const i32, end: *mut *mut i32, base: c_int) -> u64 { read_unsigned(text, end, base) }
    fn wcstoumax(text: *const i32, end: *mut *mut i32, base: c_int) -> u64 { read_unsigned(text, end, base) }
    fn wcstod(text: *const i32, end: *mut *mut i32) -> f64 { read_float(text, end, F64).to_f64() }
    fn wcstof(text: *const i32, end: *mut *mut i32) -> f32 { read_float(text, end, F32).to_f32() }
}
