//! `<complex.h>`: the functions of C's Annex G.
//!
//! The inverse functions are those of Hull, Fairgrieve and Tang, "Implementing the complex arcsine and
//! arccosine functions using exception handling" (1997), the square root and tangents those of Kahan,
//! "Branch cuts for complex elementary functions" (1987). The `float` ones compute as `double`.

use core::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, PI};
use libm::{
    atan, atan2, copysign, cos, cosh, exp, fabs, fma, hypot, log, log1p, scalbn, sin, sinh, sqrt,
    tan, tanh,
};

/// `double _Complex`: the ABI passes and returns it as this structure.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

/// `float _Complex`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComplexF {
    /// Real part.
    pub re: f32,
    /// Imaginary part.
    pub im: f32,
}

const fn c(re: f64, im: f64) -> Complex {
    Complex { re, im }
}

impl Complex {
    const fn wide(z: ComplexF) -> Self {
        c(z.re as f64, z.im as f64)
    }

    const fn narrow(self) -> ComplexF {
        ComplexF {
            re: self.re as f32,
            im: self.im as f32,
        }
    }

    /// i·z.
    const fn turned(self) -> Self {
        c(-self.im, self.re)
    }

    /// -i·z.
    const fn turned_back(self) -> Self {
        c(self.im, -self.re)
    }

    const fn conjugate(self) -> Self {
        c(self.re, -self.im)
    }
}

/// Above it `exp` overflows.
const EXP_MAX: f64 = 709.0;
/// Above it `cosh` and `sinh` are half of `exp`, to the last bit.
const EXP_ONLY: f64 = 22.0;
/// Beyond these magnitudes squares overflow or lose everything.
const HUGE: f64 = 1e150;
const TINY: f64 = 1e-150;

fn root(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    if x == 0.0 && y == 0.0 {
        return c(0.0, y);
    }
    if y.is_infinite() {
        return c(f64::INFINITY, y);
    }
    if x.is_nan() {
        return c(x, f64::NAN);
    }
    if x.is_infinite() {
        // Zero, or NaN beside a NaN.
        let rest = if y.is_nan() { y } else { 0.0 };
        return if x < 0.0 {
            c(fabs(rest), copysign(x, y))
        } else {
            c(x, copysign(rest, y))
        };
    }
    // Scaled by an even power of two, so that the modulus neither overflows nor loses bits.
    let largest = fabs(x).max(fabs(y));
    let (up, down) = if largest > 1e307 {
        (-4, 2)
    } else if largest < 1e-290 {
        (108, -54)
    } else {
        (0, 0)
    };
    let (x, y) = (scalbn(x, up), scalbn(y, up));
    let t = sqrt((fabs(x) + hypot(x, y)) * 0.5);
    let (re, im) = if x >= 0.0 {
        (t, y / (2.0 * t))
    } else {
        (fabs(y) / (2.0 * t), copysign(t, y))
    };
    c(scalbn(re, down), scalbn(im, down))
}

/// e^x times cosine and sine of y, where the power alone may overflow.
fn polar(x: f64, y: f64, half: bool) -> (f64, f64) {
    let scale = if half { 0.5 } else { 1.0 };
    let (s, k) = (sin(y), cos(y));
    if x <= EXP_MAX {
        let e = exp(x) * scale;
        (e * k, e * s)
    } else {
        let e = exp(x * 0.5);
        (scale * e * k * e, scale * e * s * e)
    }
}

fn power(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    if y == 0.0 {
        return c(exp(x), y);
    }
    if !y.is_finite() {
        return match x {
            f64::NEG_INFINITY => c(0.0, copysign(0.0, y)),
            f64::INFINITY => c(x, f64::NAN),
            _ => c(f64::NAN, f64::NAN),
        };
    }
    if x == 0.0 {
        return c(cos(y), sin(y));
    }
    let (re, im) = polar(x, y, false);
    c(re, im)
}

