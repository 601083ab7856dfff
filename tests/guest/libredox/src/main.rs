//! What `libredox` calls, called through it: the published crate in both versions, with the same cases.

use std::fmt::Debug;
use std::io::Write;
use std::panic::catch_unwind;

/// A case: it fails by a panic.
type Case = (&'static str, fn());

/// Panics unless the two are equal, and says what was expected.
#[track_caller]
fn same<T: PartialEq + Debug>(got: T, want: T) {
    assert!(got == want, "expected {want:?}, got {got:?}");
}

mod one {
    use libredox_1 as libredox;

    fn dup2(old: usize, new: usize) -> libredox::error::Result<usize> {
        libredox::call::dup2(old, new, [])
    }

    include!("cases.rs");
}

mod two {
    use libredox_2 as libredox;

    fn dup2(old: usize, new: usize) -> libredox::error::Result<usize> {
        libredox::call::dup2(old, new)
    }

    include!("cases.rs");
}

fn main() {
    let mut failed = false;
    for (version, cases) in [("0.1", one::CASES), ("0.2", two::CASES)] {
        println!("@test plan {}", cases.len());
        for (name, case) in cases {
            match catch_unwind(case) {
                Ok(()) => println!("@test ok libredox.{version}.{name}"),
                Err(reason) => {
                    failed = true;
                    let text = reason
                        .downcast_ref::<String>()
                        .map(String::as_str)
                        .or_else(|| reason.downcast_ref::<&str>().copied());
                    let text = text.unwrap_or("a panic without a text").replace('\n', " ");
                    println!("@test FAIL libredox.{version}.{name}: {text}");
                }
            }
        }
    }
    std::io::stdout().flush().expect("flushing standard output");
    if failed {
        std::process::exit(1);
    }
}
