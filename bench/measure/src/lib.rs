//! Counting instructions.
//!
//! Under `-icount shift=0` the time-stamp counter counts the guest's instructions, of all programs and the
//! kernel together, and every run gives the same numbers. An operation is done [`WARM_UP`] times, then
//! [`ROUNDS`] times; what is reported is the mean of the latter, less the empty loop.
#![no_std]

use core::arch::x86_64::{_mm_lfence, _rdtsc};
use redox_rt::{futex::Mutex, start::Start};

/// What the program was started with.
static START: Mutex<Option<Start>> = Mutex::new(None);

/// Measures only what the arguments name, if there are any.
pub fn choose(start: &Start) {
    *START.lock() = Some(*start);
}

fn chosen(name: &str) -> bool {
    START.lock().is_none_or(|start| {
        let mut names = start.args().skip(1).peekable();
        names.peek().is_none() || names.any(|chosen| chosen.to_bytes() == name.as_bytes())
    })
}

/// How often an operation is done before counting.
pub const WARM_UP: u64 = 64;
/// How often it is done while counting.
pub const ROUNDS: u64 = 512;

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

/// What `rounds` of nothing cost.
fn empty(rounds: u64) -> u64 {
    count(rounds, &mut || core::hint::black_box(()))
}

fn report<T>(name: &str, warm_up: u64, rounds: u64, parts: u64, mut operation: impl FnMut() -> T) {
    if !chosen(name) {
        return;
    }
    let mut once = || {
        core::hint::black_box(operation());
    };
    count(warm_up, &mut once);
    let total = count(rounds, &mut once).saturating_sub(empty(rounds));
    guest_test::bench(name, total / (rounds * parts));
}

/// Reports the cost of an operation.
pub fn measure<T>(name: &str, operation: impl FnMut() -> T) {
    report(name, WARM_UP, ROUNDS, 1, operation);
}

/// Reports the cost of each of the equal parts of an operation.
pub fn measure_with<T>(name: &str, parts: u64, operation: impl FnMut() -> T) {
    report(name, WARM_UP, ROUNDS, parts, operation);
}

/// Reports the cost of a long operation.
pub fn measure_few<T>(name: &str, operation: impl FnMut() -> T) {
    measure_few_with(name, 1, operation);
}

/// Reports the cost of each of the equal parts of a long operation.
pub fn measure_few_with<T>(name: &str, parts: u64, operation: impl FnMut() -> T) {
    report(name, 4, 16, parts, operation);
}
