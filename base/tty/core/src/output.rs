//! Output: what is written, and what is shown of input, on its way to the screen.

use alloc::{collections::VecDeque, vec::Vec};

use crate::termios::{OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, Termios};

/// Most bytes that wait to be shown.
const LIMIT: usize = 1 << 14;
/// Distance of tabulator stops.
const TAB: usize = 8;

/// Bytes that wait to be shown, and where the cursor will be then.
#[derive(Debug, Default)]
pub struct Output {
    queue: VecDeque<u8>,
    column: usize,
}

/// How far a character moves the cursor from a column.
pub fn width(character: char, column: usize) -> usize {
    match character {
        '\t' => TAB.wrapping_sub(column % TAB),
        _ => unicode_width::UnicodeWidthChar::width(character).unwrap_or(0),
    }
}

impl Output {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether a byte can be written, which may become two.
    pub fn has_room(&self) -> bool {
        self.queue.len() < LIMIT.saturating_sub(1)
    }

    /// The column the cursor will be in.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// Drops what waits.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// Takes bytes out.
    pub fn take(&mut self, room: usize) -> Vec<u8> {
        let count = room.min(self.queue.len());
        self.queue.drain(..count).collect()
    }

    /// Puts a byte in, processed as the settings say. Without room it is dropped.
    pub fn put(&mut self, byte: u8, settings: &Termios) {
        if !self.has_room() || self.queue.try_reserve(2).is_err() {
            return;
        }
        let has = |flag| settings.oflag & flag != 0;
        if !has(OPOST) {
            return self.push(byte);
        }
        match byte {
            b'\n' if has(ONLCR) => {
                self.push(b'\r');
                self.push(b'\n');
            }
            b'\n' if has(ONLRET) => {
                self.push(b'\n');
                self.column = 0;
            }
            b'\r' if has(ONOCR) && self.column == 0 => {}
            b'\r' if has(OCRNL) => self.push(b'\n'),
            _ if has(OLCUC) => self.push(byte.to_ascii_uppercase()),
            _ => self.push(byte),
        }
    }

    fn push(&mut self, byte: u8) {
        self.queue.push_back(byte);
        self.column = match byte {
            b'\r' => 0,
            0x08 => self.column.saturating_sub(1),
            b'\t' => self.column.saturating_add(width('\t', self.column)),
            // Parts of a character that is more than one byte, but for its first, move nothing.
            b' '..0x7f | 0xc0.. => self.column.saturating_add(1),
            _ => self.column,
        };
    }
}
