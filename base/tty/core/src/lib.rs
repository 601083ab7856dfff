//! What a terminal does between a keyboard and a program, without any I/O.
//!
//! What this library promises:
//!
//! * Bytes in, bytes and signals out. [`Tty`] holds settings, the line that is being typed, input that
//!   waits to be read and output that waits to be shown. Who reads, who is told of a signal and what time
//!   it is are its caller's affairs.
//! * What is typed cannot make it grow without end: a line, the input and the output have limits.
//! * What is erased on the screen is what was shown, for characters of any width.
//!
//! Settings have the layout and numbers of relibc's `<termios.h>` ([`Termios`]).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod input;
mod output;
pub mod termios;
mod tty;

pub use termios::{Termios, WindowSize};
pub use tty::{Flow, Queues, Signal, Tty, Wait};
