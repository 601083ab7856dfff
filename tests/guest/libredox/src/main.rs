//! What `libredox` calls, called through it: the published crate in both versions, with the same cases.

use std::process::ExitCode;

use std_test::{Case, same};

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

fn main() -> ExitCode {
    std_test::run("libredox", [("0.1", one::CASES), ("0.2", two::CASES)])
}
