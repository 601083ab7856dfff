//! `cook`: recipes to packages to images, and the host's programs in the guest.
//!
//! What recipes and images say is decided in `cookbook-core`; this crate does it: it fetches, runs
//! builds, writes packages and disks, and starts the emulator. Whatever goes wrong ends in one message
//! that names the recipe or the file, and in an exit status that is not 0.
#![forbid(unsafe_code)]

pub mod archive;
pub mod build;
pub mod compilers;
pub mod disk;
pub mod exec;
pub mod fetch;
pub mod files;
pub mod output;
pub mod package;
pub mod plan;
pub mod process;
pub mod repo;
pub mod state;
pub mod toolchain;
pub mod tree;
