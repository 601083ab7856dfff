//! Opening through a descriptor, and unlinking.

use crate::{
    context::Context,
    descriptor::{Denial, Description, Entry},
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    scheme::{
        Kind,
        user::{Call, Open, Scheme, Then},
    },
};
use cap_abi::{
    Rights,
    resolve::{RESOLVE_BENEATH, RESOLVE_MASK},
};
use kernel_core::{rights, slab::Id};
use syscall::{error::*, flag::*, schemev2::Opcode};

/// Longest path that is passed on.
pub const PATH_MAX: usize = 4096;
/// `O_CLOEXEC` as the C library and `libredox` have it.
pub const O_CLOEXEC: usize = 0x0100_0000;

impl Kernel {
    /// Adds what the descriptor demands to resolution flags, and refuses flags that the scheme has
    /// not declared to honour.
    #[inline]
    pub fn resolve_flags(&mut self, scheme: Id<Scheme>, entry: &Entry, flags: usize) -> Outcome {
        let flags = rights::resolution(entry.rights, flags);
        if flags & RESOLVE_MASK != 0 {
            let scheme = self.schemes.get(scheme).ok_or(Halt::Errno(ENODEV))?;
            if !scheme.honours(flags) {
                return self.deny(Denial::Undeclared);
            }
        }
        Ok(flags)
    }

    /// `SYS_OPENAT_INTO2`: the length's upper bits carry status flags.
    pub fn sys_openat(
        &mut self,
        fd: usize,
        path: usize,
        len_and_status: usize,
        flags: usize,
        number: usize,
    ) -> Outcome {
        let status = len_and_status & O_FCNTL_MASK;
        let len = len_and_status & !O_FCNTL_MASK;
        self.open_at(fd, path, len, flags, status, number)
    }

    /// `SYS_OPENAT_INTO`: status flags are among the open flags.
    pub fn sys_openat_first(
        &mut self,
        fd: usize,
        path: usize,
        len: usize,
        flags: usize,
        number: usize,
    ) -> Outcome {
        self.open_at(fd, path, len, flags, flags & O_FCNTL_MASK, number)
    }

    #[inline(never)]
    fn open_at(
        &mut self,
        fd: usize,
        path: usize,
        len: usize,
        flags: usize,
        status: usize,
        number: usize,
    ) -> Outcome {
        if len > PATH_MAX {
            return fail(ENAMETOOLONG);
        }
        let entry = self.entry(fd, rights::open(flags))?;
        let kind = self.description(entry.desc)?.kind;
        let Kind::User {
            scheme,
            number: object,
        } = kind
        else {
            let lease = self.lease_for_opened(&entry)?;
            let made = self.kernel_open(kind, flags, path, len).and_then(|opened| {
                let description = self.opened_description(opened, flags | status);
                let cloexec = flags & O_CLOEXEC != 0;
                self.install(description, entry.rights, lease, number, cloexec)
            });
            self.release_lease(lease);
            return made;
        };
        let flags = self.resolve_flags(scheme, &entry, flags)?;
        self.check_free(number)?;
        let mut description = Description::new(
            Kind::User { scheme, number: 0 },
            (flags & O_ACCMODE) | status,
        );
        description.offset = 0;
        let lease = self.lease_for_opened(&entry)?;
        let Ok(description) = self.descriptions.insert(description) else {
            self.release_lease(lease);
            return fail(ENOMEM);
        };
        let call = Call::open(scheme, &entry, object, (flags, status), (path, len));
        self.call_scheme(call.then(Then::Open(Open {
            number,
            replace: false,
            description,
            rights: entry.rights,
            lease,
            cloexec: flags & O_CLOEXEC != 0,
        })))
    }

    /// Fails early when a demanded number is taken.
    #[inline]
    pub fn check_free(&mut self, number: usize) -> Outcome<()> {
        if number >= cap_abi::FD_ANY_UPPER {
            return Ok(());
        }
        if self.table()?.entries.get(number).is_some() {
            return fail(EEXIST);
        }
        Ok(())
    }

    /// Ends a redirected open of `caller` at a kernel scheme, whose answer is at hand.
    pub fn open_in_kernel(
        &mut self,
        caller: Id<Context>,
        kind: Kind,
        flags: usize,
        path: usize,
        len: usize,
    ) {
        let outcome = self.open_in_kernel_inner(caller, kind, flags, path, len);
        let result = match outcome {
            Ok(number) => Ok(number),
            Err(Halt::Errno(errno)) => Err(errno),
            Err(_) => Err(EIO),
        };
        self.finish(caller, result);
    }

    fn open_in_kernel_inner(
        &mut self,
        caller: Id<Context>,
        kind: Kind,
        flags: usize,
        path: usize,
        len: usize,
    ) -> Outcome {
        let Some(context) = self.contexts.get_mut(caller) else {
            return fail(ESRCH);
        };
        let Some(space) = context.space else {
            return fail(ESRCH);
        };
        let Then::Open(open) = context.request.then else {
            // Nothing in a kernel scheme can be unlinked.
            return fail(EPERM);
        };
        if flags & RESOLVE_MASK & !RESOLVE_BENEATH != 0 {
            return fail(EINVAL);
        }
        let opened = self.kernel_open_for(caller, space, kind, flags, path, len)?;
        let Some(context) = self.contexts.get_mut(caller) else {
            return fail(ESRCH);
        };
        context.request.then = Then::Value;
        let template = self.opened_description(opened, flags);
        match self.descriptions.get_mut(open.description) {
            Some(description) => {
                let status = description.flags;
                *description = template;
                description.flags = status;
            }
            None => return fail(ENOMEM),
        }
        let entry = Entry {
            desc: open.description,
            rights: open.rights,
            lease: open.lease,
            cloexec: open.cloexec,
        };
        self.place_for(caller, &open, entry)
    }

    /// `SYS_UNLINKAT`.
    pub fn sys_unlinkat(&mut self, fd: usize, path: usize, len: usize, flags: usize) -> Outcome {
        if len > PATH_MAX {
            return fail(ENAMETOOLONG);
        }
        let entry = self.entry(fd, Rights::UNLINK)?;
        let Kind::User { scheme, number } = self.description(entry.desc)?.kind else {
            return fail(EPERM);
        };
        let flags = self.resolve_flags(scheme, &entry, flags)?;
        let args = [number, 0, 0, flags as u64, 0, 0];
        let call = Call::plain(scheme, &entry, Opcode::UnlinkAt, args);
        self.call_scheme(call.on_path(flags, path, len))
    }

    /// Refuses a beneath-limited call that takes a path, when the scheme has not declared that it
    /// honours the limit.
    pub fn check_beneath(&mut self, scheme: Id<Scheme>, entry: &Entry) -> Outcome<bool> {
        Ok(self.resolve_flags(scheme, entry, 0)? & RESOLVE_BENEATH != 0)
    }
}
