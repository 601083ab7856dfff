//! A line as it is typed.

use alloc::vec::Vec;

/// Longest line in bytes.
const LONGEST: usize = 4096;

/// A line that is being typed.
#[derive(Debug, Default)]
pub struct Line {
    bytes: Vec<u8>,
    /// The last byte was a carriage return, whose line feed says nothing more.
    returned: bool,
}

/// What a typed byte means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing to be seen.
    Nothing,
    /// Show this byte.
    Shown(u8),
    /// Take the last character off the screen.
    Erased,
    /// The line is complete.
    Done(Vec<u8>),
    /// The line is given up.
    GivenUp,
    /// There is no more input.
    End,
}

impl Line {
    /// An empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            returned: false,
        }
    }

    /// Takes a byte.
    pub fn push(&mut self, byte: u8) -> Typed {
        const END: u8 = 4;
        const GIVE_UP: u8 = 3;
        const BACKSPACE: u8 = 8;
        const DELETE: u8 = 127;
        let after_return = core::mem::replace(&mut self.returned, byte == b'\r');
        match byte {
            b'\n' if after_return => Typed::Nothing,
            b'\r' | b'\n' => Typed::Done(core::mem::take(&mut self.bytes)),
            BACKSPACE | DELETE => self.erase(),
            GIVE_UP => {
                self.bytes.clear();
                Typed::GivenUp
            }
            END if self.bytes.is_empty() => Typed::End,
            b'\t' | b' ' => self.insert(b' '),
            0..b' ' => Typed::Nothing,
            _ => self.insert(byte),
        }
    }

    fn insert(&mut self, byte: u8) -> Typed {
        if self.bytes.len() >= LONGEST {
            return Typed::Nothing;
        }
        self.bytes.push(byte);
        Typed::Shown(byte)
    }

    /// Takes off the last character, which in UTF-8 is several bytes.
    fn erase(&mut self) -> Typed {
        const fn is_continuation(byte: u8) -> bool {
            byte & 0xc0 == 0x80
        }
        loop {
            match self.bytes.pop() {
                None => return Typed::Nothing,
                Some(byte) if is_continuation(byte) && !self.bytes.is_empty() => {}
                Some(_) => return Typed::Erased,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(input: &[u8]) -> Vec<Vec<u8>> {
        let mut line = Line::default();
        let typed = input.iter().map(|byte| line.push(*byte));
        typed
            .filter_map(|typed| match typed {
                Typed::Done(line) => Some(line),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn keys() {
        let rows: &[(&[u8], &[&[u8]])] = &[
            (b"ls\r", &[b"ls"]),
            (b"ls\r\ncd\n", &[b"ls", b"cd"]),
            (b"\r\r", &[b"", b""]),
            (b"lx\x7fs\r", &[b"ls"]),
            (b"a\x08\x08\x08b\r", &[b"b"]),
            ("é\x7fx\r".as_bytes(), &[b"x"]),
            (b"rm -rf\x03ls\r", &[b"ls"]),
            (b"a\tb\x1b\r", &[b"a b"]),
            (b"a\x04b\r", &[b"ab"]),
        ];
        for (input, wanted) in rows {
            assert_eq!(
                lines(input),
                *wanted,
                "{:?}",
                input.escape_ascii().to_string()
            );
        }
        assert_eq!(Line::default().push(4), Typed::End);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_what_is_read(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut line = Line::default();
            for byte in input {
                if let Typed::Done(done) = line.push(byte) {
                    prop_assert!(done.iter().all(|byte| *byte >= b' ' && *byte != 127));
                }
            }
        }
    }
}