/// Logarithm of the modulus.
fn log_modulus(x: f64, y: f64) -> f64 {
    let (a, b) = (fabs(x).max(fabs(y)), fabs(x).min(fabs(y)));
    if x.is_infinite() || y.is_infinite() {
        return f64::INFINITY;
    }
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if a > 1e307 {
        return log(hypot(a * 0.25, b * 0.25)) + 2.0 * LN_2;
    }
    if a < 1e-290 {
        let modulus = hypot(scalbn(a, 108), scalbn(b, 108));
        return log(modulus) - 108.0 * LN_2;
    }
    if !(0.5..=2.0).contains(&a) {
        return log(hypot(a, b));
    }
    if b < TINY {
        return log(a);
    }
    // a² + b² - 1 in twice the precision: near the unit circle nearly all of it cancels.
    let (aa, bb) = (a * a, b * b);
    let (ea, eb) = (fma(a, a, -aa), fma(b, b, -bb));
    let d = aa - 1.0;
    let ed = (aa - d) - 1.0;
    let sum = d + bb;
    let part = sum - d;
    let es = (d - (sum - part)) + (bb - part);
    let rest = sum + (es + ed + ea + eb);
    if rest < -0.7 {
        log(hypot(a, b))
    } else {
        0.5 * log1p(rest)
    }
}

fn logarithm(z: Complex) -> Complex {
    c(log_modulus(z.re, z.im), atan2(z.im, z.re))
}

fn sine_hyperbolic(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    if y == 0.0 {
        return c(sinh(x), y);
    }
    if !y.is_finite() {
        return match x {
            0.0 => c(x, f64::NAN),
            f64::INFINITY | f64::NEG_INFINITY => c(x, f64::NAN),
            _ => c(f64::NAN, f64::NAN),
        };
    }
    if fabs(x) < EXP_ONLY || x.is_nan() {
        return c(sinh(x) * cos(y), cosh(x) * sin(y));
    }
    let (re, im) = polar(fabs(x), y, true);
    c(copysign(1.0, x) * re, im)
}

fn cosine_hyperbolic(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    let zero = copysign(0.0, x) * copysign(1.0, y);
    if y == 0.0 {
        return c(cosh(x), if x.is_nan() { y } else { sinh(x) * y })
            .zeroed(x == 0.0 || x.is_infinite(), zero);
    }
    if !y.is_finite() {
        return match x {
            0.0 => c(f64::NAN, zero),
            f64::INFINITY | f64::NEG_INFINITY => c(f64::INFINITY, f64::NAN),
            _ => c(f64::NAN, f64::NAN),
        };
    }
    if fabs(x) < EXP_ONLY || x.is_nan() {
        return c(cosh(x) * cos(y), sinh(x) * sin(y));
    }
    let (re, im) = polar(fabs(x), y, true);
    c(re, copysign(1.0, x) * im)
}

impl Complex {
    const fn zeroed(self, when: bool, zero: f64) -> Self {
        if when { c(self.re, zero) } else { self }
    }
}

fn tangent_hyperbolic(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    if x.is_nan() {
        return c(x, if y == 0.0 { y } else { f64::NAN });
    }
    if x.is_infinite() {
        let sign = if y.is_finite() { sin(y) * cos(y) } else { y };
        return c(copysign(1.0, x), copysign(0.0, sign));
    }
    if !y.is_finite() {
        return c(if x == 0.0 { x } else { f64::NAN }, f64::NAN);
    }
    if y == 0.0 {
        return c(tanh(x), y);
    }
    if fabs(x) > EXP_ONLY {
        let small = exp(-fabs(x));
        return c(copysign(1.0, x), 4.0 * sin(y) * cos(y) * small * small);
    }
    let t = tan(y);
    let beta = 1.0 + t * t;
    let s = sinh(x);
    let rho = sqrt(1.0 + s * s);
    if beta.is_infinite() {
        return c(rho / s, 1.0 / t);
    }
    let below = 1.0 + beta * s * s;
    c(beta * rho * s / below, t / below)
}

/// Real part of the arcsine (or of its complement), and imaginary part without its sign, for finite
/// numbers of the first quadrant.
fn arc(x: f64, y: f64, cosine: bool) -> (f64, f64) {
    const CROSS_A: f64 = 1.5;
    const CROSS_B: f64 = 0.6417;
    if x > HUGE || y > HUGE {
        let angle = if cosine { atan2(y, x) } else { atan2(x, y) };
        return (angle, LN_2 + log_modulus(x, y));
    }
    if y < TINY && fabs(x - 1.0) > 1e-20 {
        // The formulas would square it away.
        return if x < 1.0 {
            let width = sqrt((1.0 - x) * (1.0 + x));
            (
                if cosine { libm::acos(x) } else { libm::asin(x) },
                y / width,
            )
        } else {
            let width = sqrt((x - 1.0) * (x + 1.0));
            let angle = if cosine { y / width } else { FRAC_PI_2 };
            (angle, log1p((x - 1.0) + width))
        };
    }
    if y < TINY {
        let width = sqrt(y);
        return (if cosine { width } else { FRAC_PI_2 - width }, width);
    }
    let (r, s) = (hypot(x + 1.0, y), hypot(x - 1.0, y));
    let a = 0.5 * (r + s);
    let b = x / a;
    let left = y * y / (r + (x + 1.0));
    let angle = if b <= CROSS_B {
        if cosine { libm::acos(b) } else { libm::asin(b) }
    } else {
        let sum = a + x;
        let opposite = if x <= 1.0 {
            sqrt(0.5 * sum * (left + (s + (1.0 - x))))
        } else {
            y * sqrt(0.5 * (sum / (r + (x + 1.0)) + sum / (s + (x - 1.0))))
        };
        if cosine {
            atan(opposite / x)
        } else {
            atan(x / opposite)
        }
    };
    let height = if a <= CROSS_A {
        let less = if x < 1.0 {
            0.5 * (left + y * y / (s + (1.0 - x)))
        } else {
            0.5 * (left + (s + (x - 1.0)))
        };
        log1p(less + sqrt(less * (a + 1.0)))
    } else {
        log(a + sqrt(a * a - 1.0))
    };
    (angle, height)
}

