//! Rust's `std` on the machine: an ordinary program, which reports in the test runner's protocol.
//!
//! The first argument names the groups to run, separated by commas.

mod alone;
mod closing;
mod durable;
mod fifos;
mod files;
mod pipes;
mod processes;
mod sockets;
mod threads;

use std::process::ExitCode;

use std_test::{Case, same};

fn main() -> ExitCode {
    // A child of the process tests.
    if let Some(code) = processes::child() {
        std::process::exit(code);
    }
    let groups: &[(&str, &[Case])] = &[
        ("alone", alone::CASES),
        ("threads", threads::CASES),
        ("pipes", pipes::CASES),
        ("files", files::CASES),
        ("fifos", fifos::CASES),
        ("processes", processes::CASES),
        ("sockets", sockets::CASES),
        ("closing", closing::CASES),
        ("durable", durable::CASES),
    ];
    std_test::run_chosen("std", groups)
}
