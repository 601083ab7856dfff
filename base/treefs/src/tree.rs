//! The inodes, their limits, and what a walk may know of them.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use cwd_cap::{Errno, NodeKind};
use syscall::data::{StatVfs, TimeSpec};
use syscall::error::{EIO, ENOENT};
use syscall::flag::{MODE_DIR, MODE_FILE, MODE_SYMLINK, MODE_TYPE};
use user_shares::{SUPERUSER, Shares};

use crate::access::{Caller, SEARCH};
use crate::data::{FileData, PAGE};
use crate::dir::Dir;
use crate::error::Error;
use crate::node::{Body, Inode, NodeId};
use crate::slots::Slots;
use crate::store::{Attr, Listed, New, Place, Store};

/// Of the bytes and inodes a user other than the superuser has one part in so many at most.
const USERS_PART: u64 = 2;
/// Memory that an entry of a directory is counted with, besides its name.
const ENTRY_BYTES: u64 = 64;

/// What a tree is and how large it may get.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most bytes of file pages, link targets and directory entries together. What is in a file or a link counts for
    /// whose it is, an entry for who made it.
    pub max_bytes: u64,
    /// Most inodes, removed ones that are still open included.
    pub max_inodes: u64,
    /// Most handles.
    pub max_handles: u64,
    /// What `st_dev` reports.
    pub device: u64,
    /// The name its scheme is bound under: an absolute link to `/scheme/NAME/…` stays here.
    pub scheme: String,
    /// Whether plain absolute paths mean this tree, as they do for the scheme `file`. If not, an
    /// absolute link leads elsewhere, and so does `..` of the root.
    pub default: bool,
    /// Permissions of the root directory.
    pub root_mode: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_bytes: u64::MAX,
            max_inodes: u64::from(u32::MAX),
            max_handles: u64::MAX,
            device: 0,
            scheme: String::from("file"),
            default: true,
            root_mode: 0o755,
        }
    }
}

impl Config {
    /// Where the absolute target of a link leads in an unconfined walk: the rest to walk from the root, or
    /// `None` if that is in another tree.
    pub fn absolute_link<'t>(&self, target: &'t str) -> Option<&'t str> {
        let (first, rest) = component(target);
        if first != "scheme" {
            return self.default.then_some(target);
        }
        let (name, rest) = component(rest);
        (name == self.scheme).then_some(rest)
    }
}

/// The next component of an absolute path, `.` skipped, and the rest.
fn component(mut text: &str) -> (&str, &str) {
    loop {
        let trimmed = text.trim_start_matches('/');
        let (name, rest) = trimmed
            .find('/')
            .and_then(|end| trimmed.split_at_checked(end))
            .unwrap_or((trimmed, ""));
        if name != "." {
            return (name, rest);
        }
        text = rest;
    }
}

/// What a tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes counted against [`Config::max_bytes`].
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// Inodes under names.
#[derive(Debug)]
pub struct Tree<D> {
    inodes: Slots<Inode<D>>,
    pub(crate) root: NodeId,
    pub(crate) config: Config,
    pub(crate) read_only: bool,
    of_bytes: Shares,
    of_inodes: Shares,
    moves: u64,
}

