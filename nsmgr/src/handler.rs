//! The server as the loop's handler.

use nsmgr_server::Server;
use redox_rt::Result;
use scheme_loop::{Answers, Handler};
use syscall::schemev2::{Opcode, Sqe};

use crate::kernel::System;

/// The server and what it does with descriptors.
pub struct Service<'a> {
    /// The server.
    pub server: Server<System<'a>>,
    /// The kernel.
    pub system: System<'a>,
}

impl Handler for Service<'_> {
    const LONGEST_INPUT: usize = nsmgr_api::MAX_PAYLOAD;

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        // An answer that waits to be written may name a descriptor that this request closes or revokes.
        if !leaves_descriptors(sqe) {
            out.flush()?;
        }
        if let Some(reply) = self.server.handle(sqe, payload, &mut self.system) {
            match reply.close {
                None => out.push(reply.cqe)?,
                Some(fd) => out.push_with(reply.cqe, fd)?,
            }
        }
        while let Some(event) = self.server.next_event() {
            out.push(event)?;
        }
        Ok(())
    }
}

/// Whether no descriptor that an earlier request was answered with goes because of this one.
const fn leaves_descriptors(sqe: &Sqe) -> bool {
    use Opcode::{Cancel, Dup, Fevent, Fpath, Fsize, Fstat, Getdents, OpenAt, Read};
    const LEAVE: u64 = 1 << Cancel as u8
        | 1 << Dup as u8
        | 1 << Fevent as u8
        | 1 << Fpath as u8
        | 1 << Fsize as u8
        | 1 << Fstat as u8
        | 1 << Getdents as u8
        | 1 << OpenAt as u8
        | 1 << Read as u8;
    sqe.opcode < 64 && LEAVE >> sqe.opcode & 1 != 0
}
