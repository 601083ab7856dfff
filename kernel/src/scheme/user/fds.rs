//! Descriptors on their way to and from a scheme.

use super::{Scheme, Stage, TAG_INDEX_MASK, Then};
use crate::{
    context::Context,
    descriptor::Entry,
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    scheme::Kind,
};
use alloc::vec::Vec;
use cap_abi::Rights;
use kernel_core::slab::Id;
use syscall::{
    error::*,
    flag::{CallFlags, FobtainFdFlags},
    schemev2::Cqe,
};

/// At most so many descriptors travel with one call.
pub const MAX_TRANSFER: usize = 64;
/// Length of a descriptor number in bytes.
pub const FD_SIZE: usize = size_of::<usize>();

impl Kernel {
    fn under_way(&self, scheme: Id<Scheme>, tag: u32) -> Outcome<Id<Context>> {
        self.contexts
            .by_index(tag & TAG_INDEX_MASK)
            .filter(|(_, context)| {
                let request = &context.request;
                request.stage == Stage::UnderWay
                    && request.sqe.tag == tag
                    && request.scheme == Some(scheme)
            })
            .map(|(id, _)| id)
            .ok_or(Halt::Errno(EBADF))
    }

    /// Collects the entries that an array of numbers in the running context's memory names, each with
    /// references of its own. Unless `clone`, they are taken out of its table.
    ///
    /// # Errors
    /// `EBADF`, `EPERM` without the right to transfer, `EINVAL` for too many, `EBUSY` when exclusive
    /// and not so. Nothing is taken then.
    pub fn collect_entries(
        &mut self,
        base: usize,
        count: usize,
        clone: bool,
        exclusive: bool,
    ) -> Outcome<Vec<Entry>> {
        if count == 0 || count > MAX_TRANSFER {
            return fail(EINVAL);
        }
        let mut numbers = Vec::new();
        let mut entries = Vec::new();
        numbers
            .try_reserve_exact(count)
            .map_err(|_| Halt::Errno(ENOMEM))?;
        entries
            .try_reserve_exact(count)
            .map_err(|_| Halt::Errno(ENOMEM))?;
        for index in 0..count {
            let at = base.wrapping_add(index.wrapping_mul(8));
            let number = self.read_word(self.current_space, at)?;
            let entry = self.entry(number, Rights::TRANSFER)?;
            if exclusive && self.description(entry.desc)?.refs > 1 {
                return fail(EBUSY);
            }
            if !clone && numbers.contains(&number) {
                return fail(EINVAL);
            }
            numbers.push(number);
            entries.push(entry);
        }
        for (index, entry) in entries.iter().enumerate() {
            if let Err(halt) = self.retain_entry(*entry) {
                for taken in entries.iter().take(index) {
                    self.drop_entry(*taken);
                }
                return Err(halt);
            }
        }
        if !clone {
            for number in numbers {
                self.close_fd(number)?;
            }
        }
        Ok(entries)
    }

    /// The daemon takes descriptors that a caller has sent with the call of this tag: all that it wants, or
    /// none.
    pub fn obtain_fds(
        &mut self,
        scheme: Id<Scheme>,
        tag: u32,
        base: usize,
        len: usize,
        flags: CallFlags,
    ) -> Outcome {
        let caller = self.under_way(scheme, tag)?;
        let wanted = len / FD_SIZE;
        let number = if flags.contains(CallFlags::FD_UPPER) {
            cap_abi::FD_ANY_UPPER
        } else {
            cap_abi::FD_ANY
        };
        let Some(context) = self.contexts.get(caller) else {
            return fail(EBADF);
        };
        if !matches!(context.request.then, Then::SendFd) || wanted == 0 {
            return fail(EINVAL);
        }
        if wanted > context.request.transfer.len() {
            return fail(ENOENT);
        }
        let mut numbers = Vec::new();
        numbers
            .try_reserve_exact(wanted)
            .map_err(|_| Halt::Errno(ENOMEM))?;
        let outcome = self.obtain_each(caller, base, wanted, number, flags, &mut numbers);
        match outcome {
            Ok(()) => {
                if let Some(context) = self.contexts.get_mut(caller) {
                    context.request.transfer.drain(..wanted);
                }
                Ok(wanted)
            }
            Err(halt) => {
                // They are still what the caller has sent.
                if let Some(table) = self.tables.get_mut(self.current_table) {
                    for number in numbers {
                        table.entries.remove(number);
                    }
                }
                Err(halt)
            }
        }
    }

