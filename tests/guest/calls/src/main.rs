//! Tests of every system call and of the kernel's schemes, on the machine.
//!
//! The arguments name groups. Every group needs `grant=all`.
#![no_std]
#![no_main]

extern crate alloc;

mod clocks;
mod events;
mod exceptions;
mod exhaustion;
mod futexes;
mod maps;
mod pipes;
mod proc;
mod sched;
mod signals;
mod system;
mod table;
mod world;

use redox_rt::start::Start;

redox_rt::entry!(main);

type Group = (&'static str, fn() -> i32);

const GROUPS: &[Group] = &[
    ("calls", table::run),
    ("pipe", pipes::run),
    ("event", events::run),
    ("time", clocks::run),
    ("maps", maps::run),
    ("futex", futexes::run),
    ("proc", proc::run),
    ("exceptions", exceptions::run),
    ("signals", signals::run),
    ("sched", sched::run),
    ("sys", system::sys_files),
    ("irq", system::irq),
    ("exhaustion", exhaustion::run),
];

fn main(start: &Start) -> i32 {
    if world::find(start).is_none() {
        redox_rt::eprintln!("test-calls: needs grant=all");
        return 2;
    }
    if world::settle().is_err() {
        redox_rt::eprintln!("test-calls: the sys scheme tells nothing");
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
