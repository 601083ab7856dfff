//! What the namespace manager does with descriptors.

use cap_abi::{
    FD_ANY_UPPER, Rights,
    fcntl::{
        F_SCHEME_OBJECT, LEASE_FRESH_DESCRIPTION, LEASE_NOT_INHERITED, LEASE_UNPRIVILEGED,
        LeaseParams,
    },
};
use nsmgr_server::Kernel;
use redox_rt::{
    Error, Result,
    fd::{Fd, create_scheme_fd},
    sys,
};
use syscall::{
    EXDEV,
    flag::{CallFlags, SchemeSocketCall},
};

/// The kernel, as seen through the daemon's socket.
pub struct System<'a> {
    /// The socket.
    pub socket: &'a Fd,
}

const fn number(error: Error) -> i32 {
    error.errno
}

/// A revocable copy and what revokes it. The copy outlives the lease unless that is revoked: a
/// binding that goes does not take what was opened through it along.
fn lease(fd: &Fd, rights: Rights, flags: u32) -> Result<(Fd, Fd)> {
    let mut params = LeaseParams {
        derived: FD_ANY_UPPER,
        lease: FD_ANY_UPPER,
        rights: rights.bits(),
        flags,
    };
    sys::lease(fd.raw(), &mut params)?;
    Ok((Fd::from_raw(params.derived), Fd::from_raw(params.lease)))
}

/// A user's leases are none of those that are kept for the superuser.
const fn whose(uid: u32) -> u32 {
    if uid == 0 { 0 } else { LEASE_UNPRIVILEGED }
}

impl Kernel for System<'_> {
    type Fd = Fd;

    fn receive(&mut self, tag: u32) -> core::result::Result<Fd, i32> {
        let mut fds = [0];
        let metadata = [SchemeSocketCall::ObtainFd as u64, u64::from(tag)];
        sys::receive_fds(self.socket.raw(), &mut fds, CallFlags::FD_UPPER, &metadata)
            .map_err(number)?;
        let [fd] = fds;
        Ok(Fd::from_raw(fd))
    }

    fn lease(&mut self, fd: &Fd, rights: Rights, uid: u32) -> core::result::Result<(Fd, Fd), i32> {
        lease(fd, rights, whose(uid)).map_err(number)
    }

    fn beneath(&mut self, fd: &Fd) -> core::result::Result<(), i32> {
        fd.limit_beneath().map_err(number)
    }

    fn revoke(&mut self, lease: Fd) {
        // It can only fail for a descriptor that is not a lease, and this is one.
        let _ = sys::revoke(lease.raw());
    }

    fn own(&mut self, number_of_handle: u64) -> core::result::Result<Fd, i32> {
        create_scheme_fd(self.socket, number_of_handle as usize, 0, 0, 0).map_err(number)
    }

    fn issue(&mut self, fd: &Fd, uid: u32) -> core::result::Result<(Fd, Fd), i32> {
        lease(fd, Rights::FULL, LEASE_NOT_INHERITED | whose(uid)).map_err(number)
    }

    fn copy(&mut self, fd: &Fd, uid: u32) -> core::result::Result<Fd, i32> {
        let flags = LEASE_FRESH_DESCRIPTION | LEASE_NOT_INHERITED | whose(uid);
        lease(fd, Rights::FULL, flags)
            .map(|(copy, _)| copy)
            .map_err(number)
    }

    fn own_object(&mut self, fd: &Fd) -> core::result::Result<Option<u64>, i32> {
        // SAFETY: this command takes the number of a descriptor and no pointer.
        match unsafe { sys::fcntl(self.socket.raw(), F_SCHEME_OBJECT, fd.raw()) } {
            Ok(object) => Ok(Some(object as u64)),
            Err(error) if error.errno == EXDEV => Ok(None),
            Err(error) => Err(number(error)),
        }
    }

    fn number(&self, fd: &Fd) -> usize {
        fd.raw()
    }
}
