//! `groups [USER]`: the names of somebody's groups.
#![no_std]
#![no_main]

use login::Users;
use redox_rt::{eprintln, println, start::Start};

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    let users = Users::read();
    let user = start.arg(1).map(|arg| arg.to_str().unwrap_or("?"));
    match users.numbers(user) {
        Ok(numbers) => {
            println!("{}", users.names().group_names(numbers));
            0
        }
        Err(why) => {
            eprintln!("groups: {why}");
            1
        }
    }
}
