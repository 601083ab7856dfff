//! The calls, in terms of numbers. On other systems they answer `Unsupported`.

use std::os::fd::RawFd;

use cap_abi::Rights;

// Flags of an open request: `redox_syscall`'s.
pub const O_RDONLY: usize = 0x0001_0000;
pub const O_WRONLY: usize = 0x0002_0000;
pub const O_RDWR: usize = 0x0003_0000;
pub const O_APPEND: usize = 0x0008_0000;
pub const O_CREAT: usize = 0x0200_0000;
pub const O_TRUNC: usize = 0x0400_0000;
pub const O_EXCL: usize = 0x0800_0000;
pub const O_DIRECTORY: usize = 0x1000_0000;
pub const O_STAT: usize = 0x2000_0000;
pub const O_SYMLINK: usize = 0x4000_0000;
pub const O_NOFOLLOW: usize = 0x8000_0000;

/// A descriptor for a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub from: RawFd,
    pub to: RawFd,
    pub rights: Rights,
}

#[cfg(target_os = "redox")]
pub use real::*;

#[cfg(not(target_os = "redox"))]
pub use absent::*;

#[cfg(target_os = "redox")]
mod real;

#[cfg(not(target_os = "redox"))]
mod absent {
    use std::ffi::CString;
    use std::io::Result;
    use std::os::fd::OwnedFd;

    use super::{Grant, RawFd, Rights};

    fn unsupported<T>() -> Result<T> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub fn control(_: RawFd, _: usize, _: usize) -> Result<usize> {
        unsupported()
    }

    pub fn lease(_: RawFd, _: Rights) -> Result<(OwnedFd, OwnedFd)> {
        unsupported()
    }

    pub fn open_at(_: RawFd, _: &[u8], _: usize, _: u32, _: u64) -> Result<OwnedFd> {
        unsupported()
    }

    pub fn open_in_namespace(_: RawFd, _: &[u8], _: usize) -> Result<OwnedFd> {
        unsupported()
    }

    pub fn make_dir_at(_: RawFd, _: &[u8]) -> Result<()> {
        unsupported()
    }

    pub fn symlink_at(_: &[u8], _: RawFd, _: &[u8]) -> Result<()> {
        unsupported()
    }

    pub fn rename_at(_: RawFd, _: &[u8], _: RawFd, _: &[u8]) -> Result<()> {
        unsupported()
    }

    pub fn link_at(_: RawFd, _: &[u8], _: RawFd, _: &[u8]) -> Result<()> {
        unsupported()
    }

    pub fn unlink_at(_: RawFd, _: &[u8], _: bool) -> Result<()> {
        unsupported()
    }

    pub fn current_namespace() -> Result<OwnedFd> {
        unsupported()
    }

    pub fn set_namespace(_: OwnedFd) -> Result<Option<OwnedFd>> {
        unsupported()
    }

    pub fn dup(_: RawFd, _: &[u8]) -> Result<OwnedFd> {
        unsupported()
    }

    pub fn call(_: RawFd, _: &[u8], _: &[u64]) -> Result<()> {
        unsupported()
    }

    pub fn send(_: RawFd, _: OwnedFd) -> Result<()> {
        unsupported()
    }

    pub fn spawn(
        _: RawFd,
        _: &[CString],
        _: &[CString],
        _: &[Grant],
        _: [Option<RawFd>; 2],
    ) -> Result<u32> {
        unsupported()
    }

    #[derive(Debug)]
    pub struct Entries;

    impl Entries {
        pub fn new(_: OwnedFd) -> Result<Self> {
            unsupported()
        }

        pub fn next_entry(&mut self) -> Result<Option<(Vec<u8>, u64)>> {
            unsupported()
        }
    }
}
