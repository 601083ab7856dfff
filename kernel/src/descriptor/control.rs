//! Duplicating, limiting, leasing and closing descriptors.

use super::{Description, Entry, FileTable};
use crate::{
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    scheme::{
        Kind,
        user::{Call, Open, Scheme, Then, payload::Direction},
    },
    syscall::open::{O_CLOEXEC, PATH_MAX},
};
use cap_abi::{Rights, fcntl::*, scheme::CREATE_SCHEME};
use core::mem::size_of;
use kernel_core::{rights, slab::Id, table::InsertError};
use syscall::{data::NewFdParams, error::*, flag::*, schemev2::Opcode};

/// `F_DUPFD_CLOEXEC` as the C library has it.
const F_DUPFD_CLOEXEC: usize = 1030;
/// POSIX's `FD_CLOEXEC`, which `F_SETFD` accepts as well as Redox's `O_CLOEXEC`.
const FD_CLOEXEC: usize = 1;

impl Kernel {
    /// `SYS_DUP_INTO`: with an empty payload another descriptor of the same description, otherwise
    /// whatever the object makes of the payload.
    pub fn sys_dup_into(&mut self, fd: usize, base: usize, len: usize, number: usize) -> Outcome {
        self.duplicate(fd, number, base, len, false, false)
    }

    /// `SYS_DUP2`: the same, closing what is at the target. With [`DUP2_CLOEXEC`] in the number the copy is marked.
    pub fn sys_dup2(&mut self, fd: usize, number: usize, base: usize, len: usize) -> Outcome {
        let cloexec = number < cap_abi::FD_ANY_UPPER && number & DUP2_CLOEXEC != 0;
        if cloexec && len != 0 {
            return fail(EINVAL);
        }
        let number = if cloexec {
            number & !DUP2_CLOEXEC
        } else {
            number
        };
        if len == 0 && fd == number {
            self.entry(fd, Rights::empty())?;
            return Ok(fd);
        }
        self.duplicate(fd, number, base, len, true, cloexec)
    }

    fn duplicate(
        &mut self,
        fd: usize,
        number: usize,
        base: usize,
        len: usize,
        replace: bool,
        cloexec: bool,
    ) -> Outcome {
        let table = self.current_table;
        if len == 0 {
            let mut entry = self.entry(fd, Rights::empty())?;
            entry.cloexec = cloexec;
            self.retain_entry(entry)?;
            return if replace {
                self.replace_entry(table, number, entry)
            } else {
                self.place(table, number, entry)
                    .inspect_err(|_| self.drop_entry(entry))
            };
        }
        let entry = self.entry(fd, Rights::DUP)?;
        let kind = self.description(entry.desc)?.kind;
        match kind {
            Kind::User {
                scheme,
                number: object,
            } => {
                if len > PATH_MAX {
                    return fail(EINVAL);
                }
                if !replace {
                    self.check_free(number)?;
                }
                let status = self.description(entry.desc)?.flags as usize;
                let lease = self.lease_for_opened(&entry)?;
                let Ok(description) = self
                    .descriptions
                    .insert(Description::new(Kind::User { scheme, number: 0 }, status))
                else {
                    self.release_lease(lease);
                    return fail(ENOMEM);
                };
                let args = [object, 0, 0, 0, 0, 0];
                let call = Call::plain(scheme, &entry, Opcode::Dup, args);
                let call = call.with(base, len, Direction::In);
                self.call_scheme(call.then(Then::Open(Open {
                    number,
                    replace,
                    description,
                    rights: entry.rights,
                    lease,
                    cloexec: false,
                })))
            }
            Kind::SchemeCapability => {
                self.expect_payload(base, len, CREATE_SCHEME)?;
                let number = self.vacate(table, number, replace)?;
                self.create_scheme(entry.lease, number)
            }
            Kind::Socket(scheme) => {
                if len != size_of::<NewFdParams>() {
                    return fail(EINVAL);
                }
                let params = self.read_new_fd_params(base)?;
                let number = self.vacate(table, number, replace)?;
                self.create_own_fd(scheme, &params, entry.lease, number)
            }
            kind => {
                let lease = self.lease_for_opened(&entry)?;
                let made = self.kernel_dup(kind, base, len).and_then(|opened| {
                    let description = self.opened_description(opened, O_RDWR);
                    let number = self.vacate(table, number, replace)?;
                    self.install(description, entry.rights, lease, number, false)
                });
                self.release_lease(lease);
                made
            }
        }
    }

