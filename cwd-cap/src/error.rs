//! Why a path did not resolve.

use core::fmt;

use syscall::error as errno;

use crate::tree::Errno;

/// What stopped a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The path leads out of the directory that the walk is confined to (`EPERM`).
    Escape,
    /// The walk would enter another file system where that was ruled out (`EPERM`).
    CrossesDevice,
    /// A symbolic link where none may be followed (`ELOOP`).
    LinkRefused,
    /// More than [`crate::LINKS_MAX`] symbolic links (`ELOOP`).
    TooManyLinks,
    /// A directory moved while the walk was below it, so that where `..` leads cannot be said
    /// safely (`EAGAIN`). Walking again is right.
    Moved,
    /// Nothing has that name, or the path is empty (`ENOENT`).
    NotFound,
    /// Something that is not a directory, where a directory is needed (`ENOTDIR`).
    NotDirectory,
    /// A directory where something else is to be created, or a name to be created that ends in a
    /// slash (`EISDIR`).
    IsDirectory,
    /// Exclusive creation of something that exists (`EEXIST`).
    Exists,
    /// The caller may not search a directory on the way (`EACCES`).
    SearchDenied,
    /// A component longer than [`crate::NAME_MAX`] (`ENAMETOOLONG`).
    NameTooLong,
    /// A path longer than [`crate::PATH_MAX`] allows (`ENAMETOOLONG`).
    PathTooLong,
    /// A NUL byte, or text that is not UTF-8 (`EINVAL`).
    InvalidPath,
    /// Flags that contradict each other or that nobody defined (`EINVAL`).
    InvalidFlags,
    /// An unconfined walk leads to something that this tree does not hold: an absolute link to
    /// another scheme, or `..` of the tree's root (`EXDEV`, which asks the C library to go on
    /// from the namespace).
    Elsewhere,
    /// The tree itself failed.
    Backend(Errno),
}

/// Whose fault an error is, and so who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller's: the path or flags cannot be right whatever the tree holds.
    Caller,
    /// The tree's content: another tree would resolve the path.
    Content,
    /// A safety rule was about to be violated and was enforced.
    Confinement,
    /// Permissions of the tree deny this caller.
    Permission,
    /// A race; trying again may succeed.
    Race,
    /// The path has to be resolved by someone else.
    Elsewhere,
    /// The file system failed.
    Backend,
}

impl ErrorKind {
    /// The error number for this system's programs.
    pub const fn errno(self) -> i32 {
        match self {
            Self::Escape | Self::CrossesDevice => errno::EPERM,
            Self::LinkRefused | Self::TooManyLinks => errno::ELOOP,
            Self::Moved => errno::EAGAIN,
            Self::NotFound => errno::ENOENT,
            Self::NotDirectory => errno::ENOTDIR,
            Self::IsDirectory => errno::EISDIR,
            Self::Exists => errno::EEXIST,
            Self::SearchDenied => errno::EACCES,
            Self::NameTooLong | Self::PathTooLong => errno::ENAMETOOLONG,
            Self::InvalidPath | Self::InvalidFlags => errno::EINVAL,
            Self::Elsewhere => errno::EXDEV,
            Self::Backend(Errno(number)) => number,
        }
    }

    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        match self {
            Self::Escape | Self::CrossesDevice | Self::LinkRefused => Fault::Confinement,
            Self::Moved => Fault::Race,
            Self::TooManyLinks
            | Self::NotFound
            | Self::NotDirectory
            | Self::IsDirectory
            | Self::Exists => Fault::Content,
            Self::SearchDenied => Fault::Permission,
            Self::NameTooLong | Self::PathTooLong | Self::InvalidPath | Self::InvalidFlags => {
                Fault::Caller
            }
            Self::Elsewhere => Fault::Elsewhere,
            Self::Backend(_) => Fault::Backend,
        }
    }

    /// Whether a safety rule stopped the walk: what denial counters and traces report.
    pub const fn is_safety_violation(self) -> bool {
        matches!(self.fault(), Fault::Confinement)
    }

    /// The sentence fragment used by `Display`.
    const fn text(self) -> &'static str {
        match self {
            Self::Escape => "path leads out of its directory",
            Self::CrossesDevice => "path leads to another file system",
            Self::LinkRefused => "symbolic link where none may be followed",
            Self::TooManyLinks => "too many symbolic links",
            Self::Moved => "a directory moved during the walk",
            Self::NotFound => "not found",
            Self::NotDirectory => "not a directory",
            Self::IsDirectory => "is a directory",
            Self::Exists => "exists",
            Self::SearchDenied => "directory may not be searched",
            Self::NameTooLong => "name too long",
            Self::PathTooLong => "path too long",
            Self::InvalidPath => "path is not UTF-8 or contains NUL",
            Self::InvalidFlags => "contradicting or unknown flags",
            Self::Elsewhere => "path continues outside this tree",
            Self::Backend(_) => "file system error",
        }
    }
}

/// Why a path did not resolve, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    kind: ErrorKind,
    offset: usize,
    links: u32,
}

impl Error {
    /// An error at byte `offset` of the text that was being walked, after `links` followed links.
    pub const fn new(kind: ErrorKind, offset: usize, links: u32) -> Self {
        Self {
            kind,
            offset,
            links,
        }
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Byte offset of the component at fault, in the path if no link had been followed, otherwise
    /// in the target of the link that was being walked or the path's rest after it.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// How many links had been followed.
    pub const fn links(&self) -> u32 {
        self.links
    }

    /// Shorthand for `self.kind().errno()`.
    pub const fn errno(&self) -> i32 {
        self.kind.errno()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, 0, 0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {}", self.kind.text(), self.offset)?;
        if self.links > 0 {
            write!(f, ", after {} links", self.links)?;
        }
        if let ErrorKind::Backend(Errno(number)) = self.kind {
            write!(f, ", error {number}")?;
        }
        f.write_str(")")
    }
}

impl core::error::Error for Error {}
