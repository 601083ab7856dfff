//! Giving for a time.

use std::io::Result;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use cap_abi::Rights;
use cap_abi::fcntl::F_CAP_REVOKE;

use crate::sys;

/// The power to take back what [`lease`] gave. Dropping it takes it back, too.
///
/// ```no_run
/// use cuprite_cap::{Command, Rights, lease};
///
/// # fn main() -> std::io::Result<()> {
/// let file = std::fs::File::open("/home/user/letter")?;
/// let program = std::fs::File::open("/usr/bin/viewer")?;
/// let (copy, lease) = lease(&file, Rights::READ_ONLY)?;
/// let mut child = Command::new(&program).arg("viewer").grant(0, &copy, Rights::FULL).spawn()?;
/// // Enough is enough: every use of it answers an error from now on, in the child too.
/// lease.revoke()?;
/// child.wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Lease(OwnedFd);

/// A copy of `fd` with at most `rights`, and what takes it back with everything that was opened through it.
///
/// # Errors
/// When there is no such descriptor, or no room for two more.
pub fn lease(fd: &impl AsFd, rights: Rights) -> Result<(OwnedFd, Lease)> {
    let (copy, control) = sys::lease(fd.as_fd().as_raw_fd(), rights)?;
    Ok((copy, Lease(control)))
}

impl Lease {
    /// Takes it back now.
    ///
    /// # Errors
    /// None that a caller could do anything about: what was given is taken back in any case.
    pub fn revoke(self) -> Result<()> {
        sys::control(self.0.as_raw_fd(), F_CAP_REVOKE, 0).map(drop)
    }
}
