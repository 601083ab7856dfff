//! Does nothing, successfully.
#![no_std]
#![no_main]

redox_rt::entry!(main);

fn main(_: &redox_rt::start::Start) -> i32 {
    0
}
