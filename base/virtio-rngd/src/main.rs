//! Driver of virtio sources of randomness. It feeds `rand`, which its namespace needs, at its start and from
//! time to time. `virtio_rngd_core` says what its own scheme is like; the bus starts it, see `pcid`.
#![no_std]
#![no_main]

extern crate alloc;

mod source;

use alloc::collections::VecDeque;

use redox_rt::{Fd, Result, eprintln, event::Queue, namespace, start::Start, sys};
use scheme_core::payload_of;
use scheme_loop::{
    Answers,
    events::{self, EventHandler, Request},
};
use syscall::{
    ECANCELED, EFAULT, EIO, ENOMEM, TimeSpec,
    flag::{CLOCK_MONOTONIC, EVENT_TIMEOUT_ID, EventFlags, O_RDWR, O_WRONLY},
    schemev2::Opcode,
};
use virtio_rngd_core::{Action, FEED, PERIOD, Server};

use source::Source;

redox_rt::entry!(main);

/// Longest payload of a request.
const SHORT: usize = 4096;
/// What the event queue says about the device.
const DEVICE: usize = 0;

/// Who the device is asked for.
enum Asker {
    Generator,
    Reader(Request, usize),
}

struct Service<'a> {
    server: Server,
    source: Source,
    events: &'a Queue,
    generator: Fd,
    waiting: VecDeque<Asker>,
}

impl Service<'_> {
    /// Has the generator fed, and itself reminded to do so again.
    fn schedule(&mut self) -> Result<()> {
        self.waiting.push_back(Asker::Generator);
        let mut due: TimeSpec = sys::clock_gettime(CLOCK_MONOTONIC)?;
        due.tv_sec = due.tv_sec.saturating_add(PERIOD);
        // It is read now, and comes back as the event's data, which is not that of the device.
        let address = (&raw const due).expose_provenance();
        self.events
            .watch(EVENT_TIMEOUT_ID, EventFlags::EVENT_READ, address)
    }

    fn ask_next(&mut self) -> Result<()> {
        if self.source.is_busy() {
            return Ok(());
        }
        match self.waiting.front() {
            Some(Asker::Generator) => self.source.ask(FEED),
            Some(Asker::Reader(_, len)) => self.source.ask(*len),
            None => Ok(()),
        }
    }
}

impl EventHandler for Service<'_> {
    fn request(&mut self, mut request: Request, out: &mut Answers<'_>) -> Result<()> {
        let sqe = *request.sqe();
        let mut bytes = [0; SHORT];
        let no_payload = sqe.opcode == Opcode::Write as u8;
        let len = if no_payload {
            0
        } else {
            payload_of(&sqe).len.min(SHORT)
        };
        let payload = bytes.get_mut(..len).unwrap_or(&mut []);
        if !request.read(0, payload) {
            return request.answer(Err(EFAULT), out);
        }
        match self.server.handle(&sqe, payload) {
            Action::None => Ok(()),
            Action::Answer(cqe) => {
                if scheme_core::is_output(&sqe) && !request.write(0, payload) {
                    return request.answer(Err(EFAULT), out);
                }
                request.answer_with(cqe, out)
            }
            Action::Read(len) => match self.waiting.try_reserve(1) {
                Ok(()) => {
                    self.waiting.push_back(Asker::Reader(request, len));
                    Ok(())
                }
                Err(_) => request.answer(Err(ENOMEM), out),
            },
            Action::Cancel(tag) => {
                let is = |asker: &Asker| matches!(asker, Asker::Reader(r, _) if r.sqe().tag == tag);
                let index = self.waiting.iter().position(is);
                match index.and_then(|index| self.waiting.remove(index)) {
                    Some(Asker::Reader(request, _)) => request.answer(Err(ECANCELED), out),
                    _ => Ok(()),
                }
            }
        }
    }

    fn event(&mut self, data: usize, out: &mut Answers<'_>) -> Result<()> {
        if data != DEVICE {
            return self.schedule();
        }
        let (waiting, generator, server) = (&mut self.waiting, &self.generator, &mut self.server);
        self.source.take(|bytes| match waiting.pop_front() {
            // It was asked for somebody who has given up, and wanted less.
            Some(Asker::Generator) if bytes.len() < FEED => {
                waiting.push_front(Asker::Generator);
                Ok(())
            }
            // Without a generator there is nothing to do here: started again, this finds the new one.
            Some(Asker::Generator) => {
                server.fed += 1;
                generator.write_exact(bytes)
            }
            Some(Asker::Reader(mut request, len)) => {
                let bytes = bytes.get(..len).unwrap_or(bytes);
                let given = request.write(0, bytes);
                let result = if given { Ok(bytes.len()) } else { Err(EFAULT) };
                request.answer(result, out)
            }
            // Who asked has given up.
            None => Ok(()),
        })
    }

    fn pause(&mut self, _: &mut Answers<'_>) -> Result<()> {
        self.ask_next()
    }
}

fn main(_: &Start) -> i32 {
    match run() {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("virtio-rngd: {problem}");
            1
        }
    }
}

fn run() -> core::result::Result<i32, virtio::Problem> {
    let refused = |what| move |error| virtio::Problem::System(what, error);
    let open =
        |path: &[u8], flags| namespace::open(path, flags, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let events = open(b"/scheme/event", O_RDWR)
        .map(Queue::from_fd)
        .map_err(refused("event queue"))?;
    let generator = open(b"/scheme/rand", O_WRONLY).map_err(refused("the system's generator"))?;
    let source = Source::open(&events, DEVICE)?;
    let mut server = Server::new();
    let root = server
        .root()
        .map_err(|errno| refused("root")(redox_rt::Error::new(errno)))?;
    let mut service = Service {
        server,
        source,
        events: &events,
        generator,
        waiting: VecDeque::new(),
    };
    service.schedule().map_err(refused("clock"))?;
    Ok(scheme_loop::run_with("virtio-rngd", 0, root, |socket| {
        events::serve(socket, &events, &mut service)
    }))
}

/// The device has done what it must not; a new driver resets it.
const fn broken() -> redox_rt::Error {
    redox_rt::Error::new(EIO)
}
