//! A terminal: settings, input and output together.

use alloc::vec::Vec;

use crate::{
    input::Input,
    output::{Output, width},
    termios::{
        ECHO, ECHOE, ECHOK, ECHONL, ICANON, ICRNL, IEXTEN, IGNCR, INLCR, ISIG, ISTRIP, IXON,
        NOFLSH, TOSTOP, Termios, VEOF, VEOL, VEOL2, VERASE, VINTR, VKILL, VLNEXT, VMIN, VQUIT,
        VREPRINT, VSTART, VSTOP, VSUSP, VTIME, VWERASE, WindowSize,
    },
};

/// What a key means to the processes in the foreground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGINT`.
    Interrupt,
    /// `SIGQUIT`.
    Quit,
    /// `SIGTSTP`.
    Suspend,
}

/// What `tcflow` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Holds output.
    StopOutput,
    /// Lets output go on.
    StartOutput,
    /// Asks the other side to hold its output.
    StopInput,
    /// Asks the other side to go on.
    StartInput,
}

/// What `tcflush` drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queues {
    /// Input that has not been read.
    Input,
    /// Output that has not been shown.
    Output,
    /// Both.
    Both,
}

/// Whether a read has its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It has: what [`Tty::read`] gives, be it nothing.
    Ready,
    /// At this time at the latest, in nanoseconds.
    Until(u64),
    /// When more has come in.
    Input,
}

const TENTH: u64 = 100_000_000;
const DELETE: u8 = 0x7f;

/// A terminal.
#[derive(Debug, Default)]
pub struct Tty {
    settings: Termios,
    size: WindowSize,
    input: Input,
    output: Output,
    /// Output is held.
    held: bool,
    /// The next byte means nothing special.
    literal: bool,
    /// The column in which the line that is being typed begins.
    margin: usize,
    /// When the last byte came in.
    last: u64,
}

impl Tty {
    /// A terminal of this size with the usual settings.
    #[must_use]
    pub fn new(size: WindowSize) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Termios {
        &self.settings
    }

    /// Changes the settings.
    pub fn set(&mut self, settings: Termios) {
        let (old, new) = (self.is_canonical(), settings.lflag & ICANON != 0);
        if settings.iflag & IXON == 0 {
            self.held = false;
        }
        self.settings = settings;
        self.literal = false;
        if old != new {
            self.input.set_canonical(new);
        }
    }

    /// The window's size.
    #[must_use]
    pub const fn size(&self) -> WindowSize {
        self.size
    }

    /// Changes the window's size; whether it was another.
    pub fn resize(&mut self, size: WindowSize) -> bool {
        core::mem::replace(&mut self.size, size) != size
    }

    /// Whether output from the background is stopped.
    #[must_use]
    pub const fn stops_background_output(&self) -> bool {
        self.settings.lflag & TOSTOP != 0
    }

    /// Back to the usual settings, without input.
    pub fn reset(&mut self) {
        self.input.clear();
        self.settings = Termios::default();
        self.literal = false;
        self.held = false;
    }

    const fn is_canonical(&self) -> bool {
        self.settings.lflag & ICANON != 0
    }

    const fn has_local(&self, flag: u32) -> bool {
        self.settings.lflag & flag != 0
    }

    fn is(&self, byte: u8, index: usize) -> bool {
        self.settings.control(index) == Some(byte)
    }

    /// Whether a byte that comes in will not be dropped for want of room. Signals and flow control need
    /// none, and a line without a complete one before it can always be ended.
    #[must_use]
    pub fn takes(&self, byte: u8) -> bool {
        let signals = [VINTR, VQUIT, VSUSP];
        let flow = [VSTART, VSTOP];
        self.input.room() > 0
            || (self.is_canonical() && !self.input.has_line())
            || (self.has_local(ISIG) && signals.iter().any(|index| self.is(byte, *index)))
            || (self.settings.iflag & IXON != 0 && flow.iter().any(|index| self.is(byte, *index)))
    }

