//! Handles: what a scheme's descriptors refer to.

use alloc::collections::BTreeMap;
use alloc::string::String;

use cwd_cap::{Found, How, Intent, Last, NodeKind, Path, Scope};
use syscall::data::{Stat, StatVfs, TimeSpec};
use syscall::flag::{
    MODE_DIR, MODE_FILE, MODE_SYMLINK, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW,
    O_RDONLY, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY,
};

use crate::access::{Caller, READ, WRITE};
use crate::data::{FileData, SparsePages};
use crate::error::Error;
use crate::names::{RenameFlags, type_of_new};
use crate::node::{DirEntry, Kind, NodeId};
use crate::slots::Slots;
use crate::store::{Attr, Store};
use crate::tree::{Config, Tree, Usage};

/// A handle just opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub handle: usize,
    /// What it refers to.
    pub node: NodeId,
    /// That node's kind. Every handle is positioned (`NewFdFlags::POSITIONED`): offsets come with
    /// each request.
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Handle {
    node: NodeId,
    read: bool,
    write: bool,
    /// A link made through this handle whose target is still to be written.
    unwritten_link: bool,
}

/// A tree and the handles on it.
///
/// Of every method's errors: [`Error::BadHandle`] if the handle does not exist or was not opened
/// for the operation. Flags are as they arrive in a request.
#[derive(Debug)]
pub struct Fs<S = Tree<SparsePages>> {
    pub(crate) store: S,
    handles: Slots<Handle>,
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
        if data.allocated() > self.store.budget() {
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
    pub const fn over(store: S) -> Self {
        Self {
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
        if self.handles.len() >= self.store.config().max_handles {
            return Err(Error::TooManyHandles);
        }
        let kind = self.store.attr(handle.node)?.kind();
        self.store.opened(handle.node)?;
        let Some(number) = self.handles.insert(handle) else {
            self.store.closed(handle.node);
            return Err(Error::NoMemory);
        };
        Ok(Opened {
            handle: number as usize,
            node: handle.node,
            kind,
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
            unwritten_link: false,
        })
    }

    /// Another handle like this one.
    ///
    /// # Errors
    /// [`Error::TooManyHandles`], [`Error::NoMemory`].
    pub fn dup(&mut self, handle: usize) -> Result<Opened, Error> {
        let copy = *self.handle(handle)?;
        self.insert(copy)
    }

    /// The handle is gone; so is its node, if nothing else holds that. A link that was made through
    /// it and never got its target loses its name. Unknown numbers are ignored.
    pub fn close(&mut self, handle: usize) {
        let Some(handle) = self.handles.remove(handle as u64) else {
            return;
        };
        if handle.unwritten_link {
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
        if self.handles.len() >= self.store.config().max_handles {
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
                self.insert(Handle {
                    node,
                    read: has(O_RDONLY) && !has(O_STAT),
                    write: has(O_WRONLY) && !has(O_STAT),
                    unwritten_link: false,
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
        let truncate = has(O_TRUNC) && !path_only;
        let attr = self.store.attr(node)?;
        if has(O_SYMLINK) && kind != NodeKind::Link {
            return Err(Error::Invalid("kind of file: not a link"));
        }
        match attr.kind() {
            Kind::Directory if write || truncate => return Err(Error::IsDirectory),
            Kind::Link if write || truncate => return Err(Error::NotPermitted),
            Kind::Special if read || write => return Err(Error::NoDevice),
            _ => {}
        }
        let mut want = 0;
        // A link's permissions are nobody's concern.
        if kind != NodeKind::Link {
            want |= if read { READ } else { 0 };
            want |= if write || truncate { WRITE } else { 0 };
        }
        if !attr.allows(caller, want) {
            return Err(Error::Denied);
        }
        if write || truncate {
            self.writable()?;
        }
        let opened = self.insert(Handle {
            node,
            read,
            write,
            unwritten_link: false,
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
            unwritten_link: !directory,
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

    /// Reads a file, or a link's target.
    ///
    /// # Errors
    /// [`Error::IsDirectory`].
    pub fn read(
        &mut self,
        handle: usize,
        buf: &mut [u8],
        offset: u64,
        now: TimeSpec,
    ) -> Result<usize, Error> {
        let Handle { node, read, .. } = *self.handle(handle)?;
        if !read {
            return Err(Error::BadHandle);
        }
        let len = match self.store.attr(node)?.kind() {
            Kind::File => self.store.read(node, offset, buf)?,
            Kind::Link => {
                let target = self.store.target(node)?;
                crate::Borrowed(target.as_bytes()).read(offset, buf)
            }
            Kind::Directory => return Err(Error::IsDirectory),
            Kind::Special => return Err(Error::NoDevice),
        };
        if len > 0 {
            self.store.accessed(node, now);
        }
        Ok(len)
    }

    /// Writes to a file at `offset`, or at its end if `fcntl_flags` has `O_APPEND`; writes as much
    /// as there is space for. On the handle that made a link: sets the target, once and whole.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if not a single byte fits, [`Error::TooLarge`].
    pub fn write(
        &mut self,
        handle: usize,
        buf: &[u8],
        offset: u64,
        fcntl_flags: u32,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<usize, Error> {
        let number = handle as u64;
        let Handle {
            node,
            write,
            unwritten_link,
            ..
        } = *self.handle(handle)?;
        if unwritten_link {
            self.set_target(node, buf, now)?;
            if let Some(handle) = self.handles.get_mut(number) {
                handle.unwritten_link = false;
            }
            return Ok(buf.len());
        }
        if !write {
            return Err(Error::BadHandle);
        }
        self.writable()?;
        let offset = if fcntl_flags as usize & O_APPEND != 0 {
            self.store.attr(node)?.size
        } else {
            offset
        };
        if buf.is_empty() {
            return Ok(0);
        }
        let room = self.store.max_size().saturating_sub(offset);
        let len = usize::try_from(room).map_or(buf.len(), |room| room.min(buf.len()));
        let data = buf.get(..len).filter(|data| !data.is_empty());
        let written = self
            .store
            .write(node, offset, data.ok_or(Error::TooLarge)?)?;
        self.changed(node, caller, now)?;
        Ok(written)
    }

    /// Notes that `caller` has changed a file's content.
    fn changed(&mut self, node: NodeId, caller: Caller, now: TimeSpec) -> Result<(), Error> {
        let mut attr = self.store.attr(node)?;
        attr.touch(now);
        attr.changed_by(caller);
        self.store.set_attr(node, &attr)
    }

    fn set_target(&mut self, node: NodeId, target: &[u8], now: TimeSpec) -> Result<(), Error> {
        self.writable()?;
        let text = Path::new(target)?.as_str();
        if text.is_empty() {
            return Err(Error::Invalid("target of a link: empty"));
        }
        let mut attr: Attr = self.store.attr(node)?;
        if attr.kind() != Kind::Link {
            return Err(Error::BadHandle);
        }
        if attr.size != 0 {
            return Err(Error::Invalid("target of a link: already written"));
        }
        self.store.set_target(node, text)?;
        attr.touch(now);
        self.store.set_attr(node, &attr)
    }

    /// Size in bytes; of a directory, the number of its entries.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn fsize(&self, handle: usize) -> Result<u64, Error> {
        Ok(self.store.attr(self.handle(handle)?.node)?.size)
    }

    /// What there is to know of a file.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn fstat(&self, handle: usize) -> Result<Stat, Error> {
        self.stat_node(self.handle(handle)?.node)
    }

    /// Limits and what is left of them.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn fstatvfs(&mut self, handle: usize) -> Result<StatVfs, Error> {
        self.handle(handle)?;
        self.store.stat_vfs()
    }

    /// Sets permissions.
    ///
    /// # Errors
    /// [`Error::NotOwner`].
    pub fn fchmod(
        &mut self,
        handle: usize,
        mode: u16,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let node = self.handle(handle)?.node;
        self.chmod(node, mode, caller, now)
    }

    /// Sets owner and group; `u32::MAX` leaves one as it is.
    ///
    /// # Errors
    /// [`Error::NotOwner`].
    pub fn fchown(
        &mut self,
        handle: usize,
        uid: u32,
        gid: u32,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let node = self.handle(handle)?.node;
        self.chown(node, uid, gid, caller, now)
    }

    /// Sets the times of access and modification; no times at all means the present.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Denied`], [`Error::Invalid`].
    pub fn futimens(
        &mut self,
        handle: usize,
        times: &[TimeSpec],
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let node = self.handle(handle)?.node;
        self.set_times(node, times, caller, now)
    }

    /// Makes a file that size.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::BadHandle`] if it was not opened for writing.
    pub fn ftruncate(
        &mut self,
        handle: usize,
        size: u64,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let Handle { node, write, .. } = *self.handle(handle)?;
        if !write {
            return Err(Error::BadHandle);
        }
        self.set_size(node, size, caller, now)
    }

    fn set_size(
        &mut self,
        node: NodeId,
        size: u64,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        self.writable()?;
        if size > self.store.max_size() {
            return Err(Error::TooLarge);
        }
        self.store.set_size(node, size)?;
        self.changed(node, caller, now)
    }

    /// Hands the directory's entries after the one with cookie `after` (0: from the beginning) to
    /// `take`, in order, until it answers false.
    ///
    /// An entry that is there throughout is handed out exactly once however often others are made
    /// and removed between the pieces.
    ///
    /// # Errors
    /// [`Error::NotDirectory`].
    pub fn getdents(
        &self,
        handle: usize,
        after: u64,
        mut take: impl FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), Error> {
        let Handle { node, read, .. } = *self.handle(handle)?;
        if !self.store.attr(node)?.is_dir() {
            return Err(Error::NotDirectory);
        }
        if !read {
            return Err(Error::BadHandle);
        }
        self.store.list(node, after, &mut |listed| {
            let attr_kind = Kind::of(listed.mode_type);
            take(DirEntry {
                cookie: listed.cookie,
                name: listed.name,
                node: listed.node,
                number: self.store.number(listed.node),
                kind: attr_kind,
                mode_type: listed.mode_type,
            })
        })
    }

    /// What was written is safe from a loss of power.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub fn fsync(&mut self, handle: usize) -> Result<(), Error> {
        self.handle(handle)?;
        self.store.sync()
    }

    /// Memory that is a file's content, for the caller to map; see [`Store::map`]. What is mapped stays until
    /// [`Fs::munmap`], also when the handle is closed.
    ///
    /// # Errors
    /// [`Error::Denied`] if the handle was not opened for this.
    pub fn mmap(
        &mut self,
        handle: usize,
        offset: u64,
        len: u64,
        writable: bool,
    ) -> Result<usize, Error> {
        let Handle {
            node, read, write, ..
        } = *self.handle(handle)?;
        if !read || writable && !write {
            return Err(Error::Denied);
        }
        if self.store.attr(node)?.kind() != Kind::File {
            return Err(Error::Invalid("kind of file: it cannot be mapped"));
        }
        let page = crate::PAGE as u64;
        let whole = len.checked_next_multiple_of(page).ok_or(Error::NoMemory)?;
        if !offset.is_multiple_of(page) || len == 0 {
            return Err(Error::Invalid("range to be mapped"));
        }
        self.store.opened(node)?;
        match self.store.map(node, offset, whole, writable) {
            Ok(address) => {
                let count = &mut self.maps.entry(handle).or_insert((node, 0)).1;
                *count = count.saturating_add(1);
                Ok(address)
            }
            Err(error) => {
                self.store.closed(node);
                Err(error)
            }
        }
    }

    /// A mapping made through a handle is gone, which may itself be gone. Unknown numbers are ignored.
    ///
    /// # Errors
    /// Those of writing back what the mapping's users wrote.
    pub fn munmap(&mut self, handle: usize) -> Result<(), Error> {
        let Some((node, count)) = self.maps.get_mut(&handle) else {
            return Ok(());
        };
        let node = *node;
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.maps.remove(&handle);
        }
        let done = self.store.unmapped(node);
        self.store.closed(node);
        done
    }

    /// The path of what the handle refers to, from the root (`/` and names; the root is `/`).
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has no name any more, or its last known one is gone.
    pub fn fpath(&self, handle: usize) -> Result<String, Error> {
        let node = self.handle(handle)?.node;
        let mut path = self.path_from(self.store.root(), node)?;
        if path.is_empty() {
            path.push('/');
        }
        Ok(path)
    }

    /// The path of what `handle` refers to, relative to the directory `dir`; `.` for that itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not below.
    pub fn relpathat(&self, handle: usize, dir: usize) -> Result<String, Error> {
        let (node, top) = (self.handle(handle)?.node, self.handle(dir)?.node);
        let path = self.path_from(top, node)?;
        Ok(match path.strip_prefix('/') {
            Some(below) => String::from(below),
            None => String::from("."),
        })
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
