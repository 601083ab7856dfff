//! Operations on names: making, removing, moving and adding them.

use alloc::string::String;
use alloc::sync::Arc;

use cwd_cap::{How, Last, Parent, Path, Scope, resolve_parent};
use syscall::data::TimeSpec;
use syscall::flag::{
    AT_REMOVEDIR, MODE_DIR, MODE_FIFO, MODE_FILE, MODE_SETGID, MODE_SETUID, MODE_SOCK,
    MODE_SYMLINK, MODE_TYPE,
};

use crate::access::{ALL_BITS, Caller, SEARCH, WRITE};
use crate::data::FileData;
use crate::error::Error;
use crate::node::{Body, Dir, Inode, NodeId};
use crate::tree::Tree;

/// How `frenameat` treats a target that exists. Numbers are Linux's `RENAME_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RenameFlags {
    /// It is replaced.
    #[default]
    Replace,
    /// It is an error.
    NoReplace,
    /// It must exist, and the two trade places.
    Exchange,
}

impl RenameFlags {
    /// Linux's `RENAME_NOREPLACE`.
    pub const NOREPLACE_BIT: u32 = 1;
    /// Linux's `RENAME_EXCHANGE`.
    pub const EXCHANGE_BIT: u32 = 2;

    /// From the bits of a request, those of `cap_abi` taken away.
    ///
    /// # Errors
    /// [`Error::Invalid`] for both at once and for unknown bits.
    pub const fn from_bits(bits: u32) -> Result<Self, Error> {
        match bits {
            0 => Ok(Self::Replace),
            Self::NOREPLACE_BIT => Ok(Self::NoReplace),
            Self::EXCHANGE_BIT => Ok(Self::Exchange),
            _ => Err(Error::Invalid("rename flags")),
        }
    }
}

/// What is to be made.
pub enum New {
    File,
    Dir,
    Link,
    Special(u16),
}

impl New {
    /// The kind that the type bits of a mode ask for.
    pub const fn from_mode(mode: u16) -> Result<Self, Error> {
        match mode & MODE_TYPE {
            0 | MODE_FILE => Ok(Self::File),
            MODE_DIR => Ok(Self::Dir),
            MODE_FIFO => Ok(Self::Special(MODE_FIFO)),
            MODE_SOCK => Ok(Self::Special(MODE_SOCK)),
            _ => Err(Error::Invalid("type of file to be made")),
        }
    }
}