fn arc_sine_hyperbolic(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    match (x.is_nan(), y.is_nan()) {
        (true, true) => return c(x, y),
        (true, false) if y == 0.0 => return c(x, y),
        (true, false) if y.is_infinite() => return c(f64::INFINITY, x),
        (false, true) if x.is_infinite() => return c(x, y),
        (true, _) | (_, true) => return c(f64::NAN, f64::NAN),
        _ => {}
    }
    if x.is_infinite() {
        let angle = if y.is_infinite() { FRAC_PI_4 } else { 0.0 };
        return c(x, copysign(angle, y));
    }
    if y.is_infinite() {
        return c(copysign(f64::INFINITY, x), copysign(FRAC_PI_2, y));
    }
    if x == 0.0 && y == 0.0 {
        return z;
    }
    // asinh z = -i asin iz.
    let (angle, height) = arc(fabs(y), fabs(x), false);
    c(copysign(height, x), copysign(angle, y))
}

fn arc_cosine(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    match (x.is_nan(), y.is_nan()) {
        (false, true) if x == 0.0 => return c(FRAC_PI_2, y),
        (false, true) if x.is_infinite() => return c(y, f64::INFINITY),
        (true, false) if y.is_infinite() => return c(x, -y),
        (true, _) | (_, true) => return c(f64::NAN, f64::NAN),
        _ => {}
    }
    let far = -copysign(f64::INFINITY, y);
    if y.is_infinite() {
        return match x {
            f64::INFINITY => c(FRAC_PI_4, far),
            f64::NEG_INFINITY => c(3.0 * FRAC_PI_4, far),
            _ => c(FRAC_PI_2, far),
        };
    }
    if x.is_infinite() {
        return c(if x < 0.0 { PI } else { 0.0 }, far);
    }
    let (angle, height) = arc(fabs(x), fabs(y), true);
    let angle = if x.is_sign_negative() {
        PI - angle
    } else {
        angle
    };
    c(angle, -copysign(height, y))
}

fn arc_cosine_hyperbolic(z: Complex) -> Complex {
    if z.re == 0.0 && z.im.is_nan() {
        return c(f64::NAN, FRAC_PI_2);
    }
    let a = arc_cosine(z);
    if a.re.is_nan() && a.im.is_infinite() {
        return c(f64::INFINITY, f64::NAN);
    }
    c(fabs(a.im), copysign(a.re, z.im))
}

fn arc_tangent_hyperbolic(z: Complex) -> Complex {
    let Complex { re: x, im: y } = z;
    if y.is_nan() {
        return match x {
            0.0 => c(x, y),
            _ if x.is_infinite() => c(copysign(0.0, x), y),
            _ => c(f64::NAN, f64::NAN),
        };
    }
    if x.is_nan() && y.is_finite() {
        return c(f64::NAN, f64::NAN);
    }
    if !x.is_finite() || y.is_infinite() {
        return c(copysign(0.0, x), copysign(FRAC_PI_2, y));
    }
    if fabs(x) == 1.0 && y == 0.0 {
        return c(copysign(f64::INFINITY, x), y);
    }
    let (a, b) = (fabs(x), fabs(y));
    if a > HUGE || b > HUGE {
        // Real part of 1/z: the squares would overflow.
        let m = hypot(a * 0.5, b * 0.5);
        return c(copysign(a / m / m * 0.25, x), copysign(FRAC_PI_2, y));
    }
    // Between the axes' extremes the squares of tiny parts do not count.
    let square = if b < TINY { 0.0 } else { b * b };
    let re = if a == 1.0 && b < TINY {
        0.5 * (LN_2 - log(b))
    } else {
        let away = (1.0 - a) * (1.0 - a) + square;
        if a < 1e-5 && b > 1.0 || 4.0 * a / away < 0.1 || away > 1e-2 {
            0.25 * log1p(4.0 * a / away)
        } else {
            0.25 * (2.0 * log_modulus(1.0 + a, b) - log(away))
        }
    };
    let im = 0.5 * atan2(2.0 * b, (1.0 - a) * (1.0 + a) - square);
    c(copysign(re, x), copysign(im, y))
}

