//! Where a request's bytes are.

use syscall::{
    flag::StdFsCallKind,
    schemev2::{Opcode, Sqe},
};

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
