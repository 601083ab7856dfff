//! Tests of user schemes on the machine: daemons in processes of their own, driven through every
//! message kind, good and bad.
//!
//! The argument names a group. Every group needs `grant=all`.
#![no_std]
#![no_main]

extern crate alloc;

mod cancel;
mod create;
mod daemon;
mod death;
mod fds;
mod leases;
mod maps;
mod messages;
mod payload;
mod redirect;
mod rights;
mod stress;
mod unmodified;
mod world;

use redox_rt::start::Start;
use world::{GID, PID, UID};

redox_rt::entry!(main);

/// A name, and what runs the cases.
type Group = (&'static str, fn() -> i32);

const GROUPS: &[Group] = &[
    ("create", create::run),
    ("messages", messages::run),
    ("payload", payload::run),
    ("fds", fds::run),
    ("maps", maps::run),
    ("cancel", cancel::run),
    ("unmodified", unmodified::run),
    ("death", death::run),
    ("redirect", redirect::run),
    ("rights", rights::run),
    ("leases", leases::run),
    ("stress", stress::run),
];

fn main(start: &Start) -> i32 {
    if guest_world::find(start).is_none() || world::identify(PID, UID, GID).is_err() {
        redox_rt::eprintln!("test-scheme: needs grant=all");
        return 2;
    }
    // The process that started this one sits down to wait for its end, which takes kernel objects.
    while world::count(b"objects", "subjects").is_ok_and(|n| n == 0) {
        redox_rt::sys::sched_yield();
    }
    let mut code = 0;
    for argument in start.args().skip(1) {
        let name = argument.to_bytes();
        match GROUPS.iter().find(|(group, _)| group.as_bytes() == name) {
            Some((_, run)) => code = code.max(run()),
            None => {
                redox_rt::eprintln!("test-scheme: no group `{}`", name.escape_ascii());
                code = 2;
            }
        }
    }
    code
}
