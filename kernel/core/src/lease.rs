//! Leases: revocable authority.
//!
//! A lease is a node of a graph without cycles. [`Leases::derive`] makes a child of one lease (or
//! of none); [`Leases::join`] finds the lease that lives as long as two given ones both do.
//! Revoking a lease ends it and everything below it, and nothing else.
//!
//! Revocation removes nodes, so a lease is live exactly as long as its id names something:
//! [`Leases::is_live`] is a load and a comparison, and revoked leases occupy no memory although
//! entries may still carry their ids. Where many leases end, they are removed in parts
//! ([`Leases::clear_part`]); until that is done, a lease is live if none above it has ended. Every
//! function takes such stale ids and does nothing with them.
//!
//! A live node is kept by what refers to it: *uses* (descriptor-table entries and descriptions that
//! are subject to it), *controls* (descriptors that can revoke it) and children. Without any it is
//! freed.
//!
//! What is opened through an entry under a lease falls under the same lease, unless the lease was derived
//! as [`LEASE_NOT_INHERITED`]: then it falls under what the original's openings fall under
//! ([`Leases::for_opened`]).
//!
//! The number of a lease's ancestors is bounded by [`MAX_ANCESTORS`], which bounds the cost of
//! `join`. Giving back what is revoked costs time in proportion to it, in as many parts as one likes.

mod joins;

use alloc::vec::Vec;

use cap_abi::fcntl::{LEASE_NOT_INHERITED, LEASE_REVOKE_ON_CLOSE, LEASE_UNPRIVILEGED};

use crate::NoMemory;
use crate::slab::{Id, Slab};

/// Names a lease.
pub type LeaseId = Id<Node>;

/// How many leases one lease can depend on, directly or indirectly.
pub const MAX_ANCESTORS: u16 = 255;

/// How many joins above each other [`Leases::for_opened`] takes apart. What is deeper is inherited whole,
/// and so ends earlier than it had to, never later.
const MAX_SPLITS: u8 = 3;

/// How many steps are taken at once of giving back what has ended.
const CLEAR_PART: usize = 4096;

/// The first table of joins; kept once it is there, lest opening and closing one descriptor
/// allocate.
const MIN_BUCKETS: usize = 16;

/// Why a lease could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseError {
    /// A lease it would depend on is revoked (`ESTALE`).
    Revoked,
    /// It would depend on more than [`MAX_ANCESTORS`] leases (`ELOOP`).
    TooDeep,
    /// A flag that does not exist (`EINVAL`).
    UnknownFlag,
    /// No memory, or too many leases (`ENOMEM`).
    NoMemory,
}

impl From<NoMemory> for LeaseError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// One of a node's two places in a parent's list of children.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Edge {
    child: LeaseId,
    second: bool,
}

#[derive(Clone, Copy, Default)]
struct Parent {
    id: Option<LeaseId>,
    prev: Option<Edge>,
    next: Option<Edge>,
}

/// A lease; only its id is of use outside.
pub struct Node {
    first: Parent,
    second: Parent,
    children: Option<Edge>,
    /// The next node of the same bucket, for nodes with two parents.
    chain: Option<LeaseId>,
    /// The next node of the traversal under way, or of those that have ended.
    work: Option<LeaseId>,
    /// Revoked, or below one that is, and found to be so; not yet removed.
    ended: bool,
    /// The last traversal that met this node.
    met: u64,
    uses: u32,
    controls: u32,
    ancestors: u16,
    revoke_on_close: bool,
    /// Derived as [`LEASE_NOT_INHERITED`].
    own_only: bool,
    /// That, or a join of such a one.
    passes_up: bool,
}

impl Node {
    const fn parent(&self, second: bool) -> &Parent {
        if second { &self.second } else { &self.first }
    }

    const fn parent_mut(&mut self, second: bool) -> &mut Parent {
        if second {
            &mut self.second
        } else {
            &mut self.first
        }
    }

    /// Whether nothing refers to it. What has ended waits for its removal all the same.
    const fn is_unused(&self) -> bool {
        !self.ended && self.uses == 0 && self.controls == 0 && self.children.is_none()
    }
}

