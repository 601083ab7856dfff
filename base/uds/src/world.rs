//! Descriptors that come and go with messages, and tokens.

use alloc::{vec, vec::Vec};

use cap_abi::fcntl::{F_SCHEME_HOLDERS, F_SCHEME_OBJECT};
use redox_rt::{Fd, namespace, sys};
use scheme_core::start::SOCKET;
use syscall::flag::{CallFlags, O_RDONLY, SchemeSocketCall};
use uds_api::{TOKEN, Token};
use uds_server::World;

/// Asks the kernel about a descriptor that may be of the scheme's own.
fn ask(command: usize, fd: &Fd) -> redox_rt::Result<usize> {
    // SAFETY: the argument of these commands is a descriptor's number; no memory is touched.
    unsafe { sys::fcntl(SOCKET, command, fd.raw()) }
}

/// What is outside of the server.
pub struct Outside {
    random: Fd,
}

impl Outside {
    /// With the scheme of random bytes.
    pub fn new() -> redox_rt::Result<Self> {
        let random = namespace::open(b"/scheme/rand", O_RDONLY, sys::FD_ANY_UPPER)?;
        Ok(Self {
            random: Fd::from_raw(random),
        })
    }
}

impl World for Outside {
    type Fd = Fd;

    fn obtain(&mut self, tag: u32, count: usize) -> Result<Vec<Fd>, i32> {
        let mut fds = vec![0; count];
        let metadata = [SchemeSocketCall::ObtainFd as u64, u64::from(tag)];
        sys::receive_fds(SOCKET, &mut fds, CallFlags::FD_UPPER, &metadata)
            .map_err(|error| error.errno)?;
        Ok(fds.into_iter().map(Fd::from_raw).collect())
    }

    fn give(&mut self, tag: u32, fds: Vec<Fd>) -> Result<(), i32> {
        let numbers: Vec<usize> = fds.iter().map(Fd::raw).collect();
        let metadata = [SchemeSocketCall::MoveFd as u64, u64::from(tag)];
        sys::send_fds(SOCKET, &numbers, CallFlags::empty(), &metadata)
            .map_err(|error| error.errno)?;
        for fd in fds {
            // The kernel took it out of the table.
            let _ = fd.into_raw();
        }
        Ok(())
    }

    fn own(&self, fd: &Fd) -> Option<u64> {
        let number = ask(F_SCHEME_OBJECT, fd).ok()?;
        // Of a copy that can be revoked it is not known who has it: what that is of counts as reachable.
        ask(F_SCHEME_HOLDERS, fd).ok()?;
        Some(number as u64)
    }

    fn holders(&self, fd: &Fd) -> usize {
        ask(F_SCHEME_HOLDERS, fd).unwrap_or(usize::MAX)
    }

    fn token(&mut self) -> Result<Token, i32> {
        let mut token = [0; TOKEN];
        self.random
            .read_exact(&mut token)
            .map_err(|error| error.errno)?;
        Ok(token)
    }
}
