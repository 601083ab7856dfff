//! Futexes: waiting, waking, moving waiters, in one space and across spaces.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;

use guest_test::{Failure, Outcome, check, check_eq, check_error};
use redox_rt::{Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::{PAGE_SIZE, TimeSpec};

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["futex" =>
        a_waiter_is_woken, as_many_as_asked_are_woken, waiters_are_moved, waits_end_in_time,
        words_of_64_bits_are_compared_whole, private_words_are_apart_after_a_fork,
        shared_words_meet_at_any_address, a_killed_waiter_is_forgotten,
    ]
}

fn futex(address: usize, op: usize, value: usize, value2: usize, address2: usize) -> Result<usize> {
    raw(
        syscall::SYS_FUTEX,
        [address, op, value, value2, address2, 0],
    )
}

fn at(words: &'static Words, index: usize) -> usize {
    &raw const words[index] as usize
}

/// A process that waits at a word until it is woken; 0 if it was.
fn waiter(address: usize) -> Result<Process> {
    Process::start(|| match futex(address, FUTEX_WAIT, 0, 0, 0) {
        Ok(0) => 0,
        _ => 1,
    })
}

/// Five of them, that come one after the other: those who come first are woken first.
fn waiters(address: usize) -> core::result::Result<Vec<Process>, Failure> {
    let mut all = Vec::new();
    for _ in 0..5 {
        let process = waiter(address)?;
        process.until_blocked()?;
        all.push(process);
    }
    Ok(all)
}

fn a_waiter_is_woken() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let process = waiter(at(words, 0))?;
        process.until_blocked()?;
        check_eq!(futex(at(words, 1), FUTEX_WAKE, 9, 0, 0)?, 0);
        check_eq!(process.state()?, ContextStatus::Blocked as usize);
        check_eq!(futex(at(words, 0), FUTEX_WAKE, 9, 0, 0)?, 1);
        process.succeeds()?;
        check_eq!(futex(at(words, 0), FUTEX_WAKE, 9, 0, 0)?, 0);
        Ok(forget_words(words)?)
    })
}

fn as_many_as_asked_are_woken() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let all = waiters(at(words, 0))?;
        check_eq!(futex(at(words, 0), FUTEX_WAKE, 0, 0, 0)?, 0);
        check_eq!(futex(at(words, 0), FUTEX_WAKE, 2, 0, 0)?, 2);
        // First come, first served.
        all[0].succeeds()?;
        all[1].succeeds()?;
        for process in &all[2..] {
            check_eq!(process.state()?, ContextStatus::Blocked as usize);
        }
        check_eq!(futex(at(words, 0), FUTEX_WAKE, usize::MAX, 0, 0)?, 3);
        for process in &all[2..] {
            process.succeeds()?;
        }
        Ok(forget_words(words)?)
    })
}

fn waiters_are_moved() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let all = waiters(at(words, 0))?;
        // One is woken, two are moved.
        check_eq!(futex(at(words, 0), FUTEX_REQUEUE, 1, 2, at(words, 8))?, 3);
        all[0].succeeds()?;
        check_eq!(futex(at(words, 0), FUTEX_WAKE, 9, 0, 0)?, 2);
        check_eq!(futex(at(words, 8), FUTEX_WAKE, 9, 0, 0)?, 2);
        for process in &all {
            process.succeeds()?;
        }
        Ok(forget_words(words)?)
    })
}

fn waits_end_in_time() -> Outcome {
    leaves_nothing(|| {
        let word = [0_u64];
        let address = word.as_ptr() as usize;
        for op in [FUTEX_WAIT, FUTEX_WAIT64] {
            let until: TimeSpec = in_ms(3)?;
            check_error!(
                futex(address, op, 0, &raw const until as usize, 0),
                ETIMEDOUT
            );
            check!(now()? >= until.tv_sec as u64 * 1_000_000_000 + until.tv_nsec as u64);
        }
        Ok(())
    })
}

fn words_of_64_bits_are_compared_whole() -> Outcome {
    let word = [1_u64 << 32];
    let address = word.as_ptr() as usize;
    let past = TimeSpec::default();
    let past = &raw const past as usize;
    check_error!(futex(address, FUTEX_WAIT64, 0, past, 0), EAGAIN);
    check_error!(futex(address, FUTEX_WAIT64, 1 << 32, past, 0), ETIMEDOUT);
    // 32 bits are the lower ones, and no more than 32 bits of the value count.
    check_error!(futex(address, FUTEX_WAIT, 0, past, 0), ETIMEDOUT);
    check_error!(
        futex(address, FUTEX_WAIT, usize::MAX << 32, past, 0),
        ETIMEDOUT
    );
    check_error!(futex(address + 4, FUTEX_WAIT, 1, past, 0), ETIMEDOUT);
    check_error!(futex(address + 4, FUTEX_WAIT64, 1, past, 0), EINVAL);
    Ok(())
}

fn private_words_are_apart_after_a_fork() -> Outcome {
    leaves_nothing(|| {
        let page = anonymous(PAGE_SIZE, MAP_PRIVATE | PROT_READ | PROT_WRITE)?;
        poke(page, 0);
        let process = waiter(page)?;
        process.until_blocked()?;
        check_eq!(futex(page, FUTEX_WAKE, 9, 0, 0)?, 0);
        check_eq!(process.state()?, ContextStatus::Blocked as usize);
        drop(process);
        Ok(unmap(page, PAGE_SIZE)?)
    })
}

/// The same frame at another address is the same word.
fn shared_words_meet_at_any_address() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let process = Process::start(|| {
            let flags = MremapFlags::KEEP_OLD.bits();
            let page = at(words, 0);
            match raw(
                syscall::SYS_MREMAP,
                [page, PAGE_SIZE, 0, PAGE_SIZE, flags, 0],
            ) {
                Ok(alias) if alias != page => {
                    i32::from(futex(alias + 24, FUTEX_WAIT, 0, 0, 0) != Ok(0))
                }
                _ => 2,
            }
        })?;
        process.until_blocked()?;
        check_eq!(futex(at(words, 3), FUTEX_WAKE, 9, 0, 0)?, 1);
        process.succeeds()?;
        words[0].store(0, SeqCst);
        Ok(forget_words(words)?)
    })
}

fn a_killed_waiter_is_forgotten() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let until = TimeSpec {
            tv_sec: 1 << 40,
            tv_nsec: 0,
        };
        let process = Process::start(|| {
            let _ = futex(at(words, 0), FUTEX_WAIT, 0, &raw const until as usize, 0);
            0
        })?;
        process.until_blocked()?;
        process.tell(ContextVerb::ForceKill)?;
        check_eq!(futex(at(words, 0), FUTEX_WAKE, 9, 0, 0)?, 0);
        let _ = sys::clock_gettime(CLOCK_MONOTONIC)?;
        Ok(forget_words(words)?)
    })
}
