//! Files of which some is known to be on the disk when the power goes, and what may be there besides.
//!
//! One process writes them in turn, syncs each, and only then says so; [`State`] is what it has said. What it was
//! doing when the power went may be there in part:
//!
//! | file | written | afterwards |
//! |---|---|---|
//! | `log` | bytes of one stream are appended | as many as were synced, or more, of that stream |
//! | `fixed` | all of it is overwritten in place by the next generation | each sector is of the generation that was synced, or of one later |
//! | `current` | a new file of the next generation is renamed over it | one generation, whole |
//! | `many-N` | file N - [`KEEP`] is removed, then file N made | the last [`KEEP`], but perhaps the oldest |

use alloc::{format, string::String, vec, vec::Vec};
use core::fmt;

use crate::{SECTOR, fill};

/// How long `log` becomes.
pub const LONGEST_LOG: u64 = 6 << 20;
/// Bytes of `fixed`, whole sectors.
pub const FIXED: usize = 400 * SECTOR;
/// How many of `many-N` there are at a time.
pub const KEEP: u64 = 40;
/// By how much the disk can be ahead of what has been heard of it.
const AHEAD: u64 = 256;

/// Generations of [`fill`]: no two files share one.
const LOG: u64 = 1 << 32;
const FIXED_ONE: u64 = 2 << 32;
const CURRENT: u64 = 3 << 32;
const MANY: u64 = 4 << 32;

/// How far each file has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Bytes of `log`.
    pub log: u64,
    /// Generation of `fixed`; 0 is none.
    pub fixed: u64,
    /// Generation of `current`.
    pub current: u64,
    /// The last of `many-N`.
    pub many: u64,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            log,
            fixed,
            current,
            many,
        } = self;
        write!(f, "log={log} fixed={fixed} current={current} many={many}")
    }
}

impl State {
    /// Takes a word `FILE=NUMBER`; whether it is one.
    pub fn hear(&mut self, word: &str) -> bool {
        let Some((name, number)) = word.split_once('=') else {
            return false;
        };
        let place = match name {
            "log" => &mut self.log,
            "fixed" => &mut self.fixed,
            "current" => &mut self.current,
            "many" => &mut self.many,
            _ => return false,
        };
        match number.parse() {
            Ok(number) => *place = number,
            Err(_) => return false,
        }
        true
    }
}

/// Bytes of `log` from an offset on.
pub fn log_bytes(offset: u64, bytes: &mut [u8]) {
    let within = (offset % SECTOR as u64) as usize;
    let mut sectors = vec![0; within + bytes.len()];
    fill(LOG, offset / SECTOR as u64, &mut sectors);
    bytes.copy_from_slice(&sectors[within..]);
}

/// A generation of `fixed`.
#[must_use]
pub fn fixed_bytes(generation: u64) -> Vec<u8> {
    filled(FIXED_ONE + generation, FIXED)
}

/// A generation of `current`.
#[must_use]
pub fn current_bytes(generation: u64) -> Vec<u8> {
    filled(
        CURRENT + generation,
        1000 + (generation * 7919 % 150_000) as usize,
    )
}

/// What is in `many-N`.
#[must_use]
pub fn many_bytes(number: u64) -> Vec<u8> {
    filled(MANY + number, 1 + (number * 37 % 5000) as usize)
}

/// The name of one of many.
#[must_use]
pub fn many_name(number: u64) -> String {
    format!("many-{number}")
}

fn filled(generation: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fill(generation, 0, &mut bytes);
    bytes
}

/// Looks at the files of a disk whose power has gone after so much was synced: what they have come to.
///
/// `read` answers a file's bytes, or nothing if it is not there.
///
/// # Errors
/// What is missing or makes no sense.
pub fn check(
    synced: &State,
    mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>, String>,
) -> Result<State, String> {
    let mut read = |name: &str| read(name).map_err(|error| format!("{name}: {error}"));
    Ok(State {
        log: log(synced.log, read("log")?)?,
        fixed: fixed(synced.fixed, read("fixed")?)?,
        current: current(synced.current, read("current")?)?,
        many: many(synced.many, read)?,
    })
}

fn log(synced: u64, found: Option<Vec<u8>>) -> Result<u64, String> {
    let found = found.unwrap_or_default();
    let len = found.len() as u64;
    if len < synced {
        return Err(format!("log: {len} bytes of {synced} that were synced"));
    }
    let mut wanted = vec![0; found.len()];
    log_bytes(0, &mut wanted);
    match found.iter().zip(&wanted).position(|(a, b)| a != b) {
        Some(at) => Err(format!("log: wrong at {at} of {len}, {synced} were synced")),
        None => Ok(len),
    }
}

fn fixed(synced: u64, found: Option<Vec<u8>>) -> Result<u64, String> {
    let found = found.unwrap_or_default();
    if synced > 0 && found.len() != FIXED {
        let len = found.len();
        return Err(format!("fixed: {len} bytes of generation {synced}"));
    }
    // It is written from its beginning on, so that its last sector is of the oldest generation that is there.
    let (mut oldest, mut newest) = (u64::MAX, 0);
    for (sector, bytes) in (0..).zip(found.chunks(SECTOR)) {
        let is = |generation: &u64| {
            let mut wanted = [0; SECTOR];
            fill(FIXED_ONE + generation, sector, &mut wanted);
            bytes == &wanted[..bytes.len()]
        };
        let first = synced.max(1);
        let Some(generation) = (first..first + AHEAD).find(is) else {
            return Err(format!(
                "fixed: sector {sector} is of no generation since {synced}"
            ));
        };
        oldest = generation.min(oldest);
        newest = generation.max(newest);
    }
    if newest == 0 {
        return Ok(0);
    }
    if newest > oldest + 1 {
        return Err(format!("fixed: generations {oldest} to {newest}"));
    }
    Ok(if found.len() == FIXED { oldest } else { 0 })
}

