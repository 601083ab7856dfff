//! Clock arithmetic: tick counts to nanoseconds and back, measured frequencies, calendar dates.

/// Nanoseconds in a second.
pub const NANOS: u64 = 1_000_000_000;

/// A fixed-point factor with 32 fractional bits.
///
/// The factor is exact to half of 2^-32, so that a clock of 1 GHz has no error at all and one of
/// 4 GHz gains or loses less than a nanosecond in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale(u64);

impl Scale {
    /// The factor that turns ticks of `from_hz` into ticks of `to_hz`, rounded to nearest; `None`
    /// for a clock that stands still or a factor of 2^32 and more.
    pub fn between(from_hz: u64, to_hz: u64) -> Option<Self> {
        let half = u128::from(from_hz >> 1);
        let scaled = (u128::from(to_hz) << 32)
            .checked_add(half)?
            .checked_div(u128::from(from_hz))?;
        u64::try_from(scaled).ok().map(Self)
    }

    /// The factor as a 32.32 fixed-point number.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The scale whose [`Scale::raw`] is `raw`.
    pub fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Converts a count, wrapping after 2^64 units of the result.
    #[inline]
    pub fn apply(self, ticks: u64) -> u64 {
        (u128::from(ticks).wrapping_mul(u128::from(self.0)) >> 32) as u64
    }
}

/// How far ahead an alarm is set at most, in nanoseconds: an hour, in ticks of any clock far below
/// where a count wraps, in the scale or in a hypervisor.
pub const ALARM_HORIZON: u64 = 3_600 * NANOS;

/// What a clock that ticks by `scale` from 0 shows when an alarm for `deadline` is to go off, which is
/// early when that is beyond the [`ALARM_HORIZON`].
#[inline]
pub fn alarm_tick(scale: Scale, now: u64, deadline: u64) -> u64 {
    let near = deadline.min(now.saturating_add(ALARM_HORIZON));
    scale.apply(near).saturating_add(1)
}

/// How many ticks after `now` an alarm for `deadline` is to go off, with the same limit.
#[inline]
pub fn alarm_ticks(scale: Scale, now: u64, deadline: u64) -> u64 {
    let ahead = deadline.saturating_sub(now).min(ALARM_HORIZON);
    scale.apply(ahead).saturating_add(1)
}

/// Ticks per second of a clock that made `ticks` while a reference of `reference_hz` made
/// `reference`, to nearest. `None` when the reference did not move or the result is no `u64`.
pub fn frequency(ticks: u64, reference: u64, reference_hz: u64) -> Option<u64> {
    let product = u128::from(ticks).checked_mul(u128::from(reference_hz))?;
    let half = u128::from(reference >> 1);
    u64::try_from(
        product
            .checked_add(half)?
            .checked_div(u128::from(reference))?,
    )
    .ok()
}

/// Replaces a measured frequency by a multiple of 1 MHz when that is within 20 millionths of it:
/// clocks are made with round frequencies, crystals are off by more than that, and a virtual clock
/// of exactly 1 GHz is to be read as such.
pub fn snap(hz: u64) -> u64 {
    const STEP: u64 = 1_000_000;
    let round = hz
        .saturating_add(STEP >> 1)
        .wrapping_div(STEP)
        .saturating_mul(STEP);
    if round != 0 && round.abs_diff(hz) <= hz / 50_000 {
        round
    } else {
        hz
    }
}

/// A calendar date and time of day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Full year.
    pub year: u32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 60.
    pub second: u32,
}

/// Seconds since 1970-01-01T00:00:00Z, `None` for a date before that or with a field out of range.
pub fn unix_seconds(date: &Date) -> Option<u64> {
    let valid = date.year >= 1970
        && date.year < 1_000_000
        && (1..=12).contains(&date.month)
        && (1..=31).contains(&date.day)
        && date.hour < 24
        && date.minute < 60
        && date.second <= 60;
    if !valid {
        return None;
    }
    // Years that begin in March put the leap day last; day numbers within such a year follow
    // (153 m + 2) / 5 for m months since March.
    let early = date.month <= 2;
    let year = u64::from(date.year).checked_sub(u64::from(early))?;
    let months = u64::from(date.month).checked_add(if early { 9 } else { 0 })?;
    let months = months.checked_sub(if early { 0 } else { 3 })?;
    let day_of_year = months.checked_mul(153)?.checked_add(2)? / 5;
    let day_of_year = day_of_year
        .checked_add(u64::from(date.day))?
        .checked_sub(1)?;
    let leap_days = (year / 4)
        .checked_sub(year / 100)?
        .checked_add(year / 400)?;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    let days = year.checked_mul(365)?.checked_add(leap_days)?;
    let days = days.checked_add(day_of_year)?.checked_sub(719_468)?;
    let hours = days.checked_mul(24)?.checked_add(u64::from(date.hour))?;
    let minutes = hours.checked_mul(60)?.checked_add(u64::from(date.minute))?;
    minutes.checked_mul(60)?.checked_add(u64::from(date.second))
}

