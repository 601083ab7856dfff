//! Which context runs.
//!
//! The run queue has priorities and slices (`kernel_core::runqueue`). A message that is handed to a
//! waiting context runs that one next, in the sender's slice: a call costs no trip through the queue,
//! and a chain of calls uses up the time of the one who began it.

use super::{Context, SocketRead, Status, Wait, WaitPlace};
use crate::{
    arch,
    descriptor::FileTable,
    error::{Halt, Outcome, mux},
    kernel::{Kernel, Space, WaitKey},
    memory,
    scheme::user::Scheme,
};
use kernel_core::{slab::Id, timer};
use syscall::error::*;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Ending a context's wait.
    Wake(Id<Context>),
    /// Announcing readiness of a clock's description.
    Clock(Id<crate::descriptor::Description>),
    /// A one-time event.
    Event(kernel_core::event::RegistrationId),
}

/// The deadlines.
pub type Timers = timer::Timers<Alarm>;

/// Names a deadline that is set.
pub type TimerId = timer::TimerId<Alarm>;

/// Who uses up whose time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slice {
    /// The context that was picked from the run queue.
    picked: Option<Id<Context>>,
    /// When, in nanoseconds of the monotonic clock.
    since: u64,
    /// When its time is over.
    end: u64,
    /// It is over, or somebody more urgent is ready.
    pub over: bool,
    /// What the timer is set to.
    armed: Option<u64>,
    /// A scheme with one-way messages for threads that wait.
    noted: Option<Id<Scheme>>,
}

/// What a context that has been given the CPU works with.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// The address space.
    pub space: Id<Space>,
    /// The descriptor table.
    pub table: Id<FileTable>,
    /// Its effective user.
    pub euid: u32,
}

impl Context {
    /// Gives the CPU, which this context has, to `next`, if that can go on with nothing to be looked at
    /// first; otherwise nothing happens.
    #[inline(always)]
    pub fn give_over(&mut self, next: &mut Self) -> Option<Loaded> {
        if next.status != Status::Ready {
            return None;
        }
        let loaded = next.could_go_on()?;
        self.give_over_at_once(next);
        Some(loaded)
    }

    /// What it works with, if it can go on with nothing to be looked at first, once it does not wait any more.
    #[inline(always)]
    pub fn could_go_on(&self) -> Option<Loaded> {
        let (space, table) = (self.space?, self.table?);
        let free = !(self.stopped | self.repeats.is_some() | self.interrupted);
        let euid = self.attrs.euid;
        free.then_some(Loaded { space, table, euid })
    }

    /// Gives the CPU, which this context has, to `next`, which [`Context::could_go_on`].
    #[inline(always)]
    pub fn give_over_at_once(&mut self, next: &mut Self) {
        self.state.save();
        let now = arch::ticks();
        self.meter.stop(now);
        next.meter.start(now);
        let root = next.root;
        crate::entry::load(next, root);
    }

    /// It has waited, in no queue any more, and goes on with this result.
    #[inline(always)]
    pub fn goes_on_with(&mut self, result: usize) {
        self.wait = Wait::None;
        self.status = Status::Ready;
        self.state.frame.set_result(result);
    }

    /// Makes it wait for messages.
    #[inline]
    pub fn await_messages(&mut self, read: SocketRead) {
        self.status = Status::Blocked;
        self.wait = Wait::Socket(read);
        self.waiting_in = Some(WaitPlace::Socket(read.scheme));
    }
}

impl Slice {
    /// Whether the timer is not set, or set only for something later than the slice's end.
    #[inline]
    fn ends_unnoticed(&self) -> bool {
        self.armed.is_none_or(|armed| armed > self.end)
    }
}

impl Kernel {
    /// Puts a ready context into the run queue.
    pub fn enqueue_ready(&mut self, id: Id<Context>) {
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        if context.status != Status::Ready || context.stopped || self.current == Some(id) {
            return;
        }
        self.run.push(&mut self.contexts, id);
        match self.current.and_then(|id| self.contexts.get(id)) {
            Some(current) if !self.run.preempts(&current.run) => {}
            _ => {
                self.slice.over = true;
                self.attention = true;
            }
        }
        if self.slice.ends_unnoticed() {
            self.arm();
        }
    }

