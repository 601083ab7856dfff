//! Floating-point numbers taken apart, printed and read back exactly.

mod big;
mod decimal;
mod parse;

pub use decimal::{Decimal, Rounding};
pub use parse::{Converted, Token, TokenKind, convert, scan};

/// A binary format: `bits` of significand (the leading one included), exponents as in `<float.h>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Significand width, `*_MANT_DIG`.
    pub bits: u32,
    /// `*_MIN_EXP`: the smallest `e` such that 2^(e-1) is normal.
    pub min_exp: i32,
    /// `*_MAX_EXP`: the largest `e` such that 2^(e-1) is finite.
    pub max_exp: i32,
}

/// IEEE binary32.
pub const F32: Format = Format {
    bits: 24,
    min_exp: -125,
    max_exp: 128,
};
/// IEEE binary64.
pub const F64: Format = Format {
    bits: 53,
    min_exp: -1021,
    max_exp: 1024,
};
/// x87 extended precision, `long double` on x86_64.
pub const F80: Format = Format {
    bits: 64,
    min_exp: -16381,
    max_exp: 16384,
};

/// What kind of number a [`Float`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Zero, subnormal or normal.
    Finite,
    /// An infinity.
    Infinite,
    /// Not a number.
    Nan,
}

/// A number of any [`Format`]: `±mantissa × 2^exponent` when [`Class::Finite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Float {
    /// The sign bit.
    pub negative: bool,
    /// Finite or not.
    pub class: Class,
    /// Integer significand.
    pub mantissa: u64,
    /// Power of two that scales it.
    pub exponent: i32,
}

impl Float {
    /// Takes a `double` apart.
    #[must_use]
    pub fn from_f64(value: f64) -> Float {
        let bits = value.to_bits();
        let field = ((bits >> 52) & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        let (class, mantissa, exponent) = match field {
            0x7ff if fraction == 0 => (Class::Infinite, 0, 0),
            0x7ff => (Class::Nan, 0, 0),
            0 => (Class::Finite, fraction, -1074),
            _ => (Class::Finite, fraction | 1 << 52, field - 1075),
        };
        Float {
            negative: bits >> 63 != 0,
            class,
            mantissa,
            exponent,
        }
    }

    /// Takes an x87 extended number apart, given as its ten bytes in memory order.
    #[must_use]
    pub fn from_f80(bytes: [u8; 10]) -> Float {
        let [a, b, c, d, e, f, g, h, lo, hi] = bytes;
        let mantissa = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let top = u16::from_le_bytes([lo, hi]);
        let field = i32::from(top & 0x7fff);
        let negative = top >> 15 != 0;
        let (class, mantissa, exponent) = match field {
            0x7fff if mantissa << 1 == 0 => (Class::Infinite, 0, 0),
            0x7fff => (Class::Nan, 0, 0),
            0 => (Class::Finite, mantissa, -16445),
            _ => (Class::Finite, mantissa, field - 16446),
        };
        Float {
            negative,
            class,
            mantissa,
            exponent,
        }
    }

    /// Puts a number back together as x87 extended bytes. The significand must already fit: callers
    /// pass the result of a conversion to [`F80`].
    #[must_use]
    pub fn to_f80(self) -> [u8; 10] {
        let (mantissa, field) = match self.class {
            Class::Infinite => (1 << 63, 0x7fff),
            Class::Nan => (3 << 62, 0x7fff),
            Class::Finite if self.mantissa == 0 => (0, 0),
            Class::Finite => {
                let shift = self.mantissa.leading_zeros() as i32;
                let field = self.exponent - shift + 16446;
                if field > 0 {
                    (self.mantissa << shift, field)
                } else {
                    // Subnormal: the unit in the last place is 2^-16445.
                    let down = -16445 - self.exponent;
                    let m = if down >= 64 || down <= -64 {
                        0
                    } else if down >= 0 {
                        self.mantissa >> down
                    } else {
                        self.mantissa << -down
                    };
                    (m, 0)
                }
            }
        };
        let top = (field as u16 & 0x7fff) | u16::from(self.negative) << 15;
        let mut out = [0; 10];
        out[..8].copy_from_slice(&mantissa.to_le_bytes());
        out[8..].copy_from_slice(&top.to_le_bytes());
        out
    }

    /// Puts a number back together as a `double`; see [`to_f80`](Float::to_f80).
    #[must_use]
    pub fn to_f64(self) -> f64 {
        let bits = self.pack(F64, 52, 11);
        f64::from_bits(bits)
    }

    /// Puts a number back together as a `float`; see [`to_f80`](Float::to_f80).
    #[must_use]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(self.pack(F32, 23, 8) as u32)
    }

    fn pack(self, format: Format, fraction: u32, field_bits: u32) -> u64 {
        let sign = u64::from(self.negative) << (fraction + field_bits);
        let top = ((1u64 << field_bits) - 1) << fraction;
        let magnitude = match self.class {
            Class::Infinite => top,
            Class::Nan => top | 1 << (fraction - 1),
            Class::Finite if self.mantissa == 0 => 0,
            Class::Finite => {
                // Normalised to `bits` of significand, or to the subnormal exponent.
                let least = format.min_exp - format.bits as i32;
                let want = format.bits as i32 - (64 - self.mantissa.leading_zeros() as i32);
                let exponent = (self.exponent - want).max(least);
                let shift = self.exponent - exponent;
                let m = if shift >= 0 {
                    self.mantissa << shift
                } else {
                    self.mantissa >> -shift
                };
                if m >> fraction == 0 {
                    m
                } else {
                    let field = (exponent - least + 1) as u64;
                    (m & ((1 << fraction) - 1)) | field << fraction
                }
            }
        };
        sign | magnitude
    }
}
