//! A world around the library: roots that count themselves.

#![allow(dead_code)]

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use cap_abi::Rights;
use nsmgr_api as api;
use nsmgr_core::{Binding, Caller, Dup, Error, Limits, Manager, Open};

/// What is open in this world.
pub type Alive = Rc<RefCell<BTreeSet<u32>>>;

/// Stands for a descriptor; takes itself off the list when dropped.
#[derive(Debug)]
pub struct Fd(pub u32, Alive);

impl Drop for Fd {
    fn drop(&mut self) {
        assert!(self.1.borrow_mut().remove(&self.0), "closed twice");
    }
}

pub const ROOT: Caller = Caller { pid: 1, uid: 0 };
pub const USER: Caller = Caller { pid: 7, uid: 1000 };

pub struct World {
    pub manager: Manager<Fd, Fd>,
    pub alive: Alive,
    next: u32,
    pub first: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Self {
        let mut manager = Manager::new(limits, (1, 2));
        let first = manager.first_namespace(ROOT).unwrap();
        Self {
            manager,
            alive: Alive::default(),
            next: 0,
            first,
        }
    }

    pub fn with_names(names: &[&str]) -> Self {
        let mut world = Self::new();
        for name in names {
            world.bind(world.first, name).unwrap();
        }
        world
    }

    pub fn fd(&mut self) -> Fd {
        self.next += 1;
        self.alive.borrow_mut().insert(self.next);
        Fd(self.next, Rc::clone(&self.alive))
    }

    /// Registers a name the way a daemon does; gives the number of the root.
    pub fn bind(&mut self, ns: u64, name: &str) -> Result<u32, Error> {
        let handle = self.dup(ns, &api::issue_register_payload(name.as_bytes()))?;
        let sent = self.send(handle);
        self.manager.close(handle);
        sent
    }

    pub fn send(&mut self, handle: u64) -> Result<u32, Error> {
        self.manager.begin_register(handle, USER)?;
        let fd = self.fd();
        let number = fd.0;
        self.manager.finish_register(handle, fd, USER)?;
        Ok(number)
    }

    pub fn dup(&mut self, ns: u64, payload: &[u8]) -> Result<u64, Error> {
        self.dup_as(ns, payload, USER)
    }

    pub fn dup_as(&mut self, ns: u64, payload: &[u8], caller: Caller) -> Result<u64, Error> {
        Ok(match self.manager.dup(ns, payload, caller)? {
            Dup::Handle(handle) => handle,
            Dup::LeasedHandle(handle) => {
                let lease = self.fd();
                self.manager.keep_lease(handle, lease)?;
                handle
            }
        })
    }

    pub fn fork(&mut self, ns: u64, names: &[&str]) -> Result<u64, Error> {
        self.dup(
            ns,
            &api::fork_payload(names.iter().map(|name| name.as_bytes())),
        )
    }

    pub fn shrink(&mut self, ns: u64, keep: api::NsPermissions) -> Result<u64, Error> {
        self.dup(ns, &api::shrink_payload(keep))
    }

    /// Binds a directory at its own path under a name.
    pub fn bind_place(&mut self, ns: u64, name: &str, path: &str) -> Result<u32, Error> {
        let payload = api::register_place_payload(Rights::FULL, name.as_bytes(), path.as_bytes());
        let handle = self.dup(ns, &payload)?;
        let sent = self.send(handle);
        self.manager.close(handle);
        sent
    }

    /// Number of the root that an open of this name is sent to.
    pub fn root_of(&mut self, ns: u64, name: &str) -> Result<u32, Error> {
        match self
            .manager
            .open(ns, format!("/scheme/{name}/x").as_bytes(), 0, USER)?
        {
            Open::Redirect { binding, .. } => Ok(number(&binding)),
            other => panic!("{other:?}"),
        }
    }

    pub fn rights_of(&mut self, ns: u64, name: &str) -> Rights {
        match self
            .manager
            .open(ns, format!("/scheme/{name}").as_bytes(), 0, USER)
        {
            Ok(Open::Redirect { binding, .. }) => binding.rights(),
            other => panic!("{other:?}"),
        }
    }

    pub fn listing(&mut self, handle: u64) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        self.manager.list(handle, 0, USER, |_, _, name| {
            names.push(name.to_owned());
            true
        })?;
        Ok(names)
    }

    pub fn sorted(&mut self, handle: u64) -> Vec<String> {
        let mut names = self.listing(handle).unwrap();
        names.sort();
        names
    }

    pub fn count(&self, kind: &str) -> usize {
        let counts = self.manager.counts();
        let line = counts.lines().find(|line| line.starts_with(kind)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

pub fn number(binding: &Binding<Fd>) -> u32 {
    binding.root().expect("a live binding").0
}
