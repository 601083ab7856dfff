//! How the end of a process is written as one word.
//!
//! The encoding is that of `wait(2)`, also read by `libredox::protocol::wifexited` and its kin: the
//! exit code in bits 8 to 15, or the signal that ended the process in bits 0 to 6. It is what
//! `ProcCall::Exit` is given.

/// Status of a process that returned `code` from `main` or called `exit`; the low 8 bits count.
#[must_use]
pub const fn exited(code: i32) -> u32 {
    ((code & 0xff) as u32) << 8
}

/// Status of a process that ended because of `signal` (1 to 64).
#[must_use]
pub const fn signaled(signal: u8) -> u32 {
    (signal & 0x7f) as u32
}

/// What a shell shows for a status: the code, or 128 and the signal's number.
#[must_use]
pub const fn shell_code(status: u32) -> u8 {
    match (status & 0x7f) as u8 {
        0 => (status >> 8) as u8,
        signal => 128u8.wrapping_add(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (status, word, shell) in [
            (exited(0), 0, 0),
            (exited(1), 0x100, 1),
            (exited(-1), 0xff00, 255),
            (exited(256), 0, 0),
            (signaled(11), 11, 139),
            (signaled(9), 9, 137),
        ] {
            assert_eq!((status, shell_code(status)), (word, shell));
        }
    }
}