fn current(synced: u64, found: Option<Vec<u8>>) -> Result<u64, String> {
    let Some(found) = found else {
        return match synced {
            0 => Ok(0),
            _ => Err(format!("current: not there, {synced} was synced")),
        };
    };
    let first = synced.max(1);
    (first..first + AHEAD)
        .find(|generation| current_bytes(*generation) == found)
        .ok_or_else(|| {
            let len = found.len();
            format!("current: its {len} bytes are no generation since {synced}")
        })
}

fn many(
    synced: u64,
    mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>, String>,
) -> Result<u64, String> {
    let mut last = synced;
    while read(&many_name(last + 1))?.is_some() {
        last += 1;
    }
    // The last may have been under way if it was not synced.
    let sound = if last > synced { last - 1 } else { last };
    let oldest = (last + 2).saturating_sub(KEEP).max(1);
    for number in oldest..=sound {
        let name = many_name(number);
        match read(&name)? {
            None => return Err(format!("{name}: not there, {synced} was synced")),
            Some(found) if found != many_bytes(number) => {
                let len = found.len();
                return Err(format!("{name}: wrong, {len} bytes, {synced} was synced"));
            }
            Some(_) => {}
        }
    }
    for number in last.saturating_sub(2 * KEEP).max(1)..=last.saturating_sub(KEEP) {
        let name = many_name(number);
        if read(&name)?.is_some() {
            return Err(format!("{name}: still there, {last} is there too"));
        }
    }
    Ok(sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Files = BTreeMap<String, Vec<u8>>;

    const SYNCED: State = State {
        log: 70_000,
        fixed: 3,
        current: 5,
        many: 100,
    };

    fn files() -> Files {
        let mut log = vec![0; 70_000];
        log_bytes(0, &mut log);
        let mut files = Files::from([
            ("log".into(), log),
            ("fixed".into(), fixed_bytes(3)),
            ("current".into(), current_bytes(5)),
        ]);
        files.extend((61..=100).map(|n| (many_name(n), many_bytes(n))));
        files
    }

    fn look(synced: &State, files: &Files) -> Result<State, String> {
        check(synced, |name| Ok(files.get(name).cloned()))
    }

    #[test]
    fn what_was_under_way_may_be_there() {
        assert_eq!(look(&State::default(), &Files::new()), Ok(State::default()));
        assert_eq!(look(&SYNCED, &files()), Ok(SYNCED));
        let mut more = files();
        let log = more.get_mut("log").unwrap();
        log.resize(71_001, 0);
        log_bytes(70_000, &mut log[70_000..]);
        let fixed = more.get_mut("fixed").unwrap();
        fixed[..10 * SECTOR].copy_from_slice(&fixed_bytes(4)[..10 * SECTOR]);
        more.insert("current".into(), current_bytes(6));
        more.remove(&many_name(61));
        more.insert(many_name(101), Vec::new());
        let found = State {
            log: 71_001,
            current: 6,
            ..SYNCED
        };
        assert_eq!(look(&SYNCED, &more), Ok(found));
        // The oldest may be gone before the next is made.
        more.remove(&many_name(101));
        assert_eq!(look(&SYNCED, &more), Ok(found));
    }

    #[test]
    fn what_is_missing_or_wrong_is_found() {
        type Harm = fn(&mut Files);
        let rows: [(&str, Harm); 10] = [
            ("log: 69999", |files| {
                files.get_mut("log").unwrap().truncate(69_999)
            }),
            ("log: wrong at 512", |files| {
                files.get_mut("log").unwrap()[512] ^= 1
            }),
            ("fixed: sector 7", |files| {
                let old = fixed_bytes(2);
                let fixed = files.get_mut("fixed").unwrap();
                fixed[7 * SECTOR..8 * SECTOR].copy_from_slice(&old[7 * SECTOR..8 * SECTOR]);
            }),
            ("fixed: generations 3 to 5", |files| {
                let new = fixed_bytes(5);
                files.get_mut("fixed").unwrap()[..SECTOR].copy_from_slice(&new[..SECTOR]);
            }),
            ("fixed: 0 bytes", |files| drop(files.remove("fixed"))),
            ("current: not there", |files| drop(files.remove("current"))),
            ("current: its", |files| {
                files.insert("current".into(), current_bytes(4));
            }),
            ("many-100: not there", |files| {
                drop(files.remove("many-100"))
            }),
            ("many-80: wrong", |files| {
                files.get_mut("many-80").unwrap().push(0)
            }),
            ("many-60: still there", |files| {
                files.insert("many-60".into(), many_bytes(60));
            }),
        ];
        for (wanted, harm) in rows {
            let mut files = files();
            harm(&mut files);
            let error = look(&SYNCED, &files).unwrap_err();
            assert!(error.starts_with(wanted), "{error}");
        }
        let unread = check(&SYNCED, |_| Err("cannot be read".into()));
        assert_eq!(unread, Err("log: cannot be read".into()));
    }

    #[test]
    fn a_state_is_words() {
        let mut state = State::default();
        let text = format!("{SYNCED}");
        assert!(text.split(' ').all(|word| state.hear(word)));
        assert_eq!(state, SYNCED);
        for word in ["", "log", "log=", "log=-1", "other=1"] {
            assert!(!state.hear(word), "{word}");
        }
        assert_eq!(state, SYNCED);
    }
}
