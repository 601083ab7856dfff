//! Tests of the run-time on the machine: what `rt-core` cannot test on the host.
//!
//! The first argument picks a group: `alone` needs nothing but a thread descriptor, `processes` the
//! kernel's proc and event roots (`grant=all`). With `child` it is the program that the second starts.
#![no_std]
#![no_main]
#![feature(thread_local)]

extern crate alloc;

mod alone;
mod processes;
mod signals;

use redox_rt::start::Start;

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    match start.arg(1).map(core::ffi::CStr::to_bytes) {
        None | Some(b"alone") => alone::run(start),
        Some(b"signals") => signals::run(),
        Some(b"processes") => processes::run(start),
        Some(b"child") => processes::child(start),
        Some(other) => {
            redox_rt::eprintln!("test-rt: no group `{}`", other.escape_ascii());
            2
        }
    }
}
