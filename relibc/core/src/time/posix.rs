//! `TZ` strings of POSIX: `std offset [dst [offset] [,start[/time],end[/time]]]`.

use super::{DAY, days, is_leap};
use alloc::string::String;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `Jn`: 1 to 365, 29 February never counts.
    Julian(i64),
    /// `n`: 0 to 365.
    Zero(i64),
    /// `Mm.w.d`
    Month(i64, i64, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    /// Seconds after local midnight.
    time: i64,
}

impl Change {
    /// Seconds since the epoch, in the local time before the change.
    fn seconds(&self, year: i64) -> i64 {
        let first = days(year, 0, 1);
        let day = match self.day {
            Day::Zero(n) => first + n,
            Day::Julian(n) => first + n - 1 + i64::from(n >= 60 && is_leap(year)),
            Day::Month(month, week, weekday) => {
                let first = days(year, month - 1, 1);
                let next = if month == 12 {
                    days(year + 1, 0, 1)
                } else {
                    days(year, month, 1)
                };
                let mut day = first + (weekday - (first + 4)).rem_euclid(7) + (week - 1) * 7;
                while day >= next {
                    day -= 7;
                }
                day
            }
        };
        day * DAY + self.time
    }
}

/// A zone given by rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosixZone {
    /// Name of standard time.
    pub std_name: String,
    /// Seconds east of UTC of standard time.
    pub std_offset: i64,
    /// Name and offset of daylight saving time, if there is any.
    pub dst: Option<(String, i64)>,
    start: Change,
    end: Change,
}

struct Text<'t>(&'t [u8]);

impl Text<'_> {
    fn eat(&mut self, c: u8) -> bool {
        let found = self.0.first() == Some(&c);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn name(&mut self) -> Option<String> {
        let text = self.0;
        let (name, rest) = if text.first() == Some(&b'<') {
            let end = text.iter().position(|c| *c == b'>')?;
            let name = &text[1..end];
            if !name
                .iter()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-'))
            {
                return None;
            }
            (name, &text[end + 1..])
        } else {
            let end = text.iter().take_while(|c| c.is_ascii_alphabetic()).count();
            text.split_at(end)
        };
        self.0 = rest;
        (name.len() >= 3).then(|| name.iter().map(|c| char::from(*c)).collect())
    }

    fn number(&mut self, max: i64) -> Option<i64> {
        let n = self.0.iter().take_while(|c| c.is_ascii_digit()).count();
        if n == 0 || n > 3 {
            return None;
        }
        let value = self.0[..n]
            .iter()
            .fold(0, |v, c| v * 10 + i64::from(c - b'0'));
        self.0 = &self.0[n..];
        (value <= max).then_some(value)
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    fn time(&mut self, max_hours: i64) -> Option<i64> {
        let negative = self.eat(b'-');
        if !negative {
            self.eat(b'+');
        }
        let mut value = self.number(max_hours)? * 3600;
        if self.eat(b':') {
            value += self.number(59)? * 60;
            if self.eat(b':') {
                value += self.number(59)?;
            }
        }
        Some(if negative { -value } else { value })
    }

    fn change(&mut self) -> Option<Change> {
        let day = if self.eat(b'J') {
            Day::Julian(self.number(365).filter(|n| *n >= 1)?)
        } else if self.eat(b'M') {
            let month = self.number(12).filter(|n| *n >= 1)?;
            let week = if self.eat(b'.') {
                self.number(5).filter(|n| *n >= 1)?
            } else {
                return None;
            };
            let weekday = if self.eat(b'.') {
                self.number(6)?
            } else {
                return None;
            };
            Day::Month(month, week, weekday)
        } else {
            Day::Zero(self.number(365)?)
        };
        let time = if self.eat(b'/') {
            self.time(167)?
        } else {
            7200
        };
        Some(Change { day, time })
    }
}

impl PosixZone {
    /// Parses a string; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<PosixZone> {
        let mut text = Text(text);
        let std_name = text.name()?;
        let std_offset = -text.time(24)?;
        let usual = |day| Change { day, time: 7200 };
        let mut zone = PosixZone {
            std_name,
            std_offset,
            dst: None,
            start: usual(Day::Month(3, 2, 0)),
            end: usual(Day::Month(11, 1, 0)),
        };
        if text.0.is_empty() {
            return Some(zone);
        }
        let name = text.name()?;
        let offset = match text.0.first() {
            Some(b',') | None => std_offset + 3600,
            _ => -text.time(24)?,
        };
        zone.dst = Some((name, offset));
        if text.eat(b',') {
            zone.start = text.change()?;
            if !text.eat(b',') {
                return None;
            }
            zone.end = text.change()?;
        }
        text.0.is_empty().then_some(zone)
    }

    /// Whether daylight saving time holds at a time.
    #[must_use]
    pub fn is_dst(&self, time: i64) -> bool {
        let Some((_, dst_offset)) = &self.dst else {
            return false;
        };
        let (year, ..) = super::date(time.saturating_add(self.std_offset).div_euclid(DAY));
        // A rule that begins late in a year or ends early in it also concerns its neighbours.
        let mut state: Option<(i64, bool)> = None;
        for y in [year - 1, year, year + 1] {
            for (at, dst) in [
                (self.start.seconds(y) - self.std_offset, true),
                (self.end.seconds(y) - dst_offset, false),
            ] {
                if at <= time
                    && state.is_none_or(|(best, was)| at > best || (at == best && dst && !was))
                {
                    state = Some((at, dst));
                }
            }
        }
        state.is_some_and(|(_, dst)| dst)
    }
}
