//! Inodes.

use alloc::string::String;
use alloc::sync::Arc;

use syscall::data::TimeSpec;
use syscall::flag::{MODE_DIR, MODE_FILE, MODE_SYMLINK, MODE_TYPE};

use crate::data::FileData;
use crate::dir::Dir;

/// Number of an inode; what `stat` reports. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

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

impl Kind {
    /// The kind that type bits say.
    pub const fn of(mode: u16) -> Self {
        match mode & MODE_TYPE {
            MODE_FILE => Self::File,
            MODE_DIR => Self::Directory,
            MODE_SYMLINK => Self::Link,
            _ => Self::Special,
        }
    }
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
    /// What `stat` calls it.
    pub number: u64,
    /// The node's kind.
    pub kind: Kind,
    /// The node's type bits (`MODE_*`).
    pub mode_type: u16,
}

/// A file of any kind. `D` is what holds bytes.
#[derive(Debug)]
pub struct Inode<D> {
    pub body: Body<D>,
    /// Type and permission bits.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// Names of a file; for a directory 1 while it has its name.
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
    /// Of a socket's name, what leads to the socket.
    Special(D),
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

    /// Memory that its content takes, besides the entries of a directory.
    pub fn content_bytes(&self) -> u64
    where
        D: FileData,
    {
        match &self.body {
            Body::File(data) | Body::Special(data) => data.allocated(),
            Body::Link(target) => target.len() as u64,
            Body::Dir(_) => 0,
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
            Body::Special(_) => self.mode & MODE_TYPE,
        }
    }
}
