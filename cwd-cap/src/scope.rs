//! How far a walk may go, as values that a function must be handed.

use crate::error::{Error, ErrorKind};
use crate::path::Path;
use crate::tree::{NodeKind, Tree};
use crate::walk::{Found, How, Intent, resolve};

/// The directory that a walk begins in and may not leave: absolute paths, absolute links and `..`
/// above it are errors.
///
/// Whoever holds one can hand out authority over the directory without handing out anything above
/// it: nothing in this crate turns a `Beneath` into a wider scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beneath<N>(N);

impl<N: Clone + PartialEq> Beneath<N> {
    /// Confines to `directory`. The holder of the node already has it; this only takes away.
    pub const fn new(directory: N) -> Self {
        Self(directory)
    }

    /// The directory.
    pub const fn directory(&self) -> &N {
        &self.0
    }

    /// Resolves `path` beneath the directory.
    ///
    /// # Errors
    /// Those of [`resolve`].
    pub fn resolve<T: Tree<Node = N>>(
        &self,
        tree: &T,
        path: Path<'_>,
        how: How,
        caller: &T::Caller,
    ) -> Result<Found<N>, Error> {
        resolve(tree, &Scope::from(self.clone()), path, how, caller)
    }

    /// Resolves `path` to a directory and confines to that one: the limit is inherited.
    ///
    /// # Errors
    /// Those of [`resolve`].
    pub fn descend<T: Tree<Node = N>>(
        &self,
        tree: &T,
        path: Path<'_>,
        how: How,
        caller: &T::Caller,
    ) -> Result<Self, Error> {
        let how = How {
            directory: true,
            intent: Intent::Find,
            ..how
        };
        match self.resolve(tree, path, how, caller)? {
            Found::Existing(found) if found.kind == NodeKind::Directory => Ok(Self(found.node)),
            Found::Existing(_) => Err(ErrorKind::NotDirectory.into()),
            Found::Missing(_) => Err(ErrorKind::NotFound.into()),
        }
    }
}

/// The directory that a walk takes for `/`: absolute paths and absolute links begin there, and `..`
/// of it is itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root<N>(N);

impl<N: Clone + PartialEq> Root<N> {
    /// Makes `directory` the root of walks.
    pub const fn new(directory: N) -> Self {
        Self(directory)
    }

    /// The directory.
    pub const fn directory(&self) -> &N {
        &self.0
    }

    /// Resolves `path` in this root.
    ///
    /// # Errors
    /// Those of [`resolve`].
    pub fn resolve<T: Tree<Node = N>>(
        &self,
        tree: &T,
        path: Path<'_>,
        how: How,
        caller: &T::Caller,
    ) -> Result<Found<N>, Error> {
        resolve(tree, &Scope::from(self.clone()), path, how, caller)
    }
}

/// What holds a walk back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Nothing: `..` goes up to the tree's root, absolute paths begin there.
    Unconfined,
    /// See [`Beneath`].
    Beneath,
    /// See [`Root`].
    InRoot,
}

/// Where a walk begins and how far it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope<N> {
    pub(crate) start: N,
    pub(crate) root: N,
    pub(crate) bound: Bound,
}

impl<N: Clone + PartialEq> Scope<N> {
    /// A walk from `start` that may go anywhere in the tree, with absolute paths from `root`.
    ///
    /// Unchecked: nothing keeps such a walk below `start`. It is for a caller whose descriptor
    /// carries no limit.
    pub const fn unconfined_unchecked(start: N, root: N) -> Self {
        Self {
            start,
            root,
            bound: Bound::Unconfined,
        }
    }

    /// The scope that a request's [`cap_abi::resolve`] bits ask for on the directory `start` of a
    /// tree with root `root`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidFlags`] for beneath and in-root together, as openat2.
    pub fn from_resolve_bits(flags: usize, start: N, root: N) -> Result<Self, Error> {
        let beneath = flags & cap_abi::resolve::RESOLVE_BENEATH != 0;
        let in_root = flags & cap_abi::resolve::RESOLVE_IN_ROOT != 0;
        match (beneath, in_root) {
            (true, true) => Err(ErrorKind::InvalidFlags.into()),
            (true, false) => Ok(Beneath(start).into()),
            (false, true) => Ok(Root(start).into()),
            (false, false) => Ok(Self::unconfined_unchecked(start, root)),
        }
    }

    /// The directory that relative paths begin in.
    pub const fn start(&self) -> &N {
        &self.start
    }

    /// What holds the walk back.
    pub const fn bound(&self) -> Bound {
        self.bound
    }
}

impl<N: Clone> From<Beneath<N>> for Scope<N> {
    fn from(token: Beneath<N>) -> Self {
        Self {
            start: token.0.clone(),
            root: token.0,
            bound: Bound::Beneath,
        }
    }
}

impl<N: Clone> From<Root<N>> for Scope<N> {
    fn from(token: Root<N>) -> Self {
        Self {
            start: token.0.clone(),
            root: token.0,
            bound: Bound::InRoot,
        }
    }
}
