//! The walk itself.
//!
//! The order of checks is Linux's, so that of two errors a path deserves the same one is reported:
//! search permission before a component's length, a mount crossing before its kind, a trailing
//! slash of a name to be created before the lookup.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::error::{Error, ErrorKind};
use crate::path::{LINKS_MAX, Last, NAME_MAX, Path, next_component, split_last};
use crate::scope::{Bound, Scope};
use crate::tree::{NodeKind, Tree};

/// What the walk is for: what may be at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Intent {
    /// To name something (`O_PATH`): a link that is not followed is itself the answer.
    #[default]
    Find,
    /// To open something for I/O: a link that is not followed is an error.
    Open,
    /// To open something or, if nothing is there, to learn where to create it.
    Create {
        /// It must not exist; a link counts as existing.
        exclusive: bool,
    },
}

/// How to walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct How {
    /// Follow no link in any component.
    pub no_symlinks: bool,
    /// Stay on the file system the walk begins on.
    pub no_xdev: bool,
    /// Do not follow a link in the last component, unless a slash follows it.
    pub no_follow: bool,
    /// What is found must be a directory.
    pub directory: bool,
    /// The empty path is the starting node itself rather than an error.
    pub empty_path: bool,
    /// What the walk is for.
    pub intent: Intent,
}

impl How {
    /// Takes the link and file-system rules from a request's [`cap_abi::resolve`] bits; the bits
    /// about confinement are [`Scope::from_resolve_bits`]'s.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidFlags`] for bits above the lower 32 that nobody defined.
    pub fn from_resolve_bits(flags: usize) -> Result<Self, Error> {
        let low = u32::MAX as usize;
        if flags & !low & !cap_abi::resolve::RESOLVE_MASK != 0 {
            return Err(ErrorKind::InvalidFlags.into());
        }
        Ok(Self {
            no_symlinks: flags & cap_abi::resolve::RESOLVE_NO_SYMLINKS != 0,
            no_xdev: flags & cap_abi::resolve::RESOLVE_NO_XDEV != 0,
            ..Self::default()
        })
    }
}

/// What a walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing<N> {
    /// The node.
    pub node: N,
    /// Its kind, as it was when it was looked up.
    pub kind: NodeKind,
}

/// Where a walk for creation ended: the directory, and the name that is free in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing<N> {
    /// The directory, searched with the caller's permission; permission to write is for whoever
    /// creates to check.
    pub dir: N,
    /// An ordinary name of at most [`NAME_MAX`] bytes. It may come from a link's target.
    pub name: String,
}

/// The answer of [`resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<N> {
    /// It exists.
    Existing(Existing<N>),
    /// It does not, and the intent was to create it.
    Missing(Missing<N>),
}

/// The answer of [`resolve_parent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent<'p, N> {
    /// The directory the last component is to be looked up in.
    pub dir: N,
    /// The last component, not looked up.
    pub last: Last<'p>,
    /// Whether slashes follow it, so that it can only mean a directory.
    pub trailing_slash: bool,
}

/// Walks `path` in `scope`.
///
/// # Errors
/// Every [`ErrorKind`]; see there. Errors of the tree are passed on as [`ErrorKind::Backend`].
pub fn resolve<T: Tree>(
    tree: &T,
    scope: &Scope<T::Node>,
    path: Path<'_>,
    how: How,
    caller: &T::Caller,
) -> Result<Found<T::Node>, Error> {
    Walk::begin(tree, scope, path.as_str(), how, caller)?.run()
}