    /// A byte comes in at a time, in nanoseconds. Answers the signal that it means, for the processes in
    /// the foreground.
    pub fn receive(&mut self, byte: u8, now: u64) -> Option<Signal> {
        self.last = now;
        let has_input = |flag| self.settings.iflag & flag != 0;
        let mut byte = byte;
        if has_input(ISTRIP) {
            byte &= 0x7f;
        }
        if core::mem::take(&mut self.literal) {
            self.accept(byte);
            return None;
        }
        if has_input(IXON) {
            if self.is(byte, VSTOP) {
                self.held = true;
                return None;
            }
            if self.is(byte, VSTART) {
                self.held = false;
                return None;
            }
        }
        match byte {
            b'\r' if has_input(IGNCR) => return None,
            b'\r' if has_input(ICRNL) => byte = b'\n',
            b'\n' if has_input(INLCR) => byte = b'\r',
            _ => {}
        }
        if self.has_local(ISIG) {
            let signals = [
                (VINTR, Signal::Interrupt),
                (VQUIT, Signal::Quit),
                (VSUSP, Signal::Suspend),
            ];
            if let Some((_, signal)) = signals.into_iter().find(|(index, _)| self.is(byte, *index))
            {
                self.signalled(byte, signal);
                return Some(signal);
            }
        }
        if self.is_canonical() {
            self.edit(byte);
        } else {
            self.accept(byte);
        }
        None
    }

    fn signalled(&mut self, byte: u8, signal: Signal) {
        if !self.has_local(NOFLSH) {
            self.input.clear();
            if signal != Signal::Suspend {
                self.output.clear();
            }
        }
        self.held = false;
        if self.has_local(ECHO) {
            self.show_byte(byte);
        }
    }

    /// A byte of a line.
    fn edit(&mut self, byte: u8) {
        let extended = self.has_local(IEXTEN);
        if self.is(byte, VERASE) {
            self.erase_character();
        } else if self.is(byte, VKILL) {
            self.kill_line(byte);
        } else if self.is(byte, VEOF) {
            self.input.complete(None);
        } else if extended && self.is(byte, VWERASE) {
            self.erase_word();
        } else if extended && self.is(byte, VREPRINT) {
            self.reprint(byte);
        } else if extended && self.is(byte, VLNEXT) {
            self.literal = true;
            if self.has_local(ECHO) {
                // The cursor stands on it until the next key.
                self.raw_output(b"^\x08");
            }
        } else if byte == b'\n' || self.is(byte, VEOL) || (extended && self.is(byte, VEOL2)) {
            let shown = self.has_local(ECHO) || (byte == b'\n' && self.has_local(ECHONL));
            if shown && byte == b'\n' {
                self.output.put(byte, &self.settings);
            } else if shown {
                self.show_byte(byte);
            }
            self.input.complete(Some(byte));
        } else {
            self.accept(byte);
        }
    }

    /// A byte that is input and nothing else.
    fn accept(&mut self, byte: u8) {
        let canonical = self.is_canonical();
        if canonical && self.input.line().is_empty() {
            self.margin = self.output.column();
        }
        let taken = if canonical {
            self.input.insert(byte)
        } else {
            self.input.push(byte)
        };
        if taken && self.has_local(ECHO) {
            if byte == b'\n' && !canonical {
                self.output.put(byte, &self.settings);
            } else {
                self.show_byte(byte);
            }
        }
    }

