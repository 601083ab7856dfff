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

/// The payload of a request, for those that have one.
#[must_use]
pub fn payload_of(sqe: &Sqe) -> Payload {
    use Opcode::*;
    let [_, address, len, ..] = sqe.args;
    let has_payload = matches!(
        Opcode::try_from_raw(sqe.opcode),
        Some(
            OpenAt
                | UnlinkAt
                | Dup
                | Read
                | Write
                | Fpath
                | Fstat
                | Fstatvfs
                | Getdents
                | Call
                | StdFsCall
        )
    );
    if has_payload {
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
