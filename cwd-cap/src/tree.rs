//! What a walk needs to know of a file system.

use alloc::vec::Vec;

/// An error number of the file system behind a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// What kind of thing a node is, as far as a walk cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// Has names in it.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// A file system, as a walk sees it: nodes, and names that lead from one to another.
///
/// Every method may be called on a node that has been removed meanwhile; it then answers like a
/// directory in which nothing is.
pub trait Tree {
    /// Identity of a file, directory or link. Equal exactly when it is the same one.
    type Node: Clone + PartialEq;
    /// Who asks: user and group, or whatever the tree's permissions are about.
    type Caller: ?Sized;

    /// The kind of `node`.
    fn kind(&self, node: &Self::Node) -> Result<NodeKind, Errno>;

    /// The entry `name` of the directory `dir`, a link not followed. `name` is at most
    /// [`crate::NAME_MAX`] bytes and never empty, `.` or `..`.
    fn lookup(&self, dir: &Self::Node, name: &str)
    -> Result<Option<(Self::Node, NodeKind)>, Errno>;

    /// The directory that the directory `dir` is in. The root of everything is its own parent;
    /// `None` means that the parent is outside this tree.
    fn parent(&self, dir: &Self::Node) -> Result<Option<Self::Node>, Errno>;

    /// The target of a link.
    fn read_link(&self, link: &Self::Node) -> Result<Vec<u8>, Errno>;

    /// Whether `caller` may look up names in `dir`.
    fn may_search(&self, dir: &Self::Node, caller: &Self::Caller) -> Result<bool, Errno>;

    /// Which file system `node` is on, for walks that may not leave theirs.
    fn device(&self, _node: &Self::Node) -> Result<u64, Errno> {
        Ok(0)
    }

    /// A count that changes whenever a directory gets another parent, or `None` if the tree cannot
    /// know. While it stays the same a walk need not ask again where it came from.
    fn moves(&self) -> Option<u64> {
        None
    }

    /// Where the absolute target of a link leads in an *unconfined* walk: the rest of the path to
    /// walk from the scope's root, or `None` if it is outside this tree.
    fn absolute_link<'t>(&self, target: &'t str) -> Option<&'t str> {
        Some(target)
    }
}
