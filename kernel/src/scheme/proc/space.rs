//! Address spaces: their mappings and contents.

use crate::{
    error::{Halt, Outcome, fail},
    kernel::{Kernel, Space},
    memory::space::{Lend, Prot, Request, Terms},
    scheme::Kind,
};
use cap_abi::proc::{ADDRSPACE_OP_LABEL, LABEL_MAX};
use core::mem::size_of;
use kernel_core::{rights, slab::Id};
use syscall::{
    data::{GrantDesc, Map},
    error::*,
    flag::*,
};

/// Largest single copy to or from a foreign space in one call.
const MAX_COPY: usize = 1 << 20;
/// Length of a word in bytes.
const WORD: usize = size_of::<usize>();
/// Length of a description of a mapping in bytes.
const GRANT: usize = size_of::<GrantDesc>();

impl Kernel {
    /// An operation on an address space: words, the first of which says what.
    pub(super) fn space_operation(&mut self, id: Id<Space>, base: usize, len: usize) -> Outcome {
        let count = len / WORD;
        let mut words = [0; 6];
        let Some(filled) = words.get_mut(..count) else {
            return fail(EINVAL);
        };
        if !len.is_multiple_of(WORD) || count == 0 {
            return fail(EINVAL);
        }
        self.read_words(self.current_space, base, filled)?;
        let [operation, a, b, c, d, e] = words.map(|word| word as usize);
        match (operation, count) {
            (ADDRSPACE_OP_MMAP, 6) => {
                let flags = MapFlags::from_bits(e).ok_or(Halt::Errno(EINVAL))?;
                let map = Map {
                    offset: b,
                    size: d,
                    flags,
                    address: c,
                };
                if a == crate::syscall::map::ANONYMOUS {
                    return self.map_anonymous(id, map.address, map.size, flags);
                }
                let entry = self.entry(a, rights::map(flags))?;
                let limit = Prot::from_map_flags(rights::map_limit(entry.rights, flags));
                match self.description(entry.desc)?.kind {
                    Kind::User { .. } => fail(EOPNOTSUPP),
                    kind => self.kernel_map(kind, id, &map, limit),
                }
            }
            (ADDRSPACE_OP_MUNMAP, 3) => self.unmap_call(id, a, b),
            (ADDRSPACE_OP_MPROTECT, 4) => {
                let flags = MapFlags::from_bits(c).ok_or(Halt::Errno(EINVAL))?;
                self.protect(id, a, b, flags)?;
                Ok(0)
            }
            (ADDRSPACE_OP_TRANSFER, 5) => {
                let flags = MapFlags::from_bits(d).ok_or(Halt::Errno(EINVAL))?;
                self.move_pages(self.current_space, a, b, id, c, flags)
            }
            (ADDRSPACE_OP_LABEL, 3) => self.set_label(id, a, b),
            _ => fail(EINVAL),
        }
    }

    /// Takes what the program in a space is called from the running context's memory.
    fn set_label(&mut self, id: Id<Space>, address: usize, len: usize) -> Outcome {
        if len > LABEL_MAX {
            return fail(ENAMETOOLONG);
        }
        let mut label = alloc::vec::Vec::new();
        if label.try_reserve_exact(len).is_err() {
            return fail(ENOMEM);
        }
        label.resize(len, 0);
        self.read_bytes(self.current_space, address, &mut label)?;
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EBADF);
        };
        space.label = label;
        Ok(0)
    }

    fn move_pages(
        &mut self,
        from: Id<Space>,
        base: usize,
        size: usize,
        to: Id<Space>,
        address: usize,
        flags: MapFlags,
    ) -> Outcome {
        let request = Request {
            address,
            size,
            flags,
            min: crate::context::life::MMAP_MIN,
        };
        let memory = &mut self.memory;
        let Some((source, target)) = self.spaces.get2_mut(from, to) else {
            return fail(EINVAL);
        };
        let maps = &mut self.maps;
        let mut ended = crate::access::map::Ended::default();
        let moved = target.memory.take_from(
            memory,
            &mut source.memory,
            base,
            size,
            &request,
            &mut |mapped| ended.note(maps, mapped),
        );
        self.report_ended(ended);
        Ok(moved?)
    }

    /// Maps pages of another space: `SYS_FMAP` on an address-space descriptor, the offset being the
    /// address there; with never more than `limit`.
    pub fn proc_map(
        &mut self,
        source: Id<Space>,
        target: Id<Space>,
        map: &Map,
        limit: Prot,
    ) -> Outcome {
        let way = if map.flags.contains(MapFlags::MAP_SHARED) {
            Lend::Shared
        } else {
            Lend::Snapshot
        };
        let Some(space) = self.spaces.get_mut(source) else {
            return fail(EBADF);
        };
        let loan = space
            .memory
            .lend(&mut self.memory, map.offset, map.size, way)?;
        let request = Request {
            address: map.address,
            size: map.size,
            flags: map.flags,
            min: crate::context::life::MMAP_MIN,
        };
        let terms = Terms {
            record: None,
            offset: 0,
            max: limit,
        };
        self.map_loan_in(target, &request, loan, &terms)
    }

    /// Copies between the running context's memory and another space.
    pub(super) fn copy_foreign(
        &mut self,
        foreign: Id<Space>,
        address: usize,
        base: usize,
        len: usize,
        write: bool,
    ) -> Outcome {
        use crate::memory::user::UserSlice;
        let len = len.min(MAX_COPY);
        let here = UserSlice::new(base, len)?;
        let there = UserSlice::new(address, len)?;
        let memory = &mut self.memory;
        let own = self.current_space;
        let copied = if own == foreign {
            let Some(space) = self.spaces.get_mut(own) else {
                return fail(EFAULT);
            };
            let (from, to) = if write { (here, there) } else { (there, here) };
            space.memory.copy_within(memory, from, to)?
        } else {
            let Some((mine, other)) = self.spaces.get2_mut(own, foreign) else {
                return fail(EBADF);
            };
            if write {
                mine.memory
                    .copy_to(memory, here, &mut other.memory, there)?
            } else {
                other
                    .memory
                    .copy_to(memory, there, &mut mine.memory, here)?
            }
        };
        Ok(copied)
    }

    pub(super) fn list_grants(
        &mut self,
        id: Id<Space>,
        base: usize,
        len: usize,
        offset: u64,
    ) -> Outcome {
        /// How many are looked up together: to find the first takes a step for each that is before it.
        const TOGETHER: usize = 64;
        let skip = offset as usize / GRANT;
        let room = len / GRANT;
        let mut count = 0_usize;
        while count < room {
            let Some(space) = self.spaces.get(id) else {
                return fail(EBADF);
            };
            let mut some = [const { None }; TOGETHER];
            let left = space.memory.grants().skip(skip.saturating_add(count));
            for (place, grant) in some.iter_mut().zip(left.take(room.saturating_sub(count))) {
                *place = Some(grant);
            }
            let before = count;
            for grant in some.iter().flatten() {
                let at = base.wrapping_add(count.saturating_mul(GRANT));
                self.write_bytes(self.current_space, at, grant)?;
                count = count.wrapping_add(1);
            }
            if count == before {
                break;
            }
        }
        Ok(count.saturating_mul(GRANT))
    }
}
