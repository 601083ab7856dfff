//! Requests that bind names and take them away.

use alloc::{boxed::Box, rc::Rc, vec::Vec};

use cap_abi::Rights;
use gen_slab::Key;
use nsmgr_api::{NsPermissions, RegisterFlags, UnbindFlags};
use syscall::error as errno;

use crate::{
    binding::Binding,
    change::no_place,
    error::{Cause, Error},
    handle::Kind,
    manager::{Caller, Manager, denied},
    name::Name,
    namespace::{Bound, NameLeaf},
    payload,
    place::{PlacePath, Places},
};

/// What a register handle waits for: a descriptor to derive the root from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What may be done through it.
    pub rights: Rights,
    /// Nothing outside the directory it names may be reached.
    pub beneath: bool,
}

/// What unbinding leaves to do.
#[derive(Debug)]
pub struct Unbound<R> {
    /// The roots to revoke.
    pub revoke: Vec<R>,
}

impl<R, L> Manager<R, L> {
    /// A descriptor is being sent to a handle. Nothing has changed yet.
    ///
    /// # Errors
    /// `EACCES` if it is not a register handle, `EPERM` if it has been used, `EEXIST` if the name is
    /// bound, `ESTALE`.
    pub fn begin_register(&mut self, handle: u64, caller: Caller) -> Result<Ticket, Error> {
        let result = self.check_register(handle);
        self.noting(result, handle, b"", caller)
    }

    fn check_register(&self, handle: u64) -> Result<Ticket, Error> {
        let Kind::Register {
            ns,
            name,
            place,
            rights,
            flags,
            spent,
        } = &self.handle(handle)?.kind
        else {
            return Err(denied(Cause::WrongHandle));
        };
        let namespace = self.namespace(*ns)?.alive()?;
        if *spent {
            return Err(Error::new(errno::EPERM, Cause::Spent));
        }
        let bound = namespace.bound(self.hash(name.as_bytes()), name.as_bytes());
        match (bound, place) {
            (None, _) | (Some(_), Some(_)) => (),
            (Some(Bound::Whole(binding)), None) if waits_for(binding, *ns, *rights) => (),
            (Some(_), None) => return Err(Error::ALREADY_BOUND),
        }
        Ok(Ticket {
            rights: *rights,
            beneath: place.is_some() || flags.contains(RegisterFlags::BENEATH),
        })
    }

    /// Whether a handle of the manager's own may be bound: not one that keeps a namespace, which would never go.
    ///
    /// # Errors
    /// `ELOOP`.
    pub fn check_own_root(&mut self, handle: u64, own: u64, caller: Caller) -> Result<(), Error> {
        let kept = self.handle(own).map(|handle| handle.kind.namespace());
        let result = match kept {
            Ok(Some(_)) => Err(Error::new(errno::ELOOP, Cause::WrongHandle)),
            _ => Ok(()),
        };
        self.noting(result, handle, b"", caller)
    }

    /// Binds the register handle's name, or its place. The handle is spent from now on.
    ///
    /// # Errors
    /// As [`Self::begin_register`], `ENOSPC` for a place too many, and `ENOMEM` beyond the limit of
    /// names of the namespace's owner or of roots of the handle's maker.
    pub fn finish_register(&mut self, handle: u64, root: R, caller: Caller) -> Result<(), Error> {
        let result = self.register(handle, root);
        self.noting(result, handle, b"", caller)
    }

    fn register(&mut self, handle: u64, root: R) -> Result<(), Error> {
        let Ticket { rights, .. } = self.check_register(handle)?;
        let Kind::Register {
            ns, name, place, ..
        } = &self.handle(handle)?.kind
        else {
            return Err(Error::BAD_HANDLE);
        };
        let (ns, name): (Key, Box<str>) = (*ns, name.clone());
        // Not the namespace's owner, who may have left it to another, nor a daemon that sends its root
        // for whoever started it.
        let uid = self.handle(handle)?.uid;
        if let Some(place) = place.clone() {
            self.add_place(ns, &name, &place, (root, uid), rights)?;
        } else {
            self.put_root(ns, &name, (root, uid), rights)?;
        }
        if let Some(handle) = self.handles.get_mut(Key::from_raw(handle))
            && let Kind::Register { spent, .. } = &mut handle.kind
        {
            *spent = true;
        }
        Ok(())
    }