/// Every lease of the system.
pub struct Leases {
    nodes: Slab<Node>,
    /// How many there may be but for those that the superuser makes: the rest is kept, so that whatever
    /// others do, names can be bound and daemons started.
    for_everybody: usize,
    /// Heads of the chains of nodes with two parents, by a hash of those. Empty or a power of two.
    joins: Vec<Option<LeaseId>>,
    join_count: usize,
    traversal: u64,
    ended: Ended,
}

/// Leases that have ended and are not removed: a queue through [`Node::work`].
struct Ended {
    first: Option<LeaseId>,
    last: Option<LeaseId>,
    /// Of this one and those behind it what is below is still to be found.
    find_below: Option<LeaseId>,
}

impl Default for Leases {
    fn default() -> Self {
        Self::new()
    }
}

impl Leases {
    /// No lease, no memory; at most 65,536 leases.
    pub const fn new() -> Self {
        Self::with_limit(65_536)
    }

    /// No lease, no memory; at most `max` leases at a time.
    pub const fn with_limit(max: u32) -> Self {
        Self {
            nodes: Slab::with_limit(max),
            for_everybody: max.saturating_sub(max / 16) as usize,
            joins: Vec::new(),
            join_count: 0,
            traversal: 0,
            ended: Ended {
                first: None,
                last: None,
                find_below: None,
            },
        }
    }

    /// How many live leases there are.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether authority under this lease is valid. Without a lease it always is.
    #[inline]
    pub fn is_live(&mut self, lease: Option<LeaseId>) -> bool {
        match lease {
            None => true,
            Some(id) => self.nodes.contains(id) && (!self.is_clearing() || self.is_above_live(id)),
        }
    }

    /// Whether neither the lease nor any above it has ended.
    #[cold]
    #[inline(never)]
    fn is_above_live(&mut self, id: LeaseId) -> bool {
        let traversal = self.begin();
        let mut work = None;
        let mut next = Some(id);
        // Every ancestor once, so this ends.
        while let Some(at) = next {
            match self.nodes.get(at) {
                Some(node) if !node.ended => {}
                _ => return false,
            }
            if self.meet(at, traversal)
                && let Some(node) = self.nodes.get_mut(at)
            {
                node.work = work;
                work = Some(at);
            }
            next = loop {
                let Some(below) = work else { return true };
                let above = self.nodes.get(below).and_then(|node| {
                    let parents = [node.first.id, node.second.id];
                    let is_new = |parent: &LeaseId| {
                        self.nodes
                            .get(*parent)
                            .is_none_or(|node| node.met != traversal)
                    };
                    parents.into_iter().flatten().find(is_new)
                });
                match above {
                    Some(above) => break Some(above),
                    None => work = self.nodes.get(below).and_then(|node| node.work),
                }
            };
        }
        true
    }

    /// Makes a lease that ends when it is revoked or `parent` ends. The caller owns one use and one
    /// control of it.
    ///
    /// `flags` are the `LEASE_*` of `cap_abi::fcntl`; without [`LEASE_UNPRIVILEGED`] it may be one of the last
    /// sixteenth that there can be.
    ///
    /// # Errors
    /// Every [`LeaseError`].
    pub fn derive(&mut self, parent: Option<LeaseId>, flags: u32) -> Result<LeaseId, LeaseError> {
        if flags & !(LEASE_REVOKE_ON_CLOSE | LEASE_NOT_INHERITED | LEASE_UNPRIVILEGED) != 0 {
            return Err(LeaseError::UnknownFlag);
        }
        let ancestors = match parent {
            None => 0,
            Some(_) if !self.is_live(parent) => return Err(LeaseError::Revoked),
            Some(id) => {
                let parent = self.nodes.get(id).ok_or(LeaseError::Revoked)?;
                parent.ancestors.saturating_add(1)
            }
        };
        let limit = match flags & LEASE_UNPRIVILEGED {
            0 => usize::MAX,
            _ => self.for_everybody,
        };
        let id = self.add(parent, None, ancestors, limit)?;
        if let Some(node) = self.nodes.get_mut(id) {
            node.controls = 1;
            node.revoke_on_close = flags & LEASE_REVOKE_ON_CLOSE != 0;
            node.own_only = flags & LEASE_NOT_INHERITED != 0;
            node.passes_up = node.own_only;
        }
        Ok(id)
    }

