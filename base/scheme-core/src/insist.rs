//! Requests that a program's other threads make of its own loop, where one that is lost is lost for ever.

use syscall::{EINTR, ENODEV};

/// What becomes of such a request after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is made again at once.
    Again,
    /// It is made again when something may have changed.
    Later,
    /// There is no loop any more.
    Over,
}

/// What the error of a request means that has to arrive.
#[must_use]
pub const fn after(errno: i32) -> After {
    match errno {
        EINTR => After::Again,
        // The scheme is gone, and the loop with it.
        ENODEV => After::Over,
        _ => After::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscall::{EAGAIN, EIO, EMFILE, ENOMEM};

    #[test]
    fn only_the_end_of_the_loop_ends_a_request() {
        let rows = [
            (EINTR, After::Again),
            (EAGAIN, After::Later),
            (ENOMEM, After::Later),
            (EMFILE, After::Later),
            (EIO, After::Later),
            (ENODEV, After::Over),
        ];
        for (errno, expected) in rows {
            assert_eq!(after(errno), expected, "{errno}");
        }
    }
}
