//! Tests of the system's servers, as processes see them: run by `init`, in the whole namespace.
//!
//! The first argument picks a group: `names` (the namespace manager and places), `processes` (the process
//! manager), `files` (path resolution in the file systems), `cut` (files, and the machine's end in the middle of things), `greedy` (what users leave to others), `memory` (that there is some for the superuser). `hold` is no test: it says so and waits to be
//! ended by a key; `notify`, `hang` and `early` are the daemons of those units in `tests/units`; `second` ends after one; `leave` leaves a file behind; `power` writes until the machine is ended.
#![no_std]
#![no_main]

extern crate alloc;

mod files;
mod greedy;
mod hang;
mod hold;
mod listing;
mod memory;
mod names;
mod notify;
mod places;
mod power;
mod processes;
mod races;
mod scheme;
mod terminals;

use redox_rt::start::Start;

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    match start.arg(1).map(core::ffi::CStr::to_bytes) {
        Some(b"names") => names::run().max(places::run()),
        Some(b"processes") => processes::run(),
        Some(b"greedy") => greedy::run(),
        Some(b"memory") => memory::run(),
        Some(b"files") => files::run(),
        Some(b"cut") => files::cut(),
        Some(b"hold") => hold::run(),
        Some(b"second") => hold::second(),
        Some(b"leave") => files::leave(),
        Some(b"hang") => hang::run(),
        Some(b"early") => hang::run_after(),
        Some(b"notify") => notify::run(start),
        Some(b"power") => power::run(start),
        other => {
            redox_rt::eprintln!("test-user: no group {other:?}");
            2
        }
    }
}
