//! `<math.h>` over the `libm` crate, and `<fenv.h>`.
//!
//! The `long double` functions that are exact by definition work in extended precision; the others
//! compute as `double`.

pub mod complex;
#[cfg(target_os = "redox")]
mod extended;

use core::ffi::{c_char, c_int, c_long};

/// Sign of the last `lgamma`.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut signgam: c_int = 0;

macro_rules! one {
    ($($double:ident = (fn $d:ident, fn $f:ident) $single:ident;)*) => { c_api! { $(
        fn $d(x: f64) -> f64 { libm::$double(x) }
        fn $f(x: f32) -> f32 { libm::$single(x) }
    )* } };
}
macro_rules! two {
    ($($double:ident = (fn $d:ident, fn $f:ident) $single:ident;)*) => { c_api! { $(
        fn $d(x: f64, y: f64) -> f64 { libm::$double(x, y) }
        fn $f(x: f32, y: f32) -> f32 { libm::$single(x, y) }
    )* } };
}
one! {
    acos = (fn acos, fn acosf) acosf; acosh = (fn acosh, fn acoshf) acoshf; asin = (fn asin, fn asinf) asinf;
    asinh = (fn asinh, fn asinhf) asinhf; atan = (fn atan, fn atanf) atanf; atanh = (fn atanh, fn atanhf) atanhf;
    cbrt = (fn cbrt, fn cbrtf) cbrtf; ceil = (fn ceil, fn ceilf) ceilf; cos = (fn cos, fn cosf) cosf; cosh = (fn cosh, fn coshf) coshf;
    erf = (fn erf, fn erff) erff; erfc = (fn erfc, fn erfcf) erfcf; exp = (fn exp, fn expf) expf; exp2 = (fn exp2, fn exp2f) exp2f;
    exp10 = (fn exp10, fn exp10f) exp10f; expm1 = (fn expm1, fn expm1f) expm1f; fabs = (fn fabs, fn fabsf) fabsf; floor = (fn floor, fn floorf) floorf;
    log = (fn log, fn logf) logf; log10 = (fn log10, fn log10f) log10f; log1p = (fn log1p, fn log1pf) log1pf; log2 = (fn log2, fn log2f) log2f;
    round = (fn round, fn roundf) roundf; sin = (fn sin, fn sinf) sinf; sinh = (fn sinh, fn sinhf) sinhf; sqrt = (fn sqrt, fn sqrtf) sqrtf;
    tan = (fn tan, fn tanf) tanf; tanh = (fn tanh, fn tanhf) tanhf; tgamma = (fn tgamma, fn tgammaf) tgammaf; trunc = (fn trunc, fn truncf) truncf;
    j0 = (fn j0, fn j0f) j0f; j1 = (fn j1, fn j1f) j1f; y0 = (fn y0, fn y0f) y0f; y1 = (fn y1, fn y1f) y1f;
}
two! {
    atan2 = (fn atan2, fn atan2f) atan2f; copysign = (fn copysign, fn copysignf) copysignf; fdim = (fn fdim, fn fdimf) fdimf; fmax = (fn fmax, fn fmaxf) fmaxf;
    fmin = (fn fmin, fn fminf) fminf; fmod = (fn fmod, fn fmodf) fmodf; hypot = (fn hypot, fn hypotf) hypotf; nextafter = (fn nextafter, fn nextafterf) nextafterf;
    pow = (fn pow, fn powf) powf; remainder = (fn remainder, fn remainderf) remainderf; remainder = (fn drem, fn dremf) remainderf;
}

/// Rounds in the current direction, with the hardware's own conversion.
fn rint_now(x: f64) -> f64 {
    const EXACT: f64 = 4_503_599_627_370_496.0;
    if x.is_nan() || libm::fabs(x) >= EXACT {
        return x;
    }
    // Adding and taking away 2^52 leaves an integer, rounded by the unit's own mode.
    let big = core::hint::black_box(libm::copysign(EXACT, x));
    libm::copysign(
        core::hint::black_box(core::hint::black_box(x) + big) - big,
        x,
    )
}

fn rintf_now(x: f32) -> f32 {
    rint_now(f64::from(x)) as f32
}

/// Converts an integral value; what does not fit gives the integer the hardware gives.
fn to_long(x: f64) -> c_long {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        x as c_long
    } else {
        c_long::MIN
    }
}

