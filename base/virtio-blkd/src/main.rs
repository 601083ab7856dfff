//! Driver of virtio disks. `virtio_blkd_core` says what the scheme is like; the bus starts it, see `pcid`.
#![no_std]
#![no_main]

extern crate alloc;

mod disk;

use redox_rt::{Fd, Result, eprintln, event::Queue, namespace, start::Start, sys};
use scheme_core::payload_of;
use scheme_loop::{
    Answers,
    events::{self, EventHandler, Request},
};
use syscall::{EFAULT, EIO, flag::O_RDWR, schemev2::Opcode};
use virtio_blkd_core::{
    gpt,
    queue::{self, Kind, Part},
    server::{Action, Server},
};

use disk::{Disk, SLOT_LEN, SLOTS};

redox_rt::entry!(main);

/// Longest payload of a request that is not a file's bytes.
const SHORT: usize = 4096;
/// What the event queue says about the device.
const DEVICE: usize = 0;

struct Service {
    server: Server,
    queue: queue::Queue<Request>,
    disk: Disk,
}

impl Service {
    /// Hands the device what there is room for.
    fn feed(&mut self, out: &mut Answers<'_>) -> Result<()> {
        while let Some((part, request)) = self.queue.next_part() {
            let Part {
                slot, offset, len, ..
            } = part;
            let filled = part.kind != Kind::Write
                || self
                    .disk
                    .bytes(slot, len)
                    .is_some_and(|bytes| request.read(offset, bytes));
            if (!filled || !self.disk.start(&part))
                && let Some((request, result)) = self.queue.complete(slot, false)
            {
                request.answer(result, out)?;
            }
        }
        self.disk.notify();
        Ok(())
    }

    /// Takes what the device has done.
    fn reap(&mut self, out: &mut Answers<'_>) -> Result<()> {
        while let Some((slot, well)) = self.disk.next_done()? {
            let mut good = well;
            if let Some((part, request)) = self.queue.under_way(slot)
                && part.kind == Kind::Read
                && well
            {
                good = self
                    .disk
                    .bytes(slot, part.len)
                    .is_some_and(|bytes| request.write(part.offset, bytes));
            }
            if let Some((request, result)) = self.queue.complete(slot, good) {
                request.answer(result, out)?;
            }
        }
        Ok(())
    }
}

impl EventHandler for Service {
    fn request(&mut self, request: Request, out: &mut Answers<'_>) -> Result<()> {
        let sqe = *request.sqe();
        let opcode = Opcode::try_from_raw(sqe.opcode);
        let mut request = request;
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
        match self.server.handle(&sqe, payload) {
            Action::None => Ok(()),
            Action::Answer(cqe) => {
                if scheme_core::is_output(&sqe) && !request.write(0, payload) {
                    return request.answer(Err(EFAULT), out);
                }
                request.answer_with(cqe, out)
            }
            Action::Submit {
                kind: Kind::Flush, ..
            } if !self.disk.can_flush() => request.answer(Ok(0), out),
            Action::Submit { kind, sector, len } => {
                match self.queue.push(kind, sector, len, request) {
                    Ok(()) => Ok(()),
                    Err((request, errno)) => request.answer(Err(errno), out),
                }
            }
        }
    }

    fn event(&mut self, _: usize, out: &mut Answers<'_>) -> Result<()> {
        self.disk.acknowledge()?;
        self.reap(out)
    }

    fn pause(&mut self, out: &mut Answers<'_>) -> Result<()> {
        self.feed(out)
    }
}

fn main(_: &Start) -> i32 {
    match run() {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("virtio-blkd: {problem}");
            1
        }
    }
}

fn run() -> core::result::Result<i32, virtio::Problem> {
    let refused = |what| move |error| virtio::Problem::System(what, error);
    let events = namespace::open(b"/scheme/event", O_RDWR, sys::FD_ANY_UPPER)
        .map(|fd| Queue::from_fd(Fd::from_raw(fd)))
        .map_err(refused("event queue"))?;
    let mut disk = Disk::open(&events, DEVICE)?;
    let geometry = disk.geometry();
    let per_block = geometry.sectors_per_block();
    let partitions = gpt::partitions(&geometry, |block, into| {
        disk.read_now(&events, block * per_block, into)
    });
    let mut server = Server::new(geometry, &partitions);
    let root = server
        .root()
        .map_err(|errno| refused("root")(redox_rt::Error::new(errno)))?;
    let mut service = Service {
        server,
        queue: queue::Queue::new(SLOTS, SLOT_LEN),
        disk,
    };
    Ok(scheme_loop::run_with("virtio-blkd", 0, root, |socket| {
        events::serve(socket, &events, &mut service)
    }))
}

/// The device has done what it must not; a new driver resets it.
const fn broken() -> redox_rt::Error {
    redox_rt::Error::new(EIO)
}