/// C's multiplication, with Annex G's care for infinities.
fn times(p: Complex, q: Complex) -> Complex {
    let plain = c(p.re * q.re - p.im * q.im, p.re * q.im + p.im * q.re);
    if !(plain.re.is_nan() && plain.im.is_nan()) {
        return plain;
    }
    let boxed = |z: Complex| {
        let one = |v: f64| copysign(if v.is_infinite() { 1.0 } else { 0.0 }, v);
        if z.re.is_infinite() || z.im.is_infinite() {
            Some(c(one(z.re), one(z.im)))
        } else {
            None
        }
    };
    let (bp, bq) = (boxed(p), boxed(q));
    if bp.is_none() && bq.is_none() {
        return plain;
    }
    let tame = |z: Complex| {
        let zero = |v: f64| if v.is_nan() { copysign(0.0, v) } else { v };
        c(zero(z.re), zero(z.im))
    };
    let (p, q) = (tame(bp.unwrap_or(p)), tame(bq.unwrap_or(q)));
    c(
        f64::INFINITY * (p.re * q.re - p.im * q.im),
        f64::INFINITY * (p.re * q.im + p.im * q.re),
    )
}

fn project(z: Complex) -> Complex {
    if z.re.is_infinite() || z.im.is_infinite() {
        c(f64::INFINITY, copysign(0.0, z.im))
    } else {
        z
    }
}

macro_rules! complex {
    ($(fn $double:ident, fn $single:ident = $z:ident => $value:expr;)*) => { c_api! { $(
        fn $double($z: Complex) -> Complex { $value }
        fn $single(z: ComplexF) -> ComplexF { let $z = Complex::wide(z); Complex::narrow($value) }
    )* } };
}

complex! {
    fn csqrt, fn csqrtf = z => root(z);
    fn cexp, fn cexpf = z => power(z);
    fn clog, fn clogf = z => logarithm(z);
    fn csinh, fn csinhf = z => sine_hyperbolic(z);
    fn ccosh, fn ccoshf = z => cosine_hyperbolic(z);
    fn ctanh, fn ctanhf = z => tangent_hyperbolic(z);
    fn csin, fn csinf = z => sine_hyperbolic(z.turned()).turned_back();
    fn ccos, fn ccosf = z => cosine_hyperbolic(z.turned());
    fn ctan, fn ctanf = z => tangent_hyperbolic(z.turned()).turned_back();
    fn casinh, fn casinhf = z => arc_sine_hyperbolic(z);
    fn cacosh, fn cacoshf = z => arc_cosine_hyperbolic(z);
    fn catanh, fn catanhf = z => arc_tangent_hyperbolic(z);
    fn casin, fn casinf = z => arc_sine_hyperbolic(z.turned()).turned_back();
    fn cacos, fn cacosf = z => arc_cosine(z);
    fn catan, fn catanf = z => arc_tangent_hyperbolic(z.turned()).turned_back();
    fn conj, fn conjf = z => z.conjugate();
    fn cproj, fn cprojf = z => project(z);
}

c_api! {
    fn cabs(z: Complex) -> f64 { hypot(z.re, z.im) }
    fn cabsf(z: ComplexF) -> f32 { libm::hypotf(z.re, z.im) }
    fn carg(z: Complex) -> f64 { atan2(z.im, z.re) }
    fn cargf(z: ComplexF) -> f32 { libm::atan2f(z.im, z.re) }
    fn creal(z: Complex) -> f64 { z.re }
    fn crealf(z: ComplexF) -> f32 { z.re }
    fn cimag(z: Complex) -> f64 { z.im }
    fn cimagf(z: ComplexF) -> f32 { z.im }
    fn cpow(z: Complex, w: Complex) -> Complex { power(times(w, logarithm(z))) }
    fn cpowf(z: ComplexF, w: ComplexF) -> ComplexF { power(times(Complex::wide(w), logarithm(Complex::wide(z)))).narrow() }
}
