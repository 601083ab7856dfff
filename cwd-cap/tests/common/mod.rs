//! Trees to walk: one in memory, one of the host's directories.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod host;
pub mod pure;

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The number in the environment variable `name`, or `default`.
pub fn env_number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => default,
    }
}

/// The generator for one unit of work of a test: any failing one can be run alone by its seed.
pub fn generator(seed: u64, unit: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ unit)
}

/// Prints that something was not tested. Unlike the harness's captured output this is always seen.
pub fn skipped(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
