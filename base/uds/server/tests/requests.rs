//! Requests as the kernel sends them. A descriptor is a number here.

use std::collections::BTreeMap;

use syscall::{
    EACCES, EADDRINUSE, EAGAIN, EBADF, ECONNREFUSED, EDESTADDRREQ, EINTR, EINVAL, EISCONN,
    EMSGSIZE, ENFILE, ENOENT, ENOTCONN, EPIPE, ETOOMANYREFS, Stat,
    flag::{EventFlags, O_NONBLOCK, O_RDWR},
    schemev2::{Opcode, Sqe, SqeFlags},
};
use uds_api::{ADDRESS, Address, HEADER, Header, TOKEN, Token, flag, option, verb};
use uds_server::{Effect, Kind, Server, World as Outside};

#[derive(Default)]
struct Descriptors {
    tokens: u8,
    coming: Vec<u32>,
    given: Vec<u32>,
    /// Of descriptors of the scheme's own: the handle.
    own: BTreeMap<u32, u64>,
    /// How many descriptors there are of handles that were sent.
    holders: BTreeMap<u64, usize>,
}

impl Outside for Descriptors {
    type Fd = u32;
    fn obtain(&mut self, _: u32, count: usize) -> Result<Vec<u32>, i32> {
        assert_eq!(count, self.coming.len());
        Ok(std::mem::take(&mut self.coming))
    }
    fn give(&mut self, _: u32, fds: Vec<u32>) -> Result<(), i32> {
        self.given = fds;
        Ok(())
    }
    fn own(&self, fd: &u32) -> Option<u64> {
        self.own.get(fd).copied()
    }
    fn holders(&self, fd: &u32) -> usize {
        self.holders[&self.own[fd]]
    }
    fn token(&mut self) -> Result<Token, i32> {
        self.tokens += 1;
        Ok([self.tokens; TOKEN])
    }
}

struct World {
    server: Server<u32>,
    outside: Descriptors,
    root: u64,
    tag: u32,
    now: u64,
    caller: u32,
    uid: u32,
    replies: BTreeMap<u32, (Result<usize, i32>, Vec<u8>)>,
    opened: BTreeMap<u32, u64>,
    events: Vec<(u64, usize)>,
}

type Answer = Result<Result<u64, i32>, u32>;

fn done<T: std::fmt::Debug>(answer: Result<T, u32>) -> T {
    answer.expect("it waits")
}

fn address(token: Token, name: &[u8]) -> Vec<u8> {
    Address { token, name }.to_bytes().to_vec()
}

