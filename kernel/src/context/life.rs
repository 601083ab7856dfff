//! How contexts begin and end.

use super::{Context, Status, Wait, WaitPlace};
use crate::{
    arch::{self, UserState},
    descriptor::FileTable,
    error::{Halt, Outcome, fail, mux},
    kernel::{Kernel, Space, WaitKey},
    memory::space::AddrSpace,
    scheme::user::{Request, Stage},
};
use cap_abi::Rights;
use kernel_core::{
    list::Link,
    machine::Machine,
    meter::Meter,
    ring::Trial,
    runqueue::{DEFAULT_PRIORITY, RunState},
    slab::Id,
    table::Table,
    wire,
};
use syscall::{Exception, data::ProcSchemeAttrs, error::*};

/// Where maps without a fixed address begin unless a context says otherwise.
pub const MMAP_MIN: usize = 0x1_0000;

impl Kernel {
    /// A new context that is not started, with an empty descriptor table and no address space.
    pub fn create_context(&mut self) -> Outcome<Id<Context>> {
        let table = self.create_table(Table::new())?;
        let state = UserState::new(0, 0).ok_or(Halt::Errno(ENOMEM));
        let made = state.and_then(|state| {
            self.contexts
                .insert_with(|id| Context {
                    state,
                    run: RunState::new(DEFAULT_PRIORITY),
                    meter: Meter::new(),
                    status: Status::New,
                    stopped: false,
                    wait: Wait::None,
                    repeats: None,
                    interrupted: false,
                    space: None,
                    root: 0,
                    table: Some(table),
                    request: Request::idle(wire::first_sequence(id.generation())),
                    signal: None,
                    attrs: ProcSchemeAttrs {
                        prio: DEFAULT_PRIORITY.number(),
                        ..Default::default()
                    },
                    exception: Exception::default(),
                    killed: false,
                    handles: 0,
                    affinity: u128::MAX,
                    mmap_min: MMAP_MIN,
                    timer: None,
                    queue: Link::new(),
                    waiting_in: None,
                    pinned: None,
                    next_message: None,
                    trial: Trial::new(),
                })
                .map_err(|_| Halt::Errno(ENOMEM))
        });
        made.inspect_err(|_| self.release_table(table))
    }

    /// A descriptor table with one reference.
    pub fn create_table(
        &mut self,
        entries: Table<crate::descriptor::Description>,
    ) -> Outcome<Id<FileTable>> {
        self.tables
            .insert(FileTable {
                entries,
                refs: 1,
                users: 0,
                trial: Trial::new(),
            })
            .map_err(|_| Halt::Errno(ENOMEM))
    }

    /// An address space with one reference.
    pub fn create_space(&mut self, memory: AddrSpace) -> Outcome<Id<Space>> {
        // Inserting may fail, and the pages must not be lost with the value.
        if self.spaces.reserve_one().is_err() {
            self.destroy_space(memory);
            return Err(Halt::Errno(ENOMEM));
        }
        self.spaces
            .insert(Space {
                memory,
                refs: 1,
                label: alloc::vec::Vec::new(),
            })
            .map_err(|_| Halt::Errno(ENOMEM))
    }

    /// Physical address of a space's root table.
    pub fn root_of(&self, id: Id<Space>) -> u64 {
        self.spaces
            .get(id)
            .map_or(0, |space| space.memory.root().address())
    }

    /// Takes a reference to a space.
    pub fn retain_space(&mut self, id: Id<Space>) {
        if let Some(space) = self.spaces.get_mut(id) {
            space.refs = space.refs.saturating_add(1);
        }
    }

    /// Gives up a reference to a space; the last one unmaps everything.
    pub fn release_space(&mut self, id: Id<Space>) {
        let Some(space) = self.spaces.get_mut(id) else {
            return;
        };
        space.refs = space.refs.saturating_sub(1);
        if space.refs > 0 {
            return;
        }
        if crate::arch::loaded_root() == space.memory.root().address() {
            // The CPU idles in a space that nobody runs in any more.
            crate::arch::release(None);
        }
        if let Some(space) = self.spaces.remove(id) {
            self.destroy_space(space.memory);
        }
    }

    /// Ends a context. What it held is given up at once; its record stays while a handle or an
    /// unanswered request refers to it.
    pub fn kill(&mut self, id: Id<Context>) {
        let Some(context) = self.contexts.get(id) else {
            return;
        };
        if context.status == Status::Dead {
            return;
        }
        self.leave_wait(id);
        self.cancel_timer(id);
        self.forget_copy(id);
        let under_way = match self.contexts.get(id).map(|context| context.request.stage) {
            Some(Stage::Pending) => {
                self.cancel_request(id);
                false
            }
            Some(Stage::UnderWay) => true,
            _ => false,
        };
        // Answering may have made it ready.
        self.leave_wait(id);
        if self.current == Some(id) {
            // Its page table is about to go, and nobody reads its registers again.
            crate::arch::release(None);
            let now = arch::ticks();
            if let Some(context) = self.this() {
                context.meter.stop(now);
            }
            self.idle.start(now);
            self.current = None;
            self.attention = true;
        }
        if self.handoff == Some(id) {
            self.handoff = None;
        }
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        let started = context.status != Status::New;
        let pid = context.attrs.pid;
        context.status = Status::Dead;
        context.wait = Wait::None;
        context.repeats = None;
        let (space, table, signal) = (
            context.space.take(),
            context.table.take(),
            context.signal.take(),
        );
        if under_way {
            context.request.abandoned = true;
            self.cancel_request(id);
        }
        if let Some(signal) = signal {
            self.memory.release(signal.thread_frame);
            self.memory.release(signal.proc_frame);
        }
        if let Some(table) = table {
            self.leave_table(table, started, pid);
        }
        if let Some(space) = space {
            self.release_space(space);
        }
        if under_way {
            self.abandon_transfer(id);
        }
        self.context_changed(id);
        self.reap(id);
    }

