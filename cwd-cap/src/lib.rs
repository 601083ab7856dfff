//! Path resolution under a capability, and the current directory as a capability.
//!
//! Every file system of this system and its C library resolve paths here, so that the rules hold in
//! one place that is tested against Linux's `openat2`.
//!
//! # What this crate promises
//!
//! - **A directory is a node.** A walk goes from node to node; no path text is ever rebuilt from
//!   nodes, and no text is joined to stand for a node. `link/..` is the parent of what the link
//!   leads to.
//! - **Confinement is a value, not a flag to remember.** A [`Beneath`] or a [`Root`] holds the
//!   directory it confines to; what is opened through a [`Beneath`] directory is a [`Beneath`]
//!   again. The only way to a walk without bounds says so: [`Scope::unconfined_unchecked`].
//! - **A confined walk returns only what it reached by descending.** Every node it stands on was
//!   found by name in another such node, beginning with the directory it is confined to. `..`
//!   returns to the node that the walk came through and to no other. If directories moved meanwhile,
//!   the walk ends in [`ErrorKind::Moved`] (`EAGAIN`), as Linux's does; it never continues from a
//!   parent that it did not come through.
//! - **Nothing here does I/O, and nothing panics.** The tree is behind [`Tree`].
//!
//! # What it refuses
//!
//! Paths are UTF-8, because the scheme protocol carries them as `str`. A path, or the target of a
//! link, that is not UTF-8 or that contains a NUL byte is [`ErrorKind::InvalidPath`] (`EINVAL`),
//! before any lookup. Limits are Linux's: see [`PATH_MAX`], [`NAME_MAX`], [`LINKS_MAX`].
//!
//! # Where Linux does something else
//!
//! The order of checks and the errors are Linux's, which `tests/differential.rs` compares. Three
//! things are not, each of them an accident of how Linux walks:
//!
//! - Linux may begin a walk again and go on counting links, so that a path with more than 20 of
//!   them sometimes gets `ELOOP`. Here a path may have 40, always.
//! - Linux, told not to cross mounts and not confined, refuses an absolute link that crosses none,
//!   unless something before it in the walk made it look up the root. Here such a link is followed.
//! - In a directory that has been removed Linux finds nothing (`ENOENT`) before it finds a name too
//!   long (`ENAMETOOLONG`); here it is the other way round.
//!
//! [`resolve_parent`] does not look its last component up: a request to remove or rename `..` is
//! refused for what it is before it could be an escape, as by Linux.
//!
//! # Errors
//!
//! [`Error`] says what went wrong, where in the path, and after how many links; [`ErrorKind::fault`]
//! says whose fault it was. Numbers ([`ErrorKind::errno`]) are for the edge. An escape is `EPERM`,
//! never `EXDEV`: a C library on Redox answers `EXDEV` by resolving the path again from the
//! namespace, which would itself be the escape.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod cwd;
mod error;
mod path;
mod scope;
mod tree;
mod walk;

pub use cwd::{Cwd, CwdError, CwdText, normalize};
pub use error::{Error, ErrorKind, Fault};
pub use path::{LINKS_MAX, Last, NAME_MAX, PATH_MAX, Path, split_last};
pub use scope::{Beneath, Bound, Root, Scope};
pub use tree::{Errno, NodeKind, Tree};
pub use walk::{Existing, Found, How, Intent, Missing, Parent, resolve, resolve_parent};
