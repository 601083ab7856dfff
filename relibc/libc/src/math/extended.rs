//! Functions of `long double`: arguments on the stack in extended precision, the result on the x87
//! stack, neither of which Rust can express. What is exact by definition is computed so: by the x87 unit
//! where it has an instruction, by the crate `rustc_apfloat` elsewhere. The others compute as `double`.

use core::ffi::{c_char, c_int, c_long};
use rustc_apfloat::ieee::X87DoubleExtended as Extended;
use rustc_apfloat::{Category, Float, Round};

macro_rules! through_double {
    ($(fn $name:ident = $double:literal;)*) => { $( core::arch::global_asm!(
        concat!(".globl ", stringify!($name)), concat!(stringify!($name), ": sub rsp, 24"),
        "fld tbyte ptr [rsp + 32]", "fstp qword ptr [rsp]", "movsd xmm0, [rsp]",
        "fld tbyte ptr [rsp + 48]", "fstp qword ptr [rsp]", "movsd xmm1, [rsp]",
        concat!("call ", $double), "movsd [rsp], xmm0", "fld qword ptr [rsp]", "add rsp, 24", "ret",
    ); )* };
}
macro_rules! one_through_double {
    ($(fn $name:ident = $double:literal;)*) => { $( core::arch::global_asm!(
        concat!(".globl ", stringify!($name)), concat!(stringify!($name), ": sub rsp, 24"),
        "fld tbyte ptr [rsp + 32]", "fstp qword ptr [rsp]", "movsd xmm0, [rsp]",
        concat!("call ", $double), "movsd [rsp], xmm0", "fld qword ptr [rsp]", "add rsp, 24", "ret",
    ); )* };
}
one_through_double! {
    fn acosl = "acos"; fn acoshl = "acosh"; fn asinl = "asin"; fn asinhl = "asinh"; fn atanl = "atan"; fn atanhl = "atanh"; fn cbrtl = "cbrt";
    fn cosl = "cos"; fn coshl = "cosh"; fn erfl = "erf"; fn erfcl = "erfc"; fn expl = "exp"; fn exp2l = "exp2"; fn expm1l = "expm1"; fn lgammal = "lgamma";
    fn logl = "log"; fn log10l = "log10"; fn log1pl = "log1p"; fn log2l = "log2"; fn sinl = "sin"; fn sinhl = "sinh"; fn tanl = "tan"; fn tanhl = "tanh"; fn tgammal = "tgamma";
}
through_double! { fn atan2l = "atan2"; fn hypotl = "hypot"; fn powl = "pow"; }
macro_rules! exact {
    ($(fn $name:ident = $($line:literal),*;)*) => { $( core::arch::global_asm!(
        concat!(".globl ", stringify!($name)), concat!(stringify!($name), ":"), $($line,)* "ret",
    ); )* };
}
exact! {
    fn fabsl = "fld tbyte ptr [rsp + 8]", "fabs";
    fn sqrtl = "fld tbyte ptr [rsp + 8]", "fsqrt";
    fn rintl = "fld tbyte ptr [rsp + 8]", "frndint";
    fn ceill = "fld tbyte ptr [rsp + 8]", "fnstcw [rsp + 8]", "movzx eax, word ptr [rsp + 8]", "and ah, 0xf3", "or ah, 8", "mov [rsp + 10], ax", "fldcw [rsp + 10]", "frndint", "fldcw [rsp + 8]";
    fn floorl = "fld tbyte ptr [rsp + 8]", "fnstcw [rsp + 8]", "movzx eax, word ptr [rsp + 8]", "and ah, 0xf3", "or ah, 4", "mov [rsp + 10], ax", "fldcw [rsp + 10]", "frndint", "fldcw [rsp + 8]";
    fn truncl = "fld tbyte ptr [rsp + 8]", "fnstcw [rsp + 8]", "movzx eax, word ptr [rsp + 8]", "or ah, 12", "mov [rsp + 10], ax", "fldcw [rsp + 10]", "frndint", "fldcw [rsp + 8]";
    fn fmodl = "fld tbyte ptr [rsp + 24]", "fld tbyte ptr [rsp + 8]", "2: fprem", "fnstsw ax", "test ah, 4", "jnz 2b", "fstp st(1)";
    fn remainderl = "fld tbyte ptr [rsp + 24]", "fld tbyte ptr [rsp + 8]", "2: fprem1", "fnstsw ax", "test ah, 4", "jnz 2b", "fstp st(1)";
    fn copysignl = "mov ax, [rsp + 32]", "and ax, 0x8000", "and word ptr [rsp + 16], 0x7fff", "or [rsp + 16], ax", "fld tbyte ptr [rsp + 8]";
    fn scalbnl = "mov [rsp - 8], edi", "fild dword ptr [rsp - 8]", "fld tbyte ptr [rsp + 8]", "fscale", "fstp st(1)";
    fn ldexpl = "mov [rsp - 8], edi", "fild dword ptr [rsp - 8]", "fld tbyte ptr [rsp + 8]", "fscale", "fstp st(1)";
    fn lrintl = "fld tbyte ptr [rsp + 8]", "fistp qword ptr [rsp + 8]", "mov rax, [rsp + 8]";
    fn llrintl = "fld tbyte ptr [rsp + 8]", "fistp qword ptr [rsp + 8]", "mov rax, [rsp + 8]";
}

