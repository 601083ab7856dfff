//! A RedoxFS volume as a [`treefs::Store`].
//!
//! What is on the disk is the crate `redoxfs`'s business: blocks, checksums, trees, the ring of headers.
//! Who may do what, and which path leads where, is [`treefs::Fs`]'s. Here is what lies between:
//!
//! - **One transaction, many operations.** A [`Volume`] works on one open transaction of the crate and
//!   commits it on [`treefs::Store::sync`], when much has gathered, and when its owner says so. Within a
//!   transaction nothing that the last committed state needs is overwritten, so a machine that stops at any
//!   moment finds that state again.
//! - **Contents are kept in records** of 128 KiB, the unit in which the crate stores, checks and compresses
//!   them, and written back on commit, so that a file written in small pieces is compressed once.
//! - **Directories and attributes** that were asked for are kept in memory; a directory is a node with a
//!   parent, which the disk does not know.
//! - **Space is asked for first.** The crate cannot take an operation back half-way; so each operation's
//!   most blocks are set aside before it begins, and one that does not fit is refused before it changes
//!   anything.
//!
//! [`device`] has the disk's side: blocks, a cache, and the order in which they become durable.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
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

mod content;
pub mod device;
mod recover;
mod shrink;
mod state;
mod volume;

pub use recover::recover;
pub use redoxfs_errors::error::Error as DiskError;
pub use volume::Volume;