    /// Makes room at `number` when it is to be replaced.
    fn vacate(&mut self, table: Id<FileTable>, number: usize, replace: bool) -> Outcome {
        if replace
            && let Some(table) = self.tables.get_mut(table)
            && let Some(old) = table.entries.remove(number)
        {
            self.detach_here(old);
            self.drop_entry(old);
        }
        Ok(number)
    }

    fn expect_payload(&mut self, base: usize, len: usize, expected: &[u8]) -> Outcome<()> {
        let mut buffer = [0; 32];
        let Some(buffer) = buffer
            .get_mut(..len)
            .filter(|buffer| buffer.len() == expected.len())
        else {
            return fail(EINVAL);
        };
        self.read_bytes(self.current_space, base, buffer)?;
        if buffer == expected {
            Ok(())
        } else {
            fail(EINVAL)
        }
    }

    /// Puts `entry` at `number`, closing what is there; at no moment is nothing there. The entry's
    /// references become the table's, or are given up on failure.
    pub fn replace_entry(&mut self, table: Id<FileTable>, number: usize, entry: Entry) -> Outcome {
        if let Some(table) = self.tables.get_mut(table)
            && let Some(old) = table.entries.replace(number, entry)
        {
            self.detach_here(old);
            self.drop_entry(old);
            return Ok(number);
        }
        self.place(table, number, entry)
            .inspect_err(|_| self.drop_entry(entry))
    }

    /// `SYS_FCNTL`. The commands that concern the descriptor or its description are the kernel's;
    /// a user scheme is asked about every other.
    pub fn sys_fcntl(&mut self, fd: usize, command: usize, argument: usize) -> Outcome {
        let table = self.current_table;
        match command {
            F_GETFD => {
                let entry = self.entry(fd, Rights::empty())?;
                Ok(if entry.cloexec { O_CLOEXEC } else { 0 })
            }
            F_SETFD => {
                self.entry(fd, Rights::empty())?;
                if let Some(entry) = self
                    .tables
                    .get_mut(table)
                    .and_then(|table| table.entries.get_mut(fd))
                {
                    entry.cloexec = argument & (O_CLOEXEC | FD_CLOEXEC) != 0;
                }
                Ok(0)
            }
            F_GETFL => {
                let entry = self.entry(fd, Rights::empty())?;
                Ok(self.description(entry.desc)?.flags as usize)
            }
            F_SETFL => {
                let entry = self.entry(fd, Rights::FCNTL)?;
                let description = self.description(entry.desc)?;
                description.flags =
                    (description.flags as usize & !O_FCNTL_MASK | argument & O_FCNTL_MASK) as u32;
                Ok(0)
            }
            F_DUPFD | F_DUPFD_CLOEXEC => {
                let mut entry = self.entry(fd, Rights::empty())?;
                entry.cloexec = command == F_DUPFD_CLOEXEC;
                self.retain_entry(entry)?;
                let placed = match self.tables.get_mut(table) {
                    Some(table) => table.entries.insert_from(argument, entry).map_err(|error| {
                        match error {
                            // POSIX: the argument is bad here, not the descriptor.
                            InsertError::OutOfRange => Halt::Errno(EINVAL),
                            error => error.into(),
                        }
                    }),
                    None => fail(EBADF),
                };
                placed.inspect_err(|_| self.drop_entry(entry))
            }
            F_CAP_GET_RIGHTS => Ok(self.entry(fd, Rights::empty())?.rights.bits() as usize),
            F_CAP_LIMIT => {
                let rights = u32::try_from(argument)
                    .ok()
                    .and_then(Rights::from_bits)
                    .ok_or(Halt::Errno(EINVAL))?;
                self.limit(fd, rights)
            }
            F_CAP_BENEATH => {
                let entry = self.entry(fd, Rights::empty())?;
                let Kind::User { scheme, .. } = self.description(entry.desc)?.kind else {
                    return fail(EINVAL);
                };
                let mut limited = entry;
                limited.rights.remove(Rights::ESCAPE);
                self.check_beneath(scheme, &limited)?;
                self.limit(fd, Rights::FULL.difference(Rights::ESCAPE))
            }
            F_CAP_LEASE => self.lease(fd, argument),
            F_CAP_REVOKE => {
                let entry = self.entry(fd, Rights::empty())?;
                match self.description(entry.desc)?.kind {
                    Kind::Lease(lease) => {
                        let ended = self.leases.revoke(lease);
                        self.chores.due |= self.leases.is_clearing();
                        Ok(ended)
                    }
                    _ => fail(EINVAL),
                }
            }
            F_SCHEME_DECLARE => self.declare(fd, argument),
            F_SCHEME_OBJECT => self.own_object(fd, argument),
            F_SCHEME_HOLDERS => self.own_holders(fd, argument),
            _ => {
                let entry = self.entry(fd, rights::fcntl(command))?;
                match self.description(entry.desc)?.kind {
                    Kind::User { scheme, number } => {
                        let args = [number, command as u64, argument as u64, 0, 0, 0];
                        let call = Call::plain(scheme, &entry, Opcode::Fcntl, args);
                        self.call_scheme(call)
                    }
                    _ => fail(EINVAL),
                }
            }
        }
    }