/// The number that a byte of two decimal digits stands for.
pub fn from_bcd(byte: u8) -> u32 {
    u32::from(byte >> 4)
        .wrapping_mul(10)
        .wrapping_add(u32::from(byte & 15))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gigahertz_is_exact() {
        let scale = Scale::between(NANOS, NANOS).unwrap();
        for ticks in [0, 1, 12_345, u64::MAX] {
            assert_eq!(scale.apply(ticks), ticks);
        }
    }

    #[test]
    fn degenerate_clocks_have_no_scale() {
        assert_eq!(Scale::between(0, NANOS), None);
        assert_eq!(Scale::between(1, u64::MAX), None);
        assert_eq!(frequency(5, 0, 5), None);
    }

    #[test]
    fn frequencies() {
        for (ticks, reference, reference_hz, want) in [
            (10_000_000, 35_795, 3_579_545, 1_000_012_572),
            (1_000, 1_000, 1_193_182, 1_193_182),
            (0, 7, 1_000, 0),
        ] {
            assert_eq!(frequency(ticks, reference, reference_hz), Some(want));
        }
    }

    #[test]
    fn snapping() {
        for (hz, want) in [
            (1_000_000_313, 1_000_000_000),
            (999_999_100, 1_000_000_000),
            (2_594_012_345, 2_594_000_000),
            (2_594_060_000, 2_594_060_000),
            (0, 0),
            (3, 3),
        ] {
            assert_eq!(snap(hz), want, "{hz}");
        }
    }

    #[test]
    fn a_far_alarm_is_ahead_and_within_the_horizon() {
        for hz in [1_000_000, 1_000_000_000, 2_594_000_000, 5_000_000_000] {
            let scale = Scale::between(NANOS, hz).unwrap();
            let horizon = scale.apply(ALARM_HORIZON) + 2;
            for now in [0, 12_345, 1 << 40, 1 << 58] {
                let ticks_now = scale.apply(now);
                // The second is where the count of this clock begins again.
                let wrap = ((u128::from(NANOS) << 64) / u128::from(hz)) as u64;
                for far in [
                    now + ALARM_HORIZON + 1,
                    wrap,
                    wrap.saturating_add(now),
                    u64::MAX,
                ] {
                    let at = alarm_tick(scale, now, far.max(now));
                    assert!(at > ticks_now, "{hz} {now} {far}");
                    assert!(at - ticks_now <= horizon, "{hz} {now} {far}");
                    assert!((1..=horizon).contains(&alarm_ticks(scale, now, far)));
                }
            }
        }
    }

    #[test]
    fn a_near_alarm_is_exact() {
        let scale = Scale::between(NANOS, 2_000_000_000).unwrap();
        for (now, deadline, tick, ticks) in [
            (1_000, 5_000, 10_001, 8_001),
            (1_000, 1_000, 2_001, 1),
            (1_000, 900, 1_801, 1),
        ] {
            assert_eq!(alarm_tick(scale, now, deadline), tick);
            assert_eq!(alarm_ticks(scale, now, deadline), ticks);
        }
    }

    #[test]
    fn dates() {
        let date = |year, month, day, hour, minute, second| Date {
            year,
            month,
            day,
            hour,
            minute,
            second,
        };
        for (d, want) in [
            (date(1970, 1, 1, 0, 0, 0), Some(0)),
            (date(2000, 2, 29, 12, 0, 0), Some(951_825_600)),
            (date(2000, 3, 1, 0, 0, 0), Some(951_868_800)),
            (date(2024, 12, 31, 23, 59, 59), Some(1_735_689_599)),
            (date(2100, 3, 1, 0, 0, 0), Some(4_107_542_400)),
            (date(1969, 12, 31, 0, 0, 0), None),
            (date(2024, 13, 1, 0, 0, 0), None),
            (date(2024, 0, 1, 0, 0, 0), None),
            (date(2024, 1, 1, 24, 0, 0), None),
        ] {
            assert_eq!(unix_seconds(&d), want, "{d:?}");
        }
        assert_eq!(from_bcd(0x59), 59);
    }

    proptest! {
        #[test]
        fn scaling_is_monotonic_and_close(
            hz in 1_000_000u64..10_000_000_000,
            a in 0u64..1 << 50,
            step in 0u64..1 << 40,
        ) {
            let scale = Scale::between(hz, NANOS).unwrap();
            let (x, y) = (scale.apply(a), scale.apply(a + step));
            prop_assert!(x <= y);
            let exact = (u128::from(a) * u128::from(NANOS) / u128::from(hz)) as u64;
            prop_assert!(x.abs_diff(exact) <= 1 + (a >> 32));
        }
    }
}
