//! What a terminal asks of a process manager, through the session descriptor that it is handed when it
//! becomes the session's controlling terminal.
//!
//! The descriptor comes from `dup(process, "session")`, for the session's leader. It signals processes of every user, so
//! it sends nothing but what a terminal sends: signal 0, `SIGHUP`, `SIGINT`, `SIGQUIT`, `SIGTSTP`, `SIGTTIN`, `SIGTTOU`,
//! `SIGCONT` and `SIGWINCH`, `EPERM` for others. `SYS_CALL` metadata, besides
//! `libredox::protocol::PidfdCall::SendSignal` with a group behind it:
//!
//! | metadata | answer |
//! |---|---|
//! | `[LEADER]` | the session's leader, which is its number |
//! | `[CONTROL, process, foreground group and signal]` | one of [`Control`]; `EPERM` for a process of another session |
//!
//! What a terminal is sent may be anybody's, who may never answer. `[LEADER]` of the terminal's own process and the
//! descriptor, as one call of two, is answered in the same way, and only if both are the process manager's: the kernel
//! refuses it otherwise (`EXDEV`), and asks nobody.

/// Asks who leads the session.
pub const LEADER: u64 = 0x100;
/// Asks whether a process may use the terminal, and stops its group if it may not.
pub const CONTROL: u64 = 0x101;

/// The third word of [`CONTROL`]: the group in the foreground, and what the background is stopped by.
#[must_use]
pub const fn control_word(foreground: u32, signal: u8) -> u64 {
    foreground as u64 | (signal as u64) << 32
}

/// The group and the signal of [`control_word`].
#[must_use]
pub const fn control_parts(word: u64) -> (u32, u8) {
    (word as u32, (word >> 32) as u8)
}

/// What [`CONTROL`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Control {
    /// The process is in the foreground.
    Foreground = 0,
    /// It is not; its group has been sent the signal.
    Stopped = 1,
    /// It is not, and ignores or blocks the signal.
    Insensitive = 2,
    /// It is not, and nobody could continue its group.
    Orphaned = 3,
}

impl Control {
    /// From the answer's number.
    #[must_use]
    pub const fn try_from_raw(raw: usize) -> Option<Self> {
        Some(match raw {
            0 => Self::Foreground,
            1 => Self::Stopped,
            2 => Self::Insensitive,
            3 => Self::Orphaned,
            _ => return None,
        })
    }
}