/// Walks everything but the last component of `path`, following links: what creating, removing,
/// renaming and linking by name need. Of `how` only `no_symlinks` and `no_xdev` count.
///
/// # Errors
/// As [`resolve`]; the empty path is [`ErrorKind::NotFound`].
pub fn resolve_parent<'p, T: Tree>(
    tree: &T,
    scope: &Scope<T::Node>,
    path: Path<'p>,
    how: How,
    caller: &T::Caller,
) -> Result<Parent<'p, T::Node>, Error> {
    if path.as_str().is_empty() {
        return Err(ErrorKind::NotFound.into());
    }
    let (before, last, trailing_slash) = split_last(path);
    let how = How {
        no_symlinks: how.no_symlinks,
        no_xdev: how.no_xdev,
        no_follow: false,
        directory: true,
        empty_path: true,
        intent: Intent::Find,
    };
    let found = Walk::begin(tree, scope, before, how, caller)?.run()?;
    let Found::Existing(Existing { node: dir, .. }) = found else {
        return Err(ErrorKind::NotFound.into());
    };
    if last != Last::Root {
        let fail = |kind| Error::new(kind, before.len(), 0);
        if !tree
            .may_search(&dir, caller)
            .map_err(|e| fail(ErrorKind::Backend(e)))?
        {
            return Err(fail(ErrorKind::SearchDenied));
        }
    }
    Ok(Parent {
        dir,
        last,
        trailing_slash,
    })
}

/// A text being walked and how far the walk is in it.
struct Text<'a> {
    body: Cow<'a, str>,
    at: usize,
}

/// One component of the topmost text.
struct Step {
    start: usize,
    end: usize,
    /// A slash follows.
    slash: bool,
    /// Nothing is left to walk after it.
    last: bool,
}

struct Walk<'a, T: Tree> {
    tree: &'a T,
    scope: &'a Scope<T::Node>,
    how: How,
    caller: &'a T::Caller,
    current: T::Node,
    kind: NodeKind,
    /// The directories between the scope's start and `current`, the start first. Kept only when
    /// confined: `..` leads to the last of them and nowhere else.
    trail: Vec<T::Node>,
    /// Texts still to be walked, the innermost last.
    texts: Vec<Text<'a>>,
    links: u32,
    offset: usize,
    /// The tree's count of directory moves when the walk began.
    moves: Option<u64>,
}

impl<'a, T: Tree> Walk<'a, T> {
    fn begin(
        tree: &'a T,
        scope: &'a Scope<T::Node>,
        path: &'a str,
        how: How,
        caller: &'a T::Caller,
    ) -> Result<Self, Error> {
        let create = matches!(how.intent, Intent::Create { .. });
        if create && how.directory {
            return Err(ErrorKind::InvalidFlags.into());
        }
        if path.is_empty() && !how.empty_path {
            return Err(ErrorKind::NotFound.into());
        }
        let moves = tree.moves();
        let absolute = path.starts_with('/');
        let from_root = match (absolute, scope.bound) {
            (false, _) | (true, Bound::InRoot) => false,
            (true, Bound::Beneath) => return Err(ErrorKind::Escape.into()),
            (true, Bound::Unconfined) => true,
        };
        let current = if from_root { &scope.root } else { &scope.start };
        let kind = tree
            .kind(current)
            .map_err(|e| Error::from(ErrorKind::Backend(e)))?;
        if !path.is_empty() && kind != NodeKind::Directory {
            return Err(ErrorKind::NotDirectory.into());
        }
        let texts = vec![Text {
            body: Cow::Borrowed(path),
            at: 0,
        }];
        Ok(Self {
            tree,
            scope,
            how,
            caller,
            current: current.clone(),
            kind,
            trail: Vec::new(),
            texts,
            links: 0,
            offset: 0,
            moves,
        })
    }

