//! What can go wrong, and where.

use std::io;
use std::path::{Path, PathBuf};

/// Why an image was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A host file could not be read or written.
    #[error("{}: {source}", path.display())]
    Host {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A settings file is not what it should be.
    #[error("{}: {message}", path.display())]
    Settings {
        /// Which.
        path: PathBuf,
        /// What is wrong, with line and key.
        message: String,
    },
    /// A path in the image is relative, climbs, has an empty component, or one too long.
    #[error(
        "{0:?} cannot be a path in the image (absolute, no \"..\", components up to 252 bytes)"
    )]
    BadPath(String),
    /// Two things of different kinds want one path.
    #[error("{0}: is already something else in the image")]
    Conflict(String),
    /// A host file that is no file, folder or link.
    #[error("{}: neither file nor folder nor symbolic link", .0.display())]
    UnknownKind(PathBuf),
    /// The root file system's contents do not fit.
    #[error(
        "the image is full: {needed} MiB of files do not fit the root file system of {size} MiB \
         (stopped at {path}); raise filesystem_size in [general] of the image's settings"
    )]
    Full {
        /// The first file without room.
        path: String,
        /// The contents, rounded up.
        needed: u64,
        /// The root partition.
        size: u64,
    },
    /// The loader does not fit the EFI system partition.
    #[error(
        "the EFI system partition of {size} MiB cannot hold the loader of {loader} KiB; raise \
         efi_partition_size in [general] of the image's settings"
    )]
    EspFull {
        /// The partition.
        size: u64,
        /// The loader, rounded up.
        loader: u64,
    },
    /// The disk is too small for its partitions.
    #[error(
        "a disk of {size} MiB has no room for a root file system beside {esp} MiB of EFI system \
         partition; raise filesystem_size in [general] of the image's settings"
    )]
    NoRoom {
        /// The disk.
        size: u64,
        /// The EFI system partition.
        esp: u64,
    },
    /// The file system refused something.
    #[error("root file system, {path}: {source}")]
    Root {
        /// Where in the image.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The partition table or the FAT file system refused something.
    #[error("{what}: {source}")]
    Disk {
        /// Which structure.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A path of the initial file system.
    #[error(transparent)]
    Initfs(#[from] initfs::WriteError),
}

impl Error {
    pub(crate) fn host(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Host {
            path: path.to_owned(),
            source,
        }
    }
}
