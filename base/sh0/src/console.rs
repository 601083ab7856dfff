//! Lines from a terminal, or from the bare console, where they are shown as they are typed.

use alloc::vec::Vec;

use redox_rt::io::Writer;
use redox_rt::{sys, terminal};
use sh0_core::{Line, Typed};

/// The console: descriptors 0 and 1.
pub struct Console {
    /// It is a terminal, which does the editing.
    is_terminal: bool,
    line: Line,
    /// What was read and not looked at.
    input: Vec<u8>,
}

impl Console {
    pub fn new() -> Self {
        Self {
            is_terminal: terminal::is_terminal(0),
            line: Line::new(),
            input: Vec::new(),
        }
    }

    /// Asks for a line; `None` at the end of input.
    pub fn line(&mut self, prompt: &str) -> Option<Vec<u8>> {
        show(prompt.as_bytes());
        if self.is_terminal {
            return self.whole_line();
        }
        loop {
            let typed = match self.next()? {
                Some(byte) => self.line.push(byte),
                None => continue,
            };
            match typed {
                Typed::Nothing => {}
                Typed::Shown(byte) => show(&[byte]),
                Typed::Erased => show(b"\x08 \x08"),
                Typed::GivenUp => {
                    show(b"^C\n");
                    show(prompt.as_bytes());
                }
                Typed::Done(line) => {
                    show(b"\n");
                    return Some(line);
                }
                Typed::End => {
                    show(b"\n");
                    return None;
                }
            }
        }
    }

    fn whole_line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            match self.next() {
                Some(Some(b'\n')) => return Some(line),
                Some(Some(byte)) => line.push(byte),
                Some(None) => {}
                None if line.is_empty() => {
                    show(b"\n");
                    return None;
                }
                None => return Some(line),
            }
        }
    }

    /// The next byte, or none yet.
    fn next(&mut self) -> Option<Option<u8>> {
        if self.input.is_empty() {
            let mut buffer = [0; 64];
            match sys::read(0, &mut buffer) {
                Ok(0) => return None,
                Ok(len) => self
                    .input
                    .extend(buffer.get(..len).unwrap_or(&[]).iter().rev()),
                Err(error) if error.errno == syscall::EINTR => {}
                Err(_) => return None,
            }
        }
        Some(self.input.pop())
    }
}

fn show(bytes: &[u8]) {
    let mut writer = Writer::new(1);
    for part in bytes.utf8_chunks() {
        let _ = core::fmt::Write::write_str(&mut writer, part.valid());
    }
    let rest = bytes.utf8_chunks().flat_map(|part| part.invalid());
    writer.flush();
    for byte in rest {
        let _ = sys::write(1, &[*byte]);
    }
}