fn exponent(x: f64) -> c_int {
    if x == 0.0 || x.is_nan() {
        c_int::MIN
    } else if x.is_infinite() {
        c_int::MAX
    } else {
        libm::ilogb(x)
    }
}

fn logb_of(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x.is_finite() {
        f64::from(libm::ilogb(x))
    } else {
        x * x
    }
}

macro_rules! by_type {
    ($t:ty; fn $frexp:ident, fn $ldexp:ident, fn $scalbn:ident, fn $scalbln:ident, fn $modf:ident, fn $fma:ident, fn $remquo:ident, fn $ilogb:ident, fn $logb:ident,
     fn $rint:ident, fn $near:ident, fn $lrint:ident, fn $llrint:ident, fn $lround:ident, fn $llround:ident, fn $nan:ident, fn $lgamma:ident, fn $lgamma_r:ident,
     fn $sincos:ident, fn $jn:ident, fn $yn:ident, fn $finite:ident;
     $frexp_i:ident $scalbn_i:ident $modf_i:ident $fma_i:ident $remquo_i:ident $rint_i:ident $round_i:ident $lgamma_i:ident $sincos_i:ident $jn_i:ident $yn_i:ident) => { c_api! {
        fn $frexp(x: $t, e: *mut c_int) -> $t {
            let (m, n) = libm::$frexp_i(x);
            *e = if x.is_finite() { n } else { 0 };
            m
        }
        fn $ldexp(x: $t, e: c_int) -> $t { libm::$scalbn_i(x, e) }
        fn $scalbn(x: $t, e: c_int) -> $t { libm::$scalbn_i(x, e) }
        fn $scalbln(x: $t, e: c_long) -> $t { libm::$scalbn_i(x, e.clamp(-100_000, 100_000) as c_int) }
        fn $modf(x: $t, whole: *mut $t) -> $t {
            let (fraction, integral) = libm::$modf_i(x);
            *whole = integral;
            fraction
        }
        fn $fma(x: $t, y: $t, z: $t) -> $t { libm::$fma_i(x, y, z) }
        fn $remquo(x: $t, y: $t, quotient: *mut c_int) -> $t {
            let (r, q) = libm::$remquo_i(x, y);
            *quotient = q;
            r
        }
        fn $ilogb(x: $t) -> c_int { exponent(f64::from(x)) }
        fn $logb(x: $t) -> $t { logb_of(f64::from(x)) as $t }
        fn $rint(x: $t) -> $t { $rint_i(x) }
        fn $near(x: $t) -> $t {
            let before = control();
            let y = $rint_i(x);
            // Unlike `rint` it does not tell that the result is inexact.
            set_control(control() & !0x20 | before & 0x20);
            y
        }
        fn $lrint(x: $t) -> c_long { to_long(f64::from($rint_i(x))) }
        fn $llrint(x: $t) -> i64 { to_long(f64::from($rint_i(x))) }
        fn $lround(x: $t) -> c_long { to_long(f64::from(libm::$round_i(x))) }
        fn $llround(x: $t) -> i64 { to_long(f64::from(libm::$round_i(x))) }
        fn $nan(_tag: *const c_char) -> $t { <$t>::NAN }
        fn $lgamma_r(x: $t, sign: *mut c_int) -> $t {
            let (y, s) = libm::$lgamma_i(x);
            *sign = s;
            y
        }
        fn $lgamma(x: $t) -> $t { $lgamma_r(x, &raw mut signgam) }
        fn $sincos(x: $t, sine: *mut $t, cosine: *mut $t) { (*sine, *cosine) = libm::$sincos_i(x); }
        fn $jn(n: c_int, x: $t) -> $t { libm::$jn_i(n, x) }
        fn $yn(n: c_int, x: $t) -> $t { libm::$yn_i(n, x) }
        fn $finite(x: $t) -> c_int { c_int::from(x.is_finite()) }
    } };
}
by_type!(f64; fn frexp, fn ldexp, fn scalbn, fn scalbln, fn modf, fn fma, fn remquo, fn ilogb, fn logb, fn rint, fn nearbyint, fn lrint, fn llrint, fn lround, fn llround,
    fn nan, fn lgamma, fn lgamma_r, fn sincos, fn jn, fn yn, fn finite;
    frexp scalbn modf fma remquo rint_now round lgamma_r sincos jn yn);
