//! Wait status words, as `libredox::protocol::wifexited` and its kin read them.

/// The process called exit with this code.
#[must_use]
pub const fn exited(code: u8) -> u32 {
    (code as u32) << 8
}

/// A signal ended the process.
#[must_use]
pub const fn signaled(signal: u8) -> u32 {
    (signal & 0x7f) as u32
}

/// A signal stopped the process.
#[must_use]
pub const fn stopped(signal: u8) -> u32 {
    ((signal as u32) << 8) | 0x7f
}

/// The process goes on after a stop.
pub const CONTINUED: u32 = 0xffff;

/// Accepts a status word from a process that ends: an exit code or a signal (with or without the
/// core-dump bit), nothing else.
#[must_use]
pub const fn final_word(raw: u64) -> Option<u32> {
    let signal = raw & 0x7f;
    let code = raw >> 8;
    let valid = if signal == 0 {
        raw & 0x80 == 0 && code <= 0xff
    } else {
        code == 0 && signal <= 64
    };
    if valid { Some(raw as u32) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libredox::protocol::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for code in 0..=255 {
            let word = exited(code) as usize;
            assert!(wifexited(word) && !wifsignaled(word) && !wifstopped(word));
            assert_eq!(wexitstatus(word), usize::from(code));
            assert_eq!(final_word(word as u64), Some(word as u32));
        }
        for signal in 1..=64 {
            let word = signaled(signal) as usize;
            assert!(wifsignaled(word) && !wifexited(word) && !wifstopped(word));
            assert_eq!(wtermsig(word), usize::from(signal));
            assert_eq!(final_word(word as u64), Some(word as u32));
            let word = stopped(signal) as usize;
            assert!(wifstopped(word) && !wifsignaled(word) && !wifexited(word));
            assert_eq!(wstopsig(word), usize::from(signal));
            assert_eq!(final_word(word as u64), None);
        }
        let word = CONTINUED as usize;
        assert!(wifcontinued(word) && !wifsignaled(word) && !wifexited(word));
        for bad in [u64::from(CONTINUED), 65, 0x80, 0x1_0000, u64::MAX] {
            assert_eq!(final_word(bad), None, "{bad:#x}");
        }
    }
}
