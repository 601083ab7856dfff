//! An in-memory POSIX file tree of inodes, behind the handles of a Redox scheme: what the `ramfs`
//! and `initfs` daemons are made of.
//!
//! # What this crate promises
//!
//! - **A handle is a node.** Renaming or removing what a handle was opened as changes nothing about
//!   what it refers to.
//! - **Every path goes through `cwd-cap`.** There is no other way from a name to a node.
//! - **What nobody can reach costs nothing.** A file goes when its last name and its last handle
//!   are gone; holes in files take no memory; bytes, inodes and handles have limits.
//! - **No input panics**, and nothing here does I/O or knows the time: the caller passes it.
//!
//! # How a daemon uses it
//!
//! Each method of [`Fs`] is one method of `redox_scheme::scheme::SchemeSync`, with the flags as they
//! arrive. What the scheme protocol expresses by conventions is expressed here by the same ones:
//! a directory is made by `openat` with `O_CREAT | O_DIRECTORY`; a link by `O_CREAT | O_SYMLINK` and
//! one `write` of its target; a link is read through `O_SYMLINK | O_RDONLY`; the empty path is the
//! handle itself. Where the request came through a beneath-limited descriptor, the daemon adds
//! [`cap_abi::resolve::RESOLVE_BENEATH`] to the flags.
//!
//! Listings leave `.` and `..` out, as Redox's file systems do.
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

mod access;
mod attributes;
mod data;
mod dir;
mod error;
mod fs;
mod mapped;
mod names;
mod node;
mod region;
mod slots;
mod store;
mod tree;

pub use access::Caller;
pub use data::{Borrowed, FileData, MAX_SIZE, PAGE, SparsePages};
pub use dir::Dir;
pub use error::Error;
pub use fs::{Fs, LONGEST_TOKEN, Opened};
pub use mapped::MappedPages;
pub use names::RenameFlags;
pub use node::{DirEntry, Kind, NodeId};
pub use region::{NoRegion, Region, Window};
pub use store::{Attr, Listed, New, Place, Store};
pub use syscall::data::{Stat, StatVfs, TimeSpec};
pub use tree::{Config, Tree, Usage};