impl<D: FileData> Tree<D> {
    /// A tree of nothing but its root, which `owner` owns.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(config: Config, owner: Caller, now: TimeSpec) -> Result<Self, Error> {
        let mut inodes = Slots::new();
        let mode = MODE_DIR | config.root_mode & crate::access::ALL_BITS;
        // Its own parent, once it has a number.
        let body = Body::Dir(Dir::new(NodeId(0)));
        let mut root = Inode::new(body, mode, owner.uid, owner.gid, now);
        root.names = 1;
        let number = inodes.insert(root).ok_or(Error::NoMemory)?;
        if let Some(dir) = inodes.get_mut(number).and_then(Inode::dir_mut) {
            dir.parent = NodeId(number);
        }
        let mut of_inodes = Shares::in_parts(config.max_inodes, USERS_PART);
        of_inodes.take_anyway(owner.uid, 1);
        Ok(Self {
            inodes,
            root: NodeId(number),
            of_bytes: Shares::in_parts(config.max_bytes, USERS_PART),
            of_inodes,
            config,
            read_only: false,
            moves: 0,
        })
    }

    /// The root directory.
    pub const fn root(&self) -> NodeId {
        self.root
    }

    /// What it holds now.
    pub const fn usage(&self) -> Usage {
        Usage {
            bytes: self.of_bytes.held(),
            inodes: self.inodes.len() as u64,
        }
    }

    /// The bytes of a regular file, for a daemon that maps them.
    pub fn data(&self, node: NodeId) -> Option<&D> {
        match &self.inodes.get(node.0)?.body {
            Body::File(data) => Some(data),
            _ => None,
        }
    }

    pub(crate) fn get(&self, node: NodeId) -> Result<&Inode<D>, Error> {
        self.inodes.get(node.0).ok_or(Error::NotFound)
    }

    pub(crate) fn get_mut(&mut self, node: NodeId) -> Result<&mut Inode<D>, Error> {
        self.inodes.get_mut(node.0).ok_or(Error::NotFound)
    }

    pub(crate) fn dir(&self, node: NodeId) -> Result<&Dir, Error> {
        self.get(node)?.dir().ok_or(Error::NotDirectory)
    }

    pub(crate) fn dir_mut(&mut self, node: NodeId) -> Result<&mut Dir, Error> {
        self.get_mut(node)?.dir_mut().ok_or(Error::NotDirectory)
    }

    /// How many bytes more a user may have.
    pub(crate) fn budget(&self, user: u32) -> u64 {
        self.of_bytes.room(user)
    }

    /// Counts `bytes` more for a user.
    fn charge(&mut self, user: u32, bytes: u64) -> Result<(), Error> {
        if self.of_bytes.take(user, bytes) {
            Ok(())
        } else {
            Err(Error::NoSpace)
        }
    }

    /// Changes a regular file's bytes and keeps count of the memory they take.
    pub(crate) fn change_data<R>(
        &mut self,
        node: NodeId,
        change: impl FnOnce(&mut D) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let inode = self.inodes.get_mut(node.0).ok_or(Error::NotFound)?;
        let (Body::File(data) | Body::Special(data)) = &mut inode.body else {
            return Err(Error::Invalid("kind of file"));
        };
        let before = data.allocated();
        let result = change(data);
        let after = data.allocated();
        // Those who change it have looked at the budget.
        self.of_bytes
            .take_anyway(inode.uid, after.saturating_sub(before));
        self.of_bytes
            .give_back(inode.uid, before.saturating_sub(after));
        result
    }

    pub(crate) const fn entry_cost(name: &str) -> u64 {
        ENTRY_BYTES.saturating_add(name.len() as u64)
    }

    /// Puts a new node under a free name.
    pub(crate) fn add(
        &mut self,
        dir: NodeId,
        name: &str,
        inode: Inode<D>,
        now: TimeSpec,
    ) -> Result<NodeId, Error> {
        let payer = inode.uid;
        let cost = Self::entry_cost(name).saturating_add(inode.content_bytes());
        if self.of_inodes.room(payer) == 0 {
            return Err(Error::NoSpace);
        }
        self.charge(payer, cost)?;
        let added = self.insert(dir, name, inode, now);
        match added {
            Ok(_) => self.of_inodes.take_anyway(payer, 1),
            Err(_) => self.of_bytes.give_back(payer, cost),
        }
        added
    }

    fn insert(
        &mut self,
        dir: NodeId,
        name: &str,
        inode: Inode<D>,
        now: TimeSpec,
    ) -> Result<NodeId, Error> {
        let payer = inode.uid;
        let number = self.inodes.insert(inode).ok_or(Error::NoMemory)?;
        let node = NodeId(number);
        if let Err(error) = self.attach(dir, Arc::from(name), node, payer, now) {
            self.inodes.remove(number);
            return Err(error);
        }
        Ok(node)
    }

    /// Enters `node` under `name` in the live directory `dir`. What had that name is left without
    /// it and returned; its entry's place in listings is kept. Counts no bytes and frees nothing.
    pub(crate) fn attach(
        &mut self,
        dir: NodeId,
        name: Arc<str>,
        node: NodeId,
        payer: u32,
        now: TimeSpec,
    ) -> Result<Option<NodeId>, Error> {
        let is_dir = self.get(node)?.is_dir();
        let above = self.get_mut(dir)?;
        let removed = above.names == 0;
        let entries = above.dir_mut().ok_or(Error::NotDirectory)?;
        if removed {
            return Err(Error::NotFound);
        }
        if is_dir {
            entries.subdirs = entries.subdirs.checked_add(1).ok_or(Error::TooManyLinks)?;
        }
        let displaced = entries.insert(Arc::clone(&name), node, payer);
        above.touch(now);
        if let Some(displaced) = displaced {
            self.lost_name(dir, &name, displaced, now)?;
        }
        let inode = self.get_mut(node)?;
        inode.names = inode.names.saturating_add(1);
        inode.ctime = now;
        inode.place = Some((dir, name));
        if let Some(entries) = inode.dir_mut()
            && entries.parent != dir
        {
            entries.parent = dir;
            self.moved();
        }
        Ok(displaced)
    }

    /// `node` no longer has the name `name` in `dir`.
    fn lost_name(
        &mut self,
        dir: NodeId,
        name: &str,
        node: NodeId,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let inode = self.get_mut(node)?;
        inode.names = inode.names.saturating_sub(1);
        inode.ctime = now;
        let was_here = |place: &(NodeId, Arc<str>)| place.0 == dir && *place.1 == *name;
        inode.place = inode.place.take().filter(|place| !was_here(place));
        if inode.is_dir() {
            let entries = self.dir_mut(dir)?;
            entries.subdirs = entries.subdirs.saturating_sub(1);
            self.moved();
        }
        Ok(())
    }

    /// Takes the entry `name` out of `dir` and leaves the node without it; answers whom the entry counted for. Counts
    /// no bytes and frees nothing.
    pub(crate) fn detach(
        &mut self,
        dir: NodeId,
        name: &str,
        now: TimeSpec,
    ) -> Result<(NodeId, u32), Error> {
        let entry = self.dir_mut(dir)?.remove(name).ok_or(Error::NotFound)?;
        self.get_mut(dir)?.touch(now);
        self.lost_name(dir, name, entry.0, now)?;
        Ok(entry)
    }

    /// A directory got another parent or none: walks below it have to look where they are.
    const fn moved(&mut self) {
        self.moves = self.moves.wrapping_add(1);
    }

    /// Frees `node` if neither a name nor a handle is left.
    pub(crate) fn release(&mut self, node: NodeId) {
        let Some(inode) = self.inodes.get(node.0) else {
            return;
        };
        if inode.names > 0 || inode.opens > 0 {
            return;
        }
        self.of_bytes.give_back(inode.uid, inode.content_bytes());
        if let Body::File(data) = &inode.body {
            for (payer, bytes) in data.mapped() {
                self.of_bytes.give_back(payer, bytes);
            }
        }
        self.of_inodes.give_back(inode.uid, 1);
        self.inodes.remove(node.0);
    }
}

