//! What the kernel hands to the first process.

use cap_abi::auxv;
use redox_rt::start::Start;
use redox_rt::{Error, Fd, Result, sys};
use syscall::flag::O_RDWR;
use syscall::{EBADF, ENODEV, ENOENT, GlobalSchemes, KernelSchemeInfo};

/// How many kernel schemes there can be.
pub const MAX_ROOTS: usize = 16;

/// The roots of the kernel's schemes and the scheme-creation capability.
#[derive(Debug)]
pub struct Roots {
    fds: [Option<Fd>; MAX_ROOTS],
    scheme_capability: Fd,
}

impl Roots {
    /// Takes everything from the auxiliary vector, and opens the debug scheme as standard input,
    /// output and error unless they are open.
    pub fn from_start(start: &Start) -> Result<Self> {
        let count = start
            .aux(auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN)
            .unwrap_or(0)
            .min(MAX_ROOTS);
        let address = start
            .aux(auxv::AT_CUPRITE_KERNEL_SCHEMES)
            .filter(|&a| a != 0)
            .ok_or(Error::new(ENOENT))?;
        // SAFETY: the kernel put the array there for this process, and nobody writes to it.
        let infos =
            unsafe { core::slice::from_raw_parts(address as *const KernelSchemeInfo, count) };
        let scheme_capability = start
            .aux(auxv::AT_CUPRITE_SCHEME_CAP)
            .map(Fd::from_raw)
            .ok_or(Error::new(EBADF))?;
        let mut roots = Self {
            fds: [const { None }; MAX_ROOTS],
            scheme_capability,
        };
        for info in infos {
            if let Some(place) = roots.fds.get_mut(usize::from(info.scheme_id)) {
                *place = Some(Fd::from_raw(info.fd));
            }
        }
        if sys::rights(0).is_ok() {
            // The kernel has given them already.
            return Ok(roots);
        }
        let debug = roots.get(GlobalSchemes::Debug)?;
        sys::openat(debug.raw(), b"", O_RDWR, 0)?;
        sys::dup(0, b"", 1)?;
        sys::dup(0, b"", 2)?;
        Ok(roots)
    }

    /// One scheme's root; `ENODEV` when the kernel has none.
    pub fn get(&self, scheme: GlobalSchemes) -> Result<&Fd> {
        self.fds
            .get(scheme as usize)
            .and_then(Option::as_ref)
            .ok_or(Error::new(ENODEV))
    }

    /// The scheme-creation capability.
    pub const fn scheme_capability(&self) -> &Fd {
        &self.scheme_capability
    }

    /// Every root with its scheme's number.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Fd)> {
        self.fds
            .iter()
            .enumerate()
            .filter_map(|(id, fd)| fd.as_ref().map(|fd| (id, fd)))
    }
}