// In the shape of a C function: `rdi` is the caller's first argument that is no floating-point number,
// `rsi` the address of those that are, 16 bytes each. Their memory is this function's, so the result goes
// where the first was.
macro_rules! by_address {
    ($(fn $name:ident = $function:ident;)*) => { $( core::arch::global_asm!(
        concat!(".globl ", stringify!($name)), concat!(stringify!($name), ":"),
        "sub rsp, 8", "lea rsi, [rsp + 16]", "call {function}", "add rsp, 8", "fld tbyte ptr [rsp + 8]", "ret",
        function = sym $function,
    ); )* };
}
macro_rules! integer_by_address {
    ($(fn $name:ident = $function:ident;)*) => { $( core::arch::global_asm!(
        concat!(".globl ", stringify!($name)), concat!(stringify!($name), ":"),
        "sub rsp, 8", "lea rsi, [rsp + 16]", "call {function}", "add rsp, 8", "ret",
        function = sym $function,
    ); )* };
}
by_address! {
    fn dreml = remainder; fn fdiml = difference; fn fmal = multiply_add; fn fmaxl = maximum; fn fminl = minimum; fn frexpl = fraction;
    fn logbl = exponent_of; fn modfl = parts; fn nanl = not_a_number; fn nextafterl = next; fn nexttowardl = next; fn remquol = remainder_quotient;
    fn roundl = rounded; fn scalblnl = scaled;
}
integer_by_address! { fn ilogbl = exponent; fn lroundl = rounded_long; fn llroundl = rounded_long; }
// As `rint`, but the status flag of an inexact result is as it was.
core::arch::global_asm!(
    ".globl nearbyintl",
    "nearbyintl:",
    "fld tbyte ptr [rsp + 8]",
    "sub rsp, 40",
    "fnstenv [rsp]",
    "fldenv [rsp]",
    "frndint",
    "fnstsw ax",
    "and ax, 0x3800",
    "and word ptr [rsp + 4], 0xc7ff",
    "or [rsp + 4], ax",
    "fldenv [rsp]",
    "add rsp, 40",
    "ret",
);
// The direction is a `long double` on the stack, the rest as for `double` and `float`.
core::arch::global_asm!(
    ".globl nexttoward, nexttowardf",
    "nexttoward:",
    "lea rdi, [rsp + 8]",
    "jmp {double}",
    "nexttowardf:",
    "lea rdi, [rsp + 8]",
    "jmp {single}",
    double = sym toward,
    single = sym toward_single,
);

/// A number's place in memory: ten bytes of it count.
#[repr(C)]
struct Slot([u64; 2]);

impl Slot {
    fn get(&self) -> Extended {
        let [low, high] = self.0;
        Extended::from_bits(u128::from(low) | u128::from(high & 0xffff) << 64)
    }

    fn set(&mut self, x: Extended) {
        let bits = x.to_bits();
        self.0 = [bits as u64, (bits >> 64) as u64];
    }
}

