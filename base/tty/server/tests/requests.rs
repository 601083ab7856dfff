//! Requests as the kernel sends them, with a process manager of three processes.

use std::collections::BTreeMap;

use cap_abi::session::Control;
use syscall::{
    EACCES, EAGAIN, EBADF, EINTR, EINVAL, EIO, ENFILE, ENOENT, ENOSPC, ENOTTY, EPERM, Stat,
    flag::{EventFlags, O_NONBLOCK, O_RDWR},
    schemev2::{Opcode, Sqe, SqeFlags},
};
use tty_core::{
    Termios, WindowSize,
    termios::{ECHO, ICANON, TOSTOP, VMIN, VTIME},
};
use tty_server::{Effect, Server, Sessions};

const INT: u8 = 2;
const HUP: u8 = 1;
const CONT: u8 = 18;
const TTIN: u8 = 21;
const TTOU: u8 = 22;
const WINCH: u8 = 28;

/// A session's descriptor is its leader's number here. Process and group numbers of session 10: 10, 11,
/// 12; of session 20: 20.
#[derive(Default)]
struct Manager {
    sent: Vec<(u8, u32)>,
    coming: Option<u32>,
    /// Whom it has been asked about.
    asked: Vec<u32>,
    insensitive: bool,
    orphaned: bool,
}

impl Sessions for Manager {
    type Session = u32;
    fn receive(&mut self, _: u32) -> Result<u32, i32> {
        self.coming.take().ok_or(EBADF)
    }
    fn leader(&mut self, session: &u32) -> Result<u32, i32> {
        self.asked.push(*session);
        // A descriptor of something else.
        if *session == 0 {
            return Err(EINVAL);
        }
        Ok(*session)
    }
    fn signal(&mut self, session: &u32, signal: u8, group: u32) -> Result<(), i32> {
        if group / 10 != session / 10 {
            return Err(EPERM);
        }
        if signal != 0 {
            self.sent.push((signal, group));
        }
        Ok(())
    }
    fn control(
        &mut self,
        session: &u32,
        process: u32,
        foreground: u32,
        signal: u8,
    ) -> Result<Control, i32> {
        if process / 10 != session / 10 {
            return Err(EPERM);
        }
        Ok(match process {
            _ if process == foreground => Control::Foreground,
            _ if self.insensitive => Control::Insensitive,
            _ if self.orphaned => Control::Orphaned,
            _ => {
                self.sent.push((signal, process));
                Control::Stopped
            }
        })
    }
}

struct World {
    server: Server<u32>,
    manager: Manager,
    root: u64,
    tag: u32,
    now: u64,
    caller: u32,
    uid: u32,
    replies: BTreeMap<u32, (Result<usize, i32>, String)>,
    events: Vec<(u64, usize)>,
}

