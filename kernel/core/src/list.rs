//! First-in-first-out lists through the objects of a slab.
//!
//! The links are in the objects, so that queueing never allocates and removing from the middle is
//! constant time. An object that can be in several lists at a time has a [`Link`] for each of
//! them, told apart by the number in [`HasLink`].
//!
//! A list does not check that an object handed to [`List::remove`] is linked into *this* list and
//! not into another of the same kind; whoever owns both knows which one it put the object in.

use crate::slab::{Id, Slab};

/// An object's place in one kind of list.
pub struct Link<T> {
    prev: Option<Id<T>>,
    next: Option<Id<T>>,
    linked: bool,
}

impl<T> Link<T> {
    /// In no list.
    pub const fn new() -> Self {
        Self {
            prev: None,
            next: None,
            linked: false,
        }
    }

    /// Whether the object is in a list of this kind.
    pub const fn is_linked(&self) -> bool {
        self.linked
    }

    /// The object behind this one.
    pub const fn next(&self) -> Option<Id<T>> {
        self.next
    }

    /// The object before this one.
    pub const fn prev(&self) -> Option<Id<T>> {
        self.prev
    }
}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> core::fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Link({:?}, {:?}, {})", self.prev, self.next, self.linked)
    }
}

/// An object with a link for lists of kind `N`.
pub trait HasLink<const N: usize = 0>: Sized {
    /// The link.
    fn link(&self) -> &Link<Self>;
    /// The link.
    fn link_mut(&mut self) -> &mut Link<Self>;
}

/// A list of kind `N` through objects of one slab.
#[derive(Debug)]
pub struct List<T, const N: usize = 0> {
    head: Option<Id<T>>,
    tail: Option<Id<T>>,
    len: usize,
}

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> List<T, N> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            head: None,
            tail: None,
            len: 0,
        }
    }

    /// How many objects are in the list.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The first object.
    pub const fn front(&self) -> Option<Id<T>> {
        self.head
    }

    /// The last object.
    pub const fn back(&self) -> Option<Id<T>> {
        self.tail
    }
}

impl<T: HasLink<N>, const N: usize> List<T, N> {
    /// Appends the object. `false`, and nothing done, when it is gone or in a list already.
    pub fn push_back(&mut self, slab: &mut Slab<T>, id: Id<T>) -> bool {
        let Some(object) = slab.get_mut(id) else {
            return false;
        };
        let link = object.link_mut();
        if link.linked {
            return false;
        }
        *link = Link {
            prev: self.tail,
            next: None,
            linked: true,
        };
        match self.tail.and_then(|tail| slab.get_mut(tail)) {
            Some(tail) => tail.link_mut().next = Some(id),
            None => self.head = Some(id),
        }
        self.tail = Some(id);
        self.len = self.len.saturating_add(1);
        true
    }

    /// Puts the object first. `false`, and nothing done, when it is gone or in a list already.
    pub fn push_front(&mut self, slab: &mut Slab<T>, id: Id<T>) -> bool {
        let Some(object) = slab.get_mut(id) else {
            return false;
        };
        let link = object.link_mut();
        if link.linked {
            return false;
        }
        *link = Link {
            prev: None,
            next: self.head,
            linked: true,
        };
        match self.head.and_then(|head| slab.get_mut(head)) {
            Some(head) => head.link_mut().prev = Some(id),
            None => self.tail = Some(id),
        }
        self.head = Some(id);
        self.len = self.len.saturating_add(1);
        true
    }

    /// Takes the first object out of the list.
    pub fn pop_front(&mut self, slab: &mut Slab<T>) -> Option<Id<T>> {
        let id = self.head?;
        self.remove(slab, id).then_some(id)
    }

    /// Takes the object out of the list, wherever in it it is. `false`, and nothing done, when it
    /// is gone or in no list. An object must be taken out of its lists before it leaves the slab.
    pub fn remove(&mut self, slab: &mut Slab<T>, id: Id<T>) -> bool {
        let Some(object) = slab.get_mut(id) else {
            return false;
        };
        let link = object.link_mut();
        if !link.linked {
            return false;
        }
        let (prev, next) = (link.prev, link.next);
        // The first and the last object say which list they are in: a different one stays intact.
        if (prev.is_none() && self.head != Some(id)) || (next.is_none() && self.tail != Some(id)) {
            return false;
        }
        *link = Link::new();
        match prev.and_then(|prev| slab.get_mut(prev)) {
            Some(object) => object.link_mut().next = next,
            None => self.head = next,
        }
        match next.and_then(|next| slab.get_mut(next)) {
            Some(object) => object.link_mut().prev = prev,
            None => self.tail = prev,
        }
        self.len = self.len.saturating_sub(1);
        true
    }

    /// The ids in order.
    pub fn iter<'a>(&self, slab: &'a Slab<T>) -> impl Iterator<Item = Id<T>> + use<'a, T, N> {
        let mut at = self.head;
        core::iter::from_fn(move || {
            let id = at?;
            at = slab.get(id).and_then(|object| object.link().next);
            Some(id)
        })
    }
}
