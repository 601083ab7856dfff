//! Memory: mapping, unmapping, protection.

use crate::{
    context::Context,
    error::{Halt, Outcome, fail},
    kernel::{Kernel, Space},
    memory::space::Prot,
    scheme::{
        Kind,
        memory::MapRecord,
        user::{Call, MapIntent, Then},
    },
};
use cap_abi::memory::{COMMIT, COMMIT_MOST};
use core::mem::size_of;
use kernel_core::{rights, slab::Id};
use syscall::{data::Map, error::*, flag::*, schemev2::Opcode};

/// As the descriptor of a map: fresh memory.
pub const ANONYMOUS: usize = usize::MAX;
/// How many pages are unmapped without a pause.
const UNMAP_PART: usize = 4096;

impl Kernel {
    /// `SYS_FMAP`.
    pub fn sys_fmap(&mut self, fd: usize, map: usize, len: usize) -> Outcome {
        if len != size_of::<Map>() {
            return fail(EINVAL);
        }
        let map = self.read_map(map)?;
        if MapFlags::from_bits(map.flags.bits()).is_none() || map.size == 0 {
            return fail(EINVAL);
        }
        let space = self.current_space;
        if fd == ANONYMOUS {
            return self.map_anonymous(space, map.address, map.size, map.flags);
        }
        let entry = self.entry(fd, rights::map(map.flags))?;
        let limit = Prot::from_map_flags(rights::map_limit(entry.rights, map.flags));
        let kind = self.description(entry.desc)?.kind;
        let Kind::User { scheme, number } = kind else {
            return self.kernel_map(kind, space, &map, limit);
        };
        if map.flags.contains(MapFlags::MAP_SHARED) == map.flags.contains(MapFlags::MAP_PRIVATE) {
            return fail(EINVAL);
        }
        // Larger than any space; the rounding up below it cannot overflow.
        if map.size > kernel_core::paging::USER_END {
            return fail(ENOMEM);
        }
        let record = self
            .maps
            .insert(MapRecord::new(
                scheme,
                number,
                map.offset as u64,
                map.size,
                map.flags,
            ))
            .map_err(|_| Halt::Errno(ENOMEM))?;
        let args = [
            number,
            map.size as u64,
            map.flags.bits() as u64,
            map.offset as u64,
            0,
            0,
        ];
        let call = Call::plain(scheme, &entry, Opcode::MmapPrep, args);
        self.call_scheme(call.then(Then::Map(MapIntent {
            record,
            address: map.address,
            size: map.size,
            flags: map.flags,
            limit,
        })))
    }

    /// Maps what the daemon has prepared at `source` in its own space into the caller's.
    pub fn finish_map(&mut self, caller: Id<Context>, map: MapIntent, source: usize) -> Outcome {
        let target = self
            .contexts
            .get(caller)
            .and_then(|context| Some((context.space?, context.mmap_min)));
        let daemon = self
            .maps
            .get(map.record)
            .and_then(|record| self.schemes.get(record.scheme))
            .map(|scheme| scheme.space);
        let (Some((target, min)), Some(daemon)) = (target, daemon) else {
            self.release_map(map.record, usize::MAX);
            return fail(ENODEV);
        };
        self.map_from_daemon(daemon, source, target, min, &map)
            .inspect_err(|_| self.release_map(map.record, usize::MAX))
    }

    /// `SYS_FUNMAP`.
    pub fn sys_funmap(&mut self, base: usize, len: usize) -> Outcome {
        self.unmap_call(self.current_space, base, len)
    }

    /// Unmaps a range for the running context's call, in parts.
    pub fn unmap_call(&mut self, id: Id<Space>, base: usize, len: usize) -> Outcome {
        if self.unmap_part(id, base, len, UNMAP_PART)? {
            Ok(0)
        } else {
            self.go_on_later()
        }
    }

    /// `SYS_MREMAP`.
    pub fn sys_mremap(
        &mut self,
        old: usize,
        old_len: usize,
        new: usize,
        new_len: usize,
        flags: usize,
    ) -> Outcome {
        let bits = flags & MREMAP_BITS;
        let flags = MremapFlags::from_bits(bits).ok_or(Halt::Errno(EINVAL))?;
        self.remap(self.current_space, old, old_len, new, new_len, flags)
    }

    /// `SYS_MPROTECT`.
    pub fn sys_mprotect(&mut self, base: usize, len: usize, flags: usize) -> Outcome {
        let commit = flags & COMMIT != 0;
        let flags = MapFlags::from_bits(flags & !COMMIT).ok_or(Halt::Errno(EINVAL))?;
        // Each page is looked at, and most are made, without a pause.
        if commit && len > COMMIT_MOST {
            return fail(EINVAL);
        }
        let id = self.current_space;
        self.protect(id, base, len, flags)?;
        if commit {
            self.commit(id, base, len)?;
        }
        Ok(0)
    }
}

const MREMAP_BITS: usize = 0xffff;
