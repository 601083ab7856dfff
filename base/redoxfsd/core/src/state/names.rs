//! Changes of directories: names that come, go and move.

use alloc::sync::Arc;

use redoxfs::Disk;
use redoxfs_errors::error as errno;
use syscall::data::TimeSpec;
use treefs::{Dir, Error, New, NodeId, Place, Region};

use super::{
    ATTRIBUTES, CHANGE, Cached, MOST_LISTED, NOBODY, Orphan, Result, State, attributes, disk_time,
    failed, number, pointer,
};

impl<D: Disk, R: Region> State<'_, '_, D, R> {
    /// Reads again what the disk says of a directory's size.
    fn measure(&mut self, dir: NodeId) -> Result<()> {
        let read = self.tx.read_tree(pointer(dir)).map_err(failed)?;
        let size = read.data().size();
        let attr = &mut self.get(dir)?.attr;
        (attr.size, attr.allocated) = (size, size);
        Ok(())
    }

    /// A directory's content changed.
    fn touch(&mut self, dir: NodeId, now: TimeSpec) -> Result<()> {
        self.measure(dir)?;
        self.get(dir)?.attr.touch(now);
        self.note(dir);
        Ok(())
    }

    /// See [`treefs::Store::create`].
    pub fn create(&mut self, (dir, name): Place<'_>, new: New, now: TimeSpec) -> Result<NodeId> {
        // The crate makes no name with a colon, but enters one.
        const MEANWHILE: &str = "\u{1}new";
        let plain = if name.contains(':') { MEANWHILE } else { name };
        if self.dir(dir)?.get(plain).is_some() {
            return Err(Error::Exists);
        }
        self.begin(3 * CHANGE + ATTRIBUTES, &[dir])?;
        let (seconds, nanoseconds) = disk_time(now);
        let made = self
            .tx
            .create_node(pointer(dir), plain, new.mode, seconds, nanoseconds);
        let made = self.must(made)?;
        if plain != name {
            let done = self.tx.link_node(pointer(dir), name, made.ptr());
            self.must(done)?;
            let done = self.tx.remove_node(pointer(dir), plain, new.mode);
            self.must(done)?;
        }
        let node = self.id(made.id());
        let mut attr = attributes(made.data());
        (attr.uid, attr.gid, attr.names) = (new.uid, new.gid, 1);
        (attr.atime, attr.mtime, attr.ctime) = (now, now, now);
        let is_dir = attr.is_dir();
        let name: Arc<str> = Arc::from(name);
        let cached = Cached {
            generation: (node.0 >> 32) as u32,
            attr,
            valid: 0,
            opens: 0,
            orphan: Orphan::No,
            place: Some((dir, Arc::clone(&name))),
            parent: is_dir.then_some(dir),
            dir: is_dir.then(|| Dir::new(dir)),
        };
        self.nodes.insert(number(node), cached);
        self.dir(dir)?.insert(name, node, NOBODY);
        self.note(node);
        self.touch(dir, now)?;
        Ok(node)
    }

    /// See [`treefs::Store::link`]; also enters a directory under a second name, for a while.
    pub fn link(&mut self, (dir, name): Place<'_>, node: NodeId, now: TimeSpec) -> Result<()> {
        self.dir(dir)?;
        self.get(node)?;
        self.begin(CHANGE, &[dir, node])?;
        self.enter((dir, name), node, now)
    }

    /// Enters a node, for which there is room.
    fn enter(&mut self, (dir, name): Place<'_>, node: NodeId, now: TimeSpec) -> Result<()> {
        let done = self.tx.link_node(pointer(dir), name, pointer(node));
        self.must(done)?;
        let name: Arc<str> = Arc::from(name);
        self.dir(dir)?.insert(Arc::clone(&name), node, NOBODY);
        let cached = self.get(node)?;
        cached.attr.names = cached.attr.names.saturating_add(1);
        cached.attr.ctime = now;
        cached.place = Some((dir, name));
        if cached.attr.is_dir() {
            if let Some(entries) = &mut cached.dir {
                entries.parent = dir;
            }
            if cached.parent != Some(dir) {
                cached.parent = Some(dir);
                self.moves = self.moves.wrapping_add(1);
            }
        }
        self.note(node);
        self.touch(dir, now)
    }

