//! Reading integers in a base, and base-64 numbers.

/// Result of [`parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Magnitude, saturated at `u64::MAX`.
    pub magnitude: u64,
    /// Whether a minus sign was read.
    pub negative: bool,
    /// Magnitude did not fit 64 bits.
    pub overflow: bool,
    /// Characters consumed, the sign and prefix included; zero when there is no number.
    pub len: usize,
}

/// Reads the integer at the start of a text (leading space already skipped). `at(i)` gives the i-th
/// character. Base 0 recognises `0x` and `0` prefixes; the caller has checked that `base` is
/// 0 or 2 to 36.
pub fn parse(at: impl Fn(usize) -> u8, base: u32) -> Parsed {
    let mut i = usize::from(matches!(at(0), b'+' | b'-'));
    let negative = at(0) == b'-';
    let digit = |i: usize, base: u32| (at(i) as char).to_digit(base);
    let prefixed = |letter: u8, base: u32| {
        at(i) == b'0' && at(i + 1).to_ascii_lowercase() == letter && digit(i + 2, base).is_some()
    };
    let base = if (base == 0 || base == 16) && prefixed(b'x', 16) {
        i += 2;
        16
    } else if base == 0 {
        if at(i) == b'0' { 8 } else { 10 }
    } else {
        base
    };
    let start = i;
    let (mut magnitude, mut overflow) = (0u64, false);
    while let Some(d) = digit(i, base) {
        match magnitude
            .checked_mul(u64::from(base))
            .and_then(|m| m.checked_add(u64::from(d)))
        {
            Some(m) if !overflow => magnitude = m,
            _ => {
                overflow = true;
                magnitude = u64::MAX;
            }
        }
        i += 1;
    }
    Parsed {
        magnitude,
        negative,
        overflow,
        len: if i == start { 0 } else { i },
    }
}

impl Parsed {
    /// The value for a signed result with the given limits, and whether it was out of range.
    #[must_use]
    pub fn signed(&self, min: i64, max: i64) -> (i64, bool) {
        if self.negative {
            if self.overflow || self.magnitude > min.unsigned_abs() {
                (min, true)
            } else {
                (self.magnitude.wrapping_neg() as i64, false)
            }
        } else if self.overflow || self.magnitude > max as u64 {
            (max, true)
        } else {
            (self.magnitude as i64, false)
        }
    }

    /// The value for an unsigned result; a minus sign negates modulo 2^64, as C says.
    #[must_use]
    pub fn unsigned(&self, max: u64) -> (u64, bool) {
        if self.overflow || self.magnitude > max {
            (max, true)
        } else if self.negative {
            (self.magnitude.wrapping_neg() & max, false)
        } else {
            (self.magnitude, false)
        }
    }
}

const RADIX64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `a64l`: up to six radix-64 digits, least significant first, as a 32-bit number.
#[must_use]
pub fn a64l(text: &[u8]) -> i32 {
    let mut value = 0u64;
    for (i, c) in text.iter().take(6).enumerate() {
        let Some(d) = RADIX64.iter().position(|r| r == c) else {
            break;
        };
        value |= (d as u64) << (6 * i);
    }
    value as u32 as i32
}

/// `l64a`: the digits of a 32-bit number, least significant first, and how many there are.
#[must_use]
pub fn l64a(value: u32) -> ([u8; 6], usize) {
    let mut out = [0; 6];
    let mut len = 0;
    let mut rest = value;
    while rest != 0 {
        out[len] = RADIX64[(rest & 63) as usize];
        rest >>= 6;
        len += 1;
    }
    (out, len)
}
