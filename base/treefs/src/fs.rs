//! Handles: what a scheme's descriptors refer to.

mod content;
mod facts;

use alloc::collections::BTreeMap;

use cwd_cap::{Found, How, Intent, Last, NodeKind, Path, Scope};
use syscall::data::TimeSpec;
use syscall::flag::{
    MODE_DIR, MODE_FIFO, MODE_FILE, MODE_SOCK, MODE_SYMLINK, MODE_TYPE, O_CREAT, O_DIRECTORY,
    O_EXCL, O_NOFOLLOW, O_RDONLY, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY,
};
use user_shares::{SUPERUSER, Shares};

use crate::access::{Caller, READ, WRITE};
use crate::data::{FileData, SparsePages};
use crate::error::Error;
use crate::names::{RenameFlags, type_of_new};
use crate::node::{Kind, NodeId};
use crate::slots::Slots;
use crate::store::Store;
use crate::tree::{Config, Tree, Usage};

/// Longest of what leads to a socket, in bytes.
pub const LONGEST_TOKEN: usize = 256;

/// A handle just opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub handle: usize,
    /// What it refers to.
    pub node: NodeId,
    /// That node's kind.
    pub kind: Kind,
    /// Whether it is an end of a named pipe, whose bytes are not here. Every other handle is positioned
    /// (`NewFdFlags::POSITIONED`): offsets come with each request.
    pub pipe: bool,
}

#[derive(Clone, Copy, Debug)]
struct Handle {
    node: NodeId,
    read: bool,
    write: bool,
    /// What was made through this handle is still to be written, once: a link's target, or what leads to a socket.
    unwritten: bool,
    /// It is an end of a named pipe.
    pipe: bool,
    /// Whom it counts for.
    payer: u32,
}

/// A tree and the handles on it.
///
/// Of every method's errors: [`Error::BadHandle`] if the handle does not exist or was not opened
/// for the operation. Flags are as they arrive in a request.
#[derive(Debug)]
pub struct Fs<S = Tree<SparsePages>> {
    pub(crate) store: S,
    handles: Slots<Handle>,
    of_handles: Shares,
    /// Mappings made through handles, which may be closed since: the node and how many.
    maps: BTreeMap<usize, (NodeId, u64)>,
}

impl<D: FileData> Fs<Tree<D>> {
    /// A file system of nothing but a root directory, which `owner` owns.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(config: Config, owner: Caller, now: TimeSpec) -> Result<Self, Error> {
        Ok(Self::over(Tree::new(config, owner, now)?))
    }

    /// How much it holds, and how many handles there are.
    pub const fn usage(&self) -> (Usage, usize) {
        (self.store.usage(), self.handles.len())
    }

    /// Nothing changes from now on: every attempt is [`Error::ReadOnly`].
    pub const fn seal(&mut self) {
        self.store.read_only = true;
    }

    /// Enters a regular file with ready-made content; for filling a tree before it is served.
    ///
    /// # Errors
    /// Those of creating a file as the superuser; [`Error::Exists`].
    pub fn add_file(
        &mut self,
        path: &str,
        data: D,
        mode: u16,
        now: TimeSpec,
    ) -> Result<NodeId, Error> {
        let caller = Caller::SUPERUSER;
        let parent = self.parent(self.store.root, path, 0, caller)?;
        let Last::Name(name) = parent.last else {
            return Err(Error::Exists);
        };
        if self.entry(parent.dir, name)?.is_some() {
            return Err(Error::Exists);
        }
        if data.allocated() > self.store.budget(caller.uid) {
            return Err(Error::NoSpace);
        }
        let node = self.create(parent.dir, name, MODE_FILE, mode, caller, now)?;
        self.store.change_data(node, |place| {
            *place = data;
            Ok(())
        })?;
        Ok(node)
    }
}

