//! The `proc` scheme: contexts, address spaces and descriptor tables as descriptors. `cap_abi::proc` is
//! its description.

use super::{
    Kind,
    ops::{At, Opened},
};
use crate::{
    context::{Context, SignalState, Status},
    descriptor::{Entry, FileTable},
    error::{Halt, Outcome, fail},
    kernel::{Kernel, Space},
    memory::space::{AddrSpace, Lend, Prot, Request, Terms},
};
use cap_abi::Rights;
use core::mem::size_of;
use kernel_core::{machine::Machine, runqueue::Priority, slab::Id};
use syscall::{
    EnvRegisters, FloatRegisters, IntRegisters,
    data::{CtxtStsBuf, GrantDesc, Map, ProcSchemeAttrs, SetSighandlerData},
    error::*,
    flag::*,
};

/// An object of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// The root.
    Root,
    /// A context, by one of its aspects.
    Context(Id<Context>, Aspect),
    /// An address space.
    Space(Id<Space>),
    /// A descriptor table.
    Table(Id<FileTable>),
}

/// What of a context a descriptor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The context itself.
    Whole,
    /// General registers.
    Int,
    /// Floating-point registers.
    Float,
    /// Segment bases.
    Env,
    /// Signal handling.
    Signals,
    /// Identity, priority, name.
    Attrs,
    /// Status and control.
    Status,
    /// Starting.
    Start,
    /// Which address space it runs in.
    CurrentSpace,
    /// Which descriptor table it uses.
    CurrentTable,
    /// CPUs it may run on.
    Affinity,
    /// Lowest address of maps.
    MmapMin,
}

impl Handle {
    /// What the watch table sorts it by.
    pub const fn watch_key(self) -> u64 {
        match self {
            Self::Context(id, _) => id.raw(),
            _ => 0,
        }
    }
}

/// With more handles of itself than this in its own table, a context is not recognised as out of reach.
const OWN_HANDLES: usize = 8;
/// Largest single copy to or from a foreign space in one call.
const MAX_COPY: usize = 1 << 20;
/// Exit status of a context that ended itself is reported like an exception of this kind.
const NO_EXCEPTION: usize = 0;

impl Kernel {
    /// `openat` on an object of the scheme.
    pub fn proc_open(
        &mut self,
        caller: Id<Context>,
        handle: Handle,
        key: &[u8],
    ) -> Outcome<Opened> {
        let kind = match (handle, key) {
            (Handle::Root, b"new-context") => {
                let id = self.create_context()?;
                self.context_handle(id, Aspect::Whole)?
            }
            (Handle::Root, b"cur-context") => self.context_handle(caller, Aspect::Whole)?,
            (Handle::Root, b"new-addrspace") | (Handle::Space(_), b"empty") => {
                let space = AddrSpace::new(&mut self.memory)?;
                Handle::Space(self.create_space(space)?)
            }
            (Handle::Context(id, Aspect::Whole), key) => self.open_aspect(id, key)?,
            (Handle::Space(id), b"exclusive") => Handle::Space(self.clone_space(id)?),
            (Handle::Table(_), b"empty") => {
                Handle::Table(self.create_table(kernel_core::table::Table::new())?)
            }
            (Handle::Table(id), b"copy") => Handle::Table(self.copy_table(id)?),
            (Handle::Root | Handle::Space(_) | Handle::Table(_), _) => return fail(ENOENT),
            (Handle::Context(..), _) => return fail(ENOTDIR),
        };
        let positioned = matches!(kind, Handle::Space(_) | Handle::Table(_));
        Ok(Opened {
            kind: Kind::Proc(kind),
            positioned,
        })
    }

    /// A descriptor's handle of a context, counted.
    pub fn context_handle(&mut self, id: Id<Context>, aspect: Aspect) -> Outcome<Handle> {
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        context.handles = context.handles.checked_add(1).ok_or(Halt::Errno(EMFILE))?;
        Ok(Handle::Context(id, aspect))
    }

