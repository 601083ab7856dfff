//! The namespaces and the handles.

use alloc::{boxed::Box, rc::Rc, vec::Vec};

use core::hash::Hasher;

use foldhash::{SharedSeed, quality::FoldHasher};
use gen_slab::{Key, Slab};
use nsmgr_api::NsPermissions;
use syscall::error as errno;

use crate::{
    denial::Log,
    error::{Cause, Error},
    handle::{Handle, Kind},
    namespace::{Names, Namespace},
    quota::{Limits, Quota},
    roots::Roots,
    route::Opened,
};

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Process.
    pub pid: usize,
    /// Effective user.
    pub uid: u32,
}

/// How names are hashed. Names that collide cost no more than a search among at most
/// [`map`](crate::map)'s bucket, so that a fast hash with a key is enough.
struct HashState {
    key: u64,
    shared: SharedSeed,
}

impl HashState {
    fn new((key, shared): (u64, u64)) -> Self {
        Self {
            key,
            shared: SharedSeed::from_u64(shared),
        }
    }

    #[inline]
    fn of(&self, name: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.key, &self.shared);
        hasher.write(name);
        hasher.finish()
    }
}

/// The state of the namespace manager.
///
/// `R` is what the shell keeps for a bound root, `L` what it keeps for a destroyable namespace; both
/// close what they hold when dropped.
pub struct Manager<R, L> {
    pub(crate) namespaces: Slab<Namespace<R, L>>,
    pub(crate) handles: Slab<Handle>,
    pub(crate) quota: Quota,
    pub(crate) roots: Roots,
    pub(crate) log: Log,
    /// Readers of the denial log that wait for more.
    pub(crate) followers: Vec<Key>,
    /// Handles that have become readable and whose readers wait for it.
    pub(crate) ready: Vec<u64>,
    pub(crate) bindings: Rc<()>,
    /// What handed-out roots are copies of whose names are gone: to be revoked.
    pub(crate) ended: Vec<R>,
    hash: HashState,
}

impl<R, L> Manager<R, L> {
    /// A manager without namespaces. `keys` are random: they keep clients from choosing names that
    /// collide.
    #[must_use]
    pub fn new(limits: Limits, keys: (u64, u64)) -> Self {
        Self {
            namespaces: Slab::new(),
            handles: Slab::new(),
            quota: Quota::new(limits),
            roots: Roots::new(limits.roots),
            log: Log::default(),
            followers: Vec::new(),
            ready: Vec::new(),
            bindings: Rc::new(()),
            ended: Vec::new(),
            hash: HashState::new(keys),
        }
    }

    /// Makes an empty namespace with every permission: the one the first process gets.
    ///
    /// # Errors
    /// `ENOMEM`, `EMFILE`.
    pub fn first_namespace(&mut self, caller: Caller) -> Result<u64, Error> {
        self.new_namespace(Names::default(), 0, 0, NsPermissions::all(), caller)
    }

    /// Enumerates the names of a listing (or of a namespace) from a position on: calls `take` with
    /// the position behind each name, its inode (0 if it has none) and the name, until it returns
    /// false.
    ///
    /// # Errors
    /// `EACCES` without `LIST`, `ENOTDIR`, `ESTALE`.
    pub fn list(
        &mut self,
        handle: u64,
        from: u64,
        caller: Caller,
        mut take: impl FnMut(u64, u64, &str) -> bool,
    ) -> Result<(), Error> {
        let result = self.list_inner(handle, from, &mut take);
        self.noting(result, handle, b"", caller)
    }

    fn list_inner(
        &self,
        handle: u64,
        from: u64,
        take: &mut impl FnMut(u64, u64, &str) -> bool,
    ) -> Result<(), Error> {
        let (ns, permissions) = match self.handle(handle)?.kind {
            Kind::Access { ns, permissions } | Kind::List { ns, permissions } => (ns, permissions),
            Kind::Status => {
                Self::list_status(from, take);
                return Ok(());
            }
            Kind::Place {
                ns,
                ref name,
                ref at,
            } => return self.list_place(ns, name, at, from, take),
            _ => return Err(Error::NOT_DIRECTORY),
        };
        if !permissions.contains(NsPermissions::LIST) {
            return Err(denied(Cause::MayNotList));
        }
        let names = &self.namespace(ns)?.alive()?.names;
        let mut position = from;
        while let Some((next, leaf)) = names.at_or_after(position) {
            if leaf.value.is_live() && !take(next, 0, leaf.name()) {
                break;
            }
            position = next;
        }
        Ok(())
    }

