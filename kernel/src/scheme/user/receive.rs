//! Descriptors that a scheme has handed over, on their last step into the caller's table.

use super::{RecvIntent, Then};
use crate::{
    context::Context,
    descriptor::{Entry, FileTable},
    error::{Outcome, fail},
    kernel::{Kernel, Space},
};
use alloc::vec::Vec;
use cap_abi::Rights;
use kernel_core::slab::Id;
use syscall::error::*;

impl Kernel {
    /// Gives a caller the descriptors that it receives, or one of an object of the daemon's own.
    pub(super) fn finish_receive(&mut self, caller: Id<Context>, recv: RecvIntent) -> Outcome {
        let Some(context) = self.contexts.get_mut(caller) else {
            return fail(ESRCH);
        };
        let mut entries = core::mem::take(&mut context.request.transfer);
        let (table, space) = (context.table, context.space);
        if entries.is_empty() {
            // An object of the daemon's own.
            if entries.try_reserve(1).is_err() {
                self.disown(Then::RecvFd(recv), true);
                return fail(ENOMEM);
            }
            entries.push(Entry {
                desc: recv.description,
                rights: Rights::FULL,
                lease: None,
                cloexec: false,
            });
        } else {
            self.descriptions.remove(recv.description);
        }
        let outcome = match (table, space) {
            (Some(table), Some(space)) => self.place_received(table, space, &recv, entries),
            _ => {
                for entry in entries {
                    self.drop_entry(entry);
                }
                fail(ESRCH)
            }
        };
        if let Some(lease) = recv.lease {
            self.leases.release(lease);
        }
        outcome
    }

    /// Puts all of the entries into a table, or none, and their numbers into the caller's array.
    fn place_received(
        &mut self,
        table: Id<FileTable>,
        space: Id<Space>,
        recv: &RecvIntent,
        entries: Vec<Entry>,
    ) -> Outcome {
        let count = entries.len();
        let mut numbers = Vec::new();
        if numbers.try_reserve_exact(count).is_err() {
            for entry in entries {
                self.drop_entry(entry);
            }
            return fail(ENOMEM);
        }
        let mut outcome = Ok(count);
        let mut entries = entries.into_iter();
        for (index, entry) in entries.by_ref().enumerate() {
            let address = recv.buffer.wrapping_add(index.wrapping_mul(8));
            let placed = (|| {
                if let Some(lease) = recv.lease {
                    self.leases.retain(lease);
                }
                let mut entry = self.attenuate(entry, recv.rights, recv.lease)?;
                entry.cloexec = recv.cloexec;
                let number = if recv.manual {
                    match self.read_word(space, address) {
                        Ok(number) => number,
                        Err(halt) => {
                            self.drop_entry(entry);
                            return Err(halt);
                        }
                    }
                } else if recv.upper {
                    cap_abi::FD_ANY_UPPER
                } else {
                    cap_abi::FD_ANY
                };
                let number = self
                    .place(table, number, entry)
                    .inspect_err(|_| self.drop_entry(entry))?;
                numbers.push(number);
                self.write_word(space, address, number)
            })();
            if let Err(halt) = placed {
                outcome = Err(halt);
                break;
            }
        }
        for entry in entries {
            self.drop_entry(entry);
        }
        if outcome.is_err() {
            // Nobody would know of a descriptor whose number is not told.
            for number in numbers {
                self.withdraw(table, number);
            }
        }
        outcome
    }

    /// Takes an entry that was just placed out of a table again.
    fn withdraw(&mut self, table: Id<FileTable>, number: usize) {
        let entry = self
            .tables
            .get_mut(table)
            .and_then(|table| table.entries.remove(number));
        if let Some(entry) = entry {
            self.drop_entry(entry);
        }
    }

    /// The caller of a call under way is gone: what was on its way with the call goes too, since it may be all
    /// that keeps the scheme which would answer.
    pub fn abandon_transfer(&mut self, caller: Id<Context>) {
        let Some(context) = self.contexts.get_mut(caller) else {
            return;
        };
        if context.request.transfer.is_empty() {
            return;
        }
        let then = context.request.then;
        if matches!(then, Then::RecvFd(_)) {
            // An answer that comes yet is none that makes an object.
            context.request.then = Then::Value;
            self.give_up(then);
        }
        self.drop_transfer(caller);
    }

    /// Drops the descriptors that were on their way with a call.
    pub fn drop_transfer(&mut self, caller: Id<Context>) {
        let Some(context) = self.contexts.get_mut(caller) else {
            return;
        };
        if context.request.transfer.is_empty() {
            return;
        }
        for entry in core::mem::take(&mut context.request.transfer) {
            self.drop_entry(entry);
        }
    }
}
