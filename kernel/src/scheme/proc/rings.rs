//! Descriptor tables and contexts that only refer to each other.
//!
//! A table that no running program uses is kept by handles of it, and a context that was never started
//! by its own; those may be in such tables themselves. When one of the references goes and others stay,
//! what the others come from is looked at ([`kernel_core::ring`]), and what nobody can reach any more is
//! ended.

use super::Handle;
use crate::{
    context::{Context, Status},
    descriptor::{Description, FileTable},
    kernel::Kernel,
    scheme::Kind,
};
use alloc::vec::Vec;
use core::num::NonZeroU32;
use kernel_core::{
    ring::{self, Objects, Ring, Trial},
    slab::{Id, Slab},
};

/// What can be part of a ring, by the index of its slot: nothing ends while one is looking, and what
/// is to be ended is held. One word, because every description has room for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(NonZeroU32);

const TAG_SHIFT: u32 = 30;
const INDEX_MASK: u32 = (1 << TAG_SHIFT) - 1;

/// What a node is.
enum Object {
    Description(u32),
    Table(u32),
    Context(u32),
}

impl Node {
    fn new(tag: u32, index: u32) -> Option<Self> {
        if index > INDEX_MASK {
            return None;
        }
        NonZeroU32::new(tag << TAG_SHIFT | index).map(Self)
    }

    /// The description of a handle.
    pub fn description(id: Id<Description>) -> Option<Self> {
        Self::new(1, id.index())
    }

    /// A table.
    pub fn table(id: Id<FileTable>) -> Option<Self> {
        Self::new(2, id.index())
    }

    /// A context.
    pub fn context(id: Id<Context>) -> Option<Self> {
        Self::new(3, id.index())
    }

    const fn object(self) -> Object {
        let index = self.0.get() & INDEX_MASK;
        match self.0.get() >> TAG_SHIFT {
            1 => Object::Description(index),
            2 => Object::Table(index),
            _ => Object::Context(index),
        }
    }
}

/// How many references are followed in one stay in the kernel, however many are closed in it. A graph with more
/// of them is looked at when nobody is ready to run or somebody asks for memory, with twice as many, and so on.
pub const STEPS: usize = 8192;
/// For so many suspects there always is memory.
pub const SUSPECTS: usize = 64;

/// What may be out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// The object behind a handle.
    Handle(Id<Description>),
    /// A table.
    Table(Id<FileTable>),
    /// A context.
    Context(Id<Context>),
}

struct Handles<'a> {
    descriptions: &'a mut Slab<Description>,
    tables: &'a mut Slab<FileTable>,
    contexts: &'a mut Slab<Context>,
}

impl Objects for Handles<'_> {
    type Node = Node;

    fn trial(&mut self, node: Node) -> Option<&mut Trial<Node>> {
        match node.object() {
            Object::Description(index) => {
                let (_, description) = self.descriptions.by_index_mut(index)?;
                matches!(
                    description.kind,
                    Kind::Proc(Handle::Context(..) | Handle::Table(_))
                )
                .then_some(&mut description.trial)
            }
            Object::Table(index) => {
                let (_, table) = self.tables.by_index_mut(index)?;
                (table.users == 0).then_some(&mut table.trial)
            }
            Object::Context(index) => {
                let (_, context) = self.contexts.by_index_mut(index)?;
                (context.status == Status::New).then_some(&mut context.trial)
            }
        }
    }

    fn references(&self, node: Node) -> u32 {
        let count = match node.object() {
            Object::Description(index) => self.descriptions.by_index(index).map(|(_, d)| d.refs),
            Object::Table(index) => self.tables.by_index(index).map(|(_, table)| table.refs),
            Object::Context(index) => self.contexts.by_index(index).map(|(_, c)| c.handles),
        };
        count.unwrap_or(0)
    }

    fn next_reference(&self, node: Node, cursor: usize) -> Option<(Node, usize)> {
        let target = match node.object() {
            Object::Table(index) => {
                let (_, table) = self.tables.by_index(index)?;
                let mut from = cursor;
                loop {
                    let (number, entry) = table.entries.next_from(from)?;
                    from = number.saturating_add(1);
                    if let Some(node) = Node::description(entry.desc) {
                        return Some((node, from));
                    }
                }
            }
            _ if cursor > 0 => None,
            Object::Context(index) => Node::table(self.contexts.by_index(index)?.1.table?),
            Object::Description(index) => {
                let (_, description) = self.descriptions.by_index(index)?;
                match (description.origin, description.kind) {
                    (Some(origin), _) => Node::description(origin),
                    (None, Kind::Proc(Handle::Context(context, _))) => Node::context(context),
                    (None, Kind::Proc(Handle::Table(table))) => Node::table(table),
                    _ => None,
                }
            }
        };
        Some((target?, 1))
    }

    fn hold(&mut self, node: Node) -> bool {
        let count = match node.object() {
            Object::Description(_) => None,
            Object::Table(index) => self.tables.by_index_mut(index).map(|(_, t)| &mut t.refs),
            Object::Context(index) => self
                .contexts
                .by_index_mut(index)
                .map(|(_, context)| &mut context.handles),
        };
        let Some(count) = count else { return false };
        let more = count.checked_add(1);
        *count = more.unwrap_or(*count);
        more.is_some()
    }
}

