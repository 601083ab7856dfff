//! Named pipes through the scheme protocol: what waits, what is answered, and what is left.

use std::collections::HashMap;

use syscall::{
    Stat, StdFsCallKind, TimeSpec,
    error::{EBADF, EINTR, EINVAL, ENXIO, EPIPE, ESPIPE},
    flag::{
        EventFlags, MODE_FIFO, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR, O_STAT, O_WRONLY,
    },
    schemev2::{Cqe, CqeOpcode, NewFdFlags, Opcode, Sqe, SqeFlags},
};
use treefs::{Caller, Config, Fs, SparsePages, Tree};
use treefs_server::{Requests, Server};

#[derive(Default)]
struct Memory(HashMap<u32, Vec<u8>>);

impl Requests for Memory {
    fn take(&mut self, tag: u32, offset: usize, into: &mut [u8]) -> bool {
        into.copy_from_slice(&self.0[&tag][offset..offset + into.len()]);
        true
    }

    fn give(&mut self, tag: u32, offset: usize, from: &[u8]) -> bool {
        let place = self.0.get_mut(&tag).unwrap();
        place[offset..offset + from.len()].copy_from_slice(from);
        true
    }
}

struct Client {
    server: Server<Tree<SparsePages>>,
    root: u64,
    memory: Memory,
    now: i64,
    next: u32,
    /// How much of a request the daemon is shown.
    shown: usize,
}

/// What is offset when there is none.
const NOWHERE: u64 = u64::MAX;
const NB: usize = O_NONBLOCK;

impl Client {
    fn new() -> Self {
        let now = TimeSpec::default();
        let fs = Fs::new(Config::default(), Caller::SUPERUSER, now).unwrap();
        let mut server = Server::new(fs);
        let root = server.root().unwrap() as u64;
        let mut client = Self {
            server,
            root,
            memory: Memory::default(),
            now: 1,
            next: 0,
            shown: usize::MAX,
        };
        let made = client.open(O_CREAT | O_EXCL | O_STAT | usize::from(MODE_FIFO | 0o600));
        client.close(made.unwrap());
        client
    }

