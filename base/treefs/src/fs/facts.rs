//! What there is to know of a file, and to change of that; what is in a directory, and where it is.

use alloc::{format, string::String};

use syscall::data::{Stat, StatVfs, TimeSpec};

use super::{Fs, Handle};
use crate::access::Caller;
use crate::error::Error;
use crate::node::{DirEntry, Kind};
use crate::store::Store;

impl<S: Store> Fs<S> {
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

    /// The path of what the handle refers to, as a program finds it: from the root (`/` and names; the root is `/`), and
    /// behind `/scheme/NAME` unless plain paths mean this tree.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has no name any more, or its last known one is gone.
    pub fn fpath(&self, handle: usize) -> Result<String, Error> {
        let node = self.handle(handle)?.node;
        let path = self.path_from(self.store.root(), node)?;
        let config = self.store.config();
        Ok(match (config.default, path.is_empty()) {
            (true, true) => String::from("/"),
            (true, false) => path,
            (false, _) => format!("/scheme/{}{path}", config.scheme),
        })
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