    /// Whether a handle is a directory.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn is_directory(&self, handle: u64) -> Result<bool, Error> {
        Ok(matches!(
            self.handle(handle)?.kind,
            Kind::Access { .. } | Kind::List { .. } | Kind::Place { .. } | Kind::Status
        ))
    }

    /// The user who is charged for a handle, for requests that do not say who asks.
    #[must_use]
    pub fn owner(&self, handle: u64) -> u32 {
        self.handle(handle).map_or(u32::MAX, |handle| handle.uid)
    }

    /// The last descriptor of a handle is gone. Unknown numbers are ignored.
    pub fn close(&mut self, handle: u64) {
        let key = Key::from_raw(handle);
        let Some(Handle { kind, charge, .. }) = self.handles.remove(key) else {
            return;
        };
        self.quota.remove_handle(charge);
        if matches!(kind, Kind::Denials { .. }) {
            self.followers.retain(|follower| *follower != key);
        }
        let Some(ns) = kind.namespace() else { return };
        let Some(namespace) = self.namespaces.get_mut(ns) else {
            return;
        };
        if matches!(kind, Kind::Watch { .. })
            && let Some(rare) = namespace.rare_mut()
        {
            rare.watchers.remove(&key);
        }
        namespace.handles = namespace.handles.saturating_sub(1);
        if namespace.handles == 0 {
            let (owner, charged) = (namespace.owner, namespace.all_charged());
            self.quota.remove_names(owner, charged);
            self.namespaces.remove(ns);
        }
    }

    /// Takes one handle that has become readable and whose reader waits for it. A reader is told once
    /// until it reads.
    pub fn next_ready(&mut self) -> Option<u64> {
        self.ready.pop()
    }

    /// The log of refusals.
    #[must_use]
    pub const fn denials(&self) -> &Log {
        &self.log
    }

    #[inline]
    pub(crate) fn hash(&self, name: &[u8]) -> u64 {
        self.hash.of(name)
    }

    pub(crate) fn handle(&self, handle: u64) -> Result<&Handle, Error> {
        self.handles
            .get(Key::from_raw(handle))
            .ok_or(Error::BAD_HANDLE)
    }

    pub(crate) fn namespace(&self, ns: Key) -> Result<&Namespace<R, L>, Error> {
        self.namespaces.get(ns).ok_or(Error::BAD_HANDLE)
    }

    pub(crate) fn namespace_mut(&mut self, ns: Key) -> Result<&mut Namespace<R, L>, Error> {
        self.namespaces.get_mut(ns).ok_or(Error::BAD_HANDLE)
    }

    /// Makes a handle and charges it to the caller.
    pub(crate) fn new_handle(&mut self, kind: Kind, caller: Caller) -> Result<u64, Error> {
        let Caller { pid, uid } = caller;
        let ns = kind.namespace();
        let charge = self.quota.add_handle(pid, uid)?;
        let Ok(key) = self.handles.insert(Handle { kind, uid, charge }) else {
            self.quota.remove_handle(charge);
            return Err(Error::new(errno::ENOMEM, Cause::MemoryLimit));
        };
        if let Some(namespace) = ns.and_then(|ns| self.namespaces.get_mut(ns)) {
            namespace.handles = namespace.handles.saturating_add(1);
        }
        Ok(key.raw())
    }

    /// Makes a namespace with one access handle and charges both to the caller.
    pub(crate) fn new_namespace(
        &mut self,
        names: Names<R>,
        charged: u32,
        inherited: usize,
        permissions: NsPermissions,
        caller: Caller,
    ) -> Result<u64, Error> {
        let uid = caller.uid;
        self.quota.add_names(uid, charged)?;
        let namespace = Namespace::new(names, uid, charged, inherited);
        let made = self
            .namespaces
            .insert(namespace)
            .map_err(|_| Error::new(errno::ENOMEM, Cause::MemoryLimit))
            .and_then(|ns| {
                self.new_handle(Kind::Access { ns, permissions }, caller)
                    .inspect_err(|_| {
                        self.namespaces.remove(ns);
                    })
            });
        if made.is_err() {
            self.quota.remove_names(uid, charged);
        }
        made
    }

    /// Records a refusal.
    pub(crate) fn noting<T>(
        &mut self,
        result: Result<T, Error>,
        handle: u64,
        name: &[u8],
        caller: Caller,
    ) -> Result<T, Error> {
        if let Err(error) = &result {
            let ns = self.handle(handle).ok().and_then(|h| h.kind.namespace());
            let ns = ns.map_or(u64::MAX, Key::raw);
            self.log
                .record(caller.pid, caller.uid, ns, name, error.cause);
            self.wake_followers();
        }
        result
    }

    /// A snapshot of a text, as a handle.
    pub(crate) fn new_text(&mut self, text: Box<[u8]>, caller: Caller) -> Result<Opened, Error> {
        let handle = self.new_handle(Kind::Text(text), caller)?;
        Ok(Opened {
            handle,
            positioned: true,
        })
    }
}

pub(crate) const fn denied(cause: Cause) -> Error {
    Error::new(errno::EACCES, cause)
}
