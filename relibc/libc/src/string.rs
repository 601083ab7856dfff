//! `<string.h>` and `<strings.h>`. `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp` and `strlen` come
//! from `compiler_builtins`.

use crate::ctype::lower;
use crate::sys::{malloc, set_errno};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{copy, copy_nonoverlapping, null_mut};
use core::slice::{from_raw_parts, from_raw_parts_mut};
use relibc_core::errno;

const ONES: usize = usize::MAX / 255;
const HIGHS: usize = ONES * 128;

/// Whether a word has a zero byte.
fn has_zero(word: usize) -> bool {
    word.wrapping_sub(ONES) & !word & HIGHS != 0
}

/// The first occurrence of a byte in `size` bytes, eight at a time once aligned.
unsafe fn find(memory: *const u8, byte: u8, size: usize) -> *const u8 {
    let mut at = memory;
    let end = memory.wrapping_add(size);
    while at != end && !(at as usize).is_multiple_of(8) {
        if *at == byte {
            return at;
        }
        at = at.add(1);
    }
    let pattern = ONES * usize::from(byte);
    while end as usize - at as usize >= 8 && !has_zero(at.cast::<usize>().read() ^ pattern) {
        at = at.add(8);
    }
    while at != end {
        if *at == byte {
            return at;
        }
        at = at.add(1);
    }
    core::ptr::null()
}

/// The bytes of a C string.
pub(crate) unsafe fn bytes<'s>(text: *const c_char) -> &'s [u8] {
    CStr::from_ptr(text).to_bytes()
}

/// A set of bytes for the span functions.
struct Set([u64; 4]);

impl Set {
    unsafe fn of(text: *const c_char) -> Set {
        let mut set = Set([0; 4]);
        for b in bytes(text) {
            set.0[usize::from(*b >> 6)] |= 1 << (b & 63);
        }
        set
    }

    fn has(&self, b: u8) -> bool {
        self.0[usize::from(b >> 6)] >> (b & 63) & 1 != 0
    }
}

unsafe fn compare(a: *const c_char, b: *const c_char, limit: usize, fold: bool) -> c_int {
    for i in 0..limit {
        let (mut x, mut y) = (c_int::from(*a.add(i) as u8), c_int::from(*b.add(i) as u8));
        if fold {
            (x, y) = (lower(x), lower(y));
        }
        if x != y {
            return x - y;
        }
        if x == 0 {
            break;
        }
    }
    0
}

/// The position of `part` in `text`, by a rolling hash: linear unless hashes are made to collide.
pub(crate) fn position(text: &[u8], part: &[u8], same: impl Fn(u8) -> u8) -> Option<usize> {
    if part.len() > text.len() {
        return None;
    }
    const BASE: u64 = 0x100_0000_01b3;
    let (mut want, mut have, mut power) = (0u64, 0u64, 1u64);
    for (p, t) in part.iter().zip(text) {
        want = want.wrapping_mul(BASE).wrapping_add(u64::from(same(*p)));
        have = have.wrapping_mul(BASE).wrapping_add(u64::from(same(*t)));
        power = power.wrapping_mul(BASE);
    }
    let mut at = 0;
    loop {
        if want == have
            && part
                .iter()
                .zip(&text[at..])
                .all(|(a, b)| same(*a) == same(*b))
        {
            return Some(at);
        }
        let next = *text.get(at + part.len())?;
        have = have
            .wrapping_mul(BASE)
            .wrapping_add(u64::from(same(next)))
            .wrapping_sub(power.wrapping_mul(u64::from(same(text[at]))));
        at += 1;
    }
}

unsafe fn duplicate(text: &[u8]) -> *mut c_char {
    let memory = malloc(text.len() + 1).cast::<u8>();
    if !memory.is_null() {
        copy_nonoverlapping(text.as_ptr(), memory, text.len());
        *memory.add(text.len()) = 0;
    }
    memory.cast()
}

