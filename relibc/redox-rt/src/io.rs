//! Text to a descriptor, without a heap.

use core::fmt;

use crate::sys;

/// Formats to a descriptor, gathering up to 256 bytes into one write so that lines of several
/// processes do not mix.
pub struct Writer {
    fd: usize,
    len: usize,
    buf: [u8; 256],
}

impl Writer {
    /// A writer to `fd`, which it does not own.
    #[must_use]
    pub const fn new(fd: usize) -> Self {
        Self {
            fd,
            len: 0,
            buf: [0; 256],
        }
    }

    /// Writes out what was gathered. Errors are dropped: there is no better place to report them to.
    pub fn flush(&mut self) {
        let mut rest = self.buf.get(..self.len).unwrap_or(&[]);
        while !rest.is_empty() {
            match sys::write(self.fd, rest) {
                Ok(n) if n > 0 => rest = rest.get(n..).unwrap_or(&[]),
                Err(e) if e.errno == syscall::EINTR => {}
                _ => break,
            }
        }
        self.len = 0;
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes() {
            if self.len == self.buf.len() {
                self.flush();
            }
            if let Some(place) = self.buf.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Formats to a descriptor.
pub fn print(fd: usize, args: fmt::Arguments<'_>) {
    // `Writer` never answers an error.
    let _ = fmt::Write::write_fmt(&mut Writer::new(fd), args);
}

/// Prints a line on standard output.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => { $crate::io::print(1, format_args!("{}\n", format_args!($($arg)*))) };
}

/// Prints a line on standard error.
#[macro_export]
macro_rules! eprintln {
    ($($arg:tt)*) => { $crate::io::print(2, format_args!("{}\n", format_args!($($arg)*))) };
}
