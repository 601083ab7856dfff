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

use std::process::ExitCode;

use std_test::{Case, same};

fn main() -> ExitCode {
    // A child of the tests.
    if let Some(code) = world::child() {
        std::process::exit(code);
    }
    let groups: &[(&str, &[Case])] = &[
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
    std_test::run_chosen("cap", groups)
}