impl World {
    fn new(mut server: Server<u32>) -> Self {
        let root = server.root().unwrap();
        Self {
            server,
            manager: Manager::default(),
            root,
            tag: 0,
            now: 0,
            caller: 10,
            uid: 0,
            replies: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn pty() -> Self {
        Self::new(Server::pseudo("pty", 7))
    }

    fn console() -> Self {
        Self::new(Server::console("console", 7, WindowSize::default()).unwrap())
    }

    fn after(&mut self) {
        for effect in self.server.take_effects() {
            match effect {
                Effect::Reply(tag, result, bytes) => {
                    let text = String::from_utf8(bytes).unwrap();
                    assert!(self.replies.insert(tag, (result, text)).is_none());
                }
                Effect::Event(handle, flags) => self.events.push((handle, flags.bits())),
            }
        }
    }

    /// The answer, or the tag of a request that waits.
    fn ask(
        &mut self,
        opcode: Opcode,
        args: [u64; 5],
        payload: &mut [u8],
    ) -> Result<Result<u64, i32>, u32> {
        self.tag += 1;
        let [a, b, c, d, e] = args;
        let sqe = Sqe {
            opcode: opcode as u8,
            tag: self.tag,
            args: [a, b, c, d, e, self.uid.into()],
            caller: self.caller.into(),
            ..Sqe::default()
        };
        let cqe = self
            .server
            .handle(&sqe, payload, self.now, &mut self.manager);
        self.after();
        match cqe.map(|cqe| cqe.result as i64) {
            None => Err(self.tag),
            Some(error) if error < 0 => Ok(Err(-error as i32)),
            Some(value) => Ok(Ok(value as u64)),
        }
    }

    fn done(&mut self, opcode: Opcode, args: [u64; 5], payload: &mut [u8]) -> Result<u64, i32> {
        self.ask(opcode, args, payload).expect("it waits")
    }

    fn open(&mut self, path: &str) -> Result<u64, i32> {
        let mut path = path.as_bytes().to_vec();
        self.done(
            Opcode::OpenAt,
            [self.root, 0, 0, O_RDWR as u64, 0],
            &mut path,
        )
    }

    fn dup(&mut self, handle: u64, name: &str) -> Result<u64, i32> {
        let mut name = name.as_bytes().to_vec();
        self.done(Opcode::Dup, [handle, 0, 0, 0, 0], &mut name)
    }

    fn close(&mut self, handle: u64) {
        let sqe = Sqe {
            opcode: Opcode::CloseMsg as u8,
            sqe_flags: SqeFlags::ONEWAY,
            args: [handle, 0, 0, 0, 0, 0],
            ..Sqe::default()
        };
        let said = self
            .server
            .handle(&sqe, &mut [], self.now, &mut self.manager);
        assert!(said.is_none());
        self.after();
    }

    fn read_flags(&mut self, handle: u64, flags: usize) -> Result<Result<String, i32>, u32> {
        let mut buffer = [0; 100];
        let got = self.ask(Opcode::Read, [handle, 0, 0, 0, flags as u64], &mut buffer)?;
        Ok(got.map(|len| String::from_utf8(buffer[..len as usize].to_vec()).unwrap()))
    }

    fn read(&mut self, handle: u64) -> Result<String, i32> {
        self.read_flags(handle, O_NONBLOCK).unwrap()
    }

    fn read_later(&mut self, handle: u64) -> u32 {
        self.read_flags(handle, 0).unwrap_err()
    }

    fn write(&mut self, handle: u64, text: &str) -> Result<u64, i32> {
        let mut text = text.as_bytes().to_vec();
        self.done(Opcode::Write, [handle, 0, 0, 0, 0], &mut text)
    }

    fn get(&mut self, handle: u64, name: &str, len: usize) -> Result<Vec<u8>, i32> {
        let attribute = self.dup(handle, name)?;
        let mut buffer = vec![0; len];
        let got = self.done(Opcode::Read, [attribute, 0, 0, 0, 0], &mut buffer);
        self.close(attribute);
        got.map(|len| buffer[..len as usize].to_vec())
    }

    fn set(&mut self, handle: u64, name: &str, value: &[u8]) -> Result<u64, i32> {
        let attribute = self.dup(handle, name)?;
        let mut value = value.to_vec();
        let got = self.done(Opcode::Write, [attribute, 0, 0, 0, 0], &mut value);
        self.close(attribute);
        got
    }

    fn number(&mut self, handle: u64, name: &str) -> Result<u32, i32> {
        let bytes = self.get(handle, name, 4)?;
        Ok(u32::from_ne_bytes(bytes.try_into().unwrap()))
    }

    fn settings(&mut self, handle: u64, change: impl FnOnce(&mut Termios)) {
        let bytes = self.get(handle, "termios", 60).unwrap();
        let mut settings = Termios::from_bytes(&bytes).unwrap();
        change(&mut settings);
        self.set(handle, "termios", &settings.to_bytes()).unwrap();
    }

    /// Makes a terminal the controlling one of the caller's session, as the C library does; answers
    /// what the process manager keeps.
    fn control(&mut self, handle: u64) -> Result<u64, i32> {
        self.acquire(handle, self.caller / 10 * 10)?;
        self.dup(handle, "controlling")
    }

    /// Sends a session's descriptor to a terminal.
    fn acquire(&mut self, handle: u64, session: u32) -> Result<u64, i32> {
        let acquire = self.dup(handle, "sctty")?;
        self.manager.coming = Some(session);
        let sent = self.done(Opcode::Sendfd, [acquire, 0, 0, 0, 0], &mut []);
        self.close(acquire);
        sent
    }

    fn pair(&mut self) -> (u64, u64) {
        let master = self.open("").unwrap();
        (master, self.dup(master, "slave").unwrap())
    }
}

#[test]
fn both_sides_talk() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    assert_eq!(world.read(slave), Err(EAGAIN));
    assert_eq!(world.read(master), Err(EAGAIN));
    let reader = world.read_later(slave);
    assert_eq!(world.write(master, "hello"), Ok(5));
    assert!(world.replies.is_empty());
    assert_eq!(world.write(master, "\r"), Ok(1));
    assert_eq!(world.replies[&reader], (Ok(6), "hello\n".into()));
    assert_eq!(world.read(master), Ok("hello\r\n".into()));
    let reader = world.read_later(master);
    assert_eq!(world.write(slave, "a\n"), Ok(2));
    assert_eq!(world.replies[&reader], (Ok(3), "a\r\n".into()));
    assert_eq!(world.server.counts(), (1, 3));
}

#[test]
fn terminals_have_numbers_names_and_owners() {
    let mut world = World::pty();
    world.uid = 5;
    let masters = [(); 3].map(|()| world.open("").unwrap());
    let mut path = [0; 40];
    let len = world
        .done(Opcode::Fpath, [masters[2], 0, 0, 0, 0], &mut path)
        .unwrap();
    assert_eq!(&path[..len as usize], b"/scheme/pty/2");
    let slave = world.open("1").unwrap();
    let mut stat = Stat::default();
    world
        .done(Opcode::Fstat, [slave, 0, 0, 0, 0], &mut stat)
        .unwrap();
    assert_eq!(
        (stat.st_uid, stat.st_mode & 0o777, stat.st_ino),
        (5, 0o620, 2)
    );
    let rows = [
        ("3", ENOENT),
        ("x", ENOENT),
        ("-1", ENOENT),
        ("1/x", ENOENT),
    ];
    for (path, error) in rows {
        assert_eq!(world.open(path), Err(error), "{path}");
    }
    world.uid = 6;
    assert_eq!(world.open("1"), Err(EACCES));
    let chown = |world: &mut World| world.done(Opcode::Fchown, [slave, 6, 7, 0, 0], &mut []);
    assert_eq!(chown(&mut world), Err(EPERM));
    world.uid = 0;
    assert!(world.open("1").is_ok());
    assert_eq!(chown(&mut world), Ok(0));
    world.uid = 6;
    assert!(world.open("1").is_ok());
    // A number is free when the last descriptor is gone.
    world.close(masters[0]);
    assert_eq!(world.open("0"), Err(ENOENT));
    let again = world.open("ptmx").unwrap();
    let len = world
        .done(Opcode::Fpath, [again, 0, 0, 0, 0], &mut path)
        .unwrap();
    assert_eq!(&path[..len as usize], b"/scheme/pty/0");
}

/// One thread waits, and others of its process close both sides.
#[test]
fn what_waits_at_a_terminal_that_is_closed_has_its_answer() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    let mut text = "x".repeat(1 << 20).into_bytes();
    let writer = world.ask(Opcode::Write, [slave, 0, 0, 0, 0], &mut text);
    let typist = world.ask(Opcode::Write, [master, 0, 0, 0, 0], &mut text);
    world.close(slave);
    world.close(master);
    assert_eq!(world.server.counts(), (0, 1));
    for waited in [writer, typist].into_iter().filter_map(Result::err) {
        assert!(world.replies.contains_key(&waited));
    }
    assert!(writer.is_err(), "there is no end to the room");
    let master = world.open("").unwrap();
    let reader = world.read_later(master);
    world.close(master);
    assert_eq!(world.replies[&reader].0, Err(EBADF));
}