impl World {
    fn new(kind: Kind) -> Self {
        let mut server = Server::new(kind);
        let root = server.root().unwrap();
        Self {
            server,
            outside: Descriptors::default(),
            root,
            tag: 0,
            now: 0,
            caller: 10,
            uid: 0,
            replies: BTreeMap::new(),
            opened: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn after(&mut self) {
        for effect in self.server.take_effects() {
            match effect {
                Effect::Reply(tag, result, bytes) => {
                    assert!(self.replies.insert(tag, (result, bytes)).is_none());
                }
                Effect::Opened(tag, handle) => {
                    assert!(self.opened.insert(tag, handle).is_none());
                }
                Effect::Event(handle, flags) => self.events.push((handle, flags.bits())),
            }
        }
    }

    fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> Answer {
        self.tag += 1;
        let sqe = Sqe {
            opcode: opcode as u8,
            tag: self.tag,
            args,
            caller: self.caller.into(),
            ..Sqe::default()
        };
        let cqe = self
            .server
            .handle(&sqe, payload, self.now, &mut self.outside);
        self.after();
        match cqe.map(|cqe| cqe.result as i64) {
            None => Err(self.tag),
            Some(error) if error < 0 => Ok(Err(-error as i32)),
            Some(value) => Ok(Ok(value as u64)),
        }
    }

    fn socket(&mut self) -> u64 {
        let ids = u64::from(self.uid) | u64::from(self.uid) << 32;
        let args = [self.root, 0, 0, O_RDWR as u64, 0, ids];
        done(self.ask(Opcode::OpenAt, args, &mut [])).unwrap()
    }

    fn dup(&mut self, handle: u64, name: &str) -> Answer {
        let mut name = name.as_bytes().to_vec();
        self.ask(Opcode::Dup, [handle, 0, 0, 0, 0, 0], &mut name)
    }

    fn call(&mut self, handle: u64, metadata: [u64; 3], payload: &mut [u8]) -> Answer {
        let [a, b, c] = metadata;
        self.ask(Opcode::Call, [handle, 0, 0, a, b, c], payload)
    }

    fn bind(&mut self, handle: u64, name: &[u8], mode: u64) -> Result<Token, i32> {
        let mut payload = address([0; TOKEN], name);
        done(self.call(handle, [verb::BIND, mode, 0], &mut payload))?;
        Ok(payload[..TOKEN].try_into().unwrap())
    }

    fn connect(&mut self, handle: u64, token: Token, name: &[u8], flags: u64) -> Answer {
        let mut payload = address(token, name);
        self.call(handle, [verb::CONNECT, flags, 0], &mut payload)
    }

    /// A listening socket with its token.
    fn listener(&mut self, backlog: u64) -> (u64, Token) {
        let listener = self.socket();
        let token = self.bind(listener, b"/tmp/s", 0o777).unwrap();
        done(self.call(listener, [verb::LISTEN, backlog, 0], &mut [])).unwrap();
        (listener, token)
    }

    fn pair(&mut self) -> (u64, u64) {
        let one = self.socket();
        let two = done(self.dup(one, "pair")).unwrap();
        (one, two)
    }

    fn write(&mut self, handle: u64, text: &str, flags: usize) -> Answer {
        let mut text = text.as_bytes().to_vec();
        self.ask(Opcode::Write, [handle, 0, 0, 0, flags as u64, 0], &mut text)
    }

    fn read(&mut self, handle: u64) -> Result<String, i32> {
        let mut buffer = [0; 100];
        let args = [handle, 0, 0, 0, O_NONBLOCK as u64, 0];
        let len = done(self.ask(Opcode::Read, args, &mut buffer))?;
        Ok(String::from_utf8(buffer[..len as usize].to_vec()).unwrap())
    }

    fn read_later(&mut self, handle: u64) -> u32 {
        let args = [handle, 0, 0, 0, 0, 0];
        self.ask(Opcode::Read, args, &mut [0; 100]).unwrap_err()
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
            .handle(&sqe, &mut [], self.now, &mut self.outside);
        assert!(said.is_none());
        self.after();
    }

    fn option(&mut self, handle: u64, asked: u64) -> Result<u64, i32> {
        done(self.call(handle, [verb::GET_OPTION, asked, 0], &mut [0; 12]))
    }

    /// Receives a message: its data, and what stands before.
    fn receive(&mut self, handle: u64, room: usize, most: u64) -> Result<(String, Vec<u64>), i32> {
        let mut buffer = vec![0; HEADER + room];
        let metadata = [verb::RECEIVE, flag::NONBLOCK, most];
        let len = done(self.call(handle, metadata, &mut buffer))?;
        let (header, data) = Header::split(&buffer[..len as usize]).unwrap();
        assert_eq!(data.len(), header.len as usize);
        let numbers = [header.whole, header.descriptors, header.lost, header.ticket];
        let text = format!(
            "{}<{}",
            String::from_utf8_lossy(data),
            String::from_utf8_lossy(header.name)
        );
        Ok((text, numbers.map(u64::from).to_vec()))
    }

    /// Sends a message with descriptors.
    fn send_with(&mut self, handle: u64, text: &str, fds: &[u32]) -> Answer {
        let ticket = done(self.dup(handle, "ticket")).unwrap();
        self.outside.coming = fds.to_vec();
        let args = [ticket, 0, 0, fds.len() as u64, 0, 0];
        if let Err(error) = done(self.ask(Opcode::Sendfd, args, &mut [])) {
            self.outside.coming.clear();
            self.close(ticket);
            return Ok(Err(error));
        }
        let mut payload = address([0; TOKEN], b"");
        payload.extend_from_slice(text.as_bytes());
        let answer = self.call(ticket, [verb::SEND, flag::NONBLOCK, 0], &mut payload);
        self.close(ticket);
        answer
    }

    fn fetch(&mut self, handle: u64, ticket: u64, count: u64) -> Result<Vec<u32>, i32> {
        let args = [handle, 0, count, ticket, 0, 0];
        let got = done(self.ask(Opcode::Recvfd, args, &mut []))?;
        let given = std::mem::take(&mut self.outside.given);
        assert_eq!(got, given.len() as u64);
        Ok(given)
    }
}

#[test]
fn a_connection() {
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(8);
    assert_eq!(done(world.dup(listener, "accept-nonblock")), Err(EAGAIN));
    let accept = world.dup(listener, "accept").unwrap_err();
    let client = world.socket();
    assert_eq!(world.read(client), Err(ENOTCONN));
    assert_eq!(done(world.write(client, "x", 0)), Err(ENOTCONN));
    assert_eq!(done(world.connect(client, token, b"/tmp/s", 0)), Ok(0));
    let server = world.opened[&accept];
    assert_eq!(
        done(world.connect(client, token, b"/tmp/s", 0)),
        Err(EISCONN)
    );
    let reader = world.read_later(server);
    assert_eq!(done(world.write(client, "hello", 0)), Ok(5));
    assert_eq!(world.replies[&reader], (Ok(5), b"hello".to_vec()));
    done(world.write(server, "a", 0)).unwrap();
    done(world.write(server, "b", 0)).unwrap();
    assert_eq!(world.read(client), Ok("ab".into()));
    assert_eq!(world.read(client), Err(EAGAIN));
    // Names of both sides.
    let mut name = [0; 100];
    let len = done(world.call(client, [verb::PEER_NAME, 0, 0], &mut name)).unwrap();
    assert_eq!(&name[..len as usize], b"/tmp/s");
    let own = done(world.call(server, [verb::NAME, 0, 0], &mut name));
    assert_eq!(own, Ok(6));
    assert_eq!(
        done(world.call(server, [verb::PEER_NAME, 0, 0], &mut name)),
        Ok(0)
    );
    // Its name stays with those who were connected with it.
    let late = world.socket();
    done(world.connect(late, token, b"/tmp/s", 0)).unwrap();
    let short = done(world.dup(listener, "accept")).unwrap();
    world.close(short);
    let len = done(world.call(late, [verb::PEER_NAME, 0, 0], &mut name)).unwrap();
    assert_eq!(&name[..len as usize], b"/tmp/s");
    world.close(late);
    // The end.
    let reader = world.read_later(server);
    world.close(client);
    assert_eq!(world.replies[&reader], (Ok(0), Vec::new()));
    assert_eq!(done(world.write(server, "x", 0)), Err(EPIPE));
    world.close(server);
    world.close(listener);
    assert_eq!(world.server.counts(), (0, 1));
    let late = world.socket();
    assert_eq!(
        done(world.connect(late, token, b"/tmp/s", 0)),
        Err(ECONNREFUSED)
    );
}

#[test]
fn a_queue_of_connections() {
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(2);
    let clients = [(); 4].map(|()| world.socket());
    for client in &clients[..2] {
        assert_eq!(done(world.connect(*client, token, b"", 0)), Ok(0));
    }
    // One can be written to before it is accepted.
    done(world.write(clients[0], "early", 0)).unwrap();
    let again = done(world.connect(clients[2], token, b"", flag::NONBLOCK));
    assert_eq!(again, Err(EAGAIN));
    let third = world.connect(clients[2], token, b"", 0).unwrap_err();
    let fourth = world.connect(clients[3], token, b"", 0).unwrap_err();
    let first = done(world.dup(listener, "accept")).unwrap();
    assert_eq!(world.read(first), Ok("early".into()));
    assert_eq!(world.replies[&third].0, Ok(0));
    assert!(!world.replies.contains_key(&fourth));
    world.close(listener);
    assert_eq!(world.replies[&fourth].0, Err(ECONNREFUSED));
    // Those that were never accepted see the end.
    assert_eq!(world.read(clients[1]), Ok(String::new()));
    assert_eq!(world.read(clients[0]), Err(EAGAIN));
    for client in clients {
        world.close(client);
    }
    world.close(first);
    assert_eq!(world.server.counts(), (0, 1));
}

#[test]
fn who_may_connect_and_who_it_is() {
    let mut world = World::new(Kind::Stream);
    world.uid = 5;
    world.caller = 50;
    let listener = world.socket();
    let token = world.bind(listener, b"/x", 0o600).unwrap();
    done(world.call(listener, [verb::LISTEN, 4, 0], &mut [])).unwrap();
    world.uid = 6;
    world.caller = 60;
    let stranger = world.socket();
    assert_eq!(done(world.connect(stranger, token, b"/x", 0)), Err(EACCES));
    let guess = done(world.connect(stranger, [9; TOKEN], b"/x", 0));
    assert_eq!(guess, Err(ECONNREFUSED));
    world.uid = 5;
    world.caller = 70;
    let client = world.socket();
    assert_eq!(
        world.option(client, option::PEER_CREDENTIALS),
        Err(ENOTCONN)
    );
    done(world.connect(client, token, b"/x", 0)).unwrap();
    let server = done(world.dup(listener, "accept")).unwrap();
    for (socket, pid) in [(client, 50_u32), (server, 70)] {
        let mut bytes = [0; 12];
        let metadata = [verb::GET_OPTION, option::PEER_CREDENTIALS, 0];
        done(world.call(socket, metadata, &mut bytes)).unwrap();
        let wanted = [pid, 5, 5].map(u32::to_ne_bytes).concat();
        assert_eq!(bytes.to_vec(), wanted);
    }
    assert_eq!(world.option(listener, option::ACCEPTS), Ok(1));
    assert_eq!(world.option(client, option::TYPE), Ok(1));
    assert!(world.option(client, 999).is_err());
}

#[test]
fn names_are_used_once() {
    let mut world = World::new(Kind::Stream);
    let [a, b] = [(); 2].map(|()| world.socket());
    assert_eq!(world.bind(a, b"", 0), Err(EINVAL));
    assert_eq!(
        done(world.call(a, [verb::LISTEN, 1, 0], &mut [])),
        Err(EDESTADDRREQ)
    );
    world.bind(a, b"\0name", 0o777).unwrap();
    assert_eq!(world.bind(a, b"\0other", 0), Err(EINVAL));
    assert_eq!(world.bind(b, b"\0name", 0), Err(EADDRINUSE));
    assert_eq!(
        done(world.connect(b, [0; TOKEN], b"\0name", 0)),
        Err(ECONNREFUSED)
    );
    done(world.call(a, [verb::LISTEN, 1, 0], &mut [])).unwrap();
    assert_eq!(done(world.connect(b, [0; TOKEN], b"\0name", 0)), Ok(0));
    world.close(a);
    let c = world.socket();
    assert!(world.bind(c, b"\0name", 0).is_ok());
}

#[test]
fn descriptors_go_along() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    done(world.write(a, "before", 0)).unwrap();
    assert_eq!(done(world.send_with(a, "with", &[7, 8, 9])), Ok(4));
    done(world.write(a, "behind", 0)).unwrap();
    let (text, numbers) = world.receive(b, 100, 10).unwrap();
    assert_eq!((text.as_str(), numbers[1]), ("before<", 0));
    let (text, numbers) = world.receive(b, 100, 2).unwrap();
    assert_eq!((text.as_str(), &numbers[1..3]), ("with<", &[2, 1][..]));
    assert_eq!(world.fetch(b, numbers[3] + 1, 2), Err(EINVAL));
    assert_eq!(world.fetch(a, numbers[3], 2), Err(EINVAL));
    assert_eq!(world.fetch(b, numbers[3], 2), Ok(vec![7, 8]));
    assert_eq!(world.fetch(b, numbers[3], 2), Err(EINVAL));
    // Who only reads does not get them.
    done(world.send_with(a, "!", &[1])).unwrap();
    assert_eq!(world.read(b), Ok("behind".into()));
    assert_eq!(world.read(b), Ok("!".into()));
    // What is not fetched goes with the next message.
    done(world.send_with(a, "1", &[1])).unwrap();
    done(world.send_with(a, "2", &[])).unwrap();
    let (_, numbers) = world.receive(b, 1, 9).unwrap();
    world.receive(b, 1, 9).unwrap();
    assert_eq!(world.fetch(b, numbers[3], 1), Err(EINVAL));
}

#[test]
fn both_directions_end_apart() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    let shut = |world: &mut World, socket, how| {
        done(world.call(socket, [verb::SHUT_DOWN, how, 0], &mut []))
    };
    done(world.write(a, "last", 0)).unwrap();
    let reader = world.read_later(a);
    assert_eq!(shut(&mut world, a, 1), Ok(0));
    assert_eq!(done(world.write(a, "x", 0)), Err(EPIPE));
    assert_eq!(world.read(b), Ok("last".into()));
    assert_eq!(world.read(b), Ok(String::new()));
    done(world.write(b, "back", 0)).unwrap();
    assert_eq!(world.replies[&reader].1, b"back");
    assert_eq!(shut(&mut world, a, 0), Ok(0));
    assert_eq!(done(world.write(b, "x", 0)), Err(EPIPE));
    assert_eq!(world.read(a), Ok(String::new()));
    assert_eq!(shut(&mut world, a, 3), Err(EINVAL));
    let idle = world.socket();
    assert_eq!(shut(&mut world, idle, 2), Err(ENOTCONN));
}