    fn limit(&mut self, fd: usize, rights: Rights) -> Outcome {
        self.entry(fd, Rights::empty())?;
        let table = self.table()?;
        let entry = table.entries.get_mut(fd).ok_or(Halt::Errno(EBADF))?;
        entry.rights &= rights;
        Ok(entry.rights.bits() as usize)
    }

    fn declare(&mut self, fd: usize, features: usize) -> Outcome {
        let entry = self.entry(fd, Rights::empty())?;
        let Kind::Socket(scheme) = self.description(entry.desc)?.kind else {
            return fail(EINVAL);
        };
        if features & !cap_abi::scheme::FEATURE_RESOLVE != 0 {
            return fail(EINVAL);
        }
        let scheme = self.schemes.get_mut(scheme).ok_or(Halt::Errno(ENODEV))?;
        if scheme.rooted {
            return fail(EBUSY);
        }
        scheme.features = features;
        Ok(0)
    }

    /// `F_SCHEME_OBJECT`: which of a scheme's own objects a descriptor is of.
    fn own_object(&mut self, socket: usize, fd: usize) -> Outcome {
        let number = self.own_description(socket, fd)?.kind.user_number();
        // What looks like an error as an answer is no number that a daemon could make use of.
        if number.cast_signed() < 0 {
            return fail(EXDEV);
        }
        Ok(number as usize)
    }

    /// `F_SCHEME_HOLDERS`: how many descriptors there are of a description of a scheme's own object.
    fn own_holders(&mut self, socket: usize, fd: usize) -> Outcome {
        let description = self.own_description(socket, fd)?;
        if description.origin.is_some() {
            return fail(EXDEV);
        }
        Ok(description.refs as usize)
    }

    /// The description of a descriptor, if that is of an object of the scheme whose socket it is.
    fn own_description(&mut self, socket: usize, fd: usize) -> Outcome<&mut Description> {
        let entry = self.entry(socket, Rights::empty())?;
        let Kind::Socket(own) = self.description(entry.desc)?.kind else {
            return fail(EINVAL);
        };
        let entry = self.entry(fd, Rights::empty())?;
        let description = self.description(entry.desc)?;
        match description.kind {
            Kind::User { scheme, .. } if scheme == own => Ok(description),
            _ => fail(EXDEV),
        }
    }

    /// `F_CAP_LEASE`: a copy that can be revoked, and the descriptor that revokes it.
    fn lease(&mut self, fd: usize, address: usize) -> Outcome {
        let space = self.current_space;
        let mut params = self.read_lease_params(address)?;
        let rights = Rights::from_bits(params.rights).ok_or(Halt::Errno(EINVAL))?;
        const KINDS: u32 = LEASE_REVOKE_ON_CLOSE | LEASE_NOT_INHERITED | LEASE_UNPRIVILEGED;
        if params.flags & !(KINDS | LEASE_FRESH_DESCRIPTION) != 0 {
            return fail(EINVAL);
        }
        let current = self.current.and_then(|id| self.contexts.get(id));
        let unprivileged = match current.map(|context| context.attrs.euid) {
            Some(0) => 0,
            _ => LEASE_UNPRIVILEGED,
        };
        let mut copy = self.entry(fd, Rights::empty())?;
        // Nothing is made before it is known that the numbers can be told.
        self.write_lease_params(space, address, &params)?;
        let fresh = params.flags & LEASE_FRESH_DESCRIPTION != 0;
        if fresh {
            copy.desc = self.fresh_description(copy.desc)?;
        } else {
            let description = self.description(copy.desc)?;
            description.refs = description.refs.saturating_add(1);
        }
        // One use of the lease is the copy's, one control the other descriptor's.
        let kind = params.flags & KINDS | unprivileged;
        let lease = match self.leases.derive(copy.lease, kind) {
            Ok(lease) => lease,
            Err(error) => {
                self.release_description(copy.desc);
                return Err(error.into());
            }
        };
        copy.rights &= rights;
        copy.cloexec = false;
        copy.lease = Some(lease);
        let control = self.install(
            Description::new(Kind::Lease(lease), O_RDWR),
            Rights::FULL,
            None,
            params.lease,
            true,
        );
        let control = match control {
            Ok(number) => number,
            Err(halt) => {
                self.drop_entry(copy);
                return Err(halt);
            }
        };
        let derived = self
            .place(self.current_table, params.derived, copy)
            .inspect_err(|_| self.drop_entry(copy));
        match derived {
            Ok(derived) => {
                params.derived = derived;
                params.lease = control;
                self.write_lease_params(space, address, &params)?;
                Ok(0)
            }
            Err(halt) => {
                let _ = self.close_fd(control);
                Err(halt)
            }
        }
    }

