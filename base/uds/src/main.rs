//! Unix sockets. `udsd stream` serves connections, `udsd dgram` datagrams, `udsd seqpacket` connections of messages.
//!
//! A thin shell around `uds-server`. Its namespace has `rand`, where the tokens of bound sockets come from.
#![no_std]
#![no_main]

extern crate alloc;

mod world;

use alloc::collections::BTreeMap;

use redox_rt::{Fd, Result, eprintln, start::Start};
use scheme_core::{reply, user_of};
use scheme_loop::{
    Answers, Handler, Parked,
    clock::{self, Clock, TICK},
};
use syscall::schemev2::{NewFdFlags, Opcode, Sqe, SqeFlags};
use uds_server::{Effect, Kind, Server};

use world::Outside;

redox_rt::entry!(main);

/// The sockets, and the requests that wait.
struct Service {
    server: Server<Fd>,
    outside: Outside,
    clock: Clock,
    parked: BTreeMap<u32, Parked>,
}

impl Service {
    fn carry_out(&mut self, out: &mut Answers<'_>) -> Result<()> {
        for effect in self.server.take_effects() {
            match effect {
                Effect::Reply(tag, result, bytes) => {
                    if let Some(parked) = self.parked.remove(&tag) {
                        parked.answer(result, &bytes, out)?;
                    }
                }
                Effect::Opened(tag, handle) => {
                    if self.parked.remove(&tag).is_some() {
                        out.push(reply::opened(tag, handle, NewFdFlags::empty()))?;
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
    // Longer writes are done in part; no datagram is longer, with its address.
    const LONGEST_INPUT: usize = (1 << 16) + uds_api::ADDRESS;
    /// A message of that, and a queue that grows by it.
    const HEADROOM: usize = 3 << 17;

    #[inline(always)]
    fn takes_memory(sqe: &Sqe) -> bool {
        const OPEN: u8 = Opcode::OpenAt as u8;
        const WRITE: u8 = Opcode::Write as u8;
        const CALL: u8 = Opcode::Call as u8;
        const SEND: u8 = Opcode::Sendfd as u8;
        matches!(sqe.opcode, OPEN | WRITE | CALL | SEND)
    }

    fn user_of(&self, sqe: &Sqe) -> u32 {
        let [handle, ..] = sqe.args;
        let owner = self.server.owner_of(handle);
        owner.unwrap_or_else(|| user_of(sqe).0)
    }

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        let now = clock::now();
        let [handle, ..] = sqe.args;
        let wants_answer = !sqe.sqe_flags.contains(SqeFlags::ONEWAY);
        if handle == TICK && wants_answer {
            self.server.tick(now);
            self.carry_out(out)?;
            return out.push(reply::value(sqe.tag, Ok(0)));
        }
        let said = self.server.handle(sqe, payload, now, &mut self.outside);
        if said.is_none() && wants_answer {
            // SAFETY: what the server does not answer at once, it answers by an effect: through what is
            // kept here, or with a handle, for which what is kept is dropped.
            let parked = unsafe { Parked::new(sqe) };
            self.parked.insert(sqe.tag, parked);
        }
        self.carry_out(out)?;
        said.map_or(Ok(()), |cqe| out.push(cqe))
    }
}

fn main(start: &Start) -> i32 {
    let (name, kind) = match start.arg(1).map(core::ffi::CStr::to_bytes) {
        Some(b"stream") => ("uds_stream", Kind::Stream),
        Some(b"dgram") => ("uds_dgram", Kind::Datagram),
        Some(b"seqpacket") => ("uds_seqpacket", Kind::Packet),
        _ => {
            eprintln!("udsd: usage: udsd stream|dgram|seqpacket");
            return 2;
        }
    };
    let outside = match Outside::new() {
        Ok(outside) => outside,
        Err(error) => {
            eprintln!("{name}: random bytes: {error}");
            return 1;
        }
    };
    let mut server = Server::new(kind);
    let root = match server.root() {
        Ok(root) => root,
        Err(errno) => {
            eprintln!("{name}: no root: error {errno}");
            return 1;
        }
    };
    let mut service = Service {
        server,
        outside,
        clock: Clock::new(),
        parked: BTreeMap::new(),
    };
    scheme_loop::run(name, 0, root, &mut service)
}
