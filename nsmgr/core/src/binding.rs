//! What a name is bound to.

use core::cell::{Cell, Ref, RefCell};

use alloc::rc::Rc;

use cap_abi::Rights;
use gen_slab::Key;
use syscall::error as errno;

use crate::{
    error::{Cause, Error},
    roots::{Held, Roots},
};

/// How many bindings may be derived one from the other.
const DEPTH_MAX: u8 = 16;

/// A binding: a cell that every namespace which inherited the name shares, so that what is put in it
/// is found in all of them.
///
/// A daemon's root goes into it when the daemon has registered, and another one when the daemon has
/// been started again. A binding that was derived from another follows it: its root is made from the
/// other's when it is asked for, and made anew when the other has a new one.
#[derive(Debug)]
pub struct Binding<R> {
    content: RefCell<Content<R>>,
    /// How often a root has been put here or taken out.
    version: Cell<u64>,
    rights: Rights,
    /// The namespace in which it was bound.
    home: Key,
    source: Option<Rc<Self>>,
    depth: u8,
    /// Who is charged for the root. While the binding is vacant this stays, so that a daemon that is
    /// started again finds its place.
    held: RefCell<Option<Held>>,
    /// Counts the bindings there are.
    _alive: Rc<()>,
}

#[derive(Debug)]
enum Content<R> {
    /// A root; of a derived binding, with the version of its source that it was made from.
    Root(R, u64),
    /// Nothing now, but there may be a root again.
    Vacant,
    /// Nothing, for good.
    Ended,
}

impl<R> Binding<R> {
    pub(crate) fn new(root: R, held: Held, rights: Rights, home: Key, alive: &Rc<()>) -> Self {
        Self {
            content: RefCell::new(Content::Root(root, 0)),
            version: Cell::new(0),
            rights,
            home,
            source: None,
            depth: 0,
            held: RefCell::new(Some(held)),
            _alive: Rc::clone(alive),
        }
    }

    /// One that follows another, with at most `rights`.
    ///
    /// # Errors
    /// `EMLINK` when too many have been derived one from the other.
    pub(crate) fn derived(source: &Rc<Self>, rights: Rights, home: Key) -> Result<Self, Error> {
        let depth = source.depth.saturating_add(1);
        if depth > DEPTH_MAX {
            return Err(Error::new(errno::EMLINK, Cause::MemoryLimit));
        }
        Ok(Self {
            content: RefCell::new(Content::Vacant),
            version: Cell::new(0),
            rights: source.rights & rights,
            home,
            source: Some(Rc::clone(source)),
            depth,
            held: RefCell::new(None),
            _alive: Rc::clone(&source._alive),
        })
    }

