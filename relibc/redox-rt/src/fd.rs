//! A descriptor that is closed when it is dropped.

use cap_abi::Rights;
use cap_abi::fcntl::{LEASE_REVOKE_ON_CLOSE, LeaseParams};
use syscall::error::{Error, Result};
use syscall::flag::CallFlags;
use syscall::{EIO, NewFdParams, Stat};

use crate::signal::again;
use crate::sys::{self, FD_ANY, FD_ANY_UPPER};

/// An owned descriptor.
#[derive(Debug, PartialEq, Eq)]
pub struct Fd(usize);

impl Fd {
    /// Takes ownership of a number.
    #[must_use]
    pub const fn from_raw(fd: usize) -> Self {
        Self(fd)
    }

    /// The number, still owned.
    #[must_use]
    pub const fn raw(&self) -> usize {
        self.0
    }

    /// Gives the number up without closing it.
    #[must_use]
    pub const fn into_raw(self) -> usize {
        let fd = self.0;
        core::mem::forget(self);
        fd
    }

    /// Closes, telling what the scheme answered.
    pub fn close(self) -> Result<()> {
        sys::close(self.into_raw())
    }

    /// Opens below this directory (or asks this root), as a private descriptor.
    pub fn open(&self, path: &[u8], flags: usize) -> Result<Self> {
        sys::openat(self.0, path, flags, FD_ANY_UPPER).map(Self)
    }

    /// Opens below this directory at the lowest free number.
    pub fn open_lowest(&self, path: &[u8], flags: usize) -> Result<Self> {
        sys::openat(self.0, path, flags, FD_ANY).map(Self)
    }

    /// What the scheme makes of `payload`, as a private descriptor; a plain copy when it is empty.
    pub fn dup(&self, payload: &[u8]) -> Result<Self> {
        sys::dup(self.0, payload, FD_ANY_UPPER).map(Self)
    }

    /// Reads at the position.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize> {
        sys::read(self.0, buf)
    }

    /// Reads until `buf` is full or the end; the answer is how much was read.
    pub fn read_full_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|r| !r.is_empty()) {
            match sys::read_at(self.0, rest, offset + done as u64, None) {
                Ok(0) => break,
                Ok(n) => done += n.min(rest.len()),
                Err(e) if e.errno == syscall::EINTR => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// Writes at the position.
    pub fn write(&self, buf: &[u8]) -> Result<usize> {
        sys::write(self.0, buf)
    }

    /// Writes a whole structure; a short write is `EIO`.
    pub fn write_exact(&self, buf: &[u8]) -> Result<()> {
        if sys::write(self.0, buf)? == buf.len() {
            Ok(())
        } else {
            Err(Error::new(EIO))
        }
    }

    /// Reads a whole structure; a short read is `EIO`.
    pub fn read_exact(&self, buf: &mut [u8]) -> Result<()> {
        let len = buf.len();
        if sys::read(self.0, buf)? == len {
            Ok(())
        } else {
            Err(Error::new(EIO))
        }
    }

    /// Metadata.
    pub fn stat(&self) -> Result<Stat> {
        again(|| sys::fstat(self.0))
    }

    /// Calls the scheme's own verb without a payload.
    pub fn call(&self, metadata: &[u64]) -> Result<usize> {
        sys::call(self.0, CallFlags::empty(), metadata)
    }

    /// Sends one descriptor to the scheme behind this one. It leaves this process, also on an error.
    pub fn send(&self, fd: Self, metadata: &[u64]) -> Result<usize> {
        // A descriptor that is sent is gone also when the message is refused, but not when the call is: a
        // copy goes, and the number is closed here, once.
        sys::send_fds(self.0, &[fd.0], CallFlags::FD_CLONE, metadata)
    }

    /// Receives one descriptor, as a private one.
    pub fn receive(&self, metadata: &[u64]) -> Result<Self> {
        let mut fds = [0];
        sys::receive_fds(self.0, &mut fds, CallFlags::FD_UPPER, metadata)?;
        let [fd] = fds;
        Ok(Self(fd))
    }

    /// The rights it has.
    pub fn rights(&self) -> Result<Rights> {
        sys::rights(self.0)
    }

    /// Takes away every right not in `keep`.
    pub fn limit(&self, keep: Rights) -> Result<()> {
        sys::limit(self.0, keep)
    }

    /// Makes resolution beneath sticky.
    pub fn limit_beneath(&self) -> Result<()> {
        sys::limit_beneath(self.0)
    }

    /// A revocable copy with at most `rights`, and the lease that revokes it, also when the lease is
    /// dropped.
    pub fn lease(&self, rights: Rights) -> Result<(Self, Lease)> {
        let mut params = LeaseParams {
            derived: FD_ANY_UPPER,
            lease: FD_ANY_UPPER,
            rights: rights.bits(),
            flags: LEASE_REVOKE_ON_CLOSE,
        };
        sys::lease(self.0, &mut params)?;
        Ok((Self(params.derived), Lease(Self(params.lease))))
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // There is nobody to tell; `close` is for those who want to know.
        let _ = sys::close(self.0);
    }
}

/// What revokes a derived descriptor, at the latest when it is dropped.
#[derive(Debug)]
pub struct Lease(Fd);

impl Lease {
    /// Revokes now.
    pub fn revoke(self) -> Result<()> {
        sys::revoke(self.0.raw())
    }

    /// The lease's descriptor.
    #[must_use]
    pub const fn fd(&self) -> &Fd {
        &self.0
    }
}

/// A new scheme socket, from the scheme-creation capability. `features` are
/// `cap_abi::scheme::FEATURE_*`.
pub fn create_scheme(capability: &Fd, features: usize) -> Result<Fd> {
    let socket = capability.dup(cap_abi::scheme::CREATE_SCHEME)?;
    if features != 0 {
        sys::declare_features(socket.raw(), features)?;
    }
    Ok(socket)
}

/// A descriptor of one's own scheme: `number` is what requests through it will name.
pub fn create_scheme_fd(
    socket: &Fd,
    number: usize,
    offset: u64,
    flags: usize,
    internal_flags: u8,
) -> Result<Fd> {
    let params = NewFdParams {
        offset,
        number,
        flags,
        internal_flags,
    };
    let mut bytes = [0u8; size_of::<NewFdParams>()];
    let fields: [(usize, &[u8]); 4] = [
        (
            core::mem::offset_of!(NewFdParams, offset),
            &params.offset.to_ne_bytes(),
        ),
        (
            core::mem::offset_of!(NewFdParams, number),
            &params.number.to_ne_bytes(),
        ),
        (
            core::mem::offset_of!(NewFdParams, flags),
            &params.flags.to_ne_bytes(),
        ),
        (
            core::mem::offset_of!(NewFdParams, internal_flags),
            &params.internal_flags.to_ne_bytes(),
        ),
    ];
    for (at, field) in fields {
        if let Some(place) = bytes.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
    }
    socket.dup(&bytes)
}
