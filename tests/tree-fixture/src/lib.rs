//! File trees as data.
//!
//! One notation for every test that needs a tree, on the host and in the guest:
//!
//! ```
//! use tree_fixture::{tree, Item};
//! let fixture = tree! {
//!     "etc" => dir,
//!     "private" => dir(0o700),
//!     "etc/passwd" => file("root:0"),
//!     "link" => link("etc/passwd"),
//!     "hard" => hard("etc/passwd"),
//! };
//! assert_eq!(fixture.len(), 5);
//! assert_eq!(fixture[0].item, Item::Dir(0o755));
//! ```
//!
//! Directories above an entry are made on the way, so only those with something special about them
//! need a line. Anything that can make files builds the tree by implementing [`Build`].
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "cases")]
pub mod cases;
#[cfg(feature = "std")]
mod host;
#[cfg(all(feature = "world", target_os = "linux"))]
pub mod world;

#[cfg(feature = "std")]
pub use host::{HostBuilder, TempDir};

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A directory with these permissions.
    Dir(u16),
    /// A regular file (permissions 0644) with this content.
    File(Vec<u8>),
    /// A symbolic link with this target.
    Link(String),
    /// Another name for the entry at this path from the top of the tree.
    Hard(String),
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path from the top of the tree: plain names, no `.` or `..`.
    pub path: String,
    /// What is there.
    pub item: Item,
}

impl Entry {
    /// An entry.
    pub fn new(path: &str, item: Item) -> Self {
        Self {
            path: path.to_string(),
            item,
        }
    }
}

/// A tree, in the order in which it is built.
pub type Fixture = Vec<Entry>;

/// Builds a [`Fixture`]; see the crate's documentation.
#[macro_export]
macro_rules! tree {
    (@item dir) => { $crate::Item::Dir(0o755) };
    (@item dir($mode:expr)) => { $crate::Item::Dir($mode) };
    (@item file) => { $crate::Item::File(::core::default::Default::default()) };
    (@item file($data:expr)) => { $crate::Item::File(($data).into()) };
    (@item link($target:expr)) => { $crate::Item::Link(($target).into()) };
    (@item hard($path:expr)) => { $crate::Item::Hard(($path).into()) };
    ($($path:expr => $kind:ident $(($argument:expr))?),* $(,)?) => {
        $crate::__private_vec![$($crate::Entry::new(
            $path,
            $crate::tree!(@item $kind $(($argument))?),
        )),*]
    };
}

#[doc(hidden)]
pub use alloc::vec as __private_vec;

/// Something that can make files.
pub trait Build {
    /// Why it could not.
    type Error;

    /// Makes a directory. The one it is in exists.
    fn dir(&mut self, path: &str, mode: u16) -> Result<(), Self::Error>;
    /// Makes a regular file.
    fn file(&mut self, path: &str, data: &[u8]) -> Result<(), Self::Error>;
    /// Makes a symbolic link.
    fn link(&mut self, path: &str, target: &str) -> Result<(), Self::Error>;
    /// Makes another name for the existing `existing`.
    fn hard(&mut self, path: &str, existing: &str) -> Result<(), Self::Error>;
    /// Sets a directory's permissions; called once everything is in it.
    fn chmod(&mut self, path: &str, mode: u16) -> Result<(), Self::Error>;
}

/// Permissions of directories while the tree is built, and of those without a line of their own.
const OPEN: u16 = 0o755;

/// Builds `fixture` with `builder`.
///
/// # Errors
/// The builder's first error; what was built until then stays.
pub fn build<B: Build>(fixture: &[Entry], builder: &mut B) -> Result<(), B::Error> {
    let mut made = BTreeSet::new();
    for entry in fixture {
        for (at, _) in entry.path.match_indices('/') {
            if let Some(above) = entry.path.get(..at)
                && made.insert(above.to_string())
            {
                builder.dir(above, OPEN)?;
            }
        }
        match &entry.item {
            Item::Dir(_) => {
                if made.insert(entry.path.clone()) {
                    builder.dir(&entry.path, OPEN)?;
                }
            }
            Item::File(data) => builder.file(&entry.path, data)?,
            Item::Link(target) => builder.link(&entry.path, target)?,
            Item::Hard(existing) => builder.hard(&entry.path, existing)?,
        }
    }
    for entry in fixture.iter().rev() {
        if let Item::Dir(mode) = entry.item
            && mode != OPEN
        {
            builder.chmod(&entry.path, mode)?;
        }
    }
    Ok(())
}