#[test]
fn the_end_of_either_side() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    let reader = world.read_later(master);
    world.write(slave, "bye").unwrap();
    assert_eq!(world.replies[&reader], (Ok(3), "bye".into()));
    let reader = world.read_later(master);
    world.close(slave);
    assert_eq!(world.replies[&reader], (Ok(0), String::new()));
    assert_eq!(world.read(master), Ok(String::new()));
    // It can be opened again.
    let slave = world.open("0").unwrap();
    assert_eq!(world.read(master), Err(EAGAIN));
    world.write(master, "x\n").unwrap();
    world.close(master);
    assert_eq!(world.read(slave), Ok("x\n".into()));
    assert_eq!(world.read(slave), Ok(String::new()));
    assert_eq!(world.write(slave, "x"), Err(EIO));
    assert_eq!(world.open("0"), Err(ENOENT));
    assert_eq!(world.dup(slave, "termios"), Err(EIO));
    world.close(slave);
    assert_eq!(world.server.counts(), (0, 1), "only the root is left");
}

#[test]
fn writers_wait_for_room() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    world.settings(slave, |s| s.oflag = 0);
    let mut big = vec![b'x'; 40_000];
    let writer = world
        .ask(Opcode::Write, [slave, 0, 0, 0, 0], &mut big)
        .unwrap_err();
    let flags = O_NONBLOCK as u64;
    let more = world.done(Opcode::Write, [slave, 0, 0, 0, flags], &mut big);
    assert_eq!(more, Err(EAGAIN));
    let mut got = 0;
    while let Ok(text) = world.read(master) {
        got += text.len();
    }
    assert_eq!(got, 40_000);
    assert_eq!(world.replies[&writer], (Ok(40_000), String::new()));
    // The other way: raw input that nobody reads.
    world.settings(slave, |s| s.lflag &= !(ICANON | ECHO));
    let writer = world
        .ask(Opcode::Write, [master, 0, 0, 0, 0], &mut big)
        .unwrap_err();
    let mut got = 0;
    while let Ok(text) = world.read(slave) {
        got += text.len();
    }
    assert_eq!(got, 40_000);
    assert_eq!(world.replies[&writer], (Ok(40_000), String::new()));
}

