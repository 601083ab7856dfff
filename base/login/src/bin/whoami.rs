//! `whoami`: the name of the user that this process acts as.
#![no_std]
#![no_main]

use login::Users;
use redox_rt::{eprintln, println, start::Start};

redox_rt::entry!(main);

fn main(_: &Start) -> i32 {
    let users = Users::read();
    match users.numbers(None) {
        Ok(numbers) => {
            match users.names().user(numbers.euid) {
                Some(name) => println!("{name}"),
                None => println!("{}", numbers.euid),
            }
            0
        }
        Err(why) => {
            eprintln!("whoami: {why}");
            1
        }
    }
}