    /// The lease that something falls under which is opened through an entry under `id`; `None` for none.
    /// The caller owns one use of it.
    ///
    /// # Errors
    /// `Revoked`; what [`Self::join`] answers.
    #[inline]
    pub fn for_opened(&mut self, id: LeaseId) -> Result<Option<LeaseId>, LeaseError> {
        if !self.is_live(Some(id)) {
            return Err(LeaseError::Revoked);
        }
        let node = self.nodes.get_mut(id).ok_or(LeaseError::Revoked)?;
        if node.passes_up {
            return self.inherited(id, MAX_SPLITS);
        }
        node.uses = node.uses.saturating_add(1);
        Ok(Some(id))
    }

    #[cold]
    fn inherited(&mut self, id: LeaseId, splits: u8) -> Result<Option<LeaseId>, LeaseError> {
        let mut at = id;
        // Ends: each round goes to a parent, and there are no cycles.
        loop {
            let node = self.nodes.get(at).ok_or(LeaseError::Revoked)?;
            let parents = (node.first.id, node.second.id);
            match (node.own_only, node.passes_up, parents) {
                (true, _, (None, _)) => return Ok(None),
                (true, _, (Some(parent), _)) => at = parent,
                (false, true, (Some(a), Some(b))) if splits > 0 => {
                    let rest = splits.saturating_sub(1);
                    let a = self.inherited(a, rest)?;
                    let b = self.inherited(b, rest).inspect_err(|_| {
                        if let Some(a) = a {
                            self.release(a);
                        }
                    })?;
                    let (Some(a), Some(b)) = (a, b) else {
                        return Ok(a.or(b));
                    };
                    let both = self.join(a, b);
                    self.release(a);
                    self.release(b);
                    return both.map(Some);
                }
                _ => {
                    self.retain(at);
                    return Ok(Some(at));
                }
            }
        }
    }

    /// Finds or makes the lease that ends when either of two ends. The caller owns one use of it.
    ///
    /// # Errors
    /// Every [`LeaseError`] but `UnknownFlag`.
    pub fn join(&mut self, a: LeaseId, b: LeaseId) -> Result<LeaseId, LeaseError> {
        if !self.is_live(Some(a)) || !self.is_live(Some(b)) {
            return Err(LeaseError::Revoked);
        }
        // One order for both ways to ask.
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        let found = if a == b || self.has_parent(a, b) {
            Some(a)
        } else if self.has_parent(b, a) {
            Some(b)
        } else {
            self.find_join(a, b)
        };
        if let Some(id) = found {
            self.retain(id);
            return Ok(id);
        }
        let above_a = self.count_ancestors(a, b, None);
        if above_a.met_other {
            self.retain(a);
            return Ok(a);
        }
        // Counts only what is not above `a` too.
        let above_b = self.count_ancestors(b, a, Some(above_a.traversal));
        if above_b.met_other {
            self.retain(b);
            return Ok(b);
        }
        let ancestors = above_a
            .count
            .saturating_add(above_b.count)
            .saturating_add(2);
        self.grow_joins();
        let id = self.add(Some(a), Some(b), ancestors, self.for_everybody)?;
        let passes_up = [a, b]
            .iter()
            .any(|&parent| self.nodes.get(parent).is_some_and(|node| node.passes_up));
        if let Some(node) = self.nodes.get_mut(id) {
            node.passes_up = passes_up;
        }
        if let Some(index) = self.bucket(a, b)
            && let Some(head) = self.joins.get_mut(index)
        {
            let chain = head.replace(id);
            if let Some(node) = self.nodes.get_mut(id) {
                node.chain = chain;
            }
        }
        self.join_count = self.join_count.saturating_add(1);
        Ok(id)
    }

    /// Takes another use of a lease. `false` when it is revoked; nothing need be released then.
    pub fn retain(&mut self, id: LeaseId) -> bool {
        self.nodes.get_mut(id).is_some_and(|node| {
            node.uses = node.uses.saturating_add(1);
            true
        })
    }

