//! Shared by the tests that compare with the host's C library.

/// A small deterministic generator, so that every run tests the same cases.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Doubles of every kind: random bits, short decimals, halves, integers, extremes.
    #[allow(dead_code)]
    pub fn double(&mut self) -> f64 {
        match self.below(8) {
            0 => f64::from_bits(self.next()),
            1 => (self.below(2_000_000) as f64 - 1e6) / 1000.0,
            2 => self.below(1000) as f64 + 0.5,
            3 => self.next() as f64,
            4 => self.below(100_000) as f64 / 64.0,
            5 => self.pick(&[
                0.0,
                -0.0,
                1.0,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::MAX,
                f64::MIN_POSITIVE,
                5e-324,
                9.5,
                99.95,
                0.05,
                1e15,
                1e16,
                1e17,
                0.0001,
                0.00001,
                999999.5,
            ]),
            6 => 10f64.powi(self.below(600) as i32 - 300) * (self.below(1000) as f64),
            _ => f64::from_bits(self.below(1 << 52)),
        }
    }
}
