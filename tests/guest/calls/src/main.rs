//! Tests of every system call and of the kernel's schemes, on the machine.
//!
//! The arguments name groups. Every group needs `grant=all`.
#![no_std]
#![no_main]

extern crate alloc;

mod table;
mod world;

use redox_rt::start::Start;

redox_rt::entry!(main);

const GROUPS: &[(&str, fn() -> i32)] = &[("calls", table::run)];

fn main(start: &Start) -> i32 {
    if world::find(start).is_none() {
        redox_rt::eprintln!("test-calls: needs grant=all");
        return 2;
    }
    let mut code = 0;
    for argument in start.args().skip(1) {
        let name = argument.to_bytes();
        match GROUPS.iter().find(|(group, _)| group.as_bytes() == name) {
            Some((_, run)) => code = code.max(run()),
            None => {
                redox_rt::eprintln!("test-calls: no group `{}`", name.escape_ascii());
                code = 2;
            }
        }
    }
    code
}
