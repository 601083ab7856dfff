//! Driver of virtio consoles. `virtio_consoled_core` says what the scheme is like; the bus starts it, see
//! `pcid`.
#![no_std]
#![no_main]

extern crate alloc;

mod console;
mod direction;
mod line;

use redox_rt::{Fd, Result, eprintln, event::Queue, namespace, start::Start, sys};
use scheme_core::{payload_of, reply};
use scheme_loop::{
    Answers,
    events::{self, EventHandler, Request},
};
use syscall::{
    EFAULT, EIO,
    flag::{EventFlags, O_RDWR},
    schemev2::Opcode,
};
use virtio_consoled_core::server::{Action, Server};

use console::Console;

redox_rt::entry!(main);

/// Longest payload of a request that is not a line's bytes.
const SHORT: usize = 4096;
/// What the event queue says about the device.
const DEVICE: usize = 0;

struct Service {
    server: Server,
    console: Console,
}

impl EventHandler for Service {
    fn request(&mut self, mut request: Request, out: &mut Answers<'_>) -> Result<()> {
        let sqe = *request.sqe();
        let opcode = Opcode::try_from_raw(sqe.opcode);
        let mut bytes = [0; SHORT];
        let short = !matches!(opcode, Some(Opcode::Read | Opcode::Write));
        let len = if short {
            payload_of(&sqe).len.min(SHORT)
        } else {
            0
        };
        let payload = bytes.get_mut(..len).unwrap_or(&mut []);
        if !request.read(0, payload) {
            return request.answer(Err(EFAULT), out);
        }
        let lines = &mut self.console.lines;
        let ready = |port: usize| lines.get(port).map_or(EventFlags::empty(), |l| l.ready());
        let action = self.server.handle(&sqe, payload, ready);
        let (port, action) = match action {
            Action::None => return Ok(()),
            Action::Answer(cqe) => {
                if scheme_core::is_output(&sqe) && !request.write(0, payload) {
                    return request.answer(Err(EFAULT), out);
                }
                return request.answer_with(cqe, out);
            }
            Action::Cancel(tag) => {
                return lines.iter_mut().try_for_each(|line| line.cancel(tag, out));
            }
            Action::Read(port, _) | Action::Write(port, _) | Action::Sync(port) => (port, action),
        };
        let Some(line) = lines.get_mut(port) else {
            return request.answer(Err(EIO), out);
        };
        match action {
            Action::Read(_, waits) => line.read(request, waits, out),
            Action::Write(_, waits) => line.write(request, waits, out),
            _ => line.sync(request, out),
        }
    }

    fn event(&mut self, _: usize, out: &mut Answers<'_>) -> Result<()> {
        self.console.acknowledge()?;
        let server = &mut self.server;
        self.console.listen(|port| server.add_port(port))?;
        for (index, line) in self.console.lines.iter_mut().enumerate() {
            let news = line.look(out)?;
            for (handle, flags) in self.server.interested(index, news) {
                out.push(reply::event(handle, flags))?;
            }
        }
        Ok(())
    }

    fn pause(&mut self, _: &mut Answers<'_>) -> Result<()> {
        self.console.notify();
        Ok(())
    }
}

fn main(_: &Start) -> i32 {
    match run() {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("virtio-consoled: {problem}");
            1
        }
    }
}

fn run() -> core::result::Result<i32, virtio::Problem> {
    let refused = |what| move |error| virtio::Problem::System(what, error);
    let events = namespace::open(b"/scheme/event", O_RDWR, sys::FD_ANY_UPPER)
        .map(|fd| Queue::from_fd(Fd::from_raw(fd)))
        .map_err(refused("event queue"))?;
    let (console, first) = Console::open(&events, DEVICE)?;
    let mut server = Server::new();
    if let Some(port) = first {
        server.add_port(port);
    }
    let root = server
        .root()
        .map_err(|errno| refused("root")(redox_rt::Error::new(errno)))?;
    let mut service = Service { server, console };
    Ok(scheme_loop::run_with(
        "virtio-consoled",
        0,
        root,
        |socket| events::serve(socket, &events, &mut service),
    ))
}

/// The device has done what it must not; a new driver resets it.
const fn broken() -> redox_rt::Error {
    redox_rt::Error::new(EIO)
}
