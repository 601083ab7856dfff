//! Failed attempts.

/// The longest that is waited, in seconds.
const LONGEST: u32 = 16;

/// Attempts that failed since the last that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures(u32);

impl Failures {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// One more; answers how many seconds to wait now: twice as long each time.
    pub const fn another(&mut self) -> u32 {
        let wait = match 1_u32.checked_shl(self.0) {
            Some(wait) if wait < LONGEST => wait,
            _ => LONGEST,
        };
        self.0 = self.0.saturating_add(1);
        wait
    }

    /// How many there were.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_longer_up_to_a_limit() {
        let mut failures = Failures::new();
        let waits: Vec<_> = (0..40).map(|_| failures.another()).collect();
        assert_eq!(waits[..6], [1, 2, 4, 8, 16, 16]);
        assert!(waits[6..].iter().all(|wait| *wait == 16));
        assert_eq!(failures.count(), 40);
    }
}
