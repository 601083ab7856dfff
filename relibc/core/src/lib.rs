//! The system-independent algorithms of the C library.
//!
//! House rules:
//!
//! - Nothing here knows a descriptor, a thread or a raw pointer. Memory of the C program is reached
//!   through a trait or a closure that the caller supplies ([`printf::Host`], [`scanf::Host`],
//!   [`stream::Device`]), so every algorithm runs, and is tested, on any host.
//! - Errors are [`errno::Errno`] numbers where C reports a number, and types of their own elsewhere.
//! - Results are exact where the standard allows it: decimal conversions of floating-point numbers
//!   never go through an approximation.
//! - Input is untrusted: no function panics or recurses without bound on any byte sequence.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod bracket;
pub mod convert;
pub mod ctype;
pub mod elsewhere;
pub mod errno;
pub mod float;
pub mod fnmatch;
pub mod getopt;
pub mod glob;
pub mod integer;
pub mod mounts;
pub mod multibyte;
pub mod netdb;
pub mod paths;
pub mod printf;
pub mod random;
pub mod regex;
pub mod scanf;
pub mod sort;
pub mod stream;
pub mod time;
pub mod users;
pub mod walk;
pub mod words;
