//! A kernel that keeps books about descriptors.

#![allow(dead_code)]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use cap_abi::Rights;
use nsmgr_core::Limits;
use nsmgr_server::{Kernel, Reply, Server};
use syscall::schemev2::{Cqe, Opcode, Sqe, SqeFlags};

/// What a descriptor of the daemon's is.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// What client number so-and-so sent.
    Sent(u32),
    /// Revocable copy of another descriptor's object.
    Copy(Box<Object>, Rights),
    Lease,
    Own(u64),
    Cap,
}

#[derive(Debug, Default)]
pub struct Books {
    pub open: BTreeMap<usize, Object>,
    next: usize,
    /// Tags with a descriptor that waits to be received.
    pub sent: BTreeMap<u32, Object>,
    pub revoked: usize,
    /// Schemes (by what was sent) that honour beneath.
    pub fail_next: Option<i32>,
}

#[derive(Debug)]
pub struct Fd(pub usize, Rc<RefCell<Books>>);

impl Drop for Fd {
    fn drop(&mut self) {
        assert!(self.1.borrow_mut().open.remove(&self.0).is_some());
    }
}

#[derive(Clone, Default)]
pub struct Sim(pub Rc<RefCell<Books>>);

impl Sim {
    pub fn make(&self, object: Object) -> Fd {
        let mut books = self.0.borrow_mut();
        books.next += 1;
        let number = books.next;
        books.open.insert(number, object);
        Fd(number, Rc::clone(&self.0))
    }

    pub fn object(&self, fd: usize) -> Object {
        self.0.borrow().open[&fd].clone()
    }

    fn failing(&self) -> Result<(), i32> {
        self.0.borrow_mut().fail_next.take().map_or(Ok(()), Err)
    }
}

impl Kernel for Sim {
    type Fd = Fd;
    fn receive(&mut self, tag: u32) -> Result<Fd, i32> {
        self.failing()?;
        let sent = self.0.borrow_mut().sent.remove(&tag);
        sent.map(|object| self.make(object)).ok_or(syscall::EBADF)
    }
    fn lease(&mut self, fd: &Fd, rights: Rights, _uid: u32) -> Result<(Fd, Fd), i32> {
        self.failing()?;
        let copy = Object::Copy(Box::new(self.object(fd.0)), rights);
        Ok((self.make(copy), self.make(Object::Lease)))
    }
    fn beneath(&mut self, fd: &Fd) -> Result<(), i32> {
        self.failing()?;
        if let Some(Object::Copy(_, rights)) = self.0.borrow_mut().open.get_mut(&fd.0) {
            rights.remove(Rights::ESCAPE);
        }
        Ok(())
    }
    fn revoke(&mut self, lease: Fd) {
        assert_eq!(self.object(lease.0), Object::Lease);
        self.0.borrow_mut().revoked += 1;
    }
    fn own(&mut self, number: u64) -> Result<Fd, i32> {
        self.failing()?;
        Ok(self.make(Object::Own(number)))
    }
    fn issue(&mut self, fd: &Fd, uid: u32) -> Result<(Fd, Fd), i32> {
        self.lease(fd, Rights::FULL, uid)
    }
    fn copy(&mut self, fd: &Fd, _uid: u32) -> Result<Fd, i32> {
        self.failing()?;
        let copy = Object::Copy(Box::new(self.object(fd.0)), Rights::FULL);
        Ok(self.make(copy))
    }
    fn own_object(&mut self, fd: &Fd) -> Result<Option<u64>, i32> {
        let mut object = Sim::object(self, fd.0);
        while let Object::Copy(of, _) = object {
            object = *of;
        }
        Ok(match object {
            Object::Own(number) => Some(number),
            _ => None,
        })
    }
    fn number(&self, fd: &Fd) -> usize {
        fd.0
    }
}

pub struct World {
    pub sim: Sim,
    pub server: Server<Sim>,
    pub first: u64,
    tag: u32,
}

pub const UID: u64 = 1000;

impl World {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Self {
        let sim = Sim::default();
        let cap = sim.make(Object::Cap);
        let mut server = Server::new(limits, (3, 4), cap);
        let first = server.first_namespace().unwrap();
        Self {
            sim,
            server,
            first,
            tag: 0,
        }
    }

    pub fn raw(&mut self, sqe: &Sqe, payload: &mut [u8]) -> Option<Reply<Fd>> {
        self.server.handle(sqe, payload, &mut self.sim)
    }

    pub fn ask(
        &mut self,
        opcode: Opcode,
        handle: u64,
        args: [u64; 3],
        payload: &mut [u8],
    ) -> Reply<Fd> {
        self.tag += 1;
        let [a, b, c] = args;
        let sqe = Sqe {
            opcode: opcode as u8,
            sqe_flags: SqeFlags::empty(),
            _rsvd: 0,
            tag: self.tag,
            args: [handle, 0x1000, payload.len() as u64, a, b, c],
            caller: 7,
        };
        let reply = self.raw(&sqe, payload).expect("an answer");
        assert_eq!(reply.cqe.tag, self.tag);
        reply
    }

    pub fn value(
        &mut self,
        opcode: Opcode,
        handle: u64,
        args: [u64; 3],
        payload: &mut [u8],
    ) -> Result<u64, i32> {
        result(&self.ask(opcode, handle, args, payload).cqe)
    }

    pub fn open(&mut self, ns: u64, path: &str, flags: usize) -> Reply<Fd> {
        let mut path = path.as_bytes().to_vec();
        self.ask(Opcode::OpenAt, ns, [flags as u64, 0, UID], &mut path)
    }

    pub fn dup(&mut self, ns: u64, payload: &[u8]) -> Result<u64, i32> {
        self.dup_as(UID, ns, payload)
    }

    pub fn dup_as(&mut self, uid: u64, ns: u64, payload: &[u8]) -> Result<u64, i32> {
        self.value(Opcode::Dup, ns, [0, 0, uid], &mut payload.to_vec())
    }

    pub fn send(&mut self, handle: u64, number: u32) -> Result<u64, i32> {
        self.send_object(handle, Object::Sent(number))
    }

    pub fn send_object(&mut self, handle: u64, object: Object) -> Result<u64, i32> {
        let tag = self.tag + 1;
        self.sim.0.borrow_mut().sent.insert(tag, object);
        let sent = self.value(Opcode::Sendfd, handle, [1, 0, UID], &mut []);
        // The kernel closes what was not received.
        self.sim.0.borrow_mut().sent.clear();
        sent
    }

    pub fn bind(&mut self, ns: u64, name: &str, number: u32) -> Result<u64, i32> {
        let handle = self.dup(ns, &nsmgr_api::issue_register_payload(name.as_bytes()))?;
        let sent = self.send(handle, number);
        self.close(handle);
        sent
    }

    pub fn close(&mut self, handle: u64) {
        let sqe = Sqe {
            opcode: Opcode::CloseMsg as u8,
            sqe_flags: SqeFlags::ONEWAY,
            args: [handle, 0, 0, 0, 0, 0],
            ..Sqe::default()
        };
        assert!(self.raw(&sqe, &mut []).is_none());
    }
}

pub fn result(cqe: &Cqe) -> Result<u64, i32> {
    syscall::Error::demux(cqe.result as usize)
        .map(|value| value as u64)
        .map_err(|error| error.errno)
}
