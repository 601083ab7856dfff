//! Reading numbers against the host's `strtod`, `strtof`, `strtold`, `strtol`.

mod common;

use common::Rng;
use relibc_core::float::{self, F32, F64, F80};
use relibc_core::integer;
use std::ffi::CString;

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

fn clear() {
    // SAFETY: the thread's own errno.
    unsafe { *libc::__errno_location() = 0 };
}

fn check(text: &str) {
    let c = CString::new(text).unwrap();
    let bytes = c.as_bytes_with_nul();
    let mut end = std::ptr::null_mut();
    clear();
    // SAFETY: a C string and a place for the end.
    let want = unsafe { libc::strtod(c.as_ptr(), &mut end) };
    let (used, range) = (end as usize - c.as_ptr() as usize, errno() == libc::ERANGE);
    clear();
    // SAFETY: as before.
    let want32 = unsafe { libc::strtof(c.as_ptr(), &mut end) };
    let range32 = errno() == libc::ERANGE;
    let Some(token) = float::scan(|i| bytes.get(i).copied().unwrap_or(0)) else {
        assert_eq!(used, 0, "{text:?}");
        return;
    };
    assert_eq!(token.len, used, "length of {text:?}");
    let got = float::convert(&bytes[..used], token.kind, F64);
    let value = got.value.to_f64();
    assert!(
        value.to_bits() == want.to_bits() || (value.is_nan() && want.is_nan()),
        "{text:?}: {value:e} for {want:e}"
    );
    assert_eq!(got.out_of_range, range, "range of {text:?}");
    let got = float::convert(&bytes[..used], token.kind, F32);
    let value = got.value.to_f32();
    assert!(
        value.to_bits() == want32.to_bits() || (value.is_nan() && want32.is_nan()),
        "{text:?}: {value:e} for {want32:e}f"
    );
    assert_eq!(got.out_of_range, range32, "float range of {text:?}");
}

#[test]
fn table_matches_the_host() {
    for text in [
        "0",
        "-0",
        "+1.5",
        ".5",
        "5.",
        ".",
        "",
        "e5",
        "1e",
        "1e+",
        "1e5x",
        "0x",
        "0x.",
        "0x1p",
        "0x1p3",
        "0x.8p1",
        "0X1.8P-2",
        "0xg",
        "inf",
        "-INFINITY",
        "infin",
        "nan",
        "nan(",
        "nan(12a_)",
        "nan(-)",
        "1e400",
        "1e-400",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "9007199254740993",
        "0x1.fffffffffffff8p1023",
        "0x1.fffffffffffff7p1023",
        "0x0.0000000000001p-1022",
        "0x1p-1074",
        "0x1p-1075",
        "0x1.8p-1075",
        "1e9999999999999",
        "0e9999999999999",
        "1e-9999999999999",
        "0x1p99999999999",
        "3.4028235677973366e38",
        "1.1754943e-38",
        "1.17549428e-38",
        "1.4e-45",
        "7e-46",
        "0x1.fffffep-127",
        "0x1.fffffffp-127",
        "0x1.ffffffp-127",
        "0x0.ffffffp-126",
        "0x0.fffffffp-126",
        "0x1.fffffffffffffffp-1023",
    ] {
        check(text);
    }
}

#[test]
fn random_numbers_match_the_host() {
    let mut rng = Rng(10);
    for _ in 0..30_000 {
        let digits = rng.below(25) + 1;
        let mut text = String::new();
        let point = rng.below(30);
        for i in 0..digits {
            if i == point {
                text.push('.');
            }
            text.push((b'0' + rng.below(10) as u8) as char);
        }
        if rng.below(2) == 0 {
            text += &format!("e{}", rng.below(700) as i32 - 350);
        }
        check(&text);
    }
}

#[test]
fn halfway_cases_match_the_host() {
    let mut rng = Rng(11);
    for _ in 0..3_000 {
        // The exact middle of two neighbours, and just beside it.
        let bits = if rng.below(3) == 0 {
            rng.below(1 << 53)
        } else {
            rng.next() & !(1 << 63)
        };
        let v = f64::from_bits(bits);
        if !v.is_finite() || v == f64::MAX {
            continue;
        }
        let low = relibc_core::float::Float::from_f64(v);
        let middle = relibc_core::float::Float {
            mantissa: low.mantissa * 2 + 1,
            exponent: low.exponent - 1,
            ..low
        };
        let decimal = relibc_core::float::Decimal::exact(&middle);
        let digits: String = decimal.digits.iter().map(|d| (b'0' + d) as char).collect();
        check(&format!("0.{digits}e{}", decimal.point));
        check(&format!("0.{digits}0001e{}", decimal.point));
        check(&format!("{digits}e{}", decimal.point - digits.len() as i32));
        let mut below = decimal.digits.clone();
        *below.last_mut().unwrap() -= 1;
        let below: String = below.iter().map(|d| (b'0' + d) as char).collect();
        check(&format!("0.{below}9999e{}", decimal.point));
    }
}

