//! Completion entries.

use syscall::{
    Stat,
    error::EINVAL,
    flag::EventFlags,
    schemev2::{Cqe, CqeOpcode, NewFdFlags},
};

/// Copies what `fstat` is told to the caller.
///
/// # Errors
/// `EINVAL` without room for it.
pub fn stat(payload: &mut [u8], stat: &Stat) -> Result<usize, i32> {
    let place = payload.get_mut(..stat.len()).ok_or(EINVAL)?;
    place.copy_from_slice(stat);
    Ok(0)
}

const fn cqe(opcode: CqeOpcode, tag: u32, result: u64) -> Cqe {
    Cqe {
        flags: opcode as u8,
        extra_raw: [0; 3],
        tag,
        result,
    }
}

/// A number, or an error number.
#[must_use]
pub const fn value(tag: u32, result: Result<usize, i32>) -> Cqe {
    let word = match result {
        Ok(value) => value as u64,
        Err(errno) => (errno as i64).wrapping_neg() as u64,
    };
    cqe(CqeOpcode::RespondRegular, tag, word)
}

/// A number, or an error number; the daemon is told (`Detach`) whenever a process gives up a descriptor of
/// what was asked.
#[must_use]
pub const fn value_until_detached(tag: u32, result: Result<usize, i32>) -> Cqe {
    let plain = value(tag, result);
    cqe(CqeOpcode::RespondAndNotifyOnDetach, tag, plain.result)
}

/// A handle of the daemon's, behind a new descriptor.
#[must_use]
pub const fn opened(tag: u32, handle: u64, flags: NewFdFlags) -> Cqe {
    let mut cqe = cqe(CqeOpcode::RespondRegular, tag, handle);
    cqe.extra_raw = [flags.bits(), 0, 0];
    cqe
}

/// A descriptor that the daemon holds, and keeps.
#[must_use]
pub const fn descriptor(tag: u32, fd: usize) -> Cqe {
    cqe(CqeOpcode::RespondWithFd, tag, fd as u64)
}

/// Not an answer: these events hold of a handle from now on.
#[must_use]
pub const fn event(handle: u64, events: EventFlags) -> Cqe {
    cqe(CqeOpcode::SendFevent, events.bits() as u32, handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_negated() {
        let table = [
            (Ok(0), 0),
            (Ok(usize::MAX >> 1), u64::MAX >> 1),
            (Err(syscall::EPERM), u64::MAX),
            (Err(syscall::EINVAL), (-22_i64) as u64),
        ];
        for (result, word) in table {
            let cqe = value(7, result);
            assert_eq!((cqe.tag, cqe.result), (7, word), "{result:?}");
        }
    }

    #[test]
    fn what_is_opened_says_whether_it_has_a_position() {
        assert_eq!(opened(1, 9, NewFdFlags::POSITIONED).extra(), 1);
        assert_eq!(opened(1, 9, NewFdFlags::empty()).extra(), 0);
        let readable = EventFlags::EVENT_READ;
        assert_eq!(event(9, readable).tag, readable.bits() as u32);
    }
}
