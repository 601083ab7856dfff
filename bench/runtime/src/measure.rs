//! Counting.

use std::arch::x86_64::{_mm_lfence, _rdtsc};
use std::hint::black_box;

fn chosen(name: &str) -> bool {
    let mut names = std::env::args().skip(1).peekable();
    names.peek().is_none() || names.any(|chosen| chosen == name)
}

fn ticks() -> u64 {
    // SAFETY: both instructions exist on every x86-64 processor and change nothing.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

fn count(rounds: u64, operation: &mut impl FnMut()) -> u64 {
    let start = ticks();
    for _ in 0..rounds {
        operation();
    }
    ticks().saturating_sub(start)
}

fn report<T>(name: &str, warm_up: u64, rounds: u64, parts: u64, mut operation: impl FnMut() -> T) {
    if !chosen(name) {
        return;
    }
    let mut once = || {
        black_box(operation());
    };
    count(warm_up, &mut once);
    let empty = count(rounds, &mut || black_box(()));
    let total = count(rounds, &mut once).saturating_sub(empty);
    println!("@bench {name} {}", total / (rounds * parts));
}

/// Reports the cost of an operation.
pub fn measure<T>(name: &str, operation: impl FnMut() -> T) {
    report(name, 64, 512, 1, operation);
}

/// Reports the cost of a long operation.
pub fn measure_few<T>(name: &str, operation: impl FnMut() -> T) {
    report(name, 8, 32, 1, operation);
}

/// Reports the cost of each of the equal parts of an operation.
pub fn measure_parts<T>(name: &str, parts: u64, operation: impl FnMut() -> T) {
    report(name, 1, 8, parts, operation);
}

/// A call's answer, which must not be an error.
#[track_caller]
pub fn good(answer: i32) -> i32 {
    assert!(answer >= 0, "{}", std::io::Error::last_os_error());
    answer
}
