//! Directories in memory.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::node::NodeId;

/// A directory's entries, by name and in the order in which a listing shows them.
#[derive(Debug)]
pub struct Dir {
    entries: BTreeMap<Arc<str>, Slot>,
    order: BTreeMap<u64, Arc<str>>,
    /// Cookies only grow, so that what is created during a listing comes after what was listed.
    last_cookie: u64,
    /// The directory it is in.
    pub parent: NodeId,
    /// How many of the entries are directories, if whoever keeps it counts them.
    pub subdirs: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    node: NodeId,
    cookie: u64,
    payer: u32,
}

impl Dir {
    /// Nothing, in the directory `parent`.
    #[must_use]
    pub const fn new(parent: NodeId) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            last_cookie: 0,
            parent,
            subdirs: 0,
        }
    }

    /// What a name leads to.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<NodeId> {
        self.entries.get(name).map(|slot| slot.node)
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts an entry in, which counts for a user; one of the same name keeps its cookie and whom it counts for, and
    /// is returned.
    pub fn insert(&mut self, name: Arc<str>, node: NodeId, payer: u32) -> Option<NodeId> {
        if let Some(slot) = self.entries.get_mut(&name) {
            return Some(core::mem::replace(&mut slot.node, node));
        }
        self.last_cookie = self.last_cookie.saturating_add(1);
        let cookie = self.last_cookie;
        self.order.insert(cookie, Arc::clone(&name));
        let slot = Slot {
            node,
            cookie,
            payer,
        };
        self.entries.insert(name, slot);
        None
    }

    /// Takes an entry out; what it named, and whom it counts for.
    pub fn remove(&mut self, name: &str) -> Option<(NodeId, u32)> {
        let slot = self.entries.remove(name)?;
        self.order.remove(&slot.cookie);
        Some((slot.node, slot.payer))
    }

    /// Entries after the one with cookie `after`, in order.
    pub fn list(&self, after: u64) -> impl Iterator<Item = (u64, &str, NodeId)> {
        let from = after.saturating_add(1);
        let range = (after < u64::MAX).then(|| self.order.range(from..));
        range.into_iter().flatten().filter_map(|(cookie, name)| {
            let slot = self.entries.get(name)?;
            Some((*cookie, &**name, slot.node))
        })
    }
}
