//! Installing and removing packages, on whatever file system.
//!
//! The promises, which hold if renaming a file and what [`Store::write`] wrote survive a power cut:
//!
//! - A package is installed only if its signature is that of the key that the system trusts, and every file of
//!   it only if its checksum is right.
//! - Whatever happens on the way, after [`Manager::recover`] the system has everything of a change or
//!   nothing of it.
//! - No package replaces another's file, whatever links are on the way to it, and none goes that another depends
//!   on.
//! - One change at a time: who changes anything has the store's lock. Who only reads neither needs it nor
//!   recovers anything.
//!
//! How: what cannot be done, such as a file where a folder is, is refused. Everything new is written beside the old
//! and synced. Then a journal says which files are removed and renamed; with its own renaming the change has
//! happened. What is left is to do what it says, as often as it takes.
//!
//! What is installed is known by the signed heads of packages, in [`STATE`]. Heads say nothing of a package's name,
//! version and dependencies: these are as trustworthy as the folder that packages come from.
#![forbid(unsafe_code)]

mod change;
mod manager;
mod package;
mod places;
mod plan;
mod store;

pub use change::{Journal, Step};
pub use manager::{Fault, Installed, Manager};
pub use package::{Content, Entry, Key, Package};
pub use store::{Kind, Store};

use std::io;

/// Where what is installed is kept: `NAME.pkgar_head` and `NAME.toml`, and in `folders` which folders were made
/// for packages.
pub const STATE: &str = "var/lib/packages";
/// The key that packages are to be signed with.
pub const KEY: &str = "etc/pkg/id_ed25519.pub.toml";

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {what}")]
    Bad {
        /// Which.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no such package.
    #[error("there is no package `{0}`")]
    NoPackage(String),
    /// There is no such package, and another needs it.
    #[error("there is no package `{name}`, which `{needed_by}` depends on")]
    NoDependency {
        /// The missing one.
        name: String,
        /// Who depends on it.
        needed_by: String,
    },
    /// It is not installed.
    #[error("`{0}` is not installed")]
    NotInstalled(String),
    /// Another package needs it.
    #[error("`{needed_by}` depends on `{name}`")]
    Needed {
        /// What was to be removed.
        name: String,
        /// Who depends on it.
        needed_by: String,
    },
    /// Two packages have one file.
    #[error("/{path} of `{new}` belongs to `{owner}`")]
    Owned {
        /// The file.
        path: String,
        /// What was to be installed.
        new: String,
        /// Whose it is.
        owner: String,
    },
    /// What is a file for one package is a folder for another.
    #[error("/{path}, a folder for `{new}`, is a file of `{owner}`")]
    Below {
        /// The file or folder.
        path: String,
        /// For whom it is a folder.
        new: String,
        /// Whose file it is.
        owner: String,
    },
    /// Somebody else changes packages.
    #[error("another `pkg` is at work")]
    Busy,
    /// A change was finished without some of its files.
    #[error("these files are not what was to be installed, which is lost: /{}; install the packages again", .0.join(", /"))]
    Lost(Vec<String>),
}

impl Error {
    fn io(path: &str) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn bad(path: &str, what: impl ToString) -> Self {
        Self::Bad {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }
}
