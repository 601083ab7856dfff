//! Changing what a space has mapped, and telling schemes when mappings of theirs end.

use crate::{
    context::Context,
    error::{Outcome, fail},
    kernel::{Kernel, Space, WaitKey},
    memory::{
        Memory,
        space::{
            AddrSpace, Copying, Lend, Loan, Mapped, OnRelease, Progress, Prot, Request, Terms,
        },
    },
    scheme::{
        memory::MapRecord,
        user::{MapIntent, Node},
    },
};
use kernel_core::slab::{Id, Slab};
use syscall::{error::*, flag::*};

/// Records of which the last page went away in one operation, chained through themselves, so that
/// unmapping never needs memory.
#[derive(Default)]
pub struct Ended {
    head: Option<Id<MapRecord>>,
}

impl Ended {
    /// Takes note that pages of a record were unmapped.
    pub fn note(&mut self, records: &mut Slab<MapRecord>, mapped: Mapped) {
        let found = records.by_index(mapped.record).map(|(id, _)| id);
        if let Some(id) = found
            && let Some(record) = records.get_mut(id)
            && record.release(mapped.size)
        {
            record.ended_next = self.head.replace(id);
        }
    }
}

/// How many pages are copied without a pause.
const COPY_PART: usize = 4096;

/// Notes that pages of a record are mapped once more.
fn retain(records: &mut Slab<MapRecord>, mapped: Mapped) {
    if let Some((_, record)) = records.by_index_mut(mapped.record) {
        record.retain(mapped.size);
    }
}

impl Kernel {
    /// Maps fresh memory.
    pub fn map_anonymous(
        &mut self,
        id: Id<Space>,
        address: usize,
        size: usize,
        flags: MapFlags,
    ) -> Outcome {
        let min = self
            .this()
            .map_or(crate::context::life::MMAP_MIN, |context| context.mmap_min);
        let request = Request {
            address,
            size,
            flags,
            min,
        };
        self.change(id, |space, memory, released| {
            Ok(space.map_anon(memory, &request, released)?)
        })
    }

