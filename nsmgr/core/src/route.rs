//! How an open or an unlink is routed.

use alloc::{boxed::Box, rc::Rc, string::String, vec::Vec};

use cap_abi::resolve::{RESOLVE_IN_ROOT, RESOLVE_NO_XDEV};
use gen_slab::Key;
use nsmgr_api::{NsPermissions, RESERVED_NAME, SCHEME_CREATION_CAP};
use syscall::{error as errno, flag};

use crate::{
    binding::Binding,
    error::{Cause, Error},
    handle::Kind,
    manager::{Caller, Manager, denied},
    name::Name,
    namespace::{Bound, Issued, MAX_ISSUED, Namespace},
    path::{self, Target},
    place::{Found, Places},
};

/// The name that paths without a scheme belong to.
const FILE: &[u8] = b"file";

/// Flags with which no directory is opened.
const WRITES: usize = flag::O_WRONLY | flag::O_CREAT | flag::O_TRUNC;

/// A new handle of the namespace manager's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub handle: u64,
    /// Whether the kernel is to keep a file offset for it.
    pub positioned: bool,
}

/// How an open is answered.
#[derive(Debug)]
pub enum Open<R> {
    /// Ask this root with the path from `suffix` on.
    Redirect {
        /// What the name is bound to.
        binding: Rc<Binding<R>>,
        /// Offset in the path.
        suffix: usize,
    },
    /// A copy of the root itself, with nothing shared but what it refers to: see
    /// [`Manager::issued`].
    RootHandOut(HandOut<R>),
    /// A copy of the capability to create schemes.
    SchemeCreationCap,
    /// A handle made here.
    Handle(Opened),
}

/// A root to be handed out.
#[derive(Debug)]
pub struct HandOut<R> {
    /// What the name is bound to.
    pub binding: Rc<Binding<R>>,
    ns: Key,
    name: Box<str>,
}

/// How an unlink is answered.
#[derive(Debug)]
pub enum Unlink<R> {
    /// Ask this root with the path from `suffix` on.
    Redirect {
        /// What the name is bound to.
        binding: Rc<Binding<R>>,
        /// Offset in the path.
        suffix: usize,
    },
    /// The name has been removed from the namespace.
    Removed,
}

impl<R, L> Manager<R, L> {
    /// Answers `openat`.
    ///
    /// # Errors
    /// `ENODEV` for a name that is not bound, `EACCES` without the permission needed, `EINVAL`,
    /// `ENOENT` under the reserved name, `ESTALE` in a destroyed namespace.
    pub fn open(
        &mut self,
        handle: u64,
        path: &[u8],
        flags: usize,
        caller: Caller,
    ) -> Result<Open<R>, Error> {
        let result = self.route_open(handle, path, flags, caller);
        self.noting(result, handle, path, caller)
    }

    fn route_open(
        &mut self,
        handle: u64,
        path: &[u8],
        flags: usize,
        caller: Caller,
    ) -> Result<Open<R>, Error> {
        let (ns, permissions, target) = match self.handle(handle)?.kind {
            Kind::Access { ns, permissions } => (ns, permissions, path::parse(path)?),
            Kind::List { ns, permissions } => {
                let target = path::parse_in_listing(path)?;
                // Another scheme is another file system.
                if flags & cap_abi::resolve::RESOLVE_NO_XDEV != 0 && target != Target::Listing {
                    return Err(Error::new(errno::EPERM, Cause::Malformed));
                }
                (ns, permissions, target)
            }
            Kind::Place {
                ns,
                ref name,
                ref at,
            } => {
                let (name, at) = (name.clone(), at.clone());
                return self.open_from_place(ns, &name, &at, path, flags, caller);
            }
            Kind::Status => return self.open_status(path, caller).map(Open::Handle),
            _ => return Err(Error::NOT_DIRECTORY),
        };
        let namespace = self.namespace(ns)?.alive()?;
        match target {
            Target::Listing => {
                if !permissions.contains(NsPermissions::LIST) {
                    return Err(denied(Cause::MayNotList));
                }
                if flags & WRITES != 0 {
                    return Err(Error::new(errno::EISDIR, Cause::Malformed));
                }
                let kind = Kind::List { ns, permissions };
                let handle = self.new_handle(kind, caller)?;
                Ok(Open::Handle(Opened {
                    handle,
                    positioned: true,
                }))
            }
            Target::File { suffix } => {
                let bound = self.bound(namespace, FILE)?;
                self.ask(bound, ns, FILE, (path, suffix), flags, caller)
            }
            Target::Scheme {
                name,
                suffix,
                exact,
            } => {
                if name == RESERVED_NAME.as_bytes() {
                    let rest = path.get(suffix..).unwrap_or_default();
                    return Self::open_reserved(rest, permissions);
                }
                let bound = self.bound(namespace, name)?;
                if exact && flags & flag::O_DIRECTORY != 0 {
                    return match bound {
                        Bound::Whole(binding) => {
                            let name = Name::new(name)?.as_str().into();
                            Ok(Open::RootHandOut(HandOut { binding, ns, name }))
                        }
                        Bound::Places(_) => self.open_here(ns, name, "", flags, caller),
                    };
                }
                self.ask(bound, ns, name, (path, suffix), flags, caller)
            }
        }
    }

