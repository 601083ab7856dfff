//! Capabilities on the machine, as ordinary programs meet them: through the C library and through
//! `cuprite-cap`. It reports in the test runner's protocol.
//!
//! The first argument names the groups to run, separated by commas.

mod bad;
mod beneath;
mod c;
mod cwd;
mod dir;
mod foreign;
mod namespace;
mod resolve;
mod roots;
mod spawn;
mod world;

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
    // A child of the tests.
    if let Some(code) = world::child() {
        std::process::exit(code);
    }
    let groups: [(&str, &[Case]); 10] = [
        ("bad", bad::CASES),
        ("resolve", resolve::CASES),
        ("initial", resolve::INITIAL),
        ("beneath", beneath::CASES),
        ("cwd", cwd::CASES),
        ("roots", roots::CASES),
        ("spawn", spawn::CASES),
        ("dir", dir::CASES),
        ("namespace", namespace::CASES),
        ("foreign", foreign::CASES),
    ];
    let chosen = std::env::args().nth(1).unwrap_or_default();
    let chosen: Vec<&str> = chosen.split(',').collect();
    let mut failed = false;
    for (group, cases) in groups.iter().filter(|(name, _)| chosen.contains(name)) {
        println!("@test plan {}", cases.len());
        for (name, case) in *cases {
            match catch_unwind(case) {
                Ok(()) => println!("@test ok cap.{group}.{name}"),
                Err(reason) => {
                    failed = true;
                    let text = reason
                        .downcast_ref::<String>()
                        .map(String::as_str)
                        .or_else(|| reason.downcast_ref::<&str>().copied());
                    let text = text.unwrap_or("a panic without a text").replace('\n', " ");
                    println!("@test FAIL cap.{group}.{name}: {text}");
                }
            }
        }
    }
    std::io::stdout().flush().expect("flushing standard output");
    if failed {
        std::process::exit(1);
    }
}
