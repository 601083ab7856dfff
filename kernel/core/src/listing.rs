//! The list of contexts as text: one line of [`LINE`] bytes for each slot, whether there is a context in it or not.
//!
//! The list changes while it is read in pieces. Since a context stays at its place, a reader finds each context that
//! lives all the while exactly once, and no line is put together from two.

use core::fmt::{self, Write};

/// Bytes of a line, with its end.
pub const LINE: usize = 86;

/// The longest name.
pub const NAME: usize = 32;

/// What is told of a context.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The number of its slot.
    pub index: u32,
    /// The process it belongs to, as schemes are told; 0 for none.
    pub pid: u32,
    /// The user it acts for.
    pub euid: u32,
    /// Its priority.
    pub priority: u32,
    /// Where it is in its life: one word of at most 7 letters.
    pub status: &'static str,
    /// What it waits for: one word of at most 7 letters.
    pub wait: &'static str,
    /// Its name, up to the first NUL; chosen by its process, so that it can be anything.
    pub name: &'a [u8],
}

/// The line of a slot without a context.
pub const VACANT: [u8; LINE] = {
    let mut line = [b' '; LINE];
    if let Some((end, _)) = line.split_last_mut() {
        *end = b'\n';
    }
    line
};

impl Entry<'_> {
    /// Its line: the columns in the order of the fields, apart by at least one space.
    pub fn line(&self) -> [u8; LINE] {
        let mut line = VACANT;
        let end = LINE.saturating_sub(1);
        let mut columns = Columns {
            rest: line.get_mut(..end).unwrap_or(&mut []),
        };
        // What does not fit is cut off: the length of the line stays.
        let _ = write!(
            columns,
            "{:>10} {:>10} {:>10} {:>3} {:7} {:7} ",
            self.index, self.pid, self.euid, self.priority, self.status, self.wait,
        );
        let _ = write!(columns, "{}", Name(self.name));
        line
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

struct Columns<'a> {
    rest: &'a mut [u8],
}

impl Columns<'_> {
    fn put(&mut self, byte: u8) {
        if let Some((first, rest)) = core::mem::take(&mut self.rest).split_first_mut() {
            *first = byte;
            self.rest = rest;
        }
    }
}

impl Write for Columns<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.put(byte));
        Ok(())
    }
}

/// The part of the list that begins at `offset`: the number of the first slot, and how many bytes of its line come
/// before. `None` when no slot has so high a number.
pub fn place(offset: u64) -> Option<(u32, usize)> {
    let line = LINE as u64;
    let slot = u32::try_from(offset.checked_div(line)?).ok()?;
    Some((slot, usize::try_from(offset.checked_rem(line)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn entry(name: &[u8]) -> Entry<'_> {
        Entry {
            index: 3,
            pid: 17,
            euid: 1000,
            priority: 20,
            status: "Blocked",
            wait: "Request",
            name,
        }
    }

    fn words(line: &[u8; LINE]) -> Vec<String> {
        let text = core::str::from_utf8(line).unwrap();
        text.split_ascii_whitespace().map(String::from).collect()
    }

    #[test]
    fn a_line_is_seven_words() {
        let line = entry(b"ramfsd\0\0\0").line();
        assert_eq!(
            words(&line),
            ["3", "17", "1000", "20", "Blocked", "Request", "ramfsd"]
        );
        assert_eq!(line.last(), Some(&b'\n'));
    }

    #[test]
    fn names_cannot_forge_lines() {
        let long = [b'x'; 40];
        for (name, shown) in [
            (&b""[..], None),
            (b"two words", Some("two?words")),
            (b"a\n9 9 9 9 Ready None b", Some("a?9?9?9?9?Ready?None?b")),
            (b"\xff\x1b[2J", Some("??[2J")),
            (b"seen\0hidden", Some("seen")),
            (&long, Some(&"x".repeat(NAME)[..])),
        ] {
            let line = entry(name).line();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(words(&line).get(6).map(String::as_str), shown);
        }
    }

    #[test]
    fn the_longest_fits() {
        let all = Entry {
            index: u32::MAX,
            pid: u32::MAX,
            euid: u32::MAX,
            priority: 255,
            status: "Blocked",
            wait: "Request",
            name: &[b'n'; NAME],
        };
        assert!(
            words(&all.line())
                .get(6)
                .is_some_and(|name| name.len() == NAME)
        );
    }

    /// However the pieces are cut and whatever changes between them, whoever stays is found once, whole.
    #[test]
    fn pieces_of_a_changing_list() {
        let wait = ["None", "Socket", "Request", "Retry"];
        for piece in 1..LINE * 3 {
            let mut read = Vec::new();
            let mut turn = 0;
            while let Some((first, skip)) = place(read.len() as u64).filter(|at| at.0 < 40) {
                turn += 1;
                let lines = (first..40).flat_map(|index| {
                    // Slots that are no multiple of three come and go.
                    let there = index % 3 == 0 || (index + turn) % 2 == 0;
                    let name = format!("context{index}");
                    let of_it = Entry {
                        index,
                        wait: wait[(index + turn) as usize % 4],
                        ..entry(name.as_bytes())
                    };
                    if there { of_it.line() } else { VACANT }
                });
                read.extend(lines.skip(skip).take(piece));
            }
            let text = String::from_utf8(read).unwrap();
            for index in (0..40).step_by(3) {
                let name = format!("context{index}");
                let found = text.lines().filter(|line| {
                    let mut words = line.split_ascii_whitespace();
                    words.next() == Some(&format!("{index}")) && words.next_back() == Some(&name)
                });
                assert_eq!(found.count(), 1, "{name} in pieces of {piece}");
            }
        }
    }
}
