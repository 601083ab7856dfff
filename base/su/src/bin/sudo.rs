//! `sudo COMMAND ARGUMENTS...`: runs a command as `root`, for members of the group `sudo`, by their own password.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use login_core::elevation::Wish;
use redox_rt::{eprintln, start::Start};

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    let command: Vec<&[u8]> = start
        .args()
        .skip(1)
        .map(core::ffi::CStr::to_bytes)
        .collect();
    if command.is_empty() {
        eprintln!("sudo: usage: sudo COMMAND ARGUMENTS...");
        return 2;
    }
    su::run("sudo", Wish::Rule, start, &command)
}