#[test]
fn writers_wait_for_room_and_time() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    let big = "x".repeat(100_000);
    let writer = world.write(a, &big, 0).unwrap_err();
    assert_eq!(done(world.write(a, "y", O_NONBLOCK)), Err(EAGAIN));
    let behind = world.write(a, "end", 0).unwrap_err();
    let mut got = String::new();
    while let Ok(text) = world.read(b) {
        got += &text;
    }
    assert_eq!(got, big + "end");
    assert_eq!(world.replies[&writer].0, Ok(100_000));
    assert_eq!(world.replies[&behind].0, Ok(3));
    // Time.
    done(world.call(b, [verb::SET_OPTION, option::RECEIVE_TIME, 50], &mut [])).unwrap();
    assert_eq!(world.option(b, option::RECEIVE_TIME), Ok(50));
    world.now = 7;
    let reader = world.read_later(b);
    assert_eq!(world.server.deadline(), Some(57));
    world.server.tick(56);
    world.after();
    assert!(!world.replies.contains_key(&reader));
    world.server.tick(57);
    world.after();
    assert_eq!(world.replies[&reader].0, Err(EAGAIN));
    assert_eq!(world.server.deadline(), None);
    // Taken back.
    let reader = world.read_later(b);
    let sqe = Sqe {
        opcode: Opcode::Cancel as u8,
        sqe_flags: SqeFlags::ONEWAY,
        tag: reader,
        ..Sqe::default()
    };
    world.server.handle(&sqe, &mut [], 0, &mut world.outside);
    world.after();
    assert_eq!(world.replies[&reader].0, Err(EINTR));
}

