//! Switches the machine off.
#![no_std]
#![no_main]

use power::{End, end};
use redox_rt::start::Start;

redox_rt::entry!(main);

fn main(_: &Start) -> i32 {
    end("shutdown", End::Off)
}
