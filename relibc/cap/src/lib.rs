//! Authority as values, for ordinary programs with `std`.
//!
//! What a program may do on Cuprite is what its descriptors allow. This crate gives the kinds of authority a
//! type each:
//!
//! | type | what it stands for |
//! |---|---|
//! | [`Dir`] | a directory, and nothing that is not in it |
//! | [`Namespace`] | names of schemes: what absolute paths can reach |
//! | [`Rights`] | what may be done through one descriptor; they only shrink ([`Limit`]) |
//! | [`Lease`] | the power to take back what was given |
//! | [`Command`] | a child process that has exactly the descriptors listed |
//!
//! What it promises: nothing here finds an authority by itself, except in functions whose name says
//! `ambient` or `current`; a [`Dir`] is confined by the kernel and the file system, not by looking at path
//! text; errors are [`std::io::Error`], an escape or a missing right is
//! [`PermissionDenied`](std::io::ErrorKind::PermissionDenied).
//!
//! It compiles on other systems, so that programs can be checked there; every call answers
//! [`Unsupported`](std::io::ErrorKind::Unsupported).
//!
//! ```no_run
//! use cuprite_cap::{Command, Dir, Namespace, Rights};
//!
//! # fn main() -> std::io::Result<()> {
//! // A parser that may read one folder and write one file, and can name nothing at all.
//! let input = Dir::open_ambient("/home/user/input")?;
//! input.limit(Rights::READ_ONLY)?;
//! let output = std::fs::File::create("/tmp/result")?;
//! let nothing = std::fs::File::open("/dev/null")?;
//! let program = std::fs::File::open("/usr/bin/parser")?;
//! let mut child = Command::new(&program)
//!     .arg("parser")
//!     .grant(0, &nothing, Rights::READ)
//!     .grant(1, &output, Rights::WRITE)
//!     .grant(2, &std::io::stderr(), Rights::WRITE)
//!     .directory(&input)
//!     .spawn()?;
//! assert!(child.wait()?.success());
//! # Ok(())
//! # }
//! # use cuprite_cap::Limit;
//! ```
#![warn(missing_docs)]

mod command;
mod dir;
mod lease;
mod namespace;
mod options;
mod rights;
mod sys;

pub use cap_abi::Rights;
pub use command::{Child, Command};
pub use dir::{Dir, DirEntry, ReadDir};
pub use lease::{Lease, lease};
pub use namespace::{Namespace, Permissions};
pub use options::{OpenOptions, Resolve};
pub use rights::Limit;
