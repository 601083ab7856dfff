//! `<complex.h>` against the host's: every special value, and random numbers of every size.

use relibc::math::complex::{self, Complex, ComplexF};

unsafe extern "C" {
    fn csqrt(z: Complex) -> Complex;
    fn cexp(z: Complex) -> Complex;
    fn clog(z: Complex) -> Complex;
    fn csinh(z: Complex) -> Complex;
    fn ccosh(z: Complex) -> Complex;
    fn ctanh(z: Complex) -> Complex;
    fn csin(z: Complex) -> Complex;
    fn ccos(z: Complex) -> Complex;
    fn ctan(z: Complex) -> Complex;
    fn casinh(z: Complex) -> Complex;
    fn cacosh(z: Complex) -> Complex;
    fn catanh(z: Complex) -> Complex;
    fn casin(z: Complex) -> Complex;
    fn cacos(z: Complex) -> Complex;
    fn catan(z: Complex) -> Complex;
    fn conj(z: Complex) -> Complex;
    fn cproj(z: Complex) -> Complex;
    fn cpow(z: Complex, w: Complex) -> Complex;
    fn cabs(z: Complex) -> f64;
    fn carg(z: Complex) -> f64;
    fn csqrtf(z: ComplexF) -> ComplexF;
    fn cexpf(z: ComplexF) -> ComplexF;
    fn casinf(z: ComplexF) -> ComplexF;
}

type F = unsafe extern "C" fn(Complex) -> Complex;

const FUNCTIONS: &[(&str, F, F)] = &[
    ("csqrt", complex::csqrt, csqrt),
    ("cexp", complex::cexp, cexp),
    ("clog", complex::clog, clog),
    ("csinh", complex::csinh, csinh),
    ("ccosh", complex::ccosh, ccosh),
    ("ctanh", complex::ctanh, ctanh),
    ("csin", complex::csin, csin),
    ("ccos", complex::ccos, ccos),
    ("ctan", complex::ctan, ctan),
    ("casinh", complex::casinh, casinh),
    ("cacosh", complex::cacosh, cacosh),
    ("catanh", complex::catanh, catanh),
    ("casin", complex::casin, casin),
    ("cacos", complex::cacos, cacos),
    ("catan", complex::catan, catan),
    ("conj", complex::conj, conj),
    ("cproj", complex::cproj, cproj),
];

/// Equal but for the sign of a NaN and for the last digits, measured against the whole number: a part
/// that nearly cancels has no more digits than that.
fn near(a: Complex, b: Complex, tolerance: f64) -> bool {
    let scale = b.re.abs().max(b.im.abs());
    let scale = if scale.is_finite() { scale } else { 0.0 };
    let part = |x: f64, y: f64| {
        x.is_nan() && y.is_nan()
            || x == y && (x != 0.0 || x.is_sign_negative() == y.is_sign_negative())
            || (x - y).abs() <= tolerance * scale.max(y.abs()) && x.is_finite() && y.is_finite()
            || x.abs().max(y.abs()) < 1e-300
    };
    part(a.re, b.re) && part(a.im, b.im)
}

#[test]
fn special_values() {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -2.0,
        30.0,
        -30.0,
        800.0,
        -800.0,
        2000.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let mut wrong = Vec::new();
    for (name, ours, host) in FUNCTIONS {
        for re in values {
            for im in values {
                let z = Complex { re, im };
                // SAFETY: functions of numbers.
                let (a, b) = unsafe { (ours(z), host(z)) };
                // Annex G leaves the sign of these open.
                let open = |v: Complex| Complex {
                    re: if v.re == 0.0 || v.re.is_infinite() {
                        v.re.abs()
                    } else {
                        v.re
                    },
                    im: if v.im == 0.0 || v.im.is_infinite() {
                        v.im.abs()
                    } else {
                        v.im
                    },
                };
                let unspecified = a.re.is_nan() || a.im.is_nan() || !im.is_finite();
                let same = if unspecified {
                    near(open(a), open(b), 1e-15)
                } else {
                    near(a, b, 1e-15)
                };
                if !same {
                    wrong.push(format!("{name}({re}, {im}): {a:?}, host {b:?}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }
    /// Mostly of ordinary size, sometimes of any.
    fn number(&mut self) -> f64 {
        let mantissa = 1.0 + (self.next() % (1 << 40)) as f64 / (1u64 << 40) as f64;
        let exponent = match self.next() % 8 {
            0 => self.next() as i32 % 1000 - 500,
            1 => self.next() as i32 % 60 - 30,
            _ => self.next() as i32 % 8 - 5,
        };
        let sign = if self.next() % 2 == 0 { 1.0 } else { -1.0 };
        sign * mantissa * 2f64.powi(exponent)
    }
}

#[test]
fn random_numbers() {
    let mut rng = Rng(7);
    let mut wrong = Vec::new();
    for _ in 0..20_000 {
        let z = Complex {
            re: rng.number(),
            im: rng.number(),
        };
        for (name, ours, host) in FUNCTIONS {
            // SAFETY: functions of numbers.
            let (a, b) = unsafe { (ours(z), host(z)) };
            if !near(a, b, 1e-14) && wrong.len() < 50 {
                wrong.push(format!("{name}({:e}, {:e}): {a:?}, host {b:?}", z.re, z.im));
            }
        }
        // SAFETY: functions of numbers.
        unsafe {
            assert!(
                (complex::cabs(z) - cabs(z)).abs() <= 1e-15 * cabs(z),
                "{z:?}"
            );
            assert!(
                (complex::carg(z) - carg(z)).abs() <= 1e-15 * carg(z).abs(),
                "{z:?}"
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn powers_and_floats() {
    let mut rng = Rng(9);
    for _ in 0..20_000 {
        let small = |rng: &mut Rng| (rng.next() % 4001) as f64 / 1000.0 - 2.0;
        let z = Complex {
            re: small(&mut rng),
            im: small(&mut rng),
        };
        let w = Complex {
            re: small(&mut rng),
            im: small(&mut rng),
        };
        // SAFETY: functions of numbers.
        unsafe {
            let (a, b) = (complex::cpow(z, w), cpow(z, w));
            assert!(near(a, b, 1e-13), "cpow({z:?}, {w:?}): {a:?}, host {b:?}");
            let f = ComplexF {
                re: z.re as f32,
                im: z.im as f32,
            };
            for (a, b) in [
                (complex::csqrtf(f), csqrtf(f)),
                (complex::cexpf(f), cexpf(f)),
                (complex::casinf(f), casinf(f)),
            ] {
                let wide = |z: ComplexF| Complex {
                    re: z.re.into(),
                    im: z.im.into(),
                };
                assert!(near(wide(a), wide(b), 5e-7), "{f:?}: {a:?}, host {b:?}");
            }
        }
    }
}
