//! A program that runs until somebody ends it.

use redox_rt::{println, sys};
use syscall::TimeSpec;

/// Says that it runs, and waits.
pub fn run() -> i32 {
    println!("holding");
    loop {
        let hour = TimeSpec {
            tv_sec: 3600,
            tv_nsec: 0,
        };
        // Over, or interrupted: in both cases it goes on.
        let _ = sys::nanosleep(&hour);
    }
}