    fn open_aspect(&mut self, id: Id<Context>, key: &[u8]) -> Outcome<Handle> {
        let aspect = match key {
            b"regs/int" => Aspect::Int,
            b"regs/float" => Aspect::Float,
            b"regs/env" => Aspect::Env,
            b"sighandler" => Aspect::Signals,
            b"attrs" => Aspect::Attrs,
            b"status" => Aspect::Status,
            b"start" => Aspect::Start,
            b"current-addrspace" => Aspect::CurrentSpace,
            b"current-filetable" => Aspect::CurrentTable,
            b"sched-affinity" => Aspect::Affinity,
            b"mmap-min-addr" => Aspect::MmapMin,
            b"addrspace" => {
                let space = self.contexts.get(id).and_then(|context| context.space);
                let space = space.ok_or(Halt::Errno(ENOENT))?;
                self.retain_space(space);
                return Ok(Handle::Space(space));
            }
            b"filetable" => {
                let table = self.contexts.get(id).and_then(|context| context.table);
                let table = table.ok_or(Halt::Errno(ENOENT))?;
                self.retain_table(table);
                return Ok(Handle::Table(table));
            }
            _ => return fail(ENOENT),
        };
        self.context_handle(id, aspect)
    }

    fn copy_table(&mut self, id: Id<FileTable>) -> Outcome<Id<FileTable>> {
        let entries = match self.tables.get(id) {
            Some(table) => table.entries.try_clone()?,
            None => return fail(EBADF),
        };
        let copy = self.create_table(kernel_core::table::Table::new())?;
        // Entries count references one by one, so that a failure in the middle can be undone by
        // releasing the copy as it is.
        for (number, entry) in entries.iter() {
            let placed = match self.retain_entry(entry) {
                Ok(()) => self
                    .place(copy, number, entry)
                    .map(drop)
                    .inspect_err(|_| self.drop_entry(entry)),
                Err(halt) => Err(halt),
            };
            if let Err(halt) = placed {
                self.release_table(copy);
                return Err(halt);
            }
        }
        Ok(copy)
    }

    fn stopped(&mut self, id: Id<Context>) -> Outcome<&mut Context> {
        let running = self.current == Some(id);
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        if running || context.status == Status::Ready && !context.stopped {
            return fail(EBUSY);
        }
        if context.status == Status::Dead {
            return fail(ESRCH);
        }
        Ok(context)
    }

    /// `read`.
    pub fn proc_read(&mut self, handle: Handle, base: usize, len: usize, at: At) -> Outcome {
        let space = self.current_space;
        match handle {
            Handle::Root => fail(EISDIR),
            Handle::Space(id) => {
                if at.explicit {
                    self.copy_foreign(id, at.offset as usize, base, len, false)
                } else {
                    self.list_grants(id, base, len, at.offset)
                }
            }
            Handle::Table(id) => self.list_table(id, base, len, at.offset),
            Handle::Context(id, aspect) => match aspect {
                Aspect::Int => {
                    exact(len, size_of::<IntRegisters>())?;
                    let registers = self.stopped(id)?.state.frame.registers();
                    self.write_bytes(space, base, &registers)?;
                    Ok(len)
                }
                Aspect::Float => {
                    exact(len, size_of::<FloatRegisters>())?;
                    let registers = self.stopped(id)?.state.fpu.registers();
                    self.write_bytes(space, base, &registers)?;
                    Ok(len)
                }
                Aspect::Env => {
                    exact(len, size_of::<EnvRegisters>())?;
                    if self.current == Some(id)
                        && let Some(context) = self.this()
                    {
                        context.state.save();
                    }
                    let context = self.contexts.get(id).ok_or(Halt::Errno(ESRCH))?;
                    let registers = context.state.env();
                    self.write_bytes(space, base, &registers)?;
                    Ok(len)
                }
                Aspect::Attrs => {
                    exact(len, size_of::<ProcSchemeAttrs>())?;
                    let attrs = self.contexts.get(id).ok_or(Halt::Errno(ESRCH))?.attrs;
                    self.write_bytes(space, base, &attrs)?;
                    Ok(len)
                }
                Aspect::Status => {
                    exact(len, size_of::<CtxtStsBuf>())?;
                    let context = self.contexts.get(id).ok_or(Halt::Errno(ESRCH))?;
                    let status = CtxtStsBuf {
                        status: status_of(context) as usize,
                        excp: context.exception,
                    };
                    self.write_bytes(space, base, &status)?;
                    Ok(len)
                }
                Aspect::Affinity => {
                    exact(len, size_of::<u128>())?;
                    let mask = self.contexts.get(id).ok_or(Halt::Errno(ESRCH))?.affinity;
                    self.write_bytes(space, base, &mask.to_le_bytes())?;
                    Ok(len)
                }
                Aspect::MmapMin => {
                    exact(len, size_of::<usize>())?;
                    let min = self.contexts.get(id).ok_or(Halt::Errno(ESRCH))?.mmap_min;
                    self.write_word(space, base, min)?;
                    Ok(len)
                }
                Aspect::Whole
                | Aspect::Signals
                | Aspect::Start
                | Aspect::CurrentSpace
                | Aspect::CurrentTable => fail(EBADF),
            },
        }
    }

