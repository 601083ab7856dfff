//! Lists of contexts as text, in lines of [`LINE`] bytes: first the names of the columns, then a line for each slot,
//! whether there is a context in it or not.
//!
//! A list changes while it is read in pieces. Since a context stays at its place, a reader finds each context that
//! lives all the while exactly once, and no line is put together from two.

use core::fmt::{self, Write};

/// Bytes of a line, with its end.
pub const LINE: usize = 100;

/// The longest name.
pub const NAME: usize = 32;

/// A line: text, spaces, and the line's end.
pub type Line = [u8; LINE];

/// The line of a slot without a context.
pub const VACANT: Line = {
    let mut line = [b' '; LINE];
    if let Some((end, _)) = line.split_last_mut() {
        *end = b'\n';
    }
    line
};

/// Where a context is in its life, as the list has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has the processor.
    Running,
    /// It could have it.
    Ready,
    /// It waits.
    Blocked,
    /// It is stopped, or has never been started.
    Stopped,
    /// It has ended.
    Ended,
}

/// What is told of a context.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The process it belongs to, as schemes are told; 0 for none.
    pub pid: u32,
    /// The user it acts for.
    pub euid: u32,
    /// The group it acts for.
    pub egid: u32,
    /// Where it is in its life.
    pub state: State,
    /// What it waits for: one word.
    pub wait: &'static str,
    /// The processors it may run on; all ones for any.
    pub affinity: u128,
    /// How long it has had the processor, in nanoseconds.
    pub time: u64,
    /// How many bytes are mapped in its space.
    pub memory: u64,
    /// Its name, up to the first NUL; chosen by its process, so that it can be anything.
    pub name: &'a [u8],
}

/// The columns of [`Entry::line`], as other readers of Redox's list count on them. A namespace (`ENS`) is a
/// descriptor, which has no number.
pub fn header() -> Line {
    compose(format_args!(
        "{:<6}{:<6}{:<6}{:<6}{:<6}{:<6}{:<11}{:<12}{:<8}NAME",
        "PID", "EUID", "EGID", "ENS", "STAT", "CPU", "AFFINITY", "TIME", "MEM",
    ))
}

/// The columns of [`Entry::wait_line`].
pub fn wait_header() -> Line {
    compose(format_args!("{:<6}{:<8}NAME", "PID", "WAIT"))
}

impl Entry<'_> {
    /// Its line of the list. A number that is wider than its column moves the others to the right.
    pub fn line(&self) -> Line {
        let state = match self.state {
            State::Running => "UR+",
            State::Ready => "UR",
            State::Blocked => "UB",
            State::Stopped => "US",
            State::Ended => "UZ",
        };
        let Self {
            pid, euid, egid, ..
        } = self;
        let (affinity, time, memory) = (
            Affinity(self.affinity),
            Time(self.time),
            Memory(self.memory),
        );
        compose(format_args!(
            "{pid:<5} {euid:<5} {egid:<5} {:<6}{state:<6}{:<6}{affinity:<10} {time:<11} {memory:<7} {}",
            0,
            "#0",
            Name(self.name),
        ))
    }

    /// Its line of the list of what contexts wait for.
    pub fn wait_line(&self) -> Line {
        let Self { pid, wait, .. } = self;
        compose(format_args!("{pid:<5} {wait:<7} {}", Name(self.name)))
    }
}

/// A context's name as text: up to the first NUL, and [`NAME`] bytes at most.
///
/// What is not a printable character of ASCII is shown as `?`, and so is a space: the name is one word.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(pub &'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        for byte in name.iter().take(NAME).take_while(|byte| **byte != 0) {
            let shown = if byte.is_ascii_graphic() { *byte } else { b'?' };
            f.write_char(char::from(shown))?;
        }
        Ok(())
    }
}

struct Affinity(u128);

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == u128::MAX {
            return f.pad("");
        }
        padded(f, format_args!("{:x}", self.0))
    }
}

/// Hours, minutes, seconds and hundredths.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = self.0 / 10_000_000;
        let seconds = hundredths / 100;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        padded(
            f,
            format_args!(
                "{hours:02}:{minutes:02}:{:02}.{:02}",
                seconds % 60,
                hundredths % 100
            ),
        )
    }
}

/// Bytes in the largest unit of which there are some.
struct Memory(u64);

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GB"), (20, "MB"), (10, "KB")];
        let large = units.into_iter().find(|(shift, _)| self.0 >> shift != 0);
        let (shift, unit) = large.unwrap_or((0, "B"));
        padded(f, format_args!("{} {unit}", self.0 >> shift))
    }
}

/// Writes a short text in the width that is asked for.
fn padded(f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
    let mut line = [b' '; 40];
    let mut columns = Columns { rest: &mut line };
    // What does not fit is cut off.
    let _ = columns.write_fmt(text);
    let left = columns.rest.len();
    let len = line.len().saturating_sub(left);
    let text = line.get(..len).unwrap_or(&[]);
    f.pad(core::str::from_utf8(text).unwrap_or(""))
}

fn compose(text: fmt::Arguments<'_>) -> Line {
    let mut line = VACANT;
    let end = LINE.saturating_sub(1);
    let mut columns = Columns {
        rest: line.get_mut(..end).unwrap_or(&mut []),
    };
    // What does not fit is cut off: the length of the line stays.
    let _ = columns.write_fmt(text);
    line
}

/// Text that is written over a line from the left.
struct Columns<'a> {
    rest: &'a mut [u8],
}

impl Write for Columns<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let rest = core::mem::take(&mut self.rest);
        let len = text.len().min(rest.len());
        let (part, rest) = rest.split_at_mut_checked(len).ok_or(fmt::Error)?;
        part.copy_from_slice(text.as_bytes().get(..len).ok_or(fmt::Error)?);
        self.rest = rest;
        Ok(())
    }
}

/// The part of a list that begins at `offset`: the number of the line, and how many of its bytes come before. `None`
/// when no line has so high a number.
pub fn place(offset: u64) -> Option<(u32, usize)> {
    let line = LINE as u64;
    let number = u32::try_from(offset.checked_div(line)?).ok()?;
    Some((number, usize::try_from(offset.checked_rem(line)?).ok()?))
}

#[cfg(test)]
mod tests;