impl Kernel {
    fn handles(&mut self) -> Handles<'_> {
        Handles {
            descriptions: &mut self.descriptions,
            tables: &mut self.tables,
            contexts: &mut self.contexts,
        }
    }

    /// Notes that a reference to something is gone and others are not, so that it may be out of reach. It is
    /// looked at later: most that is suspected is soon in use again, or gone.
    pub fn suspect(&mut self, suspect: Suspect) {
        let unused = match suspect {
            Suspect::Handle(id) => match self.descriptions.get(id).map(|d| d.kind) {
                Some(Kind::Proc(Handle::Context(id, _))) => self.is_new(id),
                Some(Kind::Proc(Handle::Table(id))) => self.is_unused(id),
                _ => false,
            },
            Suspect::Table(id) => self.is_unused(id),
            Suspect::Context(id) => self.is_new(id),
        };
        let suspects = &mut self.chores.suspects;
        // The same again is soon suspected again, or never.
        if !unused || suspects.iter().rev().take(4).any(|one| *one == suspect) {
            return;
        }
        if suspects.try_reserve(1).is_err() {
            // Of several that belong together the last sees the others gone.
            suspects.pop();
        }
        if suspects.len() < suspects.capacity() {
            suspects.push(suspect);
            self.note_suspect();
        }
    }

    fn is_new(&self, id: Id<Context>) -> bool {
        self.contexts
            .get(id)
            .is_some_and(|context| context.status == Status::New)
    }

    fn is_unused(&self, id: Id<FileTable>) -> bool {
        self.tables.get(id).is_some_and(|table| table.users == 0)
    }

    /// Ends what of the suspects, and of what is found from there, nobody can reach. What there is no time
    /// for is left for the next stay in the kernel.
    /// `false`: there are such.
    #[cold]
    pub fn end_rings(&mut self) -> bool {
        let mut steps = STEPS;
        while let Some(suspect) = self.chores.suspects.pop() {
            let Some(node) = self.node_of(suspect) else {
                continue;
            };
            let whole = steps == STEPS;
            let ring = ring::out_of_reach(&mut self.handles(), node, &mut steps);
            if ring.is_empty() && steps == 0 {
                if !whole {
                    // It may be found with all the time of the next stay.
                    self.chores.suspects.push(suspect);
                    return false;
                }
                let large = &mut self.chores.large;
                if !large.contains(&suspect) && large.try_reserve(1).is_ok() {
                    large.push(suspect);
                }
            }
            self.end_ring(ring);
        }
        if self.chores.suspects.capacity() > SUSPECTS {
            let mut fewer = Vec::new();
            if fewer.try_reserve_exact(SUSPECTS).is_ok() {
                self.chores.suspects = fewer;
            }
        }
        true
    }

    /// As [`Self::end_rings`], for one of those that are too large for it; with more time when there was too
    /// little the last time. `false`: there is more to do.
    #[cold]
    pub fn end_large_ring(&mut self) -> bool {
        let Some(suspect) = self.chores.large.pop() else {
            return true;
        };
        if let Some(node) = self.node_of(suspect) {
            let mut steps = self.chores.large_steps;
            let ring = ring::out_of_reach(&mut self.handles(), node, &mut steps);
            if ring.is_empty() && steps == 0 {
                self.chores.large_steps = self.chores.large_steps.saturating_mul(2);
                self.chores.large.push(suspect);
                return false;
            }
            self.end_ring(ring);
        }
        self.chores.large_steps = STEPS;
        if self.chores.large.is_empty() {
            self.chores.large = Vec::new();
        }
        self.chores.large.is_empty()
    }

    /// Where to look from; nothing if the suspect is gone or in use.
    fn node_of(&self, suspect: Suspect) -> Option<Node> {
        match suspect {
            Suspect::Handle(id) if self.descriptions.contains(id) => Node::description(id),
            Suspect::Table(id) if self.is_unused(id) => Node::table(id),
            Suspect::Context(id) if self.is_new(id) => Node::context(id),
            _ => None,
        }
    }

    fn end_ring(&mut self, mut ring: Ring<Node>) {
        while let Some(node) = ring.pop(&mut self.handles()) {
            match node.object() {
                Object::Description(_) => {}
                Object::Table(index) => {
                    if let Some((id, _)) = self.tables.by_index(index) {
                        self.empty_table(id, 0);
                        self.release_table(id);
                    }
                }
                Object::Context(index) => {
                    if let Some((id, _)) = self.contexts.by_index(index) {
                        self.kill(id);
                        if let Some(context) = self.contexts.get_mut(id) {
                            context.handles = context.handles.saturating_sub(1);
                        }
                        self.reap(id);
                    }
                }
            }
        }
    }
}
