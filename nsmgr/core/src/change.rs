//! Requests that make namespaces and end them.

use alloc::{rc::Rc, vec::Vec};

use gen_slab::Key;
use nsmgr_api::{ForkFlags, NsPermissions};
use syscall::error as errno;

use crate::{
    error::{Cause, Error},
    handle::{Kind, Waiting},
    manager::{Caller, Manager, denied},
    map::InsertError,
    name::{Name, Wanted},
    namespace::{NameLeaf, Names},
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

impl<R, L> Manager<R, L> {
    /// Answers `dup` with a payload. See `nsmgr-api` for what it may hold.
    ///
    /// # Errors
    /// `EINVAL` for a malformed payload, `EACCES` without the permission needed or for a fork that another is
    /// to be charged for, `ENODEV` for one that names what is not bound, `EMFILE` and `ENOMEM` beyond the
    /// caller's limits, `ESTALE`.
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
            Ask::Fork {
                user,
                flags,
                entries,
            } => {
                let caller = match user {
                    Some(uid) if caller.uid == 0 || caller.uid == uid => Caller { uid, ..caller },
                    Some(_) => return Err(denied(Cause::WrongHandle)),
                    None => caller,
                };
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
                place,
            } => {
                *about = name.as_str().as_bytes();
                if !permissions.contains(NsPermissions::INSERT) {
                    return Err(denied(Cause::MayNotInsert));
                }
                let kind = Kind::Register {
                    ns,
                    name: name.as_str().into(),
                    place: place
                        .map(|place| alloc::format!("/{}", place.without_slash()).into_boxed_str()),
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
                let rare = self.namespace_mut(ns)?.with_rare();
                rare.watchers.insert(Key::from_raw(made));
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
    /// `EBADF`, and `ENOMEM` beyond the limit of the handle's maker; the lease is dropped.
    pub fn keep_lease(&mut self, handle: u64, lease: L) -> Result<(), Error> {
        let (ns, _) = self.access(handle)?;
        let held = self.roots.hold(self.handle(handle)?.uid)?;
        self.namespace_mut(ns)?.lease = Some((lease, held));
        Ok(())
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
        let (lease, _) = namespace
            .lease
            .take()
            .ok_or(Error::new(errno::EOPNOTSUPP, Cause::WrongHandle))?;
        namespace.destroyed = true;
        namespace.names = Names::default();
        // The lease takes the roots that were handed out along.
        if let Some(rare) = namespace.rare_mut() {
            rare.issued.clear();
        }
        let (owner, charged) = (namespace.owner, namespace.all_charged());
        namespace.charged = 0;
        namespace.places = 0;
        self.quota.remove_names(owner, charged);
        self.changed(ns);
        Ok(lease)
    }
}

fn insert_once<R>(names: &mut Names<R>, leaf: &Rc<NameLeaf<R>>) -> Result<(), Error> {
    match names.insert(Rc::clone(leaf)) {
        Ok(()) | Err(InsertError::Exists) => Ok(()),
        Err(full) => Err(no_place(full)),
    }
}

pub(crate) fn no_place(error: InsertError) -> Error {
    match error {
        InsertError::Exists => Error::ALREADY_BOUND,
        InsertError::Full => Error::new(errno::ENOSPC, Cause::MemoryLimit),
    }
}
