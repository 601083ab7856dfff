//! Asking for rights and giving them up.

use std::io::Result;
use std::os::fd::{AsFd, AsRawFd};

use cap_abi::Rights;
use cap_abi::fcntl::{F_CAP_BENEATH, F_CAP_GET_RIGHTS, F_CAP_LIMIT};

use crate::sys;

/// What every descriptor can be asked.
///
/// ```no_run
/// use cuprite_cap::{Limit, Rights};
///
/// # fn main() -> std::io::Result<()> {
/// let file = std::fs::File::open("/etc/motd")?;
/// file.limit(Rights::READ | Rights::STAT)?;
/// assert!(!file.rights()?.contains(Rights::SEEK));
/// # Ok(())
/// # }
/// ```
pub trait Limit: AsFd {
    /// What may be done through this descriptor.
    ///
    /// # Errors
    /// When there is no such descriptor (any more).
    fn rights(&self) -> Result<Rights> {
        let fd = self.as_fd().as_raw_fd();
        let bits = sys::control(fd, F_CAP_GET_RIGHTS, 0)?;
        Ok(Rights::from_bits_truncate(bits as u32))
    }

    /// Gives up every right that is not in `keep`, for good, and answers what is left. Other copies of the
    /// descriptor are not affected.
    ///
    /// # Errors
    /// As [`Self::rights`].
    fn limit(&self, keep: Rights) -> Result<Rights> {
        let fd = self.as_fd().as_raw_fd();
        let bits = sys::control(fd, F_CAP_LIMIT, keep.bits() as usize)?;
        Ok(Rights::from_bits_truncate(bits as u32))
    }

    /// Confines a directory: from now on nothing outside it is reached through this descriptor.
    ///
    /// # Errors
    /// `PermissionDenied` when its scheme does not honour that.
    fn limit_beneath(&self) -> Result<()> {
        sys::control(self.as_fd().as_raw_fd(), F_CAP_BENEATH, 0).map(drop)
    }
}

impl<T: AsFd + ?Sized> Limit for T {}
