//! What the programs around a login share: files, and talking to somebody at a terminal.
#![no_std]

extern crate alloc;

mod files;
mod names;
mod talk;
mod users;

pub use files::{open_first, read_text, read_users, replace};
pub use names::namespace_of;
pub use talk::{Typed, ask, ask_secretly};
pub use users::{Unknown, Users};
