//! A process that does its work beside the fuzzer, and notices when anything of it changes.

use core::sync::atomic::Ordering;

use redox_rt::memory::Mapping;
use redox_rt::{Fd, sys};
use syscall::TimeSpec;
use syscall::flag::{CLOCK_MONOTONIC, O_RDWR};

use crate::State;
use crate::random::{Random, bump};

const PAGES: usize = 64;

fn fill(memory: &mut [u8], seed: u64) {
    let mut r = Random(seed);
    for chunk in memory.chunks_exact_mut(8) {
        chunk.copy_from_slice(&r.next().to_ne_bytes());
    }
}

fn is_filled(memory: &[u8], seed: u64) -> bool {
    let mut r = Random(seed);
    memory
        .chunks_exact(8)
        .all(|chunk| chunk == r.next().to_ne_bytes())
}

/// Works until told to stop. The answer is 0, or says what was wrong.
pub fn run(state: &State, pipes: &Fd) -> i32 {
    work(state, pipes).unwrap_or(9)
}

fn work(state: &State, pipes: &Fd) -> redox_rt::Result<i32> {
    let read = pipes.open(b"", O_RDWR)?;
    let write = read.dup(b"write")?;
    let mut memory = Mapping::new(PAGES * 4096)?;
    let mut round = 1;
    fill(memory.bytes(), round);
    let mut then = sys::clock_gettime(CLOCK_MONOTONIC)?;
    while state.stop.load(Ordering::SeqCst) == 0 {
        if !is_filled(memory.bytes(), round) {
            return Ok(1);
        }
        round += 1;
        fill(memory.bytes(), round);
        let message = round.to_ne_bytes();
        let mut back = [0; 16];
        if write.write(&message)? != 8 || read.read(&mut back)? != 8 || back[..8] != message {
            return Ok(2);
        }
        if sys::rights(read.raw())? != sys::Rights::FULL {
            return Ok(3);
        }
        let now = sys::clock_gettime(CLOCK_MONOTONIC)?;
        if now.to_nanos() < then.to_nanos() {
            return Ok(4);
        }
        then = now;
        let mut fresh = Mapping::new(4096)?;
        if fresh.bytes().iter().any(|b| *b != 0) {
            return Ok(5);
        }
        fresh.bytes().fill(0xaa);
        bump(&state.rounds);
        let short = TimeSpec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        if sys::nanosleep(&short).is_err() {
            return Ok(6);
        }
    }
    Ok(0)
}
