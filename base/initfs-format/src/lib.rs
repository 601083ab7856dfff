//! The initial file system: what the first process reads before there is a disk.
//!
//! The format is cpio's "newc" (the System V R4 portable format without checksums, magic `070701`),
//! so that any `cpio -itv -H newc` lists it. An archive is a sequence of entries, each a header of
//! 110 ASCII bytes, a NUL-terminated name and the data, both padded with NULs to a multiple of four
//! from the archive's start; the entry named `TRAILER!!!` ends it.
//!
//! [`Archive::new`] checks the whole archive once, so that nothing read from it afterwards can fail.
//! Whatever bytes it is given it returns; it never panics, never loops, never allocates.
//!
//! What it refuses, so that a reader needs no rules of its own: names that are not UTF-8, that climb
//! (`..`) or that have empty or `.` components in the middle; hard links of files (newc keeps the
//! data of only one of them). A leading `/` or `./` is dropped, and the entry `.` is the root, whose
//! path is empty.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

mod parse;
#[cfg(feature = "std")]
mod write;

pub use parse::{Archive, Entries, Entry, Error, Kind, Reason};
#[cfg(feature = "std")]
pub use write::{Builder, WriteError};

pub(crate) const MAGIC: &[u8; 6] = b"070701";
pub(crate) const HEADER_LEN: usize = 110;
pub(crate) const TRAILER: &str = "TRAILER!!!";

/// The file-type bits of a mode, as in POSIX `S_IFMT`.
pub const MODE_TYPE: u32 = 0o170_000;
/// A directory's type bits.
pub const MODE_DIR: u32 = 0o040_000;
/// A regular file's type bits.
pub const MODE_FILE: u32 = 0o100_000;
/// A symbolic link's type bits.
pub const MODE_LINK: u32 = 0o120_000;

/// Whether `path` is what an archive's entry may be called: empty (the root), or components
/// separated by single slashes, none of them empty, `.` or `..`, and no NUL.
pub fn is_canonical(path: &str) -> bool {
    path.is_empty()
        || path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
}