by_type!(f32; fn frexpf, fn ldexpf, fn scalbnf, fn scalblnf, fn modff, fn fmaf, fn remquof, fn ilogbf, fn logbf, fn rintf, fn nearbyintf, fn lrintf, fn llrintf, fn lroundf, fn llroundf,
    fn nanf, fn lgammaf, fn lgammaf_r, fn sincosf, fn jnf, fn ynf, fn finitef;
    frexpf scalbnf modff fmaf remquof rintf_now roundf lgammaf_r sincosf jnf ynf);

c_api! {
    fn scalb(x: f64, e: f64) -> f64 {
        if x.is_nan() || e.is_nan() { x + e } else if e != libm::rint(e) && e.is_finite() { f64::NAN } else { libm::scalbn(x, e.clamp(-100_000.0, 100_000.0) as c_int) }
    }
    fn significand(x: f64) -> f64 { if x == 0.0 || !x.is_finite() { x } else { libm::scalbn(x, -libm::ilogb(x)) } }
}

/// The SSE control and status word.
pub fn control() -> u32 {
    let mut word = 0u32;
    // SAFETY: stores four bytes at that address.
    unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack)) };
    word
}

fn set_control(word: u32) {
    // SAFETY: reserved bits are never set here; the exceptions stay masked.
    unsafe {
        core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, readonly))
    };
}

/// The x87 control word, and its status word.
fn x87() -> (u16, u16) {
    let (mut c, mut s) = (0u16, 0u16);
    // SAFETY: each stores two bytes at that address.
    unsafe {
        core::arch::asm!("fnstcw [{}]", "fnstsw [{}]", in(reg) &raw mut c, in(reg) &raw mut s, options(nostack))
    };
    (c, s)
}

const ALL: c_int = 61;

/// `fenv_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Environment {
    x87: [u32; 7],
    mxcsr: u32,
}

unsafe fn save(out: *mut Environment) {
    core::arch::asm!("fnstenv [{0}]", "fldenv [{0}]", in(reg) &raw mut (*out).x87, options(nostack));
    (*out).mxcsr = control();
}

unsafe fn load(from: *const Environment) {
    if from as isize == -1 {
        core::arch::asm!("fninit", options(nostack));
        return set_control(0x1f80);
    }
    core::arch::asm!("fldenv [{0}]", in(reg) &raw const (*from).x87, options(nostack, readonly));
    set_control((*from).mxcsr);
}

c_api! {
    fn fetestexcept(exceptions: c_int) -> c_int { (control() as c_int | c_int::from(x87().1)) & exceptions & ALL }
    fn feclearexcept(exceptions: c_int) -> c_int {
        let mut e = Environment { x87: [0; 7], mxcsr: 0 };
        save(&mut e);
        e.x87[1] &= !((exceptions & ALL) as u32);
        e.mxcsr &= !((exceptions & ALL) as u32);
        load(&e);
        0
    }
    fn feraiseexcept(exceptions: c_int) -> c_int {
        set_control(control() | (exceptions & ALL) as u32);
        0
    }
    fn fegetexceptflag(out: *mut u16, exceptions: c_int) -> c_int {
        *out = fetestexcept(exceptions) as u16;
        0
    }
    fn fesetexceptflag(flags: *const u16, exceptions: c_int) -> c_int {
        feclearexcept(exceptions);
        feraiseexcept(c_int::from(*flags) & exceptions)
    }
    fn fegetround() -> c_int { (control() >> 3 & 0xc00) as c_int }
    fn fesetround(rounding: c_int) -> c_int {
        if rounding & !0xc00 != 0 {
            return -1;
        }
        let word = x87().0 & !0xc00 | rounding as u16;
        core::arch::asm!("fldcw [{}]", in(reg) &raw const word, options(nostack, readonly));
        set_control(control() & !0x6000 | (rounding as u32) << 3);
        0
    }
    fn fegetenv(out: *mut Environment) -> c_int {
        save(out);
        0
    }
    fn feholdexcept(out: *mut Environment) -> c_int {
        save(out);
        feclearexcept(ALL)
    }
    fn fesetenv(from: *const Environment) -> c_int {
        load(from);
        0
    }
    fn feupdateenv(from: *const Environment) -> c_int {
        let raised = fetestexcept(ALL);
        load(from);
        feraiseexcept(raised)
    }
}
