//! Requests, answered by the rules.

use alloc::{collections::BTreeMap, vec::Vec};

use cap_abi::fcntl::F_SCHEME_OBJECT;
use gen_slab::Key;
use libredox::protocol::{ProcCall, ThreadCall};
use procmgr_core::{Answer, Data, Effect, Errno, Made, Manager, Pid, State};
use redox_rt::{Error, Result, event::Queue, fd::Fd, sys};
use scheme_core::{reply, user_of};
use scheme_loop::{Answers, Handler, Parked};
use syscall::{
    error as errno,
    flag::{CallFlags, ContextVerb, EventFlags, O_NONBLOCK, SchemeSocketCall},
    schemev2::{NewFdFlags, Opcode, Sqe, SqeFlags},
};

use crate::{machine::Machine, notice};

/// A session's controlling terminal.
pub struct Terminal {
    /// Its end is the session's for the terminal, so that nobody else ever has it.
    _kept: Fd,
    /// Processes of the session have copies.
    lent: Fd,
}

/// The rules, the contexts, and the requests that wait for something to happen.
pub struct Service<'a> {
    manager: Manager<Terminal>,
    machine: Machine,
    socket: &'a Fd,
    /// By tag; with the process that waits.
    parked: BTreeMap<u32, (Parked, Option<Pid>)>,
    effects: Vec<Effect>,
}

type Step<T> = core::result::Result<T, i32>;

const fn number(error: Errno) -> i32 {
    error.0
}

const fn code(error: Error) -> i32 {
    error.errno
}

/// What is said to a request at once.
enum Said {
    Value(usize, Data),
    Opened(u64),
    Descriptor(Fd),
    Later,
}

