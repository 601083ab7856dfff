//! `strftime` and `asctime` in the C locale.

use super::{Tm, days, is_leap};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// Names of the days, Sunday first.
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// Names of the months.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn pick<'n>(names: &[&'n str], index: i32, len: Option<usize>) -> &'n str {
    match usize::try_from(index).ok().and_then(|i| names.get(i)) {
        Some(name) => &name[..len.unwrap_or(name.len()).min(name.len())],
        None => "?",
    }
}

/// ISO 8601 week and its year.
fn iso_week(tm: &Tm) -> (i64, i64) {
    let year = i64::from(tm.year) + 1900;
    let monday_based = (i64::from(tm.wday) + 6).rem_euclid(7);
    let week = (i64::from(tm.yday) - monday_based + 10).div_euclid(7);
    if week < 1 {
        let previous = year - 1;
        let weeks = weeks_in(previous);
        (weeks, previous)
    } else if week > weeks_in(year) {
        (1, year + 1)
    } else {
        (week, year)
    }
}

fn weeks_in(year: i64) -> i64 {
    let first = (days(year, 0, 1) + 4).rem_euclid(7);
    if first == 4 || (first == 3 && is_leap(year)) {
        53
    } else {
        52
    }
}

#[derive(Clone, Copy)]
struct Field {
    flag: u8,
    width: usize,
    upper: bool,
    swap: bool,
}

