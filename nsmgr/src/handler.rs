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
        // An answer that is not written yet may name a root, which anything but an open may close.
        let opens = [Opcode::OpenAt as u8, Opcode::UnlinkAt as u8];
        if !opens.contains(&sqe.opcode) {
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