/// One thread waits, and another of its process closes what it waits at.
#[test]
fn what_waits_at_a_socket_that_is_closed_has_its_answer() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    let reader = world.read_later(a);
    let writer = world.write(a, &"x".repeat(100_000), 0).unwrap_err();
    let (listener, token) = world.listener(1);
    let accepting = world.dup(listener, "accept").unwrap_err();
    let (full, full_token) = world.listener(1);
    let clients = [(); 3].map(|()| world.socket());
    let connecting = clients.map(|client| world.connect(client, full_token, b"", 0));
    let connecting: Vec<u32> = connecting.into_iter().filter_map(Result::err).collect();
    assert!(!connecting.is_empty(), "{token:?}");
    for handle in [a, listener].into_iter().chain(clients) {
        world.close(handle);
    }
    assert_eq!(world.replies[&reader].0, Err(EBADF));
    // Part of it is at the other side.
    assert!(matches!(world.replies[&writer].0, Ok(count) if count < 100_000));
    assert_eq!(world.replies[&accepting].0, Err(EBADF));
    for tag in connecting {
        assert_eq!(world.replies[&tag].0, Err(EBADF));
    }
    world.close(b);
    world.close(full);
    assert_eq!(world.server.counts(), (0, 1));
}

#[test]
fn datagrams() {
    let mut world = World::new(Kind::Datagram);
    let [a, b] = [(); 2].map(|()| world.socket());
    let token = world.bind(a, b"/a", 0o777).unwrap();
    world.bind(b, b"\0b", 0o777).unwrap();
    assert_eq!(done(world.write(b, "x", 0)), Err(EDESTADDRREQ));
    assert!(done(world.call(a, [verb::LISTEN, 1, 0], &mut [])).is_err());
    let send = |world: &mut World, to: Vec<u8>, text: &str| {
        let mut payload = to;
        payload.extend_from_slice(text.as_bytes());
        done(world.call(b, [verb::SEND, flag::NONBLOCK, 0], &mut payload))
    };
    assert_eq!(send(&mut world, address(token, b"/a"), "hello"), Ok(5));
    assert_eq!(send(&mut world, address(token, b"/a"), ""), Ok(0));
    assert_eq!(
        send(&mut world, address([9; TOKEN], b"/a"), "x"),
        Err(ECONNREFUSED)
    );
    let long = "x".repeat(65_537);
    assert_eq!(
        send(&mut world, address(token, b"/a"), &long),
        Err(EMSGSIZE)
    );
    let (text, numbers) = world.receive(a, 3, 0).unwrap();
    assert_eq!((text.as_str(), numbers[0]), ("hel<\0b", 5));
    assert_eq!(world.receive(a, 3, 0).unwrap().0, "<\0b");
    assert_eq!(world.receive(a, 3, 0), Err(EAGAIN));
    // Connected: a receiver that is known, and gone some time.
    assert_eq!(done(world.connect(b, token, b"/a", 0)), Ok(0));
    assert_eq!(done(world.write(b, "known", 0)), Ok(5));
    assert_eq!(world.read(a), Ok("known".into()));
    let mut count = 0;
    while done(world.write(b, "more", O_NONBLOCK)).is_ok() {
        count += 1;
    }
    assert!((10..1000).contains(&count), "{count}");
    let writer = world.write(b, "waits", 0).unwrap_err();
    world.read(a).unwrap();
    assert_eq!(world.replies[&writer].0, Ok(5));
    let writer = world.write(b, "waits", 0).unwrap_err();
    world.close(a);
    assert_eq!(world.replies[&writer].0, Err(ECONNREFUSED));
    assert_eq!(done(world.write(b, "x", 0)), Err(ECONNREFUSED));
    // No address disconnects.
    assert_eq!(done(world.connect(b, [0; TOKEN], b"", 0)), Ok(0));
    assert_eq!(done(world.write(b, "x", 0)), Err(EDESTADDRREQ));
    let (c, d) = world.pair();
    assert_eq!(done(world.send_with(c, "fd", &[3])), Ok(2));
    let (text, numbers) = world.receive(d, 10, 5).unwrap();
    assert_eq!((text.as_str(), numbers[1]), ("fd<", 1));
    assert_eq!(world.fetch(d, numbers[3], 1), Ok(vec![3]));
}