    /// Notes that a scheme has a message that nobody waits for an answer to. It is delivered when this
    /// CPU next chooses from the run queue, at the end of the slice at the latest.
    pub fn note_message(&mut self, scheme: Id<Scheme>) {
        match self.slice.noted.replace(scheme) {
            Some(other) if other != scheme => self.feed(other, false),
            Some(_) => {}
            None if self.slice.ends_unnoticed() => self.arm(),
            None => {}
        }
    }

    /// Sees to it that the timer ends the slice, at which time chores are done.
    pub fn arm_for_chores(&mut self) {
        if self.slice.ends_unnoticed() {
            self.arm();
        }
    }

    /// Decides what to do on the way out of the kernel. `true`: go to user mode, with the registers
    /// that the CPU's block names. `false`: nothing is ready; halt until an interrupt.
    #[inline]
    pub fn leave(&mut self) -> bool {
        if !self.attention {
            return self.current.is_some();
        }
        self.leave_slowly()
    }

    fn leave_slowly(&mut self) -> bool {
        if self.hand_off() {
            return true;
        }
        self.leave_by_choice()
    }

    /// Goes to the context that a message was handed to, when nothing else is to be done.
    #[inline]
    fn hand_off(&mut self) -> bool {
        let (Some(next), Some(current)) = (self.handoff, self.current) else {
            return false;
        };
        let Some((from, to)) = self.contexts.get2_mut(current, next) else {
            return false;
        };
        let Some(loaded) = from.give_over(to) else {
            return false;
        };
        let running = is_runnable(from);
        self.handoff = None;
        self.attention = false;
        self.now_runs(next, loaded);
        if running {
            self.run.push_front(&mut self.contexts, current);
        }
        true
    }

    /// Notes that the CPU has been given to a context.
    #[inline]
    pub fn now_runs(&mut self, next: Id<Context>, loaded: Loaded) {
        self.switches = self.switches.wrapping_add(1);
        self.current = Some(next);
        self.current_table = loaded.table;
        self.current_space = loaded.space;
        memory::runs_for(loaded.euid);
    }

    #[cold]
    fn leave_by_choice(&mut self) -> bool {
        loop {
            self.attention = false;
            let Some(next) = self.choose() else {
                self.park();
                return false;
            };
            if self.current != Some(next) {
                self.switch_to(next);
            }
            let Some(context) = self.contexts.get_mut(next) else {
                continue;
            };
            if let Some(key) = context.repeats.take() {
                self.make_call_again(next, key);
                if self.attention {
                    continue;
                }
            }
            if self.this().is_some_and(|context| context.interrupted) {
                self.deliver_signal(next);
                if self.attention {
                    continue;
                }
            }
            return true;
        }
    }

    /// Repeats the call that a context waited with, unless a signal is to come first.
    fn make_call_again(&mut self, id: Id<Context>, key: WaitKey) {
        let interrupted = self
            .contexts
            .get(id)
            .is_some_and(|context| context.interrupted)
            && self.signal_deliverable(id);
        if interrupted {
            if let Some(context) = self.contexts.get_mut(id) {
                context.state.frame.set_result(mux(Err(EINTR)));
            }
        } else {
            self.repeat_call(key);
        }
    }

    /// The context to run now. It is in no queue.
    fn choose(&mut self) -> Option<Id<Context>> {
        let current = self.current;
        let running = current
            .and_then(|id| self.contexts.get(id))
            .is_some_and(is_runnable);
        if let Some(next) = self.handoff.take()
            && self.contexts.get(next).is_some_and(is_runnable)
        {
            if let Some(current) = current.filter(|current| running && *current != next) {
                self.current = None;
                self.run.push_front(&mut self.contexts, current);
                self.current = Some(current);
            }
            return Some(next);
        }
        if running && !self.slice.over {
            return current;
        }
        self.choose_from_queue(current.filter(|_| running))
    }

    #[cold]
    fn choose_from_queue(&mut self, running: Option<Id<Context>>) -> Option<Id<Context>> {
        if let Some(scheme) = self.slice.noted.take() {
            self.feed(scheme, false);
        }
        let now = self.now();
        self.charge(now);
        self.slice.over = false;
        if let Some(running) = running {
            self.run.push(&mut self.contexts, running);
        }
        let next = self.run.pick(&mut self.contexts)?;
        let left = self
            .contexts
            .get(next)
            .map_or(0, |context| context.run.left_ns());
        self.slice.picked = Some(next);
        self.slice.since = now;
        self.slice.end = now.saturating_add(left.into());
        self.arm();
        Some(next)
    }