    /// Removes a dead context that nothing refers to any more.
    pub fn reap(&mut self, id: Id<Context>) {
        if let Some(context) = self.contexts.get(id)
            && (context.status == Status::Dead
                || context.status == Status::New && context.handles == 0)
            && context.handles == 0
            && context.request.stage == Stage::Idle
            && let Some(mut context) = self.contexts.remove(id)
        {
            if let Some(table) = context.table.take() {
                self.leave_table(table, false, context.attrs.pid);
            }
            if let Some(space) = context.space.take() {
                self.release_space(space);
            }
            if let Some(signal) = context.signal.take() {
                self.memory.release(signal.thread_frame);
                self.memory.release(signal.proc_frame);
            }
        }
    }

    /// Takes a context out of whatever queue it is in.
    pub fn leave_wait(&mut self, id: Id<Context>) {
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        if context.run.is_queued() {
            self.run.remove(&mut self.contexts, id);
            return;
        }
        match context.waiting_in.take() {
            None => {}
            Some(WaitPlace::Socket(scheme)) => {
                if let Some(scheme) = self.schemes.get_mut(scheme) {
                    scheme.readers.remove(&mut self.contexts, id);
                }
            }
            Some(WaitPlace::Object(key)) => {
                let pinned = context.pinned.take();
                self.waiters.bucket(key).remove(&mut self.contexts, id);
                if let Some(frame) = pinned {
                    self.memory.release(frame);
                }
            }
        }
    }

    /// Ends a context's wait with a result.
    pub fn wake_with(&mut self, id: Id<Context>, result: Result<usize, i32>) {
        self.leave_wait(id);
        self.cancel_timer(id);
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        context.state.frame.set_result(mux(result));
        context.wait = Wait::None;
        context.repeats = None;
        context.status = Status::Ready;
        self.enqueue_ready(id);
    }

    /// Makes the running context wait for `key` and then make its call again.
    pub fn wait_for<T>(&mut self, key: WaitKey) -> Outcome<T> {
        let Some(id) = self.current else {
            return Err(Halt::Errno(ESRCH));
        };
        if let Some(context) = self.contexts.get_mut(id) {
            context.status = Status::Blocked;
            context.wait = Wait::Retry;
            context.waiting_in = Some(WaitPlace::Object(key));
        }
        self.attention = true;
        self.waiters.bucket(key).push_back(&mut self.contexts, id);
        Err(Halt::Retry)
    }

    /// Lets every context that waits for `key` make its call again.
    pub fn wake_waiters(&mut self, key: WaitKey) {
        let mut at = self.waiters.bucket(key).front();
        while let Some(id) = at {
            let Some(context) = self.contexts.get(id) else {
                return;
            };
            at = context.queue.next();
            if context.waiting_in == Some(WaitPlace::Object(key)) && context.wait == Wait::Retry {
                self.leave_wait(id);
                if let Some(context) = self.contexts.get_mut(id) {
                    context.wait = Wait::None;
                    context.repeats = Some(key);
                    context.status = Status::Ready;
                }
                self.enqueue_ready(id);
            }
        }
    }

    /// Looks whether the running context can make the call again that it waited with for a change of `key`: another
    /// thread may have closed what it waited at, and given the number to something else.
    ///
    /// # Errors
    /// `EBADF` when the number is not that of something whose `key` it is.
    pub fn check_repeated(&mut self, key: WaitKey) -> Outcome<()> {
        let Some(context) = self.this() else {
            return fail(ESRCH);
        };
        let [fd, ..] = context.state.frame.args();
        let entry = self.entry(fd, Rights::empty())?;
        if WaitKey::of(self.description(entry.desc)?.kind) == Some(key) {
            Ok(())
        } else {
            fail(EBADF)
        }
    }

    /// Interrupts a wait that a signal may interrupt: the call ends with `EINTR`, or, when a scheme
    /// has it, is cancelled and ends when the scheme says so.
    pub fn interrupt(&mut self, id: Id<Context>) {
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        context.interrupted = true;
        if self.current == Some(id) {
            self.attention = true;
        }
        if context.status != Status::Blocked {
            // One that was to repeat its call may have been woken for the signal's sake.
            return;
        }
        match context.wait {
            Wait::None => {}
            Wait::Request => self.cancel_request(id),
            Wait::Sleep { until, remaining } => {
                let (space, left) = (context.space, until.saturating_sub(self.now()));
                if remaining != 0
                    && let Some(space) = space
                {
                    let time = syscall::data::TimeSpec::from_nanos(left.into());
                    let _ = self.write_timespec(space, remaining, &time);
                }
                self.wake_with(id, Err(EINTR));
            }
            Wait::Socket(_) | Wait::Retry | Wait::Futex => self.wake_with(id, Err(EINTR)),
        }
    }
}