    /// `write`.
    pub fn proc_write(
        &mut self,
        entry: Entry,
        handle: Handle,
        base: usize,
        len: usize,
        at: At,
    ) -> Outcome {
        match handle {
            Handle::Root | Handle::Table(_) => fail(EBADF),
            Handle::Space(id) if at.explicit => {
                self.copy_foreign(id, at.offset as usize, base, len, true)
            }
            Handle::Space(id) => self.space_operation(id, base, len),
            Handle::Context(id, aspect) => self.write_aspect(entry, id, aspect, base, len),
        }
    }

    fn write_aspect(
        &mut self,
        entry: Entry,
        id: Id<Context>,
        aspect: Aspect,
        base: usize,
        len: usize,
    ) -> Outcome {
        let space = self.current_space;
        match aspect {
            Aspect::Int => {
                exact(len, size_of::<IntRegisters>())?;
                let mut registers = IntRegisters::default();
                self.read_bytes(space, base, &mut registers)?;
                self.stopped(id)?.state.frame.set_registers(&registers);
            }
            Aspect::Float => {
                exact(len, size_of::<FloatRegisters>())?;
                let mut registers = FloatRegisters::default();
                self.read_bytes(space, base, &mut registers)?;
                self.stopped(id)?.state.fpu.set_registers(&registers);
            }
            Aspect::Env => {
                exact(len, size_of::<EnvRegisters>())?;
                let mut registers = EnvRegisters::default();
                self.read_bytes(space, base, &mut registers)?;
                if self.current == Some(id) {
                    let context = self.this().ok_or(Halt::Errno(ESRCH))?;
                    context.state.save();
                    if !context.state.set_env(&registers) {
                        return fail(EINVAL);
                    }
                    context.state.load();
                } else if !self.stopped(id)?.state.set_env(&registers) {
                    return fail(EINVAL);
                }
            }
            Aspect::Signals => {
                exact(len, size_of::<SetSighandlerData>())?;
                let mut words = [0; 4];
                self.read_words(space, base, &mut words)?;
                self.set_signals(id, words.map(|word| word as usize))?;
            }
            Aspect::Attrs => {
                exact(len, size_of::<ProcSchemeAttrs>())?;
                self.require(&entry, Rights::ATTR)?;
                let mut attrs = ProcSchemeAttrs::default();
                self.read_bytes(space, base, &mut attrs)?;
                let priority = Priority::new(attrs.prio).ok_or(Halt::Errno(EINVAL))?;
                let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
                context.attrs = attrs;
                self.run.set_priority(&mut self.contexts, id, priority);
            }
            Aspect::Status => return self.control(id, base, len),
            Aspect::Start => self.start(id)?,
            Aspect::CurrentSpace => {
                exact(len, 3 * size_of::<usize>())?;
                let mut words = [0; 3];
                self.read_words(space, base, &mut words)?;
                let [fd, sp, ip] = words.map(|word| word as usize);
                return self.switch_space(id, fd, sp, ip, len);
            }
            Aspect::CurrentTable => {
                exact(len, size_of::<usize>())?;
                let fd = self.read_word(space, base)?;
                self.switch_table(id, fd)?;
            }
            Aspect::Affinity => {
                exact(len, size_of::<u128>())?;
                let mut bytes = [0; 16];
                self.read_bytes(space, base, &mut bytes)?;
                let mask = u128::from_le_bytes(bytes);
                if mask & 1 == 0 {
                    // The boot CPU is the only one that is there.
                    return fail(EINVAL);
                }
                self.contexts
                    .get_mut(id)
                    .ok_or(Halt::Errno(ESRCH))?
                    .affinity = mask;
            }
            Aspect::MmapMin => {
                exact(len, size_of::<usize>())?;
                let min = self.read_word(space, base)?;
                if min >= kernel_core::paging::USER_END {
                    return fail(EINVAL);
                }
                self.contexts
                    .get_mut(id)
                    .ok_or(Halt::Errno(ESRCH))?
                    .mmap_min = min;
            }
            Aspect::Whole => return fail(EBADF),
        }
        Ok(len)
    }

