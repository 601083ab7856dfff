//! The store.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use cwd_cap::{Errno, NodeKind, Tree};
use redoxfs::{BLOCK_SIZE, DIR_ENTRY_MAX_LENGTH, Disk, RECORD_SIZE, Transaction};
use syscall::data::{StatVfs, TimeSpec};
use syscall::error::{EIO, ENOENT};
use syscall::flag::MODE_TYPE;
use treefs::{
    Attr, Caller, Config, Error, Kind, Listed, New, NoRegion, NodeId, Place, Region, Store,
};

use crate::content::{RECORD_BLOCKS, pieces};
use crate::shrink::MOST_RECORDS;
use crate::state::{Result, State, failed, number, pointer};

/// Entries of a directory looked at without letting go of the volume.
const AT_ONCE: usize = 64;
/// A file's time of access is written down again after so many seconds.
const DAY: i64 = 24 * 60 * 60;

/// A mounted volume.
pub struct Volume<'t, 'f, D: Disk, R = NoRegion> {
    state: RefCell<State<'t, 'f, D, R>>,
    config: Config,
    root: NodeId,
}

impl<'t, 'f, D: Disk, R: Region> Volume<'t, 'f, D, R> {
    /// A volume on an open transaction, with `cache` bytes of contents kept in memory.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is no root directory.
    pub fn new(tx: &'t mut Transaction<'f, D>, config: Config, cache: usize) -> Result<Self> {
        let mut state = State::new(tx, cache);
        let root = state.root()?;
        Ok(Self {
            state: RefCell::new(state),
            config,
            root,
        })
    }

    /// Nothing is changed from now on.
    pub fn seal(&mut self) {
        self.state.get_mut().read_only = true;
    }
}

const fn kind_of(attr: &Attr) -> NodeKind {
    match attr.kind() {
        Kind::Directory => NodeKind::Directory,
        Kind::Link => NodeKind::Link,
        Kind::File | Kind::Special => NodeKind::Other,
    }
}

fn walking(error: Error) -> Errno {
    Errno(error.errno())
}

impl<D: Disk, R: Region> Tree for Volume<'_, '_, D, R> {
    type Node = NodeId;
    type Caller = Caller;

    fn kind(&self, node: &NodeId) -> core::result::Result<NodeKind, Errno> {
        let mut state = self.state.borrow_mut();
        state
            .get(*node)
            .map(|cached| kind_of(&cached.attr))
            .map_err(walking)
    }

    fn lookup(
        &self,
        dir: &NodeId,
        name: &str,
    ) -> core::result::Result<Option<(NodeId, NodeKind)>, Errno> {
        let mut state = self.state.borrow_mut();
        let found = match state.find(*dir, name) {
            Err(Error::NotFound | Error::NotDirectory) => return Ok(None),
            found => found.map_err(walking)?,
        };
        let Some(node) = found else { return Ok(None) };
        let kind = state.get(node).map(|cached| kind_of(&cached.attr));
        Ok(Some((node, kind.map_err(|_| Errno(EIO))?)))
    }

    fn parent(&self, dir: &NodeId) -> core::result::Result<Option<NodeId>, Errno> {
        if *dir == self.root && !self.config.default {
            return Ok(None);
        }
        let mut state = self.state.borrow_mut();
        let parent = state.get(*dir).map_err(walking)?.parent;
        let parent = parent.ok_or(Errno(ENOENT))?;
        // The directory that a removed one was in may be gone as well.
        state.get(parent).map_err(|_| Errno(ENOENT))?;
        Ok(Some(parent))
    }

    fn read_link(&self, link: &NodeId) -> core::result::Result<Vec<u8>, Errno> {
        self.target(*link).map(String::into_bytes).map_err(walking)
    }

    fn may_search(&self, dir: &NodeId, caller: &Caller) -> core::result::Result<bool, Errno> {
        /// Permission to search.
        const SEARCH: u16 = 1;
        let attr = self.attr(*dir).map_err(walking)?;
        Ok(attr.allows(*caller, SEARCH))
    }

    fn moves(&self) -> Option<u64> {
        Some(self.state.borrow().moves)
    }

    fn absolute_link<'a>(&self, target: &'a str) -> Option<&'a str> {
        self.config.absolute_link(target)
    }
}

impl<D: Disk, R: Region> Store for Volume<'_, '_, D, R> {
    fn config(&self) -> &Config {
        &self.config
    }

    fn read_only(&self) -> bool {
        self.state.borrow().read_only
    }

    fn root(&self) -> NodeId {
        self.root
    }

    fn name_max(&self) -> usize {
        DIR_ENTRY_MAX_LENGTH
    }

    fn max_size(&self) -> u64 {
        const { MOST_RECORDS * RECORD_SIZE }
    }