    /// Gives up one use of a lease.
    pub fn release(&mut self, id: LeaseId) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.uses = node.uses.saturating_sub(1);
            self.collect(id);
        }
    }

    /// Takes another control of a lease (its control descriptor was duplicated). `false` when it
    /// is revoked.
    pub fn retain_control(&mut self, id: LeaseId) -> bool {
        self.nodes.get_mut(id).is_some_and(|node| {
            node.controls = node.controls.saturating_add(1);
            true
        })
    }

    /// Gives up one control of a lease. Revokes it when that was the last one and the lease was
    /// derived so. Returns how many leases ended by revocation.
    pub fn release_control(&mut self, id: LeaseId) -> usize {
        let Some(node) = self.nodes.get_mut(id) else {
            return 0;
        };
        node.controls = node.controls.saturating_sub(1);
        if node.controls == 0 && node.revoke_on_close {
            return self.revoke(id);
        }
        self.collect(id);
        0
    }

    /// Ends a lease and every lease below it, all at once. What they take of memory is given back in parts,
    /// the first of them now; returns how many leases that were.
    pub fn revoke(&mut self, id: LeaseId) -> usize {
        if !self.end(id) {
            return 0;
        }
        self.clear_part(CLEAR_PART)
    }

    /// Whether there are leases that have ended and take memory still.
    pub const fn is_clearing(&self) -> bool {
        self.ended.first.is_some()
    }

    /// Takes `limit` steps of giving back what has ended, and returns how many leases are gone with them.
    /// There are two steps for each lease that ends, and one for each dependence on one.
    pub fn clear_part(&mut self, limit: usize) -> usize {
        let mut gone = 0_usize;
        for _ in 0..limit {
            // All below are found before any is removed: what loses its last child on the way is known to
            // be waiting for its own removal.
            if let Some(at) = self.ended.find_below {
                match self.disown_first(at) {
                    Some(child) => {
                        self.end(child);
                    }
                    None => self.ended.find_below = self.nodes.get(at).and_then(|node| node.work),
                }
            } else if let Some(at) = self.ended.first {
                let next = self.nodes.get(at).and_then(|node| node.work);
                self.ended.first = next;
                if next.is_none() {
                    self.ended.last = None;
                }
                self.detach(at);
                gone = gone.saturating_add(1);
            } else {
                break;
            }
        }
        gone
    }

    /// Marks a lease as ended and queues it for removal; `false` when it is so already, or gone.
    fn end(&mut self, id: LeaseId) -> bool {
        let Some(node) = self.nodes.get_mut(id) else {
            return false;
        };
        if core::mem::replace(&mut node.ended, true) {
            return false;
        }
        node.work = None;
        match self.ended.last.replace(id) {
            Some(last) => {
                if let Some(node) = self.nodes.get_mut(last) {
                    node.work = Some(id);
                }
            }
            None => self.ended.first = Some(id),
        }
        if self.ended.find_below.is_none() {
            self.ended.find_below = Some(id);
        }
        true
    }

    /// Takes the first of a node's children out of the list: it must not look for its way out of a list
    /// whose owner is gone.
    fn disown_first(&mut self, id: LeaseId) -> Option<LeaseId> {
        let Edge { child, second } = self.nodes.get(id)?.children?;
        let next = self.nodes.get(child)?.parent(second).next;
        if let Some(next) = next
            && let Some(node) = self.nodes.get_mut(next.child)
        {
            node.parent_mut(next.second).prev = None;
        }
        self.nodes.get_mut(id)?.children = next;
        let parent = self.nodes.get_mut(child)?.parent_mut(second);
        *parent = Parent {
            id: parent.id,
            ..Parent::default()
        };
        Some(child)
    }

    /// Frees `id` if nothing refers to it any more, and then those above it of which the same is
    /// true.
    fn collect(&mut self, id: LeaseId) {
        if self.nodes.get(id).is_some_and(Node::is_unused) {
            self.detach(id);
        }
    }

    /// Removes a node without children, and then those above it that nothing refers to any more.
    fn detach(&mut self, id: LeaseId) {
        let traversal = self.begin();
        if let Some(node) = self.nodes.get_mut(id) {
            node.work = None;
        }
        let mut work = Some(id);
        while let Some(at) = work {
            self.forget_join(at);
            self.unlink(at, false);
            self.unlink(at, true);
            let Some(node) = self.nodes.remove(at) else {
                break;
            };
            work = node.work;
            for parent in [node.first.id, node.second.id].into_iter().flatten() {
                if let Some(above) = self.nodes.get_mut(parent)
                    && above.is_unused()
                    && above.met != traversal
                {
                    above.met = traversal;
                    above.work = work;
                    work = Some(parent);
                }
            }
        }
    }

    /// Makes a node with one use.
    fn add(
        &mut self,
        first: Option<LeaseId>,
        second: Option<LeaseId>,
        ancestors: u16,
        limit: usize,
    ) -> Result<LeaseId, LeaseError> {
        if ancestors > MAX_ANCESTORS {
            return Err(LeaseError::TooDeep);
        }
        // What has ended is not to be in the way.
        while (self.nodes.len() >= limit || self.nodes.reserve_one().is_err()) && self.is_clearing()
        {
            self.clear_part(CLEAR_PART);
        }
        if self.nodes.len() >= limit {
            return Err(LeaseError::NoMemory);
        }
        let id = self.nodes.insert(Node {
            first: Parent {
                id: first,
                ..Parent::default()
            },
            second: Parent {
                id: second,
                ..Parent::default()
            },
            children: None,
            chain: None,
            work: None,
            ended: false,
            met: 0,
            uses: 1,
            controls: 0,
            ancestors,
            revoke_on_close: false,
            own_only: false,
            passes_up: false,
        })?;
        self.link(id, false);
        self.link(id, true);
        Ok(id)
    }

    fn link(&mut self, child: LeaseId, second: bool) {
        let parent = self.nodes.get(child).and_then(|n| n.parent(second).id);
        let Some(parent) = parent else { return };
        let edge = Edge { child, second };
        let Some(head) = self
            .nodes
            .get_mut(parent)
            .map(|node| node.children.replace(edge))
        else {
            return;
        };
        if let Some(head) = head
            && let Some(node) = self.nodes.get_mut(head.child)
        {
            node.parent_mut(head.second).prev = Some(edge);
        }
        if let Some(node) = self.nodes.get_mut(child) {
            node.parent_mut(second).next = head;
        }
    }

    fn unlink(&mut self, child: LeaseId, second: bool) {
        let edge = Edge { child, second };
        let Some(&Parent { id, prev, next }) = self.nodes.get(child).map(|n| n.parent(second))
        else {
            return;
        };
        match prev {
            Some(before) => {
                if let Some(node) = self.nodes.get_mut(before.child) {
                    node.parent_mut(before.second).next = next;
                }
            }
            None => {
                if let Some(parent) = id.and_then(|id| self.nodes.get_mut(id))
                    && parent.children == Some(edge)
                {
                    parent.children = next;
                }
            }
        }
        if let Some(after) = next
            && let Some(node) = self.nodes.get_mut(after.child)
        {
            node.parent_mut(after.second).prev = prev;
        }
    }

    fn begin(&mut self) -> u64 {
        self.traversal = self.traversal.wrapping_add(1);
        self.traversal
    }

    /// Marks a node; `false` when it is marked already or gone.
    fn meet(&mut self, id: LeaseId, traversal: u64) -> bool {
        self.nodes.get_mut(id).is_some_and(|node| {
            let new = node.met != traversal;
            if new {
                node.met = traversal;
                node.work = None;
            }
            new
        })
    }

    fn has_parent(&self, child: LeaseId, parent: LeaseId) -> bool {
        self.nodes
            .get(child)
            .is_some_and(|n| n.first.id == Some(parent) || n.second.id == Some(parent))
    }

    /// Walks everything above `of`, looking for `other`, except what traversal `known` has met.
    fn count_ancestors(&mut self, of: LeaseId, other: LeaseId, known: Option<u64>) -> Above {
        let traversal = self.begin();
        let mut above = Above {
            count: 0,
            met_other: false,
            traversal,
        };
        self.meet(of, traversal);
        let mut work = Some(of);
        while let Some(at) = work {
            let Some(node) = self.nodes.get(at) else {
                break;
            };
            work = node.work;
            for parent in [node.first.id, node.second.id].into_iter().flatten() {
                above.met_other |= parent == other;
                let known = known.is_some() && known == self.nodes.get(parent).map(|node| node.met);
                if !known && self.meet(parent, traversal) {
                    above.count = above.count.saturating_add(1);
                    if let Some(node) = self.nodes.get_mut(parent) {
                        node.work = work;
                    }
                    work = Some(parent);
                }
            }
        }
        above
    }
}

struct Above {
    count: u16,
    met_other: bool,
    traversal: u64,
}
