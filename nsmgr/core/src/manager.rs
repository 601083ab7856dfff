//! The namespaces, the handles, and how an open is routed.

use alloc::{boxed::Box, rc::Rc, vec::Vec};

use gen_slab::{Key, Slab};
use nsmgr_api::{NsPermissions, RESERVED_NAME, SCHEME_CREATION_CAP};
use siphasher::sip::SipHasher13;
use syscall::{error as errno, flag};

use crate::{
    denial::Log,
    error::{Cause, Error},
    handle::{Handle, Kind},
    name::Name,
    namespace::{Binding, Issued, MAX_ISSUED, Names, Namespace},
    path::{self, Target},
    quota::{Limits, Quota},
};

/// The name that paths without a scheme belong to.
const FILE: &[u8] = b"file";

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Process.
    pub pid: usize,
    /// Effective user.
    pub uid: u32,
}

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
    pub(crate) ns: Key,
    pub(crate) name: Box<str>,
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

/// The state of the namespace manager.
///
/// `R` is what the shell keeps for a bound root, `L` what it keeps for a destroyable namespace; both
/// close what they hold when dropped.
pub struct Manager<R, L> {
    pub(crate) namespaces: Slab<Namespace<R, L>>,
    pub(crate) handles: Slab<Handle>,
    pub(crate) quota: Quota,
    pub(crate) log: Log,
    /// Readers of the denial log that wait for more.
    pub(crate) followers: Vec<Key>,
    /// Handles that have become readable and whose readers wait for it.
    pub(crate) ready: Vec<u64>,
    pub(crate) bindings: Rc<()>,
    /// What handed-out roots are copies of whose names are gone: to be revoked.
    pub(crate) ended: Vec<R>,
    keys: (u64, u64),
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
            log: Log::default(),
            followers: Vec::new(),
            ready: Vec::new(),
            bindings: Rc::new(()),
            ended: Vec::new(),
            keys,
        }
    }

    /// Makes an empty namespace with every permission: the one the first process gets.
    ///
    /// # Errors
    /// `ENOMEM`, `EMFILE`.
    pub fn first_namespace(&mut self, caller: Caller) -> Result<u64, Error> {
        self.new_namespace(Names::default(), 0, 0, NsPermissions::all(), caller)
    }

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
            Kind::Status => return self.open_status(path, caller).map(Open::Handle),
            _ => return Err(Error::NOT_DIRECTORY),
        };
        let namespace = self.namespace(ns)?.alive()?;
        match target {
            Target::Listing => {
                if !permissions.contains(NsPermissions::LIST) {
                    return Err(denied(Cause::MayNotList));
                }
                let writes = flags & (flag::O_WRONLY | flag::O_CREAT | flag::O_TRUNC) != 0;
                if writes {
                    return Err(Error::new(errno::EISDIR, Cause::Malformed));
                }
                let kind = Kind::List { ns, permissions };
                let handle = self.new_handle(kind, caller)?;
                Ok(Open::Handle(Opened {
                    handle,
                    positioned: true,
                }))
            }
            Target::File { suffix } => Ok(Open::Redirect {
                binding: self.bound(namespace, FILE)?,
                suffix,
            }),
            Target::Scheme {
                name,
                suffix,
                exact,
            } => {
                if name == RESERVED_NAME.as_bytes() {
                    let rest = path.get(suffix..).unwrap_or_default();
                    return Self::open_reserved(rest, permissions);
                }
                let binding = self.bound(namespace, name)?;
                if exact && flags & flag::O_DIRECTORY != 0 {
                    let name = Name::new(name)?.as_str().into();
                    return Ok(Open::RootHandOut(HandOut { binding, ns, name }));
                }
                Ok(Open::Redirect { binding, suffix })
            }
        }
    }

    /// What copies of a root to be handed out are made of, if it is there already. Otherwise a copy of
    /// the binding's root, which can be revoked without what is opened through it, is to be given to
    /// [`Self::issue`] first.
    #[must_use]
    pub fn issued(&self, hand_out: &HandOut<R>) -> Option<&R> {
        let issued = self
            .namespaces
            .get(hand_out.ns)?
            .issued
            .get(&hand_out.name)?;
        Rc::ptr_eq(&issued.binding, &hand_out.binding).then_some(&issued.root)
    }

    /// Keeps what copies are made of, until the name is bound no more: then it comes back by
    /// [`Self::take_ended`].
    ///
    /// # Errors
    /// `EMFILE` when roots of too many names are handed out.
    pub fn issue(&mut self, hand_out: HandOut<R>, root: R) -> Result<(), Error> {
        let HandOut { binding, ns, name } = hand_out;
        let issued = &mut self.namespace_mut(ns)?.issued;
        if issued.len() >= MAX_ISSUED && !issued.contains_key(&name) {
            return Err(Error::new(errno::EMFILE, Cause::HandleLimit));
        }
        let former = issued.insert(name, Issued { binding, root });
        self.ended.extend(former.map(|issued| issued.root));
        Ok(())
    }

    /// Takes one of the roots that are to be revoked because the names they were handed out by are
    /// gone. What was opened through them is not meant.
    pub fn take_ended(&mut self) -> Option<R> {
        self.ended.pop()
    }

    /// A name is not bound any more to what it was bound to.
    pub(crate) fn end_issued(&mut self, ns: Key, name: &str) {
        if let Some(namespace) = self.namespaces.get_mut(ns)
            && let Some(issued) = namespace.issued.remove(name)
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
    pub fn unlink(&mut self, handle: u64, path: &[u8], caller: Caller) -> Result<Unlink<R>, Error> {
        let result = self.route_unlink(handle, path);
        self.noting(result, handle, path, caller)
    }

    fn route_unlink(&mut self, handle: u64, path: &[u8]) -> Result<Unlink<R>, Error> {
        let (ns, permissions, target) = match self.handle(handle)?.kind {
            Kind::Access { ns, permissions } => (ns, permissions, path::parse(path)?),
            Kind::List { ns, permissions } => (ns, permissions, path::parse_in_listing(path)?),
            _ => return Err(Error::NOT_DIRECTORY),
        };
        let namespace = self.namespace(ns)?.alive()?;
        match target {
            Target::Listing => Err(Error::new(errno::EISDIR, Cause::Malformed)),
            Target::File { suffix } => Ok(Unlink::Redirect {
                binding: self.bound(namespace, FILE)?,
                suffix,
            }),
            Target::Scheme { name, suffix, .. } => {
                if suffix < path.len() {
                    let binding = self.bound(namespace, name)?;
                    return Ok(Unlink::Redirect { binding, suffix });
                }
                if !permissions.contains(NsPermissions::DELETE) {
                    return Err(denied(Cause::MayNotDelete));
                }
                self.remove_name(ns, Name::new(name)?)?;
                Ok(Unlink::Removed)
            }
        }
    }

    /// Enumerates the names of a listing (or of a namespace) from a position on: calls `take` with
    /// each name and the position behind it until it returns false.
    ///
    /// # Errors
    /// `EACCES` without `LIST`, `ENOTDIR`, `ESTALE`.
    pub fn list(
        &mut self,
        handle: u64,
        from: u64,
        caller: Caller,
        mut take: impl FnMut(u64, &str) -> bool,
    ) -> Result<(), Error> {
        let result = self.list_inner(handle, from, &mut take);
        self.noting(result, handle, b"", caller)
    }

    fn list_inner(
        &self,
        handle: u64,
        from: u64,
        take: &mut impl FnMut(u64, &str) -> bool,
    ) -> Result<(), Error> {
        let (ns, permissions) = match self.handle(handle)?.kind {
            Kind::Access { ns, permissions } | Kind::List { ns, permissions } => (ns, permissions),
            Kind::Status => {
                Self::list_status(from, take);
                return Ok(());
            }
            _ => return Err(Error::NOT_DIRECTORY),
        };
        if !permissions.contains(NsPermissions::LIST) {
            return Err(denied(Cause::MayNotList));
        }
        let names = &self.namespace(ns)?.alive()?.names;
        let mut position = from;
        while let Some((next, leaf)) = names.at_or_after(position) {
            if leaf.value.is_live() && !take(next, leaf.name()) {
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
            Kind::Access { .. } | Kind::List { .. } | Kind::Status
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
        let Some(Handle { kind, pid, uid }) = self.handles.remove(key) else {
            return;
        };
        self.quota.remove_handle(pid, uid);
        if matches!(kind, Kind::Denials { .. }) {
            self.followers.retain(|follower| *follower != key);
        }
        let Some(ns) = kind.namespace() else { return };
        let Some(namespace) = self.namespaces.get_mut(ns) else {
            return;
        };
        if matches!(kind, Kind::Watch { .. }) {
            namespace.watchers.remove(&key);
        }
        namespace.handles = namespace.handles.saturating_sub(1);
        if namespace.handles == 0 {
            let (owner, charged) = (namespace.owner, namespace.charged);
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

    pub(crate) fn hash(&self, name: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.keys.0, self.keys.1).hash(name)
    }

    /// What a name is bound to. Only what is not bound has to be looked at more closely: whether it
    /// could have been.
    fn bound(&self, namespace: &Namespace<R, L>, name: &[u8]) -> Result<Rc<Binding<R>>, Error> {
        match namespace.binding(self.hash(name), name) {
            Some(binding) => Ok(Rc::clone(binding)),
            None => Err(Name::new(name).err().unwrap_or(Error::NOT_BOUND)),
        }
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
        self.quota.add_handle(pid, uid)?;
        let Ok(key) = self.handles.insert(Handle { kind, pid, uid }) else {
            self.quota.remove_handle(pid, uid);
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