/// A `double`, which always fits.
fn wide(x: f64) -> Extended {
    let bits = x.to_bits();
    let (negative, exponent, fraction) = (bits >> 63, bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let zero = Extended::from_u128(0).value;
    let size = match exponent {
        0x7ff if fraction != 0 => Extended::NAN,
        0x7ff => Extended::INFINITY,
        0 if fraction == 0 => zero,
        0 => Extended::from_u128(fraction.into()).value.scalbn(-1074),
        e => Extended::from_u128((fraction | 1 << 52).into())
            .value
            .scalbn(e as i32 - 1075),
    };
    if negative != 0 { -size } else { size }
}

unsafe extern "C" fn remainder(_: usize, args: *mut [Slot; 2]) {
    let [x, y] = &mut *args;
    x.set(x.get().ieee_rem(y.get()).value);
}

unsafe extern "C" fn difference(_: usize, args: *mut [Slot; 2]) {
    let [x, y] = &mut *args;
    let (a, b) = (x.get(), y.get());
    x.set(if a.is_nan() || b.is_nan() || a > b {
        (a - b).value
    } else {
        Extended::from_u128(0).value
    });
}

unsafe extern "C" fn multiply_add(_: usize, args: *mut [Slot; 3]) {
    let [x, y, z] = &mut *args;
    x.set(x.get().mul_add(y.get(), z.get()).value);
}

unsafe extern "C" fn maximum(_: usize, args: *mut [Slot; 2]) {
    let [x, y] = &mut *args;
    x.set(x.get().max(y.get()));
}

unsafe extern "C" fn minimum(_: usize, args: *mut [Slot; 2]) {
    let [x, y] = &mut *args;
    x.set(x.get().min(y.get()));
}

unsafe extern "C" fn fraction(exponent: *mut c_int, args: *mut [Slot; 1]) {
    let [x] = &mut *args;
    let value = x.get();
    exponent.write(0);
    if value.is_finite_non_zero() {
        let mut power = 0;
        x.set(value.frexp(&mut power));
        exponent.write(power);
    }
}

/// C's `ilogb`.
unsafe extern "C" fn exponent(_: usize, args: *const [Slot; 1]) -> c_int {
    let [x] = &*args;
    let value = x.get();
    match value.category() {
        Category::Zero | Category::NaN => c_int::MIN,
        Category::Infinity => c_int::MAX,
        Category::Normal => value.ilogb(),
    }
}

unsafe extern "C" fn exponent_of(_: usize, args: *mut [Slot; 1]) {
    let [x] = &mut *args;
    let value = x.get();
    x.set(match value.category() {
        Category::Zero => -Extended::INFINITY,
        Category::NaN => value,
        Category::Infinity => Extended::INFINITY,
        Category::Normal => Extended::from_i128(value.ilogb().into()).value,
    });
}

unsafe extern "C" fn parts(whole: *mut Slot, args: *mut [Slot; 1]) {
    let [x] = &mut *args;
    let value = x.get();
    let integral = value.round_to_integral(Round::TowardZero).value;
    // Ten bytes are the caller's object's value; the other six are padding, which may be written.
    (*whole).set(integral);
    let rest = if value.is_infinite() {
        Extended::from_u128(0).value
    } else {
        (value - integral).value
    };
    x.set(rest.copy_sign(value));
}

unsafe extern "C" fn not_a_number(_tag: *const c_char, args: *mut [Slot; 1]) {
    (*args)[0].set(Extended::NAN);
}

unsafe extern "C" fn next(_: usize, args: *mut [Slot; 2]) {
    let [x, y] = &mut *args;
    let (a, b) = (x.get(), y.get());
    x.set(if a.is_nan() {
        a
    } else if b.is_nan() || a == b {
        b
    } else if a < b {
        a.next_up().value
    } else {
        a.next_down().value
    });
}

unsafe extern "C" fn remainder_quotient(quotient: *mut c_int, args: *mut [Slot; 2]) {
    let [x, y] = &mut *args;
    let (a, b) = (x.get(), y.get());
    let rest = a.ieee_rem(b).value;
    x.set(rest);
    quotient.write(0);
    if a.is_finite() && b.is_finite_non_zero() && !rest.is_nan() {
        // The quotient's low bits: of a modulo eight times b, which is exact.
        let eight = b.abs().scalbn(3);
        let low = if eight.is_finite() {
            a.abs().c_fmod(eight).value
        } else {
            a.abs()
        };
        let whole = (low / b.abs())
            .value
            .round_to_integral(Round::NearestTiesToEven)
            .value;
        let number = whole.to_i128(64).value as c_int & 7;
        let negative = a.is_negative() != b.is_negative();
        quotient.write(if negative { -number } else { number });
    }
}

unsafe extern "C" fn rounded(_: usize, args: *mut [Slot; 1]) {
    let [x] = &mut *args;
    x.set(x.get().round_to_integral(Round::NearestTiesToAway).value);
}

unsafe extern "C" fn rounded_long(_: usize, args: *const [Slot; 1]) -> c_long {
    let [x] = &*args;
    let whole = x.get().round_to_integral(Round::NearestTiesToAway).value;
    let mut exact = false;
    let number = whole.to_i128_r(64, Round::TowardZero, &mut exact).value;
    if exact { number as c_long } else { c_long::MIN }
}

unsafe extern "C" fn scaled(power: c_long, args: *mut [Slot; 1]) {
    let [x] = &mut *args;
    x.set(x.get().scalbn(power.clamp(-100_000, 100_000) as c_int));
}

unsafe extern "C" fn toward(to: *const Slot, x: f64) -> f64 {
    let (a, b) = (wide(x), (*to).get());
    if x.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == b {
        // The sign of a zero is the direction's.
        if x == 0.0 {
            if b.is_negative() { -0.0 } else { 0.0 }
        } else {
            x
        }
    } else {
        libm::nextafter(
            x,
            if a < b {
                f64::INFINITY
            } else {
                f64::NEG_INFINITY
            },
        )
    }
}

unsafe extern "C" fn toward_single(to: *const Slot, x: f32) -> f32 {
    let (a, b) = (wide(f64::from(x)), (*to).get());
    if x.is_nan() || b.is_nan() {
        f32::NAN
    } else if a == b {
        if x == 0.0 {
            if b.is_negative() { -0.0 } else { 0.0 }
        } else {
            x
        }
    } else {
        libm::nextafterf(
            x,
            if a < b {
                f32::INFINITY
            } else {
                f32::NEG_INFINITY
            },
        )
    }
}