    fn number(&self, node: NodeId) -> u64 {
        number(node).into()
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let mut state = self.state.borrow_mut();
        let cached = state.get(node)?;
        let (mut attr, valid) = (cached.attr, cached.valid);
        if attr.kind() == Kind::File {
            let waiting = state.records.waiting(number(node), valid, attr.size);
            attr.allocated = attr.allocated.saturating_add(waiting);
        }
        Ok(attr)
    }

    fn set_attr(&mut self, node: NodeId, attr: &Attr) -> Result<()> {
        let state = self.state.get_mut();
        let sets = attr.mtime != state.get(node)?.attr.mtime;
        state.mark(node)?;
        if sets && attr.mtime != state.now {
            // What was written to mapped memory before is not what changes a time that is set. Reading it may fail,
            // and is then tried again.
            let _ = state.look_at_window(number(node));
            // Some of it may have been written, with what was set aside.
            state.mark(node)?;
        }
        let kept = &mut state.get(node)?.attr;
        kept.mode = kept.mode & MODE_TYPE | attr.mode & !MODE_TYPE;
        (kept.uid, kept.gid) = (attr.uid, attr.gid);
        (kept.atime, kept.ctime) = (attr.atime, attr.ctime);
        // What makes room by a commit may have found the file written to.
        if sets {
            kept.mtime = attr.mtime;
        }
        Ok(())
    }

    fn accessed(&mut self, node: NodeId, now: TimeSpec) {
        let state = self.state.get_mut();
        let Ok(cached) = state.get(node) else { return };
        let attr = cached.attr;
        let seen = attr.atime.tv_sec;
        let old = seen <= attr.mtime.tv_sec.max(attr.ctime.tv_sec)
            || now.tv_sec.saturating_sub(seen) >= DAY;
        if old {
            cached.attr.atime = now;
            state.mark_lazily(node);
        }
    }

    fn entry(&self, dir: NodeId, name: &str) -> Result<Option<NodeId>> {
        self.state.borrow_mut().find(dir, name)
    }

    fn place(&self, node: NodeId) -> Option<(NodeId, Arc<str>)> {
        self.state.borrow_mut().get(node).ok()?.place.clone()
    }

    fn is_empty(&self, dir: NodeId) -> Result<bool> {
        self.state.borrow_mut().dir(dir).map(|dir| dir.is_empty())
    }

    fn create(&mut self, place: Place<'_>, new: New, now: TimeSpec) -> Result<NodeId> {
        self.state.get_mut().create(place, new, now)
    }

    fn link(&mut self, place: Place<'_>, node: NodeId, _: u32, now: TimeSpec) -> Result<()> {
        self.state.get_mut().link(place, node, now)
    }

    fn unlink(&mut self, place: Place<'_>, now: TimeSpec) -> Result<()> {
        self.state.get_mut().unlink(place, now)
    }

    fn rename(&mut self, from: Place<'_>, to: Place<'_>, now: TimeSpec) -> Result<()> {
        self.state.get_mut().rename(from, to, now)
    }

    fn exchange(&mut self, one: Place<'_>, two: Place<'_>, now: TimeSpec) -> Result<()> {
        self.state.get_mut().exchange(one, two, now)
    }

    fn read(&mut self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let state = self.state.get_mut();
        let cached = state.get(node)?;
        let file = (number(node), cached.valid);
        let rest = cached.attr.size.saturating_sub(offset);
        let len = usize::try_from(rest).map_or(buf.len(), |rest| rest.min(buf.len()));
        let buf = buf.get_mut(..len).unwrap_or_default();
        let Some(mapped) = state.windows.get(&file.0) else {
            let read = state.records.read(state.tx, file, offset, buf);
            read.map_err(failed)?;
            return Ok(len);
        };
        let (mut at, mut rest) = (offset, buf);
        for (count, held) in mapped.window.pieces(offset, len) {
            let (now, later) = rest.split_at_mut_checked(count).unwrap_or_default();
            if held {
                mapped.window.read(at, now);
            } else {
                let read = state.records.read(state.tx, file, at, now);
                read.map_err(failed)?;
            }
            at = at.saturating_add(count as u64);
            rest = later;
        }
        Ok(len)
    }

    fn write(&mut self, node: NodeId, offset: u64, data: &[u8]) -> Result<usize> {
        let state = self.state.get_mut();
        state.mark(node)?;
        let mut written = 0_usize;
        for (record, begin, count) in pieces(offset, data.len()) {
            let end = written.saturating_add(count);
            let Some(piece) = data.get(written..end) else {
                break;
            };
            let mut done = if state.records.is_reserved(number(node), record) {
                Ok(())
            } else {
                state.reserve(RECORD_BLOCKS)
            };
            // Making room may have committed, after which nothing is set aside for the node.
            done = done.and_then(|()| state.mark(node));
            let file = (number(node), state.get(node)?.valid);
            done = done.and_then(|()| {
                let place = (record, begin);
                let put = state.records.write(state.tx, file, place, piece, true);
                put.map_err(failed)
            });
            if done.is_ok()
                && let Some(mapped) = state.windows.get_mut(&number(node))
            {
                let at = offset.saturating_add(written as u64);
                mapped.window.write(at, piece);
            }
            match done {
                Ok(()) => {}
                Err(error) if written == 0 => return Err(error),
                Err(_) => break,
            }
            written = end;
            let attr = &mut state.get(node)?.attr;
            attr.size = attr.size.max(offset.saturating_add(written as u64));
        }
        Ok(written)
    }