#[test]
fn connections_of_messages() {
    let mut world = World::new(Kind::Packet);
    let (listener, token) = world.listener(8);
    let client = world.socket();
    assert_eq!(done(world.write(client, "x", 0)), Err(ENOTCONN));
    assert_eq!(world.read(client), Err(ENOTCONN));
    assert_eq!(done(world.connect(client, token, b"/s", 0)), Ok(0));
    let server = done(world.dup(listener, "accept")).unwrap();
    assert_eq!(done(world.connect(client, token, b"/s", 0)), Err(EISCONN));
    // Messages stay apart, and what there is no room for is lost.
    for text in ["one", "", "three"] {
        assert_eq!(done(world.write(client, text, 0)), Ok(text.len() as u64));
    }
    assert_eq!(world.read(server), Ok("one".into()));
    assert_eq!(world.read(server), Ok(String::new()));
    let (text, numbers) = world.receive(server, 2, 0).unwrap();
    assert_eq!((text.as_str(), numbers[0]), ("th<", 5));
    assert_eq!(world.read(server), Err(EAGAIN));
    let long = "x".repeat(65_537);
    assert_eq!(done(world.write(client, &long, 0)), Err(EMSGSIZE));
    // All of a message waits, or none of it.
    while done(world.write(client, &"x".repeat(100), O_NONBLOCK)).is_ok() {}
    let writer = world.write(client, &"y".repeat(100), 0).unwrap_err();
    let mut read = 0;
    while !world.replies.contains_key(&writer) {
        assert_eq!(world.read(server).unwrap().len(), 100);
        read += 1;
    }
    assert!(read > 0);
    assert_eq!(world.replies[&writer].0, Ok(100));
    world.close(client);
    while world.read(server).unwrap().len() == 100 {}
    assert_eq!(world.read(server), Ok(String::new()), "the end");
    assert_eq!(done(world.write(server, "x", 0)), Err(EPIPE));
}

