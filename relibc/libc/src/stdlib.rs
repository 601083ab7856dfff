//! The computing part of `<stdlib.h>` and `<inttypes.h>`: numbers, sorting, random numbers.

use crate::sys::{Lock, set_errno};
use core::ffi::{c_char, c_int, c_long, c_uint, c_void};
use core::ptr::null_mut;
use core::slice::from_raw_parts;
use relibc_core::float::{self, F32, F64, F80, Float, Format};
use relibc_core::random::{self, Feedback, Rand48};
use relibc_core::{errno, integer, sort};

/// Text that numbers are read from, narrow or wide.
pub(crate) trait Unit: Copy {
    fn ascii(self) -> u8;
    fn is_space(self) -> bool;
}

impl Unit for c_char {
    fn ascii(self) -> u8 {
        self as u8
    }
    fn is_space(self) -> bool {
        matches!(self as u8, b'\t'..=b'\r' | b' ')
    }
}

impl Unit for i32 {
    fn ascii(self) -> u8 {
        u8::try_from(self).ok().filter(u8::is_ascii).unwrap_or(0)
    }
    fn is_space(self) -> bool {
        relibc_core::ctype::is_wide(relibc_core::ctype::Class::Space, self as u32)
    }
}

unsafe fn skip<U: Unit>(text: *const U) -> *const U {
    let mut at = text;
    while (*at).is_space() {
        at = at.add(1);
    }
    at
}

pub(crate) unsafe fn read_integer<U: Unit>(
    text: *const U,
    end: *mut *mut U,
    base: c_int,
    finish: impl Fn(&integer::Parsed) -> (i64, bool),
) -> i64 {
    if !end.is_null() {
        *end = text.cast_mut();
    }
    if base != 0 && !(2..=36).contains(&base) {
        set_errno(errno::EINVAL);
        return 0;
    }
    let at = skip(text);
    let parsed = integer::parse(|i| (*at.add(i)).ascii(), base as u32);
    if parsed.len == 0 {
        return 0;
    }
    if !end.is_null() {
        *end = at.add(parsed.len).cast_mut();
    }
    let (value, range) = finish(&parsed);
    if range {
        set_errno(errno::ERANGE);
    }
    value
}

pub(crate) unsafe fn read_signed<U: Unit>(text: *const U, end: *mut *mut U, base: c_int) -> i64 {
    read_integer(text, end, base, |p| p.signed(i64::MIN, i64::MAX))
}

pub(crate) unsafe fn read_unsigned<U: Unit>(text: *const U, end: *mut *mut U, base: c_int) -> u64 {
    read_integer(text, end, base, |p| {
        let (v, range) = p.unsigned(u64::MAX);
        (v as i64, range)
    }) as u64
}

pub(crate) unsafe fn read_float<U: Unit>(
    text: *const U,
    end: *mut *mut U,
    format: Format,
) -> Float {
    if !end.is_null() {
        *end = text.cast_mut();
    }
    let zero = Float {
        negative: false,
        class: float::Class::Finite,
        mantissa: 0,
        exponent: 0,
    };
    let at = skip(text);
    let Some(token) = float::scan(|i| (*at.add(i)).ascii()) else {
        return zero;
    };
    if !end.is_null() {
        *end = at.add(token.len).cast_mut();
    }
    let converted = if size_of::<U>() == 1 {
        float::convert(from_raw_parts(at.cast(), token.len), token.kind, format)
    } else {
        let narrow: alloc::vec::Vec<u8> = (0..token.len).map(|i| (*at.add(i)).ascii()).collect();
        float::convert(&narrow, token.kind, format)
    };
    if converted.out_of_range {
        set_errno(errno::ERANGE);
    }
    converted.value
}

// `long double` is returned on the x87 stack, which Rust cannot express: an assembly stub passes a
// place in memory and loads it.
#[cfg(target_os = "redox")]
core::arch::global_asm!(
    ".globl strtold",
    "strtold: sub rsp, 24",
    "mov rdx, rsp",
    "call {narrow}",
    "fld tbyte ptr [rsp]",
    "add rsp, 24",
    "ret",
    ".globl wcstold",
    "wcstold: sub rsp, 24",
    "mov rdx, rsp",
    "call {wide}",
    "fld tbyte ptr [rsp]",
    "add rsp, 24",
    "ret",
    narrow = sym strtold_into,
    wide = sym wcstold_into,
);

/// `strtold` with the result in memory.
pub unsafe extern "C" fn strtold_into(
    text: *const c_char,
    end: *mut *mut c_char,
    out: *mut [u8; 10],
) {
    *out = read_float(text, end, F80).to_f80();
}

/// `wcstold` with the result in memory.
pub unsafe extern "C" fn wcstold_into(text: *const i32, end: *mut *mut i32, out: *mut [u8; 10]) {
    *out = read_float(text, end, F80).to_f80();
}

/// `div_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Div<T> {
    quot: T,
    rem: T,
}

pub(crate) type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;
type CompareWith = unsafe extern "C" fn(*const c_void, *const c_void, *mut c_void) -> c_int;

