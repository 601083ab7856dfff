//! The exact decimal expansion of a binary number, and its rounding.

use super::Float;
use alloc::vec::Vec;

/// Direction of rounding, as `fesetround` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, ties to even.
    #[default]
    Nearest,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// Towards zero.
    Zero,
}

/// A non-negative decimal number `0.d₁d₂d₃… × 10^point`, without leading or trailing zeros. Zero has
/// no digits and `point` 1, so that it prints as one place before the decimal point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Digits 0 to 9.
    pub digits: Vec<u8>,
    /// Position of the decimal point relative to the first digit.
    pub point: i32,
}

const LIMB: u64 = 1_000_000_000;

fn multiply(limbs: &mut Vec<u32>, factor: u32) {
    let mut carry = 0u64;
    for limb in limbs.iter_mut() {
        let v = u64::from(*limb) * u64::from(factor) + carry;
        *limb = (v % LIMB) as u32;
        carry = v / LIMB;
    }
    if carry != 0 {
        limbs.push(carry as u32);
    }
}

impl Decimal {
    /// The exact value of a finite number's magnitude.
    #[must_use]
    pub fn exact(value: &Float) -> Decimal {
        if value.mantissa == 0 {
            return Decimal {
                digits: Vec::new(),
                point: 1,
            };
        }
        let odd = value.mantissa.trailing_zeros();
        let mut mantissa = value.mantissa >> odd;
        let mut exponent = value.exponent + odd as i32;
        let mut limbs = Vec::new();
        while mantissa != 0 {
            limbs.push((mantissa % LIMB) as u32);
            mantissa /= LIMB;
        }
        // m × 2^-k is m × 5^k with the point k places from the right.
        let places = if exponent < 0 { -exponent } else { 0 };
        let (base, step) = if exponent < 0 { (5u32, 12) } else { (2, 29) };
        exponent = exponent.abs();
        while exponent >= step {
            multiply(&mut limbs, base.pow(step as u32));
            exponent -= step;
        }
        multiply(&mut limbs, base.pow(exponent as u32));
        let mut digits = Vec::with_capacity(limbs.len() * 9);
        for limb in limbs.iter().rev() {
            let mut place = (LIMB / 10) as u32;
            while place != 0 {
                digits.push((limb / place % 10) as u8);
                place /= 10;
            }
        }
        let zeros = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..zeros);
        let point = digits.len() as i32 - places;
        let mut decimal = Decimal { digits, point };
        decimal.trim();
        decimal
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.point = 1;
        }
    }

    /// Rounds to `count` digits from the first one on; a negative count is before the first digit.
    pub fn round(&mut self, count: i64, mode: Rounding, negative: bool) {
        if self.digits.is_empty() || count >= self.digits.len() as i64 {
            return;
        }
        let keep = count.max(0) as usize;
        let up = match mode {
            Rounding::Zero => false,
            Rounding::Up => !negative,
            Rounding::Down => negative,
            Rounding::Nearest if count < 0 => false,
            Rounding::Nearest => {
                let odd = keep > 0 && self.digits[keep - 1] % 2 == 1;
                match self.digits[keep] {
                    5 => odd || self.digits.len() > keep + 1,
                    digit => digit > 5,
                }
            }
        };
        self.digits.truncate(keep);
        if up {
            match self.digits.iter().rposition(|d| *d != 9) {
                Some(last) => {
                    self.digits.truncate(last + 1);
                    self.digits[last] += 1;
                }
                None => {
                    // All nines, or nothing kept: a one in the place above.
                    self.digits = alloc::vec![1];
                    self.point = self.point.saturating_add((1 - count.min(0)) as i32);
                }
            }
        }
        self.trim();
    }

    /// Rounds to `places` after the decimal point.
    pub fn round_places(&mut self, places: usize, mode: Rounding, negative: bool) {
        let count = i64::from(self.point).saturating_add(i64::try_from(places).unwrap_or(i64::MAX));
        self.round(count, mode, negative);
    }

    /// The digit with weight 10^`power`, zero where there is none.
    #[must_use]
    pub fn digit(&self, power: i64) -> u8 {
        usize::try_from(i64::from(self.point) - 1 - power)
            .ok()
            .and_then(|i| self.digits.get(i).copied())
            .unwrap_or(0)
    }

    /// The exponent of scientific notation; zero for zero.
    #[must_use]
    pub fn exponent(&self) -> i32 {
        self.point - 1
    }
}
