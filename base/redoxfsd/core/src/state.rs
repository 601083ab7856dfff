//! What a volume keeps in memory: nodes, directories, and how much of the open transaction is used.

mod mapped;
mod names;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use redoxfs::{ALLOC_LIST_ENTRIES, BLOCK_SIZE, Disk, Node, Transaction, TreeData, TreePtr};
use redoxfs_errors::error as errno;
use syscall::data::TimeSpec;
use treefs::{Attr, Dir, Error, Kind, NodeId, Region};
use user_shares::Shares;

use crate::content::{RECORD_BLOCKS, Records};
use crate::shrink::shrink;
use mapped::{MOST_MAPPED, Mapped};

/// Most blocks that one change of a directory takes: a node, the way to it and to the directory in the
/// tree of nodes, and the directory's own lists, some of them split.
const CHANGE: u64 = 48;
/// Blocks for a node's attributes on commit.
pub const ATTRIBUTES: u64 = 8;
/// Blocks that are never given out, so that a commit finds room for its own lists.
const SPARE: u64 = 96;
/// Blocks that whatever may take more than it frees leaves free, so that files can be removed from a full disk.
const KEPT: u64 = SPARE + 3 * CHANGE;
/// Blocks that what is written to mapped memory, which nobody is told of, leaves to others.
const LEFT: u64 = KEPT + 4 * CHANGE;
/// A transaction that may have used more blocks than this is committed.
const GATHERED: u64 = 8192;
/// Whom names on a disk count for.
const NOBODY: u32 = 0;
/// Nodes kept in memory although nobody has them open.
const MOST_NODES: usize = 8192;
/// Removed files that are open, which the disk lists for the next mount to free. The crate handles one block
/// of that list well.
const MOST_LISTED: usize = 900;

/// How a node without a name is found again after a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Orphan {
    /// It has a name.
    No,
    /// The disk lists it.
    Listed,
    /// It has a link too many, and takes space for nothing after a loss of power.
    Kept,
}

/// A node in memory.
#[derive(Debug)]
pub struct Cached {
    generation: u32,
    pub attr: Attr,
    /// Bytes of the file on the disk that are still its content: its size there, or less if it was
    /// shorter since.
    pub valid: u64,
    opens: u32,
    orphan: Orphan,
    pub place: Option<(NodeId, Arc<str>)>,
    /// Of a directory: the one it is in.
    pub parent: Option<NodeId>,
    dir: Option<Dir>,
}

/// A volume's state.
pub struct State<'t, 'f, D: Disk, R> {
    pub tx: &'t mut Transaction<'f, D>,
    pub records: Records,
    /// Files that are mapped.
    pub windows: BTreeMap<u32, Mapped<R>>,
    /// Who pays for the memory of those.
    of_mapped: Shares,
    nodes: BTreeMap<u32, Cached>,
    /// Numbers that were freed and used again have another generation.
    generations: BTreeMap<u32, u32>,
    last_generation: u32,
    dirty: BTreeSet<u32>,
    /// Those of them that no blocks are set aside for: others have written to their memory.
    unreserved: BTreeSet<u32>,
    /// What the last commit could not write, and why. It stays to be written.
    pub unwritten: BTreeMap<u32, Error>,
    listed: usize,
    pub moves: u64,
    /// What time it is.
    pub now: TimeSpec,
    /// Free blocks, at least.
    free: u64,
    /// Blocks used since the last commit, at most.
    used: u64,
    /// Something has changed since the last commit.
    changed: bool,
    /// A change failed half-way: nothing is changed or committed any more.
    failed: Option<i32>,
    pub read_only: bool,
}

pub type Result<T> = core::result::Result<T, Error>;

/// The number of a node on the disk.
pub const fn number(node: NodeId) -> u32 {
    node.0 as u32
}

pub fn pointer(node: NodeId) -> TreePtr<Node> {
    TreePtr::new(number(node))
}

pub const fn failed(error: errno::Error) -> Error {
    match error.errno {
        errno::ENOSPC => Error::NoSpace,
        number => Error::Backend(number),
    }
}

