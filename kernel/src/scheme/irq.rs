//! The `irq` scheme: interrupts for drivers.
//!
//! Opening a line (its number in decimal) gives it to the driver; opening `msi` gives a fresh vector,
//! whose message address and data `SYS_CALL` tells. An interrupt masks its line until the driver
//! acknowledges by writing. Reading gives the count of interrupts so far and waits for one that was not
//! acknowledged.

use super::{Kind, ops::Opened};
use crate::{
    arch::irq,
    error::{Halt, Outcome, fail},
    kernel::{Kernel, WaitKey},
};
use core::mem::size_of;
use syscall::{error::*, flag::EventFlags};

/// Lines and vectors together.
const LINES: usize = irq::MESSAGE_FIRST + irq::MESSAGES;
/// Length of a message's address and data in bytes.
const MESSAGE: usize = 2 * size_of::<u64>();

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Descriptions that refer to it.
    users: u32,
    fired: u64,
    acknowledged: u64,
}

/// All lines.
pub struct Irqs {
    lines: [Line; LINES],
}

impl Default for Irqs {
    fn default() -> Self {
        Self::new()
    }
}

impl Irqs {
    /// No line in use.
    pub const fn new() -> Self {
        Self {
            lines: [Line {
                users: 0,
                fired: 0,
                acknowledged: 0,
            }; LINES],
        }
    }

    fn line(&mut self, line: u32) -> Outcome<&mut Line> {
        self.lines.get_mut(line as usize).ok_or(Halt::Errno(ENOENT))
    }
}

impl Kernel {
    /// Opens a line.
    ///
    /// # Errors
    /// `ENOENT` for a line that is none, `EBUSY` for one in use, `ENOSPC` without a free vector.
    pub fn irq_open(&mut self, key: &[u8]) -> Outcome<Opened> {
        if key == b"msi" {
            let number = irq::allocate_message().ok_or(Halt::Errno(ENOSPC))?;
            return self.take_line(number as u32);
        }
        let line = core::str::from_utf8(key)
            .ok()
            // One spelling for each line.
            .filter(|key| *key == "0" || !key.starts_with(['0', '+']))
            .and_then(|key| key.parse::<u32>().ok())
            .filter(|line| irq::is_available(*line as usize))
            .ok_or(Halt::Errno(ENOENT))?;
        self.take_line(line)
    }

    fn take_line(&mut self, line: u32) -> Outcome<Opened> {
        let state = self.irqs.line(line)?;
        if state.users > 0 {
            return fail(EBUSY);
        }
        *state = Line {
            users: 1,
            ..Line::default()
        };
        irq::unmask(line as usize);
        Ok(Opened::plain(Kind::Irq(line)))
    }

    /// An interrupt came.
    pub fn irq_fired(&mut self, line: u32) {
        let Ok(state) = self.irqs.line(line) else {
            return;
        };
        state.fired = state.fired.wrapping_add(1);
        if state.users > 0 {
            self.wake_waiters(WaitKey::Irq(line));
            self.notify_kind(Kind::Irq(line), EventFlags::EVENT_READ);
        }
    }

    /// `read`.
    pub fn irq_read(&mut self, line: u32, base: usize, len: usize, nonblocking: bool) -> Outcome {
        if len < size_of::<u64>() {
            return fail(EINVAL);
        }
        let state = self.irqs.line(line)?;
        if state.fired == state.acknowledged {
            return if nonblocking {
                fail(EAGAIN)
            } else {
                self.wait_for(WaitKey::Irq(line))
            };
        }
        let count = state.fired as usize;
        self.write_word(self.current_space, base, count)?;
        Ok(size_of::<u64>())
    }

    /// `write`: acknowledges as many interrupts as were read.
    pub fn irq_write(&mut self, line: u32, base: usize, len: usize) -> Outcome {
        if len < size_of::<u64>() {
            return fail(EINVAL);
        }
        let count = self.read_word(self.current_space, base)? as u64;
        let state = self.irqs.line(line)?;
        if count > state.fired {
            return fail(EINVAL);
        }
        state.acknowledged = state.acknowledged.max(count);
        if state.acknowledged == state.fired {
            irq::acknowledge(line as usize);
        }
        Ok(size_of::<u64>())
    }

    /// `SYS_CALL`: for a vector, the address and the data that a device has to write.
    pub fn irq_call(&mut self, line: u32, base: usize, len: usize) -> Outcome {
        let Some((address, data)) = irq::message(line as usize) else {
            return fail(EOPNOTSUPP);
        };
        if len != MESSAGE {
            return fail(EINVAL);
        }
        self.write_word(self.current_space, base, address as usize)?;
        self.write_word(self.current_space, base.wrapping_add(8), data as usize)?;
        Ok(0)
    }

    /// Whether an interrupt is unacknowledged.
    pub fn irq_readiness(&mut self, line: u32) -> EventFlags {
        match self.irqs.line(line) {
            Ok(state) if state.fired != state.acknowledged => EventFlags::EVENT_READ,
            _ => EventFlags::empty(),
        }
    }

    /// The driver gave the line up.
    pub fn irq_close(&mut self, line: u32) {
        if line as usize >= irq::MESSAGE_FIRST {
            irq::free_message(line as usize);
        } else {
            irq::mask(line as usize);
        }
        if let Ok(state) = self.irqs.line(line) {
            *state = Line::default();
        }
    }
}
