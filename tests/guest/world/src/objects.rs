//! What the kernel tells of itself, and that it is what it was before.

use alloc::string::String;
use alloc::vec::Vec;

use guest_test::{Outcome, fail};
use redox_rt::{Error, Result};
use syscall::EIO;

use crate::{sleep_ms, world};

/// The text of a file of the sys scheme.
pub fn sys_file(name: &[u8]) -> Result<String> {
    let fd = world().sys.open(name, syscall::flag::O_RDONLY)?;
    let mut text = alloc::vec![0; 16 * 1024];
    let len = fd.read_full_at(&mut text, 0)?;
    text.truncate(len);
    String::from_utf8(text).map_err(|_| Error::new(EIO))
}

/// Numbers that the kernel tells of itself, by name.
pub fn counts(file: &[u8]) -> Result<Vec<(String, usize)>> {
    let text = sys_file(file)?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .filter_map(|(name, value)| Some((String::from(name), value.parse().ok()?)))
        .collect())
}

/// One of the numbers.
pub fn count(file: &[u8], name: &str) -> Result<usize> {
    let all = counts(file)?;
    let found = all.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
    found.ok_or(Error::new(EIO))
}

/// Waits until who started this program has nothing more to do: what is counted must be this program's.
pub fn settle() -> Result<()> {
    let mut last = counts(b"objects")?;
    let mut same = 0;
    while same < 10 {
        sleep_ms(2)?;
        let next = counts(b"objects")?;
        same = if next == last { same + 1 } else { 0 };
        last = next;
    }
    Ok(())
}

/// Fails unless the kernel's object counts become what they were. Processes that were killed and
/// messages under way may need a moment.
pub fn same_objects(before: &[(String, usize)]) -> Outcome {
    let mut last = Vec::new();
    for _ in 0..500 {
        last = counts(b"objects")?;
        if last == before {
            return Ok(());
        }
        sleep_ms(1)?;
    }
    for ((name, was), (_, is)) in before.iter().zip(&last) {
        if was != is {
            fail!("{name}: {was} before, {is} after");
        }
    }
    fail!("counts of different kinds")
}

/// Runs a case and checks that no kernel object is left of it.
pub fn leaves_nothing(case: impl FnOnce() -> Outcome) -> Outcome {
    let before = counts(b"objects")?;
    case()?;
    same_objects(&before)
}