impl<D: FileData> Tree<D> {
    /// Walks to the directory of a path's last component.
    pub(crate) fn parent<'p>(
        &self,
        start: NodeId,
        path: &'p str,
        resolve_bits: usize,
        caller: Caller,
    ) -> Result<Parent<'p, NodeId>, Error> {
        let path = Path::new(path.as_bytes())?;
        let how = How::from_resolve_bits(resolve_bits)?;
        let scope = Scope::from_resolve_bits(resolve_bits, start, self.root)?;
        Ok(resolve_parent(self, &scope, path, how, &caller)?)
    }

    pub(crate) const fn writable(&self) -> Result<(), Error> {
        if self.read_only {
            Err(Error::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// `caller` may enter names in, and take names out of, the live directory `dir`.
    fn may_change(&self, dir: NodeId, caller: Caller) -> Result<(), Error> {
        self.writable()?;
        let inode = self.get(dir)?;
        if inode.names == 0 {
            return Err(Error::NotFound);
        }
        if !inode.allows(caller, WRITE | SEARCH) {
            return Err(Error::Denied);
        }
        Ok(())
    }

    /// Makes a node under a name that is free.
    pub(crate) fn create(
        &mut self,
        dir: NodeId,
        name: &str,
        what: New,
        mode: u16,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<NodeId, Error> {
        self.may_change(dir, caller)?;
        let above = self.get(dir)?;
        let mut mode = mode & ALL_BITS;
        let mut gid = caller.gid;
        if matches!(what, New::Dir) {
            // For directories these come from the one above, if at all.
            mode &= !(MODE_SETUID | MODE_SETGID);
        }
        if above.mode & MODE_SETGID != 0 {
            gid = above.gid;
            if matches!(what, New::Dir) {
                mode |= MODE_SETGID;
            }
        }
        let (body, mode_type) = match what {
            New::File => (Body::File(D::default()), MODE_FILE),
            New::Dir => (Body::Dir(Dir::new(dir)), MODE_DIR),
            New::Link => (Body::Link(String::new()), MODE_SYMLINK),
            New::Special(mode_type) => (Body::Special, mode_type),
        };
        let inode = Inode::new(body, mode | mode_type, caller.uid, gid, now);
        self.add(dir, name, inode, now)
    }

    /// `caller` may take `victim` out of `dir`; `as_dir` is what the operation takes it for.
    fn may_delete(
        &self,
        dir: NodeId,
        victim: NodeId,
        as_dir: bool,
        caller: Caller,
    ) -> Result<(), Error> {
        self.may_change(dir, caller)?;
        let (above, inode) = (self.get(dir)?, self.get(victim)?);
        if above.sticky_denies(inode, caller) {
            return Err(Error::NotOwner);
        }
        match (as_dir, inode.is_dir()) {
            (true, false) => Err(Error::NotDirectory),
            (false, true) => Err(Error::IsDirectory),
            _ => Ok(()),
        }
    }

    /// `unlinkat`. `flags`: `AT_REMOVEDIR` and resolution bits.
    pub(crate) fn unlink_at(
        &mut self,
        start: NodeId,
        path: &str,
        flags: usize,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let remove_dir = flags & AT_REMOVEDIR != 0;
        if flags & u32::MAX as usize & !AT_REMOVEDIR != 0 {
            return Err(Error::Invalid("flags of unlinkat"));
        }
        let parent = self.parent(start, path, flags, caller)?;
        let name = match (parent.last, remove_dir) {
            (Last::Name(name), _) => name,
            (_, false) => return Err(Error::IsDirectory),
            (Last::Dot, true) => return Err(Error::Invalid("directory to be removed")),
            (Last::DotDot, true) => return Err(Error::NotEmpty),
            (Last::Root, true) => return Err(Error::Busy),
        };
        let victim = self.entry(parent.dir, name)?.ok_or(Error::NotFound)?;
        if parent.trailing_slash && !remove_dir {
            return Err(if self.get(victim)?.is_dir() {
                Error::IsDirectory
            } else {
                Error::NotDirectory
            });
        }
        self.may_delete(parent.dir, victim, remove_dir, caller)?;
        if let Some(dir) = self.get(victim)?.dir()
            && !dir.is_empty()
        {
            return Err(Error::NotEmpty);
        }
        self.remove(parent.dir, name, now)
    }

    /// Takes the name of a link without a target away, so that a `symlink` that failed half-way
    /// leaves nothing.
    pub(crate) fn withdraw_link(&mut self, node: NodeId) {
        let Ok(inode) = self.get(node) else { return };
        let empty = matches!(&inode.body, Body::Link(target) if target.is_empty());
        if let Some((dir, name)) = inode.place.clone().filter(|_| empty)
            && self.dir(dir).is_ok_and(|dir| dir.get(&name) == Some(node))
        {
            let now = inode.ctime;
            // It is there, and so is the directory: nothing is left to fail.
            let _ = self.remove(dir, &name, now);
        }
    }

    /// Takes a name away for good, and what it named if nothing else holds that.
    fn remove(&mut self, dir: NodeId, name: &str, now: TimeSpec) -> Result<(), Error> {
        let node = self.detach(dir, name, now)?;
        self.refund(Self::entry_cost(name));
        self.release(node);
        Ok(())
    }

    /// The entry of a directory, with the length of its name checked as a walk would.
    pub(crate) fn entry(&self, dir: NodeId, name: &str) -> Result<Option<NodeId>, Error> {
        if name.len() > cwd_cap::NAME_MAX {
            return Err(cwd_cap::Error::from(cwd_cap::ErrorKind::NameTooLong).into());
        }
        Ok(self.dir(dir)?.get(name))
    }

    /// Another name for `target`, which is no directory.
    pub(crate) fn link_at(
        &mut self,
        target: NodeId,
        start: NodeId,
        path: &str,
        resolve_bits: usize,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let parent = self.parent(start, path, resolve_bits, caller)?;
        let Last::Name(name) = parent.last else {
            return Err(Error::Exists);
        };
        if self.entry(parent.dir, name)?.is_some() {
            return Err(Error::Exists);
        }
        if parent.trailing_slash {
            return Err(Error::NotFound);
        }
        self.may_change(parent.dir, caller)?;
        let inode = self.get(target)?;
        if inode.is_dir() {
            return Err(Error::NotPermitted);
        }
        match inode.names {
            0 => return Err(Error::NotFound),
            u32::MAX => return Err(Error::TooManyLinks),
            _ => {}
        }
        let cost = Self::entry_cost(name);
        self.charge(cost)?;
        let done = self.attach(parent.dir, Arc::from(name), target, now);
        if done.is_err() {
            self.refund(cost);
        }
        done.map(|_| ())
    }

    /// Whether `dir` is `above` or below it.
    fn is_below(&self, dir: NodeId, above: NodeId) -> Result<bool, Error> {
        let mut at = dir;
        loop {
            if at == above {
                return Ok(true);
            }
            let parent = self.dir(at)?.parent;
            if parent == at {
                return Ok(false);
            }
            at = parent;
        }
    }

    /// `frenameat`: moves the name `old` to `new`. The checks are in Linux's order.
    pub(crate) fn rename_at(
        &mut self,
        old: (NodeId, &str),
        new: (NodeId, &str),
        resolve_bits: usize,
        flags: RenameFlags,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let from = self.parent(old.0, old.1, resolve_bits, caller)?;
        let to = self.parent(new.0, new.1, resolve_bits, caller)?;
        let Last::Name(old_name) = from.last else {
            return Err(Error::Busy);
        };
        let Last::Name(new_name) = to.last else {
            return Err(match flags {
                RenameFlags::NoReplace => Error::Exists,
                _ => Error::Busy,
            });
        };
        self.writable()?;
        let source = self.entry(from.dir, old_name)?.ok_or(Error::NotFound)?;
        let target = self.entry(to.dir, new_name)?;
        if self.get(to.dir)?.names == 0 {
            return Err(Error::NotFound);
        }
        let exchange = flags == RenameFlags::Exchange;
        match (flags, target) {
            (RenameFlags::NoReplace, Some(_)) => return Err(Error::Exists),
            (RenameFlags::Exchange, None) => return Err(Error::NotFound),
            _ => {}
        }
        let source_is_dir = self.get(source)?.is_dir();
        let target_is_dir = match target {
            Some(target) => self.get(target)?.is_dir(),
            None => false,
        };
        if exchange && to.trailing_slash && !target_is_dir {
            return Err(Error::NotDirectory);
        }
        if !source_is_dir && (from.trailing_slash || (!exchange && to.trailing_slash)) {
            return Err(Error::NotDirectory);
        }
        let elsewhere = from.dir != to.dir;
        if source_is_dir && elsewhere && self.is_below(to.dir, source)? {
            return Err(Error::Invalid("target inside what is moved"));
        }
        if let Some(target) = target
            && target_is_dir
            && elsewhere
            && self.is_below(from.dir, target)?
        {
            return Err(if exchange {
                Error::Invalid("source inside what it is exchanged with")
            } else {
                Error::NotEmpty
            });
        }
        if target == Some(source) {
            return Ok(());
        }
        self.may_delete(from.dir, source, source_is_dir, caller)?;
        match target {
            None => self.may_change(to.dir, caller)?,
            Some(target) => {
                let as_dir = if exchange {
                    target_is_dir
                } else {
                    source_is_dir
                };
                self.may_delete(to.dir, target, as_dir, caller)?;
            }
        }
        if elsewhere {
            // Their `..` changes.
            let moving = [
                (Some(source), source_is_dir),
                (target, exchange && target_is_dir),
            ];
            for node in moving.iter().filter(|moving| moving.1).filter_map(|m| m.0) {
                if !self.get(node)?.allows(caller, WRITE) {
                    return Err(Error::Denied);
                }
            }
        }
        if let Some(target) = target {
            if exchange {
                // Each displaces the other.
                self.attach(to.dir, Arc::from(new_name), source, now)?;
                self.attach(from.dir, Arc::from(old_name), target, now)?;
                return Ok(());
            }
            if self.get(target)?.dir().is_some_and(|dir| !dir.is_empty()) {
                return Err(Error::NotEmpty);
            }
        }
        self.detach(from.dir, old_name, now)?;
        self.refund(Self::entry_cost(old_name));
        match self.attach(to.dir, Arc::from(new_name), source, now)? {
            Some(displaced) => self.release(displaced),
            // The longer name may pass the limit by a few bytes: a rename does not fail for it.
            None => self.recharge(Self::entry_cost(new_name)),
        }
        Ok(())
    }
}