#[test]
fn a_request_is_taken_back() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    let reader = world.read_later(slave);
    let mut big = vec![b'x'; 40_000];
    let writer = world
        .ask(Opcode::Write, [slave, 0, 0, 0, 0], &mut big)
        .unwrap_err();
    for tag in [reader, writer, 999] {
        let sqe = Sqe {
            opcode: Opcode::Cancel as u8,
            sqe_flags: SqeFlags::ONEWAY,
            tag,
            ..Sqe::default()
        };
        world.server.handle(&sqe, &mut [], 0, &mut world.manager);
        world.after();
    }
    assert_eq!(world.replies[&reader].0, Err(EINTR));
    let done = world.replies[&writer].0.unwrap();
    assert!((1..40_000).contains(&done), "{done}");
    world.write(master, "x\n").unwrap();
    assert_eq!(world.read(slave), Ok("x\n".into()));
}

#[test]
fn attributes() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    let size = WindowSize {
        rows: 3,
        columns: 4,
        width: 5,
        height: 6,
    };
    assert_eq!(world.set(master, "winsize", &size.to_bytes()), Ok(8));
    assert_eq!(world.get(slave, "winsize", 8), Ok(size.to_bytes().to_vec()));
    world.settings(slave, |s| s.lflag &= !ECHO);
    let seen = Termios::from_bytes(&world.get(master, "termios", 60).unwrap()).unwrap();
    assert_eq!(seen.lflag & ECHO, 0);
    world.write(master, "ab\ncd").unwrap();
    world.write(slave, "xyz").unwrap();
    assert_eq!(world.number(slave, "nread"), Ok(3));
    assert_eq!(world.number(slave, "outq"), Ok(3));
    assert_eq!(world.get(slave, "outq", 8).unwrap().len(), 8);
    world.set(slave, "flow", &0u32.to_ne_bytes()).unwrap();
    assert_eq!(world.read(master), Err(EAGAIN));
    world.set(slave, "flow", &1u32.to_ne_bytes()).unwrap();
    assert_eq!(world.read(master), Ok("xyz".into()));
    world.set(slave, "flush", &2usize.to_ne_bytes()).unwrap();
    assert_eq!(world.read(slave), Err(EAGAIN));
    let bad: &[(&str, &[u8], i32)] = &[
        ("termios", &[0; 59], EINVAL),
        ("winsize", &[0; 7], EINVAL),
        ("flush", &[3, 0, 0, 0], EINVAL),
        ("flow", &[4, 0, 0, 0], EINVAL),
        ("flow", &[0; 3], EINVAL),
        ("sid", &[0; 4], EINVAL),
        ("pgrp", &[1, 0, 0, 0], ENOTTY),
        ("nonsense", &[0; 4], EINVAL),
        ("\u{7f}", &[], EINVAL),
    ];
    for (name, value, error) in bad {
        assert_eq!(world.set(slave, name, value), Err(*error), "{name}");
    }
    assert_eq!(world.number(slave, "pgrp"), Err(ENOTTY));
    for handle in [world.root, 12345] {
        assert!(world.read(handle).is_err() && world.write(handle, "x").is_err());
    }
}

