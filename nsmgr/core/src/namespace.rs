//! Namespaces and what they bind.

use core::cell::{Ref, RefCell};

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use cap_abi::Rights;
use gen_slab::Key;

use crate::{
    error::Error,
    map::{Leaf, Map},
};

/// What a name is bound to. Namespaces that inherited a name share its binding.
#[derive(Debug)]
pub struct Binding<R> {
    root: RefCell<Option<R>>,
    rights: Rights,
    /// The namespace in which it was bound.
    home: Key,
    /// Counts the bindings there are.
    _alive: Rc<()>,
}

impl<R> Binding<R> {
    pub(crate) fn new(root: R, rights: Rights, home: Key, alive: &Rc<()>) -> Self {
        Self {
            root: RefCell::new(Some(root)),
            rights,
            home,
            _alive: Rc::clone(alive),
        }
    }

    /// The descriptor to ask; nothing once the binding has been revoked.
    #[must_use]
    pub fn root(&self) -> Option<Ref<'_, R>> {
        let root = self.root.try_borrow().ok()?;
        Ref::filter_map(root, Option::as_ref).ok()
    }

    /// What may be done through the binding, at most.
    #[must_use]
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    pub(crate) const fn home(&self) -> Key {
        self.home
    }

    pub(crate) fn is_live(&self) -> bool {
        self.root.try_borrow().is_ok_and(|root| root.is_some())
    }

    /// Ends the binding in every namespace that has it.
    pub(crate) fn revoke(&self) -> Option<R> {
        self.root.try_borrow_mut().ok()?.take()
    }
}

pub(crate) type Names<R> = Map<Rc<Binding<R>>>;
pub(crate) type NameLeaf<R> = Leaf<Rc<Binding<R>>>;

/// What the roots that a namespace hands out of one name are copies of. It ends with the name, and the
/// copies with it; what was opened through them lives on.
#[derive(Debug)]
pub(crate) struct Issued<R> {
    pub binding: Rc<Binding<R>>,
    pub root: R,
}

/// Of how many names one namespace hands out roots at a time.
pub(crate) const MAX_ISSUED: usize = 4096;

/// A set of names.
#[derive(Debug)]
pub(crate) struct Namespace<R, L> {
    pub names: Names<R>,
    /// User charged for the names.
    pub owner: u32,
    /// Names charged.
    pub charged: u32,
    /// Names that were shared with the parent when this was forked, and changes since.
    pub inherited: usize,
    pub changes: usize,
    /// Handles that refer to this.
    pub handles: usize,
    /// Counts changes as watchers see them.
    pub generation: u64,
    pub watchers: BTreeSet<Key>,
    /// Ends everything opened through the namespace.
    pub lease: Option<L>,
    pub destroyed: bool,
    /// By name.
    pub issued: BTreeMap<Box<str>, Issued<R>>,
}

impl<R, L> Namespace<R, L> {
    pub fn new(names: Names<R>, owner: u32, charged: u32, inherited: usize) -> Self {
        Self {
            names,
            owner,
            charged,
            inherited,
            changes: 0,
            handles: 0,
            generation: 0,
            watchers: BTreeSet::new(),
            lease: None,
            destroyed: false,
            issued: BTreeMap::new(),
        }
    }

    /// Fails (`ESTALE`) when the namespace has been destroyed.
    pub fn alive(&self) -> Result<&Self, Error> {
        if self.destroyed {
            Err(Error::DESTROYED)
        } else {
            Ok(self)
        }
    }

    /// What the namespace is charged for after one more change.
    ///
    /// Each change makes at most one name's worth of nodes this namespace's own, and never more than
    /// all of them.
    pub fn charge_after_change(&self) -> u32 {
        let most = self.names.len().max(self.inherited).saturating_add(1);
        let own = self.changes.saturating_add(1).min(most);
        u32::try_from(own).unwrap_or(u32::MAX).max(self.charged)
    }

    /// What a name is bound to. The bytes need not be a valid name: such are not bound.
    pub fn binding(&self, hash: u64, name: &[u8]) -> Option<&Rc<Binding<R>>> {
        self.names
            .find(hash, name, || ())
            .map(|leaf| &leaf.value)
            .filter(|binding| binding.is_live())
    }
}
