//! The queue of messages for a scheme: first in, first out, through the objects themselves.

use super::Node;
use crate::{descriptor::Description, kernel::Kernel};
use kernel_core::slab::Id;

/// Head and tail of a scheme's messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    head: Option<Node>,
    tail: Option<Node>,
}

impl Queue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { head: None, tail: None }
    }

    /// Whether no message waits.
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The description whose end is the only message there is.
    #[inline]
    pub fn only_close(&self) -> Option<Id<Description>> {
        match self.head {
            Some(Node::Close(id)) if self.head == self.tail => Some(id),
            _ => None,
        }
    }

    /// The first message.
    pub const fn front(&self) -> Option<Node> {
        self.head
    }
}

impl Kernel {
    fn next_of(&mut self, node: Node) -> Option<&mut Option<Node>> {
        match node {
            Node::Call(id) | Node::Cancel(id) => {
                self.contexts.get_mut(id).map(|context| &mut context.next_message)
            }
            Node::Close(id) => self.descriptions.get_mut(id).map(|d| &mut d.next_message),
            Node::Note(id) => self.maps.get_mut(id).map(|map| &mut map.next_message),
        }
    }

    /// Appends a message and gives the scheme. Its object must stay in its slab, and in no other queue,
    /// until popped; its link is empty as long as it is in none.
    #[inline]
    pub fn enqueue(
        &mut self,
        scheme: Id<super::Scheme>,
        node: Node,
    ) -> Option<&mut super::Scheme> {
        let queue = &mut self.schemes.get_mut(scheme)?.queue;
        let last = queue.tail.replace(node);
        match last {
            None => queue.head = Some(node),
            Some(last) => {
                if let Some(next) = self.next_of(last) {
                    *next = Some(node);
                }
            }
        }
        self.schemes.get_mut(scheme)
    }

    /// Takes the first message.
    pub fn dequeue(&mut self, scheme: Id<super::Scheme>) -> Option<Node> {
        let node = self.schemes.get(scheme)?.queue.head?;
        let next = self.next_of(node).and_then(Option::take);
        let queue = &mut self.schemes.get_mut(scheme)?.queue;
        queue.head = next;
        if next.is_none() {
            queue.tail = None;
        }
        Some(node)
    }

    /// Takes a message out of the middle. It costs a walk over the messages before it.
    pub fn unqueue(&mut self, scheme: Id<super::Scheme>, node: Node) {
        let Some(queue) = self.schemes.get(scheme).map(|scheme| scheme.queue) else { return };
        let mut previous: Option<Node> = None;
        let mut at = queue.head;
        while let Some(here) = at {
            let next = self.next_of(here).and_then(|next| *next);
            if here != node {
                previous = Some(here);
                at = next;
                continue;
            }
            if let Some(link) = self.next_of(here) {
                *link = None;
            }
            match previous.and_then(|previous| self.next_of(previous)) {
                Some(link) => *link = next,
                None => {
                    if let Some(scheme) = self.schemes.get_mut(scheme) {
                        scheme.queue.head = next;
                    }
                }
            }
            if next.is_none()
                && let Some(scheme) = self.schemes.get_mut(scheme)
            {
                scheme.queue.tail = previous;
            }
            return;
        }
    }
}
