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

use std::fmt::Debug;
use std::io::Write;
use std::panic::catch_unwind;

/// A case: it fails by a panic.
type Case = (&'static str, fn());

/// Panics unless the two are equal, and says what was expected.
#[track_caller]
pub fn same<T: PartialEq + Debug>(got: T, want: T) {
    assert!(got == want, "expected {want:?}, got {got:?}");
}

fn main() {
    // A child of the process tests.
    if let Some(code) = processes::child() {
        std::process::exit(code);
    }
    let groups: [(&str, &[Case]); 9] = [
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
    let chosen = std::env::args().nth(1).unwrap_or_default();
    let chosen: Vec<&str> = chosen.split(',').collect();
    let mut failed = false;
    for (group, cases) in groups.iter().filter(|(name, _)| chosen.contains(name)) {
        println!("@test plan {}", cases.len());
        for (name, case) in *cases {
            match catch_unwind(case) {
                Ok(()) => println!("@test ok std.{group}.{name}"),
                Err(reason) => {
                    failed = true;
                    let text = reason
                        .downcast_ref::<String>()
                        .map(String::as_str)
                        .or_else(|| reason.downcast_ref::<&str>().copied());
                    let text = text.unwrap_or("a panic without a text").replace('\n', " ");
                    println!("@test FAIL std.{group}.{name}: {text}");
                }
            }
        }
    }
    std::io::stdout().flush().expect("flushing standard output");
    if failed {
        std::process::exit(1);
    }
}
