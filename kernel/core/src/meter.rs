//! How long something has had the processor.

/// Ticks of a clock during which it ran.
///
/// Starting and stopping are one subtraction and one addition, so that they can stand in every switch:
/// while it runs, what is kept is the sum so far less the moment at which it was started. All of it wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter(u64);

impl Meter {
    /// One that has not run.
    pub const fn new() -> Self {
        Self(0)
    }

    /// It runs from `now` on. It must not be running.
    #[inline]
    pub fn start(&mut self, now: u64) {
        self.0 = self.0.wrapping_sub(now);
    }

    /// It runs until `now`. It must be running.
    #[inline]
    pub fn stop(&mut self, now: u64) {
        self.0 = self.0.wrapping_add(now);
    }

    /// What it has had. `now` is the moment, of one that runs.
    #[inline]
    pub fn total(self, now: Option<u64>) -> u64 {
        self.0.wrapping_add(now.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_is_counted() {
        // A clock that wraps in between.
        let begin = u64::MAX - 10;
        let at = |after: u64| begin.wrapping_add(after);
        let mut meter = Meter::new();
        assert_eq!(meter.total(None), 0);
        meter.start(at(0));
        assert_eq!(meter.total(Some(at(3))), 3);
        meter.stop(at(5));
        assert_eq!(meter.total(None), 5);
        meter.start(at(100));
        assert_eq!(meter.total(Some(at(100))), 5);
        meter.stop(at(120));
        assert_eq!(meter.total(None), 25);
    }
}
