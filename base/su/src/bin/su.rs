//! `su [USER [COMMAND ARGUMENTS...]]`: becomes a user, `root` unless said, by that user's password.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{string::String, vec::Vec};

use login_core::{accounts, elevation::Wish};
use redox_rt::{eprintln, start::Start};

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    let user = start.arg(1).map_or(Ok("root"), core::ffi::CStr::to_str);
    let Some(user) = user.ok().filter(|user| accounts::is_name(user)) else {
        eprintln!("su: usage: su [USER [COMMAND ARGUMENTS...]]");
        return 2;
    };
    let command: Vec<&[u8]> = start
        .args()
        .skip(2)
        .map(core::ffi::CStr::to_bytes)
        .collect();
    su::run("su", Wish::Become(String::from(user)), start, &command)
}