    /// The descriptor to ask. There is none while the binding is vacant, once it has ended, and when
    /// it is to be made anew from [`Binding::source`].
    #[must_use]
    pub fn root(&self) -> Option<Ref<'_, R>> {
        let content = self.content.try_borrow().ok()?;
        Ref::filter_map(content, |content| match content {
            Content::Root(root, made_from) => {
                let current = self.source.as_ref().is_none_or(|source| {
                    source.version.get() == *made_from && source.root().is_some()
                });
                current.then_some(root)
            }
            Content::Vacant | Content::Ended => None,
        })
        .ok()
    }

    /// What the root is to be derived from when there is none; nothing when it cannot be.
    #[must_use]
    pub fn source(&self) -> Option<&Rc<Self>> {
        self.source.as_ref().filter(|_| !self.has_ended())
    }

    /// Charges a user for the root that is about to be kept, unless one is charged already.
    pub(crate) fn charge(&self, roots: &Roots, user: u32) -> Result<(), Error> {
        if let Ok(mut held) = self.held.try_borrow_mut()
            && held.is_none()
        {
            *held = Some(roots.hold(user)?);
        }
        Ok(())
    }

    /// Keeps a root that was derived from the source's present one, and gives the former one back.
    pub fn keep(&self, root: R) -> Option<R> {
        let made_from = self.source.as_ref()?.version.get();
        self.put(root, made_from)
    }

    fn put(&self, root: R, made_from: u64) -> Option<R> {
        let mut content = self.content.try_borrow_mut().ok()?;
        if matches!(*content, Content::Ended) {
            return Some(root);
        }
        self.version.set(self.version.get().wrapping_add(1));
        match core::mem::replace(&mut *content, Content::Root(root, made_from)) {
            Content::Root(former, _) => Some(former),
            Content::Vacant | Content::Ended => None,
        }
    }

    /// What may be done through the binding, at most.
    #[must_use]
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    pub(crate) const fn home(&self) -> Key {
        self.home
    }

    /// Whether it waits for another root.
    pub(crate) fn is_vacant(&self) -> bool {
        self.source.is_none()
            && self
                .content
                .try_borrow()
                .is_ok_and(|content| matches!(*content, Content::Vacant))
    }

    /// Whether it has ended in every namespace that has it.
    pub(crate) fn has_ended(&self) -> bool {
        self.content
            .try_borrow()
            .is_ok_and(|content| matches!(*content, Content::Ended))
    }

    /// Puts a root in a vacant binding. Gives it back when the binding is not vacant.
    pub(crate) fn fill(&self, root: R) -> Option<R> {
        if self.is_vacant() {
            self.put(root, 0)
        } else {
            Some(root)
        }
    }

    /// Takes the root out; there may be another one later.
    pub(crate) fn vacate(&self) -> Option<R> {
        self.empty(Content::Vacant)
    }

    /// Ends the binding in every namespace that has it.
    pub(crate) fn end(&self) -> Option<R> {
        if let Ok(mut held) = self.held.try_borrow_mut() {
            held.take();
        }
        self.empty(Content::Ended)
    }

    fn empty(&self, with: Content<R>) -> Option<R> {
        let mut content = self.content.try_borrow_mut().ok()?;
        if matches!(*content, Content::Ended) {
            return None;
        }
        self.version.set(self.version.get().wrapping_add(1));
        match core::mem::replace(&mut *content, with) {
            Content::Root(root, _) => Some(root),
            Content::Vacant | Content::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Key {
        Key::from_raw(1)
    }

    fn bound(root: u32) -> Rc<Binding<u32>> {
        let held = Roots::new(1).hold(0).unwrap();
        Rc::new(Binding::new(root, held, Rights::FULL, home(), &Rc::new(())))
    }

    fn root(binding: &Binding<u32>) -> Option<u32> {
        binding.root().map(|root| *root)
    }

    #[test]
    fn a_cell_is_vacated_filled_and_ended() {
        let binding = bound(1);
        assert_eq!(binding.fill(2), Some(2), "it is not vacant");
        assert_eq!(binding.vacate(), Some(1));
        assert!(binding.is_vacant() && !binding.has_ended());
        assert_eq!(root(&binding), None);
        assert_eq!(binding.fill(3), None);
        assert_eq!(root(&binding), Some(3));
        assert_eq!(binding.end(), Some(3));
        assert!(binding.has_ended() && !binding.is_vacant());
        assert_eq!((binding.fill(4), root(&binding)), (Some(4), None));
        assert_eq!((binding.vacate(), binding.has_ended()), (None, true));
    }

    #[test]
    fn a_derived_one_follows_its_source() {
        let source = bound(1);
        let derived = Rc::new(Binding::derived(&source, Rights::READ_ONLY, home()).unwrap());
        assert_eq!(derived.rights(), Rights::READ_ONLY);
        assert_eq!(root(&derived), None, "it is made when it is asked for");
        assert!(derived.source().is_some() && !derived.is_vacant());
        assert_eq!(derived.keep(10), None);
        assert_eq!(root(&derived), Some(10));
        let second = Binding::derived(&derived, Rights::FULL, home()).unwrap();
        assert_eq!(second.rights(), Rights::READ_ONLY);
        assert_eq!(second.keep(100), None);
        // The source changes: what was made from it is made anew, and what was made from that.
        source.vacate();
        assert_eq!((root(&derived), root(&second)), (None, None));
        source.fill(2);
        assert_eq!((root(&derived), root(&second)), (None, None));
        assert_eq!(derived.keep(20), Some(10));
        assert_eq!(root(&derived), Some(20));
        assert_eq!(root(&second), None);
        assert_eq!(derived.end(), Some(20));
        assert!(derived.source().is_none());
        assert_eq!(derived.keep(30), Some(30), "an ended one keeps nothing");
    }

    #[test]
    fn a_root_is_charged_once_and_until_the_end() {
        let roots = Roots::new(64);
        let source = bound(1);
        let derived = Binding::derived(&source, Rights::FULL, home()).unwrap();
        assert_eq!(roots.held(), 0);
        for user in [1, 1, 2] {
            derived.charge(&roots, user).unwrap();
            assert_eq!(roots.held(), 1);
        }
        derived.end();
        assert_eq!(roots.held(), 0);
        let held = roots.hold(1).unwrap();
        let binding = Binding::new(1, held, Rights::FULL, home(), &Rc::new(()));
        binding.vacate();
        assert_eq!(roots.held(), 1, "its place is kept");
        drop(binding);
        assert_eq!(roots.held(), 0);
    }

    #[test]
    fn chains_are_short() {
        let mut last = bound(1);
        let mut length = 0;
        while let Ok(next) = Binding::derived(&last, Rights::FULL, home()) {
            last = Rc::new(next);
            length += 1;
        }
        assert_eq!(length, DEPTH_MAX);
    }
}