    const fn fail(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.offset, self.links)
    }

    fn run(mut self) -> Result<Found<T::Node>, Error> {
        while let Some(step) = self.next_step() {
            let may = self.tree.may_search(&self.current, self.caller);
            if !may.map_err(|e| self.fail(ErrorKind::Backend(e)))? {
                return Err(self.fail(ErrorKind::SearchDenied));
            }
            let Some(text) = self.texts.last() else { break };
            let name = text.body.get(step.start..step.end).unwrap_or("");
            match name {
                "." => continue,
                ".." => {
                    self.up()?;
                    continue;
                }
                _ => {}
            }
            let create = matches!(self.how.intent, Intent::Create { .. });
            if step.last && step.slash && create {
                return Err(self.fail(ErrorKind::IsDirectory));
            }
            if name.len() > NAME_MAX {
                return Err(self.fail(ErrorKind::NameTooLong));
            }
            let found = self
                .tree
                .lookup(&self.current, name)
                .map_err(|e| self.fail(ErrorKind::Backend(e)))?;
            let Some((node, kind)) = found else {
                if step.last && create {
                    let name = name.to_string();
                    return self.missing(name);
                }
                return Err(self.fail(ErrorKind::NotFound));
            };
            if step.last && step.slash {
                // These hold from here on: a link reached through `link/` is followed too.
                self.how.no_follow = false;
                self.how.directory = true;
            }
            if self.how.no_xdev {
                self.same_device(&node)?;
            }
            let exclusive = self.how.intent == Intent::Create { exclusive: true };
            let follow = !step.last || !(self.how.no_follow || exclusive);
            match kind {
                NodeKind::Link if follow => self.follow(&node)?,
                NodeKind::Directory => self.enter(node),
                _ if step.last => return self.leaf(node, kind),
                _ => return Err(self.fail(ErrorKind::NotDirectory)),
            }
        }
        self.ended()
    }

    /// Cuts the next component from the innermost text that has one. `None` when all are walked.
    fn next_step(&mut self) -> Option<Step> {
        loop {
            let only = self.texts.len() == 1;
            let text = self.texts.last_mut()?;
            let rest = text.body.get(text.at..).unwrap_or("");
            let Some((name, after, slash)) = next_component(rest) else {
                self.texts.pop();
                continue;
            };
            let start = text.at.saturating_add(
                rest.len()
                    .saturating_sub(rest.trim_start_matches('/').len()),
            );
            let step = Step {
                start,
                end: start.saturating_add(name.len()),
                slash,
                last: only && after.is_empty(),
            };
            text.at = text.body.len().saturating_sub(after.len());
            self.offset = start;
            return Some(step);
        }
    }

    fn same_device(&self, other: &T::Node) -> Result<(), Error> {
        let device = |node| {
            self.tree
                .device(node)
                .map_err(|e| self.fail(ErrorKind::Backend(e)))
        };
        if device(&self.current)? == device(other)? {
            Ok(())
        } else {
            Err(self.fail(ErrorKind::CrossesDevice))
        }
    }

    /// Whether a directory may have moved since the walk began.
    fn may_have_moved(&self) -> bool {
        self.moves.is_none() || self.tree.moves() != self.moves
    }

    fn is_parent(&self, parent: &T::Node, child: &T::Node) -> Result<bool, Error> {
        let now = self
            .tree
            .parent(child)
            .map_err(|e| self.fail(ErrorKind::Backend(e)))?;
        Ok(now.as_ref() == Some(parent))
    }

    /// `..`
    fn up(&mut self) -> Result<(), Error> {
        let parent = match self.scope.bound {
            Bound::Unconfined => {
                let parent = self
                    .tree
                    .parent(&self.current)
                    .map_err(|e| self.fail(ErrorKind::Backend(e)))?;
                let parent = parent.ok_or_else(|| self.outside())?;
                if self.current == self.scope.root {
                    return Ok(());
                }
                parent
            }
            bound @ (Bound::Beneath | Bound::InRoot) => match self.trail.pop() {
                Some(parent) => {
                    if self.may_have_moved() && !self.is_parent(&parent, &self.current)? {
                        return Err(self.fail(ErrorKind::Moved));
                    }
                    parent
                }
                None if bound == Bound::Beneath => return Err(self.fail(ErrorKind::Escape)),
                None => return Ok(()),
            },
        };
        if self.how.no_xdev {
            self.same_device(&parent)?;
        }
        self.current = parent;
        Ok(())
    }

    /// The path goes on outside this tree.
    const fn outside(&self) -> Error {
        self.fail(if self.how.no_xdev {
            ErrorKind::CrossesDevice
        } else {
            ErrorKind::Elsewhere
        })
    }

    fn enter(&mut self, directory: T::Node) {
        let parent = core::mem::replace(&mut self.current, directory);
        self.kind = NodeKind::Directory;
        if self.scope.bound != Bound::Unconfined {
            self.trail.push(parent);
        }
    }

    /// Replaces the component just cut by the target of the link it names.
    fn follow(&mut self, link: &T::Node) -> Result<(), Error> {
        if self.links >= LINKS_MAX {
            return Err(self.fail(ErrorKind::TooManyLinks));
        }
        if self.how.no_symlinks {
            return Err(self.fail(ErrorKind::LinkRefused));
        }
        let target = self
            .tree
            .read_link(link)
            .map_err(|e| self.fail(ErrorKind::Backend(e)))?;
        Path::new(&target).map_err(|e| self.fail(e.kind()))?;
        let target = String::from_utf8(target).map_err(|_| self.fail(ErrorKind::InvalidPath))?;
        if target.is_empty() {
            return Err(self.fail(ErrorKind::NotFound));
        }
        let mut at = 0;
        if target.starts_with('/') {
            match self.scope.bound {
                Bound::Beneath => return Err(self.fail(ErrorKind::Escape)),
                Bound::InRoot => {}
                Bound::Unconfined => {
                    let rest = self.tree.absolute_link(&target);
                    let rest = rest.ok_or_else(|| self.outside())?;
                    at = target.len().saturating_sub(rest.len());
                }
            }
            if self.how.no_xdev {
                self.same_device(&self.scope.root)?;
            }
            self.current = self.scope.root.clone();
            self.kind = NodeKind::Directory;
            self.trail.clear();
        }
        self.links = self.links.saturating_add(1);
        // A text with nothing left would make the target's last component look like it is not.
        if self
            .texts
            .last()
            .is_some_and(|text| text.at >= text.body.len())
        {
            self.texts.pop();
        }
        self.texts.push(Text {
            body: Cow::Owned(target),
            at,
        });
        Ok(())
    }

    /// The last component is a name for something that is no directory.
    fn leaf(self, node: T::Node, kind: NodeKind) -> Result<Found<T::Node>, Error> {
        match self.how.intent {
            Intent::Create { exclusive: true } => return Err(self.fail(ErrorKind::Exists)),
            _ if self.how.directory => return Err(self.fail(ErrorKind::NotDirectory)),
            Intent::Open | Intent::Create { .. } if kind == NodeKind::Link => {
                return Err(self.fail(ErrorKind::LinkRefused));
            }
            _ => {}
        }
        self.still_inside()?;
        Ok(Found::Existing(Existing { node, kind }))
    }

    /// The walk ended on the node it stands on.
    fn ended(mut self) -> Result<Found<T::Node>, Error> {
        match self.how.intent {
            Intent::Create { exclusive: true } => return Err(self.fail(ErrorKind::Exists)),
            Intent::Create { .. } if self.kind == NodeKind::Directory => {
                return Err(self.fail(ErrorKind::IsDirectory));
            }
            _ => {}
        }
        if self.kind != NodeKind::Directory {
            // Only the empty path ends on a start that is no directory.
            let (node, kind) = (self.current.clone(), self.kind);
            return self.leaf(node, kind);
        }
        let node = self.current.clone();
        // Whether the directory found is still where it was found is nobody's promise; whether
        // the ones it was found through are still in each other is.
        if let Some(parent) = self.trail.pop() {
            self.current = parent;
        }
        self.still_inside()?;
        Ok(Found::Existing(Existing {
            node,
            kind: NodeKind::Directory,
        }))
    }

    fn missing(self, name: String) -> Result<Found<T::Node>, Error> {
        self.still_inside()?;
        Ok(Found::Missing(Missing {
            dir: self.current,
            name,
        }))
    }

    /// A confined walk whose directories may have moved ends only if each of them is still in the
    /// one it was found in, up to the scope's start.
    fn still_inside(&self) -> Result<(), Error> {
        if self.scope.bound == Bound::Unconfined || !self.may_have_moved() {
            return Ok(());
        }
        let mut child = &self.current;
        for parent in self.trail.iter().rev() {
            if !self.is_parent(parent, child)? {
                return Err(self.fail(ErrorKind::Moved));
            }
            child = parent;
        }
        Ok(())
    }
}
