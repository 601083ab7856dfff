//! A queue through objects of several kinds.
//!
//! The links are in the objects, so that queueing never allocates; unlike in [`crate::list`] the objects
//! need not be in one slab, because the owner of the objects follows the links. A singly linked queue is
//! enough: only what is abandoned is taken out of the middle, at the cost of a walk.

/// The objects' links.
pub trait Links<N> {
    /// Where the name of the node behind `node` is kept; `None` when there is no such object. The place
    /// is empty as long as the object is in no queue.
    fn next(&mut self, node: N) -> Option<&mut Option<N>>;
}

/// First in, first out.
#[derive(Clone, Copy, Debug)]
pub struct Queue<N> {
    head: Option<N>,
    tail: Option<N>,
}

impl<N> Default for Queue<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N> Queue<N> {
    /// An empty queue.
    pub const fn new() -> Self {
        Self {
            head: None,
            tail: None,
        }
    }

    /// Whether nothing is queued.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }
}

impl<N: Copy + PartialEq> Queue<N> {
    /// A queue of one node, whose object must exist, be in no queue, and stay until it is taken out.
    #[inline]
    pub const fn of(node: N) -> Self {
        Self {
            head: Some(node),
            tail: Some(node),
        }
    }

    /// The first node.
    #[inline]
    pub const fn front(&self) -> Option<N> {
        self.head
    }

    /// The node that is alone in the queue.
    #[inline]
    pub fn only(&self) -> Option<N> {
        self.head.filter(|head| self.tail == Some(*head))
    }

    /// Appends a node. Its object must exist, be in no queue, and stay until it is taken out.
    #[inline]
    pub fn push(&mut self, links: &mut impl Links<N>, node: N) {
        match self.tail.replace(node) {
            None => self.head = Some(node),
            Some(last) => {
                if let Some(next) = links.next(last) {
                    *next = Some(node);
                }
            }
        }
    }

    /// Takes the first node out.
    #[inline]
    pub fn pop(&mut self, links: &mut impl Links<N>) -> Option<N> {
        let node = self.head?;
        self.head = links.next(node).and_then(Option::take);
        if self.head.is_none() {
            self.tail = None;
        }
        Some(node)
    }

    /// Takes a node out, wherever in the queue it is. `false` when it is not in it. Takes a step for
    /// every node before it.
    pub fn remove(&mut self, links: &mut impl Links<N>, node: N) -> bool {
        let mut previous = None;
        let mut at = self.head;
        while let Some(here) = at {
            let next = links.next(here).and_then(|next| *next);
            if here != node {
                previous = Some(here);
                at = next;
                continue;
            }
            if let Some(link) = links.next(here) {
                *link = None;
            }
            match previous {
                None => self.head = next,
                Some(previous) => {
                    if let Some(link) = links.next(previous) {
                        *link = next;
                    }
                }
            }
            if next.is_none() {
                self.tail = previous;
            }
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Objects of two kinds, told apart by parity.
    #[derive(Default)]
    struct Objects {
        even: [Option<u8>; 8],
        odd: [Option<u8>; 8],
    }

    impl Links<u8> for Objects {
        fn next(&mut self, node: u8) -> Option<&mut Option<u8>> {
            let kind = if node.is_multiple_of(2) {
                &mut self.even
            } else {
                &mut self.odd
            };
            kind.get_mut(usize::from(node / 2))
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u8),
        Pop,
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..16_u8).prop_map(Step::Push),
            1 => Just(Step::Pop),
            1 => (0..16_u8).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_deque(steps in prop::collection::vec(step(), 0..200)) {
            let mut links = Objects::default();
            let mut queue = Queue::new();
            let mut model = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push(node) if !model.contains(&node) => {
                        queue.push(&mut links, node);
                        model.push_back(node);
                    }
                    Step::Push(_) => {}
                    Step::Pop => prop_assert_eq!(queue.pop(&mut links), model.pop_front()),
                    Step::Remove(node) => {
                        let at = model.iter().position(|&n| n == node);
                        prop_assert_eq!(queue.remove(&mut links, node), at.is_some());
                        if let Some(at) = at {
                            model.remove(at);
                        }
                    }
                }
                prop_assert_eq!(queue.front(), model.front().copied());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                let only = (model.len() == 1).then(|| model[0]);
                prop_assert_eq!(queue.only(), only);
                // What is in no queue has an empty link, as pushing relies on.
                for node in (0..16).filter(|node| !model.contains(node)) {
                    prop_assert_eq!(links.next(node).map(|next| *next), Some(None));
                }
            }
            while let Some(node) = queue.pop(&mut links) {
                prop_assert_eq!(Some(node), model.pop_front());
            }
            prop_assert!(model.is_empty());
        }
    }
}
