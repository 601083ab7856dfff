//! The `debug` scheme: the serial console, for the first programs and for the last resort.

use crate::{
    arch,
    error::{Outcome, fail},
    kernel::{Kernel, WaitKey},
};
use syscall::{error::*, flag::EventFlags};

/// How much input is kept for a reader. What comes beyond that is lost, as on any serial line.
const INPUT: usize = 1024;
/// Longest output of one call.
const OUTPUT: usize = 4096;

/// Console input that nobody has read.
pub struct Console {
    ring: [u8; INPUT],
    start: usize,
    len: usize,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// No input.
    pub const fn new() -> Self {
        Self {
            ring: [0; INPUT],
            start: 0,
            len: 0,
        }
    }

    fn push(&mut self, byte: u8) {
        if self.len < INPUT
            && let Some(place) = self.ring.get_mut(self.start.wrapping_add(self.len) % INPUT)
        {
            *place = byte;
            self.len = self.len.wrapping_add(1);
        }
    }

    fn peek(&self, index: usize) -> Option<u8> {
        if index >= self.len {
            return None;
        }
        self.ring
            .get(self.start.wrapping_add(index) % INPUT)
            .copied()
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.len);
        self.start = self.start.wrapping_add(count) % INPUT;
        self.len = self.len.wrapping_sub(count);
    }
}

impl Kernel {
    /// A byte came in.
    pub fn console_input(&mut self, byte: u8) {
        self.console.push(byte);
        self.wake_waiters(WaitKey::Console);
        self.notify_kind(crate::scheme::Kind::Debug, EventFlags::EVENT_READ);
    }

    /// `read`: what has come in; waits for at least a byte.
    pub fn debug_read(&mut self, base: usize, len: usize, nonblocking: bool) -> Outcome {
        if len == 0 {
            return Ok(0);
        }
        if self.console.len == 0 {
            return if nonblocking {
                fail(EAGAIN)
            } else {
                self.wait_for(WaitKey::Console)
            };
        }
        let mut buffer = [0; 64];
        let mut count = 0;
        for place in buffer.iter_mut().take(len) {
            let Some(byte) = self.console.peek(count) else {
                break;
            };
            *place = byte;
            count = count.wrapping_add(1);
        }
        self.write_bytes(self.current_space, base, buffer.get(..count).unwrap_or(&[]))?;
        self.console.consume(count);
        Ok(count)
    }

    /// `write`: puts bytes on the line. At most a page goes in one call, since the line is slow.
    pub fn debug_write(&mut self, base: usize, len: usize) -> Outcome {
        let len = len.min(OUTPUT);
        let mut done = 0_usize;
        let mut buffer = [0; 256];
        while done < len {
            let part = len.wrapping_sub(done).min(buffer.len());
            let Some(bytes) = buffer.get_mut(..part) else {
                break;
            };
            self.read_bytes(self.current_space, base.wrapping_add(done), bytes)?;
            arch::serial::write(bytes);
            done = done.wrapping_add(part);
        }
        Ok(done)
    }

    /// Whether there is input.
    pub fn debug_readiness(&self) -> EventFlags {
        if self.console.len > 0 {
            EventFlags::EVENT_READ | EventFlags::EVENT_WRITE
        } else {
            EventFlags::EVENT_WRITE
        }
    }
}