c_api! {
    fn memchr(memory: *const c_void, byte: c_int, size: usize) -> *mut c_void {
        find(memory.cast(), byte as u8, size).cast_mut().cast()
    }
    fn rawmemchr(memory: *const c_void, byte: c_int) -> *mut c_void {
        let mut at = memory.cast::<u8>();
        while *at != byte as u8 {
            at = at.add(1);
        }
        at.cast_mut().cast()
    }
    fn memrchr(memory: *const c_void, byte: c_int, size: usize) -> *mut c_void {
        let memory = memory.cast::<u8>();
        (0..size).rev().find(|i| *memory.add(*i) == byte as u8).map_or(null_mut(), |i| memory.add(i).cast_mut().cast())
    }
    fn memccpy(to: *mut c_void, from: *const c_void, byte: c_int, size: usize) -> *mut c_void {
        let found = find(from.cast(), byte as u8, size);
        let n = if found.is_null() { size } else { found as usize - from as usize + 1 };
        copy_nonoverlapping(from.cast::<u8>(), to.cast(), n);
        if found.is_null() { null_mut() } else { to.cast::<u8>().add(n).cast() }
    }
    fn mempcpy(to: *mut c_void, from: *const c_void, size: usize) -> *mut c_void {
        copy_nonoverlapping(from.cast::<u8>(), to.cast(), size);
        to.cast::<u8>().add(size).cast()
    }
    fn memmem(text: *const c_void, size: usize, part: *const c_void, part_size: usize) -> *mut c_void {
        if part_size == 0 {
            return text.cast_mut();
        }
        if size < part_size {
            return null_mut();
        }
        let found = position(from_raw_parts(text.cast(), size), from_raw_parts(part.cast(), part_size), |b| b);
        found.map_or(null_mut(), |i| text.cast::<u8>().add(i).cast_mut().cast())
    }
    fn explicit_bzero(memory: *mut c_void, size: usize) {
        for i in 0..size {
            memory.cast::<u8>().add(i).write_volatile(0);
        }
    }
    fn bzero(memory: *mut c_void, size: usize) {
        memory.cast::<u8>().write_bytes(0, size);
    }
    fn bcopy(from: *const c_void, to: *mut c_void, size: usize) {
        copy(from.cast::<u8>(), to.cast(), size);
    }
    fn strnlen(text: *const c_char, size: usize) -> usize {
        (0..size).find(|i| *text.add(*i) == 0).unwrap_or(size)
    }
    fn strchrnul(text: *const c_char, c: c_int) -> *mut c_char {
        let mut at = text;
        while *at != 0 && *at != c as c_char {
            at = at.add(1);
        }
        at.cast_mut()
    }
    fn strchr(text: *const c_char, c: c_int) -> *mut c_char {
        let at = strchrnul(text, c);
        if *at == c as c_char { at } else { null_mut() }
    }
    fn strrchr(text: *const c_char, c: c_int) -> *mut c_char {
        memrchr(text.cast(), c, bytes(text).len() + 1).cast()
    }
    fn index(text: *const c_char, c: c_int) -> *mut c_char { strchr(text, c) }
    fn rindex(text: *const c_char, c: c_int) -> *mut c_char { strrchr(text, c) }
    fn strcmp(a: *const c_char, b: *const c_char) -> c_int { compare(a, b, usize::MAX, false) }
    fn strncmp(a: *const c_char, b: *const c_char, size: usize) -> c_int { compare(a, b, size, false) }
    fn strcasecmp(a: *const c_char, b: *const c_char) -> c_int { compare(a, b, usize::MAX, true) }
    fn strncasecmp(a: *const c_char, b: *const c_char, size: usize) -> c_int { compare(a, b, size, true) }
    fn strcasecmp_l(a: *const c_char, b: *const c_char, _locale: *mut c_void) -> c_int { compare(a, b, usize::MAX, true) }
    fn strncasecmp_l(a: *const c_char, b: *const c_char, size: usize, _locale: *mut c_void) -> c_int { compare(a, b, size, true) }
    fn strcoll(a: *const c_char, b: *const c_char) -> c_int { compare(a, b, usize::MAX, false) }
    fn strcoll_l(a: *const c_char, b: *const c_char, _locale: *mut c_void) -> c_int { compare(a, b, usize::MAX, false) }
    fn strxfrm(to: *mut c_char, from: *const c_char, size: usize) -> usize { strlcpy(to, from, size) }
    fn strxfrm_l(to: *mut c_char, from: *const c_char, size: usize, _locale: *mut c_void) -> usize { strlcpy(to, from, size) }
    fn stpcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
        let n = bytes(from).len();
        copy_nonoverlapping(from, to, n + 1);
        to.add(n)
    }
    fn strcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
        stpcpy(to, from);
        to
    }
    fn stpncpy(to: *mut c_char, from: *const c_char, size: usize) -> *mut c_char {
        let n = strnlen(from, size);
        copy_nonoverlapping(from, to, n);
        to.add(n).write_bytes(0, size - n);
        to.add(n)
    }
    fn strncpy(to: *mut c_char, from: *const c_char, size: usize) -> *mut c_char {
        stpncpy(to, from, size);
        to
    }
    fn strcat(to: *mut c_char, from: *const c_char) -> *mut c_char {
        strcpy(to.add(bytes(to).len()), from);
        to
    }
    fn strncat(to: *mut c_char, from: *const c_char, size: usize) -> *mut c_char {
        let (at, n) = (to.add(bytes(to).len()), strnlen(from, size));
        copy_nonoverlapping(from, at, n);
        *at.add(n) = 0;
        to
    }
    fn strlcpy(to: *mut c_char, from: *const c_char, size: usize) -> usize {
        let text = bytes(from);
        if let Some(room) = size.checked_sub(1) {
            let n = text.len().min(room);
            copy_nonoverlapping(from, to, n);
            *to.add(n) = 0;
        }
        text.len()
    }
    fn strlcat(to: *mut c_char, from: *const c_char, size: usize) -> usize {
        let used = strnlen(to, size);
        if used == size { size + bytes(from).len() } else { used + strlcpy(to.add(used), from, size - used) }
    }
    fn strspn(text: *const c_char, accept: *const c_char) -> usize {
        let set = Set::of(accept);
        bytes(text).iter().take_while(|b| set.has(**b)).count()
    }
    fn strcspn(text: *const c_char, reject: *const c_char) -> usize {
        let set = Set::of(reject);
        let mut n = 0;
        while *text.add(n) != 0 && !set.has(*text.add(n) as u8) {
            n += 1;
        }
        n
    }
    fn strpbrk(text: *const c_char, accept: *const c_char) -> *mut c_char {
        let at = text.add(strcspn(text, accept));
        if *at == 0 { null_mut() } else { at.cast_mut() }
    }
    fn strstr(text: *const c_char, part: *const c_char) -> *mut c_char {
        position(bytes(text), bytes(part), |b| b).map_or(null_mut(), |i| text.add(i).cast_mut())
    }
    fn strcasestr(text: *const c_char, part: *const c_char) -> *mut c_char {
        position(bytes(text), bytes(part), |b| b.to_ascii_lowercase()).map_or(null_mut(), |i| text.add(i).cast_mut())
    }
    fn strtok_r(text: *mut c_char, separators: *const c_char, state: *mut *mut c_char) -> *mut c_char {
        let mut at = if text.is_null() { *state } else { text };
        if at.is_null() {
            return null_mut();
        }
        at = at.add(strspn(at, separators));
        if *at == 0 {
            *state = null_mut();
            return null_mut();
        }
        let end = at.add(strcspn(at, separators));
        *state = if *end == 0 { null_mut() } else { end.add(1) };
        *end = 0;
        at
    }
    fn strtok(text: *mut c_char, separators: *const c_char) -> *mut c_char {
        static mut STATE: *mut c_char = null_mut();
        strtok_r(text, separators, &raw mut STATE)
    }
    fn strsep(text: *mut *mut c_char, separators: *const c_char) -> *mut c_char {
        let at = *text;
        if at.is_null() {
            return null_mut();
        }
        let end = at.add(strcspn(at, separators));
        *text = if *end == 0 { null_mut() } else { end.add(1) };
        *end = 0;
        at
    }
    fn strdup(text: *const c_char) -> *mut c_char { duplicate(bytes(text)) }
    fn strndup(text: *const c_char, size: usize) -> *mut c_char { duplicate(from_raw_parts(text.cast(), strnlen(text, size))) }
    fn strverscmp(a: *const c_char, b: *const c_char) -> c_int {
        let (a, b) = (bytes(a), bytes(b));
        let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        let at = |s: &[u8], i: usize| s.get(i).copied().unwrap_or(0);
        let digits = |s: &[u8], i: usize| s[i.min(s.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
        // The run of digits in which, or right before which, they differ.
        let start = a[..common].iter().rposition(|c| !c.is_ascii_digit()).map_or(0, |i| i + 1);
        let plain = c_int::from(at(a, common)) - c_int::from(at(b, common));
        let fraction = at(a, start) == b'0' && start < common || at(a, common) == b'0' && start == common || at(b, common) == b'0' && start == common;
        let in_run = start < common || (at(a, common).is_ascii_digit() && at(b, common).is_ascii_digit());
        if plain == 0 || !in_run {
            return plain;
        }
        if fraction {
            // Leading zeros: the run is a fraction; the one with more zeros is smaller, and all zeros
            // come before zeros with digits.
            let zeros = |s: &[u8]| s[start..].iter().take_while(|c| **c == b'0').count();
            let (za, zb) = (zeros(a), zeros(b));
            let only = |s: &[u8], z: usize| z == digits(s, start);
            return match (za.cmp(&zb), only(a, za), only(b, zb)) {
                (core::cmp::Ordering::Equal, true, false) => 1,
                (core::cmp::Ordering::Equal, false, true) => -1,
                (core::cmp::Ordering::Equal, ..) => plain,
                (core::cmp::Ordering::Greater, ..) => -1,
                (core::cmp::Ordering::Less, ..) => 1,
            };
        }
        match digits(a, common).cmp(&digits(b, common)) {
            core::cmp::Ordering::Less => -1,
            core::cmp::Ordering::Greater => 1,
            core::cmp::Ordering::Equal => plain,
        }
    }
    fn ffs(value: c_int) -> c_int { if value == 0 { 0 } else { value.trailing_zeros() as c_int + 1 } }
    fn ffsl(value: i64) -> c_int { if value == 0 { 0 } else { value.trailing_zeros() as c_int + 1 } }
    fn ffsll(value: i64) -> c_int { if value == 0 { 0 } else { value.trailing_zeros() as c_int + 1 } }
    fn swab(from: *const c_void, to: *mut c_void, size: isize) {
        for i in (0..size.max(0) as usize / 2 * 2).step_by(2) {
            let pair = from.cast::<u8>().add(i).cast::<[u8; 2]>().read();
            to.cast::<u8>().add(i).cast::<[u8; 2]>().write([pair[1], pair[0]]);
        }
    }
    fn strerror_r(number: c_int, buffer: *mut c_char, size: usize) -> c_int {
        let (text, known) = match errno::text(number) {
            Some(text) => (text.to_bytes().to_vec(), true),
            None => (alloc::format!("Unknown error {number}").into_bytes(), false),
        };
        if size == 0 {
            return errno::ERANGE.0;
        }
        let n = text.len().min(size - 1);
        from_raw_parts_mut(buffer.cast(), n).copy_from_slice(&text[..n]);
        *buffer.add(n) = 0;
        if n < text.len() {
            errno::ERANGE.0
        } else if known {
            0
        } else {
            errno::EINVAL.0
        }
    }
    fn strerror(number: c_int) -> *mut c_char {
        #[thread_local]
        static mut UNKNOWN: [c_char; 32] = [0; 32];
        match errno::text(number) {
            Some(text) => text.as_ptr().cast_mut(),
            None => {
                set_errno(errno::EINVAL);
                strerror_r(number, (&raw mut UNKNOWN).cast(), 32);
                (&raw mut UNKNOWN).cast()
            }
        }
    }
    fn strerror_l(number: c_int, _locale: *mut c_void) -> *mut c_char { strerror(number) }
    fn strsignal(signal: c_int) -> *mut c_char {
        const NAMES: [&CStr; 32] = [
            c"Unknown signal", c"Hangup", c"Interrupt", c"Quit", c"Illegal instruction", c"Trace/breakpoint trap", c"Aborted", c"Bus error",
            c"Floating point exception", c"Killed", c"User defined signal 1", c"Segmentation fault", c"User defined signal 2", c"Broken pipe",
            c"Alarm clock", c"Terminated", c"Stack fault", c"Child exited", c"Continued", c"Stopped (signal)", c"Stopped", c"Stopped (tty input)",
            c"Stopped (tty output)", c"Urgent I/O condition", c"CPU time limit exceeded", c"File size limit exceeded", c"Virtual timer expired",
            c"Profiling timer expired", c"Window changed", c"I/O possible", c"Power failure", c"Bad system call",
        ];
        NAMES.get(signal as usize).unwrap_or(&NAMES[0]).as_ptr().cast_mut()
    }
}
