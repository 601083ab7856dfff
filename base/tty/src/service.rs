//! Requests, answered by the server.

use alloc::collections::BTreeMap;

use redox_rt::{Fd, Result};
use scheme_core::reply;
use scheme_loop::{
    Answers, Handler, Parked,
    clock::{self, Clock, TICK},
};
use syscall::schemev2::{Opcode, Sqe, SqeFlags};
use tty_server::{Effect, Server};

use crate::{line::Line, sessions::Manager};

/// The number of the handle through which the thread that reads the line speaks.
pub const INPUT: u64 = TICK | 1;

/// The terminals, and the requests that wait.
pub struct Service {
    server: Server<Fd>,
    line: Option<Line>,
    clock: Clock,
    parked: BTreeMap<u32, Parked>,
}

impl Service {
    pub const fn new(server: Server<Fd>, line: Option<Line>) -> Self {
        Self {
            server,
            line,
            clock: Clock::new(),
            parked: BTreeMap::new(),
        }
    }

    /// Shows what is to be shown, and says what is to be said.
    fn carry_out(&mut self, now: u64, out: &mut Answers<'_>) -> Result<()> {
        if let Some(line) = &self.line {
            let bytes = self.server.output(now, &mut Manager);
            line.write(&bytes);
        }
        for effect in self.server.take_effects() {
            match effect {
                Effect::Reply(tag, result, bytes) => {
                    if let Some(parked) = self.parked.remove(&tag) {
                        parked.answer(result, &bytes, out)?;
                    }
                }
                Effect::Event(handle, flags) => out.push(reply::event(handle, flags))?,
            }
        }
        self.clock.set(self.server.deadline());
        Ok(())
    }
}

impl Handler for Service {
    // Longer writes are done in part.
    const LONGEST_INPUT: usize = 1 << 16;
    /// What a terminal keeps of both directions is less.
    const HEADROOM: usize = 1 << 18;

    #[inline(always)]
    fn takes_memory(sqe: &Sqe) -> bool {
        sqe.opcode == Opcode::OpenAt as u8 || sqe.opcode == Opcode::Write as u8
    }

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        let now = clock::now();
        let [handle, ..] = sqe.args;
        let own = !sqe.sqe_flags.contains(SqeFlags::ONEWAY);
        match handle {
            TICK if own => {
                self.server.tick(now, &mut Manager);
                self.carry_out(now, out)?;
                return out.push(reply::value(sqe.tag, Ok(0)));
            }
            INPUT if own && sqe.opcode == Opcode::Write as u8 => {
                self.server.input(payload, now, &mut Manager);
                self.carry_out(now, out)?;
                return out.push(reply::value(sqe.tag, Ok(payload.len())));
            }
            _ => {}
        }
        let said = self.server.handle(sqe, payload, now, &mut Manager);
        if said.is_none() && own {
            // SAFETY: what the server does not answer at once, it answers by an effect, through what is
            // kept here.
            let parked = unsafe { Parked::new(sqe) };
            self.parked.insert(sqe.tag, parked);
        }
        self.carry_out(now, out)?;
        said.map_or(Ok(()), |cqe| out.push(cqe))
    }
}