    fn start(&mut self, id: Id<Context>) -> Outcome<()> {
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        if context.status != Status::New {
            return fail(EBUSY);
        }
        if context.space.is_none() || context.table.is_none() {
            return fail(EINVAL);
        }
        context.status = Status::Ready;
        self.enqueue_ready(id);
        Ok(())
    }

    /// A verb on a context's status.
    fn control(&mut self, id: Id<Context>, base: usize, len: usize) -> Outcome {
        let words = len / size_of::<usize>();
        if len % size_of::<usize>() != 0 || words == 0 || words > 2 {
            return fail(EINVAL);
        }
        let verb = self.read_word(self.current_space, base)?;
        let verb = ContextVerb::try_from_raw(verb).ok_or(Halt::Errno(EINVAL))?;
        let status = if words == 2 {
            self.read_word(self.current_space, base.wrapping_add(size_of::<usize>()))?
        } else {
            0
        };
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        if context.status == Status::Dead {
            return fail(ESRCH);
        }
        match verb {
            ContextVerb::Stop => {
                context.stopped = true;
                if self.current == Some(id) {
                    self.attention = true;
                } else {
                    self.run.remove(&mut self.contexts, id);
                }
                self.context_changed(id);
            }
            ContextVerb::Unstop => {
                context.stopped = false;
                self.enqueue_ready(id);
            }
            ContextVerb::Interrupt => self.interrupt(id),
            ContextVerb::ForceKill => {
                context.killed = true;
                context.exception.kind = NO_EXCEPTION;
                context.exception.code = status;
                self.kill(id);
                if self.current.is_none() {
                    return Err(Halt::Blocked);
                }
            }
        }
        Ok(len)
    }

    /// A context's status has changed in a way that its controller wants to know.
    pub fn context_changed(&mut self, id: Id<Context>) {
        self.notify_kind(
            Kind::Proc(Handle::Context(id, Aspect::Status)),
            EventFlags::EVENT_READ,
        );
    }

    /// Whether a context is dead or stopped.
    pub fn proc_readiness(&self, handle: Handle) -> EventFlags {
        match handle {
            Handle::Context(id, Aspect::Status) => match self.contexts.get(id) {
                Some(context) if context.status != Status::Dead && !context.stopped => {
                    EventFlags::empty()
                }
                _ => EventFlags::EVENT_READ,
            },
            _ => EventFlags::empty(),
        }
    }

    fn set_signals(&mut self, id: Id<Context>, words: [usize; 4]) -> Outcome<()> {
        let [user_handler, excp_handler, thread_addr, proc_addr] = words;
        let space_id = self
            .contexts
            .get(id)
            .and_then(|context| context.space)
            .ok_or(Halt::Errno(ESRCH))?;
        if thread_addr % 16 != 0
            || proc_addr % crate::memory::PAGE_SIZE != 0
            || thread_addr % crate::memory::PAGE_SIZE
                > crate::memory::PAGE_SIZE.saturating_sub(size_of::<syscall::Sigcontrol>())
        {
            return fail(EINVAL);
        }
        let thread_frame = self.pin(space_id, thread_addr)?;
        let proc_frame = match self.pin(space_id, proc_addr) {
            Ok(frame) => frame,
            Err(halt) => {
                self.memory.release(thread_frame);
                return Err(halt);
            }
        };
        let state = SignalState {
            user_handler,
            excp_handler,
            thread_frame,
            thread_offset: thread_addr % crate::memory::PAGE_SIZE,
            proc_frame,
            thread_addr,
            proc_addr,
        };
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        if let Some(old) = context.signal.replace(state) {
            self.memory.release(old.thread_frame);
            self.memory.release(old.proc_frame);
        }
        Ok(())
    }

    /// Shares the page at an address with the kernel, so that it stays that very page, whatever
    /// becomes of the mapping.
    fn pin(&mut self, id: Id<Space>, address: usize) -> Outcome<crate::memory::Frame> {
        let page = address & !(crate::memory::PAGE_SIZE - 1);
        let space = self.spaces.get_mut(id).ok_or(Halt::Errno(EFAULT))?;
        let loan = space.memory.lend(
            &mut self.memory,
            page,
            crate::memory::PAGE_SIZE,
            Lend::Shared,
        )?;
        let physical = space.memory.reach(&mut self.memory, page, true);
        let frame = physical.ok().and_then(crate::memory::Frame::containing);
        let retained = frame.filter(|frame| self.memory.retain(*frame));
        loan.release(&mut self.memory);
        retained.ok_or(Halt::Errno(EFAULT))
    }

