//! Requests that make or change a namespace.

use alloc::{boxed::Box, rc::Rc, vec::Vec};

use cap_abi::Rights;
use gen_slab::Key;
use nsmgr_api::{ForkFlags, NsPermissions, RegisterFlags, UnbindFlags};
use syscall::error as errno;

use crate::{
    error::{Cause, Error},
    handle::{Kind, Waiting},
    manager::{Caller, Manager, denied},
    map::InsertError,
    name::{Name, Wanted},
    namespace::{Binding, NameLeaf, Names},
    payload::{self, Ask, Entries},
};

/// How a `dup` with a payload is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dup {
    /// A handle made here.
    Handle(u64),
    /// A handle made here whose descriptor is to be leased, and the lease given to
    /// [`Manager::keep_lease`].
    LeasedHandle(u64),
}

/// What a register handle waits for: a descriptor to derive the root from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What may be done through it.
    pub rights: Rights,
    /// Nothing outside the directory it names may be reached.
    pub beneath: bool,
}

/// A binding to be derived from another.
#[derive(Debug)]
pub struct Rebind<R> {
    /// The other.
    pub source: Rc<Binding<R>>,
    /// What may be done through the new one: no more than through the source.
    pub rights: Rights,
}

/// What unbinding leaves to do.
#[derive(Debug)]
pub struct Unbound<R> {
    /// The root to revoke.
    pub revoke: Option<R>,
}

impl<R, L> Manager<R, L> {
    /// Answers `dup` with a payload. See `nsmgr-api` for what it may hold.
    ///
    /// # Errors
    /// `EINVAL` for a malformed payload, `EACCES` without the permission needed, `ENODEV` for a fork
    /// that names what is not bound, `EMFILE` and `ENOMEM` beyond the caller's limits, `ESTALE`.
    pub fn dup(&mut self, handle: u64, payload: &[u8], caller: Caller) -> Result<Dup, Error> {
        let mut name: &[u8] = b"";
        let result = self.derive(handle, payload, caller, &mut name);
        self.noting(result, handle, name, caller)
    }

