//! Operations on names: making, removing, moving and adding them.

use alloc::string::String;
use alloc::vec::Vec;

use cwd_cap::{How, Last, Parent, Path, Scope, resolve_parent};
use syscall::data::TimeSpec;
use syscall::flag::{
    AT_REMOVEDIR, MODE_DIR, MODE_FIFO, MODE_FILE, MODE_SETGID, MODE_SETUID, MODE_SOCK, MODE_TYPE,
};

use crate::access::{ALL_BITS, Caller, SEARCH, WRITE};
use crate::error::Error;
use crate::fs::Fs;
use crate::node::NodeId;
use crate::store::{Attr, New, Store};

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

/// The type bits that the mode of a request to make a file asks for.
pub const fn type_of_new(mode: u16) -> Result<u16, Error> {
    match mode & MODE_TYPE {
        0 | MODE_FILE => Ok(MODE_FILE),
        kind @ (MODE_FIFO | MODE_SOCK) => Ok(kind),
        _ => Err(Error::Invalid("type of file to be made")),
    }
}

impl<S: Store> Fs<S> {
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
        let scope = Scope::from_resolve_bits(resolve_bits, start, self.store.root())?;
        Ok(resolve_parent(&self.store, &scope, path, how, &caller)?)
    }

    pub(crate) fn writable(&self) -> Result<(), Error> {
        if self.store.read_only() {
            Err(Error::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// `caller` may enter names in, and take names out of, the live directory `dir`.
    fn may_change(&self, dir: NodeId, caller: Caller) -> Result<Attr, Error> {
        self.writable()?;
        let above = self.store.attr(dir)?;
        if above.names == 0 {
            return Err(Error::NotFound);
        }
        if !above.allows(caller, WRITE | SEARCH) {
            return Err(Error::Denied);
        }
        Ok(above)
    }

    /// Makes a node of type `mode_type` under a name that is free.
    pub(crate) fn create(
        &mut self,
        dir: NodeId,
        name: &str,
        mode_type: u16,
        mode: u16,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<NodeId, Error> {
        let above = self.may_change(dir, caller)?;
        self.fits(name)?;
        let is_dir = mode_type == MODE_DIR;
        let mut mode = mode & ALL_BITS;
        let mut gid = caller.gid;
        if is_dir {
            // For directories these come from the one above, if at all.
            mode &= !(MODE_SETUID | MODE_SETGID);
        }
        if above.mode & MODE_SETGID != 0 {
            gid = above.gid;
            if is_dir {
                mode |= MODE_SETGID;
            }
        }
        let new = New {
            mode: mode | mode_type,
            uid: caller.uid,
            gid,
        };
        self.store.create((dir, name), new, now)
    }

    /// A name that is to be entered is one that the store can hold.
    fn fits(&self, name: &str) -> Result<(), Error> {
        if name.len() > self.store.name_max() {
            return Err(cwd_cap::Error::from(cwd_cap::ErrorKind::NameTooLong).into());
        }
        Ok(())
    }

    /// `caller` may take `victim` out of `dir`; `as_dir` is what the operation takes it for.
    fn may_delete(
        &self,
        dir: NodeId,
        victim: NodeId,
        as_dir: bool,
        caller: Caller,
    ) -> Result<(), Error> {
        let above = self.may_change(dir, caller)?;
        let attr = self.store.attr(victim)?;
        if above.sticky_denies(&attr, caller) {
            return Err(Error::NotOwner);
        }
        match (as_dir, attr.is_dir()) {
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
            return Err(if self.store.attr(victim)?.is_dir() {
                Error::IsDirectory
            } else {
                Error::NotDirectory
            });
        }
        self.may_delete(parent.dir, victim, remove_dir, caller)?;
        if remove_dir && !self.store.is_empty(victim)? {
            return Err(Error::NotEmpty);
        }
        self.store.unlink((parent.dir, name), now)
    }

    /// Takes the name of a link without a target away, so that a `symlink` that failed half-way
    /// leaves nothing.
    pub(crate) fn withdraw_link(&mut self, node: NodeId) {
        let empty = self
            .store
            .target(node)
            .is_ok_and(|target| target.is_empty());
        if let Some((dir, name)) = self.store.place(node).filter(|_| empty)
            && self.store.entry(dir, &name) == Ok(Some(node))
            && let Ok(attr) = self.store.attr(node)
        {
            // Nobody is left to be told of a failure.
            let _ = self.store.unlink((dir, &name), attr.ctime);
        }
    }

    /// The entry of a directory, with the length of its name checked as a walk would.
    pub(crate) fn entry(&self, dir: NodeId, name: &str) -> Result<Option<NodeId>, Error> {
        if name.len() > cwd_cap::NAME_MAX {
            return Err(cwd_cap::Error::from(cwd_cap::ErrorKind::NameTooLong).into());
        }
        self.store.entry(dir, name)
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
        self.fits(name)?;
        let attr = self.store.attr(target)?;
        if attr.is_dir() {
            return Err(Error::NotPermitted);
        }
        match attr.names {
            0 => return Err(Error::NotFound),
            u32::MAX => return Err(Error::TooManyLinks),
            _ => {}
        }
        self.store.link((parent.dir, name), target, caller.uid, now)
    }

    /// Whether `dir` is `above` or below it.
    fn is_below(&self, dir: NodeId, above: NodeId) -> Result<bool, Error> {
        let mut at = dir;
        loop {
            if at == above {
                return Ok(true);
            }
            match self.up(at)? {
                Some(parent) if parent != at => at = parent,
                _ => return Ok(false),
            }
        }
    }

    /// The directory that a directory is in; the root's is none or itself.
    fn up(&self, dir: NodeId) -> Result<Option<NodeId>, Error> {
        cwd_cap::Tree::parent(&self.store, &dir).map_err(|error| Error::Backend(error.0))
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
        if self.store.attr(to.dir)?.names == 0 {
            return Err(Error::NotFound);
        }
        let exchange = flags == RenameFlags::Exchange;
        match (flags, target) {
            (RenameFlags::NoReplace, Some(_)) => return Err(Error::Exists),
            (RenameFlags::Exchange, None) => return Err(Error::NotFound),
            _ => {}
        }
        let source_is_dir = self.store.attr(source)?.is_dir();
        let target_is_dir = match target {
            Some(target) => self.store.attr(target)?.is_dir(),
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
            None => {
                self.may_change(to.dir, caller)?;
            }
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
                if !self.store.attr(node)?.allows(caller, WRITE) {
                    return Err(Error::Denied);
                }
            }
        }
        if exchange {
            let (one, two) = ((from.dir, old_name), (to.dir, new_name));
            return self.store.exchange(one, two, now);
        }
        if let Some(target) = target
            && target_is_dir
            && !self.store.is_empty(target)?
        {
            return Err(Error::NotEmpty);
        }
        self.fits(new_name)?;
        self.store
            .rename((from.dir, old_name), (to.dir, new_name), now)
    }

    /// The path of `node` from `top`, if it has one: `/` and names, nothing for `top` itself.
    pub(crate) fn path_from(&self, top: NodeId, node: NodeId) -> Result<String, Error> {
        let mut names = Vec::new();
        let mut at = node;
        while at != top {
            let (dir, name) = self.store.place(at).ok_or(Error::NotFound)?;
            if self.store.entry(dir, &name)? != Some(at) {
                return Err(Error::NotFound);
            }
            names.push(name);
            at = dir;
        }
        let mut path = String::new();
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        Ok(path)
    }
}
