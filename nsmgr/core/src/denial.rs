//! The log of refusals.
//!
//! A ring of the last [`CAPACITY`] refusals and a counter per cause. Recording one allocates nothing.
//! Readers follow with a sequence number and learn when they were too slow.

use core::fmt::{self, Write};

use alloc::{boxed::Box, vec::Vec};

use crate::error::Cause;

/// How many refusals are kept: a power of two.
pub const CAPACITY: usize = 256;
/// How many bytes of a name are kept.
pub const NAME_KEPT: usize = 64;

/// One refusal.
#[derive(Clone, Copy)]
pub struct Denial {
    /// Number of the refusal, from 0.
    pub sequence: u64,
    /// Process that asked.
    pub pid: usize,
    /// Its effective user.
    pub uid: u32,
    /// The namespace asked.
    pub namespace: u64,
    /// Why.
    pub cause: Cause,
    name: [u8; NAME_KEPT],
    name_kept: u8,
    truncated: bool,
}

impl Denial {
    /// To be written over.
    const NONE: Self = Self {
        sequence: 0,
        pid: 0,
        uid: 0,
        namespace: 0,
        cause: Cause::NotBound,
        name: [0; NAME_KEPT],
        name_kept: 0,
        truncated: false,
    };

    /// The name (or path) asked for, as far as it was kept.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name
            .get(..usize::from(self.name_kept))
            .unwrap_or_default()
    }
}

impl fmt::Display for Denial {
    /// One line: `17 pid=4 uid=1000 ns=2 cause=not-bound name="net"`; `...` follows a name that was
    /// longer than what is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pid={} uid={} ns={} cause={} name=\"{}\"{}",
            self.sequence,
            self.pid,
            self.uid,
            self.namespace,
            self.cause.as_str(),
            self.name().escape_ascii(),
            if self.truncated { "..." } else { "" },
        )
    }
}

/// The log.
pub struct Log {
    ring: Box<[Option<Denial>]>,
    next: u64,
    counters: [u64; Cause::ALL.len()],
}

impl Default for Log {
    fn default() -> Self {
        Self {
            ring: alloc::vec![None; CAPACITY].into_boxed_slice(),
            next: 0,
            counters: [0; Cause::ALL.len()],
        }
    }
}

impl Log {
    pub(crate) fn record(
        &mut self,
        pid: usize,
        uid: u32,
        namespace: u64,
        name: &[u8],
        cause: Cause,
    ) {
        if let Some(counter) = self.counters.get_mut(cause as usize) {
            *counter = counter.wrapping_add(1);
        }
        let length = name.len().min(NAME_KEPT);
        if let Some(slot) = self.ring.get_mut(place(self.next)) {
            let denial = slot.get_or_insert_with(|| Denial::NONE);
            denial.sequence = self.next;
            denial.pid = pid;
            denial.uid = uid;
            denial.namespace = namespace;
            denial.cause = cause;
            denial.name_kept = length as u8;
            denial.truncated = name.len() > NAME_KEPT;
            if let (Some(to), Some(from)) = (denial.name.get_mut(..length), name.get(..length)) {
                to.copy_from_slice(from);
            }
        }
        self.next = self.next.wrapping_add(1);
    }

    /// Number the next refusal will have; also how many there have been.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Number of the oldest refusal still kept.
    #[must_use]
    pub const fn oldest(&self) -> u64 {
        self.next.saturating_sub(CAPACITY as u64)
    }

    /// How many refusals there have been for this cause.
    #[must_use]
    pub fn count(&self, cause: Cause) -> u64 {
        self.counters.get(cause as usize).copied().unwrap_or(0)
    }

    /// The refusals from number `from` on that are still kept, oldest first.
    pub fn since(&self, from: u64) -> impl Iterator<Item = &Denial> {
        (from.max(self.oldest())..self.next)
            .filter_map(|sequence| self.ring.get(place(sequence))?.as_ref())
    }

    /// Appends whole lines to `out` for refusals from `*cursor` on, as long as `out` stays within
    /// `limit` bytes, and moves the cursor. A reader that was too slow finds a line
    /// `lost N` where N refusals are missing.
    pub fn read_lines(&self, cursor: &mut u64, limit: usize, out: &mut Vec<u8>) {
        let lost = self.oldest().saturating_sub(*cursor);
        if lost > 0 {
            if !push_line(out, limit, format_args!("lost {lost}")) {
                return;
            }
            *cursor = self.oldest();
        }
        for denial in self.since(*cursor) {
            if !push_line(out, limit, format_args!("{denial}")) {
                return;
            }
            *cursor = denial.sequence.saturating_add(1);
        }
    }

    /// Appends one line per cause: `cause count`.
    pub fn write_counters(&self, out: &mut Vec<u8>) {
        for cause in Cause::ALL {
            push_line(
                out,
                usize::MAX,
                format_args!("{} {}", cause.as_str(), self.count(cause)),
            );
        }
    }
}

/// Where in the ring a refusal is kept.
const fn place(sequence: u64) -> usize {
    sequence as usize & CAPACITY.saturating_sub(1)
}

/// Appends a line unless it would make `out` longer than `limit`.
fn push_line(out: &mut Vec<u8>, limit: usize, line: fmt::Arguments<'_>) -> bool {
    struct Sink<'a>(&'a mut Vec<u8>);
    impl Write for Sink<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    let before = out.len();
    let written = writeln!(Sink(out), "{line}").is_ok();
    if written && out.len() <= limit {
        return true;
    }
    out.truncate(before);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_counters() {
        let mut log = Log::default();
        log.record(4, 1000, 2, b"ne\"t\n", Cause::NotBound);
        log.record(5, 0, 3, &[b'x'; 100], Cause::MayNotList);
        let mut text = Vec::new();
        let mut cursor = 0;
        log.read_lines(&mut cursor, 4096, &mut text);
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"0 pid=4 uid=1000 ns=2 cause=not-bound name="ne\"t\n""#
        );
        assert!(lines[1].ends_with("xxx\"..."), "{}", lines[1]);
        assert_eq!(cursor, 2);
        assert_eq!(log.count(Cause::NotBound), 1);
        assert_eq!(log.count(Cause::Malformed), 0);
    }

    #[test]
    fn a_slow_reader_learns_what_it_lost_and_reads_whole_lines() {
        let mut log = Log::default();
        for pid in 0..CAPACITY + 10 {
            log.record(pid, 0, 0, b"a", Cause::NotBound);
        }
        let (mut cursor, mut all) = (0, Vec::new());
        loop {
            let mut piece = Vec::new();
            log.read_lines(&mut cursor, 100, &mut piece);
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() <= 100 && piece.ends_with(b"\n"));
            all.extend(piece);
        }
        let all = String::from_utf8(all).unwrap();
        assert_eq!(all.lines().next(), Some("lost 10"));
        assert_eq!(all.lines().count(), CAPACITY + 1);
    }
}