    /// Binds a name that is free, or gives a vacant one its new root.
    fn put_root(
        &mut self,
        ns: Key,
        name: &str,
        (root, uid): (R, u32),
        rights: Rights,
    ) -> Result<(), Error> {
        let hash = self.hash(name.as_bytes());
        let vacant = match self.namespace(ns)?.bound(hash, name.as_bytes()) {
            Some(Bound::Whole(binding)) => Some(Rc::clone(binding)),
            _ => None,
        };
        let Some(binding) = vacant else {
            let held = self.roots.hold(uid)?;
            let binding = Binding::new(root, held, rights, ns, &self.bindings);
            return self.add_name(ns, name, Bound::Whole(Rc::new(binding)));
        };
        // Given back, it is closed here.
        if binding.fill(root).is_some() {
            return Err(Error::ALREADY_BOUND);
        }
        self.changed(ns);
        Ok(())
    }

    fn add_place(
        &mut self,
        ns: Key,
        name: &str,
        place: &str,
        (root, uid): (R, u32),
        rights: Rights,
    ) -> Result<(), Error> {
        let path = PlacePath::new(place.as_bytes())?;
        let hash = self.hash(name.as_bytes());
        let mut places = match self.namespace(ns)?.bound(hash, name.as_bytes()) {
            None => Places::new(ns),
            Some(Bound::Places(places)) => places.copy_for(ns),
            Some(Bound::Whole(binding)) => {
                // The whole of it is what is at the top.
                let mut places = Places::new(ns);
                places.insert(PlacePath::TOP, Rc::clone(binding))?;
                places
            }
        };
        let held = self.roots.hold(uid)?;
        let binding = Binding::new(root, held, rights, ns, &self.bindings);
        places.insert(path, Rc::new(binding))?;
        self.add_name(ns, name, Bound::Places(Rc::new(places)))
    }

    /// Binds a name to what another name of the namespace is bound to, with at most these rights.
    ///
    /// # Errors
    /// `EACCES` without `INSERT`, `ENODEV` if the old name is not bound, `EEXIST` if the new one is,
    /// `EMLINK` when too many have been derived one from the other, `EINVAL`, `ESTALE`, and `ENOMEM`
    /// beyond the limit of the namespace's owner.
    pub fn bind(
        &mut self,
        handle: u64,
        rights: u64,
        payload: &[u8],
        caller: Caller,
    ) -> Result<(), Error> {
        let result = self.bind_inner(handle, rights, payload);
        self.noting(result, handle, payload, caller)
    }

    fn bind_inner(&mut self, handle: u64, rights: u64, payload: &[u8]) -> Result<(), Error> {
        let (ns, permissions) = self.access(handle)?;
        let namespace = self.namespace(ns)?.alive()?;
        let rights = payload::rights_from(rights)?;
        let (old, new) = payload::parse_bind(payload)?;
        if !permissions.contains(NsPermissions::INSERT) {
            return Err(denied(Cause::MayNotInsert));
        }
        let hash = |name: Name<'_>| self.hash(name.as_str().as_bytes());
        let source = namespace
            .bound(hash(old), old.as_str().as_bytes())
            .ok_or(Error::NOT_BOUND)?;
        if namespace
            .bound(hash(new), new.as_str().as_bytes())
            .is_some()
        {
            return Err(Error::ALREADY_BOUND);
        }
        let derive = |source: &Rc<Binding<R>>| Binding::derived(source, rights, ns);
        let derived = match source {
            Bound::Whole(binding) => Bound::Whole(Rc::new(derive(binding)?)),
            Bound::Places(places) => Bound::Places(Rc::new(places.map(ns, &derive)?)),
        };
        self.add_name(ns, new.as_str(), derived)
    }

