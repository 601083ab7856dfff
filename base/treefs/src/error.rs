//! Why an operation was refused.

use core::fmt;

use syscall::error as errno;

/// Why an operation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The path did not resolve.
    Resolve(cwd_cap::Error),
    /// The handle does not exist, or was not opened for this (`EBADF`).
    BadHandle,
    /// Permissions of a file or directory deny it (`EACCES`).
    Denied,
    /// Only the owner, or a superuser, may (`EPERM`).
    NotOwner,
    /// Never allowed on this kind of node (`EPERM`).
    NotPermitted,
    /// Nothing has that name (`ENOENT`).
    NotFound,
    /// Something has that name (`EEXIST`).
    Exists,
    /// Not a directory (`ENOTDIR`).
    NotDirectory,
    /// A directory (`EISDIR`).
    IsDirectory,
    /// A directory with something in it (`ENOTEMPTY`).
    NotEmpty,
    /// The tree's root, or `.` or `..`, where a name is needed (`EBUSY`).
    Busy,
    /// An argument that cannot be right; says which (`EINVAL`).
    Invalid(&'static str),
    /// The limit on bytes or on inodes is reached (`ENOSPC`).
    NoSpace,
    /// The host of the tree has no memory left (`ENOMEM`).
    NoMemory,
    /// The limit on handles is reached (`EMFILE`).
    TooManyHandles,
    /// A file cannot have more names (`EMLINK`).
    TooManyLinks,
    /// A file cannot be that large (`EFBIG`).
    TooLarge,
    /// The tree is read-only (`EROFS`).
    ReadOnly,
    /// Nothing is behind this special file (`ENXIO`).
    NoDevice,
    /// What the store is made of failed, with this error number.
    Backend(i32),
}

impl Error {
    /// The error number.
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Resolve(error) => error.errno(),
            Self::BadHandle => errno::EBADF,
            Self::Denied => errno::EACCES,
            Self::NotOwner | Self::NotPermitted => errno::EPERM,
            Self::NotFound => errno::ENOENT,
            Self::Exists => errno::EEXIST,
            Self::NotDirectory => errno::ENOTDIR,
            Self::IsDirectory => errno::EISDIR,
            Self::NotEmpty => errno::ENOTEMPTY,
            Self::Busy => errno::EBUSY,
            Self::Invalid(_) => errno::EINVAL,
            Self::NoSpace => errno::ENOSPC,
            Self::NoMemory => errno::ENOMEM,
            Self::TooManyHandles => errno::EMFILE,
            Self::TooManyLinks => errno::EMLINK,
            Self::TooLarge => errno::EFBIG,
            Self::ReadOnly => errno::EROFS,
            Self::NoDevice => errno::ENXIO,
            Self::Backend(number) => *number,
        }
    }
}

impl From<cwd_cap::Error> for Error {
    fn from(error: cwd_cap::Error) -> Self {
        Self::Resolve(error)
    }
}

impl From<Error> for syscall::error::Error {
    fn from(error: Error) -> Self {
        Self::new(error.errno())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve(error) => return error.fmt(f),
            Self::Invalid(what) => return write!(f, "invalid {what}"),
            Self::BadHandle => "no such handle, or not opened for this",
            Self::Denied => "permission denied",
            Self::NotOwner => "only the owner may",
            Self::NotPermitted => "not possible for this kind of file",
            Self::NotFound => "not found",
            Self::Exists => "exists",
            Self::NotDirectory => "not a directory",
            Self::IsDirectory => "is a directory",
            Self::NotEmpty => "directory not empty",
            Self::Busy => "no name that can be removed or replaced",
            Self::NoSpace => "no space left",
            Self::NoMemory => "out of memory",
            Self::TooManyHandles => "too many handles",
            Self::TooManyLinks => "too many names for one file",
            Self::TooLarge => "file too large",
            Self::ReadOnly => "read-only file system",
            Self::NoDevice => "nothing behind this special file",
            Self::Backend(number) => return write!(f, "store: error {number}"),
        })
    }
}

impl core::error::Error for Error {}