impl<'a> Service<'a> {
    pub const fn new(
        manager: Manager<Terminal>,
        proc_root: Fd,
        queue: &'static Queue,
        socket: &'a Fd,
    ) -> Self {
        Self {
            manager,
            machine: Machine::new(proc_root, queue),
            socket,
            parked: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    fn answer(&mut self, opcode: Opcode, sqe: &Sqe, payload: &[u8]) -> Step<Said> {
        let [handle, _, len, a, b, c] = sqe.args;
        if sqe.sqe_flags.contains(SqeFlags::MULTIPLE_IDS) {
            if !matches!(opcode, Opcode::Call) {
                return Err(errno::EOPNOTSUPP);
            }
            // The second object's number is the last word.
            let answer = self.manager.call_two([handle, c], a).map_err(number)?;
            return self.said(answer, handle, sqe);
        }
        match opcode {
            Opcode::Dup => self.dup(handle, payload, user_of(sqe).0),
            Opcode::OpenAt => {
                let opened = self.manager.open_named(handle, payload, user_of(sqe).0);
                opened.map(Said::Opened).map_err(number)
            }
            Opcode::Call if handle == notice::HANDLE => {
                match a {
                    notice::ANY => {
                        let mut seen = None;
                        while let Some(thread) = self.machine.thread_behind(seen) {
                            self.noticed(thread);
                            seen = Some(thread);
                        }
                    }
                    thread => self.noticed(Key::from_raw(thread)),
                }
                Ok(Said::Value(0, Data::None))
            }
            Opcode::Call => self.call(handle, [a, b, c], payload, sqe),
            Opcode::Read => {
                let wait = b as usize & O_NONBLOCK == 0;
                let answer = self.manager.read(handle, len as usize, wait, sqe.tag);
                self.said(answer.map_err(number)?, handle, sqe)
            }
            Opcode::Fevent => {
                let [_, asked, ..] = sqe.args;
                let asked = EventFlags::from_bits_truncate(asked as usize);
                let ready = self.manager.fevent(handle, asked).map_err(number)?;
                Ok(Said::Value(ready.0.bits(), Data::None))
            }
            Opcode::Sendfd => {
                let pid = self.manager.controlled(handle).map_err(number)?;
                if a != 2 {
                    return Err(errno::EINVAL);
                }
                let sent = self.receive(sqe.tag)?;
                // A process that holds itself would never be unused.
                if sent.iter().any(|fd| self.is_own(fd)) {
                    return Err(errno::EINVAL);
                }
                let [kept, lent] = sent;
                let terminal = Terminal { _kept: kept, lent };
                self.manager.set_terminal(pid, terminal).map_err(number)?;
                Ok(Said::Value(1, Data::None))
            }
            Opcode::Close | Opcode::Fcntl | Opcode::Fsync => Ok(Said::Value(0, Data::None)),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn receive(&self, tag: u32) -> Step<[Fd; 2]> {
        let mut fds = [0; 2];
        let metadata = [SchemeSocketCall::ObtainFd as u64, u64::from(tag)];
        sys::receive_fds(self.socket.raw(), &mut fds, CallFlags::FD_UPPER, &metadata)
            .map_err(code)?;
        Ok(fds.map(Fd::from_raw))
    }

    /// Whether a descriptor is of one of the objects that are served here.
    fn is_own(&self, fd: &Fd) -> bool {
        // SAFETY: this command takes the number of a descriptor and no pointer.
        unsafe { sys::fcntl(self.socket.raw(), F_SCHEME_OBJECT, fd.raw()) }.is_ok()
    }

    fn dup(&mut self, handle: u64, name: &[u8], user: u32) -> Step<Said> {
        match self.manager.dup(handle, name, user).map_err(number)? {
            Made::Handle(handle) => Ok(Said::Opened(handle)),
            Made::NewThread { handle, thread } => {
                let made = match self.manager.attributes(thread) {
                    Some(attributes) => self.machine.create(thread, &attributes).map_err(code),
                    None => Err(errno::ESRCH),
                };
                if let Err(error) = made {
                    self.manager
                        .close(handle, &mut self.machine, &mut self.effects);
                    return Err(error);
                }
                Ok(Said::Opened(handle))
            }
            Made::Context(thread) => {
                let context = self.machine.lend(thread).ok_or(errno::ESRCH)?;
                context.map(Said::Descriptor).map_err(code)
            }
            Made::Terminal(pid) => {
                let terminal = self.manager.terminal(pid).map_err(number)?;
                terminal.lent.dup(b"").map(Said::Descriptor).map_err(code)
            }
        }
    }

    fn call(&mut self, handle: u64, metadata: [u64; 3], payload: &[u8], sqe: &Sqe) -> Step<Said> {
        if payload.len() > Self::LONGEST_INPUT {
            return Err(errno::EINVAL);
        }
        let [verb, a, b] = metadata;
        let controlled = self.manager.controlled(handle);
        if let Ok(pid) = controlled {
            if verb == ProcCall::SyncSigPctl as u64 {
                let first = self.manager.thread(pid, 0).map_err(number)?;
                return self
                    .machine
                    .share_process(pid, first, a as usize, b as usize)
                    .map(|()| Said::Value(0, Data::None))
                    .map_err(code);
            }
            if verb == ProcCall::DisableSetpgid as u64 {
                self.machine.executed(pid);
            }
        } else if verb == ThreadCall::SyncSigTctl as u64
            && let Ok(Made::Context(thread)) = self.manager.dup(handle, b"context", 0)
        {
            return self
                .machine
                .share_thread(thread, a as usize)
                .map(|()| Said::Value(0, Data::None))
                .map_err(code);
        }
        let answer = self.manager.call(
            handle,
            metadata,
            payload,
            sqe.tag,
            &mut self.machine,
            &mut self.effects,
        );
        self.said(answer.map_err(number)?, handle, sqe)
    }

    fn said(&mut self, answer: Answer, handle: u64, sqe: &Sqe) -> Step<Said> {
        let pid = match answer {
            Answer::Now(value, data) => return Ok(Said::Value(value, data)),
            // Nobody reads the answer; it frees what the kernel keeps of the request.
            Answer::Never => return Ok(Said::Value(0, Data::None)),
            Answer::Later => self.manager.controlled(handle).ok(),
        };
        // SAFETY: requests with an answer `Later` are answered through what is kept here.
        let parked = unsafe { Parked::new(sqe) };
        self.parked.insert(sqe.tag, (parked, pid));
        Ok(Said::Later)
    }

    /// A context may have ended.
    fn noticed(&mut self, thread: Key) {
        let Some(pid) = self.manager.attributes(thread).map(|process| process.pid) else {
            // The rules have forgotten it before.
            self.machine.take_death(thread);
            return;
        };
        if let Some((death, used)) = self.machine.take_death(thread) {
            self.manager
                .context_died(thread, death, used, &mut self.machine, &mut self.effects);
            if matches!(self.manager.state(pid), None | Some(State::Zombie(_))) {
                self.machine.forget(pid);
            }
        }
    }

    fn carry_out(&mut self, out: &mut Answers<'_>) -> Result<()> {
        // What is done here causes no further effects.
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Stop(thread) => self.machine.tell(thread, ContextVerb::Stop),
                Effect::Resume(thread) => self.machine.tell(thread, ContextVerb::Unstop),
                Effect::Interrupt(thread) => self.machine.tell(thread, ContextVerb::Interrupt),
                Effect::Kill(thread, word) => self.machine.kill(thread, word),
                Effect::Forget(pid) => self.machine.forget(pid),
                Effect::SetAttributes(thread) => {
                    if let Some(attributes) = self.manager.attributes(thread) {
                        self.machine.set_attributes(thread, &attributes);
                    }
                }
                Effect::Reply(tag, result, data) => {
                    if let Some((parked, _)) = self.parked.remove(&tag) {
                        with_bytes(&data, |bytes| {
                            parked.answer(result.map_err(number), bytes, out)
                        })?;
                    }
                }
                Effect::Ready(handle) => out.push(reply::event(handle, EventFlags::EVENT_READ))?,
            }
        }
        Ok(())
    }
}

impl Handler for Service<'_> {
    const LONGEST_INPUT: usize = 4096;

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        let [handle, ..] = sqe.args;
        let opcode = Opcode::try_from_raw(sqe.opcode);
        match opcode {
            Some(Opcode::CloseMsg) => {
                self.manager
                    .close(handle, &mut self.machine, &mut self.effects);
            }
            Some(Opcode::Cancel) => {
                let pid = self.parked.get(&sqe.tag).map(|(_, pid)| pid.unwrap_or(0));
                if let Some(pid) = pid {
                    self.manager.cancel(pid, sqe.tag, &mut self.effects);
                }
            }
            _ => {}
        }
        if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return self.carry_out(out);
        }
        let said = match opcode {
            Some(opcode) => self.answer(opcode, sqe, payload),
            None => Err(errno::ENOSYS),
        };
        // First what is done, then what is said: who is told of an end finds it has happened.
        self.carry_out(out)?;
        match said {
            Ok(Said::Later) => Ok(()),
            Ok(Said::Opened(handle)) => {
                out.push(reply::opened(sqe.tag, handle, NewFdFlags::empty()))
            }
            Ok(Said::Descriptor(fd)) => out.push_with(reply::descriptor(sqe.tag, fd.raw()), fd),
            Ok(Said::Value(value, data)) => {
                with_bytes(&data, |bytes| {
                    for (place, byte) in payload.iter_mut().zip(bytes) {
                        *place = *byte;
                    }
                });
                out.push(reply::value(sqe.tag, Ok(value)))
            }
            Err(error) => out.push(reply::value(sqe.tag, Err(error))),
        }
    }
}

