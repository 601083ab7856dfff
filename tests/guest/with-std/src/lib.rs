//! What test programs with `std` share: running groups of cases, and the test runner's line protocol.

use std::any::Any;
use std::fmt::Debug;
use std::io::Write;
use std::panic::catch_unwind;
use std::process::ExitCode;

/// A case: it fails by a panic.
pub type Case = (&'static str, fn());

/// Panics unless the two are equal, and says what was expected.
#[track_caller]
pub fn same<T: PartialEq + Debug>(got: T, want: T) {
    assert!(got == want, "expected {want:?}, got {got:?}");
}

/// Runs groups of cases and reports them as `PROGRAM.GROUP.CASE`; fails if a case does.
pub fn run<'a>(program: &str, groups: impl IntoIterator<Item = (&'a str, &'a [Case])>) -> ExitCode {
    let mut failed = false;
    for (group, cases) in groups {
        println!("@test plan {}", cases.len());
        for (name, case) in cases {
            match catch_unwind(case) {
                Ok(()) => println!("@test ok {program}.{group}.{name}"),
                Err(reason) => {
                    failed = true;
                    let text = text(reason.as_ref()).replace('\n', " ");
                    println!("@test FAIL {program}.{group}.{name}: {text}");
                }
            }
        }
    }
    std::io::stdout().flush().expect("flushing standard output");
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs those of the groups that the program's first argument names, separated by commas, in the table's order. A
/// name that the table does not have is a failure of its own.
pub fn run_chosen(program: &str, groups: &[(&str, &[Case])]) -> ExitCode {
    let chosen = std::env::args().nth(1).unwrap_or_default();
    let chosen: Vec<&str> = chosen.split(',').collect();
    let known = |name: &&&str| groups.iter().any(|(group, _)| group == *name);
    if let Some(unknown) = chosen.iter().find(|name| !known(name)) {
        eprintln!("test-{program}: no group `{unknown}`");
        return ExitCode::from(2);
    }
    let groups = groups.iter().copied();
    run(program, groups.filter(|(name, _)| chosen.contains(name)))
}

/// A panic's text.
fn text(reason: &(dyn Any + Send)) -> &str {
    reason
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| reason.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a text")
}