    /// Puts the first `wanted` descriptors that a caller has sent into the running context's table, and their
    /// numbers into `numbers` and the array at `base`. They stay among those that were sent.
    fn obtain_each(
        &mut self,
        caller: Id<Context>,
        base: usize,
        wanted: usize,
        number: usize,
        flags: CallFlags,
        numbers: &mut Vec<usize>,
    ) -> Outcome<()> {
        for index in 0..wanted {
            let entry = self
                .contexts
                .get(caller)
                .and_then(|context| context.request.transfer.get(index));
            let mut entry = *entry.ok_or(Halt::Errno(EBADF))?;
            if flags.contains(CallFlags::FD_EXCLUSIVE) && self.description(entry.desc)?.refs > 1 {
                return fail(EBUSY);
            }
            let at = base.wrapping_add(index.wrapping_mul(FD_SIZE));
            // The number is written first to a place known to be writable, so that a descriptor is
            // never put into the table without its number being told.
            self.write_word(self.current_space, at, 0)?;
            entry.cloexec = flags.contains(CallFlags::FD_CLOEXEC);
            let number = self.place(self.current_table, number, entry)?;
            numbers.push(number);
            self.write_word(self.current_space, at, number)?;
        }
        Ok(())
    }

    /// The daemon hands over descriptors for the call of this tag, which is to receive them.
    pub fn move_fds(
        &mut self,
        scheme: Id<Scheme>,
        tag: u32,
        base: usize,
        len: usize,
        flags: CallFlags,
    ) -> Outcome {
        let caller = self.under_way(scheme, tag)?;
        let count = len / FD_SIZE;
        let Some(context) = self.contexts.get(caller) else {
            return fail(EBADF);
        };
        if context.request.abandoned {
            return fail(EBADF);
        }
        let Then::RecvFd(recv) = context.request.then else {
            return fail(EINVAL);
        };
        let present = context.request.transfer.len();
        if present.saturating_add(count) > recv.count {
            return fail(EMSGSIZE);
        }
        let entries = self.collect_entries(
            base,
            count,
            flags.contains(CallFlags::FD_CLONE),
            flags.contains(CallFlags::FD_EXCLUSIVE),
        )?;
        // With its own socket in a call of its own, a daemon that ends would leave the caller without an answer.
        let own = entries.iter().any(|entry| {
            let description = self.descriptions.get(entry.desc);
            description.is_some_and(|description| description.kind == Kind::Socket(scheme))
        });
        let reserved = match self.contexts.get_mut(caller) {
            Some(context) if !own => context.request.transfer.try_reserve(entries.len()).is_ok(),
            _ => false,
        };
        for entry in entries {
            match self.contexts.get_mut(caller) {
                Some(context) if reserved => context.request.transfer.push(entry),
                _ => self.drop_entry(entry),
            }
        }
        match (own, reserved) {
            (true, _) => fail(EINVAL),
            (_, true) => Ok(count),
            _ => fail(ENOMEM),
        }
    }

    /// The older form of [`Kernel::obtain_fds`]: a completion entry. The result word is the number
    /// to use (with `MANUAL_FD`) or the address to write the number to.
    pub fn obtain_by_reply(
        &mut self,
        scheme: Id<Scheme>,
        caller: Id<Context>,
        cqe: &Cqe,
    ) -> Outcome<()> {
        let flags = FobtainFdFlags::from_bits(cqe.extra() as usize).ok_or(Halt::Errno(EINVAL))?;
        if !flags.contains(FobtainFdFlags::MANUAL_FD) {
            let mut call = CallFlags::FD;
            call.set(
                CallFlags::FD_UPPER,
                flags.contains(FobtainFdFlags::UPPER_TBL),
            );
            call.set(
                CallFlags::FD_EXCLUSIVE,
                flags.contains(FobtainFdFlags::EXCLUSIVE),
            );
            call.set(
                CallFlags::FD_CLOEXEC,
                flags.contains(FobtainFdFlags::CLOEXEC),
            );
            self.obtain_fds(scheme, cqe.tag, cqe.result as usize, FD_SIZE, call)?;
            return Ok(());
        }
        let Some(context) = self.contexts.get(caller) else {
            return fail(EBADF);
        };
        if !matches!(context.request.then, Then::SendFd) {
            return fail(EINVAL);
        }
        let Some(mut entry) = context.request.transfer.first().copied() else {
            return fail(ENOENT);
        };
        if flags.contains(FobtainFdFlags::EXCLUSIVE) && self.description(entry.desc)?.refs > 1 {
            return fail(EBUSY);
        }
        entry.cloexec = flags.contains(FobtainFdFlags::CLOEXEC);
        self.place(self.current_table, cqe.result as usize, entry)?;
        if let Some(context) = self.contexts.get_mut(caller) {
            context.request.transfer.remove(0);
        }
        Ok(())
    }
}
