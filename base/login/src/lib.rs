//! What the programs around a login share: files, and talking to somebody at a terminal.
#![no_std]

extern crate alloc;

mod files;
mod talk;

pub use files::{open_first, read, read_text, replace};
pub use talk::{Typed, ask, ask_secretly};
