//! What the small shell does without asking anybody: editing a line, taking it apart, keeping the text
//! of the current directory.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod line;
mod path;
mod words;

pub use line::{Line, Typed};
pub use path::joined;
pub use words::{Command, Error, parse};
