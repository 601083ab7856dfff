//! Descriptor tables as objects.

use super::Handle;
use crate::{
    descriptor::FileTable,
    error::{Halt, Outcome, fail},
    kernel::Kernel,
};
use cap_abi::{Rights, proc::GRANT_UNMARKED};
use core::mem::size_of;
use kernel_core::slab::Id;
use syscall::{error::*, flag::FileTableVerb};

/// Length of a word in bytes.
const WORD: usize = size_of::<usize>();

impl Kernel {
    pub(super) fn copy_table(&mut self, id: Id<FileTable>) -> Outcome<Id<FileTable>> {
        let mut entries = match self.tables.get(id) {
            Some(table) => table.entries.try_clone()?,
            None => return fail(EBADF),
        };
        // Inserting may fail, and the references must not be lost with the value.
        self.tables.reserve_one()?;
        let mut from = 0;
        while let Some((number, entry)) = entries.next_from(from) {
            if let Err(halt) = self.retain_entry(entry) {
                // From here on the copies are none.
                while let Some((number, _)) = entries.next_from(number) {
                    entries.remove(number);
                }
                self.close_entries(entries, 0);
                return Err(halt);
            }
            from = number.saturating_add(1);
        }
        self.create_table(entries)
    }

    pub(super) fn list_table(
        &mut self,
        id: Id<FileTable>,
        base: usize,
        len: usize,
        offset: u64,
    ) -> Outcome {
        let mut skip = offset as usize / WORD;
        let room = len / WORD;
        let mut done = 0_usize;
        let mut from = 0;
        while done < room {
            let Some(table) = self.tables.get(id) else {
                return fail(EBADF);
            };
            let Some((number, _)) = table.entries.next_from(from) else {
                break;
            };
            if skip > 0 {
                skip = skip.wrapping_sub(1);
            } else {
                let at = base.wrapping_add(done.saturating_mul(WORD));
                self.write_word(self.current_space, at, number)?;
                done = done.wrapping_add(1);
            }
            let Some(next) = number.checked_add(1) else {
                break;
            };
            from = next;
        }
        Ok(done.saturating_mul(WORD))
    }

    /// `SYS_CALL`: verbs on a descriptor table.
    pub fn proc_call(&mut self, handle: Handle, metadata: &[u64; 8]) -> Outcome {
        let Handle::Table(target) = handle else {
            return fail(EOPNOTSUPP);
        };
        let [verb, a, b, rights, how, ..] = metadata.map(|word| word as usize);
        let verb = u8::try_from(verb)
            .ok()
            .and_then(FileTableVerb::try_from_raw)
            .ok_or(Halt::Errno(EINVAL))?;
        match verb {
            FileTableVerb::Close => {
                let table = self.tables.get_mut(target).ok_or(Halt::Errno(EBADF))?;
                let entry = table.entries.remove(a).ok_or(Halt::Errno(EBADF))?;
                self.detach_here(entry);
                self.drop_entry(entry);
                Ok(0)
            }
            FileTableVerb::Dup2 | FileTableVerb::Move => {
                let rights = u32::try_from(rights)
                    .ok()
                    .and_then(Rights::from_bits)
                    .ok_or(Halt::Errno(EINVAL))?;
                if how & !GRANT_UNMARKED != 0 {
                    return fail(EINVAL);
                }
                let mut entry = self.entry(a, Rights::TRANSFER)?;
                if how & GRANT_UNMARKED != 0 && entry.cloexec {
                    return fail(EBADF);
                }
                entry.rights &= rights;
                entry.cloexec = false;
                self.retain_entry(entry)?;
                let number = self.replace_entry(target, b, entry)?;
                // Moved onto itself it is where it belongs.
                let same = target == self.current_table && number == a;
                if verb == FileTableVerb::Move && !same {
                    self.close_fd(a)?;
                }
                Ok(number)
            }
            FileTableVerb::Swap => {
                let table = self.tables.get_mut(target).ok_or(Halt::Errno(EBADF))?;
                if table.entries.swap(a, b) {
                    Ok(0)
                } else {
                    fail(EBADF)
                }
            }
            FileTableVerb::Reserved1 | FileTableVerb::Resize | FileTableVerb::Refresh => {
                fail(EOPNOTSUPP)
            }
        }
    }
}
