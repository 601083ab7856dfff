//! Reading floating-point numbers, decimal and hexadecimal, rounded once and correctly.

use super::big::Big;
use super::{Class, F32, F64, Float, Format};

/// What [`scan`] recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// `inf` or `infinity`.
    Infinity,
    /// `nan`, perhaps with `(chars)`.
    Nan,
    /// A decimal number.
    Decimal,
    /// `0x…`, with a binary exponent if any.
    Hex,
}

/// The longest prefix that is a floating-point number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its form.
    pub kind: TokenKind,
    /// Length in characters, the sign included.
    pub len: usize,
}

fn matches(at: &impl Fn(usize) -> u8, from: usize, word: &[u8]) -> bool {
    word.iter()
        .enumerate()
        .all(|(i, c)| at(from + i).to_ascii_lowercase() == *c)
}

/// Finds the number at the start of a text, leading space already skipped. `at(i)` gives the i-th
/// character and is asked for no index beyond the first one that cannot belong to the number.
pub fn scan(at: impl Fn(usize) -> u8) -> Option<Token> {
    let mut i = usize::from(matches!(at(0), b'+' | b'-'));
    if matches(&at, i, b"inf") {
        let len = if matches(&at, i + 3, b"inity") {
            i + 8
        } else {
            i + 3
        };
        return Some(Token {
            kind: TokenKind::Infinity,
            len,
        });
    }
    if matches(&at, i, b"nan") {
        i += 3;
        if at(i) == b'(' {
            let mut j = i + 1;
            while at(j).is_ascii_alphanumeric() || at(j) == b'_' {
                j += 1;
            }
            if at(j) == b')' {
                i = j + 1;
            }
        }
        return Some(Token {
            kind: TokenKind::Nan,
            len: i,
        });
    }
    let hex = at(i) == b'0'
        && matches!(at(i + 1), b'x' | b'X')
        && (at(i + 2).is_ascii_hexdigit() || (at(i + 2) == b'.' && at(i + 3).is_ascii_hexdigit()));
    let (kind, marker) = if hex {
        (TokenKind::Hex, b'p')
    } else {
        (TokenKind::Decimal, b'e')
    };
    if hex {
        i += 2;
    }
    let is_digit = |c: u8| {
        if hex {
            c.is_ascii_hexdigit()
        } else {
            c.is_ascii_digit()
        }
    };
    let mut digits = 0;
    while is_digit(at(i)) {
        i += 1;
        digits += 1;
    }
    if at(i) == b'.' && (digits > 0 || is_digit(at(i + 1))) {
        i += 1;
        while is_digit(at(i)) {
            i += 1;
            digits += 1;
        }
    }
    if digits == 0 {
        return None;
    }
    if at(i).to_ascii_lowercase() == marker {
        let mut j = i + 1;
        if matches!(at(j), b'+' | b'-') {
            j += 1;
        }
        if at(j).is_ascii_digit() {
            while at(j).is_ascii_digit() {
                j += 1;
            }
            i = j;
        }
    }
    Some(Token { kind, len: i })
}

/// A number read, and whether C asks for `ERANGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The value, rounded to the format asked for.
    pub value: Float,
    /// Overflow, or an inexact result too small to be normal.
    pub out_of_range: bool,
}

/// Splits `text` at an exponent marker and reads the exponent, saturated far outside every format.
fn exponent(text: &[u8], marker: u8) -> (&[u8], i64) {
    let Some(at) = text.iter().position(|c| c.to_ascii_lowercase() == marker) else {
        return (text, 0);
    };
    let (mantissa, tail) = text.split_at(at);
    let mut value = 0i64;
    let mut negative = false;
    for c in &tail[1..] {
        match c {
            b'-' => negative = true,
            b'0'..=b'9' => value = (value * 10 + i64::from(c - b'0')).min(1 << 40),
            _ => {}
        }
    }
    (mantissa, if negative { -value } else { value })
}

/// Rounds `(m + sticky/2) × 2^exp` to a format.
fn round(negative: bool, m: u128, exp: i64, sticky: bool, format: Format) -> Converted {
    let finite = |mantissa, exponent| Float {
        negative,
        class: Class::Finite,
        mantissa,
        exponent,
    };
    if m == 0 {
        return Converted {
            value: finite(0, 0),
            out_of_range: sticky,
        };
    }
    let width = i64::from(128 - m.leading_zeros());
    let least = i64::from(format.min_exp) - i64::from(format.bits);
    let target = (exp + width - i64::from(format.bits)).max(least);
    let drop = target - exp;
    let (mut kept, inexact) = if drop <= 0 {
        (m << (-drop).min(127), sticky)
    } else if drop > 128 {
        (0, true)
    } else {
        let kept = if drop == 128 { 0 } else { m >> drop };
        let rest = m - if drop == 128 { 0 } else { kept << drop };
        let half = 1u128 << (drop - 1);
        let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
        (kept + u128::from(up), sticky || rest != 0)
    };
    let mut target = target;
    if kept >> format.bits != 0 {
        kept >>= 1;
        target += 1;
    }
    if kept >> (format.bits - 1) != 0 && target + i64::from(format.bits) > i64::from(format.max_exp)
    {
        return Converted {
            value: Float {
                negative,
                class: Class::Infinite,
                mantissa: 0,
                exponent: 0,
            },
            out_of_range: true,
        };
    }
    // Tininess is detected after rounding, as x86 does: a result that reaches the smallest normal
    // number only by rounding is tiny if it would still be below with an unbounded exponent.
    let tiny = if kept >> (format.bits - 1) == 0 {
        true
    } else if target == least && drop > 0 && exp + width - i64::from(format.bits) < least {
        let fine = drop - 1;
        let k = if fine >= 128 { 0 } else { m >> fine };
        let rest = m - (k << fine.min(127));
        let half = if fine == 0 { 0 } else { 1u128 << (fine - 1) };
        let up = fine > 0 && (rest > half || (rest == half && (sticky || k & 1 == 1)));
        (k + u128::from(up)) >> format.bits == 0
    } else {
        false
    };
    Converted {
        value: finite(kept as u64, target as i32),
        out_of_range: tiny && inexact,
    }
}