    /// Changes a space by `f` and tells schemes what that unmapped of theirs.
    pub fn change<T>(
        &mut self,
        id: Id<Space>,
        f: impl FnOnce(&mut AddrSpace, &mut Memory, OnRelease<'_>) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut ended = Ended::default();
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        let maps = &mut self.maps;
        let outcome = f(&mut space.memory, &mut self.memory, &mut |mapped| {
            ended.note(maps, mapped)
        });
        self.report_ended(ended);
        outcome
    }

    /// Tells schemes of mappings that ended.
    pub fn report_ended(&mut self, ended: Ended) {
        let mut next = ended.head;
        while let Some(id) = next {
            next = self
                .maps
                .get_mut(id)
                .and_then(|record| record.ended_next.take());
            self.end_map(id);
        }
    }

    fn end_map(&mut self, id: Id<MapRecord>) {
        let Some(scheme) = self.maps.get(id).map(|record| record.scheme) else {
            return;
        };
        if !self.post(scheme, Node::Note(id)) {
            self.maps.remove(id);
        }
    }

    /// Gives up `size` bytes of a mapping of a user scheme; with the last, the scheme is told.
    pub fn release_map(&mut self, id: Id<MapRecord>, size: usize) {
        if self
            .maps
            .get_mut(id)
            .is_some_and(|record| record.release(size))
        {
            self.end_map(id);
        }
    }

    /// Maps what a daemon prepared at `source` of its space; no lower than `min` if the place is free to choose.
    pub fn map_from_daemon(
        &mut self,
        daemon: Id<Space>,
        source: usize,
        target: Id<Space>,
        min: usize,
        map: &MapIntent,
    ) -> Outcome {
        let shared = map.flags.contains(MapFlags::MAP_SHARED);
        let way = if shared { Lend::Shared } else { Lend::Snapshot };
        let Some(space) = self.spaces.get_mut(daemon) else {
            return fail(ENODEV);
        };
        let loan = space.memory.lend(&mut self.memory, source, map.size, way)?;
        let max = if shared && !map.flags.contains(MapFlags::PROT_WRITE) {
            Prot::READ.union(Prot::EXEC)
        } else {
            Prot::ALL
        };
        let terms = Terms {
            record: Some(map.record.index()),
            offset: 0,
            max: max.intersection(map.limit),
        };
        let request = Request {
            address: map.address,
            size: map.size,
            flags: map.flags,
            min,
        };
        self.map_loan_in(target, &request, loan, &terms)
    }

    /// Maps a loan, or releases it.
    pub fn map_loan_in(
        &mut self,
        target: Id<Space>,
        request: &Request,
        loan: Loan,
        terms: &Terms,
    ) -> Outcome {
        if self.spaces.get(target).is_none() {
            loan.release(&mut self.memory);
            return fail(EFAULT);
        }
        self.change(target, |space, memory, released| {
            Ok(space.map_loan(memory, request, loan, terms, released)?)
        })
    }

    /// Unmaps a range.
    pub fn unmap(&mut self, id: Id<Space>, base: usize, size: usize) -> Outcome<()> {
        self.change(id, |space, memory, released| {
            Ok(space.unmap(memory, base, size, released)?)
        })
    }

    /// Unmaps a range from its beginning, at most so many pages of it that hold something. `false`: there
    /// is more.
    pub fn unmap_part(
        &mut self,
        id: Id<Space>,
        base: usize,
        size: usize,
        pages: usize,
    ) -> Outcome<bool> {
        self.change(id, |space, memory, released| {
            Ok(space.unmap_part(memory, base, size, pages, released)?)
        })
    }

    /// Moves or resizes a mapping.
    pub fn remap(
        &mut self,
        id: Id<Space>,
        old: usize,
        old_len: usize,
        new: usize,
        new_len: usize,
        flags: MremapFlags,
    ) -> Outcome {
        let min = self
            .this()
            .map_or(crate::context::life::MMAP_MIN, |context| context.mmap_min);
        let request = Request {
            address: new,
            size: new_len,
            flags: MapFlags::empty(),
            min,
        };
        self.change(id, |space, memory, released| {
            Ok(space.remap(memory, (old, old_len), &request, flags, None, released)?)
        })
    }

    /// Changes protection.
    pub fn protect(
        &mut self,
        id: Id<Space>,
        base: usize,
        size: usize,
        flags: MapFlags,
    ) -> Outcome<()> {
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        Ok(space.memory.protect(&mut self.memory, base, size, flags)?)
    }

    /// Makes pages that can be written to memory of a space's own, out of what is not kept for the superuser's programs.
    pub fn commit(&mut self, id: Id<Space>, base: usize, size: usize) -> Outcome<()> {
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        let memory = &mut self.memory;
        let done = crate::memory::for_somebody_else(|| space.memory.commit(memory, base, size));
        Ok(done?)
    }

    /// A copy-on-write copy of a space.
    pub fn clone_space(&mut self, id: Id<Space>) -> Outcome<Id<Space>> {
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        let maps = &mut self.maps;
        let copy = space
            .memory
            .clone_cow(&mut self.memory, &mut |mapped| retain(maps, mapped))?;
        self.create_copy(id, copy)
    }

    /// An address space of `memory`, which was copied from that of the space `of`.
    fn create_copy(&mut self, of: Id<Space>, memory: AddrSpace) -> Outcome<Id<Space>> {
        let copy = self.create_space(memory)?;
        let Some((source, target)) = self.spaces.get2_mut(of, copy) else {
            return Ok(copy);
        };
        if target.label.try_reserve_exact(source.label.len()).is_err() {
            self.release_space(copy);
            return fail(ENOMEM);
        }
        target.label.extend_from_slice(&source.label);
        Ok(copy)
    }

    /// As [`Kernel::clone_space`], for the call of the context `caller`. The running context's call is done
    /// in parts.
    pub fn clone_space_call(&mut self, caller: Id<Context>, id: Id<Space>) -> Outcome<Id<Space>> {
        if self.current != Some(caller) {
            return self.clone_space(id);
        }
        let begun = self.take_copy(caller, Some(id));
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        let mut copying = match begun {
            Some(copying) => copying,
            None => space.memory.begin_copy(&mut self.memory)?,
        };
        match space
            .memory
            .copy_part(&mut self.memory, &mut copying, COPY_PART)
        {
            Ok(Progress::Done) => {
                let maps = &mut self.maps;
                let copy = copying.finish(&mut |mapped| retain(maps, mapped));
                self.create_copy(id, copy)
            }
            Ok(progress) => {
                let kept = progress == Progress::More && self.copies.try_reserve(1).is_ok();
                if kept {
                    self.copies.push((caller, id, copying));
                } else {
                    self.give_up_copy(copying);
                }
                if progress == Progress::More && !kept {
                    return fail(ENOMEM);
                }
                self.go_on_later()
            }
            Err(error) => {
                self.give_up_copy(copying);
                Err(error.into())
            }
        }
    }

    /// Takes the copy out that a context has begun; one of another space than `of` is given up.
    fn take_copy(&mut self, caller: Id<Context>, of: Option<Id<Space>>) -> Option<Copying> {
        let at = self.copies.iter().position(|(by, ..)| *by == caller)?;
        let (_, source, copying) = self.copies.swap_remove(at);
        if of == Some(source) {
            return Some(copying);
        }
        self.give_up_copy(copying);
        None
    }

    fn give_up_copy(&mut self, copying: Copying) {
        self.memory.clear_away(copying.give_up());
        self.chores.due = true;
    }

    /// Gives up the copy that a context has begun, if there is one.
    pub fn forget_copy(&mut self, caller: Id<Context>) {
        if !self.copies.is_empty() {
            self.take_copy(caller, None);
        }
    }

    /// Unmaps everything of a space that nothing refers to any more. Its pages are given back part by part.
    pub fn destroy_space(&mut self, space: AddrSpace) {
        let mut ended = Ended::default();
        let maps = &mut self.maps;
        let remains = space.end(&mut |mapped| ended.note(maps, mapped));
        self.memory.clear_away(remains);
        self.chores.due = true;
        self.report_ended(ended);
    }

    /// What a futex word is known by: its place in memory where that is shared, otherwise its address.
    pub fn futex_key(&mut self, id: Id<Space>, address: usize) -> Outcome<WaitKey> {
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        let shared = space
            .memory
            .region_at(address)
            .is_some_and(|(_, region)| region.shared);
        if !shared {
            return Ok(WaitKey::PrivateFutex(id.raw(), address));
        }
        Ok(WaitKey::Futex(
            space
                .memory
                .reach(&mut self.memory, address, false)
                .map_err(|_| crate::error::Halt::Errno(EFAULT))?,
        ))
    }
}