#[test]
fn keys_signal_the_foreground() {
    let mut world = World::console();
    let console = world.open("").unwrap();
    world.caller = 11;
    assert_eq!(world.control(console), Err(EPERM), "not the leader");
    world.caller = 10;
    world.control(console).unwrap();
    assert_eq!(world.control(console), Err(EPERM), "it has one");
    assert_eq!(world.number(console, "sid"), Ok(10));
    assert_eq!(world.number(console, "pgrp"), Ok(10));
    world.server.input(b"\x03", 0, &mut world.manager);
    assert_eq!(world.manager.sent, [(INT, 10)]);
    world.set(console, "pgrp", &11u32.to_ne_bytes()).unwrap();
    world.server.input(b"\x03", 0, &mut world.manager);
    assert_eq!(world.manager.sent.pop(), Some((INT, 11)));
    world.caller = 11;
    assert_eq!(world.set(console, "pgrp", &20u32.to_ne_bytes()), Err(EPERM));
    world.caller = 20;
    assert_eq!(
        world.set(console, "pgrp", &20u32.to_ne_bytes()),
        Err(ENOTTY)
    );
    let size = WindowSize {
        rows: 1,
        ..WindowSize::default()
    };
    world.set(console, "winsize", &size.to_bytes()).unwrap();
    world.set(console, "winsize", &size.to_bytes()).unwrap();
    assert_eq!(world.manager.sent, [(INT, 10), (WINCH, 11)]);
}

/// It may be anybody's, who is asked nothing; and a terminal that has a session asks nobody at all.
#[test]
fn what_is_no_session_gets_no_terminal() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    assert_eq!(world.acquire(slave, 0), Err(EINVAL));
    assert_eq!(world.number(slave, "sid"), Err(ENOTTY));
    assert_eq!(world.write(master, "\x03"), Ok(1));
    assert_eq!(world.manager.asked, [0]);
    world.control(slave).unwrap();
    assert_eq!(world.acquire(slave, 0), Err(EPERM));
    assert_eq!(world.manager.asked, [0, 10]);
    assert_eq!(world.number(slave, "sid"), Ok(10));
}

#[test]
fn the_background_is_stopped() {
    let mut world = World::console();
    let console = world.open("").unwrap();
    world.control(console).unwrap();
    world.caller = 12;
    let rows = [
        (false, false, EINTR),
        (true, false, EIO),
        (false, true, EIO),
    ];
    for (insensitive, orphaned, error) in rows {
        world.manager.insensitive = insensitive;
        world.manager.orphaned = orphaned;
        assert_eq!(world.read(console), Err(error));
    }
    assert_eq!(core::mem::take(&mut world.manager.sent), [(TTIN, 12)]);
    world.manager.orphaned = false;
    // Output only if that is wanted, settings always.
    assert_eq!(world.write(console, "x"), Ok(1));
    assert_eq!(world.set(console, "flush", &[0; 4]), Err(EINTR));
    world.caller = 10;
    world.settings(console, |s| s.lflag |= TOSTOP);
    world.caller = 12;
    assert_eq!(world.write(console, "x"), Err(EINTR));
    assert_eq!(core::mem::take(&mut world.manager.sent), [(TTOU, 12); 2]);
    world.manager.insensitive = true;
    assert_eq!(world.write(console, "x"), Ok(1));
    // Another session's processes are nobody's background.
    world.caller = 20;
    assert_eq!(world.write(console, "x"), Ok(1));
    assert_eq!(world.read(console), Err(EAGAIN));
}