#[test]
fn random_hex_matches_the_host() {
    let mut rng = Rng(12);
    for _ in 0..20_000 {
        let mut text = String::from("0x");
        let digits = rng.below(20) + 1;
        let point = rng.below(20);
        for i in 0..digits {
            if i == point {
                text.push('.');
            }
            text.push(char::from_digit(rng.below(16) as u32, 16).unwrap());
        }
        text += &format!("p{}", rng.below(2300) as i32 - 1150);
        check(&text);
    }
}

#[test]
fn random_garbage_matches_the_host() {
    let mut rng = Rng(13);
    for _ in 0..50_000 {
        let n = rng.below(10);
        let text: String = (0..n)
            .map(|_| rng.pick(b"0123456789.eExXpP+-infatyIN()_a") as char)
            .collect();
        check(&text);
    }
}

#[test]
fn extended_numbers_are_exact() {
    // Every double is an extended number, and 80-bit literals round at 64 bits.
    let mut rng = Rng(14);
    for _ in 0..2_000 {
        let v = rng.double();
        if !v.is_finite() {
            continue;
        }
        let text = format!("{v:e}");
        let text = text.trim_start_matches('-');
        let exact = relibc_core::float::Decimal::exact(&relibc_core::float::Float::from_f64(v));
        let digits: String = exact.digits.iter().map(|d| (b'0' + d) as char).collect();
        let full = if digits.is_empty() {
            text.to_string()
        } else {
            format!("0.{digits}e{}", exact.point)
        };
        let token = float::scan(|i| full.as_bytes().get(i).copied().unwrap_or(0)).unwrap();
        let got = float::convert(full.as_bytes(), token.kind, F80).value;
        let (a, b) = (
            got.to_f80(),
            relibc_core::float::Float::from_f64(v.abs()).to_f80(),
        );
        assert_eq!(a, b, "{full}");
        assert_eq!(relibc_core::float::Float::from_f80(a).to_f80(), a);
    }
    let f80 = |text: &str| {
        let token = float::scan(|i| text.as_bytes().get(i).copied().unwrap_or(0)).unwrap();
        let c = float::convert(text.as_bytes(), token.kind, F80);
        (c.value.to_f80(), c.out_of_range)
    };
    let bytes = |m: u64, top: u16| {
        let mut out = [0; 10];
        out[..8].copy_from_slice(&m.to_le_bytes());
        out[8..].copy_from_slice(&top.to_le_bytes());
        out
    };
    for (text, want) in [
        ("1", (bytes(1 << 63, 16383), false)),
        ("0.1", (bytes(0xcccc_cccc_cccc_cccd, 16379), false)),
        (
            "3.14159265358979323846264338327950288",
            (bytes(0xc90f_daa2_2168_c235, 16384), false),
        ),
        (
            "1.18973149535723176502e4932",
            (bytes(u64::MAX, 0x7ffe), false),
        ),
        ("1.2e4932", (bytes(1 << 63, 0x7fff), true)),
        ("3.645e-4951", (bytes(1, 0), true)),
        ("1e-5000", (bytes(0, 0), true)),
        ("0x1p-16445", (bytes(1, 0), false)),
        ("0x1p-16382", (bytes(1 << 63, 1), false)),
    ] {
        assert_eq!(f80(text), want, "{text}");
    }
}

#[test]
fn integers_match_the_host() {
    let mut rng = Rng(15);
    for _ in 0..60_000 {
        let n = rng.below(24);
        let text: String = (0..n)
            .map(|_| rng.pick(b"0011223456789abcdefxXzZ+-78") as char)
            .collect();
        let base = rng.pick(&[0, 8, 10, 16, 36, 3]);
        let c = CString::new(text.clone()).unwrap();
        let mut end = std::ptr::null_mut();
        clear();
        // SAFETY: a C string and a place for the end.
        let want = unsafe { libc::strtol(c.as_ptr(), &mut end, base) };
        let (used, range) = (end as usize - c.as_ptr() as usize, errno() == libc::ERANGE);
        let got = integer::parse(
            |i| text.as_bytes().get(i).copied().unwrap_or(0),
            base as u32,
        );
        assert_eq!(
            (
                got.len,
                if got.len == 0 {
                    (0, false)
                } else {
                    got.signed(i64::MIN, i64::MAX)
                }
            ),
            (used, (want, range)),
            "{text:?} base {base}"
        );
        clear();
        // SAFETY: as before.
        let want = unsafe { libc::strtoul(c.as_ptr(), &mut end, base) };
        let range = errno() == libc::ERANGE;
        assert_eq!(
            if got.len == 0 {
                (0, false)
            } else {
                got.unsigned(u64::MAX)
            },
            (want, range),
            "{text:?} base {base}"
        );
    }
}

#[test]
fn radix_64_round_trips() {
    let mut rng = Rng(16);
    for _ in 0..1000 {
        let v = rng.next() as u32;
        let (text, n) = integer::l64a(v);
        assert_eq!(integer::a64l(&text[..n]) as u32, v);
    }
    assert_eq!(integer::a64l(b"zz"), 4095);
}
