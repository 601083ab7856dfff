//! A program that runs until somebody ends it.

use redox_rt::{println, sys};
use syscall::TimeSpec;

/// Ends after somewhat more than a second.
pub fn second() -> i32 {
    let time = TimeSpec {
        tv_sec: 1,
        tv_nsec: 200_000_000,
    };
    // Nobody interrupts it.
    let _ = sys::nanosleep(&time);
    println!("later");
    0
}

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