unsafe fn sort_by(
    base: *mut c_void,
    count: usize,
    size: usize,
    compare: &dyn Fn(*const c_void, *const c_void) -> c_int,
) {
    if size == 0 {
        return;
    }
    let at = |i: usize| base.cast::<u8>().wrapping_add(i * size);
    sort::sort(
        count,
        &mut |i, j| compare(at(i).cast(), at(j).cast()) < 0,
        &mut |i, j| {
            // SAFETY: two different elements of the array. Words where the size allows.
            if size.is_multiple_of(8) && (base as usize).is_multiple_of(8) {
                for k in 0..size / 8 {
                    core::ptr::swap(at(i).cast::<u64>().add(k), at(j).cast::<u64>().add(k));
                }
            } else {
                core::ptr::swap_nonoverlapping(at(i), at(j), size);
            }
        },
    );
}

static RANDOM: Lock = Lock::new();

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
#[cfg(target_os = "redox")]
pub(crate) fn hold() -> Option<impl Sized> {
    RANDOM.try_hold()
}
static mut RAND48: Rand48 = Rand48 {
    multiplier: 0x5_DEEC_E66D,
    addend: 0xB,
};
static mut STATE48: [u16; 3] = [0x330E, 0xABCD, 0x1234];
static mut PREVIOUS48: [u16; 3] = [0; 3];
static mut RAND: u32 = 1;
static mut STATE: [u32; 32] = [0; 32];
static mut CURRENT: *mut u32 = null_mut();

/// The state in use; seeds the default one first.
unsafe fn current() -> &'static mut [u32] {
    if CURRENT.is_null() {
        CURRENT = (&raw mut STATE).cast();
        Feedback::seed(&mut STATE, 3, 1);
    }
    core::slice::from_raw_parts_mut(CURRENT, Feedback::words(Feedback::kind_of(*CURRENT)))
}

/// Ends a text at `place`. One that ends there already may be a literal, which cannot be written to.
unsafe fn end_at(place: *mut c_char) {
    if *place != 0 {
        *place = 0;
    }
}