    /// What copies of a root to be handed out are made of, if it is there already. Otherwise a copy of
    /// the binding's root, which can be revoked without what is opened through it, is to be given to
    /// [`Self::issue`] first.
    #[must_use]
    pub fn issued(&self, hand_out: &HandOut<R>) -> Option<&R> {
        let namespace = self.namespaces.get(hand_out.ns)?;
        let issued = namespace.rare()?.issued.get(&hand_out.name)?;
        Rc::ptr_eq(&issued.binding, &hand_out.binding).then_some(&issued.root)
    }

    /// Keeps what copies are made of, until the name is bound no more: then it comes back by
    /// [`Self::take_ended`]. Whoever is the first to ask is charged for it.
    ///
    /// # Errors
    /// `EMFILE` when roots of too many names are handed out, `ENOMEM` beyond the user's limit.
    pub fn issue(&mut self, hand_out: HandOut<R>, root: R, uid: u32) -> Result<(), Error> {
        let HandOut { binding, ns, name } = hand_out;
        let namespace = self.namespaces.get_mut(ns).ok_or(Error::BAD_HANDLE)?;
        let issued = &mut namespace.with_rare().issued;
        if let Some(there) = issued.get_mut(&name) {
            there.binding = binding;
            self.ended.push(core::mem::replace(&mut there.root, root));
            return Ok(());
        }
        if issued.len() >= MAX_ISSUED {
            return Err(Error::new(errno::EMFILE, Cause::HandleLimit));
        }
        let issue = Issued {
            binding,
            root,
            _held: self.roots.hold(uid)?,
        };
        issued.insert(name, issue);
        Ok(())
    }

    /// Charges a user for the root that a binding is about to keep, unless one is charged already.
    ///
    /// # Errors
    /// `ENOMEM` beyond the user's limit.
    pub fn charge(&self, binding: &Binding<R>, uid: u32) -> Result<(), Error> {
        binding.charge(&self.roots, uid)
    }

    /// Takes one of the roots that are to be revoked because the names they were handed out by are
    /// gone. What was opened through them is not meant.
    pub fn take_ended(&mut self) -> Option<R> {
        self.ended.pop()
    }

    /// A name is not bound any more to what it was bound to.
    pub(crate) fn end_issued(&mut self, ns: Key, name: &str) {
        if let Some(namespace) = self.namespaces.get_mut(ns)
            && let Some(rare) = namespace.rare_mut()
            && let Some(issued) = rare.issued.remove(name)
        {
            self.ended.push(issued.root);
        }
    }

    fn open_reserved(rest: &[u8], permissions: NsPermissions) -> Result<Open<R>, Error> {
        if rest != SCHEME_CREATION_CAP.as_bytes() {
            return Err(Error::NO_SUCH_OBJECT);
        }
        if !permissions.contains(NsPermissions::SCHEME_CREATE) {
            return Err(denied(Cause::MayNotCreateSchemes));
        }
        Ok(Open::SchemeCreationCap)
    }

