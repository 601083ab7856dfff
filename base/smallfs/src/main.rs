//! Daemon of the schemes of one file. `smallfs null|zero|rand|log` says which it is.
//!
//! `log` also writes what is logged to descriptor 1, if it has one.
#![no_std]
#![no_main]

extern crate alloc;

mod seed;

use redox_rt::{Result, eprintln, start::Start, sys};
use scheme_loop::{Answers, Handler};
use smallfs_core::{Device, Log, Null, Random, Server, Zero};
use syscall::schemev2::Sqe;

redox_rt::entry!(main);

struct Service<D: Device> {
    server: Server<D>,
    after: fn(&mut D),
}

impl<D: Device> Handler for Service<D> {
    const LONGEST_INPUT: usize = 1 << 16;

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        let reply = self.server.handle(sqe, payload);
        (self.after)(self.server.device());
        match reply {
            Some(cqe) => out.push(cqe),
            None => Ok(()),
        }
    }
}

fn serve<D: Device>(name: &str, device: D, after: fn(&mut D)) -> i32 {
    let mut server = Server::new(device, scheme_loop::device_number());
    match server.root() {
        Ok(root) => scheme_loop::run(name, 0, root, &mut Service { server, after }),
        Err(errno) => {
            eprintln!("{name}: no root: error {errno}");
            1
        }
    }
}

fn show(log: &mut Log) {
    let text = log.take_fresh();
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        match sys::write(1, rest) {
            Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or(&[]),
            // There is no console, or it takes nothing; the log has it.
            _ => return,
        }
    }
}

fn main(start: &Start) -> i32 {
    match start.arg(1).map(core::ffi::CStr::to_bytes) {
        Some(b"null") => serve("null", Null, |_| {}),
        Some(b"zero") => serve("zero", Zero, |_| {}),
        Some(b"rand") => serve("rand", Random::new(seed::gather()), |_| {}),
        Some(b"log") => serve("log", Log::default(), show),
        _ => {
            eprintln!("smallfs: usage: smallfs null|zero|rand|log");
            2
        }
    }
}