    /// Removes a name and, if asked to, ends what was opened through its bindings; or makes it
    /// vacant.
    ///
    /// # Errors
    /// `EACCES` without `DELETE`, `ENODEV`, `EINVAL`, `EPERM` for a revocation in a namespace that
    /// inherited the binding, `ESTALE`.
    pub fn unbind(
        &mut self,
        handle: u64,
        flags: u64,
        name: &[u8],
        caller: Caller,
    ) -> Result<Unbound<R>, Error> {
        let result = self.unbind_inner(handle, flags, name);
        self.noting(result, handle, name, caller)
    }

    fn unbind_inner(&mut self, handle: u64, flags: u64, name: &[u8]) -> Result<Unbound<R>, Error> {
        let (ns, permissions) = self.access(handle)?;
        let flags = UnbindFlags::from_bits(flags).ok_or(Error::MALFORMED)?;
        let name = Name::new(name)?;
        let namespace = self.namespace(ns)?.alive()?;
        if !permissions.contains(NsPermissions::DELETE) {
            return Err(denied(Cause::MayNotDelete));
        }
        let text = name.as_str().as_bytes();
        let bound = namespace
            .bound(self.hash(text), text)
            .ok_or(Error::NOT_BOUND)?
            .same();
        if flags.contains(UnbindFlags::VACATE) {
            return self.vacate(ns, name, &bound);
        }
        let ending = flags.contains(UnbindFlags::REVOKE);
        let bindings = match &bound {
            Bound::Whole(binding) => alloc::vec![binding],
            Bound::Places(places) => places.bindings(),
        };
        if ending && bindings.iter().any(|binding| binding.home() != ns) {
            return Err(Error::new(errno::EPERM, Cause::NotHome));
        }
        self.remove_name(ns, name)?;
        let ended = bindings.iter().filter(|_| ending);
        Ok(Unbound {
            revoke: ended.filter_map(|binding| binding.end()).collect(),
        })
    }

    fn vacate(&mut self, ns: Key, name: Name<'_>, bound: &Bound<R>) -> Result<Unbound<R>, Error> {
        let Bound::Whole(binding) = bound else {
            return Err(Error::new(errno::EOPNOTSUPP, Cause::Malformed));
        };
        if binding.home() != ns {
            return Err(Error::new(errno::EPERM, Cause::NotHome));
        }
        // One that follows another is not filled by anybody.
        if binding.source().is_some() {
            return Err(Error::new(errno::EOPNOTSUPP, Cause::Malformed));
        }
        let root = binding.vacate();
        self.end_issued(ns, name.as_str());
        self.changed(ns);
        Ok(Unbound {
            revoke: root.into_iter().collect(),
        })
    }

    /// Takes one place of a name away and, if asked to, ends what was opened through it. With the
    /// last place goes the name.
    ///
    /// # Errors
    /// As [`Self::unbind`]; `ENOENT` when nothing is bound at that path.
    pub fn unbind_place(
        &mut self,
        handle: u64,
        flags: u64,
        payload: &[u8],
        caller: Caller,
    ) -> Result<Unbound<R>, Error> {
        let result = self.unbind_place_inner(handle, flags, payload);
        self.noting(result, handle, payload, caller)
    }

