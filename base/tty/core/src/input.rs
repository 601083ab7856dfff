//! Input: the line that is being typed, and what waits to be read.

use alloc::{collections::VecDeque, vec::Vec};

/// Longest line, its end included.
pub const LINE: usize = 4096;
/// Most bytes that wait to be read.
pub const WAITING: usize = 1 << 14;

/// The line that is being typed, and what is complete.
#[derive(Debug, Default)]
pub struct Input {
    line: Vec<u8>,
    ready: VecDeque<u8>,
    /// Lengths of the lines in `ready`; an end of file is one of length 0. In raw mode there are none.
    lines: VecDeque<usize>,
}

impl Input {
    /// The line that is being typed.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Bytes that can be read now, in lines or not.
    pub fn available(&self, canonical: bool) -> usize {
        match (canonical, self.lines.front()) {
            (true, Some(_)) | (false, _) => self.ready.len(),
            (true, None) => 0,
        }
    }

    /// Whether a line is complete.
    pub fn has_line(&self) -> bool {
        !self.lines.is_empty()
    }

    /// How many more bytes are taken in before somebody reads.
    pub fn room(&self) -> usize {
        let bytes = self.ready.len().saturating_add(self.line.len());
        // Ends of file have no bytes, but must not become many either.
        let used = bytes.saturating_add(self.lines.len());
        WAITING.saturating_sub(used)
    }

    /// Adds to the line; whether there was room (for it, and for the end of the line).
    pub fn insert(&mut self, byte: u8) -> bool {
        let fits = self.line.len() < LINE.saturating_sub(1)
            && self.room() > 0
            && self.line.try_reserve(1).is_ok();
        if fits {
            self.line.push(byte);
        }
        fits
    }

    /// Takes the last character off the line, all bytes of it.
    pub fn erase(&mut self) -> Option<Vec<u8>> {
        let mut start = self.line.len().checked_sub(1)?;
        let is_continuation = |at: usize| self.line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        // Bytes that only continue a character belong to one before, if there is one.
        while is_continuation(start) && start > 0 {
            start = start.wrapping_sub(1);
        }
        Some(self.line.split_off(start))
    }

    /// Drops the line.
    pub fn kill(&mut self) {
        self.line.clear();
    }

    /// Completes the line, with the byte that ends it or, at an end of file, without.
    pub fn complete(&mut self, end: Option<u8>) {
        let len = self.line.len().saturating_add(usize::from(end.is_some()));
        if self.has_line() && self.room() == 0 {
            return;
        }
        if self.ready.try_reserve(len).is_err() || self.lines.try_reserve(1).is_err() {
            return;
        }
        self.ready.extend(self.line.drain(..));
        self.ready.extend(end);
        self.lines.push_back(len);
    }

    /// Adds to what can be read, past the line; whether there was room.
    pub fn push(&mut self, byte: u8) -> bool {
        let fits = self.ready.len() < WAITING && self.ready.try_reserve(1).is_ok();
        if fits {
            self.ready.push_back(byte);
        }
        fits
    }

    /// Takes what can be read: at most a line in canonical mode.
    pub fn take(&mut self, room: usize, canonical: bool) -> Vec<u8> {
        let mut count = room.min(self.ready.len());
        if canonical {
            let Some(line) = self.lines.front_mut() else {
                return Vec::new();
            };
            count = count.min(*line);
            *line = line.saturating_sub(count);
            if *line == 0 {
                self.lines.pop_front();
            }
        }
        self.ready.drain(..count).collect()
    }

    /// Changes between lines and no lines: nothing that was typed is lost.
    pub fn set_canonical(&mut self, canonical: bool) {
        if canonical {
            if !self.ready.is_empty() {
                self.lines.clear();
                self.lines.push_back(self.ready.len());
            }
        } else {
            self.lines.clear();
            self.ready.extend(self.line.drain(..));
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.line.clear();
        self.ready.clear();
        self.lines.clear();
    }
}
