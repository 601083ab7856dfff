//! What test disks hold, and what tests write to them: the same on both sides of the emulator.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod power;

/// Bytes of a sector.
pub const SECTOR: usize = 512;
/// How many writes [`writes`] gives.
pub const WRITES: usize = 1000;
/// The longest of them in sectors.
pub const LONGEST: u64 = 200;

/// Bytes of a file that a test leaves behind: more than a record, and not whole blocks.
pub const KEPT: usize = 300_001;

/// Numbers that look random, the same every time (SplitMix64).
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }
}

/// Fills whole sectors from number `sector` on, of generation `generation`: no two are the same.
pub fn fill(generation: u64, sector: u64, bytes: &mut [u8]) {
    for (sector, bytes) in (sector..).zip(bytes.chunks_mut(SECTOR)) {
        let mut numbers = Numbers::new(generation.rotate_left(48) ^ sector);
        for word in bytes.chunks_mut(8) {
            let number = numbers.next().to_le_bytes();
            word.copy_from_slice(&number[..word.len()]);
        }
    }
}

/// A write of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The first sector.
    pub sector: u64,
    /// How many.
    pub count: u64,
    /// What is written is [`fill`] of this generation.
    pub generation: u64,
}

/// The writes to a disk of so many sectors, in their order.
pub fn writes(seed: u64, sectors: u64) -> impl Iterator<Item = Write> {
    let mut numbers = Numbers::new(seed);
    (1..=WRITES as u64).map(move |generation| {
        let sector = numbers.next() % sectors;
        // Most are short, as writes are.
        let long = numbers.next().is_multiple_of(8);
        let count = numbers.next() % if long { LONGEST } else { 16 } + 1;
        Write {
            sector,
            count: count.min(sectors - sector),
            generation,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_differ_and_come_again() {
        let (mut a, mut b) = ([0; 3 * SECTOR], [0; SECTOR]);
        fill(0, 7, &mut a);
        fill(0, 8, &mut b);
        assert_eq!(a[SECTOR..2 * SECTOR], b);
        assert_ne!(a[..SECTOR], a[SECTOR..2 * SECTOR]);
        fill(1, 8, &mut b);
        assert_ne!(a[SECTOR..2 * SECTOR], b);
    }

    #[test]
    fn writes_stay_on_the_disk() {
        let all: Vec<_> = writes(1, 1000).collect();
        assert_eq!(all.len(), WRITES);
        let inside = |w: &Write| w.count > 0 && w.count <= LONGEST && w.sector + w.count <= 1000;
        assert!(all.iter().all(inside));
        assert_ne!(all, writes(2, 1000).collect::<Vec<_>>());
    }
}