    fn unbind_place_inner(
        &mut self,
        handle: u64,
        flags: u64,
        payload: &[u8],
    ) -> Result<Unbound<R>, Error> {
        let (ns, permissions) = self.access(handle)?;
        let flags = UnbindFlags::from_bits(flags)
            .filter(|flags| !flags.contains(UnbindFlags::VACATE))
            .ok_or(Error::MALFORMED)?;
        let (name, path) = payload::parse_place(payload)?;
        let namespace = self.namespace(ns)?.alive()?;
        if !permissions.contains(NsPermissions::DELETE) {
            return Err(denied(Cause::MayNotDelete));
        }
        let text = name.as_str().as_bytes();
        let places = match namespace.bound(self.hash(text), text) {
            None => return Err(Error::NOT_BOUND),
            Some(Bound::Whole(_)) => return Err(Error::NO_SUCH_OBJECT),
            Some(Bound::Places(places)) => places,
        };
        let revoke = flags.contains(UnbindFlags::REVOKE);
        let home = places.get(path).ok_or(Error::NO_SUCH_OBJECT)?.home();
        if revoke && home != ns {
            return Err(Error::new(errno::EPERM, Cause::NotHome));
        }
        let mut rest = places.copy_for(ns);
        let removed = rest.remove(path).ok_or(Error::NO_SUCH_OBJECT)?;
        if rest.is_empty() {
            self.remove_name(ns, name)?;
        } else {
            self.add_name(ns, name.as_str(), Bound::Places(Rc::new(rest)))?;
        }
        let root = if revoke { removed.end() } else { None };
        Ok(Unbound {
            revoke: root.into_iter().collect(),
        })
    }

    pub(crate) fn access(&self, handle: u64) -> Result<(Key, NsPermissions), Error> {
        match self.handle(handle)?.kind {
            Kind::Access { ns, permissions } => Ok((ns, permissions)),
            _ => Err(Error::new(errno::EINVAL, Cause::WrongHandle)),
        }
    }

    /// Puts something behind a name, in the place of what is there: places that others have been
    /// added to or taken from, or a binding that has ended elsewhere.
    fn add_name(&mut self, ns: Key, name: &str, bound: Bound<R>) -> Result<(), Error> {
        let hash = self.hash(name.as_bytes());
        self.charge_change(ns, (hash, name), bound.charge(ns))?;
        let namespace = self.namespace_mut(ns)?;
        namespace.names.remove(hash, name);
        let leaf = Rc::new(NameLeaf::new(hash, name, bound));
        namespace.names.insert(leaf).map_err(no_place)?;
        self.end_issued(ns, name);
        self.changed(ns);
        Ok(())
    }

    pub(crate) fn remove_name(&mut self, ns: Key, name: Name<'_>) -> Result<(), Error> {
        let text = name.as_str();
        let hash = self.hash(text.as_bytes());
        if self.namespace(ns)?.bound(hash, text.as_bytes()).is_none() {
            return Err(Error::NOT_BOUND);
        }
        self.charge_change(ns, (hash, text), 0)?;
        self.namespace_mut(ns)?.names.remove(hash, text);
        self.end_issued(ns, text);
        self.changed(ns);
        Ok(())
    }

    /// Charges the namespace's owner for a change of one name, behind which there are `places` places
    /// of its own from now on.
    fn charge_change(
        &mut self,
        ns: Key,
        (hash, name): (u64, &str),
        places: u32,
    ) -> Result<(), Error> {
        let namespace = self.namespace(ns)?;
        let owner = namespace.owner;
        let before = namespace
            .names
            .get(hash, name)
            .map_or(0, |leaf| leaf.value.charge(ns));
        let names = namespace.charge_after_change();
        let places = namespace
            .places
            .saturating_sub(before)
            .saturating_add(places);
        let (had, has) = (namespace.all_charged(), names.saturating_add(places));
        self.quota.add_names(owner, has.saturating_sub(had))?;
        self.quota.remove_names(owner, had.saturating_sub(has));
        let namespace = self.namespace_mut(ns)?;
        namespace.charged = names;
        namespace.places = places;
        namespace.changes = namespace.changes.saturating_add(1);
        Ok(())
    }
}

/// Whether a root that is sent to a register handle of this namespace may fill the binding: what was
/// bound with few rights does not come back with more.
fn waits_for<R>(binding: &Binding<R>, ns: Key, rights: Rights) -> bool {
    binding.is_vacant() && binding.home() == ns && binding.rights() == rights
}