    fn send(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> Option<Cqe> {
        let [handle, first, _, a, b, c] = args;
        self.next += 1;
        let one_way = matches!(opcode, Opcode::CloseMsg);
        let sqe = Sqe {
            opcode: opcode as u8,
            sqe_flags: if one_way {
                SqeFlags::ONEWAY
            } else {
                SqeFlags::empty()
            },
            tag: self.next,
            args: [
                handle,
                first,
                if payload.is_empty() {
                    0
                } else {
                    payload.len() as u64
                },
                a,
                b,
                c,
            ],
            ..Sqe::default()
        };
        let now = TimeSpec {
            tv_sec: self.now,
            tv_nsec: 0,
        };
        self.memory.0.insert(self.next, payload.to_vec());
        let shown = self.shown.min(payload.len());
        let said = self
            .server
            .handle(&sqe, &mut payload[..shown], now, &mut self.memory);
        if said.is_some() || one_way {
            self.memory.0.remove(&self.next);
        }
        said
    }

    /// An error number, or a value.
    fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> i64 {
        let cqe = self.send(opcode, args, payload).unwrap();
        assert_eq!(cqe.tag, self.next);
        cqe.result as i64
    }

    /// Opens the pipe; without an answer, its tag.
    fn open(&mut self, flags: usize) -> Result<u64, i32> {
        let args = [self.root, 0, 0, flags as u64, (flags & NB) as u64, 0];
        match self.send(Opcode::OpenAt, args, &mut b"p".to_vec()) {
            None => Err(0),
            Some(cqe) if (cqe.result as i64) < 0 => Err(-(cqe.result as i64) as i32),
            Some(cqe) => {
                assert_eq!(cqe.flags, CqeOpcode::RespondRegular as u8);
                let pipe = flags & O_STAT != O_STAT;
                let wanted = if pipe {
                    NewFdFlags::empty()
                } else {
                    NewFdFlags::POSITIONED
                };
                assert_eq!(cqe.extra() as u8, wanted.bits());
                Ok(cqe.result)
            }
        }
    }

    fn read(&mut self, handle: u64, room: usize) -> (i64, Vec<u8>) {
        let mut bytes = vec![0; room];
        let args = [handle, 0, 0, NOWHERE, NB as u64, 0];
        let count = self.ask(Opcode::Read, args, &mut bytes);
        bytes.truncate(count.max(0) as usize);
        (count, bytes)
    }

    fn write(&mut self, handle: u64, bytes: &[u8]) -> i64 {
        let args = [handle, 0, 0, NOWHERE, NB as u64, 0];
        self.ask(Opcode::Write, args, &mut bytes.to_vec())
    }

    fn close(&mut self, handle: u64) {
        assert!(
            self.send(Opcode::CloseMsg, [handle, 0, 0, 0, 0, 0], &mut [])
                .is_none()
        );
    }

    fn cancel(&mut self, tag: u32) -> Option<Cqe> {
        let sqe = Sqe {
            opcode: Opcode::Cancel as u8,
            sqe_flags: SqeFlags::ONEWAY,
            tag,
            ..Sqe::default()
        };
        let now = TimeSpec::default();
        self.server.handle(&sqe, &mut [], now, &mut self.memory)
    }

    fn ready(&mut self) -> Vec<(u8, u32, i64)> {
        let mut all = Vec::new();
        while let Some(cqe) = self.server.next_ready() {
            all.push((cqe.flags, cqe.tag, cqe.result as i64));
        }
        all
    }

    fn stat(&mut self) -> Stat {
        let handle = self.open(O_STAT).unwrap();
        let mut bytes = vec![0; size_of::<Stat>()];
        let args = [handle, 0, 0, StdFsCallKind::Fstat as u64, 0, 0];
        assert_eq!(self.ask(Opcode::StdFsCall, args, &mut bytes), 0);
        self.close(handle);
        let mut stat = Stat::default();
        stat.copy_from_slice(&bytes);
        stat
    }

    /// Nothing but the root is open, and nobody waits.
    fn check_empty(&mut self) {
        assert_eq!(self.ready(), []);
        assert_eq!(self.server.fs().open_handles(), 1);
        assert!(self.memory.0.is_empty());
    }
}

const REGULAR: u8 = CqeOpcode::RespondRegular as u8;

#[test]
fn an_open_is_answered_when_the_other_end_is_there() {
    let mut c = Client::new();
    assert_eq!(c.open(O_WRONLY | NB), Err(ENXIO));
    assert_eq!(c.open(O_RDONLY), Err(0));
    let tag = c.next;
    // Others are served meanwhile.
    assert_eq!(c.stat().st_mode, MODE_FIFO | 0o600);
    let writer = c.open(O_WRONLY).unwrap();
    let ready = c.ready();
    let &[(REGULAR, of, reader)] = &ready[..] else {
        panic!("{ready:?}");
    };
    assert_eq!(of, tag);
    c.memory.0.remove(&tag);
    let reader = reader as u64;
    assert_eq!(c.write(writer, b"hello"), 5);
    assert_eq!(c.read(reader, 9), (5, b"hello".to_vec()));
    c.close(writer);
    assert_eq!(c.read(reader, 9), (0, vec![]));
    c.close(reader);
    c.check_empty();
}

#[test]
fn an_open_that_is_cancelled_leaves_nothing() {
    for flags in [O_RDONLY, O_WRONLY] {
        let mut c = Client::new();
        assert_eq!(c.open(flags), Err(0));
        let tag = c.next;
        assert_eq!(c.server.fs().open_handles(), 2);
        assert!(c.cancel(tag).is_none());
        assert_eq!(c.ready(), [(REGULAR, tag, -i64::from(EINTR))]);
        c.memory.0.remove(&tag);
        c.check_empty();
        assert_eq!(c.open(O_WRONLY | NB), Err(ENXIO));
    }
}

#[test]
fn a_name_that_is_gone_is_still_a_pipe() {
    let mut c = Client::new();
    let reader = c.open(O_RDONLY | NB).unwrap();
    let writer = c.open(O_WRONLY | NB).unwrap();
    let args = [c.root, 0, 0, 0, 0, 0];
    assert_eq!(c.ask(Opcode::UnlinkAt, args, &mut b"p".to_vec()), 0);
    assert_eq!(c.write(writer, b"x"), 1);
    // Another of the name is another pipe.
    let made = c.open(O_CREAT | O_EXCL | O_STAT | usize::from(MODE_FIFO | 0o600));
    c.close(made.unwrap());
    assert_eq!(c.open(O_WRONLY | NB), Err(ENXIO));
    assert_eq!(c.read(reader, 9), (1, b"x".to_vec()));
    c.close(reader);
    assert_eq!(c.write(writer, b"x"), -i64::from(EPIPE));
    c.close(writer);
    c.check_empty();
}

#[test]
fn what_files_do_pipes_do_not() {
    let mut c = Client::new();
    let end = c.open(O_RDWR).unwrap();
    let truncate = StdFsCallKind::Ftruncate as u64;
    let table = [
        (Opcode::Read, [end, 0, 0, 0, 0, 0], ESPIPE),
        (Opcode::Write, [end, 0, 0, 5, 0, 0], ESPIPE),
        (Opcode::Fsize, [end, 0, 0, 0, 0, 0], ESPIPE),
        (Opcode::Fsync, [end, 0, 0, 0, 0, 0], EINVAL),
        (Opcode::MmapPrep, [end, 4096, 0, 0, 0, 0], EINVAL),
        (Opcode::StdFsCall, [end, 0, 0, truncate, 0, 0], EINVAL),
    ];
    for (opcode, args, error) in table {
        let answer = c.ask(opcode, args, &mut [0; 4]);
        assert_eq!(answer, -i64::from(error), "{opcode:?}");
    }
    let reader = c.open(O_RDONLY).unwrap();
    assert_eq!(c.write(reader, b"x"), -i64::from(EBADF));
    let copy = c.ask(Opcode::Dup, [end, 0, 0, 0, 0, 0], &mut []) as u64;
    c.close(end);
    assert_eq!(c.write(copy, b"x"), 1);
    assert_eq!(c.read(reader, 9), (1, b"x".to_vec()));
    c.close(copy);
    c.close(reader);
    c.check_empty();
}

#[test]
fn what_waits_gets_its_bytes_from_where_they_are() {
    let mut c = Client::new();
    c.shown = 65_537;
    let end = c.open(O_RDWR).unwrap();
    let mut bytes: Vec<u8> = (0..300_000_u32).map(|n| (n / 11) as u8).collect();
    let args = [end, 0, 0, NOWHERE, 0, 0];
    assert!(c.send(Opcode::Write, args, &mut bytes).is_none());
    let tag = c.next;
    let mut got = Vec::new();
    while got.len() < bytes.len() {
        let (count, some) = c.read(end, 50_000);
        assert!(count > 0);
        got.extend(some);
    }
    assert!(got == bytes);
    assert_eq!(c.ready(), [(REGULAR, tag, 300_000)]);
    c.memory.0.remove(&tag);
    assert!(c.send(Opcode::Read, args, &mut [0; 9]).is_none());
    let tag = c.next;
    assert_eq!(c.write(end, b"later"), 5);
    assert_eq!(c.ready(), [(REGULAR, tag, 5)]);
    assert_eq!(c.memory.0.remove(&tag).unwrap(), b"later\0\0\0\0");
    assert!(c.send(Opcode::Read, args, &mut [0; 9]).is_none());
    let tag = c.next;
    assert!(c.cancel(tag).is_none());
    assert_eq!(c.ready(), [(REGULAR, tag, -i64::from(EINTR))]);
    c.memory.0.remove(&tag);
    c.close(end);
    c.check_empty();
}

#[test]
fn events_are_sent_and_times_noted() {
    let mut c = Client::new();
    let reader = c.open(O_RDONLY | NB).unwrap();
    let writer = c.open(O_WRONLY | NB).unwrap();
    let all = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
    let args = [reader, all.bits() as u64, 0, 0, 0, 0];
    assert_eq!(c.ask(Opcode::Fevent, args, &mut []), 0);
    c.now = 50;
    assert_eq!(c.write(writer, b"x"), 1);
    let read = EventFlags::EVENT_READ.bits() as u32;
    let event = (CqeOpcode::SendFevent as u8, read, reader as i64);
    assert_eq!(c.ready(), [event]);
    assert_eq!((c.stat().st_mtime, c.stat().st_ctime), (50, 50));
    c.now = 60;
    assert_eq!(c.read(reader, 1).0, 1);
    c.close(writer);
    assert_eq!(c.ready(), [event]);
    c.close(reader);
    let stat = c.stat();
    assert_eq!((stat.st_atime, stat.st_mtime, stat.st_size), (60, 50, 0));
    c.check_empty();
}
