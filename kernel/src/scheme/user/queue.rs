//! The messages for a scheme: a queue through contexts, descriptions and records of mappings.

use super::{Node, Scheme};
use crate::{context::Context, descriptor::Description, kernel::Kernel, scheme::memory::MapRecord};
use kernel_core::{
    queue::Links,
    slab::{Id, Slab},
};

/// The objects that messages are in.
struct Objects<'a> {
    contexts: &'a mut Slab<Context>,
    descriptions: &'a mut Slab<Description>,
    maps: &'a mut Slab<MapRecord>,
}

impl Links<Node> for Objects<'_> {
    #[inline]
    fn next(&mut self, node: Node) -> Option<&mut Option<Node>> {
        match node {
            Node::Call(id) | Node::Cancel(id) => self
                .contexts
                .get_mut(id)
                .map(|context| &mut context.next_message),
            Node::Close(id) => self.descriptions.get_mut(id).map(|d| &mut d.next_message),
            Node::Note(id) => self.maps.get_mut(id).map(|map| &mut map.next_message),
        }
    }
}

impl Kernel {
    #[inline]
    fn scheme_and_objects(&mut self, id: Id<Scheme>) -> Option<(&mut Scheme, Objects<'_>)> {
        let objects = Objects {
            contexts: &mut self.contexts,
            descriptions: &mut self.descriptions,
            maps: &mut self.maps,
        };
        Some((self.schemes.get_mut(id)?, objects))
    }

    /// Appends a message and gives the scheme. Its object must stay in its slab, and in no other queue,
    /// until popped.
    #[inline]
    pub fn enqueue(&mut self, scheme: Id<Scheme>, node: Node) -> Option<&mut Scheme> {
        let (scheme, mut objects) = self.scheme_and_objects(scheme)?;
        scheme.queue.push(&mut objects, node);
        Some(scheme)
    }

    /// Takes the first message.
    pub fn dequeue(&mut self, scheme: Id<Scheme>) -> Option<Node> {
        let (scheme, mut objects) = self.scheme_and_objects(scheme)?;
        scheme.queue.pop(&mut objects)
    }

    /// Takes a message out of the middle. It costs a walk over the messages before it.
    pub fn unqueue(&mut self, scheme: Id<Scheme>, node: Node) {
        if let Some((scheme, mut objects)) = self.scheme_and_objects(scheme) {
            scheme.queue.remove(&mut objects, node);
        }
    }
}
