//! The system's log.

use alloc::{collections::VecDeque, string::String, vec::Vec};

use syscall::error as errno;

use crate::{Device, append};

/// How much is kept, in bytes.
const KEPT: usize = 1 << 16;
/// Longest line; a longer one is broken.
const LINE: usize = 1024;
/// Longest name.
const NAME: usize = 64;

/// What was logged.
#[derive(Debug, Default)]
pub struct Log {
    kept: VecDeque<u8>,
    /// How much was dropped before what is kept.
    dropped: u64,
    fresh: Vec<u8>,
}

/// Who logs, the line that is not complete yet, and how far was read.
#[derive(Debug, Default)]
pub struct Handle {
    name: String,
    line: Vec<u8>,
    position: u64,
}

impl Log {
    /// Takes what was logged since this was last asked, for the console.
    pub fn take_fresh(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.fresh)
    }

    fn put(&mut self, handle: &mut Handle) {
        let mut line = Vec::new();
        if !handle.name.is_empty() {
            append(&mut line, handle.name.as_bytes());
            append(&mut line, b": ");
        }
        append(&mut line, &handle.line);
        append(&mut line, b"\n");
        handle.line.clear();
        append(&mut self.fresh, &line);
        if self.kept.try_reserve(line.len()).is_ok() {
            self.kept.extend(&line);
        }
        let excess = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..excess);
        self.dropped = self.dropped.saturating_add(excess as u64);
    }
}

impl Device for Log {
    type Handle = Handle;
    // A reader goes on where it was, whatever was dropped meanwhile.
    const SEEKS: bool = false;

    fn open(&mut self, path: &str) -> Result<Handle, i32> {
        let name = path.trim_matches('/');
        if name.len() > NAME || name.contains(char::is_control) {
            return Err(errno::EINVAL);
        }
        Ok(Handle {
            name: String::from(name),
            ..Handle::default()
        })
    }

    fn read(&mut self, handle: &mut Handle, buffer: &mut [u8]) -> usize {
        let from = handle.position.max(self.dropped);
        let skip = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        let mut count = 0_usize;
        for (place, byte) in buffer.iter_mut().zip(self.kept.iter().skip(skip)) {
            *place = *byte;
            count = count.saturating_add(1);
        }
        handle.position = from.saturating_add(count as u64);
        count
    }

    fn write(&mut self, handle: &mut Handle, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.put(handle);
                continue;
            }
            append(&mut handle.line, &[*byte]);
            if handle.line.len() >= LINE {
                self.put(handle);
            }
        }
    }

    fn close(&mut self, mut handle: Handle) {
        if !handle.line.is_empty() {
            self.put(&mut handle);
        }
    }
}