fn time((seconds, nanoseconds): (u64, u32)) -> TimeSpec {
    TimeSpec {
        tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
        tv_nsec: i32::try_from(nanoseconds).unwrap_or(0),
    }
}

/// Blocks, and what the list of what is allocated grows by.
const fn with_lists(blocks: u64) -> u64 {
    blocks.saturating_add(blocks >> 6).saturating_add(1)
}

/// The disk has no times before 1970.
fn disk_time(time: TimeSpec) -> (u64, u32) {
    (
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn allocated(node: &Node) -> u64 {
    // The node itself counts as a block there. It is one of the file's if it has the file's content: a file that has
    // content and no block would be one that has nothing but a hole.
    let own = u64::from(!node.has_inline_data() || node.size() == 0);
    node.blocks().saturating_sub(own).saturating_mul(BLOCK_SIZE)
}

fn attributes(node: &Node) -> Attr {
    let is_dir = node.is_dir();
    Attr {
        mode: node.mode(),
        uid: node.uid(),
        gid: node.gid(),
        names: node.links(),
        subdirs: None,
        size: node.size(),
        allocated: if is_dir { node.size() } else { allocated(node) },
        atime: time(node.atime()),
        mtime: time(node.mtime()),
        ctime: time(node.ctime()),
    }
}

impl<'t, 'f, D: Disk, R: Region> State<'t, 'f, D, R> {
    pub fn new(tx: &'t mut Transaction<'f, D>, cache: usize) -> Self {
        Self {
            tx,
            records: Records::new(cache),
            windows: BTreeMap::new(),
            of_mapped: Shares::new(MOST_MAPPED),
            nodes: BTreeMap::new(),
            generations: BTreeMap::new(),
            last_generation: 0,
            dirty: BTreeSet::new(),
            unreserved: BTreeSet::new(),
            unwritten: BTreeMap::new(),
            listed: 0,
            moves: 0,
            now: TimeSpec::default(),
            free: 0,
            used: 0,
            changed: false,
            failed: None,
            read_only: false,
        }
    }

    fn id(&self, number: u32) -> NodeId {
        let generation = self.generations.get(&number).copied().unwrap_or(0);
        NodeId(u64::from(generation) << 32 | u64::from(number))
    }

    /// The root directory.
    pub fn root(&mut self) -> Result<NodeId> {
        let root = self.id(TreePtr::<Node>::root().id());
        self.get(root)?.parent = Some(root);
        Ok(root)
    }

    /// A node, read from the disk if it is not in memory.
    pub fn get(&mut self, node: NodeId) -> Result<&mut Cached> {
        let id = number(node);
        let generation = (node.0 >> 32) as u32;
        if !self.nodes.contains_key(&id) {
            if self.id(id) != node {
                return Err(Error::NotFound);
            }
            let read = self.tx.read_tree(pointer(node)).map_err(failed)?;
            let attr = attributes(read.data());
            let cached = Cached {
                generation,
                attr,
                valid: attr.size,
                opens: 0,
                orphan: Orphan::No,
                place: None,
                parent: None,
                dir: None,
            };
            self.nodes.insert(id, cached);
        }
        let cached = self.nodes.get_mut(&id).ok_or(Error::NotFound)?;
        if cached.generation == generation {
            Ok(cached)
        } else {
            Err(Error::NotFound)
        }
    }

    /// A directory's entries.
    pub fn dir(&mut self, node: NodeId) -> Result<&mut Dir> {
        let cached = self.get(node)?;
        if !cached.attr.is_dir() {
            return Err(Error::NotDirectory);
        }
        let parent = cached.parent.unwrap_or(node);
        if cached.dir.is_none() {
            let mut entries = Vec::new();
            self.tx
                .child_nodes(pointer(node), &mut entries)
                .map_err(failed)?;
            let mut named: Vec<(Arc<str>, NodeId)> = entries
                .iter()
                .filter_map(|entry| {
                    Some((Arc::from(entry.name()?), self.id(entry.node_ptr().id())))
                })
                .collect();
            // In the same order each time, so that a listing goes on where it was.
            named.sort_unstable();
            let mut dir = Dir::new(parent);
            for (name, child) in named {
                dir.insert(name, child, NOBODY);
            }
            self.get(node)?.dir = Some(dir);
        }
        let cached = self.get(node)?;
        cached.dir.as_mut().ok_or(Error::NotDirectory)
    }

    /// What a name leads to; the node then knows where it is.
    pub fn find(&mut self, dir: NodeId, name: &str) -> Result<Option<NodeId>> {
        let Some(child) = self.dir(dir)?.get(name) else {
            return Ok(None);
        };
        let cached = self.get(child)?;
        if cached.attr.is_dir() {
            cached.parent = Some(dir);
        }
        if cached
            .place
            .as_ref()
            .is_none_or(|place| place.0 != dir || *place.1 != *name)
        {
            cached.place = Some((dir, Arc::from(name)));
        }
        Ok(Some(child))
    }

    /// Refuses changes where none are possible.
    pub const fn may_change(&self) -> Result<()> {
        match self.failed {
            Some(number) => Err(Error::Backend(number)),
            None if self.read_only => Err(Error::ReadOnly),
            None => Ok(()),
        }
    }

    /// Sets aside `blocks` for a change that is about to begin.
    pub fn reserve(&mut self, blocks: u64) -> Result<()> {
        self.reserve_but(KEPT, blocks)
    }

    /// The same for a change that frees at least what it takes, but only once it is committed: a full disk lets it
    /// be done.
    pub fn reserve_to_free(&mut self, blocks: u64) -> Result<()> {
        self.reserve_but(SPARE, blocks)
    }

    fn reserve_but(&mut self, left: u64, blocks: u64) -> Result<()> {
        self.may_change()?;
        let blocks = with_lists(blocks);
        let enough = |free: u64| free >= blocks.saturating_add(left);
        if self.used > GATHERED || !enough(self.free) {
            if self.used > 0 {
                self.commit()?;
            }
            self.free = self.count_free()?;
            if !enough(self.free) {
                return Err(Error::NoSpace);
            }
        }
        self.free = self.free.saturating_sub(blocks);
        self.used = self.used.saturating_add(blocks);
        self.changed = true;
        Ok(())
    }

    /// Sets aside `blocks` for each of at most `count` changes within a commit; for how many there were enough.
    fn set_aside(&mut self, blocks: u64, count: u64) -> Result<u64> {
        if count == 0 {
            return Ok(0);
        }
        let each = with_lists(blocks);
        let enough = each.saturating_mul(count).saturating_add(LEFT);
        if self.free < enough {
            self.free = self.count_free()?.saturating_sub(self.used);
        }
        let room = self.free.saturating_sub(LEFT).checked_div(each);
        let count = room.unwrap_or(0).min(count);
        let taken = each.saturating_mul(count);
        self.free = self.free.saturating_sub(taken);
        self.used = self.used.saturating_add(taken);
        Ok(count)
    }

    /// A change that has begun must go on to its end.
    pub fn must<T>(&mut self, done: core::result::Result<T, errno::Error>) -> Result<T> {
        done.map_err(|error| {
            self.failed = Some(errno::EIO);
            failed(error)
        })
    }

    /// Free blocks on the disk as last committed.
    pub fn count_free(&mut self) -> Result<u64> {
        let mut free = 0_i64;
        let mut next = self.tx.header.alloc;
        while !next.is_null() {
            let list = self.tx.read_block(next).map_err(failed)?;
            let entries: [redoxfs::AllocEntry; ALLOC_LIST_ENTRIES] = list.data().entries;
            for entry in entries {
                free = free.saturating_add(entry.count());
            }
            next = list.data().prev;
        }
        Ok(u64::try_from(free).unwrap_or(0))
    }

    /// The node's attributes are to be written.
    pub fn mark(&mut self, node: NodeId) -> Result<()> {
        let id = number(node);
        if !self.dirty.contains(&id) || self.unreserved.contains(&id) {
            // They take the place of the old ones.
            self.reserve_to_free(ATTRIBUTES)?;
            self.dirty.insert(id);
            self.unreserved.remove(&id);
        }
        Ok(())
    }

    /// Begins a change that takes at most `blocks` and changes attributes of `nodes`: nothing that it does
    /// can fail for want of space, nor be committed half-done.
    fn begin(&mut self, blocks: u64, nodes: &[NodeId]) -> Result<()> {
        let attributes = (nodes.len() as u64).saturating_mul(ATTRIBUTES);
        self.reserve(blocks.saturating_add(attributes))?;
        self.note_all(nodes);
        Ok(())
    }

    /// The same for a change that [frees](State::reserve_to_free).
    fn begin_to_free(&mut self, blocks: u64, nodes: &[NodeId]) -> Result<()> {
        let attributes = (nodes.len() as u64).saturating_mul(ATTRIBUTES);
        self.reserve_to_free(blocks.saturating_add(attributes))?;
        self.note_all(nodes);
        Ok(())
    }

    /// Attributes of nodes, for which blocks are set aside, are to be written.
    fn note_all(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            self.dirty.insert(number(*node));
            self.unreserved.remove(&number(*node));
        }
    }

    /// The node's attributes changed in a change that has begun.
    fn note(&mut self, node: NodeId) {
        self.dirty.insert(number(node));
    }

    /// The same as [`State::mark`], of something that may as well be lost.
    pub fn mark_lazily(&mut self, node: NodeId) {
        if !self.read_only {
            let _ = self.mark(node);
        }
    }

    /// Writes everything to the disk and makes it what a mount finds, but for what [`State::unwritten`] tells of after:
    /// whom that is nothing to hears nothing of it.
    pub fn commit(&mut self) -> Result<()> {
        if let Some(number) = self.failed {
            return Err(Error::Backend(number));
        }
        self.unwritten.clear();
        let windows: Vec<u32> = self.windows.keys().copied().collect();
        let mut left = Vec::new();
        for id in windows {
            match self.look_at_window(id) {
                Ok(()) => self.close_window(id),
                Err(error) => left.push((id, error)),
            }
        }
        self.write_out()?;
        // Not all that was written to these was taken.
        self.unwritten.extend(left);
        Ok(())
    }

    /// Writes what waits for that, and makes it what a mount finds.
    fn write_out(&mut self) -> Result<()> {
        if let Some(number) = self.failed {
            return Err(Error::Backend(number));
        }
        if !self.changed {
            return Ok(());
        }
        let dirty: Vec<u32> = self.dirty.iter().copied().collect();
        for id in dirty {
            match self.write_back(id) {
                Ok(()) => {
                    self.dirty.remove(&id);
                    self.unwritten.remove(&id);
                }
                Err(error) => {
                    self.unwritten.insert(id, error);
                }
            }
        }
        // What is half done is nothing for a mount to find.
        if let Some(number) = self.failed {
            return Err(Error::Backend(number));
        }
        let synced = self.tx.sync(false);
        self.must(synced)?;
        // How much is free is counted when it matters.
        (self.used, self.free) = (0, 0);
        // So is what is set aside for what is left.
        self.records.revoke();
        self.unreserved = self.dirty.clone();
        self.changed = !self.dirty.is_empty();
        Ok(())
    }

    /// Writes one node's content and attributes into the transaction, as far as blocks are set aside for them or can be.
    fn write_back(&mut self, id: u32) -> Result<()> {
        if self.unreserved.contains(&id) {
            if self.set_aside(ATTRIBUTES, 1)? == 0 {
                return Err(Error::NoSpace);
            }
            self.unreserved.remove(&id);
        }
        let wanted = self.records.unreserved(id);
        let granted = self.set_aside(RECORD_BLOCKS, wanted)?;
        self.records.grant(id, granted);
        let Some(cached) = self.nodes.get(&id) else {
            return Ok(());
        };
        let (attr, valid) = (cached.attr, cached.valid);
        let read = self.tx.read_tree(TreePtr::new(id));
        let mut node = self.must(read)?;
        let content = if attr.kind() == Kind::File {
            self.records
                .write_back(self.tx, &mut node, attr.size, valid)
        } else {
            Ok(())
        };
        let data = node.data_mut();
        data.set_mode(attr.mode);
        data.set_uid(attr.uid);
        data.set_gid(attr.gid);
        let (seconds, nanoseconds) = disk_time(attr.atime);
        data.set_atime(seconds, nanoseconds);
        let (seconds, nanoseconds) = disk_time(attr.mtime);
        data.set_mtime(seconds, nanoseconds);
        let (seconds, nanoseconds) = disk_time(attr.ctime);
        (data.ctime, data.ctime_nsec) = (seconds.into(), nanoseconds.into());
        let (size, taken) = (node.data().size(), allocated(node.data()));
        let done = self.tx.sync_tree(node);
        self.must(done)?;
        if attr.kind() == Kind::File
            && let Some(cached) = self.nodes.get_mut(&id)
        {
            // Also when not everything was written: the rest is in records that wait.
            cached.valid = size;
            cached.attr.allocated = taken;
        }
        match content {
            // What did not fit can be tried again; what failed otherwise is in no known state.
            Err(error) if !matches!(error.errno, errno::ENOSPC | errno::ENOMEM) => {
                self.must(Err(error))
            }
            content => content.map_err(failed),
        }
    }

    /// Frees all that a node's content takes.
    fn empty(&mut self, node: NodeId) -> Result<()> {
        let read = self.tx.read_tree(pointer(node));
        let mut data: TreeData<Node> = self.must(read)?;
        if data.data().is_dir() {
            return Ok(());
        }
        let done = shrink(self.tx, &mut data, 0).and_then(|()| self.tx.sync_tree(data));
        self.must(done)
    }

    /// The number of a node that has been freed means another one from now on.
    fn gone(&mut self, node: NodeId) {
        let id = number(node);
        self.nodes.remove(&id);
        self.records.forget(id);
        self.drop_window(id);
        self.dirty.remove(&id);
        self.last_generation = self.last_generation.wrapping_add(1);
        self.generations.insert(id, self.last_generation);
    }

    /// See [`treefs::Store::opened`].
    pub fn opened(&mut self, node: NodeId) -> Result<()> {
        let cached = self.get(node)?;
        cached.opens = cached.opens.checked_add(1).ok_or(Error::TooManyHandles)?;
        Ok(())
    }

    /// See [`treefs::Store::closed`].
    pub fn closed(&mut self, node: NodeId) -> Result<()> {
        let cached = self.get(node)?;
        cached.opens = cached.opens.saturating_sub(1);
        let (opens, orphan) = (cached.opens, cached.orphan);
        if opens > 0 {
            return Ok(());
        }
        if orphan != Orphan::No {
            // What is not freed now is freed by the next mount.
            self.reserve_to_free(CHANGE)?;
            self.dirty.remove(&number(node));
            self.records.forget(number(node));
            self.empty(node)?;
            let done = if orphan == Orphan::Listed {
                self.listed = self.listed.saturating_sub(1);
                self.tx.on_close_node(pointer(node))
            } else {
                self.tx.release_node(pointer(node))
            };
            self.must(done)?;
            self.gone(node);
        } else if self.nodes.len() > MOST_NODES {
            self.forget_some();
        }
        Ok(())
    }

    /// Lets go of nodes that nobody has open, that the disk knows as they are, and that are not above one
    /// that stays.
    fn forget_some(&mut self) {
        let mut stay = BTreeSet::new();
        for (id, cached) in &self.nodes {
            if cached.opens == 0 && !self.dirty.contains(id) {
                continue;
            }
            let mut next = Some(*id);
            while let Some(id) = next.filter(|id| stay.insert(*id)) {
                let cached = self.nodes.get(&id);
                let above = cached.and_then(|c| c.parent.or(c.place.as_ref().map(|place| place.0)));
                next = above.map(number);
            }
        }
        stay.insert(TreePtr::<Node>::root().id());
        // What others have written to some may not have been taken.
        stay.extend(self.windows.keys());
        self.nodes.retain(|id, _| stay.contains(id));
        self.records.retain(|id| stay.contains(&id));
    }
}