/// Shows what an answer carries in the form that callers read.
fn with_bytes<R>(data: &Data, show: impl FnOnce(&[u8]) -> R) -> R {
    match data {
        Data::None => show(&[]),
        Data::Counts(counts) => show(sys::bytes_of(counts)),
        Data::Waited(word, used) => show(sys::bytes_of(&[*word as usize, *used as usize])),
        Data::Times([own, children]) => show(sys::bytes_of(&[*own as usize, *children as usize])),
        Data::Status(word) => show(&(*word as usize).to_ne_bytes()),
        Data::Limits(limits) => {
            let words = [limits.soft as usize, limits.hard as usize];
            show(sys::bytes_of(&words))
        }
        Data::Meta(meta) => {
            // SAFETY: the structure is `repr(C)` and made of eleven `u32`, so that it has no padding.
            show(unsafe { bytes_of(meta) })
        }
        Data::Signal(info) => {
            let mut bytes = [0; size_of::<libredox::protocol::RtSigInfo>()];
            let fields = [
                info.arg.to_ne_bytes(),
                pair(info.code as u32, info.uid),
                pair(info.pid, 0),
            ];
            for (place, field) in bytes.chunks_mut(8).zip(fields) {
                for (place, byte) in place.iter_mut().zip(field) {
                    *place = byte;
                }
            }
            show(&bytes)
        }
    }
}

fn pair(low: u32, high: u32) -> [u8; 8] {
    (u64::from(low) | u64::from(high) << 32).to_ne_bytes()
}

/// # Safety
/// `T` must have no padding.
unsafe fn bytes_of<T>(value: &T) -> &[u8] {
    // SAFETY: the caller's contract.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(value).cast(), size_of::<T>()) }
}