    fn set_size(&mut self, node: NodeId, size: u64) -> Result<()> {
        let state = self.state.get_mut();
        let old = state.get(node)?.attr.size;
        if size > old {
            state.reserve(2 * RECORD_BLOCKS)?;
        } else if size < old {
            state.reserve_to_free(2 * RECORD_BLOCKS)?;
        }
        state.mark(node)?;
        let cached = state.get(node)?;
        let old = cached.attr.size;
        cached.attr.size = size;
        cached.valid = cached.valid.min(size);
        if let Some(mapped) = state.windows.get_mut(&number(node)) {
            mapped.window.cut(size, old);
        }
        state.records.cut(number(node), size);
        Ok(())
    }

    fn target(&self, link: NodeId) -> Result<String> {
        let mut state = self.state.borrow_mut();
        let attr = state.get(link)?.attr;
        if attr.kind() != Kind::Link {
            return Err(Error::Invalid("kind of file: not a link"));
        }
        let node = state.tx.read_tree(pointer(link)).map_err(failed)?;
        let mut bytes = vec![0; node.data().size().min(cwd_cap::PATH_MAX as u64) as usize];
        let read = state.tx.read_node_inner(&node, 0, &mut bytes);
        bytes.truncate(read.map_err(failed)?);
        String::from_utf8(bytes).map_err(|_| Error::Backend(EIO))
    }

    fn set_target(&mut self, link: NodeId, target: &str) -> Result<()> {
        let state = self.state.get_mut();
        state.reserve(RECORD_BLOCKS)?;
        state.mark(link)?;
        let written = state
            .tx
            .write_node(pointer(link), 0, target.as_bytes(), 0, 0);
        state.must(written)?;
        let cached = state.get(link)?;
        cached.attr.size = target.len() as u64;
        cached.valid = cached.attr.size;
        Ok(())
    }

    fn opened(&mut self, node: NodeId) -> Result<()> {
        self.state.get_mut().opened(node)
    }

    fn closed(&mut self, node: NodeId) {
        // Nobody is left to be told; what could not be freed is, by the next mount.
        let _ = self.state.get_mut().closed(node);
    }

    fn list(
        &self,
        dir: NodeId,
        after: u64,
        take: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<()> {
        let mut after = after;
        loop {
            let entries: Vec<(u64, Arc<str>, NodeId)> = {
                let mut state = self.state.borrow_mut();
                let entries = state.dir(dir)?.list(after).take(AT_ONCE);
                entries
                    .map(|(cookie, name, node)| (cookie, Arc::from(name), node))
                    .collect()
            };
            for (cookie, name, node) in &entries {
                let listed = Listed {
                    cookie: *cookie,
                    name,
                    node: *node,
                    mode_type: self.attr(*node)?.mode & MODE_TYPE,
                };
                if !take(listed) {
                    return Ok(());
                }
            }
            match entries.last() {
                Some((cookie, _, _)) => after = *cookie,
                None => return Ok(()),
            }
        }
    }

    fn stat_vfs(&mut self) -> Result<StatVfs> {
        let state = self.state.get_mut();
        if !state.read_only {
            state.commit()?;
        }
        let free = state.count_free()?;
        let blocks = state.tx.header.size().checked_div(BLOCK_SIZE).unwrap_or(0);
        Ok(StatVfs {
            f_bsize: BLOCK_SIZE as u32,
            f_blocks: blocks,
            f_bfree: free,
            f_bavail: free,
        })
    }

    fn sync(&mut self) -> Result<()> {
        let state = self.state.get_mut();
        state.commit()?;
        if !state.unwritten.is_empty() {
            // What that has freed is there now for what did not fit.
            state.commit()?;
        }
        state
            .unwritten
            .values()
            .next()
            .map_or(Ok(()), |it| Err(*it))
    }

    fn sync_node(&mut self, node: NodeId) -> Result<()> {
        let (state, id) = (self.state.get_mut(), number(node));
        state.commit()?;
        if state.unwritten.contains_key(&id) {
            state.commit()?;
        }
        state.unwritten.get(&id).map_or(Ok(()), |it| Err(*it))
    }

    fn map(
        &mut self,
        node: NodeId,
        range: (u64, u64),
        writable: bool,
        payer: u32,
    ) -> Result<usize> {
        self.state.get_mut().map(node, range, writable, payer)
    }

    fn clock(&mut self, now: TimeSpec) {
        self.state.get_mut().now = now;
    }

    fn unmapped(&mut self, node: NodeId) -> Result<()> {
        self.state.get_mut().unmapped(node)
    }
}
