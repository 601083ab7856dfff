//! The little unsigned big-integer arithmetic that reading decimal numbers needs.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// Little-endian 32-bit limbs without leading zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Big(Vec<u32>);

impl Big {
    pub fn from_u64(value: u64) -> Big {
        let mut big = Big(alloc::vec![value as u32, (value >> 32) as u32]);
        big.trim();
        big
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of bits up to the highest one.
    pub fn bits(&self) -> usize {
        self.0
            .last()
            .map_or(0, |top| self.0.len() * 32 - top.leading_zeros() as usize)
    }

    pub fn mul_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.0 {
            let v = u64::from(*limb) * u64::from(factor) + carry;
            *limb = v as u32;
            carry = v >> 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    pub fn mul_pow5(&mut self, mut power: u32) {
        const STEP: u32 = 13;
        while power >= STEP {
            self.mul_add(5u32.pow(STEP), 0);
            power -= STEP;
        }
        self.mul_add(5u32.pow(power), 0);
    }

    pub fn shl(&mut self, by: usize) {
        if self.is_zero() {
            return;
        }
        let (limbs, bits) = (by / 32, by % 32);
        if bits != 0 {
            let mut carry = 0;
            for limb in &mut self.0 {
                let next = *limb >> (32 - bits);
                *limb = *limb << bits | carry;
                carry = next;
            }
            if carry != 0 {
                self.0.push(carry);
            }
        }
        self.0.splice(0..0, core::iter::repeat_n(0, limbs));
    }

    fn shl1(&mut self) {
        let mut carry = 0;
        for limb in &mut self.0 {
            let next = *limb >> 31;
            *limb = *limb << 1 | carry;
            carry = next;
        }
        if carry != 0 {
            self.0.push(carry);
        }
    }

    fn sub(&mut self, other: &Big) {
        let mut borrow = false;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let (v, b1) = limb.overflowing_sub(other.0.get(i).copied().unwrap_or(0));
            let (v, b2) = v.overflowing_sub(u32::from(borrow));
            *limb = v;
            borrow = b1 || b2;
        }
        self.trim();
    }

    fn cmp(&self, other: &Big) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// `self / divisor` as a 66-bit-or-wider integer significand: returns `(q, exponent, sticky)`
    /// with the quotient between `q × 2^exponent` and `(q+1) × 2^exponent`, `q` of at least 66 bits
    /// and `sticky` telling whether anything was cut off.
    pub fn divide(mut self, mut divisor: Big) -> (u128, i32, bool) {
        const WIDTH: i64 = 67;
        let shift = WIDTH - (self.bits() as i64 - divisor.bits() as i64);
        if shift > 0 {
            self.shl(shift as usize);
        } else {
            divisor.shl(-shift as usize);
        }
        // The quotient now has WIDTH or WIDTH+1 bits; take them from the top down.
        divisor.shl(WIDTH as usize);
        let mut scaled = self;
        let mut quotient = 0u128;
        for step in 0..=WIDTH {
            if step != 0 {
                scaled.shl1();
            }
            quotient <<= 1;
            if scaled.cmp(&divisor) != Ordering::Less {
                scaled.sub(&divisor);
                quotient |= 1;
            }
        }
        (quotient, -shift as i32, !scaled.is_zero())
    }

    /// The leading bits as an integer: `(q, exponent, sticky)` as for [`divide`](Big::divide).
    pub fn leading(&self) -> (u128, i32, bool) {
        let mut value = 0u128;
        let mut sticky = false;
        for (i, limb) in self.0.iter().rev().enumerate() {
            if i < 4 {
                value = value << 32 | u128::from(*limb);
            } else {
                sticky |= *limb != 0;
            }
        }
        (value, 32 * self.0.len().saturating_sub(4) as i32, sticky)
    }
}