#[test]
fn a_session_ends_with_its_terminal() {
    let mut world = World::console();
    let console = world.open("").unwrap();
    let kept = world.control(console).unwrap();
    let lent = world.dup(console, "lent").unwrap();
    world
        .done(Opcode::Fchown, [console, 7, 7, 0, 0], &mut [])
        .unwrap();
    let again = world.dup(lent, "tty").unwrap();
    world.settings(console, |s| s.lflag = 0);
    world.set(console, "pgrp", &11u32.to_ne_bytes()).unwrap();
    world.caller = 11;
    let reader = world.read_later(again);
    world.close(kept);
    assert_eq!(world.manager.sent, [(HUP, 11), (CONT, 11)]);
    assert_eq!(world.replies[&reader], (Ok(0), String::new()));
    assert_eq!(world.read(console), Ok(String::new()));
    assert_eq!(world.write(again, "x"), Err(EIO));
    // Whoever still has what was lent gets nothing through it.
    assert_eq!(world.dup(lent, "tty"), Err(EIO));
    // The next one finds it as new.
    world.uid = 7;
    assert_eq!(world.open(""), Err(EACCES));
    world.uid = 0;
    world.caller = 20;
    let next = world.open("").unwrap();
    let settings = Termios::from_bytes(&world.get(next, "termios", 60).unwrap());
    assert_eq!(settings, Some(Termios::default()));
    world.control(next).unwrap();
    world.server.input(b"x\n", 0, &mut world.manager);
    assert_eq!(world.read(next), Ok("x\n".into()));
    assert_eq!(world.server.output(0, &mut world.manager), b"x\r\n");
    // What is closed late does not count.
    world.close(lent);
    world.close(console);
    world.close(again);
    assert_eq!(world.write(next, "y"), Ok(1));
}

/// What the process manager keeps gives nothing, and what it lends is no terminal itself.
#[test]
fn what_is_kept_and_what_is_lent() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    assert_eq!(world.dup(slave, "lent"), Err(EPERM), "there is no session");
    let kept = world.control(slave).unwrap();
    world.caller = 11;
    assert_eq!(world.dup(slave, "lent"), Err(EPERM), "not the leader");
    world.caller = 10;
    let lent = world.dup(slave, "lent").unwrap();
    for name in ["tty", "termios", "lent", "controlling", "sctty"] {
        assert_eq!(world.dup(kept, name), Err(EINVAL), "{name}");
    }
    for name in ["lent", "controlling", "sctty"] {
        assert_eq!(world.dup(lent, name), Err(EINVAL), "{name}");
    }
    assert_eq!(world.read(lent), Err(EBADF));
    assert_eq!(world.write(lent, "x"), Err(EBADF));
    let again = world.dup(lent, "tty").unwrap();
    assert_eq!(world.write(again, "x"), Ok(1));
    // It keeps no terminal open.
    world.close(again);
    world.close(slave);
    assert_eq!(world.read(master), Ok("x".into()));
    assert_eq!(world.read(master), Ok(String::new()));
    // Nor a session: who begins the next one has a terminal.
    world.close(kept);
    world.caller = 20;
    let next = world.dup(master, "slave").unwrap();
    world.control(next).unwrap();
    assert_eq!(world.dup(lent, "tty"), Err(EIO));
}

#[test]
fn hanging_up_signals_leader_and_foreground() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    let kept = world.control(slave).unwrap();
    world.set(slave, "pgrp", &11u32.to_ne_bytes()).unwrap();
    world.close(master);
    let all = [(HUP, 10), (CONT, 10), (HUP, 11), (CONT, 11)];
    assert_eq!(core::mem::take(&mut world.manager.sent), all);
    world.close(kept);
    assert_eq!(world.manager.sent, []);
    // The master sees the end when the session does, whoever still holds the terminal.
    let (master, slave) = world.pair();
    let kept = world.control(slave).unwrap();
    world.close(kept);
    assert_eq!(world.read(master), Ok(String::new()));
    world.close(slave);
}

