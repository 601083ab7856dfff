//! `id [-u|-g|-G] [-nr] [USER]`: who somebody is.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{format, string::String};

use login::Users;
use login_core::identity::Asked;
use redox_rt::{eprintln, println, start::Start};

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    match said(start) {
        Ok(text) => {
            println!("{text}");
            0
        }
        Err(why) => {
            eprintln!("id: {why}");
            1
        }
    }
}

fn said(start: &Start) -> Result<String, String> {
    // What is no text is no user.
    let args = start.args().skip(1).map(|arg| arg.to_str().unwrap_or("?"));
    let asked = Asked::parse(args)?;
    let users = Users::read();
    let numbers = users.numbers(asked.user).map_err(|why| format!("{why}"))?;
    Ok(asked.answer(&users.names(), numbers))
}
