//! Namespaces: what names there are.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use cap_abi::Rights;
use nsmgr_api::{
    ForkFlags, NsPermissions, RegisterFlags, UnbindFlags, Verb, bind_payload, fork_with_payload,
    register_with_payload, shrink_payload,
};

use crate::dir::Dir;
use crate::sys;

bitflags::bitflags! {
    /// What may be done with a namespace besides opening its names.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Permissions: usize {
        /// See which names there are.
        const LIST = NsPermissions::LIST.bits();
        /// Bind names.
        const INSERT = NsPermissions::INSERT.bits();
        /// Unbind names.
        const DELETE = NsPermissions::DELETE.bits();
        /// Make schemes.
        const SCHEME_CREATE = NsPermissions::SCHEME_CREATE.bits();
    }
}

/// A set of names, each bound to a scheme or to a directory of one.
///
/// ```no_run
/// use cuprite_cap::{Dir, Namespace, Permissions, Rights};
///
/// # fn main() -> std::io::Result<()> {
/// // The names that a game needs, and a folder of its own as all the files there are.
/// let game = Namespace::current()?.fork(["rand", "time", "display*"])?;
/// game.bind_dir("file", &Dir::open_ambient("/home/user/game")?, Rights::FULL)?;
/// let game = game.shrink(Permissions::LIST)?;
/// assert!(game.bind("more", Dir::open_ambient("/")?.into()).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// A descriptor of the process's namespace.
    ///
    /// # Errors
    /// `NotFound` when it has none.
    pub fn current() -> Result<Self> {
        sys::current_namespace().map(Self)
    }

    /// A descriptor that is a namespace.
    #[must_use]
    pub const fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    fn dup(&self, payload: &[u8]) -> Result<OwnedFd> {
        sys::dup(self.0.as_raw_fd(), payload)
    }

    fn call(&self, verb: Verb, argument: u64, payload: &[u8]) -> Result<()> {
        let metadata = [verb as u64, argument];
        sys::call(self.0.as_raw_fd(), payload, &metadata)
    }

    /// A namespace with some names of this one; `prefix*` is every name that begins so. What is bound in
    /// either later is not seen in the other. A name that is not bound here is an error.
    ///
    /// # Errors
    /// `ENODEV` for a name that is not bound, `InvalidInput` for what cannot be a name.
    pub fn fork<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Result<Self> {
        self.fork_with(names, ForkFlags::empty())
    }

    /// A fork that can be ended by [`Self::destroy`].
    ///
    /// # Errors
    /// As [`Self::fork`].
    pub fn fork_destroyable<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self> {
        self.fork_with(names, ForkFlags::DESTROYABLE)
    }

    fn fork_with<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        flags: ForkFlags,
    ) -> Result<Self> {
        let names: Vec<N> = names.into_iter().collect();
        let names = names.iter().map(|name| name.as_ref().as_bytes());
        self.dup(&fork_with_payload(flags, names)).map(Self)
    }

    /// The same namespace with at most these permissions.
    ///
    /// # Errors
    /// When the namespace manager has reached a limit.
    pub fn shrink(&self, keep: Permissions) -> Result<Self> {
        let keep = NsPermissions::from_bits_truncate(keep.bits());
        self.dup(&shrink_payload(keep)).map(Self)
    }

    /// Binds a name to a scheme's root, or to any other descriptor of a scheme.
    ///
    /// # Errors
    /// `AlreadyExists`; `PermissionDenied` without [`Permissions::INSERT`].
    pub fn bind(&self, name: &str, root: OwnedFd) -> Result<()> {
        self.bind_with(name, root, Rights::FULL, RegisterFlags::empty())
    }

    /// Binds a name to a directory: who opens the name reaches that directory and nothing outside it, with
    /// at most `rights`.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn bind_dir(&self, name: &str, dir: &Dir, rights: Rights) -> Result<()> {
        let root = dir.as_fd().try_clone_to_owned()?;
        self.bind_with(name, root, rights, RegisterFlags::BENEATH)
    }

    fn bind_with(
        &self,
        name: &str,
        root: OwnedFd,
        rights: Rights,
        flags: RegisterFlags,
    ) -> Result<()> {
        let handle = self.dup(&register_with_payload(rights, flags, name.as_bytes()))?;
        sys::send(handle.as_raw_fd(), root)
    }

    /// Binds what one name is bound to under another one, too, with at most `rights`.
    ///
    /// # Errors
    /// As [`Self::bind`], and `ENODEV` when `old` is not bound.
    pub fn bind_again(&self, old: &str, new: &str, rights: Rights) -> Result<()> {
        let payload = bind_payload(old.as_bytes(), new.as_bytes());
        self.call(Verb::Bind, u64::from(rights.bits()), &payload)
    }

    /// Takes a name away. What was opened by it stays open.
    ///
    /// # Errors
    /// `ENODEV` when it is not bound; `PermissionDenied` without [`Permissions::DELETE`].
    pub fn unbind(&self, name: &str) -> Result<()> {
        let flags = UnbindFlags::empty().bits();
        self.call(Verb::Unbind, flags, name.as_bytes())
    }

    /// Takes a name away, and everything that was opened by it, in this namespace and in those forked from
    /// it. Only where it was bound.
    ///
    /// # Errors
    /// As [`Self::unbind`]; `PermissionDenied` when the name was inherited.
    pub fn revoke(&self, name: &str) -> Result<()> {
        let flags = UnbindFlags::REVOKE.bits();
        self.call(Verb::Unbind, flags, name.as_bytes())
    }

    /// Ends a namespace that was made by [`Self::fork_destroyable`], and everything opened through it.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for another.
    pub fn destroy(self) -> Result<()> {
        self.call(Verb::Destroy, 0, b"")
    }

    /// The names, in an order that does not change.
    ///
    /// # Errors
    /// `PermissionDenied` without [`Permissions::LIST`].
    pub fn list(&self) -> Result<Vec<String>> {
        let flags = sys::O_RDONLY | sys::O_DIRECTORY;
        let listing = sys::open_in_namespace(self.0.as_raw_fd(), b"/scheme", flags)?;
        let mut entries = sys::Entries::new(listing)?;
        let mut names = Vec::new();
        while let Some((name, _)) = entries.next_entry()? {
            let name = String::from_utf8(name);
            names.push(name.map_err(|e| Error::new(ErrorKind::InvalidData, e))?);
        }
        Ok(names)
    }

    /// The root of a name, as a directory from which nothing else is reached.
    ///
    /// # Errors
    /// `ENODEV` when it is not bound; `PermissionDenied` when its scheme cannot confine anything.
    pub fn open_dir(&self, name: &str) -> Result<Dir> {
        let path = format!("/scheme/{name}/");
        let flags = sys::O_RDONLY | sys::O_DIRECTORY;
        sys::open_in_namespace(self.0.as_raw_fd(), path.as_bytes(), flags).and_then(Dir::from_fd)
    }

    /// Makes it the process's namespace, and answers the former one. `None` when there was none, or it has
    /// ended.
    ///
    /// # Errors
    /// The namespace has ended.
    pub fn enter(self) -> Result<Option<Self>> {
        Ok(sys::set_namespace(self.0)?.map(Self))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Namespace> for OwnedFd {
    fn from(namespace: Namespace) -> Self {
        namespace.0
    }
}
