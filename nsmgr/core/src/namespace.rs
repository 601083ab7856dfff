//! Namespaces and what they bind.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use gen_slab::Key;

use crate::{
    binding::Binding,
    error::Error,
    map::{Leaf, Map},
    place::Places,
    roots::Held,
};

/// What stands behind a name: one binding, or several at their own paths.
#[derive(Debug)]
pub(crate) enum Bound<R> {
    Whole(Rc<Binding<R>>),
    Places(Rc<Places<R>>),
}

impl<R> Bound<R> {
    /// Whether there is anything, or may be again.
    pub fn is_live(&self) -> bool {
        match self {
            Self::Whole(binding) => !binding.has_ended(),
            Self::Places(_) => true,
        }
    }

    pub fn same(&self) -> Self {
        match self {
            Self::Whole(binding) => Self::Whole(Rc::clone(binding)),
            Self::Places(places) => Self::Places(Rc::clone(places)),
        }
    }

    /// How many names a namespace is charged for because of this, beside the name itself.
    pub fn charge(&self, ns: Key) -> u32 {
        match self {
            Self::Places(places) if places.owner == ns => {
                u32::try_from(places.len()).unwrap_or(u32::MAX)
            }
            _ => 0,
        }
    }
}

pub(crate) type Names<R> = Map<Bound<R>>;
pub(crate) type NameLeaf<R> = Leaf<Bound<R>>;

/// What the roots that a namespace hands out of one name are copies of. It ends with the name, and the
/// copies with it; what was opened through them lives on.
#[derive(Debug)]
pub(crate) struct Issued<R> {
    pub binding: Rc<Binding<R>>,
    pub root: R,
    pub _held: Held,
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
    /// Places charged.
    pub places: u32,
    /// Names that were shared with the parent when this was forked, and changes since.
    pub inherited: usize,
    pub changes: usize,
    /// Handles that refer to this.
    pub handles: usize,
    /// Counts changes as watchers see them.
    pub generation: u64,
    /// Ends everything opened through the namespace; who is charged for it.
    pub lease: Option<(L, Held)>,
    pub destroyed: bool,
    rare: Option<Box<Rare<R>>>,
}

/// What few namespaces have.
#[derive(Debug)]
pub(crate) struct Rare<R> {
    pub watchers: BTreeSet<Key>,
    /// By name.
    pub issued: BTreeMap<Box<str>, Issued<R>>,
}

impl<R, L> Namespace<R, L> {
    pub fn new(names: Names<R>, owner: u32, charged: u32, inherited: usize) -> Self {
        Self {
            names,
            owner,
            charged,
            places: 0,
            inherited,
            changes: 0,
            handles: 0,
            generation: 0,
            lease: None,
            destroyed: false,
            rare: None,
        }
    }

    /// What few namespaces have, if this one has any of it.
    pub fn rare(&self) -> Option<&Rare<R>> {
        self.rare.as_deref()
    }

    /// The same, to be changed.
    pub fn rare_mut(&mut self) -> Option<&mut Rare<R>> {
        self.rare.as_deref_mut()
    }

    /// The same, to be added to.
    pub fn with_rare(&mut self) -> &mut Rare<R> {
        self.rare.get_or_insert_with(|| {
            Box::new(Rare {
                watchers: BTreeSet::new(),
                issued: BTreeMap::new(),
            })
        })
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

    /// What is behind a name. The bytes need not be a valid name: such are not bound.
    #[inline]
    pub fn bound(&self, hash: u64, name: &[u8]) -> Option<&Bound<R>> {
        self.names
            .find(hash, name, || ())
            .map(|leaf| &leaf.value)
            .filter(|bound| bound.is_live())
    }

    /// All that it is charged for.
    pub const fn all_charged(&self) -> u32 {
        self.charged.saturating_add(self.places)
    }
}
