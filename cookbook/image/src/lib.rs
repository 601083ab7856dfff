//! Bootable disk images, made in-process: no root, no mount, no loop device.
//!
//! An image is a GPT disk with an EFI system partition, which holds the loader, and a RedoxFS
//! partition, the root file system. What goes into it is a [`Tree`]; [`DiskImage`] writes it. The
//! same contents always make the same bytes: there are no times, and every identifier that formats
//! want to be random is derived from a hash of the contents.
//!
//! [`Programs`] names the guest programs of an initial file system, [`Config`] the image's own
//! settings and files.

mod config;
mod disk;
mod error;
mod programs;
pub mod read;
mod rootfs;
mod tree;

pub use config::Config;
pub use disk::{DiskImage, Layout, write_volume};
pub use error::Error;
pub use programs::Programs;
pub use tree::{Attributes, Contents, Node, Tree};

/// Bytes in a mebibyte, the unit of sizes and alignment on the disk.
pub const MIB: u64 = 1 << 20;