impl Field {
    fn number(&self, out: &mut Vec<u8>, value: i64, width: usize, pad: u8) {
        let pad = match self.flag {
            b'_' => b' ',
            b'0' | b'+' => b'0',
            _ => pad,
        };
        let width = if self.flag == b'-' {
            self.width
        } else {
            self.width.max(width)
        };
        let mut text = String::new();
        let _ = write!(text, "{}", value.unsigned_abs());
        let signed = value < 0;
        let fill = width.saturating_sub(text.len() + usize::from(signed));
        if signed && pad == b'0' {
            out.push(b'-');
        }
        out.extend(core::iter::repeat_n(pad, fill));
        if signed && pad != b'0' {
            out.push(b'-');
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn text(&self, out: &mut Vec<u8>, text: &[u8]) {
        let pad = if matches!(self.flag, b'0' | b'+') {
            b'0'
        } else {
            b' '
        };
        out.extend(core::iter::repeat_n(
            pad,
            self.width.saturating_sub(text.len()),
        ));
        let from = out.len();
        out.extend_from_slice(text);
        if self.upper {
            out[from..].make_ascii_uppercase();
        }
        if self.swap {
            out[from..].make_ascii_lowercase();
        }
    }
}

/// Formats a time. `zone` is the abbreviation for `%Z`; `to_time` gives `%s`, the time in the local
/// zone. The flags `_ - 0 + ^ #` and a width are understood as well as the modifiers `E` and `O`,
/// which the C locale ignores. An unknown conversion is copied as it stands.
#[must_use]
pub fn strftime(format: &[u8], tm: &Tm, zone: &[u8], to_time: &dyn Fn(&Tm) -> i64) -> Vec<u8> {
    let mut out = Vec::new();
    expand(&mut out, format, tm, zone, to_time, 0);
    out
}

fn expand(
    out: &mut Vec<u8>,
    format: &[u8],
    tm: &Tm,
    zone: &[u8],
    to_time: &dyn Fn(&Tm) -> i64,
    depth: u32,
) {
    let mut rest = format;
    while let Some((&c, tail)) = rest.split_first() {
        rest = tail;
        if c != b'%' {
            out.push(c);
            continue;
        }
        let start = rest;
        let mut field = Field {
            flag: 0,
            width: 0,
            upper: false,
            swap: false,
        };
        while let Some((&f @ (b'_' | b'-' | b'0' | b'+' | b'^' | b'#'), tail)) = rest.split_first()
        {
            match f {
                b'^' => field.upper = true,
                b'#' => field.swap = true,
                _ => field.flag = f,
            }
            rest = tail;
        }
        while let Some((&d @ b'0'..=b'9', tail)) = rest.split_first() {
            field.width = (field.width * 10 + usize::from(d - b'0')).min(4096);
            rest = tail;
        }
        if let Some((b'E' | b'O', tail)) = rest.split_first() {
            rest = tail;
        }
        let Some((&conversion, tail)) = rest.split_first() else {
            out.push(b'%');
            out.extend_from_slice(start);
            return;
        };
        rest = tail;
        let sub = |out: &mut Vec<u8>, format: &[u8]| {
            let mut inner = Vec::new();
            if depth < 3 {
                expand(&mut inner, format, tm, zone, to_time, depth + 1);
            }
            Field {
                swap: false,
                ..field
            }
            .text(out, &inner);
        };
        let year = i64::from(tm.year) + 1900;
        let hour12 = (tm.hour.rem_euclid(24) + 11) % 12 + 1;
        // `#` makes names upper case, except where that is what they are already.
        let names = Field {
            upper: field.upper || field.swap,
            swap: false,
            ..field
        };
        match conversion {
            b'a' => names.text(out, pick(&DAYS, tm.wday, Some(3)).as_bytes()),
            b'A' => names.text(out, pick(&DAYS, tm.wday, None).as_bytes()),
            b'b' | b'h' => names.text(out, pick(&MONTHS, tm.mon, Some(3)).as_bytes()),
            b'B' => names.text(out, pick(&MONTHS, tm.mon, None).as_bytes()),
            b'c' => sub(out, b"%a %b %e %H:%M:%S %Y"),
            b'C' => field.number(out, year.div_euclid(100), 2, b'0'),
            b'd' => field.number(out, tm.mday.into(), 2, b'0'),
            b'D' | b'x' => sub(out, b"%m/%d/%y"),
            b'e' => field.number(out, tm.mday.into(), 2, b' '),
            b'F' => sub(out, b"%Y-%m-%d"),
            b'g' => field.number(out, iso_week(tm).1.rem_euclid(100), 2, b'0'),
            b'G' => field.number(out, iso_week(tm).1, 0, b'0'),
            b'H' => field.number(out, tm.hour.into(), 2, b'0'),
            b'I' => field.number(out, hour12.into(), 2, b'0'),
            b'j' => field.number(out, i64::from(tm.yday) + 1, 3, b'0'),
            b'k' => field.number(out, tm.hour.into(), 2, b' '),
            b'l' => field.number(out, hour12.into(), 2, b' '),
            b'm' => field.number(out, i64::from(tm.mon) + 1, 2, b'0'),
            b'M' => field.number(out, tm.min.into(), 2, b'0'),
            b'n' => out.push(b'\n'),
            b'p' => field.text(out, if tm.hour >= 12 { b"PM" } else { b"AM" }),
            b'P' => Field {
                swap: true,
                ..field
            }
            .text(out, if tm.hour >= 12 { b"pm" } else { b"am" }),
            b'r' => sub(out, b"%I:%M:%S %p"),
            b'R' => sub(out, b"%H:%M"),
            b's' => field.number(out, to_time(tm), 1, b'0'),
            b'S' => field.number(out, tm.sec.into(), 2, b'0'),
            b't' => out.push(b'\t'),
            b'T' | b'X' => sub(out, b"%H:%M:%S"),
            b'u' => field.number(out, (i64::from(tm.wday) + 6).rem_euclid(7) + 1, 1, b'0'),
            b'U' => field.number(
                out,
                (i64::from(tm.yday) + 7 - i64::from(tm.wday)).div_euclid(7),
                2,
                b'0',
            ),
            b'V' => field.number(out, iso_week(tm).0, 2, b'0'),
            b'w' => field.number(out, tm.wday.into(), 1, b'0'),
            b'W' => field.number(
                out,
                (i64::from(tm.yday) + 7 - (i64::from(tm.wday) + 6).rem_euclid(7)).div_euclid(7),
                2,
                b'0',
            ),
            b'y' => field.number(out, year.rem_euclid(100), 2, b'0'),
            b'Y' => field.number(out, year, 0, b'0'),
            b'z' if tm.isdst < 0 => {}
            b'z' => {
                let offset = tm.gmtoff;
                let value = offset.abs() / 3600 * 100 + offset.abs() / 60 % 60;
                let digits =
                    if field.flag == b'-' { 0 } else { 4 }.max(field.width.saturating_sub(1));
                let sign = if offset < 0 { b'-' } else { b'+' };
                let mut text = Vec::new();
                Field { width: 0, ..field }.number(&mut text, value, digits, b'0');
                if field.flag == b'_' {
                    // The sign stands by the digits.
                    let spaces = text.iter().take_while(|c| **c == b' ').count();
                    text.insert(spaces, sign);
                } else {
                    text.insert(0, sign);
                }
                out.extend_from_slice(&text);
            }
            b'Z' => field.text(out, zone),
            b'+' => sub(out, b"%a %b %e %H:%M:%S %Z %Y"),
            b'%' => field.text(out, b"%"),
            _ => {
                out.push(b'%');
                out.extend_from_slice(&start[..start.len() - rest.len()]);
            }
        }
    }
}

/// The 25 characters of `asctime` and a newline; longer for years beyond four digits.
#[must_use]
pub fn asctime(tm: &Tm) -> Vec<u8> {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} {}{:3} {:02}:{:02}:{:02} {}",
        pick(&DAYS, tm.wday, Some(3)).replace('?', "???"),
        pick(&MONTHS, tm.mon, Some(3)).replace('?', "???"),
        tm.mday,
        tm.hour,
        tm.min,
        tm.sec,
        i64::from(tm.year) + 1900
    );
    out.into_bytes()
}