    fn raw_output(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.output.put(*byte, &self.settings);
        }
    }

    /// Shows a byte of input; control characters as `^X`.
    fn show_byte(&mut self, byte: u8) {
        if is_hidden(byte) {
            self.raw_output(&[b'^', byte ^ 0x40]);
        } else {
            self.output.put(byte, &self.settings);
        }
    }

    /// Cells between the margin and the end of the line.
    fn line_width(&self) -> usize {
        let mut column = self.margin;
        for part in self.input.line().utf8_chunks() {
            for character in part.valid().chars() {
                let cells = match u8::try_from(character) {
                    Ok(byte) if is_hidden(byte) => 2,
                    _ => width(character, column),
                };
                column = column.saturating_add(cells);
            }
            column = column.saturating_add(part.invalid().len());
        }
        column.saturating_sub(self.margin)
    }

    /// Does something to the line and takes as much off the screen as it has become shorter.
    fn erasing(&mut self, change: impl FnOnce(&mut Input)) {
        let before = self.line_width();
        change(&mut self.input);
        let cells = before.saturating_sub(self.line_width());
        if self.has_local(ECHO) && self.has_local(ECHOE) {
            for _ in 0..cells {
                self.raw_output(b"\x08 \x08");
            }
        }
    }

    fn erase_character(&mut self) {
        if self.has_local(ECHO) && !self.has_local(ECHOE) {
            // On paper: what was taken back is said again.
            if self.input.erase().is_some() {
                let erase = self.settings.count(VERASE);
                self.show_byte(erase);
            }
            return;
        }
        self.erasing(|input| {
            input.erase();
        });
    }

    /// Takes back blanks and then everything up to the blank before.
    fn erase_word(&mut self) {
        self.erasing(|input| {
            let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
            for blank in [true, false] {
                while input
                    .line()
                    .last()
                    .is_some_and(|byte| is_blank(byte) == blank)
                {
                    input.erase();
                }
            }
        });
    }

    fn kill_line(&mut self, byte: u8) {
        if self.has_local(ECHOE) {
            return self.erasing(Input::kill);
        }
        self.input.kill();
        if self.has_local(ECHO) {
            self.show_byte(byte);
            if self.has_local(ECHOK) {
                self.output.put(b'\n', &self.settings);
            }
        }
    }

    fn reprint(&mut self, byte: u8) {
        if !self.has_local(ECHO) {
            return;
        }
        self.show_byte(byte);
        self.output.put(b'\n', &self.settings);
        self.margin = self.output.column();
        let line = Vec::from(self.input.line());
        for byte in line {
            self.show_byte(byte);
        }
    }

    /// Whether a read of so many bytes that began at a time has its answer, at another. In canonical
    /// mode that is a line; otherwise `VMIN` and `VTIME` say so.
    #[must_use]
    pub fn poll(&self, room: usize, began: u64, now: u64) -> Wait {
        if self.is_canonical() {
            return if self.input.has_line() {
                Wait::Ready
            } else {
                Wait::Input
            };
        }
        let least = usize::from(self.settings.count(VMIN));
        let time = u64::from(self.settings.count(VTIME)).saturating_mul(TENTH);
        let available = self.input.available(false);
        if available >= least.min(room) && (least > 0 || available > 0 || time == 0) {
            return Wait::Ready;
        }
        if time == 0 || (least > 0 && available == 0) {
            return Wait::Input;
        }
        // Without a least number the time runs from the beginning, otherwise from each byte.
        let from = if least == 0 {
            began
        } else {
            self.last.max(began)
        };
        match from.saturating_add(time) {
            end if end <= now => Wait::Ready,
            end => Wait::Until(end),
        }
    }

    /// Whether there is something to read, for a read that does not wait and for events.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        if self.is_canonical() {
            self.input.has_line()
        } else {
            self.input.available(false) > 0
        }
    }

    /// Whether a read that may not wait answers nothing instead of an error: raw mode, no `VMIN`.
    #[must_use]
    pub fn reads_nothing(&self) -> bool {
        !self.is_canonical() && self.settings.count(VMIN) == 0
    }

    /// How much can be read (`FIONREAD`).
    #[must_use]
    pub fn available(&self) -> usize {
        self.input.available(self.is_canonical())
    }

    /// Takes what can be read; nothing is an end of file.
    pub fn read(&mut self, room: usize) -> Vec<u8> {
        self.input.take(room, self.is_canonical())
    }

    /// Writes, and answers how much there was room for.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0_usize;
        for byte in bytes {
            if !self.output.has_room() {
                break;
            }
            self.output.put(*byte, &self.settings);
            count = count.saturating_add(1);
        }
        count
    }

    /// Whether something can be written.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.output.has_room()
    }

    /// Whether there is something to show, and it is not held.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.held && self.output.len() > 0
    }

    /// Output that waits (`TIOCOUTQ`).
    #[must_use]
    pub fn pending_output(&self) -> usize {
        self.output.len()
    }

    /// Takes what is to be shown.
    pub fn take_output(&mut self, room: usize) -> Vec<u8> {
        if self.held {
            return Vec::new();
        }
        self.output.take(room)
    }

    /// `tcflow`.
    pub fn flow(&mut self, flow: Flow) {
        let control = match flow {
            Flow::StopOutput => return self.held = true,
            Flow::StartOutput => return self.held = false,
            Flow::StopInput => VSTOP,
            Flow::StartInput => VSTART,
        };
        if let Some(byte) = self.settings.control(control) {
            self.output.put(byte, &self.settings);
        }
    }

    /// `tcflush`.
    pub fn flush(&mut self, queues: Queues) {
        if matches!(queues, Queues::Input | Queues::Both) {
            self.input.clear();
        }
        if matches!(queues, Queues::Output | Queues::Both) {
            self.output.clear();
        }
    }
}

/// Control characters have no shape of their own.
const fn is_hidden(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == DELETE
}
