//! Tests of the PCI bus and its drivers, in the whole system. The first argument picks a group, each of which
//! expects the machine that its suite describes.
#![no_std]
#![no_main]

extern crate alloc;

mod bus;
mod content;
mod errors;
mod kill;
mod lodger;
mod port;
mod random;
mod restart;
mod root;
mod strange;
mod world;

use redox_rt::start::Start;

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    match start.arg(1).map(core::ffi::CStr::to_bytes) {
        Some(b"bus") => bus::run(),
        Some(b"lodger") => lodger::run(),
        Some(b"install") => lodger::install(),
        Some(b"stay") => lodger::stay(),
        Some(b"content") => content::run(),
        Some(b"errors") => errors::run(),
        Some(b"random") => random::run(),
        Some(b"restart") => restart::run(),
        Some(b"root") => root::run(),
        Some(b"strange") => strange::run(),
        Some(b"port") => port::run(start.arg(2).is_some()),
        other => {
            redox_rt::eprintln!("test-devices: no group {other:?}");
            2
        }
    }
}