    /// Takes a name away. What it named stays, without it.
    fn leave(&mut self, (dir, name): Place<'_>, now: TimeSpec) -> Result<NodeId> {
        // Not `find`: a directory that is leaving has its new parent already.
        let node = self.dir(dir)?.get(name).ok_or(Error::NotFound)?;
        let cached = self.get(node)?;
        let (mode, last, used) = (cached.attr.mode, cached.attr.names <= 1, cached.opens > 0);
        let is_dir = cached.attr.is_dir();
        let mut orphan = Orphan::No;
        if last && used {
            if self.listed < MOST_LISTED {
                let done = self.tx.on_open_node(pointer(node));
                self.must(done)?;
                self.listed = self.listed.saturating_add(1);
                orphan = Orphan::Listed;
            } else {
                let read = self.tx.read_tree(pointer(node));
                let mut kept = self.must(read)?;
                let links = kept.data().links().saturating_add(1);
                kept.data_mut().set_links(links);
                let done = self.tx.sync_tree(kept);
                self.must(done)?;
                orphan = Orphan::Kept;
            }
        } else if last {
            self.dirty.remove(&number(node));
            self.records.forget(number(node));
            self.empty(node)?;
        }
        match self.tx.remove_node(pointer(dir), name, mode) {
            // The crate loses an entry when it divides a full list of a directory in which the long names are all on
            // one side (redoxfs 0.9, `htree.rs`). Here it is known yet, and goes.
            Err(error) if error.errno == errno::ENOENT => {
                if last && !used {
                    let done = self.tx.release_node(pointer(node));
                    self.must(done)?;
                }
            }
            done => {
                self.must(done)?;
            }
        }
        self.dir(dir)?.remove(name);
        if last && !used {
            self.gone(node);
        } else {
            let cached = self.get(node)?;
            cached.attr.names = cached.attr.names.saturating_sub(1);
            cached.attr.ctime = now;
            cached.orphan = orphan;
            let was_here = |place: &(NodeId, Arc<str>)| place.0 == dir && *place.1 == *name;
            cached.place = cached.place.take().filter(|place| !was_here(place));
            self.note(node);
        }
        if is_dir {
            self.moves = self.moves.wrapping_add(1);
        }
        self.touch(dir, now)?;
        Ok(node)
    }

    /// See [`treefs::Store::unlink`].
    pub fn unlink(&mut self, place: Place<'_>, now: TimeSpec) -> Result<()> {
        self.find(place.0, place.1)?.ok_or(Error::NotFound)?;
        self.begin_to_free(2 * CHANGE + ATTRIBUTES, &[place.0])?;
        self.leave(place, now).map(drop)
    }

    /// See [`treefs::Store::rename`].
    pub fn rename(&mut self, from: Place<'_>, to: Place<'_>, now: TimeSpec) -> Result<()> {
        let node = self.find(from.0, from.1)?.ok_or(Error::NotFound)?;
        let replaced = self.find(to.0, to.1)?;
        self.begin(4 * CHANGE + ATTRIBUTES, &[from.0, to.0, node])?;
        if replaced.is_some() {
            self.leave(to, now)?;
        }
        self.enter(to, node, now)?;
        self.leave(from, now)?;
        // The name that it lost was not the last one it was given.
        self.get(node)?.place = Some((to.0, Arc::from(to.1)));
        Ok(())
    }

    /// See [`treefs::Store::exchange`].
    pub fn exchange(&mut self, one: Place<'_>, two: Place<'_>, now: TimeSpec) -> Result<()> {
        const MEANWHILE: &str = "\u{1}exchange";
        let first = self.find(one.0, one.1)?.ok_or(Error::NotFound)?;
        let second = self.find(two.0, two.1)?.ok_or(Error::NotFound)?;
        let meanwhile = (two.0, MEANWHILE);
        if self.find(meanwhile.0, meanwhile.1)?.is_some() {
            return Err(Error::Exists);
        }
        self.begin(8 * CHANGE, &[one.0, two.0, first, second])?;
        self.enter(meanwhile, first, now)?;
        self.leave(one, now)?;
        self.enter(one, second, now)?;
        self.leave(two, now)?;
        self.enter(two, first, now)?;
        self.leave(meanwhile, now)?;
        self.get(first)?.place = Some((two.0, Arc::from(two.1)));
        self.get(second)?.place = Some((one.0, Arc::from(one.1)));
        Ok(())
    }
}