fn hex(negative: bool, text: &[u8], format: Format) -> Converted {
    let (digits, mut exp) = exponent(text, b'p');
    let mut m = 0u128;
    let mut sticky = false;
    let mut fraction = false;
    for c in digits {
        let Some(d) = (*c as char).to_digit(16) else {
            fraction = true;
            continue;
        };
        if m >> 120 == 0 {
            m = m << 4 | u128::from(d);
            exp -= if fraction { 4 } else { 0 };
        } else {
            sticky |= d != 0;
            exp += if fraction { 0 } else { 4 };
        }
    }
    round(negative, m, exp, sticky, format)
}

fn decimal(negative: bool, text: &[u8], format: Format) -> Converted {
    // No halfway point of any format has this many significant digits, so a longer tail only says
    // "a little more".
    const SIGNIFICANT: usize = 11_600;
    let (digits, mut exp) = exponent(text, b'e');
    let mut big = Big::default();
    let mut used = 0;
    let mut sticky = false;
    let mut fraction = false;
    let (mut chunk, mut scale) = (0u32, 1u32);
    for c in digits {
        if *c == b'.' {
            fraction = true;
            continue;
        }
        let d = u32::from(c - b'0');
        if used < SIGNIFICANT {
            if used > 0 || d != 0 {
                used += 1;
                chunk = chunk * 10 + d;
                scale *= 10;
                if scale == 1_000_000_000 {
                    big.mul_add(scale, chunk);
                    (chunk, scale) = (0, 1);
                }
            }
            exp -= i64::from(fraction);
        } else {
            sticky |= d != 0;
            exp += i64::from(!fraction);
        }
    }
    big.mul_add(scale, chunk);
    if sticky {
        // Keeps comparisons with halfway points strict.
        big.mul_add(10, 1);
        exp -= 1;
    }
    if big.is_zero() {
        return round(negative, 0, 0, false, format);
    }
    let magnitude = exp + used as i64;
    if magnitude > 5000 {
        return round(negative, 1, 1 << 20, false, format);
    }
    if magnitude < -5100 {
        return round(negative, 1, -(1 << 20), true, format);
    }
    let (m, e, cut) = if exp >= 0 {
        big.mul_pow5(exp as u32);
        big.leading()
    } else {
        let mut divisor = Big::from_u64(1);
        divisor.mul_pow5(-exp as u32);
        big.divide(divisor)
    };
    round(negative, m, i64::from(e) + exp, cut, format)
}

/// Converts a token found by [`scan`] (`text` is exactly that token) to a format.
#[must_use]
pub fn convert(text: &[u8], kind: TokenKind, format: Format) -> Converted {
    let negative = text.first() == Some(&b'-');
    let body = if matches!(text.first(), Some(b'+' | b'-')) {
        &text[1..]
    } else {
        text
    };
    let special = |class| Converted {
        value: Float {
            negative,
            class,
            mantissa: 0,
            exponent: 0,
        },
        out_of_range: false,
    };
    match kind {
        TokenKind::Infinity => special(Class::Infinite),
        TokenKind::Nan => special(Class::Nan),
        TokenKind::Hex => hex(negative, &body[2..], format),
        TokenKind::Decimal => {
            fast(negative, body, format).unwrap_or_else(|| decimal(negative, body, format))
        }
    }
}

/// The ordinary case through `core`'s reader, which rounds correctly; the edges of the range, where
/// exactness must be known to decide about `ERANGE`, take the long way.
fn fast(negative: bool, body: &[u8], format: Format) -> Option<Converted> {
    let text = core::str::from_utf8(body).ok()?;
    let value = if format == F64 {
        let v: f64 = text.parse().ok()?;
        (v.is_finite() && v > f64::MIN_POSITIVE).then(|| Float::from_f64(v))?
    } else if format == F32 {
        let v: f32 = text.parse().ok()?;
        (v.is_finite() && v > f32::MIN_POSITIVE).then(|| Float::from_f64(f64::from(v)))?
    } else {
        return None;
    };
    Some(Converted {
        value: Float { negative, ..value },
        out_of_range: false,
    })
}
