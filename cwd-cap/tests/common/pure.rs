//! A tree in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use cwd_cap::{Errno, NodeKind, Tree};
use tree_fixture::Build;

/// The top of every tree.
pub const TOP: usize = 0;

#[derive(Clone, Debug)]
pub enum Body {
    Dir {
        children: BTreeMap<String, usize>,
        parent: usize,
    },
    Link(String),
    File,
}

#[derive(Clone, Debug)]
pub struct Inode {
    pub body: Body,
    pub mode: u16,
    pub uid: u32,
    pub device: u64,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub uid: u32,
    pub gid: u32,
}

pub const SUPERUSER: Caller = Caller { uid: 0, gid: 0 };

/// A mutation that happens in the middle of a walk.
#[derive(Clone, Debug)]
pub struct Rename {
    /// Before which of the walk's questions it happens.
    pub at: u32,
    pub from: (usize, String),
    pub to: (usize, String),
}

/// Nodes are indices and are never freed. Group of everything is 0.
#[derive(Debug, Default)]
pub struct PureTree {
    pub nodes: RefCell<Vec<Inode>>,
    pub pending: RefCell<Option<Rename>>,
    pub questions: Cell<u32>,
    /// How many links walks have read.
    pub links_read: Cell<u32>,
    moves: Cell<u64>,
    /// Whether the tree tells walks about moves.
    pub counts_moves: bool,
}

impl PureTree {
    pub fn new() -> Self {
        let top = Inode {
            body: Body::Dir {
                children: BTreeMap::new(),
                parent: TOP,
            },
            mode: 0o755,
            uid: 0,
            device: 0,
        };
        Self {
            nodes: RefCell::new(vec![top]),
            counts_moves: true,
            ..Self::default()
        }
    }

    /// The node at a path of plain names.
    pub fn at(&self, path: &str) -> usize {
        let nodes = self.nodes.borrow();
        let mut node = TOP;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Body::Dir { children, .. } = &nodes[node].body else {
                panic!("{path:?}: {name:?} is in no directory");
            };
            node = *children
                .get(name)
                .unwrap_or_else(|| panic!("{path:?}: no {name:?}"));
        }
        node
    }

    fn add(&self, path: &str, body: impl FnOnce(usize) -> Body) {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.at(above);
        let mut nodes = self.nodes.borrow_mut();
        let node = nodes.len();
        let device = nodes[dir].device;
        nodes.push(Inode {
            body: body(dir),
            mode: 0o755,
            uid: 0,
            device,
        });
        let Body::Dir { children, .. } = &mut nodes[dir].body else {
            panic!("{above:?} is no directory");
        };
        assert!(children.insert(name.to_owned(), node).is_none());
    }

    /// Whether `node` is `top` or anywhere below it.
    pub fn inside(&self, top: usize, node: usize) -> bool {
        let nodes = self.nodes.borrow();
        let mut open = vec![top];
        while let Some(next) = open.pop() {
            if next == node {
                return true;
            }
            if let Body::Dir { children, .. } = &nodes[next].body {
                open.extend(children.values());
            }
        }
        false
    }

    /// Moves an entry as rename(2) without replacement would; whether it did.
    pub fn rename(&self, from: &(usize, String), to: &(usize, String)) -> bool {
        let mut nodes = self.nodes.borrow_mut();
        let get = |nodes: &[Inode], place: &(usize, String)| match &nodes[place.0].body {
            Body::Dir { children, .. } => Some(children.get(&place.1).copied()),
            _ => None,
        };
        let (Some(Some(node)), Some(None)) = (get(&nodes, from), get(&nodes, to)) else {
            return false;
        };
        let mut above = to.0;
        loop {
            if above == node {
                return false;
            }
            let Body::Dir { parent, .. } = nodes[above].body else {
                return false;
            };
            if above == parent {
                break;
            }
            above = parent;
        }
        if let Body::Dir { children, .. } = &mut nodes[from.0].body {
            children.remove(&from.1);
        }
        if let Body::Dir { children, .. } = &mut nodes[to.0].body {
            children.insert(to.1.clone(), node);
        }
        if let Body::Dir { parent, .. } = &mut nodes[node].body {
            *parent = to.0;
        }
        self.moves.set(self.moves.get() + 1);
        true
    }

    fn question(&self) {
        self.questions.set(self.questions.get() + 1);
        let due = self
            .pending
            .borrow_mut()
            .take_if(|rename| rename.at < self.questions.get());
        if let Some(rename) = due {
            self.rename(&rename.from, &rename.to);
        }
    }

    pub fn kind_of(&self, node: usize) -> NodeKind {
        match self.nodes.borrow()[node].body {
            Body::Dir { .. } => NodeKind::Directory,
            Body::Link(_) => NodeKind::Link,
            Body::File => NodeKind::Other,
        }
    }
}

