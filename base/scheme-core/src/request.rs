//! What a request asks, who asks it, and where its bytes are.

use syscall::{
    error::{ENOSYS, EOPNOTSUPP},
    flag::{O_NONBLOCK, StdFsCallKind},
    schemev2::{Opcode, Sqe, SqeFlags},
};

/// What a submission entry is to a daemon whose requests are each about one handle.
#[derive(Clone, Copy, Debug)]
pub enum Incoming {
    /// A handle is gone.
    Closed(u64),
    /// A mapping that was made through a handle is gone.
    Unmapped(u64),
    /// Whoever asked with this tag does not wait any longer.
    Cancelled(u32),
    /// Another message, which wants no answer.
    Message,
    /// A request, which is to be answered; an error number is all that can be answered to what is not known, or
    /// is about two handles.
    Asked(Result<Opcode, i32>),
}

/// Takes a submission entry for what it is.
#[must_use]
pub fn incoming(sqe: &Sqe) -> Incoming {
    let [handle, ..] = sqe.args;
    let opcode = Opcode::try_from_raw(sqe.opcode);
    if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
        return match opcode {
            Some(Opcode::CloseMsg) => Incoming::Closed(handle),
            Some(Opcode::Munmap) => Incoming::Unmapped(handle),
            Some(Opcode::Cancel) => Incoming::Cancelled(sqe.tag),
            _ => Incoming::Message,
        };
    }
    Incoming::Asked(match opcode {
        Some(_) if sqe.sqe_flags.contains(SqeFlags::MULTIPLE_IDS) => Err(EOPNOTSUPP),
        Some(opcode) => Ok(opcode),
        None => Err(ENOSYS),
    })
}

/// User and group of who asks, of the requests that say so: those that take a path or change an owner.
#[must_use]
pub const fn user_of(sqe: &Sqe) -> (u32, u32) {
    let [.., ids] = sqe.args;
    (ids as u32, ids.wrapping_shr(32) as u32)
}

/// Whether who opens, reads or writes waits for what is not there yet.
#[must_use]
pub const fn waits(sqe: &Sqe) -> bool {
    let [_, _, _, _, status, _] = sqe.args;
    status as usize & O_NONBLOCK == 0
}

/// The memory that a request points to, as the kernel gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Address in the daemon's memory; means nothing when `len` is 0.
    pub address: usize,
    /// Length in bytes.
    pub len: usize,
}

/// The requests that have a payload, as bits.
const WITH_PAYLOAD: u64 = {
    use Opcode::*;
    let all = [
        OpenAt, UnlinkAt, Dup, Read, Write, Fpath, Fstat, Fstatvfs, Getdents, Call, StdFsCall,
    ];
    let (mut bits, mut next) = (0, 0);
    while next < all.len() {
        bits |= 1 << all[next] as u8;
        next += 1;
    }
    bits
};

/// The payload of a request, for those that have one.
#[inline]
#[must_use]
pub const fn payload_of(sqe: &Sqe) -> Payload {
    let [_, address, len, ..] = sqe.args;
    if sqe.opcode < 64 && WITH_PAYLOAD >> sqe.opcode & 1 != 0 {
        Payload {
            address: address as usize,
            len: len as usize,
        }
    } else {
        Payload { address: 0, len: 0 }
    }
}

/// Whether a request's payload is only written to.
#[must_use]
pub fn is_output(sqe: &Sqe) -> bool {
    use StdFsCallKind::{Fstat, Fstatvfs, GetLock, Getdents, Relpathat};
    let [_, _, _, kind, ..] = sqe.args;
    match Opcode::try_from_raw(sqe.opcode) {
        Some(
            Opcode::Read | Opcode::Getdents | Opcode::Fpath | Opcode::Fstat | Opcode::Fstatvfs,
        ) => true,
        Some(Opcode::StdFsCall) => matches!(
            StdFsCallKind::try_from_raw(kind as u8),
            Some(Getdents | Fstat | Fstatvfs | Relpathat | GetLock)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn an_entry_is_taken_for_what_it_is() {
        use Incoming::{Asked, Cancelled, Closed, Message, Unmapped};
        let (one_way, two) = (SqeFlags::ONEWAY, SqeFlags::MULTIPLE_IDS);
        let none = SqeFlags::empty();
        let table = [
            (Opcode::CloseMsg as u8, one_way, Closed(7)),
            (Opcode::Munmap as u8, one_way, Unmapped(7)),
            (Opcode::Cancel as u8, one_way, Cancelled(9)),
            (Opcode::Detach as u8, one_way, Message),
            (0xff, one_way, Message),
            (0xff, none, Asked(Err(ENOSYS))),
            (0xff, two, Asked(Err(ENOSYS))),
            (Opcode::Read as u8, none, Asked(Ok(Opcode::Read))),
            (Opcode::StdFsCall as u8, two, Asked(Err(EOPNOTSUPP))),
        ];
        for (opcode, sqe_flags, wanted) in table {
            let sqe = Sqe {
                opcode,
                sqe_flags,
                tag: 9,
                args: [7, 0, 0, 0, 0, 0],
                ..Sqe::default()
            };
            // The crate's opcodes can be compared by what they are called only.
            let got = incoming(&sqe);
            assert_eq!(
                format!("{got:?}"),
                format!("{wanted:?}"),
                "{opcode} {sqe_flags:?}"
            );
        }
    }

    #[test]
    fn who_asks_is_in_the_last_word() {
        let mut sqe = Sqe {
            args: [0, 0, 0, 0, 0, 5 | 6 << 32],
            ..Sqe::default()
        };
        assert_eq!((user_of(&sqe), waits(&sqe)), ((5, 6), true));
        sqe.args[4] = O_NONBLOCK as u64 | 1;
        assert!(!waits(&sqe));
    }
}