#[test]
fn events() {
    let (read, write) = (
        EventFlags::EVENT_READ.bits(),
        EventFlags::EVENT_WRITE.bits(),
    );
    let watch = |world: &mut World, handle| {
        let both = (read | write) as u64;
        done(world.ask(Opcode::Fevent, [handle, both, 0, 0, 0, 0], &mut []))
    };
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(4);
    assert_eq!(watch(&mut world, listener), Ok(0));
    let client = world.socket();
    assert_eq!(watch(&mut world, client), Ok(0));
    done(world.connect(client, token, b"", 0)).unwrap();
    assert!(world.events.contains(&(listener, read)));
    let server = done(world.dup(listener, "accept")).unwrap();
    assert_eq!(watch(&mut world, server), Ok(write as u64));
    world.events.clear();
    done(world.write(server, "x", 0)).unwrap();
    assert!(world.events.contains(&(client, read | write)));
    world.events.clear();
    while done(world.write(server, &"x".repeat(9999), O_NONBLOCK)).is_ok() {}
    assert_eq!(watch(&mut world, server), Ok(0));
    while world.read(client).is_ok() {}
    assert!(world.events.contains(&(server, write)));
    world.events.clear();
    world.close(client);
    assert!(world.events.contains(&(server, read | write)));
}