impl<D: FileData> Store for Tree<D> {
    fn config(&self) -> &Config {
        &self.config
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn root(&self) -> NodeId {
        self.root
    }

    fn attr(&self, node: NodeId) -> Result<Attr, Error> {
        let inode = self.get(node)?;
        let (size, allocated) = match &inode.body {
            Body::File(data) | Body::Special(data) => {
                let all = data.allocated().saturating_add(data.mapped_bytes());
                (data.size(), all)
            }
            Body::Link(target) => (target.len() as u64, 0),
            Body::Dir(dir) => (dir.len() as u64, 0),
        };
        Ok(Attr {
            mode: inode.mode_type() | inode.mode & crate::access::ALL_BITS,
            uid: inode.uid,
            gid: inode.gid,
            names: inode.names,
            subdirs: inode.dir().map(|dir| dir.subdirs),
            size,
            allocated,
            atime: inode.atime,
            mtime: inode.mtime,
            ctime: inode.ctime,
        })
    }

    fn set_attr(&mut self, node: NodeId, attr: &Attr) -> Result<(), Error> {
        let inode = self.inodes.get_mut(node.0).ok_or(Error::NotFound)?;
        if inode.uid != attr.uid {
            // Only the superuser gives files away, who may give more than there is room for.
            for (shares, count) in [
                (&mut self.of_bytes, inode.content_bytes()),
                (&mut self.of_inodes, 1),
            ] {
                shares.give_back(inode.uid, count);
                shares.take_anyway(attr.uid, count);
            }
        }
        inode.mode = attr.mode;
        (inode.uid, inode.gid) = (attr.uid, attr.gid);
        (inode.atime, inode.mtime, inode.ctime) = (attr.atime, attr.mtime, attr.ctime);
        Ok(())
    }

    fn accessed(&mut self, node: NodeId, now: TimeSpec) {
        if let Some(inode) = self.inodes.get_mut(node.0).filter(|_| !self.read_only) {
            inode.atime = now;
        }
    }

    fn entry(&self, dir: NodeId, name: &str) -> Result<Option<NodeId>, Error> {
        Ok(self.dir(dir)?.get(name))
    }

    fn place(&self, node: NodeId) -> Option<(NodeId, Arc<str>)> {
        self.inodes.get(node.0)?.place.clone()
    }

    fn is_empty(&self, dir: NodeId) -> Result<bool, Error> {
        Ok(self.dir(dir)?.is_empty())
    }

    fn create(&mut self, (dir, name): Place<'_>, new: New, now: TimeSpec) -> Result<NodeId, Error> {
        let body = match new.mode & MODE_TYPE {
            MODE_FILE => Body::File(D::default()),
            MODE_DIR => Body::Dir(Dir::new(dir)),
            MODE_SYMLINK => Body::Link(String::new()),
            _ => Body::Special(D::default()),
        };
        let inode = Inode::new(body, new.mode, new.uid, new.gid, now);
        self.add(dir, name, inode, now)
    }

    fn link(
        &mut self,
        (dir, name): Place<'_>,
        node: NodeId,
        payer: u32,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let cost = Self::entry_cost(name);
        self.charge(payer, cost)?;
        let done = self.attach(dir, Arc::from(name), node, payer, now);
        if done.is_err() {
            self.of_bytes.give_back(payer, cost);
        }
        done.map(|_| ())
    }

    fn unlink(&mut self, (dir, name): Place<'_>, now: TimeSpec) -> Result<(), Error> {
        let (node, payer) = self.detach(dir, name, now)?;
        self.of_bytes.give_back(payer, Self::entry_cost(name));
        self.release(node);
        Ok(())
    }

    fn rename(&mut self, from: Place<'_>, to: Place<'_>, now: TimeSpec) -> Result<(), Error> {
        let (node, payer) = self.detach(from.0, from.1, now)?;
        self.of_bytes.give_back(payer, Self::entry_cost(from.1));
        match self.attach(to.0, Arc::from(to.1), node, payer, now)? {
            Some(displaced) => self.release(displaced),
            // The longer name may pass the limit by a few bytes: a rename does not fail for it.
            None => self.of_bytes.take_anyway(payer, Self::entry_cost(to.1)),
        }
        Ok(())
    }

    fn exchange(&mut self, one: Place<'_>, two: Place<'_>, now: TimeSpec) -> Result<(), Error> {
        let of =
            |tree: &Self, place: Place<'_>| tree.dir(place.0)?.get(place.1).ok_or(Error::NotFound);
        let (first, second) = (of(self, one)?, of(self, two)?);
        // Each displaces the other; whom the entries count for stays.
        self.attach(two.0, Arc::from(two.1), first, SUPERUSER, now)?;
        self.attach(one.0, Arc::from(one.1), second, SUPERUSER, now)?;
        Ok(())
    }

    fn read(&mut self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        match &self.get(node)?.body {
            Body::File(data) | Body::Special(data) => Ok(data.read(offset, buf)),
            _ => Err(Error::Invalid("kind of file")),
        }
    }

    fn write(&mut self, node: NodeId, offset: u64, data: &[u8]) -> Result<usize, Error> {
        let budget = self.budget(self.get(node)?.uid);
        self.change_data(node, |file| {
            let len = file.fits(offset, data.len(), budget);
            let fitting = data.get(..len).filter(|bytes| !bytes.is_empty());
            file.write(offset, fitting.ok_or(Error::NoSpace)?)?;
            Ok(len)
        })
    }

    fn set_size(&mut self, node: NodeId, size: u64) -> Result<(), Error> {
        self.change_data(node, |data| data.set_size(size))
    }

    fn target(&self, link: NodeId) -> Result<String, Error> {
        match &self.get(link)?.body {
            Body::Link(target) => Ok(target.clone()),
            _ => Err(Error::Invalid("kind of file: not a link")),
        }
    }

    fn set_target(&mut self, link: NodeId, target: &str) -> Result<(), Error> {
        let payer = self.get(link)?.uid;
        self.charge(payer, target.len() as u64)?;
        self.get_mut(link)?.body = Body::Link(String::from(target));
        Ok(())
    }

    fn opened(&mut self, node: NodeId) -> Result<(), Error> {
        let inode = self.get_mut(node)?;
        inode.opens = inode.opens.checked_add(1).ok_or(Error::TooManyHandles)?;
        Ok(())
    }

    fn closed(&mut self, node: NodeId) {
        if let Ok(inode) = self.get_mut(node) {
            inode.opens = inode.opens.saturating_sub(1);
        }
        self.release(node);
    }

    fn list(
        &self,
        dir: NodeId,
        after: u64,
        take: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<(), Error> {
        for (cookie, name, node) in self.dir(dir)?.list(after) {
            let listed = Listed {
                cookie,
                name,
                node,
                mode_type: self.get(node)?.mode_type(),
            };
            if !take(listed) {
                break;
            }
        }
        Ok(())
    }

    fn stat_vfs(&mut self) -> Result<StatVfs, Error> {
        let page = PAGE as u64;
        let blocks = |bytes: u64| bytes.checked_div(page).unwrap_or(0);
        let max = self.config.max_bytes;
        Ok(StatVfs {
            f_bsize: PAGE as u32,
            f_blocks: blocks(max),
            f_bfree: blocks(self.budget(SUPERUSER)),
            // What is left to those who are not the superuser.
            f_bavail: blocks(self.of_bytes.room_for_users()),
        })
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn map(
        &mut self,
        node: NodeId,
        (offset, len): (u64, u64),
        _: bool,
        payer: u32,
    ) -> Result<usize, Error> {
        let budget = self.budget(payer);
        let is_own = self.get(node)?.uid == payer;
        let (address, cost) = self.change_data(node, |data| {
            let (cost, moved) = data.cost_of_map(offset, len);
            let paid = if is_own { moved } else { 0 };
            if cost.saturating_sub(paid) > budget {
                return Err(Error::NoMemory);
            }
            Ok((data.map(offset, len, payer)?, cost))
        })?;
        self.of_bytes.take_anyway(payer, cost);
        Ok(address)
    }

    fn unmapped(&mut self, node: NodeId) -> Result<(), Error> {
        for (payer, bytes) in self.change_data(node, |data| data.unmapped())? {
            self.of_bytes.give_back(payer, bytes);
        }
        Ok(())
    }
}

impl<D: FileData> cwd_cap::Tree for Tree<D> {
    type Node = NodeId;
    type Caller = Caller;

    fn kind(&self, node: &NodeId) -> Result<NodeKind, Errno> {
        match self.inodes.get(node.0) {
            Some(inode) => Ok(node_kind(inode)),
            None => Err(Errno(ENOENT)),
        }
    }

    fn lookup(&self, dir: &NodeId, name: &str) -> Result<Option<(NodeId, NodeKind)>, Errno> {
        let dir = self.inodes.get(dir.0).and_then(Inode::dir);
        let Some(node) = dir.and_then(|dir| dir.get(name)) else {
            return Ok(None);
        };
        let inode = self.inodes.get(node.0).ok_or(Errno(EIO))?;
        Ok(Some((node, node_kind(inode))))
    }

    fn parent(&self, dir: &NodeId) -> Result<Option<NodeId>, Errno> {
        if *dir == self.root && !self.config.default {
            return Ok(None);
        }
        let entries = self.inodes.get(dir.0).and_then(Inode::dir);
        let parent = entries.ok_or(Errno(ENOENT))?.parent;
        // The directory that a removed one was in may be gone as well.
        match self.inodes.get(parent.0) {
            Some(_) => Ok(Some(parent)),
            None => Err(Errno(ENOENT)),
        }
    }

    fn read_link(&self, link: &NodeId) -> Result<Vec<u8>, Errno> {
        match self.inodes.get(link.0).map(|inode| &inode.body) {
            Some(Body::Link(target)) => Ok(target.clone().into_bytes()),
            _ => Err(Errno(ENOENT)),
        }
    }

    fn may_search(&self, dir: &NodeId, caller: &Caller) -> Result<bool, Errno> {
        let attr = self.attr(*dir).map_err(|_| Errno(ENOENT))?;
        Ok(attr.allows(*caller, SEARCH))
    }

    fn moves(&self) -> Option<u64> {
        Some(self.moves)
    }

    fn absolute_link<'t>(&self, target: &'t str) -> Option<&'t str> {
        self.config.absolute_link(target)
    }
}

const fn node_kind<D>(inode: &Inode<D>) -> NodeKind {
    match inode.body {
        Body::Dir(_) => NodeKind::Directory,
        Body::Link(_) => NodeKind::Link,
        Body::File(_) | Body::Special(_) => NodeKind::Other,
    }
}
