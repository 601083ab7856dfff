//! Results, and the entries of a scheme's socket, as they are in memory and registers.
//!
//! Entries go through as words, so that reading and writing one is a few moves; any words are an entry.

use syscall::schemev2::{Cqe, Sqe};

/// Words of a submission entry.
pub const SQE_WORDS: usize = 8;
/// Words of a completion entry.
pub const CQE_WORDS: usize = 2;
/// The largest error number.
const MAX_ERRNO: u64 = 4095;

/// A submission entry as it is in memory.
#[inline]
pub fn sqe_words(sqe: &Sqe) -> [u64; SQE_WORDS] {
    const { assert!(size_of::<Sqe>() == SQE_WORDS * 8) };
    let head =
        u64::from(sqe.opcode) | u64::from(sqe.sqe_flags.bits()) << 8 | u64::from(sqe.tag) << 32;
    let [a, b, c, d, e, f] = sqe.args;
    [head, a, b, c, d, e, f, sqe.caller]
}

/// The completion entry that these words of memory are.
#[inline]
pub fn cqe([head, result]: [u64; CQE_WORDS]) -> Cqe {
    const { assert!(size_of::<Cqe>() == CQE_WORDS * 8) };
    let [flags, a, b, c, ..] = head.to_le_bytes();
    Cqe {
        flags,
        extra_raw: [a, b, c],
        tag: (head >> 32) as u32,
        result,
    }
}

/// Splits a result word into a value and an error number: the last 4095 words are negated error
/// numbers.
#[inline]
pub const fn demux(result: u64) -> Result<usize, i32> {
    if result > u64::MAX - MAX_ERRNO {
        Err((result as i64).wrapping_neg() as i32)
    } else {
        Ok(result as usize)
    }
}

/// The word of a result.
#[inline]
pub const fn mux(result: Result<usize, i32>) -> usize {
    match result {
        Ok(value) => value,
        Err(errno) => (errno as isize).wrapping_neg() as usize,
    }
}

/// A number of bytes that a daemon says it has moved: at most as many as it was asked to. A program that
/// believed in more would read or write beyond its buffer.
///
/// # Errors
/// `EIO` for more; the daemon's own.
#[inline]
pub const fn counted(result: Result<usize, i32>, asked: usize) -> Result<usize, i32> {
    match result {
        Ok(count) if count > asked => Err(syscall::error::EIO),
        result => result,
    }
}

/// Bits of the number that tells the calls of one context apart in their tags.
const SEQUENCE_BITS: u32 = 12;

/// The number before that of the first call of a context whose slot has this generation. The tags of its
/// first calls are none of those that the slot's context before it began with, so that a late second answer to
/// one of these answers nothing.
#[inline]
pub const fn first_sequence(generation: u32) -> u16 {
    /// Of all numbers of calls the part that the golden ratio gives, and odd.
    const STEP: u32 = 2531;
    // Occupied slots have odd generations.
    ((generation >> 1).wrapping_mul(STEP) & ((1 << SEQUENCE_BITS) - 1)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;
    use syscall::error::EIO;
    use syscall::schemev2::SqeFlags;

    #[test]
    fn results_are_told_apart() {
        for (word, result) in [
            (0, Ok(0)),
            (u64::MAX, Err(1)),
            (u64::MAX - 4094, Err(4095)),
            (u64::MAX - 4095, Ok(usize::MAX - 4095)),
            (1 << 63, Ok(1 << 63)),
        ] {
            assert_eq!(demux(word), result);
            assert_eq!(mux(result) as u64, word);
        }
    }

    #[test]
    fn nobody_moves_more_than_was_asked() {
        for (result, asked, expected) in [
            (Ok(0), 0, Ok(0)),
            (Ok(5), 5, Ok(5)),
            (Ok(6), 5, Err(EIO)),
            (Ok(usize::MAX - 4095), 1 << 30, Err(EIO)),
            (Err(7), 0, Err(7)),
        ] {
            assert_eq!(counted(result, asked), expected);
        }
    }

    #[test]
    fn a_context_does_not_begin_with_the_tags_of_the_one_before_it() {
        const ALL: u16 = 1 << SEQUENCE_BITS;
        for generation in (1..20_001)
            .chain(u32::MAX - 20_000..u32::MAX - 1)
            .step_by(2)
        {
            let (before, after) = (first_sequence(generation), first_sequence(generation + 2));
            assert!(before < ALL && after < ALL);
            let between = after.wrapping_sub(before) % ALL;
            assert!(between > 1_500 && ALL - between > 1_500, "{generation}");
        }
    }

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    proptest! {
        #[test]
        fn entries_are_laid_out_as_the_structures_are(
            opcode: u8, flags: u8, tag: u32, args: [u64; 6], caller: u64, words: [u64; 2],
        ) {
            let sqe = Sqe {
                opcode,
                sqe_flags: SqeFlags::from_bits_retain(flags),
                _rsvd: 0,
                tag,
                args,
                caller,
            };
            prop_assert_eq!(bytes(&sqe_words(&sqe)), sqe.to_vec());
            prop_assert_eq!(bytes(&words), cqe(words).to_vec());
        }
    }
}