#[test]
fn malformed_requests_are_refused() {
    for kind in [Kind::Stream, Kind::Datagram, Kind::Packet] {
        let mut world = World::new(kind);
        let socket = world.socket();
        let (one, _) = world.pair();
        for handle in [socket, one, world.root, 1 << 40] {
            for asked in [verb::BIND, verb::CONNECT, verb::SEND] {
                let short = &mut [0; ADDRESS - 1];
                assert!(done(world.call(handle, [asked, 0, 0], short)).is_err());
            }
            assert!(done(world.call(handle, [7777, 0, 0], &mut [])).is_err());
            assert!(done(world.dup(handle, "nonsense")).is_err());
            assert!(done(world.dup(handle, "\u{fe}")).is_err());
        }
        let mut path = *b"x";
        let args = [world.root, 0, 0, O_RDWR as u64, 0, 0];
        assert_eq!(
            done(world.ask(Opcode::OpenAt, args, &mut path)),
            Err(ENOENT)
        );
        assert_eq!(world.read(1 << 40), Err(EBADF));
        let mut stat = Stat::default();
        done(world.ask(Opcode::Fstat, [one, 0, 0, 0, 0, 0], &mut stat)).unwrap();
        assert_eq!(stat.st_mode & 0o170_000, 0o140_000);
        let ticket = done(world.dup(one, "ticket")).unwrap();
        let args = [ticket, 0, 0, 254, 0, 0];
        assert_eq!(done(world.ask(Opcode::Sendfd, args, &mut [])), Err(EINVAL));
        // A room too small for a header gets nothing, and loses no stream.
        if kind == Kind::Stream {
            let metadata = [verb::RECEIVE, flag::NONBLOCK, 0];
            assert_eq!(done(world.call(one, metadata, &mut [0; 10])), Ok(0));
        }
    }
}

/// Opens sockets for a user until there is an error.
fn sockets_of(world: &mut World, uid: u32) -> (Vec<u64>, i32) {
    world.uid = uid;
    let ids = u64::from(uid) | u64::from(uid) << 32;
    let args = [world.root, 0, 0, O_RDWR as u64, 0, ids];
    let mut handles = Vec::new();
    loop {
        match done(world.ask(Opcode::OpenAt, args, &mut [])) {
            Ok(handle) => handles.push(handle),
            Err(error) => return (handles, error),
        }
    }
}

#[test]
fn a_greedy_user_leaves_sockets_to_others() {
    let mut world = World::new(Kind::Stream);
    let (greedy, error) = sockets_of(&mut world, 1000);
    assert_eq!((greedy.len(), error), (1 << 12, ENFILE));
    assert_eq!(done(world.dup(greedy[0], "pair")), Err(ENFILE));
    for uid in [0, 1001] {
        world.uid = uid;
        let handle = world.socket();
        done(world.dup(handle, "pair")).unwrap();
    }
    let handles = world.server.counts().1;
    for handle in &greedy {
        world.close(*handle);
    }
    assert_eq!(world.server.counts().1, handles - greedy.len());
    assert_eq!(sockets_of(&mut world, 1000).0.len(), 1 << 12);
}

#[test]
fn a_greedy_user_leaves_descriptors_to_others() {
    let mut world = World::new(Kind::Datagram);
    let pair_of = |world: &mut World, uid| {
        world.uid = uid;
        world.pair()
    };
    let sixteen: Vec<u32> = (0..16).collect();
    let mut pairs = Vec::new();
    let refused = loop {
        let (from, to) = pair_of(&mut world, 1000);
        pairs.push((from, to));
        let sent = (0..8).find_map(|_| done(world.send_with(from, "x", &sixteen)).err());
        if let Some(error) = sent {
            break error;
        }
    };
    assert_eq!((refused, pairs.len()), (ETOOMANYREFS, 9));
    for uid in [0, 1001] {
        let (from, to) = pair_of(&mut world, uid);
        assert_eq!(done(world.send_with(from, "x", &sixteen)), Ok(1));
        let (_, numbers) = world.receive(to, 100, 16).unwrap();
        assert_eq!(world.fetch(to, numbers[3], 16), Ok(sixteen.clone()));
    }
    // What is received counts no longer, and neither does what goes with its socket.
    let (from, to) = pairs[0];
    let (_, numbers) = world.receive(to, 100, 16).unwrap();
    world.fetch(to, numbers[3], 16).unwrap();
    assert_eq!(done(world.send_with(from, "x", &sixteen)), Ok(1));
    world.close(pairs[1].1);
    let (other, _) = pairs[2];
    assert_eq!(done(world.send_with(other, "x", &sixteen)), Ok(1));
}

