//! Where randomness comes from.

use redox_rt::{eprintln, sys};
use syscall::flag::{CLOCK_MONOTONIC, CLOCK_REALTIME};

const LEN: usize = 32;
const WORD: usize = size_of::<u64>();
/// How often the processor is asked before it is given up (its manual says ten).
const TRIES: usize = 10;

/// A seed from the processor's generator. Without one it comes from the clocks, which is said on
/// descriptor 2: whoever knows when the machine was started can guess it.
pub fn gather() -> [u8; LEN] {
    let mut seed = [0; LEN];
    let mut good = has_rdrand();
    for place in seed.chunks_exact_mut(WORD) {
        let word = if good { from_processor() } else { None };
        good &= word.is_some();
        place.copy_from_slice(&word.unwrap_or_else(from_clocks).to_ne_bytes());
    }
    if !good {
        eprintln!(
            "rand: the processor has no generator; what is read can be guessed until somebody writes a seed"
        );
    }
    seed
}

fn has_rdrand() -> bool {
    core::arch::x86_64::__cpuid(1).ecx & 1 << 30 != 0
}

fn from_processor() -> Option<u64> {
    (0..TRIES).find_map(|_| {
        let (word, good): (u64, u8);
        // SAFETY: the processor has the instruction, which `gather` asked; it writes a register.
        unsafe {
            core::arch::asm!(
                "rdrand {word}",
                "setc {good}",
                word = out(reg) word,
                good = out(reg_byte) good,
                options(nomem, nostack),
            );
        }
        (good != 0).then_some(word)
    })
}

fn from_clocks() -> u64 {
    let clock = |id| {
        sys::clock_gettime(id).map_or(0, |time| {
            (time.tv_sec as u64).rotate_left(32) ^ (time.tv_nsec as u64)
        })
    };
    // SAFETY: it reads a counter.
    let counter = unsafe { core::arch::x86_64::_rdtsc() };
    (clock(CLOCK_REALTIME) ^ clock(CLOCK_MONOTONIC).rotate_left(17) ^ counter)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