    fn derive<'a>(
        &mut self,
        handle: u64,
        payload: &'a [u8],
        caller: Caller,
        about: &mut &'a [u8],
    ) -> Result<Dup, Error> {
        let (ns, permissions) = self.access(handle)?;
        self.namespace(ns)?.alive()?;
        match payload::parse(payload)? {
            Ask::Fork { flags, entries } => {
                let (names, own) = self.select(ns, flags, entries, about)?;
                let shared = if own { 0 } else { names.len() };
                let charged = if own { names.len() } else { 0 };
                let charged = u32::try_from(charged).map_err(|_| Error::TOO_BIG)?;
                let made = self.new_namespace(names, charged, shared, permissions, caller)?;
                Ok(if flags.contains(ForkFlags::DESTROYABLE) {
                    Dup::LeasedHandle(made)
                } else {
                    Dup::Handle(made)
                })
            }
            Ask::Shrink(keep) => {
                let permissions = permissions & keep;
                self.new_handle(Kind::Access { ns, permissions }, caller)
                    .map(Dup::Handle)
            }
            Ask::Register {
                rights,
                flags,
                name,
            } => {
                *about = name.as_str().as_bytes();
                if !permissions.contains(NsPermissions::INSERT) {
                    return Err(denied(Cause::MayNotInsert));
                }
                let kind = Kind::Register {
                    ns,
                    name: name.as_str().into(),
                    rights,
                    flags,
                    spent: false,
                };
                self.new_handle(kind, caller).map(Dup::Handle)
            }
            Ask::Watch => {
                if !permissions.contains(NsPermissions::LIST) {
                    return Err(denied(Cause::MayNotList));
                }
                let seen = self.namespace(ns)?.generation;
                let kind = Kind::Watch {
                    ns,
                    seen,
                    waiting: Waiting::No,
                };
                let made = self.new_handle(kind, caller)?;
                self.namespace_mut(ns)?.watchers.insert(Key::from_raw(made));
                Ok(Dup::Handle(made))
            }
        }
    }

    /// The names of a fork, and whether they are in nodes of their own.
    fn select<'a>(
        &self,
        parent: Key,
        flags: ForkFlags,
        entries: Entries<'a>,
        about: &mut &'a [u8],
    ) -> Result<(Names<R>, bool), Error> {
        let parent = self.namespace(parent)?;
        let mut names = Names::default();
        let mut prefixes = Vec::new();
        for entry in entries.iter() {
            if entry.last() == Some(&b'*') {
                if let Wanted::Prefix(prefix) = Wanted::new(entry)? {
                    prefixes.push(prefix);
                }
                continue;
            }
            match parent.names.find(self.hash(entry), entry, || ()) {
                Some(leaf) if leaf.value.is_live() => insert_once(&mut names, leaf)?,
                _ => {
                    Name::new(entry)?;
                    if !flags.contains(ForkFlags::SKIP_UNKNOWN) {
                        *about = entry;
                        return Err(Error::NOT_BOUND);
                    }
                }
            }
        }
        if prefixes.is_empty() {
            return Ok((names, true));
        }
        prefixes.sort_unstable();
        // A prefix that begins with another one adds nothing; then at most one fits a name, the
        // greatest that is not greater than it.
        prefixes.dedup_by(|next, kept| next.starts_with(*kept));
        if prefixes.first() == Some(&"") {
            return Ok((parent.names.clone(), false));
        }
        for leaf in parent.names.iter() {
            let after = prefixes.partition_point(|prefix| *prefix <= leaf.name());
            let fits = after
                .checked_sub(1)
                .and_then(|place| prefixes.get(place))
                .is_some_and(|prefix| leaf.name().starts_with(prefix));
            if fits && leaf.value.is_live() {
                insert_once(&mut names, leaf)?;
            }
        }
        Ok((names, true))
    }

    /// Gives a namespace made with [`Dup::LeasedHandle`] the lease that ends it.
    ///
    /// # Errors
    /// `EBADF`; the lease is dropped.
    pub fn keep_lease(&mut self, handle: u64, lease: L) -> Result<(), Error> {
        let (ns, _) = self.access(handle)?;
        self.namespace_mut(ns)?.lease = Some(lease);
        Ok(())
    }

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
        if namespace
            .binding(self.hash(name.as_bytes()), name.as_bytes())
            .is_some()
        {
            return Err(Error::ALREADY_BOUND);
        }
        Ok(Ticket {
            rights: *rights,
            beneath: flags.contains(RegisterFlags::BENEATH),
        })
    }

    /// Binds the register handle's name. The handle is spent from now on.
    ///
    /// # Errors
    /// As [`Self::begin_register`], and `ENOMEM` beyond the limit of the namespace's owner.
    pub fn finish_register(&mut self, handle: u64, root: R, caller: Caller) -> Result<(), Error> {
        let result = self.register(handle, root);
        self.noting(result, handle, b"", caller)
    }

    fn register(&mut self, handle: u64, root: R) -> Result<(), Error> {
        let Ticket { rights, .. } = self.check_register(handle)?;
        let Kind::Register { ns, name, .. } = &self.handle(handle)?.kind else {
            return Err(Error::BAD_HANDLE);
        };
        let (ns, name): (Key, Box<str>) = (*ns, name.clone());
        self.add_name(ns, &name, root, rights)?;
        if let Some(handle) = self.handles.get_mut(Key::from_raw(handle))
            && let Kind::Register { spent, .. } = &mut handle.kind
        {
            *spent = true;
        }
        Ok(())
    }

    /// A name is to be bound to what another name of the namespace is bound to. Nothing has changed
    /// yet.
    ///
    /// # Errors
    /// `EACCES` without `INSERT`, `ENODEV` if the old name is not bound, `EEXIST` if the new one is,
    /// `EINVAL`, `ESTALE`.
    pub fn begin_bind(
        &mut self,
        handle: u64,
        rights: u64,
        payload: &[u8],
        caller: Caller,
    ) -> Result<Rebind<R>, Error> {
        let result = self.check_bind(handle, rights, payload);
        self.noting(result, handle, payload, caller)
    }

    fn check_bind(&self, handle: u64, rights: u64, payload: &[u8]) -> Result<Rebind<R>, Error> {
        let (ns, permissions) = self.access(handle)?;
        let namespace = self.namespace(ns)?.alive()?;
        let rights = payload::rights_from(rights)?;
        let (old, new) = payload::parse_bind(payload)?;
        if !permissions.contains(NsPermissions::INSERT) {
            return Err(denied(Cause::MayNotInsert));
        }
        let source = namespace
            .binding(self.hash(old.as_str().as_bytes()), old.as_str().as_bytes())
            .map(Rc::clone)
            .ok_or(Error::NOT_BOUND)?;
        if namespace
            .binding(self.hash(new.as_str().as_bytes()), new.as_str().as_bytes())
            .is_some()
        {
            return Err(Error::ALREADY_BOUND);
        }
        let rights = source.rights() & rights;
        Ok(Rebind { source, rights })
    }

    /// Binds the new name of the same payload to a root derived from [`Rebind::source`].
    ///
    /// # Errors
    /// As [`Self::begin_bind`], and `ENOMEM` beyond the limit of the namespace's owner.
    pub fn finish_bind(
        &mut self,
        handle: u64,
        rights: u64,
        payload: &[u8],
        root: R,
        caller: Caller,
    ) -> Result<(), Error> {
        let result = self
            .check_bind(handle, rights, payload)
            .and_then(|rebind| Ok((rebind.rights, payload::parse_bind(payload)?.1)))
            .and_then(|(rights, new)| {
                let (ns, _) = self.access(handle)?;
                self.add_name(ns, new.as_str(), root, rights)
            });
        self.noting(result, handle, payload, caller)
    }

    /// Removes a name and, if asked to, ends what was opened through its binding.
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
        let binding = namespace
            .binding(
                self.hash(name.as_str().as_bytes()),
                name.as_str().as_bytes(),
            )
            .map(Rc::clone)
            .ok_or(Error::NOT_BOUND)?;
        let revoke = flags.contains(UnbindFlags::REVOKE);
        if revoke && binding.home() != ns {
            return Err(Error::new(errno::EPERM, Cause::NotHome));
        }
        self.remove_name(ns, name)?;
        Ok(Unbound {
            revoke: if revoke { binding.revoke() } else { None },
        })
    }

    /// Ends a namespace: it holds nothing from now on, and the lease given back is to be revoked.
    ///
    /// # Errors
    /// `EACCES` without `DELETE`, `EOPNOTSUPP` if the namespace was not made destroyable, `ESTALE`.
    pub fn destroy(&mut self, handle: u64, caller: Caller) -> Result<L, Error> {
        let result = self.destroy_inner(handle);
        self.noting(result, handle, b"", caller)
    }

    fn destroy_inner(&mut self, handle: u64) -> Result<L, Error> {
        let (ns, permissions) = self.access(handle)?;
        self.namespace(ns)?.alive()?;
        if !permissions.contains(NsPermissions::DELETE) {
            return Err(denied(Cause::MayNotDelete));
        }
        let namespace = self.namespace_mut(ns)?;
        let lease = namespace
            .lease
            .take()
            .ok_or(Error::new(errno::EOPNOTSUPP, Cause::WrongHandle))?;
        namespace.destroyed = true;
        namespace.names = Names::default();
        // The lease takes the roots that were handed out along.
        namespace.issued.clear();
        let (owner, charged) = (namespace.owner, namespace.charged);
        namespace.charged = 0;
        self.quota.remove_names(owner, charged);
        self.changed(ns);
        Ok(lease)
    }

    fn access(&self, handle: u64) -> Result<(Key, NsPermissions), Error> {
        match self.handle(handle)?.kind {
            Kind::Access { ns, permissions } => Ok((ns, permissions)),
            _ => Err(Error::new(errno::EINVAL, Cause::WrongHandle)),
        }
    }

    fn add_name(&mut self, ns: Key, name: &str, root: R, rights: Rights) -> Result<(), Error> {
        let hash = self.hash(name.as_bytes());
        let binding = Rc::new(Binding::new(root, rights, ns, &self.bindings));
        self.charge_change(ns)?;
        let namespace = self.namespace_mut(ns)?;
        // What stands there, if anything, is a binding that has been revoked elsewhere.
        namespace.names.remove(hash, name);
        let leaf = Rc::new(NameLeaf::new(hash, name, binding));
        namespace.names.insert(leaf).map_err(no_place)?;
        self.end_issued(ns, name);
        self.changed(ns);
        Ok(())
    }

    pub(crate) fn remove_name(&mut self, ns: Key, name: Name<'_>) -> Result<(), Error> {
        let hash = self.hash(name.as_str().as_bytes());
        if self
            .namespace(ns)?
            .binding(hash, name.as_str().as_bytes())
            .is_none()
        {
            return Err(Error::NOT_BOUND);
        }
        self.charge_change(ns)?;
        self.namespace_mut(ns)?.names.remove(hash, name.as_str());
        self.end_issued(ns, name.as_str());
        self.changed(ns);
        Ok(())
    }

    fn charge_change(&mut self, ns: Key) -> Result<(), Error> {
        let namespace = self.namespace(ns)?;
        let (owner, charged) = (namespace.owner, namespace.charged);
        let after = namespace.charge_after_change();
        self.quota.add_names(owner, after.saturating_sub(charged))?;
        let namespace = self.namespace_mut(ns)?;
        namespace.charged = after;
        namespace.changes = namespace.changes.saturating_add(1);
        Ok(())
    }
}

fn insert_once<R>(names: &mut Names<R>, leaf: &Rc<NameLeaf<R>>) -> Result<(), Error> {
    match names.insert(Rc::clone(leaf)) {
        Ok(()) | Err(InsertError::Exists) => Ok(()),
        Err(full) => Err(no_place(full)),
    }
}

fn no_place(error: InsertError) -> Error {
    match error {
        InsertError::Exists => Error::ALREADY_BOUND,
        InsertError::Full => Error::new(errno::ENOSPC, Cause::MemoryLimit),
    }
}