impl World {
    /// Sends descriptors of the scheme's own handles, each of which has one more from then on.
    fn send_own(&mut self, from: u64, handles: &[u64]) {
        let mut fds = Vec::new();
        for handle in handles {
            let fd = 1000 + self.outside.own.len() as u32;
            self.outside.own.insert(fd, *handle);
            *self.outside.holders.entry(*handle).or_insert(1) += 1;
            fds.push(fd);
        }
        assert_eq!(done(self.send_with(from, "x", &fds)), Ok(1));
    }

    /// Whoever has a descriptor of a handle that was sent closes it; the kernel says nothing, since there are more.
    fn drop_own(&mut self, handle: u64) {
        *self.outside.holders.get_mut(&handle).unwrap() -= 1;
    }

    /// A socket of no interest comes and goes, and with it what nobody can reach.
    fn something_ends(&mut self) {
        let other = self.socket();
        self.close(other);
    }

    /// Whether a message waits.
    fn has_message(&mut self, handle: u64) -> bool {
        let mut payload = vec![0; HEADER + 100];
        let metadata = [verb::RECEIVE, flag::NONBLOCK | flag::PEEK, 16];
        done(self.call(handle, metadata, &mut payload)).is_ok_and(|len| len > HEADER as u64)
    }
}

#[test]
fn what_only_its_own_messages_reach_is_dropped() {
    // Of two pairs, (a, x) and (b, y): what is sent by x and y, so that it waits at a and b, which of a and b
    // somebody still has, and at which a message is left.
    type Row = (&'static [usize], &'static [usize], [bool; 2], [bool; 2]);
    let rows: [Row; 7] = [
        (&[0], &[1], [false, false], [false, false]),
        (&[1], &[0], [false, false], [false, false]),
        (&[1], &[0], [true, false], [true, true]),
        (&[0], &[1], [true, false], [true, false]),
        (&[0, 1], &[1], [true, false], [true, true]),
        (&[0, 1], &[1], [false, true], [false, true]),
        (&[0, 0, 1], &[0, 1], [false, false], [false, false]),
    ];
    for (to_a, to_b, held, left) in rows {
        let mut world = World::new(Kind::Datagram);
        let pairs = [world.pair(), world.pair()];
        let ends = pairs.map(|(end, _)| end);
        for ((_, from), sent) in pairs.iter().zip([to_a, to_b]) {
            let sent: Vec<u64> = sent.iter().map(|one| ends[*one]).collect();
            world.send_own(*from, &sent);
        }
        world.something_ends();
        assert!(ends.iter().all(|end| world.has_message(*end)));
        for (end, _) in ends.iter().zip(held).filter(|(_, held)| !held) {
            world.drop_own(*end);
        }
        world.something_ends();
        let found = ends.map(|end| world.has_message(end));
        assert_eq!(found, left, "{to_a:?} {to_b:?} {held:?}");
    }
}

#[test]
fn a_listener_in_a_connection_that_it_never_accepts_is_dropped() {
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(8);
    let client = world.socket();
    done(world.connect(client, token, b"/tmp/s", 0)).unwrap();
    world.send_own(client, &[listener]);
    world.something_ends();
    let accepted = done(world.dup(listener, "accept-nonblock")).unwrap();
    assert!(world.has_message(accepted));
    let other = world.socket();
    done(world.connect(other, token, b"/tmp/s", 0)).unwrap();
    world.send_own(other, &[listener]);
    world.close(accepted);
    // The one that went with the accepted connection, and the one that somebody had.
    world.drop_own(listener);
    world.drop_own(listener);
    world.something_ends();
    let accepted = done(world.dup(listener, "accept-nonblock")).unwrap();
    assert!(!world.has_message(accepted));
}

#[test]
fn rings_do_not_use_up_what_a_user_has() {
    let mut world = World::new(Kind::Datagram);
    world.uid = 1000;
    for _ in 0..2000 {
        let (end, from) = world.pair();
        world.send_own(from, &[end]);
        world.drop_own(end);
        if !world.has_message(end) {
            // What the kernel says when the daemon has dropped the last descriptor.
            world.close(end);
        }
        world.close(from);
    }
}