    fn switch_space(
        &mut self,
        id: Id<Context>,
        fd: usize,
        sp: usize,
        ip: usize,
        len: usize,
    ) -> Outcome {
        let entry = self.entry(fd, Rights::empty())?;
        let Kind::Proc(Handle::Space(space)) = self.description(entry.desc)?.kind else {
            return fail(EINVAL);
        };
        let own = self.current == Some(id);
        if !own {
            self.stopped(id)?;
        }
        self.retain_space(space);
        let root = self.root_of(space);
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        let old = context.space.replace(space);
        context.root = root;
        context.state.frame.set_ip(ip);
        context.state.frame.set_sp(sp);
        let signal = context.signal.take();
        if own {
            self.current_space = space;
            self.load_current();
        }
        if let Some(signal) = signal {
            self.memory.release(signal.thread_frame);
            self.memory.release(signal.proc_frame);
        }
        if let Some(old) = old {
            self.release_space(old);
        }
        Ok(len)
    }

    fn switch_table(&mut self, id: Id<Context>, fd: usize) -> Outcome<()> {
        let entry = self.entry(fd, Rights::empty())?;
        let Kind::Proc(Handle::Table(table)) = self.description(entry.desc)?.kind else {
            return fail(EINVAL);
        };
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        if context.status == Status::Dead {
            return fail(ESRCH);
        }
        self.use_table(table);
        let Some(context) = self.contexts.get_mut(id) else {
            return fail(ESRCH);
        };
        let old = context.table.replace(table);
        if self.current == Some(id) {
            self.current_table = table;
        }
        if let Some(old) = old {
            self.leave_table(old);
        }
        Ok(())
    }

