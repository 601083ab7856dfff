//! Where a file system keeps its nodes: in memory, or on a disk.
//!
//! A store does what it is told. Who may do what, which paths lead where, and what a rename means is
//! decided above it, in [`crate::Fs`], once for every file system.

use alloc::string::String;
use alloc::sync::Arc;

use syscall::data::{StatVfs, TimeSpec};

use crate::access::Caller;
use crate::error::Error;
use crate::node::{Kind, NodeId};
use crate::tree::Config;

/// What is known of a node besides its content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attr {
    /// Type and permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names of a file; for a directory 1 while it has its name.
    pub names: u32,
    /// Directories in a directory, if the store keeps count.
    pub subdirs: Option<u32>,
    /// Bytes of a file or of a link's target; entries of a directory.
    pub size: u64,
    /// Bytes of memory or disk that the content takes.
    pub allocated: u64,
    /// When it was read.
    pub atime: TimeSpec,
    /// When its content changed.
    pub mtime: TimeSpec,
    /// When anything about it changed.
    pub ctime: TimeSpec,
}

impl Attr {
    /// What kind of node it is.
    pub const fn kind(&self) -> Kind {
        Kind::of(self.mode)
    }

    /// Whether it is a directory.
    pub const fn is_dir(&self) -> bool {
        matches!(self.kind(), Kind::Directory)
    }

    /// What `stat` says: for a directory, its name, its `.` and its subdirectories' `..`; 1 if nobody
    /// counts those.
    pub const fn link_count(&self) -> u32 {
        match (self.is_dir(), self.subdirs) {
            (true, Some(subdirs)) if self.names > 0 => subdirs.saturating_add(2),
            (true, Some(_)) => 0,
            _ => self.names,
        }
    }

    /// Content changed.
    pub const fn touch(&mut self, now: TimeSpec) {
        self.mtime = now;
        self.ctime = now;
    }
}

/// A node to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New {
    /// Type and permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A directory and a name in it.
pub type Place<'a> = (NodeId, &'a str);

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Where a listing goes on after this entry.
    pub cookie: u64,
    /// The name.
    pub name: &'a str,
    /// The node.
    pub node: NodeId,
    /// Its type bits.
    pub mode_type: u16,
}

/// Nodes under names.
///
/// Callers have checked that what they ask is allowed and makes sense: names are free or taken as the
/// method says, directories are directories, and what is removed is empty. A store refuses what it has
/// no room for, and what it cannot read or write; an operation that it refuses changes nothing that can
/// be seen, except a `write` in part.
pub trait Store: cwd_cap::Tree<Node = NodeId, Caller = Caller> {
    /// Limits, and what the tree is called.
    fn config(&self) -> &Config;

    /// Whether nothing may be changed.
    fn read_only(&self) -> bool;

    /// The root directory.
    fn root(&self) -> NodeId;

    /// Longest name.
    fn name_max(&self) -> usize {
        cwd_cap::NAME_MAX
    }

    /// Size of the largest file.
    fn max_size(&self) -> u64 {
        crate::MAX_SIZE
    }

    /// What `stat` calls the node.
    fn number(&self, node: NodeId) -> u64 {
        node.number()
    }

    /// Everything about a node.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is gone.
    fn attr(&self, node: NodeId) -> Result<Attr, Error>;

    /// Sets mode, owner, group and times.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    fn set_attr(&mut self, node: NodeId, attr: &Attr) -> Result<(), Error>;

    /// Content was read.
    fn accessed(&mut self, node: NodeId, now: TimeSpec);

    /// The entry `name` of a directory.
    ///
    /// # Errors
    /// [`Error::NotDirectory`].
    fn entry(&self, dir: NodeId, name: &str) -> Result<Option<NodeId>, Error>;

    /// Where the node was put last, if it is known; it may be there no more.
    fn place(&self, node: NodeId) -> Option<(NodeId, Arc<str>)>;

