//! How a system call ends when it does not simply succeed.

pub use kernel_core::wire::mux;

use kernel_core::lease::LeaseError;
use syscall::error::{EINVAL, ELOOP, ENOMEM, ESTALE, Error};

/// Why a system call has no result to store now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It failed with this error number.
    Errno(i32),
    /// The caller waits; whoever completes the call stores the result.
    Blocked,
    /// The caller waits for something to change and then makes the same call again.
    Retry,
}

/// The outcome of a system call.
pub type Outcome<T = usize> = Result<T, Halt>;

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Errno(error.errno)
    }
}

impl From<kernel_core::NoMemory> for Halt {
    fn from(_: kernel_core::NoMemory) -> Self {
        Self::Errno(ENOMEM)
    }
}

impl From<LeaseError> for Halt {
    fn from(error: LeaseError) -> Self {
        Self::Errno(match error {
            LeaseError::Revoked => ESTALE,
            LeaseError::TooDeep => ELOOP,
            LeaseError::UnknownFlag => EINVAL,
            LeaseError::NoMemory => ENOMEM,
        })
    }
}

/// Shorthand for `Err(Halt::Errno(errno))`.
pub const fn fail<T>(errno: i32) -> Outcome<T> {
    Err(Halt::Errno(errno))
}
