//! Contexts: what of them can be read and written.

use super::{Aspect, Handle};
use crate::{
    context::{Context, SignalState, Status},
    descriptor::Entry,
    error::{Halt, Outcome, fail},
    kernel::{Kernel, Space},
    memory::{Frame, PAGE_SIZE, space::Lend},
    scheme::Kind,
};
use cap_abi::{Rights, proc::TIME_LEN};
use core::mem::size_of;
use kernel_core::{machine::Machine, runqueue::Priority, slab::Id};
use syscall::{
    EnvRegisters, FloatRegisters, IntRegisters,
    data::{CtxtStsBuf, ProcSchemeAttrs, SetSighandlerData},
    error::*,
    flag::*,
};

/// Exit status of a context that ended itself is reported like an exception of this kind.
const NO_EXCEPTION: usize = 0;
/// Length of a word in bytes.
const WORD: usize = size_of::<usize>();
/// Words of a change of address space: descriptor, stack pointer, instruction pointer.
const SWITCH: usize = 3 * WORD;

impl Kernel {
    /// A descriptor's handle of a context, counted.
    pub fn context_handle(&mut self, id: Id<Context>, aspect: Aspect) -> Outcome<Handle> {
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        context.handles = context.handles.checked_add(1).ok_or(Halt::Errno(EMFILE))?;
        Ok(Handle::Context(id, aspect))
    }

    pub(super) fn open_aspect(&mut self, id: Id<Context>, key: &[u8]) -> Outcome<Handle> {
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

    /// `read` of an aspect of a context.
    pub(super) fn read_aspect(
        &mut self,
        id: Id<Context>,
        aspect: Aspect,
        base: usize,
        len: usize,
    ) -> Outcome {
        let space = self.current_space;
        match aspect {
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
                const STATUS: usize = size_of::<CtxtStsBuf>();
                if len == STATUS.wrapping_add(TIME_LEN) {
                    let time = self.cpu_time(id)?;
                    self.write_word(space, base.wrapping_add(STATUS), time as usize)?;
                } else {
                    exact(len, STATUS)?;
                }
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
        }
    }

    /// `write` to an aspect of a context.
    pub(super) fn write_aspect(
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
                exact(len, SWITCH)?;
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
        let (Some(_), Some(table)) = (context.space, context.table) else {
            return fail(EINVAL);
        };
        context.status = Status::Ready;
        self.use_table(table);
        self.enqueue_ready(id);
        Ok(())
    }

    /// A verb on a context's status.
    fn control(&mut self, id: Id<Context>, base: usize, len: usize) -> Outcome {
        let words = len / WORD;
        if !len.is_multiple_of(WORD) || words == 0 || words > 2 {
            return fail(EINVAL);
        }
        let verb = self.read_word(self.current_space, base)?;
        let verb = ContextVerb::try_from_raw(verb).ok_or(Halt::Errno(EINVAL))?;
        let status = if words == 2 {
            self.read_word(self.current_space, base.wrapping_add(WORD))?
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
                let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
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

    fn set_signals(&mut self, id: Id<Context>, words: [usize; 4]) -> Outcome<()> {
        let [user_handler, excp_handler, thread_addr, proc_addr] = words;
        let space_id = self
            .contexts
            .get(id)
            .and_then(|context| context.space)
            .ok_or(Halt::Errno(ESRCH))?;
        if !thread_addr.is_multiple_of(16)
            || !proc_addr.is_multiple_of(PAGE_SIZE)
            || thread_addr % PAGE_SIZE > PAGE_SIZE.saturating_sub(size_of::<syscall::Sigcontrol>())
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
            thread_offset: thread_addr % PAGE_SIZE,
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
    fn pin(&mut self, id: Id<Space>, address: usize) -> Outcome<Frame> {
        let page = address & !(PAGE_SIZE - 1);
        let space = self.spaces.get_mut(id).ok_or(Halt::Errno(EFAULT))?;
        let loan = space
            .memory
            .lend(&mut self.memory, page, PAGE_SIZE, Lend::Shared)?;
        let physical = space.memory.reach(&mut self.memory, page, true);
        let frame = physical.ok().and_then(Frame::containing);
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
        // Whose program runs in a space may write to it.
        let entry = self.entry(fd, Rights::WRITE)?;
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
            self.load_new_program();
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
        // Whoever has a table for its own can do all that calls on it do, and more.
        let entry = self.entry(fd, Rights::CALL)?;
        let Kind::Proc(Handle::Table(table)) = self.description(entry.desc)?.kind else {
            return fail(EINVAL);
        };
        let context = self.contexts.get_mut(id).ok_or(Halt::Errno(ESRCH))?;
        if context.status == Status::Dead {
            return fail(ESRCH);
        }
        let started = context.status != Status::New;
        self.retain_table(table);
        if started {
            self.use_table(table);
        }
        let Some(context) = self.contexts.get_mut(id) else {
            return fail(ESRCH);
        };
        let pid = context.attrs.pid;
        let old = context.table.replace(table);
        if self.current == Some(id) {
            self.current_table = table;
        }
        if let Some(old) = old {
            self.leave_table(old, started, pid);
        }
        Ok(())
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
