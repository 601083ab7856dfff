//! A time zone: rules, or the transitions of a TZif file (RFC 9636).

use super::PosixZone;
use alloc::string::String;
use alloc::vec::Vec;

/// What holds at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local<'z> {
    /// Seconds east of UTC.
    pub offset: i64,
    /// Daylight saving time.
    pub dst: bool,
    /// Abbreviation.
    pub name: &'z str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    offset: i64,
    dst: bool,
    name: String,
}

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Ascending.
    transitions: Vec<(i64, usize)>,
    /// Never empty.
    kinds: Vec<Kind>,
    /// What holds after the last transition.
    rule: Option<PosixZone>,
}

fn number(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        4 => Some(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

fn take<'d>(data: &mut &'d [u8], n: usize) -> Option<&'d [u8]> {
    let (head, tail) = data.split_at_checked(n)?;
    *data = tail;
    Some(head)
}

struct Counts {
    version: u8,
    utc_flags: usize,
    std_flags: usize,
    leaps: usize,
    transitions: usize,
    kinds: usize,
    names: usize,
}

fn header(data: &mut &[u8]) -> Option<Counts> {
    let head = take(data, 44)?;
    if head.get(..4)? != b"TZif" {
        return None;
    }
    let mut counts = head
        .get(20..)?
        .chunks_exact(4)
        .map(|c| number(c).and_then(|n| usize::try_from(n).ok()));
    Some(Counts {
        version: *head.get(4)?,
        utc_flags: counts.next()??,
        std_flags: counts.next()??,
        leaps: counts.next()??,
        transitions: counts.next()??,
        kinds: counts.next()??,
        names: counts.next()??,
    })
}

impl Counts {
    fn body(&self, word: usize) -> Option<usize> {
        let part = |n: usize, size: usize| n.checked_mul(size);
        [
            part(self.transitions, word + 1)?,
            part(self.kinds, 6)?,
            self.names,
            part(self.leaps, word + 4)?,
            self.std_flags,
            self.utc_flags,
        ]
        .into_iter()
        .try_fold(0usize, usize::checked_add)
    }
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Zone {
        Zone {
            transitions: Vec::new(),
            kinds: alloc::vec![Kind {
                offset: 0,
                dst: false,
                name: "UTC".into()
            }],
            rule: None,
        }
    }

    /// A zone by rules.
    #[must_use]
    pub fn from_rule(rule: PosixZone) -> Zone {
        let mut kinds = alloc::vec![Kind {
            offset: rule.std_offset,
            dst: false,
            name: rule.std_name.clone()
        }];
        if let Some((name, offset)) = &rule.dst {
            kinds.push(Kind {
                offset: *offset,
                dst: true,
                name: name.clone(),
            });
        }
        Zone {
            transitions: Vec::new(),
            kinds,
            rule: Some(rule),
        }
    }

    /// A zone by the contents of a TZif file; `None` if they are not one. Leap seconds are ignored:
    /// POSIX time has none.
    #[must_use]
    pub fn from_tzif(file: &[u8]) -> Option<Zone> {
        let mut data = file;
        let mut counts = header(&mut data)?;
        let mut word = 4;
        if counts.version >= b'2' {
            take(&mut data, counts.body(4)?)?;
            counts = header(&mut data)?;
            word = 8;
        }
        // Checks the total first, so that the counts cannot ask for more memory than the file has.
        let mut body = take(&mut data, counts.body(word)?)?;
        let times = take(&mut body, counts.transitions * word)?;
        let indices = take(&mut body, counts.transitions)?;
        let raw = take(&mut body, counts.kinds * 6)?;
        let names = take(&mut body, counts.names)?;
        let mut kinds = Vec::new();
        for k in raw.chunks_exact(6) {
            let name = names.get(usize::from(k[5])..)?;
            let name = &name[..name.iter().position(|c| *c == 0)?];
            kinds.push(Kind {
                offset: number(&k[..4])?,
                dst: k[4] != 0,
                name: core::str::from_utf8(name).ok()?.into(),
            });
        }
        let mut transitions = Vec::new();
        for (t, i) in times.chunks_exact(word).zip(indices) {
            let (t, i) = (number(t)?, usize::from(*i));
            if i >= kinds.len() || transitions.last().is_some_and(|(last, _)| *last >= t) {
                return None;
            }
            transitions.push((t, i));
        }
        if kinds.is_empty() {
            return None;
        }
        let rule = if word == 8 {
            let line = data.strip_prefix(b"\n").unwrap_or(data);
            let line = &line[..line.iter().position(|c| *c == b'\n').unwrap_or(0)];
            PosixZone::parse(line)
        } else {
            None
        };
        Some(Zone {
            transitions,
            kinds,
            rule,
        })
    }

    /// What holds at a time.
    #[must_use]
    pub fn at(&self, time: i64) -> Local<'_> {
        let index = self.transitions.partition_point(|(t, _)| *t <= time);
        if index == self.transitions.len()
            && let Some(rule) = &self.rule
        {
            return match &rule.dst {
                Some((name, offset)) if rule.is_dst(time) => Local {
                    offset: *offset,
                    dst: true,
                    name,
                },
                _ => Local {
                    offset: rule.std_offset,
                    dst: false,
                    name: &rule.std_name,
                },
            };
        }
        let kind = match index.checked_sub(1) {
            Some(i) => &self.kinds[self.transitions[i].1],
            // Before the first transition the first kind holds.
            None => &self.kinds[0],
        };
        Local {
            offset: kind.offset,
            dst: kind.dst,
            name: &kind.name,
        }
    }

    /// The offset of the given kind of time that is in use nearest to a local time, if any.
    pub(super) fn nearest_offset(&self, local: i64, dst: bool) -> Option<i64> {
        // Two years of months around cover every seasonal rule.
        const MONTH: i64 = 30 * super::DAY;
        (0..=24)
            .flat_map(|m| {
                [
                    local.saturating_sub(m * MONTH),
                    local.saturating_add(m * MONTH),
                ]
            })
            .map(|t| self.at(t))
            .find(|l| l.dst == dst)
            .map(|l| l.offset)
    }

    /// `tzname`, `timezone` and `daylight`: the names of standard and daylight saving time most
    /// recently in use, seconds *west* of UTC, and whether there ever was daylight saving time.
    #[must_use]
    pub fn summary(&self) -> (&str, &str, i64, bool) {
        let last = |dst: bool| -> Option<(&str, i64)> {
            match &self.rule {
                Some(r) if !dst => Some((&r.std_name, r.std_offset)),
                Some(PosixZone {
                    dst: Some((name, offset)),
                    ..
                }) => Some((name, *offset)),
                _ => self
                    .transitions
                    .iter()
                    .rev()
                    .map(|(_, i)| &self.kinds[*i])
                    .chain(self.kinds.iter())
                    .find(|k| k.dst == dst)
                    .map(|k| (k.name.as_str(), k.offset)),
            }
        };
        let std = last(false).unwrap_or(("UTC", 0));
        let dst = last(true);
        (std.0, dst.map_or(std.0, |d| d.0), -std.1, dst.is_some())
    }
}
