//! `strptime` in the C locale.

use super::format::{DAYS, MONTHS};
use super::{Tm, break_down, days};

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    tm: &'t mut Tm,
    pm: Option<bool>,
    hour12: bool,
    century: Option<i32>,
    year_of_century: Option<i32>,
    day_known: bool,
    yday_known: bool,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self
            .text
            .get(self.at)
            .is_some_and(|c| matches!(c, b'\t'..=b'\r' | b' '))
        {
            self.at += 1;
        }
    }

    /// A number of at most `width` digits within limits, spaces before it allowed.
    fn number(&mut self, width: usize, min: i64, max: i64) -> Option<i64> {
        self.space();
        let mut signed = 1;
        if width > 4 || max > 9999 {
            match self.text.get(self.at) {
                Some(b'-') => {
                    signed = -1;
                    self.at += 1;
                }
                Some(b'+') => self.at += 1,
                _ => {}
            }
        }
        let digits = self.text[self.at..]
            .iter()
            .take(width)
            .take_while(|c| c.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        let mut value = 0i64;
        for c in &self.text[self.at..self.at + digits] {
            value = value.checked_mul(10)?.checked_add(i64::from(c - b'0'))?;
        }
        value *= signed;
        self.at += digits;
        (min..=max).contains(&value).then_some(value)
    }

    fn int(&mut self, width: usize, min: i64, max: i64) -> Option<i32> {
        self.number(width, min, max).map(|n| n as i32)
    }

    /// The index of a name, in full or its first three letters, in any case.
    fn name(&mut self, names: &[&str]) -> Option<i32> {
        let text = &self.text[self.at..];
        for full in [true, false] {
            for (i, name) in names.iter().enumerate() {
                let name = if full { name } else { &name[..3] };
                if text
                    .get(..name.len())
                    .is_some_and(|t| t.eq_ignore_ascii_case(name.as_bytes()))
                {
                    self.at += name.len();
                    return Some(i as i32);
                }
            }
        }
        None
    }

    fn run(&mut self, format: &[u8], to_tm: &dyn Fn(i64) -> Option<Tm>, depth: u32) -> Option<()> {
        let mut rest = format;
        while let Some((&c, tail)) = rest.split_first() {
            rest = tail;
            if matches!(c, b'\t'..=b'\r' | b' ') {
                self.space();
                continue;
            }
            if c != b'%' {
                if self.text.get(self.at) != Some(&c) {
                    return None;
                }
                self.at += 1;
                continue;
            }
            while let Some((b'_' | b'-' | b'0' | b'^' | b'#' | b'+', tail)) = rest.split_first() {
                rest = tail;
            }
            if let Some((b'E' | b'O', tail)) = rest.split_first() {
                rest = tail;
            }
            let (&conversion, tail) = rest.split_first()?;
            rest = tail;
            let mut sub = |format: &[u8]| {
                if depth < 3 {
                    self.run(format, to_tm, depth + 1)
                } else {
                    None
                }
            };
            match conversion {
                b'c' => sub(b"%a %b %e %H:%M:%S %Y")?,
                b'D' | b'x' => sub(b"%m/%d/%y")?,
                b'F' => sub(b"%Y-%m-%d")?,
                b'r' => sub(b"%I:%M:%S %p")?,
                b'R' => sub(b"%H:%M")?,
                b'T' | b'X' => sub(b"%H:%M:%S")?,
                b'a' | b'A' => self.tm.wday = self.name(&DAYS)?,
                b'b' | b'B' | b'h' => {
                    self.tm.mon = self.name(&MONTHS)?;
                    self.day_known = true;
                }
                b'C' => self.century = Some(self.int(2, 0, 99)?),
                b'd' | b'e' => {
                    self.tm.mday = self.int(2, 1, 31)?;
                    self.day_known = true;
                }
                b'H' | b'k' => {
                    self.tm.hour = self.int(2, 0, 23)?;
                    self.hour12 = false;
                }
                b'I' | b'l' => {
                    self.tm.hour = self.int(2, 1, 12)? % 12;
                    self.hour12 = true;
                }
                b'j' => {
                    self.tm.yday = self.int(3, 1, 366)? - 1;
                    self.yday_known = true;
                }
                b'm' => {
                    self.tm.mon = self.int(2, 1, 12)? - 1;
                    self.day_known = true;
                }
                b'M' => self.tm.min = self.int(2, 0, 59)?,
                b'n' | b't' => self.space(),
                b'p' | b'P' => {
                    let text = self.text.get(self.at..self.at + 2)?;
                    self.pm = Some(if text.eq_ignore_ascii_case(b"PM") {
                        true
                    } else if text.eq_ignore_ascii_case(b"AM") {
                        false
                    } else {
                        return None;
                    });
                    self.at += 2;
                }
                b's' => {
                    let time = self.number(20, i64::MIN, i64::MAX)?;
                    *self.tm = to_tm(time)?;
                }
                b'S' => self.tm.sec = self.int(2, 0, 61)?,
                b'u' => self.tm.wday = self.int(1, 1, 7)? % 7,
                b'w' => self.tm.wday = self.int(1, 0, 6)?,
                // Week numbers are checked; POSIX leaves their use open.
                b'U' | b'W' => {
                    self.number(2, 0, 53)?;
                }
                b'V' => {
                    self.number(2, 0, 53)?;
                }
                b'g' => {
                    self.number(2, 0, 99)?;
                }
                b'G' => {
                    self.number(4, 0, 9999)?;
                }
                b'y' => self.year_of_century = Some(self.int(2, 0, 99)?),
                b'Y' => {
                    self.tm.year = self.int(4, 0, 9999)? - 1900;
                    self.century = None;
                    self.year_of_century = None;
                    self.day_known = true;
                }
                b'z' => self.offset()?,
                b'Z' => {
                    while self.text.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
                        self.at += 1;
                    }
                }
                b'%' => {
                    if self.text.get(self.at) != Some(&b'%') {
                        return None;
                    }
                    self.at += 1;
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// `+hh`, `+hhmm`, `+hh:mm` or `Z`.
    fn offset(&mut self) -> Option<()> {
        self.space();
        let sign = match self.text.get(self.at)? {
            b'Z' => {
                self.at += 1;
                self.tm.gmtoff = 0;
                return Some(());
            }
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.at += 1;
        let mut digits = [0i64; 4];
        let mut n = 0;
        while n < 4 {
            match self.text.get(self.at) {
                Some(c @ b'0'..=b'9') => digits[n] = i64::from(c - b'0'),
                Some(b':') if n == 2 => {
                    self.at += 1;
                    continue;
                }
                _ => break,
            }
            n += 1;
            self.at += 1;
        }
        if n != 2 && n != 4 {
            return None;
        }
        let (hours, minutes) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]);
        if hours > 14 || minutes > 59 {
            return None;
        }
        self.tm.gmtoff = sign * (hours * 3600 + minutes * 60);
        Some(())
    }
}

/// Reads a time by a format into `tm`; the number of bytes read, or `None` where they do not match.
/// `to_tm` breaks a time down in the local zone, for `%s`.
pub fn strptime(
    text: &[u8],
    format: &[u8],
    tm: &mut Tm,
    to_tm: &dyn Fn(i64) -> Option<Tm>,
) -> Option<usize> {
    let mut r = Reader {
        text,
        at: 0,
        tm,
        pm: None,
        hour12: false,
        century: None,
        year_of_century: None,
        day_known: false,
        yday_known: false,
    };
    r.run(format, to_tm, 0)?;
    if let (true, Some(true)) = (r.hour12, r.pm) {
        r.tm.hour += 12;
    }
    match (r.century, r.year_of_century) {
        (Some(c), y) => {
            r.tm.year = c * 100 - 1900 + y.unwrap_or_else(|| r.tm.year.rem_euclid(100));
            r.day_known = true;
        }
        (None, Some(y)) => {
            // POSIX: 69 to 99 are in the twentieth century.
            r.tm.year = if y < 69 { y + 100 } else { y };
            r.day_known = true;
        }
        (None, None) => {}
    }
    let year = i64::from(r.tm.year) + 1900;
    if r.day_known && (0..12).contains(&r.tm.mon) && (1..=31).contains(&r.tm.mday) && !r.yday_known
    {
        let day = days(year, r.tm.mon.into(), r.tm.mday.into());
        r.tm.wday = (day + 4).rem_euclid(7) as i32;
        r.tm.yday = (day - days(year, 0, 1)) as i32;
    } else if r.yday_known && r.tm.mday == 0 {
        let whole = break_down(
            (days(year, 0, 1) + i64::from(r.tm.yday)) * super::DAY,
            0,
            false,
        )?;
        (r.tm.mon, r.tm.mday, r.tm.wday) = (whole.mon, whole.mday, whole.wday);
    }
    Some(r.at)
}