#[test]
fn a_read_has_its_time() {
    const TENTH: u64 = 100_000_000;
    let mut world = World::pty();
    let (master, slave) = world.pair();
    world.settings(slave, |s| {
        s.lflag &= !ICANON;
        s.cc[VMIN] = 0;
        s.cc[VTIME] = 5;
    });
    world.now = 7;
    let first = world.read_later(slave);
    world.now = 8;
    let second = world.read_later(slave);
    assert_eq!(world.server.deadline(), Some(7 + 5 * TENTH));
    world.server.tick(7 + 5 * TENTH, &mut world.manager);
    world.after();
    assert_eq!(world.replies[&first], (Ok(0), String::new()));
    assert_eq!(world.server.deadline(), Some(8 + 5 * TENTH));
    world.write(master, "x").unwrap();
    assert_eq!(world.replies[&second], (Ok(1), "x".into()));
    assert_eq!(world.server.deadline(), None);
    // One that may not wait answers nothing.
    assert_eq!(world.read(slave), Ok(String::new()));
}

#[test]
fn events() {
    let mut world = World::pty();
    let (master, slave) = world.pair();
    let (read, write) = (EventFlags::EVENT_READ, EventFlags::EVENT_WRITE);
    let both = (read | write).bits() as u64;
    let watch = |world: &mut World, handle, flags: u64| {
        world.done(Opcode::Fevent, [handle, flags, 0, 0, 0], &mut [])
    };
    assert_eq!(watch(&mut world, slave, both), Ok(write.bits() as u64));
    assert_eq!(watch(&mut world, master, read.bits() as u64), Ok(0));
    world.write(master, "x").unwrap();
    assert_eq!(world.events.pop(), Some((slave, write.bits())));
    assert_eq!(world.events.pop(), Some((master, read.bits())), "the echo");
    world.write(master, "\n").unwrap();
    assert!(world.events.contains(&(slave, (read | write).bits())));
    watch(&mut world, slave, 0).unwrap();
    watch(&mut world, master, 0).unwrap();
    world.events.clear();
    world.write(slave, "x").unwrap();
    assert_eq!(world.events, []);
    assert_eq!(
        {
            let root = world.root;
            watch(&mut world, root, both)
        },
        Err(EPERM)
    );
    watch(&mut world, slave, both).unwrap();
    world.close(master);
    assert_eq!(world.events, [(slave, (read | write).bits())]);
}

#[test]
fn one_user_leaves_terminals_and_handles_to_others() {
    type Take = fn(&mut World, u64) -> Result<u64, i32>;
    // What is taken until there is no more, of what error that is, and how much a user gets of how much.
    let rows: [(&str, Take, i32, usize, usize); 2] = [
        (
            "terminals",
            |world, _| world.open(""),
            ENOSPC,
            1 << 8,
            1 << 12,
        ),
        (
            "handles",
            |world, master| world.dup(master, "slave"),
            ENFILE,
            1 << 14,
            1 << 16,
        ),
    ];
    for (what, take, error, of_user, all) in rows {
        let mut world = World::pty();
        let master = world.open("").unwrap();
        let before = world.server.counts();
        let mut opened = Vec::new();
        for uid in (1..=all / of_user + 1).rev() {
            world.uid = uid as u32;
            let earlier = opened.len();
            let refused = loop {
                match take(&mut world, master) {
                    Ok(handle) => opened.push(handle),
                    Err(error) => break error,
                }
            };
            assert_eq!(refused, error, "{what}");
            assert!(opened.len() - earlier <= of_user, "{what}");
            if earlier == 0 {
                assert_eq!(opened.len(), of_user, "{what}");
            }
        }
        world.uid = 0;
        for _ in 0..all / 16 - 2 {
            opened.push(take(&mut world, master).unwrap());
        }
        for handle in opened {
            world.close(handle);
        }
        assert_eq!(world.server.counts(), before, "{what}");
        world.uid = 1;
        assert!(take(&mut world, master).is_ok(), "{what}");
    }
}