c_api! {
    fn abs(n: c_int) -> c_int { n.wrapping_abs() }
    fn labs(n: c_long) -> c_long { n.wrapping_abs() }
    fn llabs(n: i64) -> i64 { n.wrapping_abs() }
    fn imaxabs(n: i64) -> i64 { n.wrapping_abs() }
    fn div(a: c_int, b: c_int) -> Div<c_int> { Div { quot: a.wrapping_div(b), rem: a.wrapping_rem(b) } }
    fn ldiv(a: c_long, b: c_long) -> Div<c_long> { Div { quot: a.wrapping_div(b), rem: a.wrapping_rem(b) } }
    fn lldiv(a: i64, b: i64) -> Div<i64> { Div { quot: a.wrapping_div(b), rem: a.wrapping_rem(b) } }
    fn imaxdiv(a: i64, b: i64) -> Div<i64> { Div { quot: a.wrapping_div(b), rem: a.wrapping_rem(b) } }
    fn strtol(text: *const c_char, end: *mut *mut c_char, base: c_int) -> c_long { read_signed(text, end, base) }
    fn strtoll(text: *const c_char, end: *mut *mut c_char, base: c_int) -> i64 { read_signed(text, end, base) }
    fn strtoimax(text: *const c_char, end: *mut *mut c_char, base: c_int) -> i64 { read_signed(text, end, base) }
    fn strtoul(text: *const c_char, end: *mut *mut c_char, base: c_int) -> u64 { read_unsigned(text, end, base) }
    fn strtoull(text: *const c_char, end: *mut *mut c_char, base: c_int) -> u64 { read_unsigned(text, end, base) }
    fn strtoumax(text: *const c_char, end: *mut *mut c_char, base: c_int) -> u64 { read_unsigned(text, end, base) }
    fn atoi(text: *const c_char) -> c_int { read_signed(text, null_mut(), 10) as c_int }
    fn atol(text: *const c_char) -> c_long { read_signed(text, null_mut(), 10) }
    fn atoll(text: *const c_char) -> i64 { read_signed(text, null_mut(), 10) }
    fn strtod(text: *const c_char, end: *mut *mut c_char) -> f64 { read_float(text, end, F64).to_f64() }
    fn strtof(text: *const c_char, end: *mut *mut c_char) -> f32 { read_float(text, end, F32).to_f32() }
    fn atof(text: *const c_char) -> f64 { read_float(text, null_mut(), F64).to_f64() }

    fn qsort(base: *mut c_void, count: usize, size: usize, compare: Compare) {
        sort_by(base, count, size, &|a, b| compare(a, b));
    }
    fn qsort_r(base: *mut c_void, count: usize, size: usize, compare: CompareWith, context: *mut c_void) {
        sort_by(base, count, size, &|a, b| compare(a, b, context));
    }
    fn bsearch(key: *const c_void, base: *const c_void, count: usize, size: usize, compare: Compare) -> *mut c_void {
        let at = |i: usize| base.cast::<u8>().wrapping_add(i * size);
        sort::search(count, |i| compare(key, at(i).cast()).cmp(&0)).map_or(null_mut(), |i| at(i).cast_mut().cast())
    }

    fn rand_r(seed: *mut c_uint) -> c_int { random::rand_r(&mut *seed) }
    fn srand(seed: c_uint) { RANDOM.with(|| RAND = seed); }
    fn rand() -> c_int { RANDOM.with(|| random::rand_r(&mut RAND)) }
    fn random() -> c_long { RANDOM.with(|| c_long::from(Feedback::next(current()))) }
    fn srandom(seed: c_uint) {
        RANDOM.with(|| {
            let state = current();
            let kind = Feedback::kind_of(state[0]);
            Feedback::seed(state, kind, seed);
        });
    }
    fn initstate(seed: c_uint, state: *mut c_char, size: usize) -> *mut c_char {
        let Some(kind) = Feedback::kind_for(size) else {
            set_errno(errno::EINVAL);
            return null_mut();
        };
        RANDOM.with(|| {
            current();
            let old = CURRENT.cast();
            CURRENT = state.cast();
            Feedback::seed(core::slice::from_raw_parts_mut(CURRENT, Feedback::words(kind)), kind, seed);
            old
        })
    }
    fn setstate(state: *mut c_char) -> *mut c_char {
        RANDOM.with(|| {
            current();
            let old = CURRENT.cast();
            CURRENT = state.cast();
            old
        })
    }
    fn drand48() -> f64 { RANDOM.with(|| RAND48.double(&mut STATE48)) }
    fn lrand48() -> c_long { RANDOM.with(|| RAND48.long(&mut STATE48)) }
    fn mrand48() -> c_long { RANDOM.with(|| RAND48.signed(&mut STATE48)) }
    fn erand48(state: *mut [u16; 3]) -> f64 { RANDOM.with(|| RAND48.double(&mut *state)) }
    fn nrand48(state: *mut [u16; 3]) -> c_long { RANDOM.with(|| RAND48.long(&mut *state)) }
    fn jrand48(state: *mut [u16; 3]) -> c_long { RANDOM.with(|| RAND48.signed(&mut *state)) }
    fn srand48(seed: c_long) {
        RANDOM.with(|| {
            STATE48 = random::seed48(seed as u32);
            RAND48 = Rand48::default();
        });
    }
    fn seed48(state: *const [u16; 3]) -> *mut u16 {
        RANDOM.with(|| {
            PREVIOUS48 = STATE48;
            STATE48 = *state;
            RAND48 = Rand48::default();
        });
        (&raw mut PREVIOUS48).cast()
    }
    fn lcong48(parameters: *const [u16; 7]) {
        let p = *parameters;
        RANDOM.with(|| {
            STATE48 = [p[0], p[1], p[2]];
            RAND48 = Rand48 { multiplier: u64::from(p[3]) | u64::from(p[4]) << 16 | u64::from(p[5]) << 32, addend: p[6] };
        });
    }
    fn a64l(text: *const c_char) -> c_long { c_long::from(integer::a64l(crate::string::bytes(text))) }
    fn l64a(value: c_long) -> *mut c_char {
        #[thread_local]
        static mut TEXT: [u8; 7] = [0; 7];
        let (text, n) = integer::l64a(value as u32);
        TEXT = [0; 7];
        (&mut TEXT)[..n].copy_from_slice(&text[..n]);
        (&raw mut TEXT).cast()
    }
    fn getsubopt(option: *mut *mut c_char, tokens: *const *mut c_char, value: *mut *mut c_char) -> c_int {
        *value = null_mut();
        let start = *option;
        let end = start.add(crate::string::strcspn(start, c",".as_ptr()));
        *option = if *end == 0 { end } else { end.add(1) };
        *end = 0;
        let equals = crate::string::strchr(start, c_int::from(b'='));
        let name = if equals.is_null() { crate::string::bytes(start) } else { from_raw_parts(start.cast(), equals as usize - start as usize) };
        let mut i = 0;
        while !(*tokens.add(i)).is_null() {
            if crate::string::bytes(*tokens.add(i)) == name {
                *value = if equals.is_null() { null_mut() } else { equals.add(1) };
                return i as c_int;
            }
            i += 1;
        }
        *value = start;
        -1
    }
    fn basename(path: *mut c_char) -> *mut c_char {
        static mut DOT: [c_char; 2] = [b'.' as c_char, 0];
        let text: &[u8] = if path.is_null() { &[] } else { crate::string::bytes(path) };
        match relibc_core::paths::basename(text) {
            None => {
                DOT = [b'.' as c_char, 0];
                (&raw mut DOT).cast()
            }
            Some(range) => {
                end_at(path.add(range.end));
                path.add(range.start)
            }
        }
    }
    fn dirname(path: *mut c_char) -> *mut c_char {
        static mut DOT: [c_char; 2] = [b'.' as c_char, 0];
        let text: &[u8] = if path.is_null() { &[] } else { crate::string::bytes(path) };
        match relibc_core::paths::dirname(text) {
            None => {
                DOT = [b'.' as c_char, 0];
                (&raw mut DOT).cast()
            }
            Some(n) => {
                end_at(path.add(n));
                path
            }
        }
    }
}
