//! Tests of the PCI bus and of disks, in the whole system. The first argument picks a group, each of which
//! expects the machine that its suite describes.
#![no_std]
#![no_main]

extern crate alloc;

mod bus;
mod content;
mod errors;
mod world;

use redox_rt::start::Start;

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    match start.arg(1).map(core::ffi::CStr::to_bytes) {
        Some(b"bus") => bus::run(),
        Some(b"content") => content::run(),
        Some(b"errors") => errors::run(),
        other => {
            redox_rt::eprintln!("test-disk: no group {other:?}");
            2
        }
    }
}