    /// An operation on an address space: words, the first of which says what.
    fn space_operation(&mut self, id: Id<Space>, base: usize, len: usize) -> Outcome {
        let count = len / size_of::<usize>();
        let mut words = [0; 6];
        let Some(filled) = words.get_mut(..count) else {
            return fail(EINVAL);
        };
        if len % size_of::<usize>() != 0 || count == 0 {
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
                let entry = self.entry(a, kernel_core::rights::map(flags))?;
                match self.description(entry.desc)?.kind {
                    Kind::User { .. } => fail(EOPNOTSUPP),
                    kind => self.kernel_map(kind, id, &map),
                }
            }
            (ADDRSPACE_OP_MUNMAP, 3) => {
                self.unmap(id, a, b)?;
                Ok(0)
            }
            (ADDRSPACE_OP_MPROTECT, 4) => {
                let flags = MapFlags::from_bits(c).ok_or(Halt::Errno(EINVAL))?;
                self.protect(id, a, b, flags)?;
                Ok(0)
            }
            (ADDRSPACE_OP_TRANSFER, 5) => {
                let flags = MapFlags::from_bits(d).ok_or(Halt::Errno(EINVAL))?;
                self.move_pages(self.current_space, a, b, id, c, flags)
            }
            _ => fail(EINVAL),
        }
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
    /// address there.
    pub fn proc_map(&mut self, source: Id<Space>, target: Id<Space>, map: &Map) -> Outcome {
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
            max: Prot::ALL,
        };
        self.map_loan_in(target, &request, loan, &terms)
    }

    /// Copies between the running context's memory and another space.
    fn copy_foreign(
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

    fn list_grants(&mut self, id: Id<Space>, base: usize, len: usize, offset: u64) -> Outcome {
        let size = size_of::<GrantDesc>();
        let skip = offset as usize / size;
        let mut count = 0_usize;
        loop {
            if count.saturating_add(1).saturating_mul(size) > len {
                break;
            }
            let Some(space) = self.spaces.get(id) else {
                return fail(EBADF);
            };
            let Some(grant) = space.memory.grants().nth(skip.saturating_add(count)) else {
                break;
            };
            let at = base.wrapping_add(count.saturating_mul(size));
            self.write_bytes(self.current_space, at, &grant)?;
            count = count.wrapping_add(1);
        }
        Ok(count.saturating_mul(size))
    }

    fn list_table(&mut self, id: Id<FileTable>, base: usize, len: usize, offset: u64) -> Outcome {
        let size = size_of::<usize>();
        let mut skip = offset as usize / size;
        let room = len / size;
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
                let at = base.wrapping_add(done.saturating_mul(size));
                self.write_word(self.current_space, at, number)?;
                done = done.wrapping_add(1);
            }
            let Some(next) = number.checked_add(1) else {
                break;
            };
            from = next;
        }
        Ok(done.saturating_mul(size))
    }

    /// `SYS_CALL`: verbs on a descriptor table.
    pub fn proc_call(&mut self, handle: Handle, metadata: &[u64; 8]) -> Outcome {
        let Handle::Table(target) = handle else {
            return fail(EOPNOTSUPP);
        };
        let [verb, a, b, rights, ..] = metadata.map(|word| word as usize);
        let verb = u8::try_from(verb)
            .ok()
            .and_then(FileTableVerb::try_from_raw)
            .ok_or(Halt::Errno(EINVAL))?;
        match verb {
            FileTableVerb::Close => {
                let table = self.tables.get_mut(target).ok_or(Halt::Errno(EBADF))?;
                let entry = table.entries.remove(a).ok_or(Halt::Errno(EBADF))?;
                self.detach(entry);
                self.drop_entry(entry);
                Ok(0)
            }
            FileTableVerb::Dup2 | FileTableVerb::Move => {
                let rights = u32::try_from(rights)
                    .ok()
                    .and_then(Rights::from_bits)
                    .ok_or(Halt::Errno(EINVAL))?;
                let mut entry = self.entry(a, Rights::TRANSFER)?;
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

    /// Ends a context that was never started and can be reached only through its own table, so that
    /// nobody can start it any more: who was making it has ended. To be asked when a reference to a
    /// handle of it is gone.
    pub fn end_if_out_of_reach(&mut self, id: Id<Context>) {
        if self.is_out_of_reach(id) {
            self.kill(id);
        }
    }

    fn is_out_of_reach(&self, id: Id<Context>) -> bool {
        let Some(context) = self.contexts.get(id) else {
            return false;
        };
        if context.status != Status::New || context.handles == 0 {
            return false;
        }
        let table = context.table.and_then(|table| self.tables.get(table));
        let Some(table) = table.filter(|table| table.refs == 1) else {
            return false;
        };
        // Handles that are in the table, and how many references to each are not.
        let mut handles = [None; OWN_HANDLES];
        for (_, entry) in table.entries.iter() {
            let Some(description) = self.descriptions.get(entry.desc) else {
                continue;
            };
            if !matches!(description.kind, Kind::Proc(Handle::Context(of, _)) if of == id) {
                continue;
            }
            let known = handles
                .iter_mut()
                .find(|slot| slot.is_none_or(|(handle, _)| handle == entry.desc));
            let Some(slot) = known else { return false };
            let (_, outside) = slot.get_or_insert((entry.desc, description.refs));
            *outside = outside.saturating_sub(1);
        }
        let inside = handles
            .iter()
            .flatten()
            .filter(|(_, outside)| *outside == 0)
            .count();
        inside == context.handles as usize
    }

    /// The last descriptor of an object is gone.
    pub fn proc_close(&mut self, handle: Handle) {
        match handle {
            Handle::Root => {}
            Handle::Space(id) => self.release_space(id),
            Handle::Table(id) => self.release_table(id),
            Handle::Context(id, _) => {
                if let Some(context) = self.contexts.get_mut(id) {
                    context.handles = context.handles.saturating_sub(1);
                    self.end_if_out_of_reach(id);
                    self.reap(id);
                }
            }
        }
    }
}

const fn status_of(context: &Context) -> ContextStatus {
    match context.status {
        Status::Dead if context.killed => ContextStatus::ForceKilled,
        Status::Dead => ContextStatus::UnhandledExcp,
        _ if context.stopped => ContextStatus::Stopped,
        Status::New => ContextStatus::NotYetStarted,
        Status::Ready => ContextStatus::Runnable,
        Status::Blocked => ContextStatus::Blocked,
    }
}

/// Fails unless the caller passes the structure, whole.
fn exact(len: usize, size: usize) -> Outcome<()> {
    if len == size { Ok(()) } else { fail(EINVAL) }
}