impl<S: Store> Fs<S> {
    /// A file system over a store.
    pub fn over(store: S) -> Self {
        Self {
            of_handles: Shares::new(store.config().max_handles),
            store,
            handles: Slots::new(),
            maps: BTreeMap::new(),
        }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The store, for what is not a request's business.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// How many handles there are.
    pub const fn open_handles(&self) -> usize {
        self.handles.len()
    }

    fn handle(&self, number: usize) -> Result<&Handle, Error> {
        self.handles.get(number as u64).ok_or(Error::BadHandle)
    }

    fn insert(&mut self, handle: Handle) -> Result<Opened, Error> {
        let kind = self.store.attr(handle.node)?.kind();
        if !self.of_handles.take(handle.payer, 1) {
            return Err(Error::TooManyHandles);
        }
        let opened = self.store.opened(handle.node);
        let number = opened.and_then(|()| {
            let number = self.handles.insert(handle);
            number.ok_or_else(|| {
                self.store.closed(handle.node);
                Error::NoMemory
            })
        });
        let number = number.inspect_err(|_| self.of_handles.give_back(handle.payer, 1))?;
        Ok(Opened {
            handle: number as usize,
            node: handle.node,
            kind,
            pipe: handle.pipe,
        })
    }

    /// A handle on the root directory, readable: the scheme's root.
    ///
    /// # Errors
    /// [`Error::TooManyHandles`], [`Error::NoMemory`].
    pub fn open_root(&mut self) -> Result<Opened, Error> {
        self.insert(Handle {
            node: self.store.root(),
            read: true,
            write: false,
            unwritten: false,
            pipe: false,
            payer: SUPERUSER,
        })
    }

    /// Another handle like this one, which counts for a user.
    ///
    /// # Errors
    /// [`Error::TooManyHandles`], [`Error::NoMemory`].
    pub fn dup(&mut self, handle: usize, payer: u32) -> Result<Opened, Error> {
        let handle = *self.handle(handle)?;
        self.insert(Handle { payer, ..handle })
    }

    /// The handle is gone; so is its node, if nothing else holds that. A link that was made through
    /// it and never got its target loses its name. Unknown numbers are ignored.
    pub fn close(&mut self, handle: usize) {
        let Some(handle) = self.handles.remove(handle as u64) else {
            return;
        };
        self.of_handles.give_back(handle.payer, 1);
        if handle.unwritten {
            self.withdraw_link(handle.node);
        }
        self.store.closed(handle.node);
    }

    /// Whether a handle was opened for reading, and for writing.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn access(&self, handle: usize) -> Result<(bool, bool), Error> {
        let handle = self.handle(handle)?;
        Ok((handle.read, handle.write))
    }