impl Tree for PureTree {
    type Node = usize;
    type Caller = Caller;

    fn kind(&self, node: &usize) -> Result<NodeKind, Errno> {
        Ok(self.kind_of(*node))
    }

    fn lookup(&self, dir: &usize, name: &str) -> Result<Option<(usize, NodeKind)>, Errno> {
        self.question();
        assert!(!matches!(name, "" | "." | "..") && name.len() <= cwd_cap::NAME_MAX);
        let found = match &self.nodes.borrow()[*dir].body {
            Body::Dir { children, .. } => children.get(name).copied(),
            other => panic!("lookup of {name:?} in {other:?}"),
        };
        Ok(found.map(|node| (node, self.kind_of(node))))
    }

    fn parent(&self, dir: &usize) -> Result<Option<usize>, Errno> {
        self.question();
        match self.nodes.borrow()[*dir].body {
            Body::Dir { parent, .. } => Ok(Some(parent)),
            ref other => panic!("parent of {other:?}"),
        }
    }

    fn read_link(&self, link: &usize) -> Result<Vec<u8>, Errno> {
        self.question();
        self.links_read.set(self.links_read.get() + 1);
        match &self.nodes.borrow()[*link].body {
            Body::Link(target) => Ok(target.clone().into_bytes()),
            other => panic!("read_link of {other:?}"),
        }
    }

    fn may_search(&self, dir: &usize, caller: &Caller) -> Result<bool, Errno> {
        let inode = &self.nodes.borrow()[*dir];
        let bits = match caller {
            Caller { uid: 0, .. } => return Ok(true),
            caller if caller.uid == inode.uid => inode.mode >> 6,
            Caller { gid: 0, .. } => inode.mode >> 3,
            _ => inode.mode,
        };
        Ok(bits & 1 != 0)
    }

    fn device(&self, node: &usize) -> Result<u64, Errno> {
        Ok(self.nodes.borrow()[*node].device)
    }

    fn moves(&self) -> Option<u64> {
        self.counts_moves.then(|| self.moves.get())
    }
}

impl Build for PureTree {
    type Error = std::convert::Infallible;

    fn dir(&mut self, path: &str, _mode: u16) -> Result<(), Self::Error> {
        self.add(path, |parent| Body::Dir {
            children: BTreeMap::new(),
            parent,
        });
        Ok(())
    }

    fn file(&mut self, path: &str, _data: &[u8]) -> Result<(), Self::Error> {
        self.add(path, |_| Body::File);
        Ok(())
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), Self::Error> {
        self.add(path, |_| Body::Link(target.to_owned()));
        Ok(())
    }

    fn hard(&mut self, path: &str, existing: &str) -> Result<(), Self::Error> {
        let node = self.at(existing);
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.at(above);
        if let Body::Dir { children, .. } = &mut self.nodes.borrow_mut()[dir].body {
            children.insert(name.to_owned(), node);
        }
        Ok(())
    }

    fn chmod(&mut self, path: &str, mode: u16) -> Result<(), Self::Error> {
        let node = self.at(path);
        self.nodes.borrow_mut()[node].mode = mode;
        Ok(())
    }
}
