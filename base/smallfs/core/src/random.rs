//! Random bytes.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::Device;

/// A generator that is as unpredictable as its seed and everything that was written to it together.
#[derive(Debug)]
pub struct Random(ChaCha20Rng);

/// Length of a seed in bytes.
pub const SEED: usize = 32;

impl Random {
    /// From a seed, which must be unpredictable.
    #[must_use]
    pub fn new(seed: [u8; SEED]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// What was given out cannot be computed from what is kept.
    fn step(&mut self) {
        let mut seed = [0; SEED];
        self.0.fill_bytes(&mut seed);
        self.0 = ChaCha20Rng::from_seed(seed);
    }
}

impl Device for Random {
    type Handle = ();

    fn read(&mut self, (): &mut (), buffer: &mut [u8]) -> usize {
        self.0.fill_bytes(buffer);
        self.step();
        buffer.len()
    }

    fn write(&mut self, (): &mut (), bytes: &[u8]) {
        for part in bytes.chunks(SEED) {
            let mut seed = [0; SEED];
            self.0.fill_bytes(&mut seed);
            for (place, byte) in seed.iter_mut().zip(part) {
                *place ^= byte;
            }
            self.0 = ChaCha20Rng::from_seed(seed);
        }
    }
}
