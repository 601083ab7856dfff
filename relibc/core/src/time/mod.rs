//! Calendar arithmetic, time zones, and time as text.

mod format;
mod parse;
mod posix;
mod zone;

pub use format::{asctime, strftime};
pub use parse::strptime;
pub use posix::PosixZone;
pub use zone::{Local, Zone};

/// Broken-down time with the meaning of `struct tm`. The zone's name is kept by the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tm {
    /// Seconds, 0 to 60.
    pub sec: i32,
    /// Minutes, 0 to 59.
    pub min: i32,
    /// Hours, 0 to 23.
    pub hour: i32,
    /// Day of the month, from 1.
    pub mday: i32,
    /// Month, from 0.
    pub mon: i32,
    /// Year since 1900.
    pub year: i32,
    /// Day of the week, Sunday is 0.
    pub wday: i32,
    /// Day of the year, from 0.
    pub yday: i32,
    /// Whether daylight saving time holds; negative if unknown.
    pub isdst: i32,
    /// Seconds east of UTC.
    pub gmtoff: i64,
}

/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. `month` counts from 0.
#[must_use]
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last one.
    let (y, m) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * m + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day number: year, month from 0, day.
#[must_use]
pub fn date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let (month, carry) = if m < 10 { (m + 2, 0) } else { (m - 10, 1) };
    (
        era * 400 + of_era + carry,
        month,
        of_year - (153 * m + 2) / 5 + 1,
    )
}

/// Whether a year has 366 days.
#[must_use]
pub fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Takes seconds since the epoch apart, at an offset east of UTC. `None` if the year does not fit.
#[must_use]
pub fn break_down(time: i64, offset: i64, dst: bool) -> Option<Tm> {
    let local = time.checked_add(offset)?;
    let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let (year, mon, mday) = date(day);
    Some(Tm {
        sec: (second % 60) as i32,
        min: (second / 60 % 60) as i32,
        hour: (second / 3600) as i32,
        mday: mday as i32,
        mon: mon as i32,
        year: i32::try_from(year - 1900).ok()?,
        wday: (day + 4).rem_euclid(7) as i32,
        yday: (day - days(year, 0, 1)) as i32,
        isdst: i32::from(dst),
        gmtoff: offset,
    })
}

/// Seconds since the epoch of a UTC time whose fields may be out of their ranges (`timegm`).
#[must_use]
pub fn seconds(tm: &Tm) -> i64 {
    let months = i64::from(tm.year) * 12 + i64::from(tm.mon);
    let (year, month) = (months.div_euclid(12) + 1900, months.rem_euclid(12));
    let day = days(year, month, 1) + i64::from(tm.mday) - 1;
    day * DAY + i64::from(tm.hour) * 3600 + i64::from(tm.min) * 60 + i64::from(tm.sec)
}

/// `mktime`: the time that a zone shows as `tm`, and `tm` normalised. `None` if there is none that
/// fits.
#[must_use]
pub fn make_time(tm: &Tm, zone: &Zone) -> Option<(i64, Tm)> {
    let local = seconds(tm);
    // Every offset the zone has near that time.
    let mut near = [0i64; 5];
    for (slot, shift) in near.iter_mut().zip([-2 * DAY, -DAY, 0, DAY, 2 * DAY]) {
        *slot = zone.at(local.saturating_add(shift)).offset;
    }
    let valid = |t: i64| zone.at(t).offset == local - t;
    let candidates = near.map(|offset| local - offset);
    let wanted = (tm.isdst >= 0).then_some(tm.isdst > 0);
    let exact = candidates
        .iter()
        .copied()
        .find(|t| valid(*t) && wanted.is_none_or(|w| zone.at(*t).dst == w));
    let time = match (exact, wanted) {
        (Some(t), _) => t,
        // The caller insists on the other kind of time: its offset applies.
        (None, Some(w)) => match zone.nearest_offset(local, w) {
            Some(offset) => local - offset,
            None => candidates
                .iter()
                .copied()
                .find(|t| valid(*t))
                .unwrap_or(local - near[0]),
        },
        // A time that the clocks skip: what it would have been without the change.
        (None, None) => local - near[0],
    };
    let found = zone.at(time);
    Some((time, break_down(time, found.offset, found.dst)?))
}