    /// Another description of what `id` describes, with one reference, which holds one to `id` or to what
    /// that is itself a copy of.
    fn fresh_description(&mut self, id: Id<Description>) -> Outcome<Id<Description>> {
        let original = self.description(id)?;
        let origin = original.origin.unwrap_or(id);
        let mut kind = original.kind;
        if let Kind::Time(clock) = &mut kind {
            // The alarm is the original's.
            (clock.alarm, clock.due) = (None, false);
        }
        let mut fresh = Description::new(kind, original.flags as usize & O_ACCMODE);
        fresh.positioned = original.positioned;
        fresh.notify_detach = original.notify_detach;
        fresh.origin = Some(origin);
        let fresh = self
            .descriptions
            .insert(fresh)
            .map_err(|_| Halt::Errno(ENOMEM))?;
        let origin = self.description(origin)?;
        origin.refs = origin.refs.saturating_add(1);
        Ok(fresh)
    }

    /// As [`Kernel::detach`], of the running process.
    pub fn detach_here(&mut self, entry: Entry) {
        let pid = self.this().map_or(0, |context| context.attrs.pid);
        self.detach(entry, pid);
    }

    /// Tells a scheme that asked for it that an entry of the process `pid` goes away.
    #[inline]
    pub fn detach(&mut self, entry: Entry, pid: u32) {
        let Some(description) = self.descriptions.get(entry.desc) else {
            return;
        };
        if !description.notify_detach {
            return;
        }
        let Kind::User { scheme, number } = description.kind else {
            return;
        };
        self.tell_detached(scheme, number, pid);
    }

    /// Tells a scheme that the process `pid` gives up a descriptor of this object, or has none.
    pub fn tell_detached(&mut self, scheme: Id<Scheme>, number: u64, pid: u32) {
        if self.schemes.get(scheme).is_some()
            && let Ok(note) = self.maps.insert(crate::scheme::memory::MapRecord::detach(
                scheme, number, pid,
            ))
        {
            self.post(scheme, crate::scheme::user::Node::Note(note));
        }
    }

    /// The last reference to a description is gone: its object hears of it, or goes with it. It is
    /// `entangled` if it is watched or a copy of another.
    #[inline]
    pub fn close_description(&mut self, id: Id<Description>, kind: Kind, entangled: bool) {
        if entangled && self.disentangle(id) {
            return;
        }
        if let Kind::User { scheme, .. } = kind
            && self.post(scheme, crate::scheme::user::Node::Close(id))
        {
            // The description stays as the message of its own end.
            return;
        }
        self.descriptions.remove(id);
        self.close_object(kind);
    }

    /// Frees a description that ends of its watchers. `true`: it was a copy, and is gone; its object is
    /// its origin's.
    #[cold]
    fn disentangle(&mut self, id: Id<Description>) -> bool {
        let Some(description) = self.descriptions.get(id) else {
            return true;
        };
        let origin = description.origin;
        if description.subject.is_some() {
            self.forget_description(id);
        }
        let Some(origin) = origin else { return false };
        if let Some(Kind::Time(clock)) = self.descriptions.get(id).map(|copy| copy.kind) {
            self.cancel_alarm(clock);
        }
        self.descriptions.discard(id);
        self.release_description(origin);
        true
    }

    /// Gives up an object that no description refers to (any more).
    pub fn close_object(&mut self, kind: Kind) {
        match kind {
            Kind::Socket(scheme) => self.close_scheme(scheme),
            Kind::Lease(lease) => {
                self.leases.release_control(lease);
                self.chores.due |= self.leases.is_clearing();
            }
            kind => self.kernel_close(kind),
        }
    }
}