    /// Whether nothing is in a directory.
    ///
    /// # Errors
    /// [`Error::NotDirectory`].
    fn is_empty(&self, dir: NodeId) -> Result<bool, Error>;

    /// Makes a node under a free name. A link has no target yet.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::NoMemory`].
    fn create(&mut self, place: Place<'_>, new: New, now: TimeSpec) -> Result<NodeId, Error>;

    /// Gives a node that is no directory another name, which is free and counts for a user.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    fn link(
        &mut self,
        place: Place<'_>,
        node: NodeId,
        payer: u32,
        now: TimeSpec,
    ) -> Result<(), Error>;

    /// Takes a name away, and frees what it named if nothing else holds that.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    fn unlink(&mut self, place: Place<'_>, now: TimeSpec) -> Result<(), Error>;

    /// Moves a name; one that is there is lost, as by [`Store::unlink`].
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoSpace`].
    fn rename(&mut self, from: Place<'_>, to: Place<'_>, now: TimeSpec) -> Result<(), Error>;

    /// Two names trade what they name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoSpace`].
    fn exchange(&mut self, one: Place<'_>, two: Place<'_>, now: TimeSpec) -> Result<(), Error>;

    /// Reads a regular file as far as it goes.
    ///
    /// # Errors
    /// [`Error::Backend`].
    fn read(&mut self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize, Error>;

    /// Writes to a regular file, growing it; as much as there is space for.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if not a single byte fits.
    fn write(&mut self, node: NodeId, offset: u64, data: &[u8]) -> Result<usize, Error>;

    /// Makes a regular file that long; what is added reads as zeros.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    fn set_size(&mut self, node: NodeId, size: u64) -> Result<(), Error>;

    /// A link's target, empty until it is set.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    fn target(&self, link: NodeId) -> Result<String, Error>;

    /// Sets the target of a link that has none.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    fn set_target(&mut self, link: NodeId, target: &str) -> Result<(), Error>;

    /// A handle refers to the node from now on.
    ///
    /// # Errors
    /// [`Error::TooManyHandles`], [`Error::NotFound`].
    fn opened(&mut self, node: NodeId) -> Result<(), Error>;

    /// A handle does no more; a node that has neither names nor handles is freed.
    fn closed(&mut self, node: NodeId);

    /// Hands a directory's entries after the one with cookie `after` to `take`, until that answers false.
    ///
    /// # Errors
    /// [`Error::NotDirectory`].
    fn list(
        &self,
        dir: NodeId,
        after: u64,
        take: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<(), Error>;

    /// Size and free space.
    ///
    /// # Errors
    /// [`Error::Backend`].
    fn stat_vfs(&mut self) -> Result<StatVfs, Error>;

    /// What has been written is there after a loss of power.
    ///
    /// # Errors
    /// [`Error::Backend`].
    fn sync(&mut self) -> Result<(), Error>;

    /// The same for whom only one node is of interest: what cannot be written of others is no error then.
    ///
    /// # Errors
    /// [`Error::Backend`]; [`Error::NoSpace`] for what others have written to its memory.
    fn sync_node(&mut self, _: NodeId) -> Result<(), Error> {
        self.sync()
    }

    /// Memory that is the file's content from `offset`, `len` bytes, both whole pages, for others to map;
    /// `writable` says that they may write to it; what nobody had mapped is `payer`'s to pay for. Each such call that
    /// succeeds is followed by one of [`Store::unmapped`].
    ///
    /// # Errors
    /// [`Error::NoMemory`]; [`Error::Invalid`] from a store whose files cannot be mapped.
    fn map(
        &mut self,
        node: NodeId,
        range: (u64, u64),
        writable: bool,
        payer: u32,
    ) -> Result<usize, Error>;

    /// What time it is: that of a change which nobody asks for, but by writing to memory that is mapped.
    fn clock(&mut self, _: TimeSpec) {}

    /// A mapping is gone.
    ///
    /// # Errors
    /// [`Error::Backend`], [`Error::NoMemory`].
    fn unmapped(&mut self, node: NodeId) -> Result<(), Error>;
}