    /// The node a handle refers to.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn node(&self, handle: usize) -> Result<NodeId, Error> {
        Ok(self.handle(handle)?.node)
    }

    /// Opens, and makes, files, directories and links.
    ///
    /// `flags`: Redox's `O_*`, the permissions of what is made (the caller's mask already applied)
    /// in the low bits, and [`cap_abi::resolve`] bits.
    ///
    /// A named pipe is made with `MODE_FIFO` in the low bits; whoever opens it to read or write gets a handle that
    /// says so ([`Opened::pipe`]), and what goes through it is not here.
    ///
    /// A socket's name is made with `MODE_SOCK` in the low bits. Whoever makes it writes to the handle, once, what
    /// leads to the socket ([`LONGEST_TOKEN`]); whoever opens it with `MODE_SOCK` and may write to it reads that. To
    /// all others it is a name.
    ///
    /// # Errors
    /// Those of the walk and of opening; see [`Error`].
    pub fn openat(
        &mut self,
        handle: usize,
        path: &str,
        flags: usize,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<Opened, Error> {
        let start = self.handle(handle)?.node;
        if self.of_handles.room(caller.uid) == 0 {
            return Err(Error::TooManyHandles);
        }
        let has = |bits: usize| flags & bits == bits;
        if has(O_CREAT) && (has(O_DIRECTORY) || has(O_SYMLINK)) {
            return self.make(start, path, flags, caller, now);
        }
        let mut how = How::from_resolve_bits(flags)?;
        how.empty_path = true;
        how.directory = has(O_DIRECTORY);
        how.no_follow = has(O_NOFOLLOW) || has(O_SYMLINK);
        how.intent = if has(O_CREAT) {
            Intent::Create {
                exclusive: has(O_EXCL),
            }
        } else if has(O_STAT) || has(O_SYMLINK) {
            Intent::Find
        } else {
            Intent::Open
        };
        let text = Path::new(path.as_bytes())?;
        let scope = Scope::from_resolve_bits(flags, start, self.store.root())?;
        match cwd_cap::resolve(&self.store, &scope, text, how, &caller)? {
            Found::Existing(found) => self.open_node(found.node, found.kind, flags, caller, now),
            Found::Missing(missing) => {
                let what = type_of_new(flags as u16)?;
                let (dir, name) = (missing.dir, missing.name);
                let mode = flags as u16;
                let node = self.create(dir, &name, what, mode, caller, now)?;
                // Its permissions do not concern who made it.
                let is_file = Kind::of(what) == Kind::File;
                self.insert(Handle {
                    node,
                    read: is_file && has(O_RDONLY) && !has(O_STAT),
                    write: is_file && has(O_WRONLY) && !has(O_STAT),
                    unwritten: what == MODE_SOCK && has(O_WRONLY) && !has(O_STAT),
                    pipe: false,
                    payer: caller.uid,
                })
            }
        }
    }

    fn open_node(
        &mut self,
        node: NodeId,
        kind: NodeKind,
        flags: usize,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<Opened, Error> {
        let has = |bits: usize| flags & bits == bits;
        let path_only = has(O_STAT);
        let read = has(O_RDONLY) && !path_only;
        let write = has(O_WRONLY) && !path_only;
        let attr = self.store.attr(node)?;
        let pipe = (read || write) && attr.mode & MODE_TYPE == MODE_FIFO;
        let truncate = has(O_TRUNC) && !path_only && !pipe;
        if has(O_SYMLINK) && kind != NodeKind::Link {
            return Err(Error::Invalid("kind of file: not a link"));
        }
        let as_socket = flags as u16 & MODE_TYPE == MODE_SOCK;
        if as_socket && attr.mode & MODE_TYPE != MODE_SOCK {
            return Err(Error::Invalid("kind of file: not a socket"));
        }
        match attr.kind() {
            Kind::Directory if write || truncate => return Err(Error::IsDirectory),
            Kind::Link if write || truncate => return Err(Error::NotPermitted),
            Kind::Special if (read || write) && !as_socket && !pipe => {
                return Err(Error::NoDevice);
            }
            _ => {}
        }
        let mut want = 0;
        // A link's permissions are nobody's concern.
        if kind != NodeKind::Link {
            want |= if read && !as_socket { READ } else { 0 };
            want |= if write || truncate { WRITE } else { 0 };
        }
        if !attr.allows(caller, want) {
            return Err(Error::Denied);
        }
        if (write || truncate) && !as_socket && !pipe {
            self.writable()?;
        }
        let opened = self.insert(Handle {
            node,
            // What is behind a socket's name is for who may write to it: so it says who may connect.
            read: if as_socket { write } else { read },
            write: write && !as_socket,
            unwritten: false,
            pipe,
            payer: caller.uid,
        })?;
        if truncate && opened.kind == Kind::File {
            let done = self.set_size(node, 0, caller, now);
            if let Err(error) = done {
                self.close(opened.handle);
                return Err(error);
            }
        }
        Ok(opened)
    }

    /// Makes a directory or a link.
    fn make(
        &mut self,
        start: NodeId,
        path: &str,
        flags: usize,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<Opened, Error> {
        let has = |bits: usize| flags & bits == bits;
        let directory = has(O_DIRECTORY);
        if directory && has(O_SYMLINK) {
            return Err(Error::Invalid("flags: both a directory and a link"));
        }
        let parent = self.parent(start, path, flags, caller)?;
        let Last::Name(name) = parent.last else {
            return Err(Error::Exists);
        };
        if let Some(node) = self.entry(parent.dir, name)? {
            // Without O_EXCL an existing directory is as good.
            let kind = cwd_cap::Tree::kind(&self.store, &node);
            let is_dir = kind == Ok(NodeKind::Directory);
            if directory && is_dir && !has(O_EXCL) {
                return self.open_node(node, NodeKind::Directory, flags, caller, now);
            }
            return Err(Error::Exists);
        }
        if parent.trailing_slash && !directory {
            return Err(Error::NotFound);
        }
        let what = if directory { MODE_DIR } else { MODE_SYMLINK };
        let mode = if directory { flags as u16 } else { 0o777 };
        let node = self.create(parent.dir, name, what, mode, caller, now)?;
        self.insert(Handle {
            node,
            read: directory && has(O_RDONLY) && !has(O_STAT),
            write: false,
            unwritten: !directory,
            pipe: false,
            payer: caller.uid,
        })
    }

    /// Removes a name. `flags`: `AT_REMOVEDIR` and [`cap_abi::resolve`] bits.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn unlinkat(
        &mut self,
        handle: usize,
        path: &str,
        flags: usize,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let start = self.handle(handle)?.node;
        self.unlink_at(start, path, flags, caller, now)
    }

    /// Moves a name. `flags`: [`RenameFlags`] bits and [`cap_abi::resolve::AT_FLAG_BENEATH`], which
    /// confines both paths.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn frenameat(
        &mut self,
        old: (usize, &str),
        new: (usize, &str),
        flags: u32,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let (resolve, rest) = beneath_bit(flags);
        let flags = RenameFlags::from_bits(rest)?;
        let old = (self.handle(old.0)?.node, old.1);
        let new = (self.handle(new.0)?.node, new.1);
        self.rename_at(old, new, resolve, flags, caller, now)
    }

    /// Gives the file behind `target` another name. `flags`:
    /// [`cap_abi::resolve::AT_FLAG_BENEATH`] only.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn flinkat(
        &mut self,
        target: usize,
        dir: usize,
        path: &str,
        flags: u32,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let (resolve, rest) = beneath_bit(flags);
        if rest != 0 {
            return Err(Error::Invalid("flags of flinkat"));
        }
        let target = self.handle(target)?.node;
        let start = self.handle(dir)?.node;
        self.link_at(target, start, path, resolve, caller, now)
    }
}

/// Takes the beneath bit out of the 32-bit flags of a request on two names.
const fn beneath_bit(flags: u32) -> (usize, u32) {
    let beneath = cap_abi::resolve::AT_FLAG_BENEATH;
    if flags & beneath == 0 {
        (0, flags)
    } else {
        (cap_abi::resolve::RESOLVE_BENEATH, flags & !beneath)
    }
}