    /// Answers `unlinkat`: exactly `/scheme/NAME` removes the name, anything longer is asked of the
    /// scheme.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn unlink(
        &mut self,
        handle: u64,
        path: &[u8],
        flags: usize,
        caller: Caller,
    ) -> Result<Unlink<R>, Error> {
        let result = self.route_unlink(handle, path, flags);
        self.noting(result, handle, path, caller)
    }

    fn route_unlink(&mut self, handle: u64, path: &[u8], flags: usize) -> Result<Unlink<R>, Error> {
        let (ns, permissions, target) = match self.handle(handle)?.kind {
            Kind::Access { ns, permissions } => (ns, permissions, path::parse(path)?),
            Kind::List { ns, permissions } => (ns, permissions, path::parse_in_listing(path)?),
            Kind::Place {
                ns,
                ref name,
                ref at,
            } => {
                let places = self.places(ns, name)?;
                return unlink_in(&places, at, (path, 0), flags);
            }
            _ => return Err(Error::NOT_DIRECTORY),
        };
        let namespace = self.namespace(ns)?.alive()?;
        match target {
            Target::Listing => Err(Error::new(errno::EISDIR, Cause::Malformed)),
            Target::File { suffix } => {
                unlink_from(self.bound(namespace, FILE)?, path, suffix, flags)
            }
            Target::Scheme { name, suffix, .. } => {
                if suffix < path.len() {
                    return unlink_from(self.bound(namespace, name)?, path, suffix, flags);
                }
                if !permissions.contains(NsPermissions::DELETE) {
                    return Err(denied(Cause::MayNotDelete));
                }
                self.remove_name(ns, Name::new(name)?)?;
                Ok(Unlink::Removed)
            }
        }
    }

    /// Routes a path behind a name.
    fn ask(
        &mut self,
        bound: Bound<R>,
        ns: Key,
        name: &[u8],
        (path, from): (&[u8], usize),
        flags: usize,
        caller: Caller,
    ) -> Result<Open<R>, Error> {
        match bound {
            Bound::Whole(binding) => Ok(Open::Redirect {
                binding,
                suffix: from,
            }),
            Bound::Places(places) => {
                let rest = path.get(from..).unwrap_or_default();
                // An absolute path through a namespace is not relative to anything in it.
                let flags = flags & !RESOLVE_NO_XDEV;
                self.open_in(&places, (ns, name, ""), (rest, from), flags, caller)
            }
        }
    }

    fn open_from_place(
        &mut self,
        ns: Key,
        name: &str,
        at: &str,
        path: &[u8],
        flags: usize,
        caller: Caller,
    ) -> Result<Open<R>, Error> {
        let places = self.places(ns, name)?;
        self.open_in(&places, (ns, name.as_bytes(), at), (path, 0), flags, caller)
    }

    fn open_in(
        &mut self,
        places: &Places<R>,
        (ns, name, at): (Key, &[u8], &str),
        (rest, from): (&[u8], usize),
        flags: usize,
        caller: Caller,
    ) -> Result<Open<R>, Error> {
        match places.find(at, rest, flags)? {
            Found::Bound(..) if flags & (RESOLVE_NO_XDEV | RESOLVE_IN_ROOT) != 0 => {
                // What is bound there is another file system, and takes its own directory for the root.
                Err(Error::new(errno::EPERM, Cause::Escape))
            }
            Found::Bound(binding, suffix) => Ok(Open::Redirect {
                binding: Rc::clone(binding),
                suffix: from.saturating_add(suffix),
            }),
            Found::Here(here) => self.open_here(ns, name, &here, flags, caller),
            Found::Nothing { last } if last && flags & flag::O_CREAT != 0 => {
                Err(Error::new(errno::EROFS, Cause::Fixed))
            }
            Found::Nothing { .. } => Err(Error::NO_SUCH_OBJECT),
        }
    }

    /// Opens a directory that exists only because a place is below it.
    fn open_here(
        &mut self,
        ns: Key,
        name: &[u8],
        at: &str,
        flags: usize,
        caller: Caller,
    ) -> Result<Open<R>, Error> {
        let made = flag::O_CREAT | flag::O_EXCL;
        if flags & made == made {
            return Err(Error::new(errno::EEXIST, Cause::Fixed));
        }
        if flags & WRITES != 0 {
            return Err(Error::new(errno::EISDIR, Cause::Fixed));
        }
        let name = core::str::from_utf8(name).map_err(|_| Error::MALFORMED)?;
        let kind = Kind::Place {
            ns,
            name: name.into(),
            at: at.into(),
        };
        let handle = self.new_handle(kind, caller)?;
        Ok(Open::Handle(Opened {
            handle,
            positioned: true,
        }))
    }

    /// The places of a name, as they are now.
    fn places(&self, ns: Key, name: &str) -> Result<Rc<Places<R>>, Error> {
        let namespace = self.namespace(ns)?.alive()?;
        match self.bound(namespace, name.as_bytes())? {
            Bound::Places(places) => Ok(places),
            Bound::Whole(_) => Err(Error::NO_SUCH_OBJECT),
        }
    }

    /// Enumerates a directory that leads to places, in the order of the names' hashes: it does not
    /// change when other names come and go.
    pub(crate) fn list_place(
        &self,
        ns: Key,
        name: &str,
        at: &str,
        from: u64,
        take: &mut impl FnMut(u64, u64, &str) -> bool,
    ) -> Result<(), Error> {
        let owner = name;
        let places = self.places(ns, name)?;
        let mut names: Vec<(u64, &str)> = places
            .list(at)
            .map(|name| (self.position(name), name))
            .collect();
        names.sort_unstable();
        for (position, name) in names {
            if position > from && !take(position, self.place_inode(&[owner, at, name]), name) {
                break;
            }
        }
        Ok(())
    }

    /// A position from 1 on that fits 55 bits.
    fn position(&self, name: &str) -> u64 {
        (self.hash(name.as_bytes()) >> 9).max(1)
    }

    /// What a directory of the namespace manager's own is called.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn path(&self, handle: u64) -> Result<String, Error> {
        let mut path = String::from("/scheme");
        if let Kind::Place { name, at, .. } = &self.handle(handle)?.kind {
            for part in [name, at].into_iter().filter(|part| !part.is_empty()) {
                path.push('/');
                path.push_str(part);
            }
        }
        Ok(path)
    }

    /// A number that tells such directories apart, as `fstat` and listings give it; 0 for others.
    #[must_use]
    pub fn inode(&self, handle: u64) -> u64 {
        match self.handle(handle).map(|handle| &handle.kind) {
            Ok(Kind::Place { name, at, .. }) => self.place_inode(&[name, at]),
            _ => 0,
        }
    }

    fn place_inode(&self, parts: &[&str]) -> u64 {
        let parts: Vec<&str> = parts
            .iter()
            .copied()
            .filter(|part| !part.is_empty())
            .collect();
        self.position(&parts.join("/"))
    }

    /// What is behind a name. Only what is not bound has to be looked at more closely: whether it
    /// could have been.
    pub(crate) fn bound(
        &self,
        namespace: &Namespace<R, L>,
        name: &[u8],
    ) -> Result<Bound<R>, Error> {
        match namespace.bound(self.hash(name), name) {
            Some(Bound::Whole(binding)) if binding.is_vacant() => Err(Error::VACANT),
            Some(bound) => Ok(bound.same()),
            None => Err(Name::check(name).err().unwrap_or(Error::NOT_BOUND)),
        }
    }
}

fn unlink_from<R>(
    bound: Bound<R>,
    path: &[u8],
    suffix: usize,
    flags: usize,
) -> Result<Unlink<R>, Error> {
    match bound {
        Bound::Whole(binding) => Ok(Unlink::Redirect { binding, suffix }),
        Bound::Places(places) => {
            let rest = path.get(suffix..).unwrap_or_default();
            unlink_in(&places, "", (rest, suffix), flags)
        }
    }
}

fn unlink_in<R>(
    places: &Places<R>,
    at: &str,
    (rest, from): (&[u8], usize),
    flags: usize,
) -> Result<Unlink<R>, Error> {
    match places.find(at, rest, flags)? {
        Found::Bound(binding, suffix) if suffix < rest.len() => Ok(Unlink::Redirect {
            binding: Rc::clone(binding),
            suffix: from.saturating_add(suffix),
        }),
        // A place is taken away by unbinding it; what leads to one goes with it.
        Found::Bound(..) | Found::Here(_) => Err(Error::new(errno::EBUSY, Cause::Fixed)),
        Found::Nothing { .. } => Err(Error::NO_SUCH_OBJECT),
    }
}
