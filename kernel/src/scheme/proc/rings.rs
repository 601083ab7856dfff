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
use kernel_core::{
    ring::{self, Objects, Trial},
    slab::{Id, Slab},
};

/// What can be part of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The description of a handle.
    Description(Id<Description>),
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
        match node {
            Node::Description(id) => {
                let description = self.descriptions.get_mut(id)?;
                matches!(
                    description.kind,
                    Kind::Proc(Handle::Context(..) | Handle::Table(_))
                )
                .then_some(&mut description.trial)
            }
            Node::Table(id) => {
                let table = self.tables.get_mut(id)?;
                (table.users == 0).then_some(&mut table.trial)
            }
            Node::Context(id) => {
                let context = self.contexts.get_mut(id)?;
                (context.status == Status::New).then_some(&mut context.trial)
            }
        }
    }

    fn references(&self, node: Node) -> u32 {
        let count = match node {
            Node::Description(id) => self.descriptions.get(id).map(|d| d.refs),
            Node::Table(id) => self.tables.get(id).map(|table| table.refs),
            Node::Context(id) => self.contexts.get(id).map(|context| context.handles),
        };
        count.unwrap_or(0)
    }

    fn next_reference(&self, node: Node, cursor: usize) -> Option<(Node, usize)> {
        match node {
            Node::Table(id) => {
                let (number, entry) = self.tables.get(id)?.entries.next_from(cursor)?;
                Some((Node::Description(entry.desc), number.saturating_add(1)))
            }
            _ if cursor > 0 => None,
            Node::Context(id) => Some((Node::Table(self.contexts.get(id)?.table?), 1)),
            Node::Description(id) => {
                let description = self.descriptions.get(id)?;
                let target = match (description.origin, description.kind) {
                    (Some(origin), _) => Node::Description(origin),
                    (None, Kind::Proc(Handle::Context(context, _))) => Node::Context(context),
                    (None, Kind::Proc(Handle::Table(table))) => Node::Table(table),
                    _ => return None,
                };
                Some((target, 1))
            }
        }
    }

    fn hold(&mut self, node: Node) -> bool {
        let count = match node {
            Node::Description(_) => None,
            Node::Table(id) => self.tables.get_mut(id).map(|table| &mut table.refs),
            Node::Context(id) => self.contexts.get_mut(id).map(|c| &mut c.handles),
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

    /// Ends `node`, and what else is found from there, if nobody can reach it. To be asked when a
    /// reference to it is gone and it is still there.
    pub fn end_if_out_of_reach(&mut self, node: Node) {
        if self.ending_ring {
            // What ends now was looked at as a whole.
            return;
        }
        let mut ring = ring::out_of_reach(&mut self.handles(), node);
        if ring.is_empty() {
            return;
        }
        self.ending_ring = true;
        while let Some(node) = ring.pop(&mut self.handles()) {
            match node {
                Node::Description(_) => {}
                Node::Table(id) => {
                    self.empty_table(id);
                    self.release_table(id);
                }
                Node::Context(id) => {
                    self.kill(id);
                    if let Some(context) = self.contexts.get_mut(id) {
                        context.handles = context.handles.saturating_sub(1);
                    }
                    self.reap(id);
                }
            }
        }
        self.ending_ring = false;
    }
}
