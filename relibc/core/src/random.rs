//! The pseudo-random families of `<stdlib.h>`. None of them is fit for secrets.

/// The 48-bit linear congruential generator behind `drand48` and its relatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rand48 {
    /// Multiplier, 48 bits.
    pub multiplier: u64,
    /// Addend, 16 bits.
    pub addend: u16,
}

impl Default for Rand48 {
    fn default() -> Self {
        Rand48 {
            multiplier: 0x5_DEEC_E66D,
            addend: 0xB,
        }
    }
}

impl Rand48 {
    /// The next 48-bit state after `state` (three 16-bit words, least significant first).
    pub fn step(&self, state: &mut [u16; 3]) -> u64 {
        let x = u64::from(state[0]) | u64::from(state[1]) << 16 | u64::from(state[2]) << 32;
        let next = x
            .wrapping_mul(self.multiplier)
            .wrapping_add(u64::from(self.addend))
            & ((1 << 48) - 1);
        *state = [next as u16, (next >> 16) as u16, (next >> 32) as u16];
        next
    }

    /// `drand48`: uniform in [0, 1).
    pub fn double(&self, state: &mut [u16; 3]) -> f64 {
        self.step(state) as f64 / (1u64 << 48) as f64
    }

    /// `lrand48`: uniform in [0, 2^31).
    pub fn long(&self, state: &mut [u16; 3]) -> i64 {
        (self.step(state) >> 17) as i64
    }

    /// `mrand48`: uniform in [-2^31, 2^31).
    pub fn signed(&self, state: &mut [u16; 3]) -> i64 {
        i64::from((self.step(state) >> 16) as i32)
    }
}

/// `srand48`'s starting state for a seed.
#[must_use]
pub fn seed48(seed: u32) -> [u16; 3] {
    [0x330E, seed as u16, (seed >> 16) as u16]
}

/// The trinomials of `initstate`: state bytes, degree and separation.
const KINDS: [(usize, usize, usize); 5] = [
    (8, 0, 0),
    (32, 7, 3),
    (64, 15, 1),
    (128, 31, 3),
    (256, 63, 1),
];

/// The additive feedback generator of `random`. Its state lives in words that the caller owns: word
/// 0 says which kind it is and where it stands, the rest is the feedback register.
pub struct Feedback;

impl Feedback {
    /// The largest kind that `bytes` of state can hold; `None` below 8 bytes.
    #[must_use]
    pub fn kind_for(bytes: usize) -> Option<usize> {
        KINDS.iter().rposition(|(size, ..)| bytes >= *size)
    }

    /// Words of state of a kind, the header included.
    #[must_use]
    pub fn words(kind: usize) -> usize {
        KINDS
            .get(kind)
            .map_or(2, |(_, degree, _)| 1 + (*degree).max(1))
    }

    /// Kind and position of a state; a damaged header counts as the smallest kind.
    fn header(state: &[u32]) -> (usize, usize) {
        let word = state.first().copied().unwrap_or(0) as usize;
        let kind = (word % 8).min(4);
        let kind = if state.len() >= Self::words(kind) {
            kind
        } else {
            0
        };
        (kind, (word / 8) % KINDS[kind].1.max(1))
    }

    /// Kind recorded in a state's header word, for callers that have only its address.
    #[must_use]
    pub fn kind_of(header: u32) -> usize {
        (header as usize % 8).min(4)
    }

    /// Fills a state of the given kind from a seed.
    pub fn seed(state: &mut [u32], kind: usize, seed: u32) {
        let (_, degree, _) = KINDS[kind.min(4)];
        let [header, register @ ..] = state else {
            return;
        };
        *header = kind as u32;
        if register.len() < degree.max(1) {
            return;
        }
        let mut x = if seed == 0 { 1 } else { seed as i32 };
        for word in &mut register[..degree.max(1)] {
            *word = x as u32;
            // x = 16807 x mod 2^31 - 1 without overflow.
            let (high, low) = (x / 127_773, x % 127_773);
            x = 16_807 * low - 2_836 * high;
            if x < 0 {
                x += i32::MAX;
            }
        }
        for _ in 0..degree * 10 {
            Self::next(state);
        }
    }

    /// The next number, in [0, 2^31).
    pub fn next(state: &mut [u32]) -> u32 {
        let (kind, back) = Self::header(state);
        let (_, degree, separation) = KINDS[kind];
        let [header, register @ ..] = state else {
            return 0;
        };
        if degree == 0 {
            let Some(word) = register.first_mut() else {
                return 0;
            };
            *word = word.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
            return *word;
        }
        let front = (back + separation) % degree;
        register[front] = register[front].wrapping_add(register[back]);
        *header = (kind + 8 * ((back + 1) % degree)) as u32;
        register[front] >> 1
    }
}

/// `rand_r`: a small generator on one word (xorshift-multiplied Weyl sequence), 31 bits.
pub fn rand_r(seed: &mut u32) -> i32 {
    *seed = seed.wrapping_add(0x9E37_79B9);
    let mut x = *seed;
    x = (x ^ x >> 16).wrapping_mul(0x85EB_CA6B);
    x = (x ^ x >> 13).wrapping_mul(0xC2B2_AE35);
    ((x ^ x >> 16) >> 1) as i32
}
