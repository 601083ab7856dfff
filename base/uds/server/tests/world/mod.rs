//! A server of sockets, and the requests that a kernel would send it. A descriptor is a number here.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeMap;

use syscall::{
    flag::{O_NONBLOCK, O_RDWR},
    schemev2::{Opcode, Sqe, SqeFlags},
};
use uds_api::{Address, HEADER, Header, TOKEN, Token, flag, verb};
use uds_server::{Effect, Kind, Server, World as Outside};

#[derive(Default)]
pub struct Descriptors {
    pub tokens: u8,
    pub coming: Vec<u32>,
    pub given: Vec<u32>,
    /// Of descriptors of the scheme's own: the handle.
    pub own: BTreeMap<u32, u64>,
    /// How many descriptors there are of handles that were sent.
    pub holders: BTreeMap<u64, usize>,
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

pub struct World {
    pub server: Server<u32>,
    pub outside: Descriptors,
    pub root: u64,
    pub tag: u32,
    pub now: u64,
    pub caller: u32,
    pub uid: u32,
    pub replies: BTreeMap<u32, (Result<usize, i32>, Vec<u8>)>,
    pub opened: BTreeMap<u32, u64>,
    pub events: Vec<(u64, usize)>,
}

pub type Answer = Result<Result<u64, i32>, u32>;

pub fn done<T: std::fmt::Debug>(answer: Result<T, u32>) -> T {
    answer.expect("it waits")
}

pub fn address(token: Token, name: &[u8]) -> Vec<u8> {
    Address { token, name }.to_bytes().to_vec()
}

impl World {
    pub fn new(kind: Kind) -> Self {
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

    pub fn after(&mut self) {
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

    pub fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> Answer {
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

    pub fn socket(&mut self) -> u64 {
        let ids = u64::from(self.uid) | u64::from(self.uid) << 32;
        let args = [self.root, 0, 0, O_RDWR as u64, 0, ids];
        done(self.ask(Opcode::OpenAt, args, &mut [])).unwrap()
    }

    pub fn dup(&mut self, handle: u64, name: &str) -> Answer {
        let mut name = name.as_bytes().to_vec();
        self.ask(Opcode::Dup, [handle, 0, 0, 0, 0, 0], &mut name)
    }

    pub fn call(&mut self, handle: u64, metadata: [u64; 3], payload: &mut [u8]) -> Answer {
        let [a, b, c] = metadata;
        self.ask(Opcode::Call, [handle, 0, 0, a, b, c], payload)
    }

    pub fn bind(&mut self, handle: u64, name: &[u8], mode: u64) -> Result<Token, i32> {
        let mut payload = address([0; TOKEN], name);
        done(self.call(handle, [verb::BIND, mode, 0], &mut payload))?;
        Ok(payload[..TOKEN].try_into().unwrap())
    }

    pub fn connect(&mut self, handle: u64, token: Token, name: &[u8], flags: u64) -> Answer {
        let mut payload = address(token, name);
        self.call(handle, [verb::CONNECT, flags, 0], &mut payload)
    }

    /// A listening socket with its token.
    pub fn listener(&mut self, backlog: u64) -> (u64, Token) {
        let listener = self.socket();
        let token = self.bind(listener, b"/tmp/s", 0o777).unwrap();
        done(self.call(listener, [verb::LISTEN, backlog, 0], &mut [])).unwrap();
        (listener, token)
    }

    pub fn pair(&mut self) -> (u64, u64) {
        let one = self.socket();
        let two = done(self.dup(one, "pair")).unwrap();
        (one, two)
    }

    pub fn write(&mut self, handle: u64, text: &str, flags: usize) -> Answer {
        let mut text = text.as_bytes().to_vec();
        self.ask(Opcode::Write, [handle, 0, 0, 0, flags as u64, 0], &mut text)
    }

    pub fn read(&mut self, handle: u64) -> Result<String, i32> {
        let mut buffer = [0; 100];
        let args = [handle, 0, 0, 0, O_NONBLOCK as u64, 0];
        let len = done(self.ask(Opcode::Read, args, &mut buffer))?;
        Ok(String::from_utf8(buffer[..len as usize].to_vec()).unwrap())
    }

    pub fn read_later(&mut self, handle: u64) -> u32 {
        let args = [handle, 0, 0, 0, 0, 0];
        self.ask(Opcode::Read, args, &mut [0; 100]).unwrap_err()
    }

    pub fn close(&mut self, handle: u64) {
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

    pub fn option(&mut self, handle: u64, asked: u64) -> Result<u64, i32> {
        done(self.call(handle, [verb::GET_OPTION, asked, 0], &mut [0; 12]))
    }

    /// Receives a message: its data, and what stands before.
    pub fn receive(
        &mut self,
        handle: u64,
        room: usize,
        most: u64,
    ) -> Result<(String, Vec<u64>), i32> {
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
    pub fn send_with(&mut self, handle: u64, text: &str, fds: &[u32]) -> Answer {
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

    pub fn fetch(&mut self, handle: u64, ticket: u64, count: u64) -> Result<Vec<u32>, i32> {
        let args = [handle, 0, count, ticket, 0, 0];
        let got = done(self.ask(Opcode::Recvfd, args, &mut []))?;
        let given = std::mem::take(&mut self.outside.given);
        assert_eq!(got, given.len() as u64);
        Ok(given)
    }
}