    /// Charges the context that was picked for the time since.
    fn charge(&mut self, now: u64) {
        let used = now.saturating_sub(self.slice.since);
        if let Some(context) = self
            .slice
            .picked
            .take()
            .and_then(|id| self.contexts.get_mut(id))
        {
            context.run.charge(used);
        }
    }

    /// Leaves the CPU without a context.
    fn park(&mut self) {
        if let Some(id) = self.current.take() {
            let now = arch::ticks();
            if let Some(context) = self.contexts.get_mut(id) {
                context.state.save();
                context.meter.stop(now);
            }
            self.idle.start(now);
        }
        self.arm();
    }

    /// Loads everything of `next` into the CPU but the general registers, which the way out loads.
    fn switch_to(&mut self, next: Id<Context>) {
        let of = |context: &Context| Some((context.space?, context.table?));
        let Some((space_id, table)) = self.contexts.get(next).and_then(of) else {
            return;
        };
        self.switches = self.switches.wrapping_add(1);
        let now = arch::ticks();
        if let Some(context) = self.this() {
            context.state.save();
            context.meter.stop(now);
        } else {
            self.idle.stop(now);
        }
        let Some(context) = self.contexts.get_mut(next) else {
            return;
        };
        context.meter.start(now);
        let root = context.root;
        memory::runs_for(context.attrs.euid);
        self.current = Some(next);
        self.current_table = table;
        self.current_space = space_id;
        crate::entry::load(context, root);
    }

    /// Sets the timer to the next deadline or the end of the running slice, whichever is sooner.
    pub fn arm(&mut self) {
        let deadline = self.timers.next_deadline();
        let contended =
            !self.run.is_empty() || self.slice.noted.is_some() || !self.chores.suspects.is_empty();
        // With nobody on the CPU this is for whoever is chosen next, who may be handed a message and
        // then be chosen without coming here.
        let slice = contended.then(|| {
            let now = self.now();
            if self.slice.end <= now {
                self.slice.end = now.saturating_add(ARM_AGAIN);
            }
            self.slice.end
        });
        let next = match (deadline, slice) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if next != self.slice.armed {
            self.slice.armed = next;
            arch::arm_timer(next);
        }
    }

    /// The timer interrupt.
    pub fn timer_fired(&mut self) {
        self.slice.armed = None;
        let now = self.now();
        while let Some((_, alarm)) = self.timers.pop_expired(now) {
            match alarm {
                Alarm::Wake(id) => self.timed_out(id),
                Alarm::Clock(id) => self.clock_fired(id),
                Alarm::Event(registration) => self.event_timeout(registration),
            }
        }
        if now >= self.slice.end {
            self.slice.over = true;
            self.attention = true;
            self.call_for_chores();
        }
        self.arm();
    }

    fn timed_out(&mut self, id: Id<Context>) {
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        context.timer = None;
        match context.wait {
            Wait::Futex => self.wake_with(id, Err(ETIMEDOUT)),
            Wait::Sleep { .. } => self.wake_with(id, Ok(0)),
            _ => {}
        }
    }

    /// Sets the deadline of a context's wait.
    pub fn set_timer(&mut self, id: Id<Context>, deadline: u64) -> Outcome<()> {
        let timer = self
            .timers
            .set(deadline, Alarm::Wake(id))
            .map_err(|_| Halt::Errno(ENOMEM))?;
        if let Some(context) = self.contexts.get_mut(id) {
            context.timer = Some(timer);
        }
        self.arm();
        Ok(())
    }

    /// Drops the deadline of a context's wait.
    pub fn cancel_timer(&mut self, id: Id<Context>) {
        let timer = self
            .contexts
            .get_mut(id)
            .and_then(|context| context.timer.take());
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
    }
}

/// How long a context goes on when its slice has ended with nobody else ready, in nanoseconds.
const ARM_AGAIN: u64 = 5_000_000;

fn is_runnable(context: &Context) -> bool {
    context.status == Status::Ready && !context.stopped
}
