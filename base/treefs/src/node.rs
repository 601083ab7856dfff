//! Inodes.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;

use syscall::data::TimeSpec;
use syscall::flag::{MODE_DIR, MODE_FILE, MODE_SYMLINK, MODE_TYPE};

/// Number of an inode; what `stat` reports. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u64);

impl NodeId {
    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What kind of file a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe or a socket's name: it exists here, and what it stands for is elsewhere.
    Special,
}

/// One entry of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// Where a listing goes on after this entry.
    pub cookie: u64,
    /// The name.
    pub name: &'a str,
    /// The node.
    pub node: NodeId,
    /// The node's kind.
    pub kind: Kind,
    /// The node's type bits (`MODE_*`).
    pub mode_type: u16,
}

/// A file of any kind. `D` is what holds a regular file's bytes.
#[derive(Debug)]
pub struct Inode<D> {
    pub body: Body<D>,
    /// Type and permission bits.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// Names of a file; for a directory 1 while it has its name. See [`Inode::link_count`].
    pub names: u32,
    /// Handles.
    pub opens: u32,
    pub atime: TimeSpec,
    pub mtime: TimeSpec,
    pub ctime: TimeSpec,
    /// A place it was put, if that is still true: for `fpath`, which has nothing better to go by.
    pub place: Option<(NodeId, Arc<str>)>,
}

/// What is in a node.
#[derive(Debug)]
pub enum Body<D> {
    File(D),
    Dir(Dir),
    /// The target; empty until it is written.
    Link(String),
    Special,
}

/// A directory's entries, by name and in the order in which a listing shows them.
#[derive(Debug)]
pub struct Dir {
    entries: BTreeMap<Arc<str>, Slot>,
    order: BTreeMap<u64, Arc<str>>,
    /// Cookies only grow, so that what is created during a listing comes after what was listed.
    last_cookie: u64,
    pub parent: NodeId,
    pub subdirs: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    node: NodeId,
    cookie: u64,
}

impl Dir {
    pub const fn new(parent: NodeId) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            last_cookie: 0,
            parent,
            subdirs: 0,
        }
    }

    pub fn get(&self, name: &str) -> Option<NodeId> {
        self.entries.get(name).map(|slot| slot.node)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts an entry in; one of the same name keeps its cookie and is returned.
    pub fn insert(&mut self, name: Arc<str>, node: NodeId) -> Option<NodeId> {
        if let Some(slot) = self.entries.get_mut(&name) {
            return Some(core::mem::replace(&mut slot.node, node));
        }
        self.last_cookie = self.last_cookie.saturating_add(1);
        let cookie = self.last_cookie;
        self.order.insert(cookie, Arc::clone(&name));
        self.entries.insert(name, Slot { node, cookie });
        None
    }

    pub fn remove(&mut self, name: &str) -> Option<NodeId> {
        let slot = self.entries.remove(name)?;
        self.order.remove(&slot.cookie);
        Some(slot.node)
    }

    /// Entries after the one with cookie `after`, in order.
    pub fn list(&self, after: u64) -> impl Iterator<Item = (u64, &str, NodeId)> {
        let from = after.saturating_add(1);
        let range = (after < u64::MAX).then(|| self.order.range(from..));
        range.into_iter().flatten().filter_map(|(cookie, name)| {
            let slot = self.entries.get(name)?;
            Some((*cookie, &**name, slot.node))
        })
    }
}

impl<D> Inode<D> {
    pub fn new(body: Body<D>, mode: u16, uid: u32, gid: u32, now: TimeSpec) -> Self {
        Self {
            body,
            mode,
            uid,
            gid,
            names: 0,
            opens: 0,
            atime: now,
            mtime: now,
            ctime: now,
            place: None,
        }
    }

    pub const fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Dir(_) => Kind::Directory,
            Body::Link(_) => Kind::Link,
            Body::Special => Kind::Special,
        }
    }

    pub const fn is_dir(&self) -> bool {
        matches!(self.body, Body::Dir(_))
    }

    pub const fn dir(&self) -> Option<&Dir> {
        match &self.body {
            Body::Dir(dir) => Some(dir),
            _ => None,
        }
    }

    pub const fn dir_mut(&mut self) -> Option<&mut Dir> {
        match &mut self.body {
            Body::Dir(dir) => Some(dir),
            _ => None,
        }
    }

    /// What `stat` says: for a directory, its name, its `.` and its subdirectories' `..`.
    pub fn link_count(&self) -> u32 {
        match &self.body {
            Body::Dir(_) if self.names == 0 => 0,
            Body::Dir(dir) => dir.subdirs.saturating_add(2),
            _ => self.names,
        }
    }

    /// Content changed.
    pub const fn touch(&mut self, now: TimeSpec) {
        self.mtime = now;
        self.ctime = now;
    }

    pub const fn mode_type(&self) -> u16 {
        match self.body {
            Body::File(_) => MODE_FILE,
            Body::Dir(_) => MODE_DIR,
            Body::Link(_) => MODE_SYMLINK,
            Body::Special => self.mode & MODE_TYPE,
        }
    }
}
