//! Floating-point conversions.

use super::Spec;
use crate::errno::{self, Errno};
use crate::float::{Class, Decimal, Float, Rounding};
use alloc::vec::Vec;

/// More digits than any format's exact expansion has; what lies beyond is zeros, written without
/// being computed.
const MAX_PLACES: usize = 1 << 28;

/// Formats a number for one of `aAeEfFgG`. Returns the sign and prefix, the rest, and whether zeros
/// may fill the field.
pub fn format_float(
    spec: &Spec,
    value: &Float,
    precision: Option<usize>,
    rounding: Rounding,
) -> Result<(Vec<u8>, Vec<u8>, bool), Errno> {
    let upper = spec.conversion.is_ascii_uppercase();
    let mut sign = Vec::new();
    if value.negative {
        sign.push(b'-');
    } else if spec.plus {
        sign.push(b'+');
    } else if spec.space {
        sign.push(b' ');
    }
    let special: &[u8] = match value.class {
        Class::Finite => b"",
        Class::Infinite if upper => b"INF",
        Class::Infinite => b"inf",
        Class::Nan if upper => b"NAN",
        Class::Nan => b"nan",
    };
    if !special.is_empty() {
        return Ok((sign, special.to_vec(), false));
    }
    if precision.is_some_and(|p| p > MAX_PLACES) {
        return Err(errno::EOVERFLOW);
    }
    let body = match spec.conversion.to_ascii_lowercase() {
        b'a' => {
            sign.extend_from_slice(if upper { b"0X" } else { b"0x" });
            hex(spec, value, precision, rounding)?
        }
        b'f' => {
            let places = precision.unwrap_or(6);
            let mut decimal = Decimal::exact(value);
            decimal.round_places(places, rounding, value.negative);
            fixed(&decimal, places, spec.alternate)?
        }
        b'e' => {
            let places = precision.unwrap_or(6);
            let mut decimal = Decimal::exact(value);
            decimal.round(places as i64 + 1, rounding, value.negative);
            scientific(&decimal, places, spec.alternate, upper)?
        }
        _ => {
            let significant = precision.unwrap_or(6).max(1);
            let mut decimal = Decimal::exact(value);
            decimal.round(significant as i64, rounding, value.negative);
            let exponent = i64::from(decimal.exponent());
            let shown = if spec.alternate {
                significant
            } else {
                decimal.digits.len().max(1)
            };
            if exponent < -4 || exponent >= significant as i64 {
                scientific(&decimal, shown - 1, spec.alternate, upper)?
            } else {
                let places = (shown as i64 - 1 - exponent).max(0) as usize;
                fixed(&decimal, places, spec.alternate)?
            }
        }
    };
    Ok((sign, body, true))
}

/// Room for a number: a precision may ask for more than there is memory.
fn with_room(count: usize) -> Result<Vec<u8>, Errno> {
    let mut out = Vec::new();
    out.try_reserve_exact(count).map_err(|_| errno::ENOMEM)?;
    Ok(out)
}

fn fixed(decimal: &Decimal, places: usize, point: bool) -> Result<Vec<u8>, Errno> {
    let whole = decimal.exponent().max(0);
    let mut out = with_room(whole as usize + places + 2)?;
    for power in (0..=i64::from(whole)).rev() {
        out.push(b'0' + decimal.digit(power));
    }
    fraction(&mut out, decimal, -1, places, point);
    Ok(out)
}

fn fraction(out: &mut Vec<u8>, decimal: &Decimal, first: i64, places: usize, point: bool) {
    if places > 0 || point {
        out.push(b'.');
    }
    for i in 0..places as i64 {
        out.push(b'0' + decimal.digit(first - i));
    }
}

fn scientific(
    decimal: &Decimal,
    places: usize,
    point: bool,
    upper: bool,
) -> Result<Vec<u8>, Errno> {
    let exponent = decimal.exponent();
    let mut out = with_room(places + 8)?;
    out.push(b'0' + decimal.digit(i64::from(exponent)));
    fraction(&mut out, decimal, i64::from(exponent) - 1, places, point);
    out.push(if upper { b'E' } else { b'e' });
    out.push(if exponent < 0 { b'-' } else { b'+' });
    let magnitude = exponent.unsigned_abs();
    if magnitude < 10 {
        out.push(b'0');
    }
    push_number(&mut out, magnitude);
    Ok(out)
}

fn push_number(out: &mut Vec<u8>, mut value: u32) {
    let start = out.len();
    loop {
        out.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// `%a`. A `double` shows `1.` and 13 places, an extended number a first digit of 8 to f and 15
/// places; subnormal doubles show `0.` and the least exponent.
fn hex(
    spec: &Spec,
    value: &Float,
    precision: Option<usize>,
    rounding: Rounding,
) -> Result<Vec<u8>, Errno> {
    let long = spec.length == super::Length::LongDouble;
    let fraction_bits = if long { 60 } else { 52 };
    let least = if long { -16445 + 60 } else { -1022 };
    let (mut mantissa, mut exponent) = (value.mantissa, 0);
    if mantissa != 0 {
        let leading = if long { 63 } else { 52 };
        let shift = mantissa.leading_zeros() as i32 - (63 - leading);
        // Down to the least exponent of the format and no further.
        let room = (value.exponent + fraction_bits - least).max(0);
        let shift = shift.min(room);
        mantissa <<= shift;
        exponent = value.exponent - shift + fraction_bits;
    }
    let mut places = (fraction_bits / 4) as usize;
    let mut carry_digit = None;
    if let Some(wanted) = precision.filter(|p| *p < places) {
        let drop = 4 * (places - wanted) as u32;
        let rest = mantissa & ((1 << drop) - 1);
        let half = 1u64 << (drop - 1);
        let mut kept = u128::from(mantissa >> drop);
        let up = match rounding {
            Rounding::Nearest => rest > half || (rest == half && kept & 1 == 1),
            Rounding::Up => rest != 0 && !value.negative,
            Rounding::Down => rest != 0 && value.negative,
            Rounding::Zero => false,
        };
        kept += u128::from(up);
        if long && kept >> (64 - drop) != 0 {
            // f.fff… became 10.000…: one digit, four binary places up.
            carry_digit = Some(1u64);
            exponent += 4;
            mantissa = 0;
        } else {
            mantissa = (kept as u64) << drop;
        }
    }
    let first = carry_digit.unwrap_or(mantissa >> fraction_bits);
    let alphabet: &[u8; 16] = if spec.conversion == b'A' {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    match precision {
        Some(p) => places = p,
        None => {
            while places > 0 && mantissa >> (fraction_bits - 4 * places as i32) & 15 == 0 {
                places -= 1;
            }
        }
    }
    let mut out = with_room(places + 10)?;
    out.push(alphabet[(first & 15) as usize]);
    if places > 0 || spec.alternate {
        out.push(b'.');
    }
    for i in 1..=places {
        let shift = fraction_bits - 4 * i as i32;
        out.push(if shift < 0 {
            b'0'
        } else {
            alphabet[(mantissa >> shift & 15) as usize]
        });
    }
    out.push(if spec.conversion == b'A' { b'P' } else { b'p' });
    out.push(if exponent < 0 { b'-' } else { b'+' });
    push_number(&mut out, exponent.unsigned_abs());
    Ok(out)
}
